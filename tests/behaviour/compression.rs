//! permessage-deflate (RFC 7692): its negotiation, messages in both directions, and bad input (D1 to D3).

use crate::common::{Deflating, Host, Raw, ask, connect, frame};

const BOTH_WITHOUT: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const TAKEOVER: [&str; 3] = ["--compress", "--compress-context-takeover", "yes"];

/// Text of this many bytes, with characters of one to four bytes and without repetitions.
fn text(size: usize) -> Vec<u8> {
    let mut text: String = (0..).map(|number| format!("{number} é€😀 ")).take(size / 12).collect();
    while text.len() > size {
        text.pop();
    }
    text.push_str(&"x".repeat(size - text.len()));
    text.into_bytes()
}

/// This many bytes that compression does not shrink.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

#[test]
fn messages_of_all_sizes_and_kinds_come_back() {
    let takeovers: [&[&str]; 2] = [&["--compress"], &TAKEOVER];
    for takeover in takeovers {
        let host = Host::with("echo", &[takeover, &["--compress-threshold", "0B"]].concat());
        for offer in [
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=8",
            BOTH_WITHOUT,
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        ] {
            let mut client = Deflating::offer(&host, "/", &[offer]);
            assert!(client.answer.starts_with("permessage-deflate"), "{offer}");
            for size in [0, 1, 5, 125, 126, 1000, 65_535, 65_536, 1 << 20] {
                if size == 1 << 20 && offer != "permessage-deflate" {
                    continue; // once is slow enough in a debug build
                }
                let what = format!("{size} bytes, {}", client.answer);
                for (opcode, message) in [(1, text(size)), (2, noise(size))] {
                    client.send(opcode, &message);
                    let heard = client.hear();
                    assert!(heard.opcode == opcode && heard.message == message, "{what}");
                    assert!(heard.payload.len() <= size, "never larger than it is: {what}");
                    assert!(opcode == 2 || size < 125 || heard.payload.len() < size * 2 / 3, "smaller: {what}");
                    client.send_in_parts(opcode, &message, 5);
                    let heard = client.hear();
                    assert!(heard.opcode == opcode && heard.message == message, "in parts, {what}");
                }
            }
            // Uncompressed messages are understood among compressed ones.
            client.raw.send(&frame(0x81, b"plain"));
            assert_eq!(client.hear().message, b"plain");
        }
    }
}

// RFC 7692 section 6: uncompressed messages are sent with RSV1 unset.
#[test]
fn only_messages_from_the_threshold_on_are_compressed() {
    for (arguments, threshold) in [(&["--compress"][..], 256), (&["--compress", "--compress-threshold=1KiB"], 1024)] {
        let host = Host::with("echo", arguments);
        let mut client = Deflating::offer(&host, "/", &["permessage-deflate"]);
        assert!(!client.ask(&"x".repeat(threshold - 1)).compressed);
        assert!(client.ask(&"x".repeat(threshold)).compressed);
    }
}

#[test]
fn a_higher_level_makes_messages_smaller() {
    let length = |level: &str| {
        let host = Host::with("echo", &["--compress", "--compress-level", level]);
        let mut client = Deflating::offer(&host, "/", &["permessage-deflate"]);
        client.send(1, &text(100_000));
        client.hear().payload.len()
    };
    let (fast, small) = (length("1"), length("9"));
    assert!(small < fast, "{fast}, {small}");
}

#[test]
fn without_the_option_nothing_is_agreed_on() {
    let host = Host::with("echo", &[]);
    let mut client = Deflating::offer(&host, "/", &["permessage-deflate; client_max_window_bits"]);
    assert_eq!(client.answer, "");
    client.raw.send(&frame(0x81, &text(1000)));
    assert!(!client.hear().compressed);
    client.send(1, b"RSV1 all the same");
    assert_eq!(client.raw.read_close(), 1002);
}

// RFC 7692 sections 5 and 7.1
#[test]
fn the_answer_is_no_more_than_was_offered() {
    let host = Host::with("echo", &TAKEOVER);
    let small = Host::with("echo", &[&TAKEOVER[..], &["--compress-window-bits", "10"]].concat());
    let plain = Host::with("echo", &["--compress"]);
    let cases: [(&Host, &[&str], &str); 12] = [
        (&host, &[], ""),
        (&host, &["permessage-deflate"], "permessage-deflate"),
        (&host, &["permessage-deflate; client_max_window_bits"], "permessage-deflate"),
        (&host, &["permessage-deflate;client_max_window_bits=\"10\""], "permessage-deflate; client_max_window_bits=10"),
        (&host, &[BOTH_WITHOUT], BOTH_WITHOUT),
        (&plain, &["permessage-deflate"], BOTH_WITHOUT),
        (&small, &["permessage-deflate"], "permessage-deflate; server_max_window_bits=10"),
        (&small, &["permessage-deflate; server_max_window_bits=9"], "permessage-deflate; server_max_window_bits=9"),
        // The first that will do, of several in one line or in several.
        (&host, &["permessage-deflate; nonsense, permessage-deflate"], "permessage-deflate"),
        (&host, &["permessage-bzip2, x-webkit-deflate-frame"], ""),
        (
            &host,
            &["x-other", "permessage-deflate; server_max_window_bits=8", "permessage-deflate"],
            "permessage-deflate",
        ),
        (&host, &["x-other; a=\"1, permessage-deflate; b=\""], ""),
    ];
    for (host, offer, answer) in cases {
        assert_eq!(Deflating::offer(host, "/", offer).answer, answer, "{offer:?}");
    }
}

