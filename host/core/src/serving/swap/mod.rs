//! The live swap: a new generation of an engine takes over while everyone stays connected.
//!
//! ```text
//! running ─▶ trying ── every export made once, nobody frozen ─▶ waiting ── what was at work has ended, nobody frozen ─▶
//!               │                                               ▲  │
//!         error, deadline                                       │  deadline
//!               ▼                                               │  ▼
//!            refused                                            │  refused
//!                                                               │
//! ─▶ gate closed ─▶ freezing ── all frozen, nothing under way ─▶ collecting ── all sessions here ─▶ exporting ─▶ importing
//!        │             │                                            │                                  │            │
//!        └─────────────┴──── for longer than the longest pause: ────┴──────────────────────────────────┤            │
//!                            resumed, a while for everyone, then waiting again                         │            │
//!                                                                                 error, panic: resumed, refused ◀──┤
//!                                                                                                                   │
//!                                    resumed with the new generation ◀──────────────────────────────── all imported ┘
//! ```
//!
//! Nothing is read between freezing and resuming, so that no message is lost, repeated or reordered: the clients' bytes
//! wait in their sockets meanwhile. Messages that are queued for clients are still written. That takes no longer than
//! `--reload-max-pause`, whatever an engine does: then everyone goes on with the old generation. Imports are not tried
//! again, since the new generation is used up by then.
//!
//! These are the steps of each state, and the results of a failure or of the deadline:
//!
//! 1. *Running*: the new instance is made, on a thread of its own (`succession`). If that fails, the reload is refused,
//!    and nobody has noticed.
//! 2. *Trying*: a few clients at a time hand in their sessions for an export, and get them back at once (`beforehand`).
//!    If that fails, the reload is refused, and only a client whose own export blocks has noticed.
//! 3. *Waiting*: one client of each loop answers, so no callback holds that loop up, and jobs that are at work end. If
//!    not, the reload is refused, and nobody has noticed.
//! 4. *Gate closed*: handshakes that are under way are finished, and new ones wait behind [`Mount::pass`]. If they take
//!    too long, the gate is opened.
//! 5. *Freezing*: each connection is told to read nothing more. It does not end, but it writes, and delivers events.
//!    Jobs and calls of `on_closed` end, and timers are held. If they take too long, all are resumed.
//! 6. *Collecting*: each connection hands in its session (`seats`). If one does not, all are resumed with the sessions
//!    they had.
//! 7. *Exporting*: state and sessions are exported by reference, on a thread for that (`errands`). If that fails, all
//!    are resumed with the sessions they had.
//! 8. *Importing*: they are imported into the new instance, on the same thread. If that fails, all are resumed with the
//!    sessions they had, and the new instance is dropped.
//! 9. *Running*: one pointer is swapped (`Mount::set_current`), and all are resumed with their new sessions. Then the
//!    old sessions, timers and engine are dropped, on threads that nobody waits for.
//!
//! Groups, facts, keepalive and messages half received belong to the client, not to the engine, and pass over as they
//! are.
//!
//! Sessions of `()` are handed over by plugin-api. If one of the engines has no handover, the new generation takes over
//! in the gentle way (`gentle`). With `--probation`, a generation that panics too often makes way for the one before
//! (`probation`). docs/decisions/handover.md says why it is done so.

mod beforehand;
mod errands;
mod gentle;
mod probation;
mod seats;
mod succession;

pub use probation::Probation;
pub use probation::{Trial, go_back};
pub use succession::{Refused, Reloaded, Successor, SwapLimits, Way, succeed};

use crate::calls::Callback;
use crate::client::audience::Whom;
use crate::clock;
use crate::engine::{Client, EngineFailure, Handover, Instance, Schema, Step};
use crate::serving::mount::Mount;
use errands::{At, Errands};
use seats::{Answers, Ended, Seats, tell};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout_at};

/// How many pauses new clients may wait for the handshakes under way: an engine may take longer to answer a client than
/// all clients may be held up, and with many new clients one handshake is always under way.
const GATE_PAUSES: u32 = 4;

/// The result of a handover.
#[derive(Clone, Copy, Debug)]
struct HandedOver {
    sessions: usize,
    /// From when the first connection stopped reading to when the last one read again.
    pause: Duration,
}

/// Why a handover, or an attempt at it, failed.
enum NotHandedOver {
    /// This was under way when its time was over. Nothing has happened, and another attempt may succeed.
    Late(String),
    /// Another attempt is no use.
    Refused(Refused),
}

