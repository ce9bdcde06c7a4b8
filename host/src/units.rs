//! Durations and sizes with their units, as operators write them on command lines.

use bytesize::ByteSize;
use std::time::Duration;

/// Longer durations count as this one, since clocks overflow some time after it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads a duration that is longer than 0.
///
/// # Errors
///
/// The text is no duration, or it is 0.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text) {
        Ok(Duration::ZERO) => Err("it must be longer than 0".into()),
        other => other,
    }
}

/// Reads a duration.
///
/// # Errors
///
/// The text is no duration.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map(|duration| duration.min(LONGEST));
    duration.map_err(|error| format!("{error}; give it as 500ms, 10s or 2m"))
}

/// Reads a size in bytes, from `least` to `most`.
///
/// # Errors
///
/// The text is no size, or a smaller or larger one.
pub(crate) fn size(text: &str, least: ByteSize, most: ByteSize) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}; give it as 4096, 64KiB or 16MiB"))?;
    if size < least || size > most { Err(format!("it must be from {least} to {most}")) } else { Ok(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_that_clocks_can_tell() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("500000000000years"), Ok(LONGEST));
        assert!(duration("0s").is_err() && duration_or_zero("0s").is_ok() && duration("soon").is_err());
    }

    #[test]
    fn a_size_lies_within_its_bounds() {
        let size = |text| size(text, ByteSize::b(1), ByteSize::kib(64));
        assert_eq!((size("1"), size("64KiB")), (Ok(ByteSize::b(1)), Ok(ByteSize::kib(64))));
        assert_eq!(size("0"), Err("it must be from 1 B to 64.0 KiB".into()));
        assert!(size("65KiB").is_err() && size("many").is_err_and(|why| why.contains("give it as 4096")));
    }
}
