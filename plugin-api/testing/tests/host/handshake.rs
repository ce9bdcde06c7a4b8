//! Who may connect: requests, acceptance and rejection.

use plugin_api::prelude::*;
use plugin_testing::{Rejected, TestHost};

/// Answers by what it finds in the request, and tells what else is there.
struct Doorkeeper {
    sessions: Gauge,
}

/// What the request was about, and the number of sessions that are alive.
#[derive(Default)]
struct Session(String, Option<Gauge>);

impl Drop for Session {
    fn drop(&mut self) {
        self.1.iter().for_each(|sessions| sessions.add(-1.0));
    }
}

impl Engine for Doorkeeper {
    type Session = Session;

    fn new(host: Host, _: &Config) -> Result<Self> {
        Ok(Doorkeeper { sessions: host.gauge("sessions", &[]) })
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<Session>, Reject> {
        if let Some(status) = request.query_value("reject") {
            let reject = Reject::new(status.parse().expect("a status")).header("Retry-After", "5").body("not now");
            return Err(reject);
        }
        if let Some(name) = request.query_value("values-of") {
            let values = request.headers().filter(|(other, _)| *other == name).map(|(_, value)| value);
            return Err(Reject::new(400).body(values.collect::<Vec<_>>().join(&b", "[..])));
        }
        assert!(request.query() != Some("panic"), "no mood");
        let cookie = request.cookie("token").unwrap_or("none");
        let about = format!(
            "{} from {}, host {:?}, version {:?}, origin {:?}, token {cookie}, offers {:?}",
            request.path(),
            request.peer(),
            request.host(),
            request.version(),
            request.origin(),
            request.subprotocols().collect::<Vec<_>>(),
        );
        self.sessions.add(1.0);
        let mut accept = Accept::new(Session(about, Some(self.sessions.clone()))).header("Set-Cookie", "token=t2");
        if let Some(protocol) = request.query_value("protocol") {
            accept = accept.subprotocol(protocol);
        }
        if let Some(header) = request.query_value("header") {
            accept = accept.header(header, "x");
        }
        if let Some(headers) = request.query_value("headers") {
            let count: u32 = headers.parse().expect("a number");
            accept = (0..count).fold(accept, |accept, number| accept.header(format!("x-{number}"), ""));
        }
        Ok(accept)
    }

    fn on_open(&self, client: &Client, session: &mut Session) -> Option<Box<dyn Job>> {
        client.send_text(&session.0);
        None
    }
}

#[test]
fn the_request_and_the_answer_are_as_given() {
    let host = TestHost::new::<Doorkeeper>();
    let alice = host
        .request("/room?protocol=v2")
        .header("Host", "example.org")
        .header("Origin", "https://example.org")
        .cookie("a", "b")
        .cookie("token", "t1")
        .subprotocol("v1")
        .subprotocol("v2")
        .peer("[2001:db8::1]:80")
        .connect();
    let about = "/room from [2001:db8::1]:80, host Some(\"example.org\"), version Some(13), origin \
                 Some(\"https://example.org\"), token t1, offers [\"v1\", \"v2\"]";
    assert_eq!(alice.received(), [about]);
    assert_eq!(alice.subprotocol(), Some("v2"));
    assert_eq!((alice.header("set-cookie"), alice.header("sec-websocket-accept")), (Some("token=t2"), None));
    let handle = alice.handle();
    assert_eq!((handle.resource(), handle.peer()), ("/room?protocol=v2", "[2001:db8::1]:80"));
    assert_eq!((handle.subprotocol(), handle.id()), (Some("v2"), alice.id()));
}

#[test]
fn a_plain_request_has_what_every_handshake_has_and_a_peer_of_its_own() {
    let host = TestHost::new::<Doorkeeper>();
    let (alice, bob) = (host.connect("/"), host.connect("/"));
    let about = |port| {
        format!(
            "/ from 192.0.2.1:{port}, host Some(\"localhost\"), version Some(13), origin None, token none, offers []"
        )
    };
    assert_eq!(
        (alice.received(), bob.received()),
        (vec![about(40_001).as_str().into()], vec![about(40_002).as_str().into()])
    );
    assert_eq!((alice.subprotocol(), alice.id() == bob.id()), (None, false));
}

#[test]
fn what_every_handshake_has_is_replaced_and_other_headers_are_added() {
    let host = TestHost::new::<Doorkeeper>();
    for (name, values) in [("host", "b"), ("connection", "b"), ("upgrade", "b"), ("x-name", "a, b")] {
        let request = host.request(&format!("/?values-of={name}")).header(name, "a").header(name, "b");
        assert_eq!(request.offer().expect_err("rejected").text(), values, "{name}");
    }
}

#[test]
fn a_rejection_is_told_as_the_engine_words_it() {
    let host = TestHost::new::<Doorkeeper>();
    let rejected = host.request("/?reject=503").offer().expect_err("rejected");
    assert_eq!((rejected.status, rejected.text().as_str()), (503, "not now"));
    assert_eq!(rejected.header("retry-after"), Some("5"));
    assert_eq!(rejected.to_string(), "status 503, \"not now\"");
    let odd = host.request("/?reject=200").offer().expect_err("rejected");
    assert_eq!(odd.status, 500, "200 is no rejection");
    assert_eq!(host.handle().client_count(), 0);
}

#[test]
fn an_answer_that_cannot_be_sent_is_500_and_the_session_ends() {
    let host = TestHost::new::<Doorkeeper>();
    let failed = |resource: &str| -> (Rejected, String) {
        let rejected = host.request(resource).subprotocol("v1").offer().expect_err("rejected");
        let failures = host.failures();
        assert_eq!(failures.len(), 1);
        (rejected, failures[0].to_string())
    };
    for (resource, why) in [
        ("/?protocol=v3", "authenticate failed: the client did not offer the subprotocol \"v3\""),
        ("/?header=Upgrade", "authenticate failed: the header Upgrade is the host's own"),
        ("/?header=a+b", "authenticate failed: \"a b\" is no header name"),
        (
            "/?headers=1000",
            "authenticate failed: it has 1001 headers of 4908 bytes; at most 1000 of 262144 bytes are sent",
        ),
    ] {
        let (rejected, failure) = failed(resource);
        assert_eq!((rejected.status, failure.as_str()), (500, why));
        assert_eq!(host.gauge("sessions", &[]), 0.0);
    }
    let (rejected, failure) = failed("/?panic");
    assert_eq!((rejected.status, rejected.text().as_str()), (500, "The engine failed.\n"));
    assert!(failure.starts_with("authenticate panicked at ") && failure.ends_with(": no mood"), "{failure}");
}

/// Takes its time to decide, on a worker.
struct Slow;

impl Engine for Slow {
    type Session = ();
    const AUTHENTICATE_ON_WORKER: bool = true;

    fn new(_: Host, _: &Config) -> Result<Self> {
        Ok(Slow)
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<()>, Reject> {
        if request.path() == "/" { Ok(Accept::new(())) } else { Err(Reject::new(404)) }
    }

    fn on_text(&self, client: &Client, _: &mut (), text: &str) -> Option<Box<dyn Job>> {
        let (client, text) = (client.clone(), text.to_owned());
        Some(Box::new(move || {
            client.send_text(&text);
        }))
    }
}

#[test]
fn an_engine_that_decides_on_a_worker_does_so_before_jobs_that_wait() {
    let host = TestHost::new::<Slow>();
    let alice = host.connect("/");
    alice.text("job");
    let bob = host.connect("/");
    assert_eq!(host.request("/cellar").offer().expect_err("rejected").status, 404);
    assert_eq!(host.waiting_jobs(), 1);
    host.run_jobs();
    assert_eq!((alice.received(), bob.received()), (vec!["job".into()], vec![]));
}
