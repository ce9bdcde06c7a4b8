//! Makes an engine. Its `new` runs on a thread of its own, since it may hang for good, or until one of its own timers
//! has run.

use crate::calls::Callback;
use crate::engine::{EngineFailure, Instance, NotMade, Unborn};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// After this long at the start, the log tells the operator that the host waits for `new`.
const WORTH_A_WORD: Duration = Duration::from_secs(5);

type Made = Result<Arc<Instance>, NotMade>;

/// Makes a first generation. Returns `None` if it was not ready after `deadline`.
pub async fn first(unborn: Unborn, deadline: Duration) -> Option<Made> {
    let (engine, version) = (unborn.plugin().name(), unborn.plugin().version());
    let mut made = match on_own_thread(unborn) {
        Ok(made) => made,
        Err(error) => return Some(Err(no_thread(&error))),
    };
    let in_silence = deadline.min(WORTH_A_WORD);
    if let Ok(made) = timeout(in_silence, &mut made).await {
        return made.ok();
    }
    tracing::warn!(
        engine,
        version,
        "new has been at work for over {in_silence:?}; nothing is served before it returns, see --start-timeout"
    );
    timeout(deadline - in_silence, made).await.ok()?.ok()
}

/// Makes the next generation. Returns `None` if it was not ready after `deadline`. It is then left to itself: its
/// handles reach nobody, and if it is ever ready, it is dropped.
pub async fn next(unborn: Unborn, deadline: Duration) -> Option<Made> {
    let given_up = unborn.given_up();
    let made = match on_own_thread(unborn) {
        Ok(made) => timeout(deadline, made).await.ok().and_then(Result::ok),
        Err(error) => return Some(Err(no_thread(&error))),
    };
    if made.is_none() {
        given_up();
    }
    made
}

fn on_own_thread(unborn: Unborn) -> io::Result<oneshot::Receiver<Made>> {
    let (done, made) = oneshot::channel();
    let thread = unborn.executor().thread("wshost-new")?;
    thread.run(move || {
        let _ = done.send(unborn.make());
    });
    Ok(made)
}

fn no_thread(error: &io::Error) -> NotMade {
    let failure = EngineFailure::of_host(Callback::New, format!("no thread for it: {error}"));
    NotMade { failure, configuration_at_fault: false }
}