// D2
#[test]
fn bad_offers_are_declined_and_the_connection_goes_on_without() {
    let host = Host::with("echo", &["--compress"]);
    for parameters in [
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "server_max_window_bits",
        "server_max_window_bits=010",
        "client_no_context_takeover=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits=10; client_max_window_bits=10",
        "level=9",
        "",
    ] {
        let mut client = Deflating::offer(&host, "/", &[&format!("permessage-deflate; {parameters}")]);
        assert_eq!(client.answer, "", "{parameters}");
        client.raw.send(&frame(0x81, &text(1000)));
        let heard = client.hear();
        assert!(!heard.compressed && heard.message == text(1000), "{parameters}");
        client.send(1, b"compressed");
        assert_eq!(client.raw.read_close(), 1002, "{parameters}");
    }
}

// D1
#[test]
fn a_bomb_is_delivered_at_the_limit_and_closes_its_sender_above() {
    const LIMIT: usize = 1 << 20;
    let host = Host::with("echo", &["--compress", "--loops", "1"]);
    let mut bystander = Raw::open(&host, "/");
    let mut bomber = Deflating::offer(&host, "/", &["permessage-deflate"]);
    bomber.send(2, &vec![0; LIMIT]);
    let heard = bomber.hear();
    assert!(heard.message == vec![0; LIMIT] && heard.payload.len() < 8192, "{}", heard.payload.len());
    bomber.send(2, &vec![0; LIMIT + 1]);
    assert_eq!(bomber.raw.read_close(), 1009);

    // A thousandfold, many times: none is inflated beyond the limit, and none of it stays.
    let bomb = Deflating::offer(&host, "/", &["permessage-deflate"]).deflated(&vec![0; 256 << 20]);
    let before = host.resident();
    for opcode in [1, 2].repeat(10) {
        let mut bomber = Deflating::offer(&host, "/", &["permessage-deflate"]);
        // The server may close before it has it all.
        let _ = std::io::Write::write_all(&mut bomber.raw.0, &frame(0xc0 | opcode, &bomb));
        assert_eq!(bomber.raw.read_frame().1[..2], 1009_u16.to_be_bytes());
        bystander.send(&frame(0x81, b"unmoved"));
        assert_eq!(bystander.read_frame(), (0x81, b"unmoved".to_vec()));
    }
    let grown = host.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more for 20 bombs of 256 MiB");
    let refused = host.wait_for_log(21, &["connection failed", "127.0.0.1:", "code=1009"]);
    assert_eq!(refused.len(), 21, "each is logged once");
}

// D3
#[test]
fn faults_in_compression_have_their_codes_and_disturb_nobody() {
    let host = Host::with("echo", &["--compress"]);
    let mut bystander = Deflating::offer(&host, "/", &["permessage-deflate"]);
    let whole = bystander.deflated(&text(300));
    let invalid_text = bystander.deflated(b"\xc3\x28");
    let cases: [(&str, Vec<u8>, u16); 10] = [
        ("RSV1 on a ping", frame(0xc9, b""), 1002),
        ("RSV1 on a close", frame(0xc8, b"\x03\xe8"), 1002),
        ("RSV1 on a continuation", [frame(0x41, &whole[..9]), frame(0xc0, &whole[9..])].concat(), 1002),
        ("RSV1 on a continuation of what is not compressed", [frame(0x01, b"a"), frame(0xc0, b"b")].concat(), 1002),
        ("RSV2", frame(0xe1, &whole), 1002),
        ("a truncated stream", frame(0xc1, &whole[..whole.len() - 2]), 1007),
        ("no stream at all", frame(0xc1, b""), 1007),
        ("a block of a reserved kind", frame(0x41, b"\x07"), 1007),
        ("a reference to what was never sent", frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]), 1007),
        ("text that inflates to bad UTF-8", frame(0xc1, &invalid_text), 1007),
    ];
    for (what, bytes, code) in cases {
        let mut client = Deflating::offer(&host, "/", &["permessage-deflate"]);
        client.raw.send(&bytes);
        assert_eq!(client.raw.read_close(), code, "{what}");
        assert_eq!(bystander.ask(what).message, what.as_bytes());
    }
    assert_eq!(host.wait_for_log(10, &["connection failed", "127.0.0.1:", "code="]).len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_extension_gets_messages_as_they_are() {
    let host = Host::with("broadcast", &["--compress", "--loops", "1"]);
    let mut deflating = Deflating::offer(&host, "/", &["permessage-deflate"]);
    let mut plain = connect(&host, "/").await;
    let message = String::from_utf8(text(5000)).expect("UTF-8");
    assert_eq!(ask(&mut plain, &message).await, message);
    let heard = deflating.hear();
    assert!(heard.compressed && heard.message == message.as_bytes());
}