impl From<EngineFailure> for NotHandedOver {
    fn from(failure: EngineFailure) -> Self {
        NotHandedOver::Refused(Refused::Failed(failure))
    }
}

/// Hands the connections of one generation over to the next.
///
/// # Errors
///
/// The reason for which the old generation goes on.
async fn hand_over(mount: &Mount, from: &Handover, to: &Handover, limits: &SwapLimits) -> Result<HandedOver, Refused> {
    let &SwapLimits { deadline, max_pause, .. } = limits;
    let until = clock::now() + deadline;
    let late = |what| Refused::Late { what, deadline };
    let errands = Errands::start(&**from.engine().executor()).map_err(|error| {
        let message = format!("no thread for it: {error}");
        Refused::Failed(EngineFailure { callback: "handover", message, location: String::new() })
    })?;
    if !accepts(from, to, &errands, until).await.ok_or_else(|| late("accepts was at work".to_owned()))? {
        return Err(Refused::Schema(from.schema()));
    }
    tracing::debug!("handing over: first every export is tried");
    let mut outcome = match beforehand::try_exports(from, &clients_of(from.engine()), &errands, until).await {
        Ok(()) => try_once(mount, from, to, &errands, until, max_pause).await,
        Err(held) => Err(held),
    };
    loop {
        match outcome {
            Ok(handed_over) => return Ok(handed_over),
            Err(NotHandedOver::Refused(refused)) => return Err(refused),
            Err(NotHandedOver::Late(what)) => {
                // Everyone goes on for longer than they were held up.
                let next = clock::now() + 2 * max_pause;
                if next >= until {
                    return Err(late(what));
                }
                tracing::info!("handover put off, everyone goes on for now: {what}");
                // An export that has not returned comes first.
                if !errands.wait_until_done(until).await {
                    return Err(late(what));
                }
                sleep_until(next.into()).await;
                outcome = try_once(mount, from, to, &errands, until, max_pause).await;
            }
        }
    }
}

/// Whether the new generation can read the old one's exports. `None` if it had not answered at `until`.
async fn accepts(from: &Handover, to: &Handover, errands: &Errands, until: Instant) -> Option<bool> {
    let (schema, own) = (from.schema(), to.clone());
    errands.begin(move |_| own.accepts(schema)).wait(until).await
}

/// Waits for a good moment, then freezes everyone, for no longer than `max_pause`.
async fn try_once(
    mount: &Mount,
    from: &Handover,
    to: &Handover,
    errands: &Errands,
    until: Instant,
    max_pause: Duration,
) -> Result<HandedOver, NotHandedOver> {
    wait_for_those_at_work(from.engine(), until).await?;
    let late = |what: &str| NotHandedOver::Late(what.to_owned());
    // From here on no connection opens, so all of them are in the audience. They go on until the gate is closed.
    let patience = clock::now() + GATE_PAUSES * max_pause;
    let closed_gate = timeout_at(until.min(patience).into(), mount.close_gate()).await;
    let closed_gate = closed_gate.map_err(|_| late("a handshake was under way"))?;
    let began = clock::now();
    let longest_pause = began + max_pause;
    let (is_last, until) = (until <= longest_pause, until.min(longest_pause));
    let old = from.engine();
    let frozen = Frozen::new(old);
    let (clients, seats) = (&frozen.clients, &frozen.seats);
    let gone_on = async {
        if !Answers::ask(clients, Step::Freeze).wait_for_all(seats, until).await {
            return Err(late("a callback was at work"));
        }
        if !old.audience().activity.wait_until_idle(until).await {
            return Err(late("jobs were at work"));
        }
        if !Answers::ask(clients, Step::HandIn).wait_for_all(seats, until).await {
            return Err(late("a connection did not answer"));
        }
        exchange(from, to, seats, errands, until).await
    }
    .await;
    match gone_on {
        Ok(()) => {
            mount.set_current(Arc::clone(to.engine()));
            old.retire();
            to.engine().release_timers();
            let Ended { resumed, left_behind, .. } = frozen.end(true);
            drop(closed_gate);
            let pause = clock::since(began);
            // Everyone has gone on, so the data that is left behind may be dropped.
            old.end_timers();
            drop(left_behind);
            Ok(HandedOver { sessions: resumed, pause })
        }
        Err(held) => {
            let at_work = errands.at_work(from.engine().audience());
            let ended = frozen.end(false);
            drop(closed_gate);
            match held {
                NotHandedOver::Late(_) if ended.importing && !is_last => {
                    Err(NotHandedOver::Refused(Refused::ImportsTooLong { at_work, max_pause }))
                }
                held => Err(held),
            }
        }
    }
}

