//! The wshost under test, with one event loop.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running wshost. Ended when dropped.
pub(crate) struct Host {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Host {
    /// Starts it, on a core of its own if that is wanted, with echo at `/` and the engine whose answers are jobs at `/jobs`.
    pub(crate) fn start(wshost: &Path, engines: [&Path; 2], core: Option<u32>, options: &[String]) -> Result<Host> {
        let mut command = match core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(wshost);
                pinned
            }
            None => Command::new(wshost),
        };
        let [echo, jobs] = engines.map(Path::display);
        command
            .args(["--listen", "127.0.0.1:0", "--loops", "1", "--workers", "1"])
            .args(["--plugin", &format!("/={echo}"), "--plugin", &format!("/jobs={jobs}")])
            .args(options)
            .env("WSHOST_LOG", "error")
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", wshost.display()))?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().context("its output is piped")?).read_line(&mut ready)?;
        let address = ready.split_once("ws://").and_then(|(_, rest)| rest.split_once('/')).map(|(address, _)| address);
        let Some(address) = address.map(str::to_owned) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("wshost did not become ready: {ready}");
        };
        Ok(Host { child, address })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
