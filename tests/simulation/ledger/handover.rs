//! How a generation passes its state on, or fails to.

use super::{Ledger, Session, fail_at, index};
use crate::account::generation::Call;
use crate::account::{note, with};
use plugin_api::Result;
use plugin_api::handover::{Handover, Schema};
use plugin_api::prelude::*;
use std::sync::atomic::Ordering;

impl Handover for Ledger {
    const SCHEMA: &'static str = "ledger";

    fn accepts(&self, schema: &Schema) -> bool {
        with(|account| note!(account, "generation {} is asked about {schema}", self.hands.generation));
        fail_at(Call::Accepts).is_ok()
    }

    fn export_state(&self) -> Result<Vec<u8>> {
        with(|account| note!(account, "generation {} exports its state", self.hands.generation));
        fail_at(Call::ExportState)?;
        let (generation, total) = (self.hands.generation as u64, self.total.load(Ordering::Relaxed));
        Ok([generation.to_le_bytes(), total.to_le_bytes()].concat())
    }

    fn import_state(&self, _: &Schema, state: &[u8]) -> Result<()> {
        let (before, total) = numbers(state)?;
        with(|account| {
            let generation = self.hands.generation;
            note!(account, "generation {generation} imports the state of {before}: {total}");
            let expected = account.generations[before as usize].total;
            account.must(total == expected, || format!("the state of {before} is {total}, and {expected} was counted"));
            account.generations[generation].total = total;
            account.generations[generation].imported_from = Some(before as usize);
            account.see_served_by(generation);
        });
        fail_at(Call::ImportState)?;
        self.total.store(total, Ordering::Relaxed);
        Ok(())
    }

    fn export_session(&self, client: &Client, session: &Session) -> Result<Vec<u8>> {
        with(|account| {
            note!(account, "client {}: its session is exported", session.client);
            let (given, known) = (index(client), &account.clients[session.client]);
            let (callback, closed) = (known.callback, known.is_closed());
            account.must(callback.is_none() && !closed && given == session.client, || {
                format!("client {}: its session is exported in {callback:?}, for {given}", session.client)
            });
        });
        fail_at(Call::ExportSession)?;
        Ok([(session.client as u64).to_le_bytes(), session.messages.to_le_bytes()].concat())
    }

    fn import_session(&self, _: &Client, _: &Schema, session: &[u8]) -> Result<Session> {
        let (client, messages) = numbers(session)?;
        with(|account| {
            note!(account, "client {client}: its session is imported");
            account.generations[self.hands.generation].imported.push(client as usize);
        });
        fail_at(Call::ImportSession)?;
        Ok(Session::new(client as usize, messages))
    }
}

fn numbers(bytes: &[u8]) -> Result<(u64, u64)> {
    let (one, other) = bytes.split_at_checked(8).ok_or("too short")?;
    Ok((u64::from_le_bytes(one.try_into()?), u64::from_le_bytes(other.try_into()?)))
}
