//! Clients that do not read (E5, L2): their backlog has a limit, and others do not notice.

use crate::common::{Client, Host, Raw, ask, closed_with, connect, frame, hear, say};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

/// `--max-backlog` in these tests.
const LIMIT: usize = 64 * 1024;

fn limited(policy: &[&str]) -> Host {
    Host::with("probe", &[&["--max-backlog", "64KiB", "--loops", "1", "--workers", "2"], policy].concat())
}

/// A client called ann that does not read, and one that tells the engine what to do with her.
async fn ann_and_bob(host: &Host) -> (Raw, Client) {
    let mut ann = Raw::open(host, "/ann");
    ann.send(&frame(0x81, b"name ann"));
    assert_eq!(ann.read_frame(), (0x81, b"named ann".to_vec()));
    (ann, connect(host, "/bob").await)
}

/// Asks for something whose answer is a number.
async fn number(bob: &mut Client, command: &str) -> usize {
    ask(bob, command).await.parse().expect("a number")
}

/// The answer to `fill`: messages taken, the status that ended it, and the largest backlog.
fn filled(answer: &str) -> (usize, &str, usize) {
    let words: Vec<_> = answer.split(' ').collect();
    let number = |word: &str| word.parse().expect("a number");
    (number(words[0]), words[1], number(words[2]))
}

/// Whether a backlog of messages of 1,000 bytes, with headers of 4, is at the limit, give or take one message.
fn about_the_limit(backlog: usize) -> bool {
    (LIMIT - 1004..=LIMIT + 1004).contains(&backlog)
}

/// Sends to ann until the kernel takes no more for her, and her backlog is full. Returns how many messages were taken.
async fn fill_up(bob: &mut Client) -> usize {
    let mut taken = 0;
    loop {
        // One loop: it turns to ann's socket before it is back at bob's.
        match ask(bob, "on ann send-bytes 10000").await.as_str() {
            "Sent" => taken += 1,
            "Backlogged" => return taken,
            other => panic!("{other}"),
        }
    }
}

