//! The chat engine, over real sockets: people talk, come and go, and are told of their errors.

use crate::common::{Client, Host, Raw, artefacts, closed_with, connect, hear, say, workspace};
use futures_util::SinkExt;
use serde_json::{Value, json};
use std::fs;
use tokio_tungstenite::tungstenite::Message;

/// A chat with these settings, in TOML.
fn chat(settings: &str) -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chat.toml");
    fs::write(&file, settings).expect("written");
    // The configuration is read before the host is ready; the folder may go then.
    Host::with("chat", &["--engine-config", file.to_str().expect("UTF-8"), "--workers", "2"])
}

/// The next event.
async fn event(client: &mut Client) -> Value {
    serde_json::from_str(&hear(client).await).expect("JSON")
}

/// The next event, which must be of this type.
async fn event_of(client: &mut Client, kind: &str) -> Value {
    let event = event(client).await;
    assert_eq!(event["type"], kind, "{event}");
    event
}

async fn send(client: &mut Client, request: Value) {
    say(client, &request.to_string()).await;
}

/// Sends a request that is refused; returns the code.
async fn refusal(client: &mut Client, request: &str) -> String {
    say(client, request).await;
    let error = event_of(client, "error").await;
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    error["code"].as_str().expect("a code").to_owned()
}

/// A client that has joined, and the answer to that.
async fn join(host: &Host, path: &str, name: &str) -> (Client, Value) {
    let mut client = connect(host, path).await;
    event_of(&mut client, "hello").await;
    send(&mut client, json!({"type": "join", "name": name})).await;
    let joined = event_of(&mut client, "joined").await;
    assert_eq!(joined["name"], name);
    (client, joined)
}

