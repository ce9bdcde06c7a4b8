//! The negotiation of permessage-deflate, offer by offer (RFC 7692 section 7.1).

use proptest::prelude::*;

use crate::protocol::deflate::{Agreed, Compression, Reach, negotiate};

const PLAIN: Compression = Compression { level: 3, threshold: 256, context_takeover: false, window_bits: 15 };
const TAKEOVER: Compression = Compression { context_takeover: true, ..PLAIN };

/// The response to these headers.
fn response(headers: &[&str], ours: &Compression) -> Option<String> {
    negotiate(headers.iter().copied(), ours).map(|accepted| accepted.response)
}

#[track_caller]
fn assert_responses(ours: &Compression, table: &[(&str, &str)]) {
    for (offer, expected) in table {
        assert_eq!(response(&[offer], ours).as_deref(), Some(*expected), "{offer}");
    }
}

#[test]
fn with_takeover_the_response_says_what_was_asked_for() {
    assert_responses(
        &TAKEOVER,
        &[
            ("permessage-deflate", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
            ("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8"),
            ("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"),
            ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"),
            ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
            ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
            (
                "permessage-deflate;client_max_window_bits=\"12\" ;\tserver_max_window_bits = 11; \
                 client_no_context_takeover;server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=11; client_max_window_bits=12",
            ),
        ],
    );
}

/// RFC 7692 sections 7.1.1.1 and 7.1.1.2: the server may ask for this on its own.
#[test]
fn without_takeover_the_response_rules_it_out_for_both() {
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_responses(
        &PLAIN,
        &[
            ("permessage-deflate", both),
            ("permessage-deflate; client_no_context_takeover", both),
            ("permessage-deflate; client_max_window_bits", both),
        ],
    );
}

#[test]
fn a_smaller_window_of_our_own_is_in_the_response() {
    let ours = Compression { window_bits: 11, ..TAKEOVER };
    assert_responses(
        &ours,
        &[
            ("permessage-deflate", "permessage-deflate; server_max_window_bits=11"),
            ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=11"),
            ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        ],
    );
}

/// D2. RFC 7692 section 7.1: a server MUST decline an offer with a parameter that is not defined for an offer, with an
/// invalid value, or more than once.
#[test]
fn offers_that_are_not_in_order_are_declined() {
    for parameters in [
        "unknown",
        "unknown=1",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=+9",
        "server_max_window_bits=9.0",
        "server_max_window_bits=-9",
        "server_max_window_bits=1000000000000000000000",
        "server_max_window_bits=\"9",
        "server_max_window_bits=9\"",
        "server_max_window_bits=\"\"9\"\"",
        "server_max_window_bits=\"",
        "server_max_window_bits=ten",
        "server_max_window_bits=9=9",
        "client_max_window_bits=",
        "client_max_window_bits=\"\"",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=15 15",
        "server_no_context_takeover=",
        "server_no_context_takeover=true",
        "client_no_context_takeover=1",
        "client_no_context_takeover=\"\"",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "Server_No_Context_Takeover",
        "",
        ";",
        "=",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(response(&[&offer], &TAKEOVER), None, "{offer}");
    }
    for header in ["", ",", ";", "x-webkit-deflate-frame", "permessage-deflate2", "permessage deflate", "\""] {
        assert_eq!(response(&[header], &TAKEOVER), None, "{header}");
    }
}

/// RFC 7692 section 7.1.2.1 lets a client ask for a window of 256 bytes, which zlib cannot keep to when it compresses.
#[test]
fn a_server_window_that_zlib_cannot_keep_to_is_declined() {
    assert_eq!(response(&["permessage-deflate; server_max_window_bits=8"], &PLAIN), None);
}

/// RFC 7692 section 5.1: offers come in the client's order of preference, and may be several.
#[test]
fn the_first_offer_that_can_be_accepted_is() {
    let fallback = "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10, \
                    permessage-deflate";
    let expected = Some("permessage-deflate; server_max_window_bits=10".to_owned());
    assert_eq!(response(&[fallback], &TAKEOVER), expected);
    let lines = ["x-other; a=\"1, permessage-deflate; b=\\\",\"", "", "permessage-deflate; server_max_window_bits=10"];
    assert_eq!(response(&lines, &TAKEOVER), expected, "several headers are one list");
    assert_eq!(response(&["x-other; a=\"1, permessage-deflate"], &TAKEOVER), None, "inside quotes is nothing offered");
    assert_eq!(
        response(&["permessage-deflate; nonsense", "permessage-deflate"], &TAKEOVER).as_deref(),
        Some("permessage-deflate")
    );
}

#[test]
fn what_the_response_says_is_what_holds() {
    let agreed = |offer, ours| negotiate([offer], ours).unwrap().agreed;
    let reach = |context_takeover, window_bits| Reach { context_takeover, window_bits };
    assert_eq!(agreed("permessage-deflate", &PLAIN), Agreed { server: reach(false, 15), client: reach(false, 15) });
    assert_eq!(
        agreed("permessage-deflate; server_max_window_bits=9; client_max_window_bits=8", &TAKEOVER),
        Agreed { server: reach(true, 9), client: reach(true, 8) }
    );
    assert_eq!(
        agreed("permessage-deflate; server_no_context_takeover; client_max_window_bits", &TAKEOVER),
        Agreed { server: reach(false, 15), client: reach(true, 15) }
    );
}

/// Pieces of offers, as regular expressions.
const NAMES: &str = "permessage-deflate|(; ?(server|client)_(max_window_bits|no_context_takeover))";
const VALUES: &str = "(=\"?[0-9]{1,2}\"?)|[ ,;=\"\\\\a-z]";

fn header() -> impl Strategy<Value = String> {
    let pieces = format!("(permessage-deflate)?({NAMES}|{VALUES}){{0,8}}");
    prop::string::string_regex(&pieces).expect("a regular expression")
}

proptest! {
    /// Whatever a client offers, nothing is agreed on that the server or zlib cannot do.
    #[test]
    fn no_offer_is_harmful(
        headers in prop::collection::vec(header(), 0..3),
        window_bits in 9..=15_u8,
        context_takeover: bool,
    ) {
        let ours = Compression { window_bits, context_takeover, ..PLAIN };
        if let Some(accepted) = negotiate(headers.iter().map(String::as_str), &ours) {
            let Agreed { server, client } = accepted.agreed;
            prop_assert!((9..=window_bits).contains(&server.window_bits) && (8..=15).contains(&client.window_bits));
            prop_assert!(context_takeover || !server.context_takeover && !client.context_takeover);
            // A client that offers exactly this gets the same agreement.
            let again = negotiate([&accepted.response[..]], &ours);
            prop_assert_eq!(again, Some(accepted));
        }
    }
}
