//! A host of nothing but the traits: it notes what it is asked to do.

use super::{leaked, note};
use crate::Format;
use crate::abi::{ClientId, Code};
use crate::hosting::*;
use std::sync::Mutex;

#[derive(Debug)]
pub(in crate::hosting) struct TestHosting;

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
        note(leaked(whose.name), format!("{} for {for_whom}", callback.name()));
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

pub(in crate::hosting) struct TestedClient {
    sent: Mutex<Vec<String>>,
    pub(super) posted: Mutex<Vec<EngineEvent<TestHosting>>>,
}

impl TestedClient {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(TestedClient { sent: Mutex::default(), posted: Mutex::default() })
    }

    fn say(&self, what: impl Into<String>) -> Sent {
        self.sent.lock().unwrap().push(what.into());
        Sent::Sent
    }

    pub(super) fn sent(&self) -> Vec<String> {
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

pub(in crate::hosting) struct TestedServices {
    pub(super) generation: &'static Generation<TestHosting>,
    pub(super) client: Mutex<Option<Arc<TestedClient>>>,
    pub(super) jobs: Mutex<Vec<EngineJob<TestHosting>>>,
    pub(super) timers: Mutex<Vec<EngineTimer<TestHosting>>>,
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

pub(in crate::hosting) struct TestedInstance {
    pub(super) services: Arc<TestedServices>,
    pub(super) config: &'static str,
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
