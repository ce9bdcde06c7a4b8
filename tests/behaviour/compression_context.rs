//! The messages that compressed ones may refer to: with context takeover the earlier ones, even across a broadcast or a
//! swap, and never more than the client knows. Also the memory that a connection keeps for that.

use crate::common::{DEADLINE, Deflating, Host};
use std::time::Instant;

const TAKEOVER: [&str; 3] = ["--compress", "--compress-context-takeover", "yes"];
const DEFLATE: &str = "permessage-deflate";

/// A text of about 2,000 bytes that gets somewhat smaller by itself.
fn text() -> String {
    (0..250).map(|number: u32| format!("{} ", number.wrapping_mul(2_654_435_761) % 1_000_000)).collect()
}

/// Has the client's text echoed: its payload on the wire.
fn echoed(client: &mut Deflating) -> Vec<u8> {
    let heard = client.ask(&text());
    assert!(heard.compressed && heard.message == text().as_bytes());
    heard.payload
}

// RFC 7692 section 7.1.1
#[test]
fn only_with_takeover_is_a_repetition_smaller() {
    let [takeover, plain] = [&TAKEOVER[..], &["--compress"]].map(|arguments| Host::with("echo", arguments));
    for (host, offer, refers) in [
        (&takeover, DEFLATE, true),
        (&takeover, "permessage-deflate; client_no_context_takeover", true),
        (&takeover, "permessage-deflate; server_no_context_takeover", false),
        // The window is smaller than the message.
        (&takeover, "permessage-deflate; server_max_window_bits=9", false),
        (&plain, DEFLATE, false),
    ] {
        let mut client = Deflating::offer(host, "/", &[offer]);
        let [first, second] = [(); 2].map(|()| echoed(&mut client).len());
        assert_eq!(second < first / 4, refers, "{offer}: {first}, {second}");
    }
}

// RFC 7692 section 7.1.1.2: a client that agreed not to must not refer to its earlier messages.
#[test]
fn a_client_that_breaks_its_word_is_closed_with_1007() {
    let host = Host::with("echo", &TAKEOVER);
    let mut client = Deflating::offer(&host, "/", &["permessage-deflate; client_no_context_takeover"]);
    echoed(&mut client);
    echoed(&mut client);
    client.answer = DEFLATE.to_owned();
    client.send(1, text().as_bytes());
    assert_eq!(client.raw.read_close(), 1007);
}

/// A broadcast is compressed once for all that agreed on the same window, whatever else they were sent.
#[test]
fn a_broadcast_is_one_frame_for_all_of_the_same_window() {
    let host = Host::with("broadcast", &[&TAKEOVER[..], &["--loops", "2"]].concat());
    let offers = [
        DEFLATE,
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9",
        "",
    ];
    // Jobs of different clients have no order: a client that comes during a broadcast may get it, uncompressed.
    let hear = |client: &mut Deflating, text: &str| loop {
        let heard = client.hear();
        if heard.message == text.as_bytes() {
            return heard;
        }
    };
    let mut clients = Vec::new();
    for (number, offer) in offers.iter().enumerate() {
        let mut client = Deflating::offer(&host, "/", &[offer]);
        // Now each client has received a different number of messages.
        let text = format!("{number} comes, {}", text());
        client.raw.send(&crate::common::frame(0x81, text.as_bytes()));
        clients.push(client);
        clients.iter_mut().for_each(|client| drop(hear(client, &text)));
    }
    for round in 0..3 {
        let text = format!("{round}, {}", text());
        clients[0].send(1, text.as_bytes());
        let heard: Vec<_> = clients.iter_mut().map(|client| hear(client, &text)).collect();
        assert_eq!(heard.iter().map(|heard| heard.compressed).collect::<Vec<_>>(), [true, true, true, true, false]);
        assert!(heard[0] == heard[1] && heard[1] == heard[2], "the same bytes");
        assert_ne!(heard[0].payload, heard[3].payload);
    }
}

/// Messages of its own, broadcasts, and messages from jobs, in one order for the compressor and the client.
#[test]
fn whatever_way_messages_take_the_client_can_read_them() {
    let host = Host::with("probe", &[&TAKEOVER[..], &["--compress-threshold", "0B", "--loops", "2"]].concat());
    let mut ann = Deflating::offer(&host, "/ann", &[DEFLATE]);
    let mut bob = Deflating::offer(&host, "/bob", &["permessage-deflate; server_max_window_bits=10"]);
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.ask("join room").message, b"Sent");
    }
    for _ in 0..5 {
        ann.send(1, b"mixed room 200");
        for number in 0..200 {
            let expected = number.to_string().into_bytes();
            assert_eq!(ann.hear().message, expected);
            if number % 2 != 0 {
                assert_eq!(bob.hear().message, expected);
            }
        }
    }
    // The broadcast is compressed without earlier messages, between messages that refer back beyond it.
    let (own, to_all) = (text(), "to all, ".repeat(100));
    for _ in 0..3 {
        assert_eq!(ann.ask(&format!("echo {own}")).message, own.as_bytes());
        bob.send(1, format!("all {to_all}").as_bytes());
        for client in [&mut ann, &mut bob] {
            let heard = client.hear();
            assert!(heard.compressed && heard.message == to_all.as_bytes());
        }
        assert_eq!(bob.hear().message, b"2");
    }
}

/// Live swap: the connection, its compressor and its received data belong to the client, not to the engine.
#[test]
fn a_swap_keeps_the_context_in_both_directions() {
    let host = Host::with("heir", &TAKEOVER);
    let mut client = Deflating::offer(&host, "/", &[DEFLATE]);
    let mut sent = 0;
    let mut lengths = |client: &mut Deflating| {
        let request = client.deflated(text().as_bytes());
        client.raw.send(&crate::common::frame(0xc1, &request));
        let heard = client.hear();
        assert_eq!(String::from_utf8_lossy(&heard.message), format!(" {sent} {}", text()));
        sent += 1;
        (request.len(), heard.payload.len())
    };
    let first = lengths(&mut client);
    for swap in 1..=3 {
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 1 connections handed over"]);
        let next = lengths(&mut client);
        assert!(next.0 < first.0 / 4 && next.1 < first.1 / 4, "{first:?}, {next:?}");
    }
}

#[test]
fn an_idle_connection_gives_its_compressor_back() {
    const CLIENTS: usize = 100;
    let host = Host::with("echo", &[&TAKEOVER[..], &["--loops", "1"]].concat());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Deflating::offer(&host, "/", &[DEFLATE])).collect();
    let idle = host.resident();
    let first = echoed(&mut clients[0]);
    clients.iter_mut().for_each(|client| assert!(echoed(client).len() <= first.len()));
    let busy = host.resident();
    host.wait_for_log(CLIENTS, &["its compressor is given back"]);
    assert_eq!(echoed(&mut clients[0]), first, "a new one, which knows of nothing before");

    // The allocator returns memory in its own time, by whole blocks; what messages that come may refer to stays, 32 KiB each.
    let (held, until) = (busy - idle, Instant::now() + DEADLINE);
    assert!(held > CLIENTS * 250 * 1024, "{held}");
    while host.resident() > idle + held / 2 {
        assert!(Instant::now() < until, "of {held} bytes more, {} stay", host.resident() - idle);
        assert!(clients[1].ask("tick").message == b"tick");
    }
}
