//! Both sides of the boundary in one program: an engine made by `export_engine!`, and a host with only the traits.

use super::*;
use crate::abi::{ClientId, Code};
use crate::export::engine_module;
use crate::handover::{Handover, Schema};
use crate::{Accept, Client, Config, Engine, Format, Host, Job, Reject, Request};
use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Notes of engines and tests, by the name of the generation.
static NOTES: Mutex<Vec<(&'static str, String)>> = Mutex::new(Vec::new());

fn notes() -> MutexGuard<'static, Vec<(&'static str, String)>> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(of: &'static str, what: impl Into<String>) {
    notes().push((of, what.into()));
}

/// The notes since the last call.
fn noted(of: &'static str) -> Vec<String> {
    notes().extract_if(.., |(whose, _)| *whose == of).map(|(_, what)| what).collect()
}

/// The reported faults of a function.
pub(super) fn faults(function: &'static str) -> Vec<String> {
    noted(function)
}

#[derive(Debug)]
pub(super) struct TestHosting;

impl Hosting for TestHosting {
    type Client = TestedClient;
    type Services = TestedServices;
    type Metric = ();
    type Instance = TestedInstance;

    fn call<R>(
        callback: Callback,
        whose: &Whose<'_>,
        called_for: CalledFor<'_, TestedClient>,
        call: impl FnOnce() -> R,
    ) -> R {
        let for_whom = match called_for {
            CalledFor::Nobody => "nobody",
            CalledFor::Client(_) => "client",
            CalledFor::Peer(peer) => peer,
        };
        notes().push((leaked(whose.name), format!("{} for {for_whom}", callback.name())));
        call()
    }

    fn end_elsewhere(generation: &'static Generation<Self>, what: Callback, end: impl FnOnce() + Send + 'static) {
        note(generation.name(), format!("elsewhere: {}", what.name()));
        std::thread::spawn(end).join().unwrap();
    }

    fn report_failed_drop(generation: &'static Generation<Self>, failure: &EngineFailure) {
        note(generation.name(), failure.message.clone());
    }

    fn report_fault(function: &'static str, why: &str) {
        note(function, why);
    }
}

fn leaked(name: &str) -> &'static str {
    Box::leak(name.into())
}

pub(super) struct TestedClient {
    sent: Mutex<Vec<String>>,
    posted: Mutex<Vec<EngineEvent<TestHosting>>>,
}

impl TestedClient {
    fn new() -> Arc<Self> {
        Arc::new(TestedClient { sent: Mutex::default(), posted: Mutex::default() })
    }

