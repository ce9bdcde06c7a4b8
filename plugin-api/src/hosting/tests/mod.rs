//! Both sides of the boundary in one program: an engine in the tables that `export_engine!` makes, and a host with only
//! the traits.

mod cases;
mod engine;
mod host;

use super::*;
use crate::export::engine_module;
use engine::Obedient;
use host::{TestedClient, TestedInstance, TestedServices};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use host::TestHosting;

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

fn leaked(name: &str) -> &'static str {
    Box::leak(name.into())
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
