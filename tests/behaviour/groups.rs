//! Groups: the clients that a message reaches, and how long a membership lasts.

use crate::common::{Client, Host, ask, closed_with, connect, hear, say};
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message;

/// Clients with these paths.
async fn clients<const N: usize>(host: &Host, paths: [&str; N]) -> [Client; N] {
    let mut clients = Vec::new();
    for path in paths {
        let mut client = connect(host, path).await;
        assert_eq!(ask(&mut client, "echo open").await, "open");
        clients.push(client);
    }
    clients.try_into().unwrap_or_else(|_| unreachable!("as many as paths"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_reached_and_the_sender_where_it_wants() {
    let host = Host::with("probe", &["--loops", "2"]);
    let [mut ann, mut bob, mut cid] = clients(&host, ["/ann", "/bob", "/cid"]).await;
    assert_eq!(ask(&mut ann, "count").await, "3");
    assert_eq!(ask(&mut ann, "clients").await, "/ann /bob /cid");

    say(&mut ann, "all hello").await;
    assert_eq!(hear(&mut ann).await, "hello", "the sender's own comes first");
    assert_eq!(hear(&mut ann).await, "3");
    assert_eq!((hear(&mut bob).await, hear(&mut cid).await), ("hello".into(), "hello".into()));

    assert_eq!(ask(&mut ann, "all-others psst").await, "2");
    assert_eq!((hear(&mut bob).await, hear(&mut cid).await), ("psst".into(), "psst".into()));

    say(&mut bob, "all-binary 0101").await;
    for client in [&mut ann, &mut bob, &mut cid] {
        assert_eq!(client.next().await.expect("one comes").expect("a message"), Message::binary(b"0101".as_slice()));
    }
    assert_eq!(hear(&mut bob).await, "3");
    assert_eq!(ask(&mut ann, "echo nothing else came").await, "nothing else came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_reaches_its_members_alone() {
    let host = Host::with("probe", &["--loops", "2"]);
    let [mut ann, mut bob, mut cid] = clients(&host, ["/ann", "/bob", "/cid"]).await;
    assert_eq!(ask(&mut cid, "to lobby anybody?").await, "0", "a group needs no making");
    for client in [&mut ann, &mut bob] {
        assert_eq!(ask(client, "join lobby").await, "Sent");
    }
    assert_eq!(ask(&mut ann, "join lobby").await, "Sent", "twice is once");
    assert_eq!(ask(&mut cid, "size lobby").await, "2");
    assert_eq!(ask(&mut cid, "members lobby").await, "/ann /bob");

    assert_eq!(ask(&mut cid, "to lobby hello").await, "2", "one needs not be a member to send");
    assert_eq!((hear(&mut ann).await, hear(&mut bob).await), ("hello".into(), "hello".into()));
    assert_eq!(ask(&mut ann, "to-others lobby psst").await, "1");
    assert_eq!(hear(&mut bob).await, "psst");

    assert_eq!(ask(&mut bob, "leave lobby").await, "true");
    assert_eq!(ask(&mut bob, "leave lobby").await, "false");
    assert_eq!(ask(&mut bob, "leave nowhere").await, "false");
    assert_eq!(ask(&mut cid, "to lobby again").await, "1");
    assert_eq!(hear(&mut ann).await, "again");
    assert_eq!(ask(&mut bob, "echo nothing else came").await, "nothing else came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_ends_with_its_connection() {
    let host = Host::with("probe", &[]);
    let [mut ann, mut bob] = clients(&host, ["/ann", "/bob"]).await;
    assert_eq!(ask(&mut ann, "name ann").await, "named ann");
    assert_eq!(ask(&mut ann, "join lobby").await, "Sent");
    assert_eq!(ask(&mut ann, "join garden").await, "Sent");
    assert_eq!(ask(&mut bob, "on ann connected").await, "true");
    ann.close(None).await.expect("closed");
    closed_with(&mut ann).await;
    host.wait_for_log(1, &["closed /ann"]);

    assert_eq!(ask(&mut bob, "size lobby").await, "0");
    assert_eq!(ask(&mut bob, "members garden").await, "");
    assert_eq!(ask(&mut bob, "clients").await, "/bob");
    assert_eq!(ask(&mut bob, "on ann connected").await, "false");
    // The handle is still there, and every call comes to nothing.
    assert_eq!(ask(&mut bob, "on ann join lobby").await, "Gone");
    assert_eq!(ask(&mut bob, "on ann leave lobby").await, "false");
    assert_eq!(ask(&mut bob, "on ann state").await, "Closed");
    assert_eq!(ask(&mut bob, "size lobby").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_empty_or_too_long_is_refused() {
    let host = Host::with("probe", &[]);
    let [mut ann] = clients(&host, ["/ann"]).await;
    assert_eq!(ask(&mut ann, "join-long 255").await, "Sent");
    for length in [0, 256, 1 << 20] {
        assert_eq!(ask(&mut ann, &format!("join-long {length}")).await, "Refused", "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_s_messages_and_broadcasts_stay_in_order() {
    for workers in ["2", "0"] {
        let host = Host::with("probe", &["--loops", "2", "--workers", workers]);
        let [mut ann, mut bob] = clients(&host, ["/ann", "/bob"]).await;
        for client in [&mut ann, &mut bob] {
            assert_eq!(ask(client, "join lobby").await, "Sent");
        }
        say(&mut ann, "mixed lobby 1000").await;
        for number in 0..1000 {
            assert_eq!(hear(&mut ann).await, number.to_string());
            if number % 2 == 1 {
                assert_eq!(hear(&mut bob).await, number.to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_come_and_go_disturb_no_broadcast() {
    let host = Host::with("probe", &["--loops", "2"]);
    let [mut ann, mut bob] = clients(&host, ["/ann", "/bob"]).await;
    assert_eq!(ask(&mut ann, "join lobby").await, "Sent");
    let url = host.url("/passing");
    let coming_and_going = tokio::spawn(async move {
        for _ in 0..100 {
            let (mut client, _) = tokio_tungstenite::connect_async(&url).await.expect("connected");
            say(&mut client, "join lobby").await;
            // Messages in the lobby may come before the answer.
            while hear(&mut client).await != "Sent" {}
        }
    });
    let mut number = 0;
    while !coming_and_going.is_finished() {
        say(&mut bob, &format!("to lobby {number}")).await;
        assert_eq!(hear(&mut ann).await, number.to_string());
        assert!(hear(&mut bob).await.parse::<usize>().expect("a number") >= 1);
        number += 1;
    }
    coming_and_going.await.expect("all could join");
    host.wait_for_log(100, &["closed /passing"]);
    assert_eq!(ask(&mut bob, "members lobby").await, "/ann");
}
