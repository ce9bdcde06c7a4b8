//! `--watch`: an engine is loaded again when its plugin's file changes, and only when it has stopped changing.

use crate::common::{Client, Deployed, Host, artefacts, ask, connect};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

/// The second version of `counter`, which tells the longest message, has taken over a client that has sent `before`
/// messages to the first.
async fn second_version_runs(host: &Host, client: &mut Client, before: usize) {
    host.wait_for_log(1, &["reloaded: 1 connections handed over", "version=\"2.0.0\""]);
    let count = before + 1;
    assert_eq!(ask(client, "hello").await, format!("{count} of {count}, longest: hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_is_loaded() {
    let deployed = Deployed::new("counter");
    let host = deployed.start(&["--watch"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "hi").await, "1 of 1");
    deployed.replace(artefacts().of("counter-2"));
    second_version_runs(&host, &mut client, 1).await;
    assert!(!host.log().contains("reload refused"), "{}", host.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_slowly_is_loaded_when_it_is_whole() {
    let deployed = Deployed::new("counter");
    let host = deployed.start(&["--watch"]);
    let mut client = connect(&host, "/").await;
    let content = fs::read(artefacts().of("counter-2")).expect("libcounter_2.so");
    let mut file = File::create(deployed.file()).expect("the file can be overwritten");
    for (number, piece) in content.chunks(content.len() / 8 + 1).enumerate() {
        file.write_all(piece).expect("written");
        // Slow is what this is about; the fourth piece takes longer than a file has to be the same.
        sleep(Duration::from_millis(if number == 3 { 700 } else { 60 }));
        assert_eq!(ask(&mut client, "hi").await, format!("{0} of {0}", number + 1));
    }
    second_version_runs(&host, &mut client, 8).await;
    assert!(!host.log().contains("reload refused"), "{}", host.log());
    assert_eq!(host.wait_for_log(1, &["the plugin's file has changed"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_elsewhere_and_a_file_behind_a_link_are_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second, link) = (folder.path().join("1"), folder.path().join("2"), folder.path().join("current"));
    for (release, package) in [(&first, "counter"), (&second, "counter-2")] {
        fs::create_dir(release).expect("made");
        fs::copy(artefacts().of(package), release.join("libcounter.so")).expect("copied");
    }
    symlink(&first, &link).expect("linked");
    let host = Host::with_plugin(&link.join("libcounter.so"), &["--watch"]);
    let mut client = connect(&host, "/").await;
    symlink(&second, folder.path().join("new")).expect("linked");
    fs::rename(folder.path().join("new"), &link).expect("renamed");
    second_version_runs(&host, &mut client, 0).await;
    let new = second.join("new.so");
    fs::copy(artefacts().of("counter-2"), &new).expect("copied");
    fs::rename(&new, second.join("libcounter.so")).expect("renamed");
    host.wait_for_log(1, &["reloaded: 1 connections handed over", "generation=3"]);
    assert_eq!(ask(&mut client, "hi").await, "2 of 2, longest: hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_once_and_the_next_good_one_is_loaded() {
    let (broken, other) = (Deployed::new("counter"), Deployed::new("broadcast"));
    let at_other = format!("/other={}", other.file().display());
    let host = broken.start(&["--watch", "--plugin", &at_other]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "hi").await, "1 of 1");
    fs::write(broken.file(), b"no library").expect("written");
    let refused = ["reload refused, the engine runs on as it was", "is not a dynamic library"];
    host.wait_for_log(1, &refused);
    assert_eq!(ask(&mut client, "hi").await, "2 of 2");
    // Another engine is loaded meanwhile, for which files are looked at again and again.
    for generation in 3..=4 {
        other.replace(artefacts().of("broadcast"));
        host.wait_for_log(1, &["reloaded: ", &format!("generation={generation}")]);
    }
    assert_eq!(host.wait_for_log(1, &refused).len(), 1, "it is not tried again");
    broken.replace(artefacts().of("counter-2"));
    second_version_runs(&host, &mut client, 2).await;
    // A file that is away is no change, until there is another.
    fs::remove_file(broken.file()).expect("removed");
    broken.replace(artefacts().of("counter-2"));
    host.wait_for_log(1, &["reloaded: ", "generation=6"]);
    assert_eq!(host.wait_for_log(1, &["reload refused"]).len(), 1);
}
