//! Timers: jobs after a while, or again and again.

use crate::common::{Host, ask, connect, hear, say};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_runs_once_when_its_time_has_come() {
    for workers in ["2", "0"] {
        let host = Host::with("probe", &["--workers", workers]);
        let mut client = connect(&host, "/").await;
        let begin = Instant::now();
        // Asked in the wrong order.
        say(&mut client, "after 300 third").await;
        say(&mut client, "after 100 second").await;
        say(&mut client, "after 0 first").await;
        assert_eq!(hear(&mut client).await, "first");
        assert_eq!(hear(&mut client).await, "second");
        assert!(begin.elapsed() >= Duration::from_millis(100), "not too early");
        assert_eq!(hear(&mut client).await, "third");
        assert!(begin.elapsed() >= Duration::from_millis(300), "not too early");
        assert_eq!(ask(&mut client, "after 50 the last").await, "the last", "each came once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeating_timer_goes_on_until_it_is_cancelled() {
    let host = Host::with("probe", &["--workers", "2"]);
    let mut client = connect(&host, "/").await;
    let begin = Instant::now();
    say(&mut client, "every 20 tick").await;
    for _ in 0..10 {
        assert_eq!(hear(&mut client).await, "tick");
    }
    assert!(begin.elapsed() >= Duration::from_millis(200), "not too early");
    // A run that has begun may still be heard; none begins any more.
    say(&mut client, "cancel tick").await;
    while hear(&mut client).await != "cancelled tick" {}
    say(&mut client, "after 200 the end").await;
    let mut late = 0;
    while hear(&mut client).await != "the end" {
        late += 1;
    }
    assert!(late <= 1, "{late} ticks after the cancel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_timer_never_runs() {
    let host = Host::with("probe", &[]);
    let mut client = connect(&host, "/").await;
    say(&mut client, "after 200 never").await;
    assert_eq!(ask(&mut client, "cancel never").await, "cancelled never");
    assert_eq!(ask(&mut client, "after 400 later").await, "later");
    // Cancelling a timer that has run out does nothing.
    assert_eq!(ask(&mut client, "cancel later").await, "cancelled later");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_runs_neither_overlap_nor_pile_up() {
    let host = Host::with("probe", &["--workers", "4"]);
    let mut client = connect(&host, "/").await;
    // Each run takes 20 periods: piled up, there would be 20 more at the end of each.
    say(&mut client, "every-slowly 5 slow").await;
    for _ in 0..5 {
        assert_eq!(hear(&mut client).await, "alone");
    }
    say(&mut client, "cancel slow").await;
    while hear(&mut client).await != "cancelled slow" {}
    say(&mut client, "after 500 the end").await;
    let mut late = 0;
    while hear(&mut client).await != "the end" {
        late += 1;
    }
    assert!(late <= 1, "{late} runs after the cancel");
}

// E1
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_timer_is_logged_and_ends_nobody() {
    let host = Host::with("probe", &["--workers", "1"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "panic-after 1").await, "started");
    host.wait_for_log(1, &["told to panic in a timer", "probe", "src/timers.rs:"]);
    assert_eq!(ask(&mut client, "after 1 still here").await, "still here");
    assert_eq!(ask(&mut client, "job still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_timers_run_each_once() {
    let host = Host::with("probe", &["--workers", "2"]);
    let mut client = connect(&host, "/").await;
    for number in 0..1000 {
        say(&mut client, &format!("after {} {number}", number % 100)).await;
    }
    let mut ran: Vec<usize> = Vec::new();
    for _ in 0..1000 {
        ran.push(hear(&mut client).await.parse().expect("a number"));
    }
    ran.sort_unstable();
    assert!(ran.into_iter().eq(0..1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_that_run_do_not_hold_up_the_end() {
    let mut host = Host::with("probe", &[]);
    let mut client = connect(&host, "/").await;
    say(&mut client, "every 1 tick").await;
    say(&mut client, "after 3600000 never").await;
    assert_eq!(hear(&mut client).await, "tick");
    drop(client);
    host.terminate();
    assert_eq!(host.wait().code(), Some(0));
}
