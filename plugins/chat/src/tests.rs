//! The chat, on the core in memory: who is told what, and when.

use super::*;
use plugin_testing::{Message, TestClient, TestHost};
use serde_json::Value;

/// What a client got since it was asked last, as JSON.
fn told(client: &TestClient) -> Vec<Value> {
    let json = |message: Message| match message {
        Message::Text(text) => serde_json::from_str(&text).expect("the chat speaks JSON"),
        other => panic!("the chat sends texts, not {other:?}"),
    };
    client.received().into_iter().map(json).collect()
}

/// The `type` of each event.
fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("every event has a type")).collect()
}

/// Somebody who has joined, and has read what they were told.
fn person(host: &TestHost, resource: &str) -> TestClient {
    let client = host.connect(resource);
    assert_eq!(types(&told(&client)), ["hello", "joined"], "{resource}");
    client
}

#[test]
fn what_one_says_all_in_the_room_read_once_a_worker_has_run_it() {
    let host = TestHost::new::<Chat>();
    let (ann, bob) = (person(&host, "/chat?name=Ann"), person(&host, "/chat?name=Bob"));
    let elsewhere = person(&host, "/chat/rust?name=Cy");
    assert_eq!(types(&told(&ann)), ["came"]);

    ann.text(r#"{"type":"say","text":"Hello!","tag":7}"#);
    assert_eq!(host.waiting_jobs(), 1);
    assert_eq!(told(&bob), [] as [Value; 0], "nothing before the job has run");
    host.run_jobs();

    let (to_ann, to_bob) = (told(&ann), told(&bob));
    assert_eq!((types(&to_ann), types(&to_bob)), (vec!["message"], vec!["message"]));
    assert_eq!((&to_bob[0]["name"], &to_bob[0]["text"]), (&"Ann".into(), &"Hello!".into()));
    assert_eq!((&to_ann[0]["tag"], &to_bob[0]["tag"]), (&7.into(), &Value::Null));
    assert_eq!(told(&elsewhere), [] as [Value; 0]);
}

#[test]
fn a_newcomer_gets_the_latest_messages_and_no_more_than_are_kept() {
    let host = TestHost::with_config::<Chat>("history = 2\n[rate]\nmessages = 100\nseconds = 1\n");
    let ann = person(&host, "/chat?name=Ann");
    for text in ["one", "two", "three"] {
        ann.text(text);
    }
    host.run_jobs();
    let bob = host.connect("/chat?name=Bob");
    let events = told(&bob);
    let texts: Vec<_> = events[1]["history"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["two", "three"]);
    assert_eq!(events[1]["people"], serde_json::json!(["Ann", "Bob"]));
}

#[test]
fn words_are_said_even_if_their_author_leaves_before_the_job() {
    let host = TestHost::new::<Chat>();
    let (ann, bob) = (person(&host, "/chat?name=Ann"), person(&host, "/chat?name=Bob"));
    ann.text("bye");
    ann.disconnect();
    host.run_jobs();
    let events = told(&bob);
    assert_eq!(types(&events), ["left", "message"]);
    assert_eq!(events[1]["text"], "bye");
}

#[test]
fn a_name_that_is_taken_is_refused_until_its_owner_goes() {
    let host = TestHost::new::<Chat>();
    let ann = person(&host, "/chat?name=Ann");
    let other = host.connect("/chat?name=ANN");
    let events = told(&other);
    assert_eq!((types(&events), &events[1]["code"]), (vec!["hello", "error"], &"name-taken".into()));
    ann.close(close_code::NORMAL, "");
    other.text(r#"{"type":"join","name":"Ann"}"#);
    assert_eq!(types(&told(&other)), ["joined"]);
}

#[test]
fn who_changes_rooms_is_gone_from_the_first() {
    let host = TestHost::new::<Chat>();
    let (ann, bob) = (person(&host, "/chat?name=Ann"), person(&host, "/chat?name=Bob"));
    told(&ann);
    bob.text(r#"{"type":"join","name":"Bob","room":"rust"}"#);
    assert_eq!(types(&told(&ann)), ["left"]);
    told(&bob);
    ann.text("anybody?");
    host.run_jobs();
    assert_eq!(told(&bob), [] as [Value; 0]);
}

#[test]
fn who_floods_is_refused_and_then_disconnected() {
    let host = TestHost::with_config::<Chat>("[rate]\nmessages = 2\nseconds = 60\n");
    let ann = person(&host, "/chat?name=Ann");
    ann.text("one");
    ann.text("two");
    ann.text(r#"{"type":"say","text":"three","tag":3}"#);
    let events = told(&ann);
    assert_eq!((&events[0]["code"], &events[0]["tag"]), (&"too-fast".into(), &3.into()));
    (0..6).for_each(|_| ann.text("more"));
    assert_eq!(ann.received().last(), Some(&Message::close(FLOODING, "too many messages")));
}

#[test]
fn an_impossible_room_and_binary_messages_close_with_codes_of_their_own() {
    let host = TestHost::new::<Chat>();
    let lost = host.connect("/chat/no%20such%20room");
    assert!(matches!(&lost.received()[..], [Message::Close { code: NO_SUCH_ROOM, .. }]));
    let ann = person(&host, "/chat?name=Ann");
    ann.binary(&[1]);
    let expected = Message::close(close_code::UNSUPPORTED, "this chat takes text only");
    assert_eq!(ann.received(), [expected]);
}
