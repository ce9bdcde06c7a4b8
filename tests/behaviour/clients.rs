//! The functions of a client that engines call.

use crate::common::{Client, Host, Raw, ask, connect, frame, hear};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A raw client that is called ann, and one that tells the engine what to do with her.
async fn ann_and_bob(host: &Host) -> (Raw, Client) {
    let mut ann = Raw::open(host, "/ann");
    ann.send(&frame(0x81, b"name ann"));
    assert_eq!(ann.read_frame(), (0x81, b"named ann".to_vec()));
    (ann, connect(host, "/bob").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_an_id_of_its_own() {
    let host = Host::with("probe", &["--loops", "2"]);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let mut client = connect(&host, "/").await;
        let id = ask(&mut client, "id").await;
        assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        assert_eq!(ask(&mut client, "id").await, id, "for as long as it is connected");
        assert!(!ids.contains(&id), "{id} twice");
        ids.push(id);
    }
    let other_run = Host::with("probe", &[]);
    let id = ask(&mut connect(&other_run, "/").await, "id").await;
    assert!(ids.iter().all(|other| other[..16] != id[..16]), "another run has other ids");
}

// The host has deadlines for each of them, of which keepalive's is the latest by far.
#[test]
fn clients_that_have_gone_leave_no_memory() {
    let host = Host::with("probe", &["--ping-after", "2m"]);
    let come_and_go = |count: usize| {
        for number in 0..count {
            let mut raw = Raw::open(&host, "/");
            // Every other one goes without a word.
            if number % 2 == 0 {
                raw.send(&frame(0x88, &1000_u16.to_be_bytes()));
                raw.read_rest();
            }
        }
    };
    come_and_go(500);
    let before = host.resident();
    come_and_go(20_000);
    let grown = host.resident().saturating_sub(before);
    // The system may have given it a large page meanwhile, of 2 MiB.
    assert!(grown < 3 * 1024 * 1024, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_sees_the_facts_of_a_client() {
    let host = Host::with("probe", &["--ping-after", "1s"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    for (fact, is) in [("state", "Open"), ("pinged", "false"), ("connected", "true"), ("buffered", "0")] {
        assert_eq!(ask(&mut bob, &format!("on ann {fact}")).await, is, "{fact}");
    }
    let mut idle = async || ask(&mut bob, "on ann idle").await.parse::<u64>().expect("milliseconds");
    let before = idle().await;
    while idle().await < before + 20 {}
    ann.send(&frame(0x8a, b""));
    while idle().await > before + 20 {}

    assert_eq!(ann.read_frame(), (0x89, vec![]), "she is pinged");
    assert_eq!(ask(&mut bob, "on ann pinged").await, "true");
    ann.send(&frame(0x8a, b""));
    while ask(&mut bob, "on ann pinged").await == "true" {}

    ann.send(&frame(0x88, b""));
    ann.read_rest();
    while ask(&mut bob, "on ann state").await != "Closed" {}
    for (fact, is) in [("connected", "false"), ("buffered", "0"), ("send hello", "Gone"), ("close 1000", "Gone")] {
        assert_eq!(ask(&mut bob, &format!("on ann {fact}")).await, is, "{fact}");
    }
    assert_eq!(ask(&mut bob, "on ann join lobby").await, "Gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_control_frames_and_events_reach_a_client_from_another_s_callback() {
    for loops in ["1", "2"] {
        let host = Host::with("probe", &["--loops", loops]);
        let (mut ann, mut bob) = ann_and_bob(&host).await;
        for (command, came) in [
            ("send hello", (0x81, "hello")),
            ("ping are you there?", (0x89, "are you there?")),
            ("pong unasked", (0x8a, "unasked")),
            ("event from bob", (0x81, "event from bob")),
        ] {
            assert_eq!(ask(&mut bob, &format!("on ann {command}")).await, "Sent");
            assert_eq!(ann.read_frame(), (came.0, came.1.as_bytes().to_vec()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_client_is_not_read_from() {
    let host = Host::with("probe", &["--loops", "1"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    assert_eq!(ask(&mut bob, "on ann pause").await, "Sent");
    ann.send(&frame(0x81, b"work 0"));
    // The loop turns 200 times. Were ann read from, her message would be there.
    for number in 0..200 {
        assert_eq!(ask(&mut bob, &format!("echo {number}")).await, number.to_string());
    }
    assert_eq!(ask(&mut bob, "asked").await, "0");
    assert_eq!(ask(&mut bob, "on ann send hello").await, "Sent");
    assert_eq!(ann.read_frame(), (0x81, b"hello".to_vec()), "but written to");
    assert_eq!(ask(&mut bob, "on ann resume").await, "Sent");
    while ask(&mut bob, "asked").await == "0" {}
}

#[test]
fn close_sends_what_is_queued_and_close_now_drops_it() {
    let host = Host::with("probe", &[]);
    let close = [&1000_u16.to_be_bytes()[..], b"told to"].concat();
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x81, b"send-and-close last words"));
    assert_eq!(raw.read_frame(), (0x81, b"last words".to_vec()));
    assert_eq!(raw.read_frame(), (0x88, close.clone()));
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x81, b"send-and-close-now last words"));
    assert_eq!(raw.read_frame(), (0x88, close));
}

#[test]
fn discarding_drops_what_is_queued() {
    let host = Host::with("probe", &[]);
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x81, b"send-and-discard nobody hears this"));
    let dropped = "nobody hears this".len() + 2;
    assert_eq!(raw.read_frame(), (0x81, dropped.to_string().into_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_read_complete_comes_once_for_all_that_one_read_brought() {
    let host = Host::with("probe", &["--loops", "1"]);
    let mut bob = connect(&host, "/bob").await;
    let mut raw = Raw::open(&host, "/");
    let before: usize = ask(&mut bob, "reads").await.parse().expect("a number");
    raw.send(&frame(0x81, b"echo x").repeat(50));
    for _ in 0..50 {
        assert_eq!(raw.read_frame(), (0x81, b"x".to_vec()));
    }
    let after: usize = ask(&mut bob, "reads").await.parse().expect("a number");
    assert_eq!(after - before, 2, "one for these, and one for bob's first question");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_sees_the_facts_of_the_request() {
    let host = Host::with("probe", &[]);
    let mut request = host.url("/request?name=Ann+Lee").into_client_request().expect("a request");
    for (name, value) in [
        ("origin", "https://example.org"),
        ("cache-control", "no-cache"),
        ("accept-encoding", "gzip, br"),
        ("cookie", "theme=dark; crumb=a=b"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits, x-other"),
    ] {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (mut client, response) = tokio_tungstenite::connect_async(request).await.expect("let in");
    let expected = format!(
        "Some(\"Ann Lee\") Some({:?}) Some(\"https://example.org\") Some(13) Some(\"no-cache\") Some(\"gzip, br\") \
         Some(\"a=b\") ([\"permessage-deflate; client_max_window_bits\", \"x-other\"], [])",
        host.address()
    );
    assert_eq!(response.headers()["x-seen"].to_str().expect("text"), expected);
    assert_eq!(ask(&mut client, "event seen").await, "Sent");
    assert_eq!(hear(&mut client).await, "event seen");
}
