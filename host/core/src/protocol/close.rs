//! Close codes and reasons (RFC 6455 sections 5.5.1 and 7.4): which ones may be received, and which may be sent.

use super::Fault;

// Engines use the codes by the same names.
pub use plugin_api::close_code::{
    ABNORMAL, GOING_AWAY, INTERNAL, INVALID_DATA, NO_STATUS, NORMAL, POLICY, PROTOCOL, SERVICE_RESTART, TOO_BIG,
    TRY_LATER, UNSUPPORTED,
};

/// The most bytes a reason can have: a control frame's 125 (RFC 6455 section 5.5) less the two of the code.
const MAX_REASON: usize = 123;

/// Whether a close frame from a client may hold this code.
///
/// It may hold every code that RFC 6455 section 7.4.1 or the IANA registry defines for the wire, and the codes that
/// section 7.4.2 leaves to libraries (3000-3999) and applications (4000-4999).
pub(crate) fn receivable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Whether a close frame from this server may hold this code. These are the same codes, so that the server can echo
/// every code that it receives, as RFC 6455 section 5.5.1 asks.
pub fn sendable(code: u16) -> bool {
    receivable(code)
}

/// The longest start of `reason` that fits a close frame: at most 123 bytes, cut between two characters.
pub(crate) fn cut_reason(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// Parses a close frame's payload: the code, or [`NO_STATUS`] if it is empty, and the reason.
pub(super) fn parse(payload: &[u8]) -> Result<(u16, &str), Fault> {
    if payload.is_empty() {
        return Ok((NO_STATUS, ""));
    }
    let reason = reason_behind_code(payload)?;
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::ReasonNotUtf8)?;
    Ok((u16::from_be_bytes([payload[0], payload[1]]), reason))
}

/// Refuses the first bytes of a close frame's payload if no further bytes can make it valid.
pub(super) fn check_start(payload: &[u8]) -> Result<(), Fault> {
    if payload.len() < 2 {
        return Ok(());
    }
    match std::str::from_utf8(reason_behind_code(payload)?) {
        Err(error) if error.error_len().is_some() => Err(Fault::ReasonNotUtf8),
        _ => Ok(()),
    }
}

/// Checks the code and returns the rest.
fn reason_behind_code(payload: &[u8]) -> Result<&[u8], Fault> {
    // RFC 6455 section 5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer".
    let (code, reason) = payload.split_first_chunk().ok_or(Fault::HalfCloseCode)?;
    let code = u16::from_be_bytes(*code);
    if receivable(code) { Ok(reason) } else { Err(Fault::CloseCode(code)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 section 7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame";
    /// section 7.4.2: "Status codes in the range 0-999 are not used."
    #[test]
    fn codes_that_are_not_for_the_wire_are_refused() {
        for code in [0, 1, 999, 1004, NO_STATUS, ABNORMAL, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
            assert!(!receivable(code) && !sendable(code), "{code}");
        }
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            assert!(receivable(code) && sendable(code), "{code}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(cut_reason("short"), "short");
        assert_eq!(cut_reason(&"x".repeat(123)).len(), 123);
        assert_eq!(cut_reason(&"x".repeat(124)).len(), 123);
        assert_eq!(cut_reason(&"é".repeat(100)).len(), 122);
        assert_eq!(cut_reason(&"😀".repeat(100)).len(), 120);
    }

    #[test]
    fn a_payload_is_a_code_and_a_reason() {
        assert_eq!(parse(b""), Ok((NO_STATUS, "")));
        assert_eq!(parse(b"\x03\xe8"), Ok((NORMAL, "")));
        assert_eq!(parse(b"\x03\xe9bye"), Ok((GOING_AWAY, "bye")));
        assert_eq!(parse(b"\x03"), Err(Fault::HalfCloseCode));
        assert_eq!(parse(b"\x03\xed"), Err(Fault::CloseCode(1005)));
        assert_eq!(parse(b"\x03\xe8\xc3"), Err(Fault::ReasonNotUtf8));
    }

    #[test]
    fn a_start_is_refused_as_soon_as_nothing_can_mend_it() {
        assert_eq!(check_start(b"\x03"), Ok(()));
        assert_eq!(check_start(b"\x03\xe8\xc3"), Ok(()));
        assert_eq!(check_start(b"\x03\xed"), Err(Fault::CloseCode(1005)));
        assert_eq!(check_start(b"\x03\xe8\xff"), Err(Fault::ReasonNotUtf8));
    }
}
