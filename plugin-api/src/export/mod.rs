//! The engine's side of every call: [`export_engine!`](crate::export_engine) and the functions behind its tables.
//!
//! Each function turns the crossing values into the safe face, inside `contain`. None of this is for authors.

pub(crate) mod handover;
mod manifest;

use crate::abi::{
    AcceptView, AnswerHandle, AuthenticateReturned, ClientHandle, CloseView, Code, ConfigView, ENGINE_ID, EngineModule,
    EngineModuleRef, EngineObject, EngineTable, EventObject, Failure, HANDOVER_ID, HandoverTable, HeaderView,
    HostHandle, Interface, MANIFEST_ID, NewReturned, ROOT_REVISION, RejectView, RequestView, Returned, SessionObject,
};
use crate::contain::entry::{entries, text_of};
use crate::contain::{failed, install_hook};
use crate::handles::client::take_event;
use crate::{Accept, Client, Config, ConfigError, Engine, Host, Idle, Job, Reject, Request, job, logger};
use abi_stable::library::{__call_root_module_loader, CheckTypeLayout};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{ROption, RSlice, RStr};
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::time::Duration;

pub use abi_stable::library::{LibHeader, RootModuleResult};
pub use handover::{handover, unit_handover};
pub use manifest::{INTERFACES, INTERFACES_WITH_HANDOVER, file_manifest, file_manifest_length, manifest};

/// Exports an [`Engine`] from a `cdylib`. Use it once per crate, at the crate's root.
///
/// Name, version and description come from the crate's `Cargo.toml`. They also stand, with the version of this crate,
/// as text in the library's section `.wshost.manifest`, so that a host that refuses the engine can name it. Engines
/// that implement [`Handover`](crate::handover::Handover) use `export_engine!(Chat, handover)`.
///
/// ```
/// use plugin_api::prelude::*;
///
/// struct Silent;
///
/// impl Engine for Silent {
///     type Session = ();
///     fn new(_: Host, _: &Config) -> Result<Self> {
///         Ok(Silent)
///     }
/// }
///
/// export_engine!(Silent);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_engine {
    ($engine:ty) => {
        $crate::export_engine!(@ $engine, $crate::export::unit_handover::<$engine>(), $crate::export::INTERFACES);
    };
    ($engine:ty, handover) => {
        $crate::export_engine!(
            @ $engine,
            ::core::option::Option::Some($crate::export::handover::<$engine>()),
            $crate::export::INTERFACES_WITH_HANDOVER
        );
    };
    (@ $engine:ty, $handover:expr, $interfaces:expr) => {
        const _: () = {
            impl $crate::export::Described for $engine {
                type Engine = $engine;
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
                const DESCRIPTION: &'static str = env!("CARGO_PKG_DESCRIPTION");
                const INTERFACES: &'static [&'static str] = $interfaces;
                const PANIC_UNWINDS: bool = cfg!(panic = "unwind");

                fn handover() -> ::core::option::Option<&'static $crate::abi::HandoverTable> {
                    $handover
                }
            }

            extern "C" fn root_module() -> $crate::export::RootModuleResult {
                $crate::export::root_module::<$engine>()
            }

            // This is abi_stable::library::ROOT_MODULE_LOADER_NAME; a test compares the two.
            #[allow(unsafe_code)]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            pub static ROOT_MODULE: $crate::export::LibHeader = $crate::export::header(root_module);

            const LENGTH: usize = $crate::export::file_manifest_length::<$engine>();

            // This is abi::MANIFEST_SECTION. The exported symbol keeps linkers from dropping it as unreferenced.
            #[allow(unsafe_code)]
            #[unsafe(export_name = "wshost_manifest")]
            #[unsafe(link_section = ".wshost.manifest")]
            pub static MANIFEST: [u8; LENGTH] = $crate::export::file_manifest::<$engine, LENGTH>();
        };
    };
}

/// The facts that `export_engine!` knows about an engine and its crate. A host in the same program may implement it for
/// an engine that is not exported.
pub trait Described: 'static {
    /// The engine that this describes.
    type Engine: Engine;
    /// `CARGO_PKG_NAME`.
    const NAME: &'static str;
    /// `CARGO_PKG_VERSION`.
    const VERSION: &'static str;
    /// `CARGO_PKG_DESCRIPTION`.
    const DESCRIPTION: &'static str;
    /// The ids of the tables that it always has.
    const INTERFACES: &'static [&'static str];
    /// Whether panics unwind in the engine's own crate. In plugin-api they may unwind even if not.
    const PANIC_UNWINDS: bool;

    /// The functions of its handover, if it has one.
    fn handover() -> Option<&'static HandoverTable>;
}

