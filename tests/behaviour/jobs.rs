//! Jobs: where they run, in which order, and that neither many nor long nor failing ones spoil it for others (E3, E4).

use crate::common::{Client, Host, Raw, ask, closed_with, connect, frame, hear, raise_descriptor_limit, say};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

/// Jobs that may wait for one client until nothing more is read from it.
const JOB_LIMIT: usize = 64;

/// 100 numbered messages, each answered by a job: asked all at once, answered in order.
async fn asks_100(mut client: Client, name: usize) {
    let (mut sink, mut stream) = (&mut client).split();
    let asking = async {
        for number in 0..100 {
            sink.feed(Message::text(format!("job {name} {number}"))).await.expect("sent");
        }
        sink.flush().await.expect("flushed");
    };
    let hearing = async {
        for number in 0..100 {
            let answer = stream.next().await.expect("an answer").expect("a message");
            assert_eq!(answer, Message::text(format!("{name} {number}")));
        }
    };
    tokio::join!(asking, hearing);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_order_asked_for_1000_clients_and_8_workers() {
    raise_descriptor_limit();
    for (clients, workers) in [(1000, "8"), (100, "0")] {
        let host = Host::with("probe", &["--workers", workers, "--loops", "2"]);
        let mut asking = Vec::new();
        for name in 0..clients {
            asking.push(tokio::spawn(asks_100(connect(&host, "/").await, name)));
        }
        for client in asking {
            client.await.expect("every answer in its order");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_workers_a_job_runs_on_the_loop() {
    let host = Host::with("probe", &["--workers", "0"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "where").await, "on the loop");
    assert_eq!(ask(&mut client, "spawn hello").await, "hello");
    let host = Host::with("probe", &["--workers", "1"]);
    assert_eq!(ask(&mut connect(&host, "/").await, "where").await, "on a worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawned_job_runs_beside_those_of_clients() {
    let host = Host::with("probe", &["--workers", "2"]);
    let mut client = connect(&host, "/").await;
    // The job of this client waits; the spawned one does not wait for it.
    say(&mut client, "hold held").await;
    assert_eq!(ask(&mut client, "spawn spawned").await, "spawned");
    let mut other = connect(&host, "/").await;
    assert_eq!(ask(&mut other, "open").await, "the gate is open");
    assert_eq!(hear(&mut client).await, "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_different_clients_run_side_by_side() {
    let host = Host::with("probe", &["--workers", "2"]);
    let mut held = connect(&host, "/").await;
    let mut free = connect(&host, "/").await;
    say(&mut held, "hold held").await;
    for number in 0..100 {
        assert_eq!(ask(&mut free, &format!("job {number}")).await, number.to_string());
    }
    assert_eq!(ask(&mut free, "open").await, "the gate is open");
    assert_eq!(hear(&mut held).await, "held");
}

#[test]
fn every_callback_can_return_a_job() {
    for workers in ["2", "0"] {
        let host = Host::with("probe", &["--workers", workers]);
        let mut raw = Raw::open(&host, "/jobs");
        let job_of = |callback: &str| (0x81, callback.as_bytes().to_vec());
        assert_eq!(raw.read_frame(), job_of("on_open"));
        raw.send(&frame(0x82, b"binary"));
        assert_eq!(raw.read_frame(), job_of("on_binary"));
        raw.send(&frame(0x89, b"ping"));
        assert_eq!(raw.read_frame(), (0x8a, b"ping".to_vec()));
        assert_eq!(raw.read_frame(), job_of("on_ping"));
        raw.send(&frame(0x8a, b"pong"));
        assert_eq!(raw.read_frame(), job_of("on_pong"));
        raw.send(&frame(0x81, b"event hello"));
        for text in ["Sent", "event hello", "on_event"] {
            assert_eq!(raw.read_frame(), job_of(text));
        }
        raw.send(&frame(0x88, b""));
        host.wait_for_log(1, &["job of on_close"]);

        let host = Host::with("probe", &["--workers", workers, "--ping-after", "1s"]);
        let mut raw = Raw::open(&host, "/jobs");
        for came in [job_of("on_open"), (0x89, vec![]), job_of("on_idle")] {
            assert_eq!(raw.read_frame(), came);
        }
    }
}

// E1
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_job_ends_its_client_alone() {
    for workers in ["2", "0"] {
        let host = Host::with("probe", &["--workers", workers]);
        let mut other = connect(&host, "/other").await;
        for round in 1..=5 {
            let mut client = connect(&host, "/failing").await;
            say(&mut client, "panic-in-job").await;
            // The request after it has no effect, and does no harm.
            let _ = client.send(Message::text("job too late")).await;
            assert_eq!(closed_with(&mut client).await, 1011);
            host.wait_for_log(round, &["job panicked at", "told to panic in a job", "probe", "src/work.rs:"]);
            host.wait_for_log(round, &["closed /failing with 1011"]);
            assert_eq!(ask(&mut other, "job still here").await, "still here");
        }
        assert_eq!(host.wait_for_log(5, &["told to panic in a job"]).len(), 5, "each is logged once");
    }
}

// E1
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_spawned_job_ends_nobody() {
    for workers in ["1", "0"] {
        let host = Host::with("probe", &["--workers", workers]);
        let mut client = connect(&host, "/").await;
        assert_eq!(ask(&mut client, "panic-in-spawn").await, "spawned");
        host.wait_for_log(1, &["told to panic in a spawned job", "probe", "src/work.rs:"]);
        assert_eq!(ask(&mut client, "spawn still here").await, "still here");
        assert_eq!(ask(&mut client, "job still here").await, "still here");
    }
}

// E4
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlives_its_client_sends_harmlessly() {
    let host = Host::with("probe", &["--workers", "2"]);
    let mut client = connect(&host, "/gone").await;
    say(&mut client, "outlive").await;
    // The job runs, or waits, while the client breaks away.
    drop(client);
    let line = host.wait_for_log(1, &["outlived /gone"]).remove(0);
    assert!(line.contains("[Gone, Gone, Gone, Gone] [Gone, Gone, Gone] 0"), "{line}");
    assert_eq!(ask(&mut connect(&host, "/").await, "job still here").await, "still here");
}

// E3
#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_its_job_limit_is_not_read_from_and_loses_nothing() {
    // 4 KiB per read hold four of its messages.
    let host = Host::with("probe", &["--workers", "2", "--loops", "1", "--read-size", "4096"]);
    let (mut sink, mut stream) = connect(&host, "/").await.split();
    let mut other = connect(&host, "/").await;
    let padding = "x".repeat(1000);
    let text = move |number: usize| format!("{number} {padding}");
    let asked = text.clone();
    let asking = tokio::spawn(async move {
        for number in 0..1000 {
            sink.feed(Message::text(format!("hold {}", asked(number)))).await.expect("sent");
        }
        sink.flush().await.expect("flushed");
        sink
    });
    while ask(&mut other, "asked").await.parse::<usize>().expect("a number") < JOB_LIMIT {}
    // The loop turns 200 times more for the other one. Were the first still read from, more would come through.
    for number in 0..200 {
        assert_eq!(ask(&mut other, &format!("job {number}")).await, number.to_string());
    }
    let taken: usize = ask(&mut other, "asked").await.parse().expect("a number");
    assert!(taken <= JOB_LIMIT + 6, "{taken} messages were taken in while no job could end");
    assert_eq!(ask(&mut other, "open").await, "the gate is open");
    for number in 0..1000 {
        let answer = stream.next().await.expect("an answer").expect("a message");
        assert_eq!(answer, Message::text(text(number)));
    }
    drop(asking.await.expect("all is sent"));
}

// E3
#[tokio::test(flavor = "multi_thread")]
async fn a_flooding_client_does_not_starve_a_polite_one() {
    let host = Host::with("probe", &["--workers", "1", "--loops", "1"]);
    let (mut flood, _unheard) = connect(&host, "/").await.split();
    let flooding = tokio::spawn(async move { while flood.send(Message::text("work 2")).await.is_ok() {} });
    let mut polite = connect(&host, "/").await;
    while ask(&mut polite, "asked").await.parse::<usize>().expect("a number") < JOB_LIMIT {}
    for _ in 0..50 {
        // The number of the flood's jobs that ended between the question and the answer.
        let meanwhile: usize = ask(&mut polite, "turn").await.parse().expect("a number");
        assert!(meanwhile < JOB_LIMIT / 4, "{meanwhile} jobs of another client went first");
    }
    flooding.abort();
}
