//! The host, as an engine reaches it.

use crate::abi::{ClientTable, HostHandle, HostTable, Table};
use std::fmt;

/// The host that runs this engine. Cheap to clone, works from any thread.
pub struct Host {
    object: *const (),
    table: &'static HostTable,
}

// SAFETY: every function of HostTable may be called on any thread, and the count behind retain/release is the host's.
unsafe impl Send for Host {}
// SAFETY: as above; no function needs exclusive access.
unsafe impl Sync for Host {}

/// Calls a function of the host's table on its object.
macro_rules! call {
    ($host:expr, $function:ident $(, $argument:expr)*) => {
        // SAFETY: the handle owns one count of the object, so it is alive, and the arguments live for the call.
        unsafe { ($host.table.$function)($host.object $(, $argument)*) }
    };
}

impl Host {
    /// Takes over the host's handle, after a check of every table that engines of this revision use.
    pub(crate) fn take_over(handle: HostHandle) -> Result<Host, String> {
        // Clients come later and with their table in hand; that it is the right one is settled here.
        table::<ClientTable>(&handle)?;
        Ok(Host { object: handle.object, table: table::<HostTable>(&handle)? })
    }

    /// How many clients of this engine are connected.
    pub fn client_count(&self) -> usize {
        call!(self, client_count)
    }

    pub(crate) fn log(&self, level: log::Level, target: &str, message: &str) {
        call!(self, log, level as u32, target.into(), message.into());
    }

    pub(crate) fn log_level(&self) -> log::LevelFilter {
        match call!(self, log_level) {
            0 => log::LevelFilter::Off,
            1 => log::LevelFilter::Error,
            2 => log::LevelFilter::Warn,
            3 => log::LevelFilter::Info,
            4 => log::LevelFilter::Debug,
            _ => log::LevelFilter::Trace,
        }
    }
}

fn table<T: Table>(handle: &HostHandle) -> Result<&'static T, String> {
    let interface = (handle.interface)(T::ID.into())
        .into_option()
        .ok_or_else(|| format!("the host does not offer {}: it is older than this engine; update wshost", T::ID))?;
    // SAFETY: the host answered to T::ID, and its root module check let this engine in.
    unsafe { interface.check::<T>() }
}

impl Clone for Host {
    fn clone(&self) -> Self {
        call!(self, retain);
        Host { object: self.object, table: self.table }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        call!(self, release);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} clients)", self.client_count())
    }
}
