//! `wshost bench`: each mode against the engine that it is made for, and its errors about servers that are wrong or
//! absent.

use crate::common::{Host, artefacts};
use serde_json::Value;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use tokio_tungstenite::tungstenite;

const SHORT: [&str; 4] = ["--warmup", "50ms", "--duration", "300ms"];

/// Runs `wshost bench` to its end.
fn bench(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(artefacts().wshost());
    command.args(["bench", url]).args(SHORT).args(arguments).stdin(Stdio::null());
    command.output().expect("wshost starts")
}

/// Runs it against a host and expects that all is well; returns the report.
fn report(host: &Host, arguments: &[&str]) -> Value {
    let pid = host.pid().to_string();
    let output = bench(&host.url("/"), &[&["--json", "--pid", &pid], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["errors"], &report["fault"]), (&0.into(), &Value::Null), "{report}");
    report
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The exit code of a bench that fails, and its error, which is one line.
fn refused(url: &str, arguments: &[&str]) -> (i32, String) {
    let output = bench(url, arguments);
    let why = String::from_utf8(output.stderr).expect("wshost writes UTF-8");
    assert!(why.starts_with("wshost: ") && why.lines().count() == 1, "{why}");
    (output.status.code().expect("an exit code"), why)
}

#[test]
fn an_echo_is_measured() {
    let host = Host::with("echo", &[]);
    for kind in ["--text", "--binary"] {
        let report = report(&host, &["--connections", "3", "--size", "1KiB", "--in-flight", "4", kind]);
        assert_eq!(report["mode"], "echo");
        assert_eq!(report["wire"], kind[2..]);
        assert_eq!(
            (&report["connections"], &report["size"], &report["in_flight"]),
            (&3.into(), &1024.into(), &4.into())
        );
        assert!(number(&report["messages"]) > 0.0);
        let per_second = number(&report["messages"]) / number(&report["seconds"]);
        assert!((number(&report["messages_per_second"]) - per_second).abs() < 1e-3 * per_second);
        let latency = ["p50", "p99", "p99_9", "max"].map(|name| number(&report["latency_us"][name]));
        assert!(latency[0] > 0.0 && latency.is_sorted(), "{latency:?}");
        assert!(number(&report["server_cpu_us_per_message"]) > 0.0);
        assert!(number(&report["server_memory"]["resident"]) > 1e6);
        let generator = number(&report["generator_cpu"]);
        assert!(generator > 0.0 && generator < 1.5, "one thread: {generator}");
        assert!(report["generator_was_limit"].is_boolean());
    }
}

#[test]
fn a_fan_out_is_measured() {
    let host = Host::with("broadcast", &[]);
    let report = report(&host, &["--mode", "fanout", "--connections", "5", "--stalled", "2"]);
    assert_eq!((&report["mode"], &report["connections"]), (&"fanout".into(), &5.into()));
    assert!(number(&report["messages"]) > 0.0);
    assert_eq!(report["stalled"]["clients"], 2);
}

#[test]
fn clients_that_come_and_go_are_measured() {
    let host = Host::with("echo", &[]);
    let report_of = |arguments: &[&str]| {
        let report = report(&host, arguments);
        assert_eq!(report["mode"], "accept");
        let clients = number(&report["clients"]["completed"]);
        assert!(clients > 0.0 && number(&report["clients"]["per_second"]) > clients);
        assert!(number(&report["clients"]["server_cpu_us"]) >= number(&report["server_cpu_us_per_message"]));
        report
    };
    let report = report_of(&["--mode", "accept", "--connections", "4", "--messages", "2"]);
    assert_eq!((&report["connections"], &report["clients"]["messages"]), (&4.into(), &2.into()));
    let traffic = report_of(&["--preset", "traffic"]);
    assert_eq!((&traffic["connections"], &traffic["clients"]["messages"]), (&100.into(), &10.into()));
}

#[test]
fn idle_clients_are_measured() {
    let host = Host::with("echo", &[]);
    for which in [["--mode", "idle"], ["--preset", "idle-clients"]] {
        let report = report(&host, &[&which[..], &["--connections", "50"]].concat());
        assert_eq!((&report["mode"], &report["connections"]), (&"idle".into(), &50.into()));
        let opened = &report["opened"];
        assert_eq!((&opened["wanted"], &opened["opened"]), (&50.into(), &50.into()));
        assert_eq!(opened["why_no_more"], Value::Null);
        assert!(number(&report["messages"]) > 0.0);
        assert!(number(&report["server_memory_per_connection"]) >= 0.0);
    }
}

#[test]
fn jobs_are_measured_and_checked_to_be_in_order() {
    let host = Host::with("cpu-bound", &["--workers", "4"]);
    let report = report(&host, &["--mode", "jobs", "--connections", "5"]);
    assert_eq!((&report["mode"], &report["in_flight"]), (&"jobs".into(), &16.into()));
    assert!(number(&report["messages"]) > 0.0);
}

#[test]
fn without_json_there_is_a_table() {
    let host = Host::with("echo", &[]);
    let output = bench(&host.url("/"), &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "no progress where there is no terminal: {output:?}");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    let words = ["messages/s", "p50 us", "p99 us", "p99.9 us", "errors", "replies", "generator"];
    assert!(words.iter().all(|word| table.contains(word)), "{table}");
}

#[test]
fn a_wrong_reply_is_an_error() {
    // It answers unknown requests with a sentence.
    let host = Host::with("probe", &[]);
    let (code, why) = refused(&host.url("/"), &[]);
    assert_eq!(code, 76, "{why}");
    assert!(why.contains("message 0: header byte 1 of the reply"), "{why}");
    let (code, why) = refused(&host.url("/"), &["--mode", "jobs"]);
    assert_eq!(code, 76, "{why}");
    assert!(why.contains("does not begin with the message"), "{why}");
    // Everyone gets what one sent: not what an echo is.
    let broadcast = Host::with("broadcast", &[]);
    let (code, why) = refused(&broadcast.url("/"), &["--connections", "2"]);
    assert_eq!(code, 76, "{why}");
}

#[test]
fn a_refused_handshake_is_an_error() {
    let host = Host::with("unruly", &[]);
    for mode in ["echo", "fanout", "accept", "idle", "jobs"] {
        let (code, why) = refused(&host.url("/reject"), &["--mode", mode]);
        assert_eq!(code, 76, "{why}");
        assert!(why.contains("the handshake failed: the server answered 401"), "{why}");
    }
}

#[test]
fn an_absent_server_is_an_error() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("bound").as_socket().expect("an address");
    for mode in ["echo", "fanout", "accept", "idle", "jobs"] {
        let (code, why) = refused(&format!("ws://{address}/"), &["--mode", mode]);
        assert_eq!(code, 69, "{why}");
        assert!(why.contains(&format!("cannot connect to ws://{address}/: ")), "{why}");
        assert!(why.contains("is the server running"), "{why}");
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_opened() {
    let refused = |arguments: &[&str]| {
        let output = bench("ws://127.0.0.1:1/", arguments);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    };
    refused(&["--messages", "2"]);
    refused(&["--pid", "4294967295"]);
    refused(&["--preset", "everything"]);
    assert_eq!(bench("wss://127.0.0.1:1/", &[]).status.code(), Some(64));
}

#[test]
fn ctrl_c_ends_a_run_with_what_was_measured() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    let (answered, under_way) = channel();
    let server = thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().expect("a client").0).expect("a handshake");
        let mut count = 0;
        while let Ok(message) = socket.read() {
            if message.is_text() {
                let _ = socket.send(message);
                count += 1;
            }
            if count == 100 {
                answered.send(()).expect("the test waits");
            }
        }
    });
    let arguments = ["--connections", "1", "--warmup", "0s", "--duration", "1h", "--json"];
    let mut command = Command::new(artefacts().wshost());
    command.args(["bench", &url]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().expect("wshost starts");
    under_way.recv().expect("100 messages are answered");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the child can be signalled");
    let output = child.wait_with_output().expect("the child can be waited for");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["interrupted"], true);
    assert!(number(&report["messages"]) >= 99.0, "{report}");
    server.join().expect("the server saw the end");
}
