//! `--prefer-read`: writes wait a little, and nothing else changes.

use crate::common::{Host, ask, connect, hear, say};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_all_and_in_order() {
    for arguments in [&["--prefer-read"][..], &["--prefer-read=20ms", "--workers", "0"]] {
        let host = Host::with("probe", arguments);
        let mut client = connect(&host, "/").await;
        for number in 0..1000 {
            say(&mut client, &format!("{} {number}", if number % 2 == 0 { "job" } else { "spawn" })).await;
            assert_eq!(hear(&mut client).await, number.to_string());
        }
        for number in 0..1000 {
            say(&mut client, &format!("echo {number}")).await;
        }
        for number in 0..1000 {
            assert_eq!(hear(&mut client).await, number.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_loop_does_not_wait() {
    let host = Host::with("probe", &["--prefer-read=60s"]);
    let mut client = connect(&host, "/").await;
    let begin = Instant::now();
    assert_eq!(ask(&mut client, "echo at once").await, "at once");
    assert!(begin.elapsed() < Duration::from_secs(60), "answered without waiting for the time to pass");
}
