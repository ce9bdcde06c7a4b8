//! The harness: artefacts built once, a host as a child process, clients.

mod artefacts;
mod client;
mod deflating;
mod deployed;
mod host;
mod traffic;

pub(crate) use artefacts::{Artefacts, aborting, artefacts, build, build_with, workspace};
pub(crate) use client::{Client, Raw, ask, closed_with, connect, frame, hear, say, try_connect};
pub(crate) use deflating::Deflating;
pub(crate) use deployed::Deployed;
pub(crate) use host::{Host, outcome};
pub(crate) use traffic::Traffic;

use std::time::{Duration, Instant};

/// How long a condition may take. This is far longer than usual, since a loaded machine is no failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again until it is so.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "it has not come to that in {DEADLINE:?}");
    }
}

/// Lets this process have as many files open as it may: a test with many clients needs one for each.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a process may raise it to its maximum");
}
