//! What goes over the wire: requests of clients, and what they are told. The README beside this crate describes it.

use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// Characters that an answer repeats of a bad request, at most.
const REPEATED: usize = 120;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Come into a room, this connection's own where none is named; or take another name there.
    Join { name: String, room: Option<String> },
    /// Say something to the room. What the sender gets back carries the tag.
    Say { text: String, tag: Option<u64> },
    /// Ask who is here.
    Who,
}

/// A request that is refused, with the tag by which its sender knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub refusal: Refusal,
    pub tag: Option<u64>,
}

/// Every field that any request has.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    room: Option<String>,
    text: Option<String>,
    tag: Option<u64>,
}

impl Request {
    /// Reads a text message: JSON where it begins with a brace, and words to be said otherwise.
    ///
    /// # Errors
    ///
    /// It is a request that cannot be understood.
    pub fn read(text: &str) -> Result<Request, Refused> {
        if !text.trim_start().starts_with('{') {
            return Ok(Request::Say { text: text.to_owned(), tag: None });
        }
        let fields: Fields = serde_json::from_str(text).map_err(|error| {
            let why = shortened(&error.to_string());
            let refusal = if error.is_data() { Refusal::BadRequest(why) } else { Refusal::NotJson(why) };
            Refused { refusal, tag: None }
        })?;
        let Fields { kind, name, room, text, tag } = fields;
        let missing = |field| Refused { refusal: Refusal::BadRequest(format!("{kind} needs {field}")), tag };
        match kind.as_str() {
            "join" => Ok(Request::Join { name: name.ok_or_else(|| missing("a name"))?, room }),
            "say" => Ok(Request::Say { text: text.ok_or_else(|| missing("a text"))?, tag }),
            "who" => Ok(Request::Who),
            other => Err(Refused { refusal: Refusal::UnknownType(shortened(other)), tag }),
        }
    }
}

/// A message can be a MiB long; what is wrong with it need not be.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Something said in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Grows within a room, also across restarts: what a client has seen already, it need not show again.
    pub id: u64,
    /// Milliseconds since 1970, UTC.
    pub time: u64,
    /// Who said it.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// The connection is open: where it leads to, and what is valid there.
    Hello { room: &'a str, people: usize, max_name: usize, max_message: usize },
    /// This client is in a room now.
    Joined { room: &'a str, name: &'a str, people: Vec<&'a str>, history: Vec<&'a Line> },
    /// Somebody else came.
    Came { name: &'a str, time: u64 },
    /// Somebody left.
    Left { name: &'a str, time: u64 },
    /// Somebody, perhaps this client, took another name.
    Renamed { from: &'a str, name: &'a str, time: u64 },
    /// Somebody said something. Only the one who did gets the tag.
    Message {
        #[serde(flatten)]
        line: &'a Line,
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<u64>,
    },
    /// The answer to `who`.
    People { room: &'a str, people: Vec<&'a str> },
    /// This client's request was refused.
    Error {
        code: &'a str,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl Event<'_> {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are JSON")
    }
}

impl Refused {
    /// As it is sent.
    pub fn to_json(&self) -> String {
        let Refused { refusal, tag } = self;
        let retry_after_ms = refusal.retry_after().and_then(|wait| u64::try_from(wait.as_millis()).ok());
        Event::Error { code: refusal.code(), message: refusal.to_string(), tag: *tag, retry_after_ms }.to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (&'static str, Option<u64>) {
        let refused = Request::read(text).expect_err(text);
        (refused.refusal.code(), refused.tag)
    }

    #[test]
    fn requests_are_read() {
        let join = |name: &str, room: Option<&str>| Request::Join { name: name.into(), room: room.map(Into::into) };
        let say = |text: &str, tag| Request::Say { text: text.into(), tag };
        assert_eq!(Request::read(r#"{"type":"join","name":"Ann"}"#), Ok(join("Ann", None)));
        assert_eq!(Request::read(r#" {"type":"join","name":"","room":"a"}"#), Ok(join("", Some("a"))));
        assert_eq!(Request::read(r#"{"type":"say","text":"hi","tag":7}"#), Ok(say("hi", Some(7))));
        assert_eq!(Request::read(r#"{"type":"who","unknown":"ignored"}"#), Ok(Request::Who));
    }

    #[test]
    fn text_without_a_brace_is_said() {
        for text in ["hello", "", "\"quoted\"", "[1, 2]", "5"] {
            assert_eq!(Request::read(text), Ok(Request::Say { text: text.into(), tag: None }));
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        assert_eq!(code("{"), ("not-json", None));
        assert_eq!(code(r#"{"type":"say""#), ("not-json", None));
        assert_eq!(code("{hello}"), ("not-json", None));
        assert_eq!(code(r#"{"type":"who"} {"type":"who"}"#), ("not-json", None));
        assert_eq!(code(r#"{"type":"dance","tag":3}"#), ("unknown-type", Some(3)));
        assert_eq!(code("{}"), ("bad-request", None));
        assert_eq!(code(r#"{"type":"join"}"#), ("bad-request", None));
        assert_eq!(code(r#"{"type":"say","tag":3}"#), ("bad-request", Some(3)));
        assert_eq!(code(r#"{"type":"say","text":5}"#), ("bad-request", None));
        assert_eq!(code(r#"{"type":"say","text":"x","tag":-1}"#), ("bad-request", None));
        assert_eq!(code(&format!("{{{}", "[".repeat(100_000))), ("not-json", None));
    }

    #[test]
    fn a_long_mistake_has_a_short_answer() {
        let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000));
        assert!(Request::read(&long).expect_err("unknown").to_json().len() < 500);
        let long = format!(r#"{{"type":"say","tag":"{}"}}"#, "é".repeat(10_000));
        assert!(Request::read(&long).expect_err("no tag").to_json().len() < 500);
    }

    #[test]
    fn events_look_as_the_readme_says() {
        let line = Line { id: 3, time: 2, name: "Ann".into(), text: "\"hi\"\n".into() };
        let message = |tag| Event::Message { line: &line, tag }.to_json();
        assert_eq!(message(None), r#"{"type":"message","id":3,"time":2,"name":"Ann","text":"\"hi\"\n"}"#);
        assert_eq!(message(Some(9)), r#"{"type":"message","id":3,"time":2,"name":"Ann","text":"\"hi\"\n","tag":9}"#);
        let wait = Refusal::TooFast(std::time::Duration::from_millis(1500));
        let refused = Refused { refusal: wait, tag: Some(4) }.to_json();
        let expected = r#"{"type":"error","code":"too-fast","message":"That was too much at once; wait 2 s.","tag":4,"retry_after_ms":1500}"#;
        assert_eq!(refused, expected);
    }
}
