//! The generator against servers: right ones pass, each kind of wrong one is found out.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use wshost::bench::report::Report;
use wshost::bench::{Mode, Wire, Work, run};

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

fn load(url: String, size: usize, in_flight: usize, wire: Wire) -> anyhow::Result<Report> {
    run::run(
        &Work { mode: Mode::Echo, url, connections: 3, size, in_flight, wire },
        WARMUP,
        MEASURED,
        Some(std::process::id()),
    )
}

fn fault(url: String) -> String {
    format!("{:#}", load(url, 20, 4, Wire::Text).expect_err("a fault must be found"))
}

#[test]
fn an_echo_passes_at_every_size() {
    let url = messages(|socket, message, _| drop(socket.send(message)));
    for size in [0, 1, 20, 126, 70_000, 1 << 20] {
        for (in_flight, wire) in [(1, Wire::Text), (5, Wire::Binary)] {
            let report = load(url.clone(), size, in_flight, wire).unwrap();
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
    assert!(load(url, 20, 4, Wire::Raw).unwrap().messages > 0);
}

#[test]
fn a_server_that_pings_passes() {
    let url = messages(|socket, message, number| {
        if number % 3 == 0 {
            let _ = socket.send(Message::Ping("still there?".into()));
        }
        let _ = socket.send(message);
    });
    load(url, 20, 4, Wire::Text).unwrap();
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
fn what_is_no_websocket_server_is_refused() {
    let url = server(|mut stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")));
    let fault = fault(url);
    assert!(fault.contains("connection 0"), "{fault}");
    assert!(fault.contains("200"), "{fault}");
}
