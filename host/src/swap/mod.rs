//! The live swap: a new generation of an engine takes over while everyone stays connected.
//!
//! ```text
//! running ── gate closed ──▶ freezing ── all frozen, nothing under way ──▶ collecting ── all sessions here ──▶ handing over
//!    ▲                          │                                             │                                   │
//!    │                       deadline                                      deadline                 error, panic, deadline
//!    │                          ▼                                             ▼                                   ▼
//!    ├────────────── resumed with the old generation: nothing has happened ◀──┴───────────────────────────────────┤
//!    └────────────── resumed with the new generation ◀──────────────────────────────────────────────── all imported
//! ```
//!
//! Nothing is read between freezing and resuming, so that no message is lost, repeated or reordered: what clients send
//! meanwhile waits in their sockets. What is queued for them is written all the while.

mod gentle;
mod probation;
mod reload;
mod seats;

pub use probation::Probation;
pub(crate) use probation::{Trial, go_back};
pub(crate) use reload::reload;
pub use reload::{Refused, ReloadLimits, Reloaded, Way};
pub(crate) use seats::Step;

use crate::batch::Order;
use crate::client::Client;
use crate::engine::{EngineFailure, Handover, Instance, Schema};
use crate::mount::Mount;
use plugin_api::Sent;
use seats::{Seats, Ticket};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a handover.
#[derive(Clone, Copy, Debug)]
struct HandedOver {
    sessions: usize,
    /// From the first connection that was not read from to the last that was again.
    pause: Duration,
}

/// Hands the connections of one generation over to the next.
///
/// # Errors
///
/// Why the old generation goes on.
fn hand_over(mount: &Mount, from: &Handover, to: &Handover, deadline: Duration) -> Result<HandedOver, Refused> {
    let until = Instant::now() + deadline;
    let late = |what| Refused::Late { what, deadline };
    // From here on nobody opens a connection: all there are, are in the audience.
    let closed_gate = mount.close_gate(until).ok_or_else(|| late("a handshake was under way"))?;
    let began = Instant::now();
    let old = from.instance();
    let clients = clients_of(old);
    let seats = Arc::new(Seats::default());
    old.hold_timers();
    let gone_on = (|| {
        tell(&seats, &clients, Step::Freeze);
        if !seats.wait(until) {
            return Err(late("a callback was at work"));
        }
        if !old.audience().activity.wait_until_idle(until) {
            return Err(late("jobs were at work"));
        }
        tell(&seats, &clients, Step::HandIn);
        if !seats.wait(until) {
            return Err(late("a connection did not answer"));
        }
        exchange(from, to, &seats, until).map_err(|failed| match failed {
            Failed::Late => late("an export or import was at work"),
            Failed::Engine(failure) => Refused::Failed(failure),
        })
    })();
    match gone_on {
        Ok(()) => {
            mount.set_current(Arc::clone(to.instance()));
            old.retire();
            to.instance().release_timers();
            old.end_timers();
            let sessions = seats.end(true);
            resume_others(&clients, sessions);
            drop(closed_gate);
            Ok(HandedOver { sessions, pause: began.elapsed() })
        }
        Err(refused) => {
            let sessions = seats.end(false);
            resume_others(&clients, sessions);
            old.release_timers();
            drop(closed_gate);
            Err(refused)
        }
    }
}

/// The clients that a generation serves.
fn clients_of(instance: &Instance) -> Vec<Arc<Client>> {
    let mut clients = instance.audience().clients(crate::audience::Whom::Everyone);
    clients.retain(|client| client.generation() == instance.generation());
    clients
}

fn tell(seats: &Arc<Seats>, clients: &[Arc<Client>], step: fn(Ticket) -> Step) {
    for (client, ticket) in clients.iter().zip(seats.tickets(clients.len())) {
        // Where the connection is gone, the order is dropped, and its ticket is the answer.
        let _: Sent = client.outbox().enqueue(Order::Swap(step(ticket)));
    }
}

/// Those that had no session to hand in are frozen all the same, or will be when they get to it. Which they are only they
/// know, so that all are told, unless all have been `resumed`.
fn resume_others(clients: &[Arc<Client>], resumed: usize) {
    if resumed == clients.len() {
        return;
    }
    for client in clients {
        let _: Sent = client.outbox().enqueue(Order::Swap(Step::Resume(None)));
    }
}

enum Failed {
    Late,
    Engine(EngineFailure),
}

/// Exports from one generation and imports into the other, on a thread of its own: an engine that blocks there is left
/// to itself, and only the client whose session it has waits for it.
fn exchange(from: &Handover, to: &Handover, seats: &Arc<Seats>, until: Instant) -> Result<(), Failed> {
    let (done, is_done) = mpsc::channel();
    let (from, to, shared) = (from.clone(), to.clone(), Arc::clone(seats));
    let body = move || {
        let _ = done.send(export_and_import(&from, &to, &shared));
    };
    let started = thread::Builder::new().name("wshost-handover".into()).spawn(body);
    if let Err(error) = started {
        let message = format!("no thread for it: {error}");
        return Err(Failed::Engine(EngineFailure { callback: "handover", message, location: String::new() }));
    }
    let left = until.saturating_duration_since(Instant::now());
    is_done.recv_timeout(left).map_err(|_| Failed::Late)?.map_err(Failed::Engine)
}

fn export_and_import(from: &Handover, to: &Handover, seats: &Seats) -> Result<(), EngineFailure> {
    let schema: Schema = from.schema();
    let state = from.export_state()?;
    for index in 0..seats.len() {
        let export = |seat: &mut seats::Seat| {
            seat.exported = from.export_session(&seat.client, &seat.session)?;
            Ok(())
        };
        // None: too late, and everybody has gone on.
        let Some(exported) = seats.with_seat(index, export) else { return Ok(()) };
        exported?;
    }
    to.import_state(schema, &state)?;
    for index in 0..seats.len() {
        let import = |seat: &mut seats::Seat| {
            let exported = std::mem::take(&mut seat.exported);
            seat.successor = Some(to.import_session(&seat.client, schema, &exported)?);
            Ok(())
        };
        let Some(imported) = seats.with_seat(index, import) else { return Ok(()) };
        imported?;
    }
    Ok(())
}
