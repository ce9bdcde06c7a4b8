//! Damaged copies of a plugin: cut, zeroed in parts, or with bytes changed. Nobody notices but the log.
//!
//! The copies come from numbers, so that a failure can be had again. The two engines echo, so that clients cannot tell
//! which of them runs: `echo`, whose damaged copies say that they are the build that runs, and `hanging-initialiser`.

use crate::common::{Deployed, Host, artefacts, connect};
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// A library to be damaged.
struct Library {
    content: Vec<u8>,
    /// The end of its loaded part. Symbols and line numbers for debuggers follow.
    loaded: usize,
    /// The place of its code.
    code: Range<usize>,
}

/// The kinds of damage to a copy.
const KINDS: [&str; 8] = [
    "cut",
    "zeros to the end",
    "a block of zeros",
    "a byte changed",
    "16 bytes changed",
    "a block of garbage",
    "a block repeated",
    "two blocks swapped",
];

const BLOCK: usize = 4096;

impl Library {
    fn of(package: &str) -> Library {
        let content = fs::read(artefacts().of(package)).expect("the library");
        let number = |at: usize, size: usize| {
            content[at..at + size].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
        };
        // Program headers: 56 bytes each, with type, flags, offset in the file, and size there.
        let headers = (0..number(56, 2)).map(|index| number(32, 8) + index * 56);
        let place = |header: usize| number(header + 8, 8)..number(header + 8, 8) + number(header + 32, 8);
        let loads: Vec<_> = headers.filter(|header| number(*header, 4) == 1).collect();
        let loaded = loads.iter().map(|header| place(*header).end).max().expect("segments");
        let is_executable = |header: &&usize| number(**header + 4, 4) & 1 == 1;
        let code = loads.iter().find(is_executable).map(|header| place(*header)).expect("code");
        Library { content, loaded, code }
    }

    /// The copy with this number, its kind of damage, and whether its loaded part is damaged.
    fn damaged(&self, number: usize) -> (Vec<u8>, &'static str, bool) {
        let mut random = Random(number as u64 + 1);
        let mut copy = self.content.clone();
        let kind = KINDS[number % KINDS.len()];
        let blocks = self.loaded / BLOCK;
        let mut block = || {
            let start = random.below(blocks) * BLOCK;
            start..start + BLOCK
        };
        match kind {
            "cut" => copy.truncate(random.below(self.content.len())),
            "zeros to the end" => {
                let start = block().start;
                copy[start..].fill(0);
            }
            "a block of zeros" => copy[block()].fill(0),
            "a byte changed" => copy[random.below(self.loaded)] ^= 1 + random.below(255) as u8,
            "16 bytes changed" => (0..16).for_each(|_| copy[random.below(self.loaded)] ^= 1 + random.below(255) as u8),
            "a block of garbage" => {
                let block = block();
                copy[block].fill_with(|| random.below(256) as u8);
            }
            "a block repeated" => {
                let (from, to) = (block(), block());
                copy.copy_within(from, to.start);
            }
            _ => {
                let (one, other) = (block(), block());
                copy.copy_within(other.clone(), one.start);
                copy[other].copy_from_slice(&self.content[one]);
            }
        }
        let is_loaded = copy.len() < self.loaded || copy[..self.loaded] != self.content[..self.loaded];
        (copy, kind, is_loaded)
    }
}

/// Numbers that look like chance, the same every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (self.0 >> 29) ^ 0x5851_f42d;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// A client that says something again and again, and hears the same.
struct Echoing {
    over: Arc<AtomicBool>,
    /// How many right answers it has got.
    answers: Arc<AtomicUsize>,
    talking: JoinHandle<Result<usize, String>>,
}

