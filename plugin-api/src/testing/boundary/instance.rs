//! Safe calls into an engine's table.

use super::object::{Event, Job};
use super::{client_table, host_table};
use crate::abi::{
    AcceptView, AnswerHandle, ClientHandle, CloseView, Code, ConfigView, EngineObject, EngineTable, HeaderView,
    RejectView, RequestView, Returned, SessionObject,
};
use crate::contain::entry::entries;
use crate::export::Tables;
use crate::testing::handshake::Rejected;
use crate::testing::remote::Remote;
use crate::testing::services::Services;
use crate::testing::{EngineFailure, NotStarted, Options};
use crate::{Engine, Format, Idle};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// An engine that runs; shut down when dropped, which is after its last session.
pub(in crate::testing) struct Instance {
    table: &'static EngineTable,
    engine: EngineObject,
    services: Arc<Services>,
}

/// What an engine keeps for one connection. Dropped without [`Session::on_closed`], it is discarded.
pub(in crate::testing) struct Session {
    object: SessionObject,
    instance: Rc<Instance>,
}

/// What an engine says to a client that asks to connect.
pub(in crate::testing) enum Answer {
    /// It may, with this session.
    Accept { session: Session, subprotocol: String, headers: Vec<(String, String)> },
    /// It may not.
    Reject(Rejected),
}

/// What every callback with a session comes to: perhaps a job.
pub(in crate::testing) type Called = Result<Option<Job>, EngineFailure>;

impl Instance {
    /// Makes the engine's instance.
    pub(in crate::testing) fn new<E: Engine>(
        services: &Arc<Services>,
        options: &Options<'_>,
    ) -> Result<Rc<Instance>, NotStarted> {
        let (format, source) = match options.format {
            _ if options.config.is_empty() => (Format::None, ""),
            Format::None => (Format::None, ""),
            Format::Toml => (Format::Toml, "test.toml"),
            Format::Json => (Format::Json, "test.json"),
        };
        let config = ConfigView { text: options.config.into(), source: source.into(), format: format.code() };
        let table = Tables::<E>::ENGINE;
        // SAFETY: the table is plugin-api's own; the views live for the call, and the handle's count is given away.
        let (made, failed) = unsafe {
            let made = (table.new)(host_table::handle(services), config);
            (made, EngineFailure::take("new", made.failure))
        };
        match failed {
            Ok(()) => Ok(Rc::new(Instance { table, engine: made.engine, services: Arc::clone(services) })),
            Err(failure) => Err(NotStarted { failure, configuration_at_fault: made.configuration_at_fault }),
        }
    }

    /// The engine's own wishes for `--ping-after` and `--close-after-no-pong`.
    pub(in crate::testing) fn keepalive(&self) -> (Option<Duration>, Option<Duration>) {
        let wish = |millis| (millis > 0).then(|| Duration::from_millis(millis));
        (wish(self.table.ping_after_ms), wish(self.table.close_after_no_pong_ms))
    }

    /// Asks the engine about a client that wants to connect. `headers` have lower-case names.
    pub(in crate::testing) fn authenticate(
        self: &Rc<Self>,
        resource: &str,
        peer: &str,
        headers: &[(String, Vec<u8>)],
    ) -> Result<Answer, EngineFailure> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| HeaderView { name: name.as_str().into(), value: value.as_slice().into() })
            .collect();
        let request = RequestView { resource: resource.into(), headers: headers.as_slice().into(), peer: peer.into() };
        let mut told = Told::Nothing;
        let answer = AnswerHandle { object: (&raw mut told).cast(), accept: tell_accept, reject: tell_reject };
        // SAFETY: the engine is ours; request and answer live for the call.
        let returned = unsafe { (self.table.authenticate)(self.engine, &request, answer) };
        // The session first, so that it is freed on every path below.
        let session = returned.accepted.then(|| Session { object: returned.session, instance: Rc::clone(self) });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take("authenticate", returned.failure)? };
        match (session, told) {
            (Some(session), Told::Accept { subprotocol, headers }) => {
                Ok(Answer::Accept { session, subprotocol, headers })
            }
            (None, Told::Reject(rejected)) => Ok(Answer::Reject(rejected)),
            (_, _) => Err(EngineFailure::of_host("authenticate", "the engine gave two answers or none")),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A test that fails is to say why, and nothing else.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: every session holds the instance, so none is left.
        let ended = unsafe { EngineFailure::take("drop of the engine", (self.table.shutdown)(self.engine)) };
        if let Err(failure) = ended {
            self.services.report(failure, None);
        }
    }
}