    fn say(&self, what: impl Into<String>) -> Sent {
        self.sent.lock().unwrap().push(what.into());
        Sent::Sent
    }

    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

impl HostClient<TestHosting> for TestedClient {
    fn id(&self) -> ClientId {
        ClientId { high: 1, low: 2 }
    }
    fn peer(&self) -> &str {
        "192.0.2.1:4711"
    }
    fn resource(&self) -> &str {
        "/chat"
    }
    fn subprotocol(&self) -> &str {
        ""
    }
    fn idle(&self) -> Duration {
        Duration::from_millis(1500)
    }
    fn state(&self) -> State {
        State::Closing
    }
    fn is_pinged(&self) -> bool {
        true
    }
    fn buffered(&self) -> usize {
        7
    }
    fn send_text(&self, text: &str) -> Sent {
        self.say(text)
    }
    fn send_binary(&self, data: &[u8]) -> Sent {
        assert_ne!(data, b"a fault of the host's");
        self.say(format!("{data:?}"))
    }
    fn begin_message(&self) -> u64 {
        5
    }
    fn send_part(&self, part: PartView<'_>) -> Sent {
        self.say(format!("{} of {}, last: {}", String::from_utf8_lossy(part.data.as_slice()), part.message, part.last))
    }
    fn abandon_message(&self, message: u64) {
        self.say(format!("abandoned {message}"));
    }
    fn ping(&self, _: &[u8]) -> Sent {
        self.say("ping")
    }
    fn pong(&self, _: &[u8]) -> Sent {
        self.say("pong")
    }
    fn close(&self, code: u16, reason: &str) -> Sent {
        self.say(format!("close {code} {reason}"))
    }
    fn close_now(&self, code: u16, reason: &str) -> Sent {
        self.say(format!("close now {code} {reason}"))
    }
    fn discard_buffered(&self) -> usize {
        3
    }
    fn pause_reading(&self, paused: bool) -> Sent {
        self.say(format!("paused: {paused}"))
    }
    fn join(&self, _: &str) -> Sent {
        Sent::Refused
    }
    fn leave(&self, _: &str) -> bool {
        true
    }
    fn post(&self, event: EngineEvent<TestHosting>) -> Sent {
        if !event.generation().is_present() {
            return Sent::Gone;
        }
        self.posted.lock().unwrap().push(event);
        Sent::Sent
    }
}

pub(super) struct TestedServices {
    generation: &'static Generation<TestHosting>,
    client: Mutex<Option<Arc<TestedClient>>>,
    jobs: Mutex<Vec<EngineJob<TestHosting>>>,
    timers: Mutex<Vec<EngineTimer<TestHosting>>>,
}

impl HostServices<TestHosting> for TestedServices {
    fn generation(&self) -> &'static Generation<TestHosting> {
        self.generation
    }
    fn log(&self, _: Level, _: &str, message: &str) {
        note(self.generation.name(), message);
    }
    fn log_level(&self) -> LevelFilter {
        LevelFilter::Info
    }
    fn note_panic(&self, _: &str, _: &str) {}
    fn forget_panic(&self) {}
    fn client(&self, id: ClientId) -> Option<Arc<TestedClient>> {
        self.client.lock().unwrap().clone().filter(|client| client.id() == id)
    }
    fn clients(&self, recipients: Recipients<'_, TestedClient>) -> impl Iterator<Item = Arc<TestedClient>> {
        let client = self.client.lock().unwrap().clone();
        client
            .into_iter()
            .filter(move |client| !recipients.except.is_some_and(|except| std::ptr::eq(except, &**client)))
    }
    fn count(&self, recipients: Recipients<'_, TestedClient>) -> usize {
        self.clients(recipients).count()
    }
    fn broadcast_text(&self, recipients: Recipients<'_, TestedClient>, text: &str) -> usize {
        let text = format!("{text} to {:?}", recipients.group);
        self.clients(recipients).filter(|client| client.say(&text) == Sent::Sent).count()
    }
    fn broadcast_binary(&self, _: Recipients<'_, TestedClient>, _: &[u8]) -> usize {
        0
    }
    fn spawn(self: &Arc<Self>, job: EngineJob<TestHosting>) {
        self.jobs.lock().unwrap().push(job);
    }
    fn start_timer(self: &Arc<Self>, timer: EngineTimer<TestHosting>, after: Duration, every: Option<Duration>) -> u64 {
        note(self.generation.name(), format!("{after:?} {every:?}"));
        self.timers.lock().unwrap().push(timer);
        1
    }
    fn cancel_timer(&self, timer: u64) {
        note(self.generation.name(), format!("cancelled {timer}"));
    }
    fn metric<'l>(&self, kind: MetricKind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) {
        note(self.generation.name(), format!("{kind:?} {name} {:?}", labels.collect::<Vec<_>>()));
    }
    fn report(&self, failure: &EngineFailure) {
        note(self.generation.name(), failure.to_string());
    }
    fn end(&self) {
        self.generation.retire();
    }
}

impl HostMetric for () {
    fn record(&self, _: f64) {}
    fn adjust(&self, _: f64) {}
    fn of_no_use() {}
}

pub(super) struct TestedInstance {
    services: Arc<TestedServices>,
    config: &'static str,
}

impl HostInstance<TestHosting> for TestedInstance {
    fn services(&self) -> &Arc<TestedServices> {
        &self.services
    }
    fn config(&self) -> ConfigView<'_> {
        ConfigView { text: self.config.into(), source: "".into(), format: Format::Toml.code() }
    }
}

impl Drop for TestedInstance {
    fn drop(&mut self) {
        note(self.services.generation.name(), "instance dropped");
    }
}

/// An engine that does as it is told.
struct Obedient {
    host: Host,
    name: String,
}

/// Notes that it is dropped, and panics on demand.
struct Dropped(String, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        note(leaked(&self.0), format!("{} dropped", self.1));
        assert_ne!(self.1, "bomb", "in a drop");
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        note(leaked(&self.name), "engine dropped");
    }
}

