//! Jobs run when the test says so, and in the host's order.

use crate::probe::{Probe, calls, in_callback, job};
use plugin_api::Sent;
use plugin_testing::{Message, NOTHING, TestHost};
use std::sync::{Arc, Mutex};

#[test]
fn jobs_wait_until_they_are_run() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    for text in ["one", "two"] {
        job(&alice, move |client| {
            client.send_text(text);
        });
    }
    assert_eq!((alice.received(), host.waiting_jobs()), (NOTHING.into(), 2));
    assert!(host.run_job());
    assert_eq!((alice.received(), host.waiting_jobs()), (vec!["one".into()], 1));
    assert_eq!(host.run_jobs(), 1);
    assert_eq!(alice.received(), ["two"]);
    assert!(!host.run_job());
    assert_eq!(host.run_jobs(), 0);
}

#[test]
fn jobs_of_one_client_run_in_order_and_clients_in_turn() {
    let host = TestHost::new::<Probe>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = Arc::clone(&order);
        move || order.lock().expect("nobody panicked").push(name)
    };
    for name in ["alice 1", "alice 2", "alice 3"] {
        let note = note(name);
        job(&alice, move |_| note());
    }
    let (of_bob, of_nobody) = (note("bob 1"), note("nobody's"));
    job(&bob, move |_| of_bob());
    host.handle().spawn(of_nobody);
    assert_eq!(host.run_jobs(), 5);
    assert_eq!(*order.lock().expect("nobody panicked"), ["alice 1", "bob 1", "nobody's", "alice 2", "alice 3"]);
}

#[test]
fn what_a_job_posts_reaches_the_session_between_jobs() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    job(&alice, |client| {
        client.post("one");
        client.post("two");
    });
    job(&alice, |_| log::info!(target: "calls", "second job"));
    calls(&host);
    host.run_jobs();
    assert_eq!(calls(&host), ["event one", "event two", "second job"]);
}

#[test]
fn a_job_outlives_its_client_harmlessly() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    let said = Arc::new(Mutex::new(None));
    let told = Arc::clone(&said);
    job(&alice, move |client| *told.lock().expect("first") = Some((client.send_text("late"), client.post("late"))));
    alice.disconnect();
    host.run_jobs();
    assert_eq!(*said.lock().expect("not poisoned"), Some((Sent::Gone, Sent::Gone)));
}

#[test]
fn a_client_with_64_jobs_is_not_read_from() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    (0..64).for_each(|_| job(&alice, |_| ()));
    alice.text("waits");
    assert_eq!(alice.unread(), 1);
    (0..31).for_each(|_| assert!(host.run_job()));
    assert_eq!(alice.unread(), 1, "until half of them have run");
    host.run_job();
    assert_eq!(alice.unread(), 0);
}

#[test]
fn what_threads_of_the_engine_do_is_seen_too() {
    let host = TestHost::new::<Probe>();
    let alice = host.connect("/");
    in_callback(&alice, |client, _| {
        let client = client.clone();
        let thread = std::thread::spawn(move || {
            client.send_text("from a thread");
            client.post("from a thread");
            client.close(4000, "");
        });
        thread.join().expect("no panic");
    });
    assert_eq!(alice.received(), ["from a thread".into(), Message::close(4000, "")]);
    assert!(calls(&host).contains(&"event from a thread".into()));
}
