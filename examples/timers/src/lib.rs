//! Timers: a tick again and again, or a reminder once. Both end when the client leaves.
//!
//! `tick 500` ticks every 500 ms, `stop` ends that, and `remind 2000 TEXT` sends the text back after 2 s.
//!
//! Try it: `cargo build -p wshost -p timers && target/debug/wshost --plugin libtimers.so`

use plugin_api::prelude::*;
use std::time::Duration;

/// The shortest period that clients can ask for.
const SHORTEST: Duration = Duration::from_millis(10);

struct Timers {
    host: Host,
}

/// What runs for one client: one of each at most.
#[derive(Default)]
struct Session {
    tick: Option<Timer>,
    reminder: Option<Timer>,
}

impl Engine for Timers {
    type Session = Session;

    fn new(host: Host, _config: &Config) -> Result<Self> {
        Ok(Timers { host })
    }

    fn on_text(&self, client: &Client, session: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        let mut words = text.splitn(3, ' ');
        let command = words.next().unwrap_or_default();
        let time = words.next().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let to = client.clone();
        match (command, time) {
            ("tick", Some(period)) => {
                let mut number = 0;
                let tick = self.host.every(period.max(SHORTEST), move || {
                    number += 1;
                    to.send_text(&format!("tick {number}"));
                });
                replace(&mut session.tick, Some(tick));
            }
            ("remind", Some(delay)) => {
                let text = words.next().unwrap_or("you wanted to be reminded").to_owned();
                let reminder = self.host.after(delay, move || {
                    to.send_text(&text);
                });
                replace(&mut session.reminder, Some(reminder));
            }
            ("stop", None) => {
                replace(&mut session.tick, None);
                client.send_text("stopped");
            }
            _ => {
                client.send_text("tick MILLISECONDS, stop, or remind MILLISECONDS TEXT");
            }
        }
        None
    }

    fn on_closed(&self, client: &Client, mut session: Session, _code: u16) {
        // A timer does not know whom it was for: without this it would go on, and send to nobody.
        let cancelled = [replace(&mut session.tick, None), replace(&mut session.reminder, None)];
        log::debug!("{} timers of {client:?} cancelled", cancelled.iter().filter(|was| **was).count());
    }
}

/// Cancels the timer that was there; returns whether there was one.
fn replace(timer: &mut Option<Timer>, new: Option<Timer>) -> bool {
    let old = std::mem::replace(timer, new);
    if let Some(old) = &old {
        old.cancel();
    }
    old.is_some()
}

export_engine!(Timers);
