//! Progress: a job reports back to the session of the client that it works for.
//!
//! A job cannot touch the session, since callbacks may be using it. It posts values instead, and `on_event` takes them
//! in between the other callbacks. `start` sets a job going, which reports every tenth of its work; `status` asks.
//!
//! Try it: `cargo build -p wshost -p progress && target/debug/wshost --plugin libprogress.so`

use plugin_api::prelude::*;
use std::any::Any;
use std::hint::black_box;

/// One tenth of the work.
const STEP: u64 = 1_000_000;

struct Progress;

#[derive(Default)]
enum Session {
    #[default]
    Idle,
    Working {
        percent: u32,
    },
    Done {
        result: u64,
    },
}

/// What the job posts.
enum Report {
    Percent(u32),
    Result(u64),
}

impl Engine for Progress {
    type Session = Session;

    fn new(_host: Host, _config: &Config) -> Result<Self> {
        Ok(Progress)
    }

    fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        let answer = match (text, &*session) {
            ("start", Session::Idle | Session::Done { .. }) => {
                *session = Session::Working { percent: 0 };
                let client = client.clone();
                return Some(Box::new(move || work(&client)));
            }
            (_, Session::Idle) => "say start".to_owned(),
            (_, Session::Working { percent }) => format!("at {percent} %"),
            (_, Session::Done { result }) => format!("done: {result}"),
        };
        client.send_text(&answer);
        None
    }

    fn on_event(&self, client: &Client, session: &mut Session, event: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        match event.downcast_ref() {
            Some(Report::Percent(percent)) => {
                *session = Session::Working { percent: *percent };
                client.send_text(&format!("{percent} %"));
            }
            Some(Report::Result(result)) => {
                *session = Session::Done { result: *result };
                client.send_text(&format!("done: {result}"));
            }
            None => {}
        }
        None
    }
}

fn work(client: &Client) {
    let mut sum = 0;
    for tenth in 0..10 {
        sum = (tenth * STEP..(tenth + 1) * STEP).fold(sum, |sum, number| black_box(sum + number));
        let percent = (tenth as u32 + 1) * 10;
        if client.post(Report::Percent(percent)) != Sent::Sent {
            return; // nobody is left who wants to know
        }
    }
    client.post(Report::Result(sum));
}

export_engine!(Progress);
