//! If an engine sends anything to one client without end, the queue is limited, and so is the host's memory.

use crate::common::{Host, Raw, frame};

/// `--max-backlog` in these tests.
const LIMIT: usize = 1024 * 1024;
/// Memory that a full queue may take: the limit, and the spare capacity of a growing queue.
const ROOM: usize = 16 * 1024 * 1024;
/// How many of each kind `tests/fixtures/hostile` sends.
const MANY: usize = 1_000_000;

/// Has the engine flood a client that does not read. Returns how many orders were taken, what was said of the next, how many
/// bytes waited then, and by how much the host has grown.
fn flood(host: &Host, case: &str) -> (usize, String, usize, usize) {
    let before = host.resident();
    let mut client = Raw::open(host, &format!("/{case}"));
    client.send(&frame(0x81, b"begin"));
    let line = host.wait_for_log(1, &[&format!("{case} took ")]).remove(0);
    let grown = host.resident().saturating_sub(before);
    let (_, said) = line.split_once(" took ").expect("waited for");
    let (taken, said) = said.split_once(", then ").expect("what was said");
    let (said, buffered) = said.split_once(" at ").expect("what waits");
    let buffered = buffered.split(' ').next().and_then(|number| number.parse().ok());
    (taken.parse().expect("a number"), said.to_owned(), buffered.expect("a number"), grown)
}

/// FAULTS E5.
#[test]
fn orders_without_content_count_with_what_it_costs_to_keep_them() {
    let host = Host::with("hostile", &["--loops", "1", "--backlog-policy", "drop"]);
    for case in ["flood-pings", "flood-fragments", "flood-behind-a-part", "flood-behind-a-part-here"] {
        let (taken, said, buffered, grown) = flood(&host, case);
        assert_eq!(said, "Backlogged", "{case}");
        assert!((LIMIT / 200..LIMIT / 2).contains(&taken), "{case}: {taken} were taken");
        assert!(buffered >= taken * 2 && buffered <= LIMIT, "{case}: {buffered} bytes wait");
        assert!(grown < ROOM, "{case}: {grown} bytes more");
    }
}

/// FAULTS E5.
#[test]
fn what_lies_together_counts_with_what_goes_over_the_wire() {
    let host = Host::with("hostile", &["--loops", "1", "--backlog-policy", "drop"]);
    for case in ["flood-texts", "flood-texts-here", "flood-pings-here", "flood-fragments-here"] {
        let (taken, said, buffered, grown) = flood(&host, case);
        assert_eq!(said, "Backlogged", "{case}");
        assert!((LIMIT / 2 - 1024..MANY).contains(&taken), "{case}: {taken} were taken");
        // A message that lacks a part ends its client, and what waits is dropped.
        let is_torn = case == "flood-fragments-here";
        assert!(is_torn || buffered.abs_diff(LIMIT) < 1024, "{case}: {buffered} bytes wait");
        assert!(grown < ROOM, "{case}: {grown} bytes more");
    }
}

/// It would be told so again and again, and its event loop do nothing else.
#[test]
fn a_queue_full_of_what_costs_most_to_keep_has_no_room_again() {
    let host = Host::with("hostile", &["--loops", "1", "--backlog-policy", "drop"]);
    let mut full = Raw::open(&host, "/full-behind-a-part");
    full.send(&frame(0x81, b"begin"));
    assert_eq!(full.read_frame(), (0x02, vec![]));
    let mut other = Raw::open(&host, "/");
    other.send(&frame(0x81, b"hi"));
    assert_eq!(other.read_frame(), (0x81, b" 0 hi".to_vec()));
}

#[test]
fn undelivered_events_have_a_bound_of_their_own() {
    let host = Host::with("hostile", &["--loops", "1"]);
    for case in ["flood-events", "flood-events-here"] {
        let (taken, said, _, grown) = flood(&host, case);
        assert_eq!((taken, &said[..]), (65_536, "Backlogged"), "{case}");
        // The engine's own memory for the values is among it.
        assert!(grown < 2 * ROOM, "{case}: {grown} bytes more");
    }
}

/// FAULTS L1.
#[test]
fn of_what_only_the_last_counts_only_the_last_waits() {
    let host = Host::with("hostile", &["--loops", "1"]);
    for case in ["flood-pongs", "flood-pauses", "flood-discards", "flood-pauses-here", "flood-discards-here"] {
        let (taken, said, _, grown) = flood(&host, case);
        assert_eq!((taken, &said[..]), (MANY, "Sent"), "{case}");
        assert!(grown < ROOM, "{case}: {grown} bytes more");
    }
    let (taken, said, buffered, grown) = flood(&host, "flood-pongs-here");
    assert_eq!((taken, &said[..], buffered), (MANY, "Sent", 0));
    assert!(grown < ROOM, "{grown} bytes more");
}
