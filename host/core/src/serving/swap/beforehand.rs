//! Before anybody is frozen, every export is made once on trial while everyone goes on. So an export that blocks or
//! fails is found before it could hold up others.
//!
//! A connection gives its session away for its own export and gets it back at once, so only its client waits. The bytes
//! are thrown away: they are out of date at once, since not only callbacks change the data of a session.

use super::NotHandedOver;
use super::errands::Errands;
use super::seats::{Answers, Seats};
use crate::calls::Callback;
use crate::client::Closing;
use crate::clock;
use crate::engine::{Client, EngineFailure, Handover, Step};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How many clients are asked for their sessions at a time. One wake-up per loop serves several.
const AT_ONCE: usize = 64;
/// No client waits longer than this for the export of another's session, or for another to answer.
const PATIENCE: Duration = Duration::from_millis(20);

/// Tries the exports of an engine and of these clients' sessions.
///
/// # Errors
///
/// The engine's error or panic, or the call that was under way at `until`.
pub(super) async fn try_exports(
    from: &Handover,
    clients: &[Arc<Client>],
    errands: &Errands,
    until: Instant,
) -> Result<(), NotHandedOver> {
    if from.has_no_state() {
        return Ok(());
    }
    let own = from.clone();
    let mut state = errands.begin(move |at| {
        at.come_to(Callback::ExportState, None);
        own.export_state().map(drop)
    });
    state.wait(until).await.ok_or_else(|| NotHandedOver::Late(errands.at_work(from.engine().audience())))??;
    let mut left = clients.to_vec();
    while let Some(first) = left.first() {
        if clock::now() >= until {
            let (client, peer) = (first.number(), first.peer());
            return Err(NotHandedOver::Late(format!("the session of client {client} from {peer} could not be had")));
        }
        let later = left.split_off(AT_ONCE.min(left.len()));
        let seats = Arc::new(Seats::default());
        let mut answers = Answers::ask(&left, Step::HandIn);
        let all_answered = answers.wait(&seats, (clock::now() + PATIENCE).min(until)).await;
        let exported = export_those_here(from, &seats, errands, until).await?;
        left.retain(|client| !exported.contains(&client.number()) && client.closing() != Closing::Gone);
        // The loops of these clients are in a callback, and only this waits for them. They keep their sessions.
        if !all_answered && !answers.wait(&seats, until).await {
            return Err(NotHandedOver::Late("a callback was at work".to_owned()));
        }
        // An export of an earlier reload still has these sessions.
        if all_answered && exported.is_empty() && !left.is_empty() {
            sleep(PATIENCE).await;
        }
        // The other clients come first, since these may be held up again.
        left.splice(0..0, later);
    }
    Ok(())
}

/// Exports the sessions that have been handed in, and lets each go on at once. A session that comes later goes on at
/// once as well. Returns the numbers of the clients whose sessions were exported.
async fn export_those_here(
    from: &Handover,
    seats: &Arc<Seats>,
    errands: &Errands,
    until: Instant,
) -> Result<HashSet<u64>, NotHandedOver> {
    let (own, shared) = (from.clone(), Arc::clone(seats));
    let mut exporting = errands.begin(move |at| {
        let mut exported = HashSet::new();
        // None means that the other clients have gone on without waiting for the previous export.
        while let Some(seat) = shared.take() {
            at.come_to(Callback::ExportSession, Some(&seat.client));
            let bytes = own.export_session(&seat.client, &seat.session);
            exported.insert(seat.client.number());
            let _none_left_behind = seat.resume(false);
            bytes?;
        }
        Ok::<_, EngineFailure>(exported)
    });
    let mut exported = exporting.wait((clock::now() + PATIENCE).min(until)).await;
    // A client that is late keeps its session.
    seats.end(false);
    if exported.is_none() {
        exported = exporting.wait(until).await;
    }
    Ok(exported.ok_or_else(|| NotHandedOver::Late(errands.at_work(from.engine().audience())))??)
}
