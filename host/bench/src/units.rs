//! Durations and sizes with their units, as they stand on the command line.

use bytesize::ByteSize;
use std::time::Duration;

const LARGEST: ByteSize = ByteSize::gib(1);
/// A longer duration counts as this one: clocks overflow some time after it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration that is longer than 0.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text) {
        Ok(Duration::ZERO) => Err("it must be longer than 0".into()),
        other => other,
    }
}

/// Reads a duration.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map(|duration| duration.min(LONGEST));
    duration.map_err(|error| format!("{error}; give it as 500ms, 10s or 2m"))
}

/// Reads the size of a message.
pub(crate) fn message_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}; give it as 4096, 64KiB or 16MiB"))?;
    if size > LARGEST { Err(format!("it must be at most {LARGEST}")) } else { Ok(size) }
}
