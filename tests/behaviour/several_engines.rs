//! Several engines in one host: each has its own clients, groups and configuration.

use crate::common::{Host, artefacts, ask, closed_with, connect, hear, say};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

/// The probe under `/a` and under `/b`, and echo for every other path.
fn three_engines() -> Host {
    let [probe, echo] = ["probe", "echo"].map(|package| artefacts().of(package).display().to_string());
    let (a, b) = (format!("/a={probe}"), format!("/b={probe}"));
    Host::start(artefacts().wshost(), &["--plugin", &a, "--plugin", &b, "--plugin", &echo, "--workers", "2"])
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_groups_and_names_are_apart() {
    let host = three_engines();
    let mut ann = connect(&host, "/a/ann").await;
    let mut bob = connect(&host, "/b/bob").await;
    let mut eve = connect(&host, "/elsewhere").await;
    assert_eq!(ask(&mut eve, "count").await, "count", "that is echo");
    for (client, path) in [(&mut ann, "/a/ann"), (&mut bob, "/b/bob")] {
        assert_eq!(ask(client, "clients").await, path);
        assert_eq!(ask(client, "count").await, "1");
        assert_eq!(ask(client, "join lobby").await, "Sent");
    }
    for (client, path) in [(&mut ann, "/a/ann"), (&mut bob, "/b/bob")] {
        assert_eq!(ask(client, "members lobby").await, path);
        assert_eq!(ask(client, "to-others lobby who else?").await, "0");
        assert_eq!(ask(client, "all-others who else?").await, "0");
        assert_eq!(ask(client, "all just me").await, "just me");
        assert_eq!(hear(client).await, "1");
    }
    assert_eq!(ask(&mut ann, "name x").await, "named x");
    assert_eq!(ask(&mut bob, "on x state").await, "nobody is called x", "two instances");
    assert_eq!(ask(&mut eve, "nothing else came").await, "nothing else came");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_timers_and_panics_of_one_do_not_concern_the_other() {
    let host = three_engines();
    let mut ann = connect(&host, "/a").await;
    let mut bob = connect(&host, "/b").await;
    say(&mut ann, "hold held").await;
    assert_eq!(ask(&mut bob, "job free").await, "free");
    assert_eq!(ask(&mut bob, "open").await, "the gate is open");
    let mut other = connect(&host, "/a/other").await;
    assert_eq!(ask(&mut other, "asked").await, "1");
    assert_eq!(ask(&mut bob, "asked").await, "0");
    assert_eq!(ask(&mut other, "open").await, "the gate is open");
    assert_eq!(hear(&mut ann).await, "held", "the gate of its own engine");

    ann.send(Message::text("panic-in-job")).await.expect("sent");
    assert_eq!(closed_with(&mut ann).await, 1011);
    assert_eq!(ask(&mut bob, "after 1 still here").await, "still here");
    assert_eq!(ask(&mut other, "spawn still here").await, "still here");
}
