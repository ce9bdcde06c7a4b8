//! The plugin's file changes while it runs (FAULTS E7): nothing happens to the running engine.

use crate::common::{Host, artefacts, connect};
use futures_util::{SinkExt, StreamExt};
use std::fs;
use tokio_tungstenite::tungstenite::Message;
use wshost_core::plugin::{Image, Plugin};

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_truncating_and_deleting_the_file_does_nothing_to_the_running_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libecho.so");
    fs::copy(artefacts().of("echo"), &file).expect("copied");
    let length = fs::metadata(&file).expect("there").len();
    let mut host = Host::with_plugin(&file, &[]);
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(connect(&host, "/").await);
    }
    let garbage = vec![0xa5; usize::try_from(length).expect("fits")];
    let changes: [(&str, &dyn Fn() -> std::io::Result<()>); 4] = [
        ("untouched", &|| Ok(())),
        ("overwritten in place", &|| fs::write(&file, &garbage)),
        ("truncated", &|| fs::write(&file, b"")),
        ("deleted", &|| fs::remove_file(&file)),
    ];
    for (what, change) in changes {
        change().expect(what);
        for client in &mut clients {
            for _ in 0..100 {
                client.send(Message::text(what)).await.expect("sent");
                assert_eq!(client.next().await.expect("a reply").expect("a message"), Message::text(what));
            }
        }
        clients.push(connect(&host, "/").await);
    }
    assert!(host.is_running());
}

/// The host opens a copy of the content that it has read and checked, whatever happens to the file meanwhile.
#[test]
fn a_file_that_changes_after_it_was_read_is_opened_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libecho.so");
    let changes: [(&str, &dyn Fn() -> std::io::Result<()>); 2] =
        [("deleted", &|| fs::remove_file(&file)), ("overwritten", &|| fs::write(&file, b"another"))];
    for (what, change) in changes {
        fs::copy(artefacts().of("echo"), &file).expect("copied");
        let image = Image::read(&file).expect("an engine");
        change().expect(what);
        assert_eq!(Plugin::open(&image).expect(what).name(), "echo");
    }
}