/// The clients of a generation, which are frozen now or soon, and its timers, which are held. If this is dropped, they
/// go on as if nothing had happened: the swap was given up in the middle.
struct Frozen<'a> {
    old: &'a Instance,
    clients: Vec<Arc<Client>>,
    seats: Arc<Seats>,
}

impl<'a> Frozen<'a> {
    fn new(old: &'a Instance) -> Self {
        old.hold_timers();
        Frozen { old, clients: clients_of(old), seats: Arc::default() }
    }

    /// Lets everyone go on, with the sessions of the new generation or of the old one.
    fn end(mut self, with_successors: bool) -> Ended {
        self.resume(with_successors)
    }

    fn resume(&mut self, with_successors: bool) -> Ended {
        let ended = self.seats.end(with_successors);
        let clients = std::mem::take(&mut self.clients);
        // Connections that had no session to hand in are frozen all the same. Only they know which they are.
        if ended.resumed < clients.len() {
            clients.iter().for_each(|client| tell(client, Step::Resume(None)));
        }
        ended
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.resume(false);
        // Those of a generation that was retired have stopped for good.
        self.old.release_timers();
    }
}

/// Waits until every callback and job that is under way now has ended, so that nobody is frozen to wait for those.
async fn wait_for_those_at_work(old: &Instance, until: Instant) -> Result<(), NotHandedOver> {
    tracing::debug!("the handover waits for callbacks and jobs that are at work");
    // One client of each loop answers for all of the loop.
    let mut clients = clients_of(old);
    clients.sort_unstable_by_key(|client| client.event_loop());
    clients.dedup_by_key(|client| client.event_loop());
    if !Answers::ask(&clients, Step::Answer).wait_for_all(&Seats::default(), until).await {
        return Err(NotHandedOver::Late("a callback was at work".to_owned()));
    }
    if !old.audience().activity.wait_for_present(until).await {
        return Err(NotHandedOver::Late("jobs were at work".to_owned()));
    }
    Ok(())
}

/// The clients that a generation serves.
fn clients_of(instance: &Instance) -> Vec<Arc<Client>> {
    let mut clients = instance.audience().clients(Whom::Everyone);
    clients.retain(|client| client.generation() == instance.generation());
    clients
}

/// Exports from one generation and imports into the other.
async fn exchange(
    from: &Handover,
    to: &Handover,
    seats: &Arc<Seats>,
    errands: &Errands,
    until: Instant,
) -> Result<(), NotHandedOver> {
    let (own_from, own_to, shared) = (from.clone(), to.clone(), Arc::clone(seats));
    let mut exchanging = errands.begin(move |at| export_and_import(&own_from, &own_to, &shared, at));
    Ok(exchanging.wait(until).await.ok_or_else(|| NotHandedOver::Late(errands.at_work(from.engine().audience())))??)
}

fn export_and_import(from: &Handover, to: &Handover, seats: &Seats, at: &At) -> Result<(), EngineFailure> {
    let schema: Schema = from.schema();
    at.come_to(Callback::ExportState, None);
    let state = from.export_state()?;
    for index in 0..seats.len() {
        let export = |seat: &mut seats::Seat| {
            at.come_to(Callback::ExportSession, Some(&seat.client));
            seat.exported = from.export_session(&seat.client, &seat.session)?;
            Ok(())
        };
        // None means that it is too late and everybody has gone on.
        let Some(exported) = seats.with_seat(index, export) else { return Ok(()) };
        exported?;
    }
    if !seats.begin_imports() {
        return Ok(());
    }
    at.come_to(Callback::ImportState, None);
    to.import_state(schema, &state)?;
    for index in 0..seats.len() {
        let import = |seat: &mut seats::Seat| {
            at.come_to(Callback::ImportSession, Some(&seat.client));
            let exported = std::mem::take(&mut seat.exported);
            seat.successor = Some(to.import_session(&seat.client, schema, &exported)?);
            Ok(())
        };
        let Some(imported) = seats.with_seat(index, import) else { return Ok(()) };
        imported?;
    }
    Ok(())
}
