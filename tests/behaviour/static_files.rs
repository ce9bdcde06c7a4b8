//! `--static`: files over plain HTTP beside the engines, and nothing that does not lie in the folder.

use crate::common::{Host, Raw, artefacts, ask, connect};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A response.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

/// Asks, with further header lines, and reads to the end of the connection.
fn request(host: &Host, method: &str, path: &str, headers: &str) -> Answer {
    let mut raw = Raw::dial(host);
    raw.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
    let head = raw.read_head();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: raw.read_rest() }
}

fn get(host: &Host, path: &str) -> Answer {
    request(host, "GET", path, "")
}

/// A folder with a small site, and beside it what nobody may see.
fn site() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site");
    let write = |name: &str, content: &str| {
        let file = site.join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(file, content).expect("written");
    };
    write("index.html", "<title>home</title>");
    write("app.js", "alert(1)");
    write("docs/index.html", "<title>docs</title>");
    write("café/index.html", "<title>café</title>");
    write("empty/nothing.txt", "");
    write("my file é.txt", "spaces");
    write("chat", "a file at an engine's path");
    write(".hidden", "secret");
    write(".git/config", "secret");
    fs::write(folder.path().join("outside.txt"), "secret").expect("written");
    folder
}

fn host_with(folder: &TempDir, plugin: &str) -> Host {
    let site = folder.path().join("site").display().to_string();
    let echo = format!("{plugin}{}", artefacts().of("echo").display());
    Host::start(artefacts().wshost(), &["--plugin", &echo, "--static", &site])
}

// H1
#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_file_shows_it_and_is_still_the_engines() {
    let folder = site();
    let host = host_with(&folder, "/chat=");
    let at_engine = get(&host, "/chat");
    assert_eq!((at_engine.status, at_engine.text()), (200, "a file at an engine's path"));
    assert_eq!(ask(&mut connect(&host, "/chat").await, "hi").await, "hi");
    assert_eq!(get(&host, "/chat/room").status, 426, "an engine's path without a file");
    assert_eq!(get(&host, "/nowhere").status, 404, "neither");
    let home = get(&host, "/");
    assert_eq!((home.status, home.text()), (200, "<title>home</title>"));
    assert_eq!(request(&host, "POST", "/app.js", "Content-Length: 0\r\n").status, 405);

    let host = host_with(&folder, "");
    assert_eq!(get(&host, "/").text(), "<title>home</title>", "an engine for every path");
    assert_eq!(get(&host, "/nowhere").status, 426);
    assert_eq!(ask(&mut connect(&host, "/").await, "hi").await, "hi");
}

#[test]
fn an_answer_says_what_it_is() {
    let folder = site();
    let host = host_with(&folder, "/chat=");
    let script = get(&host, "/app.js?v=1");
    assert_eq!((script.status, script.text()), (200, "alert(1)"));
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("content-length"), Some("8"));
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    assert!(script.header("date").is_some() && script.header("last-modified").is_some(), "{}", script.head);
    assert_eq!(get(&host, "/my%20file%20%C3%A9.txt").text(), "spaces");
    assert_eq!(get(&host, "/empty/nothing.txt").header("content-length"), Some("0"));

    let head = request(&host, "HEAD", "/app.js", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("8")));
    assert!(head.body.is_empty(), "RFC 9110 section 9.3.2: MUST NOT send content in the response");
    assert_eq!(request(&host, "HEAD", "/nowhere", "").status, 404);
}

