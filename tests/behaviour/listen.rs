//! Where wshost listens: addresses, Unix sockets, and sockets that were made by somebody else.

use crate::common::{DEADLINE, Host, artefacts, ask, connect};
use futures_util::{SinkExt, StreamExt};
use rustix::io::{FdFlags, fcntl_setfd};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::process::Command;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;

async fn ask_over_unix(path: &std::path::Path, text: &str) -> String {
    let stream = UnixStream::connect(path).await.expect("wshost listens");
    let (mut client, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.expect("a handshake");
    client.send(Message::text(text)).await.expect("sent");
    let answer = tokio::time::timeout(DEADLINE, client.next()).await.expect("an answer comes");
    answer.expect("the connection is open").expect("a message").into_text().expect("a text").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_beside_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wshost.sock");
    let address = format!("unix:{}", path.display());
    let mut host = Host::with("probe", &["--listen", &address]);
    assert!(host.ready_line().contains(&address), "{}", host.ready_line());
    assert_eq!(ask_over_unix(&path, "job hello").await, "hello");
    host.wait_for_log(1, &["connection opened", &format!("peer=\"unix:pid={}\"", std::process::id())]);
    assert_eq!(ask(&mut connect(&host, "/").await, "job hello").await, "hello");
    // In use: another wshost does not take it away.
    let plugin = artefacts().of("echo").to_str().expect("UTF-8");
    let (code, _, stderr) = Host::refuses(&["--plugin", plugin, "--listen", &address], &[]);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains("cannot listen on unix:") && stderr.contains("--listen"), "{stderr}");
    host.terminate();
    assert!(host.wait().success());
    assert!(!path.exists(), "the socket's file goes with its server");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_the_caller_are_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wshost.sock");
    let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").expect("bound"), UnixListener::bind(&path).expect("bound"));
    let port = tcp.local_addr().expect("an address").port();
    // As systemd does: they are 3 and 4 in the new process, whose environment says so.
    for socket in [tcp.as_fd(), unix.as_fd()] {
        fcntl_setfd(socket, FdFlags::empty()).expect("inheritable");
    }
    let redirect = format!("exec 3<&{} 4<&{};", tcp.as_raw_fd(), unix.as_raw_fd());
    let mut command = Command::new("bash");
    command.arg("-c").arg(redirect + "export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$0\" --plugin \"$1\"");
    command.arg(artefacts().wshost()).arg(artefacts().of("probe"));
    let mut host = Host::run(command);
    drop((tcp, unix));
    let expected = format!("listening on ws://127.0.0.1:{port}/, unix:{} (engine probe", path.display());
    assert!(host.ready_line().starts_with(&expected), "{}", host.ready_line());
    assert_eq!(ask(&mut connect(&host, "/").await, "job hello").await, "hello");
    assert_eq!(ask_over_unix(&path, "job hello").await, "hello");
    host.terminate();
    assert!(host.wait().success());
    assert!(path.exists(), "the file is its maker's");
}