// E5
#[tokio::test(flavor = "multi_thread")]
async fn buffered_grows_to_the_limit_and_not_beyond_it_by_more_than_a_message() {
    let host = limited(&["--backlog-policy", "drop"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    // One loop: while bob's callback sends, nothing is written to ann's socket.
    let answer = ask(&mut bob, "on ann fill 1000").await;
    let (taken, status, largest) = filled(&answer);
    assert_eq!(status, "Backlogged");
    assert!(about_the_limit(largest), "{largest}");
    assert!(about_the_limit(taken * 1004), "{taken}");
    for _ in 0..taken {
        assert_eq!(ann.read_frame(), (0x81, vec![b'x'; 1000]));
    }
    assert_eq!(ask(&mut bob, "on ann send taken again").await, "Sent");
    assert_eq!(ann.read_frame(), (0x81, b"taken again".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_sends_to_its_own_client_meets_the_same_limit() {
    let host = limited(&["--backlog-policy", "drop"]);
    let (mut ann, _bob) = ann_and_bob(&host).await;
    ann.send(&frame(0x81, b"fill 1000"));
    let line = host.wait_for_log(1, &["filled /ann: "]).remove(0);
    let (_, answer) = line.split_once("filled /ann: ").expect("waited for");
    let (taken, status, largest) = filled(answer.split_once(" module").map_or(answer, |(answer, _)| answer));
    assert_eq!(status, "Backlogged");
    assert!(about_the_limit(largest), "{largest}");
    for _ in 0..taken {
        assert_eq!(ann.read_frame(), (0x81, vec![b'x'; 1000]));
    }
    // The answer to `fill` found no room.
    ann.send(&frame(0x81, b"echo room again"));
    assert_eq!(ann.read_frame(), (0x81, b"room again".to_vec()));
}

// L2
#[tokio::test(flavor = "multi_thread")]
async fn with_drop_the_client_stays_and_misses_what_found_no_room() {
    let host = limited(&["--backlog-policy", "drop"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    let taken = fill_up(&mut bob).await;
    let drained = number(&mut bob, "drained").await;
    assert_eq!(ask(&mut bob, "on ann send dropped").await, "Backlogged");
    assert_eq!(ask(&mut bob, "all who hears this?").await, "who hears this?");
    assert_eq!(hear(&mut bob).await, "1", "a broadcast goes past who has no room");
    assert_eq!(ask(&mut bob, "on ann state").await, "Open");
    for number in 0..100 {
        assert_eq!(ask(&mut bob, &format!("job {number}")).await, number.to_string(), "others do not notice");
    }
    assert_eq!(number(&mut bob, "drained").await, drained, "there is no room yet");
    for _ in 0..taken {
        assert_eq!(ann.read_frame(), (0x81, vec![b'x'; 10_000]));
    }
    while number(&mut bob, "drained").await == drained {}
    assert_eq!(ask(&mut bob, "on ann send welcome back").await, "Sent");
    assert_eq!(ann.read_frame(), (0x81, b"welcome back".to_vec()));
    assert_eq!(number(&mut bob, "drained").await, drained + 1, "once");
    for line in host.wait_for_log(drained + 1, &["drained /ann to "]) {
        let (_, rest) = line.split_once("drained /ann to ").expect("waited for");
        let left: usize = rest.split(' ').next().and_then(|left| left.parse().ok()).expect("a number");
        assert!(left <= LIMIT / 2, "drained to {left}");
    }
}

// L2, E5
#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_client_is_closed_with_1008_and_its_backlog_dropped() {
    let host = limited(&[]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    let taken = fill_up(&mut bob).await;
    assert_eq!(ask(&mut bob, "on ann send more").await, "Gone");
    let mut received = 0;
    let close = loop {
        let (first, payload) = ann.read_frame();
        if first == 0x88 {
            break payload;
        }
        assert_eq!((first, payload.len()), (0x81, 10_000));
        received += 1;
    };
    assert_eq!(&close[..2], 1008_u16.to_be_bytes());
    assert!(received < taken, "what waited was dropped");
    ann.send(&frame(0x88, &1008_u16.to_be_bytes()));
    assert!(ann.read_rest().is_empty());
    host.wait_for_log(1, &["closed /ann with 1008"]);
    assert_eq!(ask(&mut bob, "echo still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_again_is_gone_at_the_close_deadline() {
    let host = limited(&[]);
    let (ann, mut bob) = ann_and_bob(&host).await;
    fill_up(&mut bob).await;
    host.wait_for_log(1, &["closed /ann with"]);
    assert_eq!(ask(&mut bob, "count").await, "1");
    drop(ann);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_its_limit_in_its_own_callback_is_closed_too() {
    let host = limited(&[]);
    let mut ann = connect(&host, "/ann").await;
    say(&mut ann, "fill 1000").await;
    assert_eq!(closed_with(&mut ann).await, 1008);
    host.wait_for_log(1, &["closed /ann with 1008"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_an_unfinished_message_counts() {
    let host = limited(&["--backlog-policy", "drop"]);
    let (mut ann, mut bob) = ann_and_bob(&host).await;
    assert_eq!(ask(&mut bob, "on ann begin w").await, "begun w");
    assert_eq!(ask(&mut bob, "part w one").await, "Sent");
    assert_eq!(ann.read_frame(), (0x01, b"one".to_vec()));
    let answer = ask(&mut bob, "on ann fill 1000").await;
    let (taken, status, _) = filled(&answer);
    assert_eq!(status, "Backlogged");
    assert!(about_the_limit(taken * 1004), "{taken} messages wait");
    // They are dropped from ann's own callback, whose answer waits in turn.
    ann.send(&frame(0x81, b"discard"));
    while ask(&mut bob, "on ann send is there room?").await != "Sent" {}
    assert_eq!(ask(&mut bob, "finish w two").await, "Sent");
    assert_eq!(ann.read_frame(), (0x80, b"two".to_vec()));
    assert_eq!(ann.read_frame(), (0x81, (taken * 1004).to_string().into_bytes()));
    assert_eq!(ann.read_frame(), (0x81, b"is there room?".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_much_and_reads_late_is_slowed_down_and_not_closed() {
    let host = Host::with("probe", &["--max-backlog", "256KiB", "--loops", "1"]);
    let mut ann = connect(&host, "/ann").await;
    assert_eq!(ask(&mut ann, "name ann").await, "named ann");
    let mut bob = connect(&host, "/bob").await;
    let (mut sink, mut stream) = ann.split();
    let padding = "x".repeat(10_000);
    let text = move |number: usize| format!("{number} {padding}");
    let asked = text.clone();
    let asking = tokio::spawn(async move {
        for number in 0..3000 {
            sink.feed(Message::text(format!("echo {}", asked(number)))).await.expect("sent");
        }
        sink.flush().await.expect("flushed");
        sink
    });
    // Answers wait. The loop turns 200 times more for bob; were ann still read from, her backlog would pass its limit.
    while ask(&mut bob, "on ann buffered").await == "0" {}
    for number in 0..200 {
        assert_eq!(ask(&mut bob, &format!("echo {number}")).await, number.to_string());
    }
    for number in 0..3000 {
        let answer = stream.next().await.expect("an answer").expect("a message");
        assert_eq!(answer, Message::text(text(number)));
    }
    drop(asking.await.expect("all is sent"));
}

/// One read brings questions for far more than its backlog may be.
#[test]
fn a_client_that_asks_for_much_at_once_is_slowed_down_and_not_closed() {
    const ASKED: usize = 2000;
    let host = limited(&[]);
    let mut ann = Raw::open(&host, "/ann");
    ann.send(&frame(0x81, b"send-bytes 10000").repeat(ASKED));
    for _ in 0..ASKED {
        assert_eq!(ann.read_frame(), (0x81, vec![b'x'; 10_000]));
        assert_eq!(ann.read_frame(), (0x81, b"Sent".to_vec()));
    }
}

/// The socket takes the first large answers whole, one in part, and the next not at all.
#[tokio::test(flavor = "multi_thread")]
async fn large_answers_come_whole_and_in_order_to_a_client_that_reads_late() {
    const MESSAGES: usize = 24;
    let host = Host::with("probe", &["--loops", "1"]);
    let (ann, mut bob) = ann_and_bob(&host).await;
    let Raw(reading) = ann;
    let mut writing = Raw(reading.try_clone().expect("a second handle"));
    let text = |number: usize| format!("{number} {}", "x".repeat(1_000_000 + number));
    let sending = std::thread::spawn(move || {
        for number in 0..MESSAGES {
            writing.send(&frame(0x81, format!("echo {}", text(number)).as_bytes()));
            writing.send(&frame(0x89, b""));
        }
    });
    while ask(&mut bob, "on ann buffered").await == "0" {}
    let mut ann = Raw(reading);
    for number in 0..MESSAGES {
        let answer = std::iter::repeat_with(|| ann.read_frame()).find(|(first, _)| *first != 0x8a).expect("an answer");
        assert!(answer == (0x81, text(number).into_bytes()), "another answer than number {number}");
    }
    sending.join().expect("all is sent");
}

// L1
#[test]
fn pings_of_a_client_that_does_not_read_cost_no_memory() {
    let host = Host::with("echo", &["--loops", "1"]);
    let mut other = Raw::open(&host, "/");
    let mut flooding = Raw::open(&host, "/");
    let ping = |number: usize| frame(0x89, format!("{number:0125}").as_bytes());
    let before = host.resident();
    // 26 MB, of which the sockets between us hold a part.
    const PINGS: usize = 200_000;
    for first in (0..PINGS).step_by(1000) {
        flooding.send(&(first..first + 1000).flat_map(ping).collect::<Vec<_>>());
        other.send(&frame(0x81, b"still there?"));
        assert_eq!(other.read_frame(), (0x81, b"still there?".to_vec()));
    }
    let grown = host.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    // Only the newest of the pongs that found no room in the sockets was kept.
    let mut pongs = 1;
    while flooding.read_frame() != (0x8a, format!("{:0125}", PINGS - 1).into_bytes()) {
        pongs += 1;
    }
    assert!(pongs < PINGS, "all were kept");
}
