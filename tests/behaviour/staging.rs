//! The private copies of plugins: their place, their removal, and the error if there is no room for one.

use crate::common::{Deployed, Host, artefacts, ask, connect};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn in_folder(folder: &Path) -> Host {
    let folder = folder.to_str().expect("a path in UTF-8");
    Host::with_environment(artefacts().of("echo"), &[], &[("TMPDIR", folder)])
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn what_a_killed_server_leaves_goes_with_the_next_start_and_what_is_in_use_stays() {
    let temporary = tempfile::tempdir().expect("a folder");
    let killed = in_folder(temporary.path());
    let left = entries(temporary.path());
    drop(killed);
    assert_eq!(entries(temporary.path()), left, "nobody was there to remove it");
    let running = in_folder(temporary.path());
    let used: Vec<_> = entries(temporary.path()).into_iter().filter(|entry| !left.contains(entry)).collect();
    assert_eq!((left.len(), used.len()), (1, 1), "what is young stays");

    let hour = Duration::from_secs(3600);
    for folder in left.iter().chain(&used) {
        File::open(folder).and_then(|file| file.set_modified(SystemTime::now() - hour)).expect("made old");
    }
    let mut next = in_folder(temporary.path());
    assert!(!left[0].exists(), "{}", next.log());
    assert!(used[0].exists() && entries(temporary.path()).len() == 2, "{}", next.log());

    next.terminate();
    assert_eq!(next.wait().code(), Some(0));
    assert_eq!(entries(temporary.path()), used, "who ends takes its own along");
    drop(running);
}

#[test]
fn without_a_folder_for_the_copy_it_does_not_start() {
    let plugin = artefacts().of("echo").to_str().expect("a path in UTF-8");
    let (code, stdout, stderr) = Host::refuses(&["--plugin", plugin], &[("TMPDIR", "/no/such/folder")]);
    assert_eq!((code, stdout.as_str()), (70, ""), "{stderr}");
    assert!(stderr.contains("cannot make a private copy") && stderr.contains("/no/such/folder"), "{stderr}");
    assert!(stderr.contains("set TMPDIR to a folder with room"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_for_the_copy_a_reload_is_refused_and_the_engine_goes_on() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = temporary.path().join("for-copies");
    fs::create_dir(&folder).expect("made");
    let deployed = Deployed::new("echo");
    let environment = [("TMPDIR", folder.to_str().expect("a path in UTF-8"))];
    let host = Host::with_environment(&deployed.file(), &[], &environment);
    let mut client = connect(&host, "/").await;

    let aside = temporary.path().join("aside");
    fs::rename(&folder, &aside).expect("renamed");
    deployed.replace(artefacts().of("hello"));
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert!(code != 0 && stdout.is_empty(), "{stdout}");
    assert!(stderr.contains("cannot make a private copy") && stderr.contains("TMPDIR"), "{stderr}");
    assert_eq!(ask(&mut client, "Alice").await, "Alice");

    fs::rename(&aside, &folder).expect("renamed");
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(ask(&mut connect(&host, "/").await, "Alice").await, "Hello Alice!");
}