/// The header that the host looks up by name.
pub const fn header(root_module: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: `root_module` returns an EngineModuleRef, erased by abi_stable itself.
    unsafe { LibHeader::from_constructor::<EngineModuleRef>(root_module, CheckTypeLayout::Yes) }
}

/// Makes the root module of an engine.
pub fn root_module<D: Described>() -> RootModuleResult {
    __call_root_module_loader(engine_module::<D>)
}

/// The root module as a host in the same program sees it.
pub fn engine_module<D: Described>() -> EngineModuleRef {
    EngineModule { revision: ROOT_REVISION, interface: interface::<D> }.leak_into_prefix()
}

extern "C" fn interface<D: Described>(id: RStr<'_>) -> ROption<Interface> {
    match id.as_str() {
        ENGINE_ID => ROption::RSome(Interface::new(Tables::<D::Engine>::ENGINE)),
        MANIFEST_ID => ROption::RSome(Interface::new(manifest::<D>())),
        HANDOVER_ID => D::handover().map(Interface::new).into(),
        _ => ROption::RNone,
    }
}

pub(crate) struct Tables<E>(PhantomData<E>);

impl<E: Engine> Tables<E> {
    pub(crate) const ENGINE: &'static EngineTable = &EngineTable {
        origin: &crate::ORIGIN,
        authenticate_on_worker: E::AUTHENTICATE_ON_WORKER,
        ping_after_ms: millis(E::PING_AFTER),
        close_after_no_pong_ms: millis(E::CLOSE_AFTER_NO_PONG),
        new: new::<E>,
        shutdown: shutdown::<E>,
        authenticate: authenticate::<E>,
        discard_session: discard_session::<E>,
        on_open: on_open::<E>,
        on_text: on_text::<E>,
        on_binary: on_binary::<E>,
        on_ping: on_ping::<E>,
        on_pong: on_pong::<E>,
        on_event: on_event::<E>,
        on_idle: on_idle::<E>,
        on_read_complete: on_read_complete::<E>,
        on_drain: on_drain::<E>,
        on_close: on_close::<E>,
        on_closed: on_closed::<E>,
    };
}

const fn millis(duration: Option<Duration>) -> u64 {
    match duration {
        Some(duration) => duration.as_millis() as u64,
        None => 0,
    }
}

entries! {
    fn new<E: Engine>(host: HostHandle, config: ConfigView<'_>) -> NewReturned {
        install_hook();
        let refused = |why, configuration_at_fault| NewReturned {
            engine: EngineObject(std::ptr::null()),
            failure: failed(why),
            configuration_at_fault,
        };
        let host = match Host::take_over(host) {
            Ok(host) => host,
            Err(why) => return refused(why, false),
        };
        logger::install(&host);
        match E::new(host, &Config::new(config)) {
            Ok(engine) => NewReturned {
                engine: EngineObject(Box::into_raw(Box::new(engine)).cast_const().cast()),
                failure: null_mut(),
                configuration_at_fault: false,
            },
            Err(error) => {
                let configuration_at_fault = error.is::<ConfigError>();
                refused(text_of(error), configuration_at_fault)
            }
        }
    }

    fn shutdown<E: Engine>(engine: EngineObject) -> *mut Failure {
        // SAFETY: the host hands back what `new` made, once.
        drop(unsafe { Box::from_raw(engine.0.cast_mut().cast::<E>()) });
        null_mut()
    }

    fn authenticate<E: Engine>(
        engine: EngineObject,
        request: &RequestView<'_>,
        answer: AnswerHandle,
    ) -> AuthenticateReturned {
        // SAFETY: the host passes what `new` made.
        let engine = unsafe { engine_ref::<E>(&engine) };
        match engine.authenticate(&Request::new(request)) {
            Ok(accept) => {
                AuthenticateReturned { accepted: true, session: accepted(accept, answer), failure: null_mut() }
            }
            Err(reject) => {
                rejected(&reject, answer);
                AuthenticateReturned { accepted: false, session: SessionObject(null_mut()), failure: null_mut() }
            }
        }
    }

    fn discard_session<E: Engine>(session: SessionObject) -> *mut Failure {
        // SAFETY: the host hands back what `authenticate` made, once.
        drop(unsafe { Box::from_raw(session.0.cast::<E::Session>()) });
        null_mut()
    }

    fn on_closed<E: Engine>(
        engine: EngineObject,
        client: &ClientHandle,
        session: SessionObject,
        code: u16,
    ) -> *mut Failure {
        // SAFETY: the host passes what `new` made, and hands back what `authenticate` made, once.
        let (engine, session) = unsafe { (engine_ref::<E>(&engine), Box::from_raw(session.0.cast::<E::Session>())) };
        engine.on_closed(Client::borrowed(client), *session, code);
        null_mut()
    }
}

