//! The wshost under test: a process of the run's own, seen through its log and `/proc`.

use crate::event::{Event, Outcome};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use tempfile::TempDir;

/// A running wshost with a plugin's file that can be replaced. Ended when dropped.
pub(crate) struct Host {
    child: Child,
    folder: TempDir,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Host {
    /// Starts it with this plugin. What comes of its reloads goes to `events`.
    pub(crate) fn start(wshost: &Path, plugin: &Path, options: &[String], events: Sender<Event>) -> Result<Host> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        place(folder.path(), plugin)?;
        fs::write(config_in(folder.path()), "")?;
        let mut child = Command::new(wshost)
            .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(options)
            .arg("--plugin")
            .arg(plugin_in(folder.path()))
            .arg("--engine-config")
            .arg(config_in(folder.path()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", wshost.display()))?;
        let log = child.stderr.take().context("its log is piped")?;
        thread::spawn(move || follow(log, &events));
        let mut ready = String::new();
        BufReader::new(child.stdout.take().context("its output is piped")?).read_line(&mut ready)?;
        let address = ready.split_once("ws://").and_then(|(_, rest)| rest.split_once('/')).map(|(address, _)| address);
        let Some(address) = address.map(str::to_owned) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("wshost did not become ready; its log is above");
        };
        Ok(Host { child, folder, address })
    }

    /// Puts another plugin in the place of the present one, by renaming, and another configuration.
    pub(crate) fn deploy(&self, plugin: &Path, config: &str) -> Result<()> {
        fs::write(config_in(self.folder.path()), config)?;
        place(self.folder.path(), plugin)
    }

    /// A file of this content, to be deployed.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let file = self.folder.path().join(name);
        fs::write(&file, content)?;
        Ok(file)
    }

    /// Asks for the swap.
    pub(crate) fn hang_up(&self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::HUP).context("cannot signal wshost")
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("smaps_rollup has no Rss")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

impl Drop for Host {
    /// In an orderly way, so that it leaves no copies of plugins behind; it takes its time where clients are connected.
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn plugin_in(folder: &Path) -> PathBuf {
    folder.join("libcurrent.so")
}

fn config_in(folder: &Path) -> PathBuf {
    folder.join("engine.toml")
}

fn place(folder: &Path, plugin: &Path) -> Result<()> {
    let new = folder.join("new.so");
    fs::copy(plugin, &new).with_context(|| format!("cannot copy {}", plugin.display()))?;
    Ok(fs::rename(new, plugin_in(folder))?)
}

/// Picks the outcomes of reloads out of the log. What else it warns of is shown.
fn follow(log: impl Read, events: &Sender<Event>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let Ok(entry) = serde_json::from_str::<Value>(&line) else {
            eprintln!("{line}");
            continue;
        };
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let message = text("message");
        let outcome = if message.starts_with("reloaded: ") {
            let pause_ms = entry.get("pause_ms").and_then(Value::as_f64);
            Outcome::Reloaded { version: text("version").to_owned(), pause_ms }
        } else if let Some(why) = message.strip_prefix("reload refused, ") {
            Outcome::Refused { why: why.to_owned() }
        } else {
            if matches!(text("level"), "WARN" | "ERROR") {
                eprintln!("wshost: {message}");
            }
            continue;
        };
        if events.send(Event::Outcome(outcome)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::HostEnded);
}
