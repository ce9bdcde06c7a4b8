//! Broadcast, on the core in memory.

use super::Broadcast;
use plugin_testing::{NOTHING, TestHost};

#[test]
fn a_job_sends_each_text_to_everyone() {
    let host = TestHost::new::<Broadcast>();
    let clients = [host.connect("/"), host.connect("/"), host.connect("/")];
    clients[0].text("<b>schöne Grüße</b>");
    clients[2].text("second");
    clients.iter().for_each(|client| assert_eq!(client.received(), NOTHING));
    assert_eq!(host.run_jobs(), 2);
    clients.iter().for_each(|client| assert_eq!(client.received(), ["<b>schöne Grüße</b>", "second"]));
}

#[test]
fn who_has_left_is_left_out_and_what_they_said_is_not() {
    let host = TestHost::new::<Broadcast>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    alice.text("good night");
    drop(alice);
    host.run_jobs();
    assert_eq!(bob.received(), ["good night"]);
}