#[test]
fn a_file_that_the_client_has_is_not_sent_again() {
    let folder = site();
    let host = host_with(&folder, "/chat=");
    let first = get(&host, "/app.js");
    let etag = first.header("etag").expect("an ETag").to_owned();
    let modified = first.header("last-modified").expect("a date").to_owned();
    for condition in [format!("If-None-Match: {etag}\r\n"), format!("If-Modified-Since: {modified}\r\n")] {
        let again = request(&host, "GET", "/app.js", &condition);
        assert_eq!((again.status, again.body.len()), (304, 0), "{condition}");
        assert_eq!(again.header("etag"), Some(etag.as_str()));
    }
    fs::write(folder.path().join("site/app.js"), "alert(12)").expect("written");
    let changed = request(&host, "GET", "/app.js", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((changed.status, changed.text()), (200, "alert(12)"));
}

#[test]
fn a_folder_shows_its_index() {
    let folder = site();
    let host = host_with(&folder, "/chat=");
    assert_eq!(get(&host, "/docs/").text(), "<title>docs</title>");
    let without_slash = get(&host, "/docs?a=b");
    assert_eq!((without_slash.status, without_slash.header("location")), (301, Some("/docs/?a=b")));
    for asked in ["/caf%C3%A9", "/café"] {
        let without_slash = get(&host, asked);
        assert_eq!((without_slash.status, without_slash.header("location")), (301, Some("/caf%C3%A9/")), "{asked}");
    }
    assert_eq!(get(&host, "/café/").text(), "<title>café</title>");
    assert_eq!(get(&host, "/empty/").status, 404, "no list of files");
    assert_eq!(get(&host, "/empty").status, 404);
    assert_eq!(get(&host, "/app.js/").status, 404, "nothing lies below a file");
}

#[test]
fn nothing_outside_the_folder_or_hidden_is_served() {
    let folder = site();
    let site = folder.path().join("site");
    symlink(folder.path().join("outside.txt"), site.join("out.txt")).expect("a link");
    symlink(folder.path(), site.join("up")).expect("a link");
    symlink(site.join(".git"), site.join("git")).expect("a link");
    symlink(site.join("docs"), site.join("manual")).expect("a link");
    let host = host_with(&folder, "/chat=");
    for path in [
        "/../outside.txt",
        "/docs/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/.%2E/outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e%2foutside.txt",
        "/docs/..%5c..%5coutside.txt",
        "//outside.txt",
        "/out.txt",
        "/up/outside.txt",
        "/up/site/index.html/../../outside.txt",
        "/.git/config",
        "/%2egit/config",
        "/.hidden",
        "/app.js%00.html",
    ] {
        let answer = get(&host, path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.head);
        assert!(!answer.text().contains("secret"), "{path}");
    }
    assert_eq!(get(&host, "/manual/").text(), "<title>docs</title>", "a link that stays inside");
    assert_eq!(get(&host, "/git/config").status, 200, "and its owner decides where inside");
}

/// FAULTS S1
#[test]
fn a_folder_as_kubernetes_mounts_it_is_served_and_exchanged_at_once() {
    let folder = site();
    let site = folder.path().join("kubernetes");
    let publish = |version: usize| {
        let name = format!("..{version}");
        fs::create_dir_all(site.join(&name).join("docs")).expect("a folder");
        for file in ["index.html", "docs/index.html"] {
            fs::write(site.join(&name).join(file), format!("version {version}")).expect("written");
        }
        symlink(&name, site.join("..new")).expect("a link");
        fs::rename(site.join("..new"), site.join("..data")).expect("renamed");
        let _ = fs::remove_dir_all(site.join(format!("..{}", version.wrapping_sub(1))));
    };
    publish(0);
    symlink("..data/index.html", site.join("index.html")).expect("a link");
    symlink("..data/docs", site.join("docs")).expect("a link");
    symlink("..data/../../outside.txt", site.join("outside.html")).expect("a link");
    let path = site.display().to_string();
    let host = Host::with("echo", &["--static", &path]);
    for version in 1..30 {
        for path in ["/", "/index.html", "/docs/"] {
            let answer = get(&host, path);
            assert_eq!((answer.status, answer.text()), (200, format!("version {}", version - 1).as_str()), "{path}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        }
        publish(version);
    }
    for path in ["/..data/index.html", "/..29/index.html", "/%2e.data/index.html", "/outside.html"] {
        assert_eq!(get(&host, path).status, 426, "{path}");
    }
    // Exchanged while it is asked for: never a gap.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for version in 30..130 {
                publish(version);
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            let answer = get(&host, "/docs/");
            assert!(answer.status == 200 && answer.text().starts_with("version "), "{}", answer.head);
        }
    });
}

/// FAULTS S2
#[test]
fn well_known_is_the_one_dot_name_that_is_served() {
    let folder = site();
    let site = folder.path().join("site");
    for file in [".well-known/acme-challenge/token", ".well-known/.hidden", "docs/.well-known/x", ".well-known-not"] {
        let file = site.join(file);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(file, "content").expect("written");
    }
    let host = host_with(&folder, "/chat=");
    for path in ["/.well-known/acme-challenge/token", "/%2ewell-known/acme-challenge/token"] {
        assert_eq!((get(&host, path).status, get(&host, path).text()), (200, "content"), "{path}");
    }
    for path in ["/.well-known/.hidden", "/docs/.well-known/x", "/.well-known-not", "/.Well-Known/acme-challenge/token"]
    {
        assert_eq!(get(&host, path).status, 404, "{path}");
    }
}