#[derive(Default)]
struct Session {
    _held: Option<Dropped>,
}

impl Engine for Obedient {
    type Session = Session;

    fn new(host: Host, config: &Config) -> crate::Result<Self> {
        let name = config.text().trim_start_matches("refuse").to_owned();
        if name != config.text() {
            return Err("as it was told".into());
        }
        Ok(Obedient { host, name })
    }

    fn authenticate(&self, request: &Request) -> crate::Result<Accept<Session>, Reject> {
        match request.resource() {
            "/reject" => Err(Reject::new(403).header("x-why", "so").body("no")),
            "/panic" => panic!("as it was told"),
            _ => {
                let session = Session { _held: Some(Dropped(self.name.clone(), "session")) };
                Ok(Accept::new(session)
                    .subprotocol("chat")
                    .header("x-seen", request.header("x-name").unwrap_or_default()))
            }
        }
    }

    fn on_text(&self, client: &Client, _: &mut Session, text: &str) -> Option<Box<dyn Job>> {
        let dropped = |what| Dropped(self.name.clone(), what);
        match text {
            "job" | "bomb" => {
                let held = dropped(if text == "job" { "job" } else { "bomb" });
                let client = client.clone();
                return Some(Box::new(move || {
                    client.send_text("from the job");
                    drop(held);
                }));
            }
            "panic" => panic!("as it was told"),
            "fault" => return (client.send_binary(b"a fault of the host's") != Sent::Gone).then(|| unreachable!()),
            "post" => drop(client.post(dropped("event"))),
            "spawn" => {
                let held = dropped("spawned");
                self.host.spawn(move || drop(held));
            }
            "timer" => {
                let held = dropped("timer");
                let timer = self.host.every(Duration::from_millis(30), move || note(leaked(&held.0), "timer run"));
                timer.cancel();
            }
            "host" => {
                assert_eq!(self.host.client(client.id()).as_ref(), Some(client));
                assert_eq!((self.host.client_count(), self.host.everyone().except(client).len()), (1, 0));
                assert_eq!(self.host.clients(), std::slice::from_ref(client));
                assert_eq!(self.host.group("room").send_text("hello"), 1);
                self.host.gauge("height", &[("of", "sea")]).add(1.5);
            }
            "facts" => {
                let facts = (client.peer(), client.resource(), client.subprotocol(), client.idle(), client.state());
                assert_eq!(facts, ("192.0.2.1:4711", "/chat", None, Duration::from_millis(1500), State::Closing));
                assert_eq!((client.is_pinged(), client.buffered(), client.discard_buffered()), (true, 7, 3));
                assert_eq!((client.join("room"), client.leave("room")), (Sent::Refused, true));
                client.close_now(4000, "bye");
            }
            text => drop(client.send_text(text)),
        }
        None
    }

    fn on_event(&self, client: &Client, _: &mut Session, event: Box<dyn Any + Send>) -> Option<Box<dyn Job>> {
        client.send_text(if event.is::<Dropped>() { "an event" } else { "no event" });
        None
    }
}

impl crate::export::Described for Obedient {
    type Engine = Obedient;
    const NAME: &'static str = "obedient";
    const VERSION: &'static str = "1.2.3";
    const DESCRIPTION: &'static str = "";
    const INTERFACES: &'static [&'static str] = crate::export::INTERFACES_WITH_HANDOVER;
    const PANIC_UNWINDS: bool = true;

    fn handover() -> Option<&'static crate::abi::HandoverTable> {
        Some(crate::export::handover::<Obedient>())
    }
}

/// It exports the name of the client's peer as the session.
impl Handover for Obedient {
    const SCHEMA: &'static str = "obedient";

    fn export_session(&self, client: &Client, _: &Session) -> crate::Result<Vec<u8>> {
        Ok(client.peer().into())
    }

    fn import_session(&self, client: &Client, schema: &Schema, session: &[u8]) -> crate::Result<Session> {
        assert_eq!((schema.name, client.peer().as_bytes()), ("obedient", session), "as it was told");
        if client.send_text("imported") == Sent::Gone { Err("out of reach".into()) } else { Ok(Session::default()) }
    }
}

type Loaded = Arc<LoadedEngine<TestHosting>>;

