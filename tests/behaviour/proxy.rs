//! Behind a proxy that ends connections on which nothing goes either way: nginx, if it is installed.

use crate::common::{DEADLINE, Host, Raw, frame, wait_until};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx. Ended when it is dropped.
struct Proxy {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts nginx before a host. `None` if there is none.
    fn before(host: &Host, settings: &str) -> Option<Proxy> {
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let config = include_str!("../nginx/nginx.conf")
            .replace("PORT", &free.port().to_string())
            .replace("UPSTREAM", host.address())
            .replace("SETTINGS", settings);
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("written");
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        let child = nginx.stdout(Stdio::null()).spawn().ok()?;
        let address = free.to_string();
        wait_until(|| TcpStream::connect(&address).is_ok());
        Some(Proxy { child, address, _folder: folder })
    }

    /// A connection to the host, through it.
    fn open(&self) -> Raw {
        let stream = TcpStream::connect(&self.address).expect("nginx listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
        let mut raw = Raw(stream);
        raw.send(Raw::request("/").as_bytes());
        let head = raw.read_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, so that its worker ends, too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// FAULTS K1.
#[test]
fn pings_keep_a_proxy_from_ending_idle_connections() {
    let host = Host::with("probe", &["--ping-after", "1s"]);
    let patience = "proxy_read_timeout 3s; proxy_send_timeout 3s;";
    let Some(proxy) = Proxy::before(&host, patience) else {
        eprintln!("skipped: there is no nginx here");
        return;
    };
    let mut raw = proxy.open();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(7) {
        assert_eq!(raw.read_frame(), (0x89, vec![]));
        raw.send(&frame(0x8a, b""));
    }
    raw.send(&frame(0x81, b"echo still here"));
    assert_eq!(raw.read_frame(), (0x81, b"still here".to_vec()));
}
