//! What an engine and its host see of each other.

use super::host::TestedClient;
use super::{accept, faults, make, noted, served};
use crate::handover::Schema;
use crate::hosting::*;

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