#[test]
fn what_is_no_file_or_becomes_another_holds_nobody_up() {
    let folder = site();
    let site = folder.path().join("site");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, site.join("pipe"), fifo, 0o644.into(), 0).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(site.join("socket")).expect("bound");
    symlink("circle", site.join("circle")).expect("a link");
    symlink("/dev/zero", site.join("zeros")).expect("a link");
    fs::write(site.join("large.bin"), vec![7; 64 << 20]).expect("written");
    let host = host_with(&folder, "/chat=");
    for path in ["/pipe", "/socket", "/circle", "/zeros", "/pipe/", &format!("/{}", "x".repeat(300))] {
        assert_eq!(get(&host, path).status, 404, "{path}");
    }
    // The length is promised: a client must see that it did not get all, and nobody waits for more.
    let mut shrunk = begin(&host, "/large.bin");
    let large = fs::File::options().write(true).open(site.join("large.bin")).expect("it is there");
    large.set_len(1 << 20).expect("cut");
    let mut came = Vec::new();
    let _ = shrunk.0.read_to_end(&mut came);
    assert!(came.len() < 64 << 20, "{} bytes", came.len());
    large.set_len(32 << 20).expect("longer");
    // The response has the content at the time of the request, whatever happens to the file.
    let mut grown = begin(&host, "/large.bin");
    large.set_len(48 << 20).expect("longer");
    fs::remove_file(site.join("large.bin")).expect("removed");
    assert_eq!(grown.read_rest().len(), 32 << 20);
    assert_eq!(get(&host, "/large.bin").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_takes_little_memory_and_holds_nobody_up() {
    const SIZE: usize = 96 << 20;
    let folder = site();
    let content: Vec<u8> = (0..SIZE).map(|at| (at / 4096) as u8).collect();
    fs::write(folder.path().join("site/large.bin"), &content).expect("written");
    let site = folder.path().join("site").display().to_string();
    let host = Host::with("echo", &["--static", &site, "--loops", "1"]);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "before").await, "before");
    let before = host.resident();
    let mut downloads: Vec<_> = (0..8).map(|_| begin(&host, "/large.bin")).collect();
    // All of them wait now for their clients to take more.
    assert_eq!(ask(&mut client, "during").await, "during");
    let grown = host.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "8 downloads of 96 MiB took {grown} bytes");
    let all = downloads.remove(0).read_rest();
    assert!(all == content, "{} bytes came", all.len());
}

// H3
#[test]
fn a_client_that_stops_taking_a_file_is_cut_and_a_slow_one_is_not() {
    let folder = site();
    let file = folder.path().join("site/large.bin");
    fs::write(&file, vec![7; 64 << 20]).expect("written");
    let site = folder.path().join("site").display().to_string();
    let host = Host::with("echo", &["--static", &site, "--handshake-timeout", "300ms"]);
    let mut stopped = begin(&host, "/large.bin");
    host.wait_for_log(1, &["not complete after 300ms"]);
    let mut came = 0;
    while let Ok(read @ 1..) = stopped.0.read(&mut [0; 1 << 16]) {
        came += read;
    }
    assert!((1..64 << 20).contains(&came), "what the system held already, of 64 MiB: {came}");

    // Longer than the deadline in all, but never without progress for that long.
    let mut slow = begin(&host, "/large.bin");
    let mut taken = 0;
    let begun = std::time::Instant::now();
    while taken < 64 << 20 {
        let read = slow.0.read(&mut vec![0; 1 << 20]).expect("it goes on");
        assert!(read > 0, "cut after {taken} bytes");
        taken += read;
        if begun.elapsed() < std::time::Duration::from_millis(900) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let folder = site();
    let echo = artefacts().of("echo").display().to_string();
    for name in ["missing", "outside.txt"] {
        let path = folder.path().join(name).display().to_string();
        let (code, stdout, stderr) = Host::refuses(&["--plugin", &echo, "--static", &path], &[]);
        assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
        assert!(stderr.contains(&path) && stderr.contains("--static needs a folder"), "{stderr}");
    }
}

/// The head of a download.
fn begin(host: &Host, path: &str) -> Raw {
    let mut raw = Raw::dial(host);
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let head = raw.read_head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    raw
}
