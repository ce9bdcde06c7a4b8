//! Bad frames over a real socket (FAULTS F1 to F8): the code, and that nobody else notices. The frame layer's own tests
//! have the rest.

use crate::common::{Host, Raw, frame};

#[test]
fn each_fault_has_its_code_and_disturbs_nobody() {
    let host = Host::with("echo", &["--max-message", "1000"]);
    let mut bystander = Raw::open(&host, "/");
    let cases: [(&str, Vec<u8>, u16); 14] = [
        ("unmasked frame", vec![0x81, 0x02, b'h', b'i'], 1002),
        ("RSV1 without an extension", frame(0xc1, b"hi"), 1002),
        ("reserved opcode", frame(0x83, b"hi"), 1002),
        ("fragmented ping", frame(0x09, b"hi"), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("64-bit length with the top bit set", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1002),
        ("length over the limit, decided at the header", vec![0x82, 0xfe, 0x03, 0xe9, 1, 2, 3, 4], 1009),
        ("continuation of nothing", frame(0x80, b"hi"), 1002),
        ("new message inside a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("fragments over the limit", [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat(), 1009),
        ("bad UTF-8", frame(0x81, b"\xc3\x28"), 1007),
        ("bad UTF-8 in an unfinished frame", frame(0x81, b"\xed\xa0\x80 and so on")[..9].to_vec(), 1007),
        ("close payload of one byte", frame(0x88, &[3]), 1002),
        ("reserved close code", frame(0x88, &1005_u16.to_be_bytes()), 1002),
    ];
    for (what, bytes, code) in cases {
        let mut raw = Raw::open(&host, "/");
        raw.send(&bytes);
        assert_eq!(raw.read_close(), code, "{what}");
        bystander.send(&frame(0x81, what.as_bytes()));
        assert_eq!(bystander.read_frame(), (0x81, what.as_bytes().to_vec()));
    }
    // Refused once each, with the peer's address and the reason.
    assert_eq!(host.wait_for_log(14, &["connection failed", "127.0.0.1:", "code="]).len(), 14);
}

// F6
#[test]
fn a_message_of_131_072_one_byte_fragments_arrives() {
    let host = Host::with("echo", &[]);
    let mut raw = Raw::open(&host, "/");
    let mut bytes = frame(0x02, b"x");
    for _ in 0..131_070 {
        bytes.extend(frame(0x00, b"x"));
    }
    bytes.extend(frame(0x80, b"x"));
    raw.send(&bytes);
    assert_eq!(raw.read(10), [0x82, 127, 0, 0, 0, 0, 0, 2, 0, 0]);
    assert_eq!(raw.read(131_072), vec![b'x'; 131_072]);
}

// F3
#[test]
fn memory_follows_bytes_received_not_bytes_claimed() {
    let host = Host::with("echo", &["--max-message", "16MiB"]);
    let before = host.resident();
    let claims: Vec<Raw> = (0..1000)
        .map(|_| {
            let mut raw = Raw::open(&host, "/");
            raw.send(&[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5]);
            raw
        })
        .collect();
    let mut bystander = Raw::open(&host, "/");
    bystander.send(&frame(0x81, b"still there?"));
    assert_eq!(bystander.read_frame(), (0x81, b"still there?".to_vec()));
    let grown = host.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more for 1,000 claims of 16 MiB");
    drop(claims);
}

// F3, F5
#[test]
fn a_message_that_does_not_end_is_closed_at_its_deadline() {
    let host = Host::with("echo", &["--message-timeout", "500ms"]);
    let mut bystander = Raw::open(&host, "/");
    let beginnings = [
        ("a claim and silence", vec![0x82, 0xfe, 0x01, 0x00, 1, 2, 3, 4, 5]),
        ("half a header", vec![0x82, 0xfe, 0x01]),
        ("a fragment and silence", frame(0x01, b"to be continued")),
        ("empty continuations", [frame(0x01, b""), frame(0x00, b""), frame(0x00, b"")].concat()),
    ];
    let mut open: Vec<(&str, Raw)> = beginnings
        .map(|(what, bytes)| {
            let mut raw = Raw::open(&host, "/");
            raw.send(&bytes);
            (what, raw)
        })
        .into();
    for (what, raw) in &mut open {
        assert_eq!(raw.read_close(), 1008, "{what}");
    }
    bystander.send(&frame(0x81, b"unmoved"));
    assert_eq!(bystander.read_frame(), (0x81, b"unmoved".to_vec()));
}