fn texts(joined: &Value) -> Vec<&str> {
    joined["history"].as_array().expect("a history").iter().filter_map(|line| line["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk() {
    let host = Host::with("chat", &["--workers", "2"]);
    let mut ann = connect(&host, "/chat").await;
    let hello = event_of(&mut ann, "hello").await;
    assert_eq!(hello, json!({"type": "hello", "room": "lobby", "people": 0, "max_name": 32, "max_message": 2000}));
    send(&mut ann, json!({"type": "join", "name": " Ann "})).await;
    let joined = event(&mut ann).await;
    assert_eq!(joined, json!({"type": "joined", "room": "lobby", "name": "Ann", "people": ["Ann"], "history": []}));

    let (mut bob, joined) = join(&host, "/", "Bob").await;
    assert_eq!(joined["people"], json!(["Ann", "Bob"]));
    assert_eq!(event_of(&mut ann, "came").await["name"], "Bob");

    send(&mut ann, json!({"type": "say", "text": "Hello <b>Bob</b>\n\"…\" ", "tag": 7})).await;
    let mut heard = event_of(&mut bob, "message").await;
    assert_eq!((heard["name"].as_str(), heard["text"].as_str()), (Some("Ann"), Some("Hello <b>Bob</b>\n\"…\"")));
    assert!(heard["time"].as_u64().is_some_and(|time| time > 1_600_000_000_000), "milliseconds since 1970: {heard}");
    assert!(heard.get("tag").is_none(), "a tag is for its sender");
    heard["tag"] = json!(7);
    assert_eq!(event(&mut ann).await, heard, "who said it gets the same");

    say(&mut bob, "plain words are said too").await;
    assert_eq!(event_of(&mut ann, "message").await["text"], "plain words are said too");
    assert_eq!(event_of(&mut bob, "message").await["name"], "Bob");
    send(&mut bob, json!({"type": "who"})).await;
    assert_eq!(event(&mut bob).await, json!({"type": "people", "room": "lobby", "people": ["Ann", "Bob"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_the_latest_messages() {
    let host = chat("history = 3\nrate.messages = 100");
    let (mut ann, _) = join(&host, "/", "Ann").await;
    for number in 0..5 {
        say(&mut ann, &number.to_string()).await;
    }
    for _ in 0..5 {
        event_of(&mut ann, "message").await;
    }
    let (_bob, joined) = join(&host, "/", "Bob").await;
    assert_eq!(texts(&joined), ["2", "3", "4"]);
    let ids: Vec<_> = joined["history"].as_array().expect("lines").iter().map(|line| line["id"].as_u64()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

// Many talk at once, in jobs on two workers, while others come: nobody misses a message, or sees two in another order.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_same_order() {
    const EACH: usize = 40;
    let host = chat("history = 1000\nrate.messages = 1000");
    let mut clients = Vec::new();
    for name in ["Ann", "Bob", "Cleo", "Dan"] {
        clients.push(join(&host, "/", name).await.0);
    }
    for number in 0..EACH {
        for client in &mut clients {
            say(client, &number.to_string()).await;
        }
    }
    let (late, joined) = join(&host, "/", "Late").await;
    let history = joined["history"].as_array().expect("lines").iter().map(line).collect();
    let expected = lines(late, history, 4 * EACH).await;
    for client in clients {
        assert_eq!(lines(client, Vec::new(), 4 * EACH).await, expected);
    }
}

/// A line of talk: its id, its speaker, and the words.
type Line = (Option<u64>, String, String);

fn line(event: &Value) -> Line {
    (event["id"].as_u64(), event["name"].to_string(), event["text"].to_string())
}

/// Goes on to hear until there are so many lines.
async fn lines(mut client: Client, mut lines: Vec<Line>, count: usize) -> Vec<Line> {
    while lines.len() < count {
        lines.extend(Some(event(&mut client).await).filter(|event| event["type"] == "message").as_ref().map(line));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_missed_and_their_name_is_free() {
    let host = Host::with("chat", &[]);
    let (mut ann, _) = join(&host, "/", "Ann").await;
    let (mut bob, _) = join(&host, "/", "Bob").await;
    event_of(&mut ann, "came").await;
    bob.close(None).await.expect("closed");
    assert_eq!(event_of(&mut ann, "left").await["name"], "Bob");
    let (bob, joined) = join(&host, "/", "bob").await;
    assert_eq!(joined["people"], json!(["Ann", "bob"]));
    event_of(&mut ann, "came").await;
    // The connection just breaks, without a close frame.
    drop(bob);
    assert_eq!(event_of(&mut ann, "left").await["name"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_once_per_room_and_can_be_changed() {
    let host = Host::with("chat", &[]);
    let (mut ann, _) = join(&host, "/chat/rust", "Ann").await;
    let mut bob = connect(&host, "/chat/rust").await;
    assert_eq!(event_of(&mut bob, "hello").await["people"], 1);
    assert_eq!(refusal(&mut bob, r#"{"type":"join","name":"ANN"}"#).await, "name-taken");
    assert_eq!(refusal(&mut bob, "hello?").await, "not-joined");
    send(&mut bob, json!({"type": "join", "name": "Bob"})).await;
    event_of(&mut bob, "joined").await;
    event_of(&mut ann, "came").await;
    assert_eq!(refusal(&mut bob, r#"{"type":"join","name":"ann"}"#).await, "name-taken");
    send(&mut bob, json!({"type": "join", "name": "Robert"})).await;
    for client in [&mut ann, &mut bob] {
        let renamed = event_of(client, "renamed").await;
        assert_eq!((renamed["from"].as_str(), renamed["name"].as_str()), (Some("Bob"), Some("Robert")));
    }
    let (_, joined) = join(&host, "/chat/rust", "Bob").await;
    assert_eq!(joined["people"], json!(["Ann", "Bob", "Robert"]));
    join(&host, "/chat/other", "Ann").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_apart_by_path_by_query_and_by_message() {
    let host = Host::with("chat", &[]);
    let (mut ann, _) = join(&host, "/chat/Rust", "Ann").await;
    let (mut bob, joined) = join(&host, "/chat?room=rust", "Bob").await;
    assert_eq!((&joined["room"], &joined["people"]), (&json!("rust"), &json!(["Ann", "Bob"])));
    event_of(&mut ann, "came").await;
    let mut cleo = connect(&host, "/chat?name=Cleo").await;
    event_of(&mut cleo, "hello").await;
    assert_eq!(event_of(&mut cleo, "joined").await["room"], "lobby", "a name in the address joins at once");
    say(&mut cleo, "nobody in rust hears this").await;
    event_of(&mut cleo, "message").await;

    send(&mut cleo, json!({"type": "join", "name": "Cleo", "room": "rust"})).await;
    assert_eq!(event_of(&mut cleo, "joined").await["people"], json!(["Ann", "Bob", "Cleo"]));
    assert_eq!(event_of(&mut ann, "came").await["name"], "Cleo");
    let (mut dan, joined) = join(&host, "/", "Dan").await;
    assert_eq!(joined["people"], json!(["Dan"]), "Cleo has left the lobby");
    assert_eq!(refusal(&mut dan, r#"{"type":"join","name":"Ann","room":"rust"}"#).await, "name-taken");
    say(&mut dan, "still in the lobby").await;
    event_of(&mut dan, "message").await;
    say(&mut cleo, "hello, rust").await;
    for client in [&mut ann, &mut cleo] {
        assert_eq!(event_of(client, "message").await["text"], "hello, rust");
    }
    assert_eq!(event_of(&mut bob, "came").await["name"], "Cleo");
    assert_eq!(event_of(&mut bob, "message").await["name"], "Cleo");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_to_those_who_make_them() {
    let host = chat("max_message = 5\nmax_name = 4\nmax_people = 2\nrate.messages = 100");
    let (mut ann, _) = join(&host, "/", "Ann").await;
    let mut bob = connect(&host, "/").await;
    event_of(&mut bob, "hello").await;
    for (request, code) in [
        ("{", "not-json"),
        (r#"{"type":"dance"}"#, "unknown-type"),
        (r#"{"name":"Bob"}"#, "bad-request"),
        (r#"{"type":"join"}"#, "bad-request"),
        (r#"{"type":"join","name":7}"#, "bad-request"),
        (r#"{"type":"join","name":"  "}"#, "name-empty"),
        (r#"{"type":"join","name":"Bobby"}"#, "name-too-long"),
        (r#"{"type":"join","name":"B\u0000b"}"#, "name-bad"),
        (r#"{"type":"join","name":"ann"}"#, "name-taken"),
        (r#"{"type":"join","name":"Bob","room":"no such room!"}"#, "room-bad"),
        (r#"{"type":"who"}"#, "not-joined"),
        (r#"{"type":"say","text":"hi"}"#, "not-joined"),
    ] {
        assert_eq!(refusal(&mut bob, request).await, code, "{request}");
    }
    send(&mut bob, json!({"type": "join", "name": "Bob"})).await;
    event_of(&mut bob, "joined").await;
    for (request, code) in [("", "message-empty"), (" \n", "message-empty"), ("123456", "message-too-long")] {
        assert_eq!(refusal(&mut bob, request).await, code, "{request:?}");
    }
    send(&mut bob, json!({"type": "say", "text": "123456", "tag": 3})).await;
    assert_eq!(event_of(&mut bob, "error").await["tag"], 3);
    let mut cleo = connect(&host, "/?name=Cleo").await;
    event_of(&mut cleo, "hello").await;
    assert_eq!(event_of(&mut cleo, "error").await["code"], "room-full");

    say(&mut bob, "€uro\u{1f600}").await;
    assert_eq!(event_of(&mut ann, "came").await["name"], "Bob");
    assert_eq!(event_of(&mut ann, "message").await["text"], "€uro\u{1f600}", "five characters, and all that Ann saw");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_cannot_flood_a_room() {
    let host = chat("[rate]\nmessages = 3\nseconds = 3600");
    let (mut ann, _) = join(&host, "/", "Ann").await;
    let (mut bob, _) = join(&host, "/", "Bob").await;
    event_of(&mut ann, "came").await;
    for text in ["1", "2", "3"] {
        say(&mut bob, text).await;
    }
    // Answers of workers and of the event loop do not wait for each other.
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(event(&mut bob).await);
    }
    let refused: Vec<_> = answers.iter().filter(|answer| answer["code"] == "too-fast").collect();
    assert_eq!(refused.len(), 1, "to join was the first of three: {answers:?}");
    assert!(refused[0]["retry_after_ms"].as_u64().is_some_and(|wait| wait > 3_500_000), "{answers:?}");
    for text in ["1", "2"] {
        assert_eq!(event_of(&mut ann, "message").await["text"], text);
    }
    for _ in 0..9 {
        say(&mut bob, "and on").await;
    }
    for _ in 0..8 {
        assert_eq!(event_of(&mut bob, "error").await["code"], "too-fast");
    }
    assert_eq!(closed_with(&mut bob).await, 4001);
    assert_eq!(event_of(&mut ann, "left").await["name"], "Bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_and_impossible_rooms_close_the_connection() {
    let host = Host::with("chat", &[]);
    let (mut ann, _) = join(&host, "/", "Ann").await;
    ann.send(Message::binary(vec![1, 2, 3])).await.expect("sent");
    assert_eq!(closed_with(&mut ann).await, 1003);
    for path in ["/chat/a%20b", "/chat?room=%3Cb%3E", "/chat?room="] {
        assert_eq!(closed_with(&mut connect(&host, path).await).await, 4000, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_room_is_forgotten_and_rooms_are_bounded() {
    let host = chat("keep_empty_seconds = 0\nmax_rooms = 1");
    let (mut ann, _) = join(&host, "/chat/a", "Ann").await;
    say(&mut ann, "remember me").await;
    event_of(&mut ann, "message").await;
    let mut bob = connect(&host, "/chat/b?name=Bob").await;
    event_of(&mut bob, "hello").await;
    assert_eq!(event_of(&mut bob, "error").await["code"], "too-many-rooms");
    assert_eq!(texts(&join(&host, "/chat/a", "Cleo").await.1), ["remember me"]);
    assert_eq!(event_of(&mut ann, "came").await["name"], "Cleo");
    assert_eq!(event_of(&mut ann, "left").await["name"], "Cleo");
    send(&mut ann, json!({"type": "join", "name": "Ann", "room": "b"})).await;
    assert_eq!(event_of(&mut ann, "error").await["code"], "too-many-rooms", "she is still in a");
    ann.close(None).await.expect("closed");
    closed_with(&mut ann).await;
    let (_, joined) = join_when_free(&host, "/chat/a", "Ann").await;
    assert!(texts(&joined).is_empty(), "{joined}");
}

/// Joins as soon as the name's last owner is gone.
async fn join_when_free(host: &Host, path: &str, name: &str) -> (Client, Value) {
    loop {
        let mut client = connect(host, path).await;
        event_of(&mut client, "hello").await;
        send(&mut client, json!({"type": "join", "name": name})).await;
        let answer = event(&mut client).await;
        if answer["type"] == "joined" {
            return (client, answer);
        }
        assert_eq!(answer["code"], "name-taken", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_workers_it_is_the_same_chat() {
    let host = Host::with("chat", &["--workers", "0", "--loops", "1"]);
    let (mut ann, _) = join(&host, "/", "Ann").await;
    let (mut bob, _) = join(&host, "/", "Bob").await;
    event_of(&mut ann, "came").await;
    for text in ["a", "b", "c"] {
        say(&mut ann, text).await;
    }
    for client in [&mut ann, &mut bob] {
        for text in ["a", "b", "c"] {
            assert_eq!(event_of(client, "message").await["text"], text);
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chat.toml");
    let plugin = artefacts().of("chat").display().to_string();
    for (settings, said) in [
        ("max_message = 0", "key max_message: invalid value"),
        ("\n[rate]\nseconds = 0", "line 3, key rate.seconds"),
        ("max_messages = 5", "unknown field `max_messages`"),
    ] {
        fs::write(&file, settings).expect("written");
        let config = file.to_str().expect("UTF-8");
        let (code, _, stderr) = Host::refuses(&["--plugin", &plugin, "--engine-config", config], &[]);
        assert_eq!(code, 78, "{settings}: {stderr}");
        assert!(stderr.contains(said), "{settings}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_beside_an_engine_for_every_path() {
    let page = workspace().join("plugins/chat/page");
    let host = Host::with("chat", &["--static", page.to_str().expect("UTF-8")]);
    let get = |path: &str| {
        let mut raw = Raw::dial(&host);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        String::from_utf8(raw.read_rest()).expect("UTF-8")
    };
    let index = get("/");
    assert!(index.starts_with("HTTP/1.1 200 ") && index.contains("content-type: text/html"), "{index}");
    for (file, kind) in [("style.css", "text/css"), ("app.js", "text/javascript")] {
        assert!(index.contains(&format!("\"{file}\"")), "{index}");
        let answer = get(&format!("/{file}"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(kind), "{answer}");
    }
    join(&host, "/chat?room=lobby", "Ann").await;
}