impl Echoing {
    async fn start(host: &Host) -> Echoing {
        let (over, mut client) = (Arc::<AtomicBool>::default(), connect(host, "/").await);
        let answers = Arc::<AtomicUsize>::default();
        let (is_over, count_of) = (Arc::clone(&over), Arc::clone(&answers));
        let talking = tokio::spawn(async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let text = Message::text(format!("text {count}"));
                client.send(text.clone()).await.map_err(|error| error.to_string())?;
                match client.next().await {
                    Some(Ok(answer)) if answer == text => count = count_of.fetch_add(1, Ordering::Relaxed) + 1,
                    other => return Err(format!("{other:?} after {count} answers")),
                }
            }
            Ok(count)
        });
        Echoing { over, answers, talking }
    }

    /// Waits for so many more answers, or until no more can come.
    async fn go_on(&self, more: usize) {
        let enough = self.answers.load(Ordering::Relaxed) + more;
        while self.answers.load(Ordering::Relaxed) < enough && !self.talking.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The number of answers that it has received, if all were right.
    async fn end(self) -> Result<usize, String> {
        self.over.store(true, Ordering::Relaxed);
        self.talking.await.expect("it does not panic")
    }
}

/// Puts a copy into the plugin's place, at once.
fn put(deployed: &Deployed, copy: &[u8]) {
    let new = deployed.folder.path().join("damaged.so");
    fs::write(&new, copy).expect("written");
    deployed.replace(&new);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_copy_of_the_build_that_runs_is_loaded() {
    let library = Library::of("echo");
    let deployed = Deployed::new("echo");
    let host = deployed.start(&[]);
    let echoing = Echoing::start(&host).await;
    for number in 0..16 {
        let (copy, kind, is_loaded) = library.damaged(number);
        put(&deployed, &copy);
        let (code, stdout, stderr) = host.control(&["reload"]);
        // The part for debuggers may be damaged, since it never runs.
        assert!(code == 65 || !is_loaded, "{number}, {kind}: {stdout}{stderr}");
    }
    deployed.replace(artefacts().of("echo"));
    assert_eq!(host.control(&["reload"]).0, 0, "the same build again, whole: {}", host.log());
    assert!(echoing.end().await.expect("every answer was right") > 0);
}

/// This needs a linker whose build id covers the file, such as rustc's.
#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_copy_of_another_build_is_loaded_where_the_linker_tells() {
    let library = Library::of("hanging-initialiser");
    let lld = b"Linker: LLD";
    if !library.content.windows(lld.len()).any(|part| part == lld) {
        println!("not tried: the libraries are linked by another linker");
        return;
    }
    let deployed = Deployed::new("echo");
    let host = deployed.start(&["--rehearse", "no"]);
    let echoing = Echoing::start(&host).await;
    for number in 0..24 {
        let (copy, kind, is_loaded) = library.damaged(number);
        put(&deployed, &copy);
        let (code, stdout, stderr) = host.control(&["reload"]);
        assert!(code == 65 || copy == library.content, "{number}, {kind}, {is_loaded}: {stdout}{stderr}");
    }
    deployed.replace(artefacts().of("hanging-initialiser"));
    assert_eq!(host.control(&["reload"]).0, 0, "whole: {}", host.log());
    assert!(echoing.end().await.expect("every answer was right") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_has_lost_a_part_of_its_code_or_its_end_is_refused() {
    let library = Library::of("hanging-initialiser");
    let deployed = Deployed::new("echo");
    let host = deployed.start(&["--rehearse", "no"]);
    let echoing = Echoing::start(&host).await;
    let mut cases: Vec<_> =
        (1..8).map(|eighth| library.content[..library.content.len() * eighth / 8].to_vec()).collect();
    for intact in [1024, 64 * 1024, library.loaded / 2, library.loaded - 1] {
        let mut copy = library.content.clone();
        copy[intact..].fill(0);
        cases.push(copy);
    }
    for part in [1, 3, 5, 7] {
        let mut copy = library.content.clone();
        let start = (library.code.start + library.code.len() * part / 10).next_multiple_of(BLOCK);
        copy[start..start + BLOCK].fill(0);
        cases.push(copy);
    }
    for (number, copy) in cases.into_iter().enumerate() {
        put(&deployed, &copy);
        let (code, stdout, stderr) = host.control(&["reload"]);
        assert_eq!(code, 65, "case {number}: {stdout}{stderr}");
        assert!(stderr.contains("truncated") || stderr.contains("is damaged, as shows in "), "case {number}: {stderr}");
    }
    assert!(echoing.end().await.expect("every answer was right") > 0);
}

/// `WSHOST_TEST_DAMAGED`: which library is damaged. `WSHOST_TEST_REHEARSE`: the extent. Prints a table of what became of
/// each kind, in the server and under `wshost check`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "200 copies, some minutes"]
async fn two_hundred_damaged_copies_under_watch_disturb_nobody() {
    const HOSTS: usize = 8;
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let package = setting("WSHOST_TEST_DAMAGED", "hanging-initialiser");
    let extent = setting("WSHOST_TEST_REHEARSE", "life");
    let library = Arc::new(Library::of(&package));
    let mut hosts = Vec::new();
    for first in 0..HOSTS {
        let (library, extent) = (Arc::clone(&library), extent.clone());
        hosts.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            for number in (first..200).step_by(HOSTS) {
                seen.push(under_watch(&library, number, &extent).await);
            }
            seen
        }));
    }
    let mut table = BTreeMap::<_, usize>::new();
    let mut disturbed = Vec::new();
    for host in hosts {
        for (number, kind, outcome, checked, noticed) in host.await.expect("it does not panic") {
            *table.entry((kind, outcome, checked)).or_default() += 1;
            disturbed.extend(noticed.map(|noticed| format!("{number}, {kind}: {noticed}")));
        }
    }
    println!("{package}, --rehearse {extent}: copies, kind, in the server, under check");
    for ((kind, outcome, checked), count) in table {
        println!("{count:4}  {kind:20} {outcome:30} {checked}");
    }
    assert!(disturbed.is_empty(), "{disturbed:#?}");
}