/// The callbacks of a session: what each passes on to the table's function of the same name.
macro_rules! callbacks {
    ($($name:ident($($argument:ident: $type:ty => $crossing:expr)?);)+) => {$(
        pub(in crate::testing) fn $name(&mut self, client: &Arc<Remote>, $($argument: $type)?) -> Called {
            self.call(stringify!($name), client, |table, engine, client, session| {
                // SAFETY: engine and session are the table's own, `&mut self` keeps other calls away from the session,
                // and client and argument live for the call.
                unsafe { (table.$name)(engine, client, session, $($crossing)?) }
            })
        }
    )+};
}

impl Session {
    callbacks! {
        on_open();
        on_text(text: &str => text.into());
        on_binary(data: &[u8] => data.into());
        on_ping(data: &[u8] => data.into());
        on_pong(data: &[u8] => data.into());
        on_event(event: Event => event.into_object());
        on_idle(idle: Idle => idle.code());
        on_read_complete();
        on_drain();
        on_close(close: (u16, &str) => CloseView { code: close.0, reason: close.1.into() });
    }

    /// The connection is gone. Gives the session back to the engine.
    pub(in crate::testing) fn on_closed(mut self, client: &Arc<Remote>, code: u16) -> Result<(), EngineFailure> {
        let session = std::mem::replace(&mut self.object, SessionObject(std::ptr::null_mut()));
        let (table, engine) = (self.instance.table, self.instance.engine);
        // SAFETY: the session is this engine's, and given up here; the failure is the engine's, just returned.
        unsafe {
            EngineFailure::take("on_closed", (table.on_closed)(engine, &client_table::lend(client), session, code))
        }
    }

    fn call(
        &mut self,
        callback: &'static str,
        client: &Arc<Remote>,
        call: impl FnOnce(&EngineTable, EngineObject, &ClientHandle, SessionObject) -> Returned,
    ) -> Called {
        let instance = &self.instance;
        let returned = call(instance.table, instance.engine, &client_table::lend(client), self.object);
        // SAFETY: failure and job are the engine's, just returned.
        unsafe {
            EngineFailure::take(callback, returned.failure)?;
            Ok((!returned.job.is_null()).then(|| Job::take(returned.job, &instance.services)))
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.object.0.is_null() || std::thread::panicking() {
            return;
        }
        let discard = self.instance.table.discard_session;
        // SAFETY: the session is this engine's, and ends here.
        let discarded = unsafe { EngineFailure::take("drop of a session", discard(self.object)) };
        if let Err(failure) = discarded {
            self.instance.services.report(failure, None);
        }
    }
}

/// What an engine told through its [`AnswerHandle`].
enum Told {
    Nothing,
    Accept { subprotocol: String, headers: Vec<(String, String)> },
    Reject(Rejected),
}

entries! {
    fn tell_accept(object: *mut (), view: &AcceptView<'_>) {
        let told =
            Told::Accept { subprotocol: view.subprotocol.as_str().to_owned(), headers: owned(view.headers.as_slice()) };
        // SAFETY: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = told };
    }

    fn tell_reject(object: *mut (), view: &RejectView<'_>) {
        let rejected = Rejected {
            status: view.status,
            headers: owned(view.headers.as_slice()),
            body: view.body.as_slice().to_owned(),
        };
        // SAFETY: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = Told::Reject(rejected) };
    }
}

/// Copies response headers, whose values are text in the safe face.
fn owned(headers: &[HeaderView<'_>]) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|header| (header.name.as_str().to_owned(), text(header.value.as_slice()))).collect()
}
