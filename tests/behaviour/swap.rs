//! The live swap: a new generation takes over, and no client notices more than a pause.

use crate::common::{Client, Host, artefacts, ask, closed_with, connect, hear};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// A plugin's file that can be replaced, as an operator would, with its configuration.
struct Deployed {
    folder: tempfile::TempDir,
}

impl Deployed {
    fn new(package: &str) -> Deployed {
        let deployed = Deployed { folder: tempfile::tempdir().expect("a folder") };
        deployed.replace(artefacts().of(package));
        deployed.configure("");
        deployed
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("libcurrent.so")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("engine.toml")
    }

    /// Puts another file in its place, at once.
    fn replace(&self, with: &Path) {
        let new = self.folder.path().join("new.so");
        fs::copy(with, &new).expect("copied");
        fs::rename(new, self.file()).expect("renamed");
    }

    fn configure(&self, toml: &str) {
        fs::write(self.config(), toml).expect("written");
    }

    fn start(&self, arguments: &[&str]) -> Host {
        let config = self.config();
        let configured = ["--engine-config", config.to_str().expect("a path in UTF-8")];
        Host::with_plugin(&self.file(), &[&configured, arguments].concat())
    }
}

/// Clients that talk to `heir` all the while, and check every answer.
struct Traffic {
    talking: Vec<JoinHandle<usize>>,
    over: Arc<AtomicBool>,
}

impl Traffic {
    async fn start(host: &Host, clients: usize) -> Traffic {
        let over = Arc::new(AtomicBool::new(false));
        let mut talking = Vec::new();
        for number in 0..clients {
            let client = connect(host, "/").await;
            let prefix = if number % 2 == 0 { "job" } else { "text" };
            talking.push(tokio::spawn(talk(client, prefix, Arc::clone(&over))));
        }
        Traffic { talking, over }
    }

    /// Ends it, and returns how many messages went there and back.
    async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for client in self.talking {
            answered += client.await.expect("every answer is there, once, and in order");
        }
        answered
    }
}

