//! Panics in an engine (FAULTS E1): that connection ends with 1011, the log names the place, and nobody else notices.

use crate::common::{Client, Host, closed_with, connect, try_connect};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

async fn echoes(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.expect("sent");
    assert_eq!(client.next().await.expect("a reply").expect("a message"), Message::text(text));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_any_callback_ends_that_connection_alone() {
    let host = Host::with("unruly", &[]);
    let mut others = Vec::new();
    for _ in 0..99 {
        others.push(connect(&host, "/good").await);
    }
    let cases = [
        ("on_open", Message::text("x"), "on_open panicked at"),
        ("on_text", Message::text("x"), "on_text panicked at"),
        ("on_binary", Message::binary(vec![1]), "on_binary panicked at"),
        ("on_ping", Message::Ping(Bytes::new()), "on_ping panicked at"),
        ("on_pong", Message::Pong(Bytes::new()), "on_pong panicked at"),
        ("on_event", Message::text("x"), "on_event panicked at"),
        ("on_read_complete", Message::text("x"), "on_read_complete panicked at"),
        ("on_close", Message::Close(None), "on_close panicked at"),
        ("job", Message::text("x"), "job panicked at"),
        ("job_drop", Message::text("x"), "job panicked at"),
        ("payload_drop", Message::text("x"), "on_text panicked at"),
    ];
    for (path, message, logged) in cases {
        let mut client = connect(&host, &format!("/{path}")).await;
        let _ = client.send(message).await;
        assert_eq!(closed_with(&mut client).await, 1011, "{path}");
        let lines = host.wait_for_log(1, &[logged, "unruly", "0.3.0", "src/lib.rs:"]);
        assert!(!lines.is_empty());
        host.wait_for_log(1, &[&format!("closed /{path} with 1011")]);
    }
    for (number, other) in others.iter_mut().enumerate() {
        echoes(other, &format!("still here {number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_the_end_of_a_connection_is_logged_and_no_more() {
    let host = Host::with("unruly", &[]);
    for (path, logged) in [("on_closed", "on_closed panicked at"), ("session_drop", "on_closed panicked at")] {
        let mut client = connect(&host, &format!("/{path}")).await;
        echoes(&mut client, "fine").await;
        client.close(None).await.expect("sent");
        assert_eq!(closed_with(&mut client).await, 1005);
        host.wait_for_log(1, &[logged, "unruly", "src/lib.rs:"]);
    }
    echoes(&mut connect(&host, "/good").await, "still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_authenticate_is_a_500() {
    let host = Host::with("unruly", &[]);
    match try_connect(&host, "/authenticate").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 500),
        other => panic!("{other:?}"),
    }
    host.wait_for_log(1, &["authenticate panicked at", "unruly", "src/lib.rs:"]);
    echoes(&mut connect(&host, "/good").await, "still here").await;
}

#[test]
fn a_panic_or_an_error_in_new_refuses_the_plugin() {
    let plugin = crate::common::artefacts().of("unruly").display().to_string();
    for (how, said) in [("panic-in-new", "told to panic in new"), ("error-in-new", "told to fail in new")] {
        let (code, stdout, stderr) = Host::refuses(&["--plugin", &plugin], &[("UNRULY", how)]);
        assert_eq!(code, 65, "{stderr}");
        assert!(stdout.is_empty());
        assert!(stderr.contains("unruly 0.3.0") && stderr.contains(said), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_drop_of_the_engine_does_not_spoil_the_end() {
    let plugin = crate::common::artefacts().of("unruly");
    let mut host = Host::with_environment(plugin, &[], &[("UNRULY", "panic-in-drop")]);
    echoes(&mut connect(&host, "/good").await, "fine").await;
    host.terminate();
    host.wait_for_log(1, &["drop of the engine panicked at", "unruly", "src/lib.rs:"]);
    assert_eq!(host.wait().code(), Some(0));
}