/// The fate of one copy under `--watch`, and whether a client noticed.
async fn under_watch(
    library: &Library,
    number: usize,
    extent: &str,
) -> (usize, &'static str, String, String, Option<String>) {
    let (copy, kind, _) = library.damaged(number);
    let deployed = Deployed::new("echo");
    let mut host = deployed.start(&["--watch", "--rehearse", extent, "--loops", "1", "--workers", "1"]);
    let echoing = Echoing::start(&host).await;
    // Overwrite it in place, as `cp` does.
    fs::write(deployed.file(), &copy).expect("written");
    let outcome = loop {
        if !host.is_running() {
            break "the server has crashed".to_owned();
        }
        let log = host.log();
        if let Some(line) = log.lines().find(|line| line.contains("reload refused")) {
            let by = [
                ("its rehearsal", "refused: rehearsal"),
                ("truncated", "refused: truncated"),
                ("is damaged, as shows", "refused: damage seen"),
                ("not as it was built", "refused: not as built"),
                ("not as it was linked", "refused: not as linked"),
                ("is not a dynamic library", "refused: no library"),
            ];
            break by.iter().find(|by| line.contains(by.0)).map_or(format!("refused: {line}"), |by| by.1.to_owned());
        }
        if log.contains("reloaded: ") {
            break "loaded".to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // A while with it, and an end in good order.
    echoing.go_on(100).await;
    let answers = echoing.end().await;
    let ended = if host.is_running() {
        host.terminate();
        host.wait().code() == Some(0)
    } else {
        false
    };
    let noticed = match answers {
        Err(noticed) => Some(format!("{outcome}; {noticed}")),
        Ok(_) if !ended => Some(format!("{outcome}; it did not end in good order")),
        Ok(_) => None,
    };
    (number, kind, outcome, checked(&deployed.file()), noticed)
}

/// The step that `wshost check` stops at.
fn checked(file: &Path) -> String {
    let mut command = Command::new(artefacts().wshost());
    command.args(["check", "--json"]).arg(file).stderr(Stdio::null());
    let report: serde_json::Value =
        serde_json::from_slice(&command.output().expect("it runs").stdout).expect("a report");
    let failed = report["steps"].as_array().expect("steps").iter().find(|step| step["outcome"] == "failed");
    failed.map_or("usable".to_owned(), |step| format!("fails at {}", step["name"].as_str().unwrap_or_default()))
}
