//! Rooms, on the core in memory.

use super::{MAX_ROOMS, Rooms};
use plugin_testing::{NOTHING, TestHost};

#[test]
fn what_is_said_in_a_room_is_heard_by_the_others_in_it() {
    let host = TestHost::new::<Rooms>();
    let [alice, bob, carol] = [(); 3].map(|()| host.connect("/"));
    alice.text("join lobby");
    bob.text("join lobby");
    assert_eq!((alice.received(), bob.received()), (vec!["joined lobby".into()], vec!["joined lobby".into()]));
    alice.text("say lobby good morning");
    assert_eq!(alice.received(), ["heard by 1"]);
    assert_eq!(bob.received(), ["lobby: good morning"]);
    assert_eq!(carol.received(), NOTHING);
    carol.text("say lobby let me in");
    assert_eq!(carol.received(), ["you are not in lobby"]);
}

#[test]
fn who_leaves_or_disconnects_is_not_there_any_more() {
    let host = TestHost::new::<Rooms>();
    let [alice, bob] = [(); 2].map(|()| host.connect("/"));
    for client in [&alice, &bob] {
        client.text("join lobby");
    }
    alice.text("who lobby");
    alice.text("leave lobby");
    alice.text("leave lobby");
    alice.text("who lobby");
    assert_eq!(alice.received(), ["joined lobby", "2 in lobby", "left lobby", "you are not in lobby", "1 in lobby"]);
    bob.disconnect();
    assert!(host.handle().group("lobby").is_empty());
}

#[test]
fn rooms_have_names_and_a_limit() {
    let host = TestHost::new::<Rooms>();
    let alice = host.connect("/");
    for name in ["", "two words", &"x".repeat(256)] {
        alice.text(&format!("join {name}"));
        assert_eq!(alice.received(), ["a room's name has 1 to 255 bytes and no space"]);
    }
    for number in 0..MAX_ROOMS {
        alice.text(&format!("join {number}"));
        assert_eq!(alice.received(), [&*format!("joined {number}")]);
    }
    alice.text("join another");
    assert_eq!(alice.received(), ["you are in 20 rooms already"]);
    alice.text("dance");
    assert_eq!(alice.received(), ["join ROOM, leave ROOM, say ROOM TEXT, or who ROOM"]);
}
