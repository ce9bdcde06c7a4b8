//! The generator against servers: right ones pass, each kind of wrong one is found out.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tungstenite::{self, Message, WebSocket};
use wshost_bench::{Fault, Mode, Progress, Report, Wire, Workload, run};

const WARMUP: Duration = Duration::from_millis(20);
const MEASURED: Duration = Duration::from_millis(200);

/// Accepts connections and serves each on a thread of its own; returns the address.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.expect("a connection")));
        }
    });
    url
}

/// A WebSocket server that answers message `number` of a connection by `answer`.
fn messages(answer: impl Fn(&mut WebSocket<TcpStream>, Message, u32) + Clone + Send + 'static) -> String {
    server(move |stream| {
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let mut number = 0;
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                answer(&mut socket, message, number);
                number += 1;
            }
        }
    })
}

fn work(url: &str, mode: Mode) -> Workload {
    Workload {
        mode,
        target: url.parse().expect("an address"),
        connections: 3,
        size: 20,
        in_flight: 4,
        wire: Wire::Text,
        warmup: WARMUP,
        duration: MEASURED,
        server: Some(std::process::id()),
    }
}

/// A run that has to end well; or the fault that ended it, before or after measuring began.
fn load(work: &Workload) -> Result<Report, Fault> {
    let mut report = run(work, &Progress::silent())?;
    match report.fault.take() {
        Some(fault) => {
            assert!(report.errors > 0, "{report}");
            Err(fault)
        }
        None => Ok(report),
    }
}

fn fault_in(mode: Mode, url: &str) -> Fault {
    load(&work(url, mode)).expect_err("a fault must be found")
}

fn fault(url: String) -> String {
    let fault = fault_in(Mode::Echo, &url);
    assert_eq!(fault.exit_code(), 76, "{fault}");
    fault.to_string()
}

#[test]
fn an_echo_passes_at_every_size() {
    let url = messages(|socket, message, _| drop(socket.send(message)));
    for size in [0, 1, 20, 126, 70_000, 1 << 20] {
        for (in_flight, wire) in [(1, Wire::Text), (5, Wire::Binary)] {
            let report = load(&Workload { size, in_flight, wire, ..work(&url, Mode::Echo) }).unwrap();
            assert!(report.messages > 0, "{report}");
            assert!(report.latency_us.p50 > 0.0 && report.latency_us.p50 <= report.latency_us.max, "{report}");
            assert!(report.server_cpu.is_some());
        }
    }
}

#[test]
fn a_bare_stream_passes_raw() {
    let url = server(|mut stream| {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..len]);
        }
    });
    let work = Workload { wire: Wire::Raw, ..work(&url.replace("ws:", "tcp:"), Mode::Echo) };
    assert!(load(&work).unwrap().messages > 0);
}

#[test]
fn a_server_that_pings_passes() {
    let url = messages(|socket, message, number| {
        if number % 3 == 0 {
            let _ = socket.send(Message::Ping("still there?".into()));
        }
        let _ = socket.send(message);
    });
    load(&work(&url, Mode::Echo)).unwrap();
}

#[test]
fn a_wrong_payload_is_found() {
    let url = messages(|socket, message, number| {
        let mut text = message.into_text().unwrap().to_string();
        if number == 10 {
            text.replace_range(19..20, "\u{7f}");
        }
        let _ = socket.send(text.into());
    });
    let fault = fault(url);
    assert!(fault.contains("message 10: payload byte 19"), "{fault}");
}

#[test]
fn a_repeated_reply_is_found() {
    let url = messages(|socket, message, number| {
        if number == 10 {
            let _ = socket.send(message.clone());
        }
        let _ = socket.send(message);
    });
    let fault = fault(url);
    assert!(fault.contains("out of order") || fault.contains("not asked for"), "{fault}");
}

#[test]
fn a_lost_reply_is_found() {
    let url = messages(|socket, message, number| {
        if number != 10 {
            let _ = socket.send(message);
        }
    });
    let fault = fault(url);
    assert!(fault.contains("out of order"), "{fault}");
}

#[test]
fn another_opcode_is_found() {
    let url = messages(|socket, message, _| drop(socket.send(Message::Binary(message.into_data()))));
    let fault = fault(url);
    assert!(fault.contains("header byte 0 of the reply is 0x82 and should be 0x81"), "{fault}");
}

#[test]
fn a_close_is_reported_with_its_code() {
    let url = messages(|socket, _, _| {
        let frame = tungstenite::protocol::CloseFrame { code: 1008.into(), reason: "enough".into() };
        let _ = socket.close(Some(frame));
    });
    let fault = fault(url);
    assert!(fault.contains("closed the connection with status 1008"), "{fault}");
}

#[test]
fn a_lost_connection_is_reported() {
    let url = server(|stream| {
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let _ = socket.read();
    });
    let fault = fault(url);
    assert!(fault.contains("without a close frame") || fault.contains("reset"), "{fault}");
}