fn make(name: &'static str) -> Result<Loaded, NotMade> {
    let generation =
        Generation::new(Whose { number: 1, name: name.trim_start_matches("refuse"), version: "1.2.3" }, TestHosting);
    let services =
        TestedServices { generation, client: Mutex::default(), jobs: Mutex::default(), timers: Mutex::default() };
    let tables = EngineTables::of(engine_module::<Obedient>()).unwrap();
    assert_eq!((tables.manifest().name.as_str(), tables.ids().count()), ("obedient", 3));
    LoadedEngine::make(tables, TestedInstance { services: Arc::new(services), config: name })
}

fn accept(engine: &Loaded) -> EngineSession<TestHosting> {
    match engine.authenticate("/", "peer", [("x-name", b"Ann".as_slice())].into_iter()) {
        Ok(Admission::Accepted(session, Template { subprotocol, headers })) => {
            assert_eq!((subprotocol.as_str(), headers), ("chat", vec![("x-seen".to_owned(), b"Ann".to_vec())]));
            session
        }
        other => panic!("{other:?}"),
    }
}

/// An engine with one client, after the notes of their making have been taken.
fn served(name: &'static str) -> (Loaded, EngineSession<TestHosting>, Arc<TestedClient>) {
    let engine = make(name).unwrap();
    let (session, client) = (accept(&engine), TestedClient::new());
    *engine.services().client.lock().unwrap() = Some(Arc::clone(&client));
    noted(name);
    (engine, session, client)
}

#[test]
fn an_engine_is_shut_down_elsewhere_behind_its_last_session() {
    let (engine, mut session, client) = served("life");
    assert!(matches!(session.on_text(&client, "hello"), Ok(None)));
    assert_eq!((client.sent(), noted("life")), (vec!["hello".to_owned()], vec!["on_text for client".to_owned()]));
    drop(engine);
    assert_eq!(noted("life"), [""; 0]);
    session.on_closed(&client, 1000).unwrap();
    let ended = [
        "on_closed for client",
        "session dropped",
        "elsewhere: drop of the engine",
        "drop of the engine for nobody",
        "engine dropped",
        "instance dropped",
    ];
    assert_eq!(noted("life"), ended);
}

#[test]
fn a_session_that_is_not_closed_is_discarded_elsewhere() {
    let (_engine, session, _) = served("left");
    drop(session);
    assert_eq!(noted("left"), ["elsewhere: drop of a session", "drop of a session for nobody", "session dropped"]);
}

#[test]
fn refusals_and_panics_have_their_words() {
    let not_made = make("refusewords").unwrap_err();
    assert_eq!(not_made.failure.to_string(), "new failed: as it was told");
    assert!(!not_made.configuration_at_fault);
    let engine = make("words").unwrap();
    let ask = |resource: &str| engine.authenticate(resource, "peer", std::iter::empty());
    let Ok(Admission::Rejected { status, headers, body }) = ask("/reject") else { panic!("accepted") };
    assert_eq!((status, headers, body), (403, vec![("x-why".to_owned(), b"so".to_vec())], b"no".to_vec()));
    let failure = ask("/panic").unwrap_err();
    assert!(failure.to_string().starts_with("authenticate panicked at "), "{failure}");
    let failure = accept(&engine).on_text(&TestedClient::new(), "panic").unwrap_err();
    assert!(
        failure.to_string().starts_with("on_text panicked at ") && failure.message == "as it was told",
        "{failure}"
    );
}

#[test]
fn jobs_are_run_or_discarded_once() {
    let (engine, mut session, client) = served("jobs");
    let job = session.on_text(&client, "job").unwrap().unwrap();
    noted("jobs");
    job.run(CalledFor::Client(&client)).unwrap();
    assert_eq!(
        (client.sent(), noted("jobs")),
        (vec!["from the job".to_owned()], vec!["job for client".to_owned(), "job dropped".to_owned()])
    );
    drop(session.on_text(&client, "bomb").unwrap());
    let discarded = ["on_text for client", "elsewhere: drop of a job", "drop of a job for nobody", "bomb dropped"];
    let noted_of_bomb = noted("jobs");
    assert_eq!(noted_of_bomb[..4], discarded);
    assert!(noted_of_bomb[4].contains("in a drop"), "{noted_of_bomb:?}");
    assert!(session.on_text(&client, "spawn").unwrap().is_none());
    let spawned = engine.services().jobs.lock().unwrap().pop().unwrap();
    noted("jobs");
    drop(spawned);
    assert_eq!(noted("jobs"), ["elsewhere: drop of a job", "drop of a job for nobody", "spawned dropped"]);
}