fn accepted<S>(accept: Accept<S>, answer: AnswerHandle) -> SessionObject {
    let headers = header_views(&accept.headers);
    let view = AcceptView { subprotocol: accept.subprotocol.as_str().into(), headers: headers.as_slice().into() };
    // SAFETY: the host's handle lives for the call of `authenticate`, and so does the view.
    unsafe { (answer.accept)(answer.object, &view) };
    SessionObject(Box::into_raw(Box::new(accept.session)).cast())
}

fn rejected(reject: &Reject, answer: AnswerHandle) {
    let headers = header_views(&reject.headers);
    let view =
        RejectView { status: reject.status, headers: headers.as_slice().into(), body: reject.body.as_slice().into() };
    // SAFETY: the host's handle lives for the call of `authenticate`, and so does the view.
    unsafe { (answer.reject)(answer.object, &view) };
}

fn header_views(headers: &[(String, String)]) -> Vec<HeaderView<'_>> {
    headers
        .iter()
        .map(|(name, value)| HeaderView { name: name.as_str().into(), value: value.as_bytes().into() })
        .collect()
}

/// The entries of the callbacks with a session: the crossing argument, and the argument that the author's callback
/// gets.
macro_rules! callbacks {
    ($($name:ident($($crossing:ident: $type:ty => $($argument:expr),+)?);)+) => {
        entries! {$(
            fn $name<E: Engine>(
                engine: EngineObject,
                client: &ClientHandle,
                session: SessionObject,
                $($crossing: $type,)?
            ) -> Returned {
                // SAFETY: the host passes what `new` and `authenticate` made, and no other call uses the session; an event
                // is this engine's, and handed over once.
                let returned = unsafe {
                    let (engine, session) = (engine_ref::<E>(&engine), &mut *session.0.cast::<E::Session>());
                    engine.$name(Client::borrowed(client), session $($(, $argument)+)?)
                };
                ReturnedJob::from(returned).cross()
            }
        )+}
    };
}

callbacks! {
    on_open();
    on_text(text: RStr<'_> => text.as_str());
    on_binary(data: RSlice<'_, u8> => data.as_slice());
    on_ping(data: RSlice<'_, u8> => data.as_slice());
    on_pong(data: RSlice<'_, u8> => data.as_slice());
    on_event(event: *mut EventObject => take_event(event));
    on_idle(idle: u32 => Idle::of(idle));
    on_read_complete();
    on_drain();
    on_close(close: CloseView<'_> => close.code, close.reason.as_str());
}

/// A callback's job; some callbacks never have one.
struct ReturnedJob(Option<Box<dyn Job>>);

impl From<Option<Box<dyn Job>>> for ReturnedJob {
    fn from(job: Option<Box<dyn Job>>) -> Self {
        ReturnedJob(job)
    }
}

impl From<()> for ReturnedJob {
    fn from((): ()) -> Self {
        ReturnedJob(None)
    }
}

impl ReturnedJob {
    fn cross(self) -> Returned {
        self.0.map_or(Returned::NOTHING, |job| Returned { job: job::into_object(job), ..Returned::NOTHING })
    }
}

/// # Safety
///
/// `engine` came from `new` of the same type and has not been shut down.
pub(crate) unsafe fn engine_ref<E>(engine: &EngineObject) -> &E {
    // SAFETY: the caller's promise.
    unsafe { &*engine.0.cast::<E>() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_exported_name_is_the_one_that_abi_stable_looks_for() {
        let macro_text = include_str!("mod.rs");
        let name = abi_stable::library::ROOT_MODULE_LOADER_NAME;
        assert!(macro_text.contains(&format!("export_name = \"{name}\"")), "export_engine! must export {name}");
    }
}