#[test]
fn a_server_that_stops_answering_is_found() {
    let url = messages(|socket, message, number| {
        if number < 10 {
            let _ = socket.send(message);
        }
    });
    let fault = fault(url);
    assert!(fault.contains("replies are missing"), "{fault}");
}

#[test]
fn jobs_may_add_to_a_message() {
    let url = messages(|socket, message, _| {
        let _ = socket.send(format!("{message}: done").into());
    });
    assert!(load(&work(&url, Mode::Jobs)).unwrap().messages > 0);
    assert!(fault(url).contains("header byte 1"), "an echo may not");
}

#[test]
fn jobs_out_of_order_are_found() {
    // The first client is the one to learn from; to all others the second of two messages is answered first.
    let clients: &'static AtomicUsize = Box::leak(Box::default());
    let url = server(move |stream| {
        let is_first = clients.fetch_add(1, Ordering::Relaxed) == 0;
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        while let Ok(message) = socket.read() {
            if !is_first {
                let Ok(next) = socket.read() else { return };
                let _ = socket.send(next);
            }
            let _ = socket.send(message);
        }
    });
    let fault = fault_in(Mode::Jobs, &url).to_string();
    assert!(fault.contains("out of order"), "{fault}");
}

#[test]
fn jobs_have_to_repeat_the_message() {
    let url = messages(|socket, _, _| drop(socket.send("done".into())));
    let fault = fault_in(Mode::Jobs, &url).to_string();
    assert!(fault.contains("does not begin with the message"), "{fault}");
}

#[test]
fn clients_that_come_and_go_are_counted() {
    let url = messages(|socket, message, _| drop(socket.send(message)));
    let report = load(&work(&url, Mode::Accept { messages: 3 })).unwrap();
    let clients = report.clients.expect("clients came");
    assert!(clients.completed > 0 && report.messages >= clients.completed, "{report}");
    assert!(report.latency_us.p50 > 0.0, "{report}");
}

#[test]
fn clients_that_fail_do_not_end_a_run_but_spoil_it() {
    let number: &'static AtomicUsize = Box::leak(Box::default());
    let url = messages(move |socket, message, _| {
        if number.fetch_add(1, Ordering::Relaxed) % 5 == 4 {
            let _ = socket.close(None);
        } else {
            let _ = socket.send(message);
        }
    });
    let report = run(&work(&url, Mode::Accept { messages: 1 }), &Progress::silent()).unwrap();
    assert!(report.errors > 0 && report.clients.is_some_and(|clients| clients.completed > 0), "{report}");
    let fault = report.fault.expect("clients failed");
    assert!(fault.to_string().contains("clients failed; the first one: the server closed"), "{fault}");
    assert_eq!(fault.exit_code(), 76);
}

#[test]
fn a_server_that_fails_every_client_ends_a_run() {
    let first: &'static AtomicUsize = Box::leak(Box::default());
    let url = messages(move |socket, message, _| {
        if first.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = socket.send(message);
        } else {
            let _ = socket.close(None);
        }
    });
    let work = Workload { warmup: Duration::from_secs(600), ..work(&url, Mode::Accept { messages: 1 }) };
    let fault = load(&work).expect_err("nobody is served").to_string();
    assert!(fault.contains("clients failed"), "{fault}");
}

#[test]
fn as_many_idle_connections_are_used_as_fit() {
    let open: &'static AtomicUsize = Box::leak(Box::default());
    let url = server(move |stream| {
        if open.fetch_add(1, Ordering::Relaxed) >= 2 {
            return;
        }
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        while let Ok(message) = socket.read() {
            if message.is_text() {
                let _ = socket.send(message);
            }
        }
    });
    let idle = Mode::Idle { until_full: true };
    let report = load(&work(&url, idle)).unwrap();
    let opened = report.opened.as_ref().expect("an idle run");
    assert_eq!((report.connections, opened.opened, opened.wanted), (2, 2, 3));
    assert!(opened.why_no_more.is_some() && report.messages > 0, "{report}");

    open.store(0, Ordering::Relaxed);
    let fault = fault_in(Mode::Idle { until_full: false }, &url);
    assert!(fault.to_string().starts_with("only 2 of 3 connections could be opened; the next one: "), "{fault}");
}

#[test]
fn nobody_there_is_said_at_once() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("ws://{}/", listener.local_addr().expect("bound"))
    };
    for mode in [Mode::Echo, Mode::Fanout { stalled: 0 }, Mode::Accept { messages: 1 }, Mode::Jobs] {
        let fault = fault_in(mode, &url);
        assert!(fault.to_string().contains("cannot connect to ws://127.0.0.1:"), "{fault}");
        assert_eq!(fault.exit_code(), 69);
    }
}

#[test]
fn what_is_no_websocket_server_is_refused() {
    let url = server(|mut stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")));
    let fault = fault(url);
    assert!(fault.contains("connection 0"), "{fault}");
    assert!(fault.contains("200"), "{fault}");
}