/// Keeps four numbered texts under way, until it is over.
async fn talk(mut client: Client, prefix: &str, over: Arc<AtomicBool>) -> usize {
    const IN_FLIGHT: usize = 4;
    let (mut asked, mut answered) = (0, 0);
    loop {
        while asked < answered + IN_FLIGHT && !over.load(Ordering::Relaxed) {
            client.send(Message::text(format!("{prefix} {asked}"))).await.expect("the connection takes messages");
            asked += 1;
        }
        if asked == answered {
            return answered;
        }
        let answer = client.next().await.expect("the connection is open").expect("a message");
        let expected = format!(" {answered} {prefix} {answered}");
        assert!(answer.to_text().expect("a text").ends_with(&expected), "{answer:?} instead of {expected}");
        answered += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_stays_connected_and_no_message_is_lost_repeated_or_reordered() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2"]);
    let traffic = Traffic::start(&host, 50).await;
    for swap in 1..=20 {
        deployed.configure(&format!("label = \"g{swap}\""));
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 50 connections handed over in"]);
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(&format!("g{swap} 0 ")));
    }
    assert!(traffic.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_takes_over_the_state_of_the_first() {
    let deployed = Deployed::new("counter");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let mut bob = connect(&host, "/").await;
    assert_eq!(ask(&mut ann, "a long message").await, "1 of 1");
    assert_eq!(ask(&mut bob, "hi").await, "1 of 2");
    deployed.replace(artefacts().of("counter-2"));
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over", "generation=2", "version=\"2.0.0\""]);
    assert_eq!(ask(&mut ann, "short").await, "2 of 3, longest: short");
    assert_eq!(ask(&mut bob, "hello").await, "2 of 4, longest: hello");
    // And on to itself.
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 2 connections handed over", "generation=3"]);
    assert_eq!(ask(&mut ann, "now").await, "3 of 5, longest: short");
    // But not back: the first version does not read what the second exports.
    deployed.replace(artefacts().of("counter"));
    host.hang_up();
    host.wait_for_log(1, &["reload refused", "does not accept the state of the old one"]);
    assert_eq!(ask(&mut ann, "still").await, "4 of 6, longest: short");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_refuses_the_swap_and_nobody_notices() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2", "--reload-timeout", "30s"]);
    let traffic = Traffic::start(&host, 20).await;
    let garbage = deployed.folder.path().join("garbage");
    fs::write(&garbage, [0xa5; 5000]).expect("written");
    let heir = artefacts().of("heir");
    let cases: [(&Path, &str, &str); 7] = [
        (&garbage, "", "is not a dynamic library"),
        (heir, "no_such_key = 1", "unknown field `no_such_key`"),
        (heir, "fails = 'new'", "told to panic in new"),
        (heir, "fails = 'schema'", "does not accept the state of the old one, which is heir"),
        (heir, "fails = 'import-state'", "told to take no state"),
        (heir, "fails = 'import-session'\nfails_at = 13", "told to fail at session 13"),
        (heir, "fails = 'import-panics'", "told to panic in import_session"),
    ];
    for (number, (file, config, why)) in cases.into_iter().enumerate() {
        deployed.replace(file);
        deployed.configure(config);
        host.hang_up();
        let line = host.wait_for_log(number + 1, &["reload refused, the engine runs on as it was"]).remove(number);
        assert!(line.contains(why), "{line}");
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(" 0 hello"));
    }
    assert!(traffic.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_cannot_export_runs_on() {
    let cases = [
        ("fails = 'export-state'", "told to keep its state"),
        ("fails = 'export-session'", "export_session panicked at tests/fixtures/heir/src/lib.rs:"),
        ("fails = 'export-blocks'", "not done after 500ms: an export or import was at work"),
    ];
    for (config, why) in cases {
        let deployed = Deployed::new("heir");
        deployed.configure(config);
        let host = deployed.start(&["--reload-timeout", "500ms"]);
        let traffic = Traffic::start(&host, 20).await;
        deployed.configure("");
        host.hang_up();
        let line = host.wait_for_log(1, &["reload refused, the engine runs on as it was"]).remove(0);
        assert!(line.contains(why), "{line}");
        assert!(ask(&mut connect(&host, "/").await, "hello").await.starts_with(" 0 hello"));
        assert!(traffic.end().await > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_without_sessions_hand_over_by_themselves() {
    let deployed = Deployed::new("broadcast");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let mut bob = connect(&host, "/").await;
    for swap in 1..=3 {
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 2 connections handed over"]);
        let mut late = connect(&host, "/").await;
        assert_eq!(ask(&mut ann, "to all").await, "to all");
        assert_eq!(hear(&mut bob).await, "to all");
        assert_eq!(hear(&mut late).await, "to all");
        late.close(None).await.expect("closed");
        closed_with(&mut late).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_handover_old_connections_keep_the_old_engine_until_they_end() {
    let deployed = Deployed::new("groups");
    let host = deployed.start(&[]);
    let mut old = connect(&host, "/").await;
    assert_eq!(ask(&mut old, "join lobby").await, "joined lobby");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: new connections go to it, 1 stay with", "generation=2"]);
    let mut new = connect(&host, "/").await;
    assert_eq!(ask(&mut new, "join lobby").await, "joined lobby");
    // They are clients of one engine all the same.
    assert_eq!(ask(&mut old, "who lobby").await, "2 in lobby");
    assert_eq!(ask(&mut old, "say lobby hello").await, "heard by 1");
    assert_eq!(hear(&mut new).await, "lobby: hello");
    // A second swap leaves both where they are.
    host.hang_up();
    host.wait_for_log(1, &["reloaded: new connections go to it, 2 stay", "generation=3"]);
    assert_eq!(ask(&mut new, "leave lobby").await, "left lobby");
    assert_eq!(ask(&mut old, "who lobby").await, "1 in lobby");
}
