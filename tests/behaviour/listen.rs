//! The places where wshost listens: addresses, Unix sockets, and sockets that were made by somebody else.

use crate::common::{DEADLINE, Host, Raw, artefacts, ask, connect};
use futures_util::{SinkExt, StreamExt};
use rustix::io::{FdFlags, fcntl_setfd};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;

async fn ask_over_unix(path: &std::path::Path, text: &str) -> String {
    let stream = UnixStream::connect(path).await.expect("wshost listens");
    let (mut client, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.expect("a handshake");
    ask_any(&mut client, text).await
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
    // The socket is in use, so another wshost does not take it.
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
    // As with systemd, they are 3 and 4 in the new process, whose environment says so.
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

/// A port that is free for both families, of those that the system gives nobody by itself.
fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    let is_free = |port: &u16| {
        let any = TcpListener::bind(("0.0.0.0", *port)).is_ok();
        any && (!has_ipv6() || TcpListener::bind(("::", *port)).is_ok())
    };
    std::iter::repeat_with(|| first + TRIED.fetch_add(1, Ordering::Relaxed))
        .take(1000)
        .find(is_free)
        .expect("a free port")
}

fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("this machine has no IPv6: half of what is to be shown is passed over");
    }
    has
}

/// Starts a host that listens on these addresses alone.
fn listening_on(addresses: &[String]) -> Host {
    let mut command = Command::new(artefacts().wshost());
    command.arg("--plugin").arg(artefacts().of("unruly"));
    command.args(addresses.iter().flat_map(|address| ["--listen", address]));
    Host::run(command)
}

/// The name that the engine and the log give a client from this address of this machine.
async fn called(host: &Host, address: &str) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.expect("wshost listens");
    let own = stream.local_addr().expect("an address").to_string();
    let (mut client, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.expect("a handshake");
    let facts = ask_any(&mut client, "facts").await;
    host.wait_for_log(1, &["connection opened", &format!("peer=\"{own}\"")]);
    assert!(facts.contains(&own), "{facts} of {own}");
    own
}

async fn ask_any<S>(client: &mut tokio_tungstenite::WebSocketStream<S>, text: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    client.send(Message::text(text)).await.expect("sent");
    let answer = tokio::time::timeout(DEADLINE, client.next()).await.expect("an answer comes");
    answer.expect("the connection is open").expect("a message").into_text().expect("a text").to_string()
}

/// FAULTS P7
#[tokio::test(flavor = "multi_thread")]
async fn both_families_have_the_same_port() {
    if !has_ipv6() {
        return;
    }
    for reversed in [false, true] {
        let port = free_port();
        let mut addresses = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        if reversed {
            addresses.reverse();
        }
        let host = listening_on(&addresses);
        assert!(addresses.iter().all(|address| host.ready_line().contains(&format!("ws://{address}/"))));
        assert!(called(&host, &format!("127.0.0.1:{port}")).await.starts_with("127.0.0.1:"));
        assert!(called(&host, &format!("[::1]:{port}")).await.starts_with("[::1]:"));
    }
}

/// FAULTS P7
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_ipv4_on_an_address_of_ipv6_is_shown_as_what_it_is() {
    if !has_ipv6() {
        return;
    }
    let port = free_port();
    let host = listening_on(&[format!("[::]:{port}")]);
    assert!(called(&host, &format!("127.0.0.1:{port}")).await.starts_with("127.0.0.1:"));
    assert!(called(&host, &format!("[::1]:{port}")).await.starts_with("[::1]:"));
    let mut refused = Raw(TcpStream::connect(("127.0.0.1", port)).expect("wshost listens"));
    refused.send(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    host.wait_for_log(1, &["handshake failed", "peer=\"127.0.0.1:"]);
    assert!(!host.log().contains("::ffff"), "{}", host.log());

    // The same with a socket that systemd made.
    let socket = TcpListener::bind("[::]:0").expect("bound");
    let port = socket.local_addr().expect("an address").port();
    fcntl_setfd(&socket, FdFlags::empty()).expect("inheritable");
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg(format!("exec 3<&{}; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" --plugin \"$1\"", socket.as_raw_fd()));
    command.arg(artefacts().wshost()).arg(artefacts().of("unruly"));
    let host = Host::run(command);
    assert!(called(&host, &format!("127.0.0.1:{port}")).await.starts_with("127.0.0.1:"));
    assert!(!host.log().contains("::ffff"), "{}", host.log());
}

/// FAULTS P7
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_twice_is_listened_on_once_or_refused() {
    let port = free_port();
    let same = format!("127.0.0.1:{port}");
    let host = listening_on(&[same.clone(), same.clone(), format!("[::ffff:127.0.0.1]:{port}")]);
    assert_eq!(host.ready_line().matches("ws://").count(), 1, "{}", host.ready_line());
    assert!(called(&host, &same).await.starts_with("127.0.0.1:"));
    drop(host);

    let plugin = artefacts().of("echo").to_str().expect("UTF-8");
    let (whole, named) = (format!("0.0.0.0:{port}"), format!("localhost:{port}"));
    for part in [&same, &named] {
        let (code, _, stderr) = Host::refuses(&["--plugin", plugin, "--listen", part, "--listen", &whole], &[]);
        assert!(code == 64 && stderr.contains(&format!("{same} is part of {whole}")), "{code} {stderr}");
    }
    for wrong in ["::1:9001", "9001", ":9001", "no such host:9001"] {
        let (code, _, stderr) = Host::refuses(&["--plugin", plugin, "--listen", wrong], &[]);
        assert!(code == 64 && stderr.contains("127.0.0.1:9001"), "{wrong}: {code} {stderr}");
    }
    let host = listening_on(std::slice::from_ref(&named));
    assert!(called(&host, &same).await.starts_with("127.0.0.1:"));
}
