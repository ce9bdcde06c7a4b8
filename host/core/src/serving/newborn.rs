//! An engine on its way: its `new` runs on a thread of its own, since it may hang, for good or until a timer of its own has
//! run.

use crate::engine::{EngineFailure, Instance, NotMade, Unborn};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// After so long at the start, the operator is told what the host waits for.
const WORTH_A_WORD: Duration = Duration::from_secs(5);

type Made = Result<Arc<Instance>, NotMade>;

/// Makes a first generation. `None`: it was not done after `deadline`.
pub fn first(unborn: Unborn, deadline: Duration) -> Option<Made> {
    let (engine, version) = (unborn.plugin().name(), unborn.plugin().version());
    let made = match on_own_thread(unborn) {
        Ok(made) => made,
        Err(error) => return Some(Err(no_thread(&error))),
    };
    let in_silence = deadline.min(WORTH_A_WORD);
    made.recv_timeout(in_silence).ok().or_else(|| {
        tracing::warn!(
            engine,
            version,
            "new has been at work for over {in_silence:?}; nothing is served before it returns, see --start-timeout"
        );
        made.recv_timeout(deadline - in_silence).ok()
    })
}

/// Makes the generation that is to follow. `None`: it was not done after `deadline`, and is left to itself; should it be
/// done one day, it is dropped, and its handles reach nobody until then.
pub fn next(unborn: Unborn, deadline: Duration) -> Option<Made> {
    let given_up = unborn.given_up();
    let made = match on_own_thread(unborn) {
        Ok(made) => made.recv_timeout(deadline).ok(),
        Err(error) => return Some(Err(no_thread(&error))),
    };
    if made.is_none() {
        given_up();
    }
    made
}

fn on_own_thread(unborn: Unborn) -> io::Result<mpsc::Receiver<Made>> {
    let (done, made) = mpsc::channel();
    let body = move || {
        // Nobody may wait any more: the instance is dropped.
        let _ = done.send(unborn.make());
    };
    thread::Builder::new().name("wshost-new".into()).spawn(body)?;
    Ok(made)
}

fn no_thread(error: &io::Error) -> NotMade {
    let failure =
        EngineFailure { callback: "new", message: format!("no thread for it: {error}"), location: String::new() };
    NotMade { failure, configuration_at_fault: false }
}