#[test]
fn timers_run_again_and_again_and_are_discarded() {
    let (engine, mut session, client) = served("timers");
    assert!(session.on_text(&client, "timer").unwrap().is_none());
    assert_eq!(noted("timers"), ["on_text for client", "30ms Some(30ms)", "cancelled 1"]);
    let mut timer = engine.services().timers.lock().unwrap().pop().unwrap();
    timer.run().unwrap();
    timer.run().unwrap();
    drop(timer);
    let run = ["timer for nobody", "timer run"];
    let dropped = ["elsewhere: drop of a timer", "drop of a timer for nobody", "timer dropped"];
    assert_eq!(noted("timers"), [&run[..], &run, &dropped].concat());
}

#[test]
fn events_reach_the_session_of_the_library_that_posted_them() {
    let (engine, mut session, client) = served("events");
    assert!(session.on_text(&client, "post").unwrap().is_none());
    let event = client.posted.lock().unwrap().pop().unwrap();
    assert!(engine.made(&event));
    assert!(session.on_event(&client, event).unwrap().is_none());
    assert_eq!(client.sent(), ["an event"]);
    noted("events");
    assert!(session.on_text(&client, "post").unwrap().is_none());
    client.posted.lock().unwrap().pop().unwrap().discard_here();
    assert_eq!(noted("events"), ["on_text for client", "drop of an event for nobody", "event dropped"]);
}

#[test]
fn clients_and_host_answer_what_they_are_asked() {
    let (_engine, mut session, client) = served("asked");
    assert!(session.on_text(&client, "facts").unwrap().is_none());
    assert!(session.on_text(&client, "host").unwrap().is_none());
    assert_eq!(client.sent(), ["close now 4000 bye", "hello to Some(\"room\")"]);
    assert_eq!(noted("asked"), ["on_text for client", "on_text for client", "Gauge height [(\"of\", \"sea\")]"]);
    assert_eq!(Arc::strong_count(&client), 2, "the engine has given back all that it had");
}

#[test]
fn handles_of_a_generation_that_is_not_present_reach_nobody() {
    let (engine, mut session, client) = served("past");
    engine.services().generation.retire();
    for text in ["hello", "spawn", "post"] {
        assert!(session.on_text(&client, text).unwrap().is_none());
    }
    assert_eq!(client.sent(), [""; 0]);
    assert!(client.posted.lock().unwrap().is_empty());
    assert!(noted("past").contains(&"event dropped".to_owned()));
}

#[test]
fn a_session_passes_to_the_next_generation_and_no_other_way() {
    let (old, session, client) = served("old");
    let new = make("new").unwrap();
    new.services().generation.wait_for_its_turn();
    let (from, to) = (EngineHandover::of(&old).unwrap(), EngineHandover::of(&new).unwrap());
    assert_eq!((from.schema().to_string().as_str(), from.has_no_state()), ("obedient version 1", false));
    assert!(to.accepts(from.schema()) && !to.accepts(Schema { name: "another", version: 1 }));
    let failure = to.export_session(&client, &session).unwrap_err();
    assert_eq!(failure.to_string(), "export_session failed: the session is of another generation");
    let exported = from.export_session(&client, &session).unwrap();
    let failure = to.import_session(&client, from.schema(), &exported).unwrap_err();
    assert_eq!(failure.to_string(), "import_session failed: out of reach");
    to.import_state(from.schema(), &from.export_state().unwrap()).unwrap();
    let imported = to.import_session(&client, from.schema(), &exported).unwrap();
    assert!(Arc::ptr_eq(imported.engine(), &new));
    assert_eq!(client.sent(), ["imported"]);
    let failure = to.import_session(&client, from.schema(), b"nobody").unwrap_err();
    assert!(failure.to_string().starts_with("import_session panicked at "), "{failure}");
}

#[test]
fn a_panic_of_the_hosts_is_no_panic_of_the_engines() {
    let (_engine, mut session, client) = served("fault");
    assert!(session.on_text(&client, "fault").unwrap().is_none());
    assert_eq!(faults("send_binary").len(), 1);
}
