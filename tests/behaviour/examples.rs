//! Each example does what its head says.

use crate::common::{Host, Raw, ask, closed_with, connect, frame, hear, say, try_connect};
use std::fs;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Response};

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_sends_each_text_unchanged_to_everyone() {
    let host = Host::with("broadcast", &[]);
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(connect(&host, "/").await);
    }
    // When the first text of the last client has come back, the engine knows that client.
    assert_eq!(ask(&mut clients[9], "I am here").await, "I am here");
    for client in &mut clients[..9] {
        assert_eq!(hear(client).await, "I am here");
    }
    for number in 0..10 {
        let text = format!("{number}: <b>schöne Grüße</b> \u{1f600}");
        say(&mut clients[number], &text).await;
        for client in &mut clients {
            assert_eq!(hear(client).await, text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_bound_counts_in_a_job_and_answers() {
    let host = Host::with("cpu-bound", &["--workers", "2"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "first").await, "first: counted to 1000");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cpu-bound.toml");
    fs::write(&file, "count = 20000\n").expect("written");
    let host = Host::with("cpu-bound", &["--engine-config", file.to_str().expect("UTF-8")]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "second").await, "second: counted to 20000");
}

#[test]
fn fragments_answers_in_two_fragments() {
    let host = Host::with("fragments", &[]);
    let mut raw = Raw::open(&host, "/");
    raw.send(&frame(0x81, "grün".as_bytes()));
    assert_eq!(raw.read_frame(), (0x01, b"gr".to_vec()));
    assert_eq!(raw.read_frame(), (0x80, "ün".as_bytes().to_vec()));
    raw.send(&frame(0x82, &[1, 2, 3]));
    assert_eq!(raw.read_frame(), (0x02, vec![1]));
    assert_eq!(raw.read_frame(), (0x80, vec![2, 3]));
    raw.send(&frame(0x81, b"report 3"));
    assert_eq!(raw.read_frame(), (0x01, b"line 1 of 3\n".to_vec()));
    assert_eq!(raw.read_frame(), (0x00, b"line 2 of 3\n".to_vec()));
    assert_eq!(raw.read_frame(), (0x00, b"line 3 of 3\n".to_vec()));
    assert_eq!(raw.read_frame(), (0x80, b"the end\n".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_writes_a_long_report_as_one_message() {
    let host = Host::with("fragments", &["--max-backlog", "16MiB"]);
    let mut client = connect(&host, "/").await;
    let report = ask(&mut client, "report 5000").await;
    assert_eq!(report.lines().count(), 5001);
    assert!(report.starts_with("line 1 of 5000\n") && report.ends_with("line 5000 of 5000\nthe end\n"));
    assert_eq!(ask(&mut client, "").await, "", "even nothing comes in two fragments");
}

/// Connects to `auth` with one more header; what it answered, and what it said first.
async fn identify(host: &Host, path: &str, header: (&'static str, &str)) -> Result<(HeaderMap, String), Error> {
    let mut request = host.url(path).into_client_request().expect("a request");
    request.headers_mut().insert(header.0, header.1.parse().expect("a value"));
    let (mut client, response) = tokio_tungstenite::connect_async(request).await?;
    Ok((response.headers().clone(), hear(&mut client).await))
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_lets_in_who_has_a_token() {
    let host = Host::with("auth", &[]);
    let (headers, welcome) = identify(&host, "/?token=sesame", ("x-nothing", "")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    assert_eq!(headers["set-cookie"], "token=sesame; HttpOnly; SameSite=Strict");
    assert!(!headers.contains_key("sec-websocket-protocol"));
    let (_, welcome) = identify(&host, "/", ("authorization", "Bearer sesame")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    let (_, welcome) = identify(&host, "/", ("cookie", "theme=dark; token=sesame")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    let offer = ("sec-websocket-protocol", "chat, greeting.v1");
    let (headers, _) = identify(&host, "/?token=sesame", offer).await.expect("let in");
    assert_eq!(headers["sec-websocket-protocol"], "greeting.v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_answers_everyone_else_with_401() {
    let host = Host::with("auth", &[]);
    for path in ["/", "/?token=", "/?token=opensesame", "/?tokens=sesame"] {
        match try_connect(&host, path).await {
            Err(Error::Http(response)) => rejected(&response),
            other => panic!("{path}: {other:?}"),
        }
    }
    for header in [("authorization", "Basic sesame"), ("cookie", "token"), ("cookie", ""), ("cookie", "token=")] {
        match identify(&host, "/", header).await {
            Err(Error::Http(response)) => rejected(&response),
            other => panic!("{header:?}: {other:?}"),
        }
    }
}

fn rejected(response: &Response<Option<Vec<u8>>>) {
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let body = String::from_utf8_lossy(response.body().as_deref().expect("a body"));
    assert_eq!(body, "Give a valid token, as in /?token=...\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_joined_talked_in_and_left() {
    let host = Host::with("groups", &[]);
    let mut ann = connect(&host, "/").await;
    let mut bob = connect(&host, "/").await;
    assert_eq!(ask(&mut ann, "say lobby hello").await, "you are not in lobby");
    assert_eq!(ask(&mut ann, "join lobby").await, "joined lobby");
    assert_eq!(ask(&mut bob, "join lobby").await, "joined lobby");
    assert_eq!(ask(&mut ann, "who lobby").await, "2 in lobby");
    assert_eq!(ask(&mut ann, "say lobby hello, everyone").await, "heard by 1");
    assert_eq!(hear(&mut bob).await, "lobby: hello, everyone");
    assert_eq!(ask(&mut bob, "leave lobby").await, "left lobby");
    assert_eq!(ask(&mut bob, "leave lobby").await, "you are not in lobby");
    assert_eq!(ask(&mut ann, "say lobby anybody?").await, "heard by 0");
    assert_eq!(ask(&mut ann, "join ").await, "a room's name has 1 to 255 bytes and no space");
    assert_eq!(ask(&mut ann, "join lobby").await, "joined lobby", "twice is once");
    assert_eq!(ask(&mut ann, "who lobby").await, "1 in lobby");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_tick_remind_and_end_with_their_client() {
    let host = Host::with("timers", &[]);
    let mut client = connect(&host, "/").await;
    let begin = Instant::now();
    assert_eq!(ask(&mut client, "remind 50 tea is ready").await, "tea is ready");
    assert!(begin.elapsed() >= Duration::from_millis(50));
    say(&mut client, "tick 20").await;
    for number in 1..=3 {
        assert_eq!(hear(&mut client).await, format!("tick {number}"));
    }
    say(&mut client, "stop").await;
    while hear(&mut client).await != "stopped" {}
    say(&mut client, "tick 3600000").await;
    say(&mut client, "remind 3600000 never").await;
    client.close(None).await.expect("closed");
    closed_with(&mut client).await;
    host.wait_for_log(1, &["2 timers of Client(", "cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_reports_from_a_job_to_its_session() {
    let host = Host::with("progress", &["--workers", "1"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "status").await, "say start");
    say(&mut client, "start").await;
    for tenth in 1..=10 {
        assert_eq!(hear(&mut client).await, format!("{} %", tenth * 10));
    }
    assert_eq!(hear(&mut client).await, "done: 49999995000000");
    assert_eq!(ask(&mut client, "status").await, "done: 49999995000000");
    // Leaving in the middle harms nobody.
    assert_eq!(ask(&mut client, "start").await, "10 %");
    drop(client);
    assert_eq!(ask(&mut connect(&host, "/").await, "start").await, "10 %");
}
