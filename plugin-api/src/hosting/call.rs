//! The calls into an engine, as logs name them.

/// The one that a call is made for.
#[derive(Debug)]
pub enum CalledFor<'a, C> {
    /// The engine as a whole.
    Nobody,
    /// A client.
    Client(&'a C),
    /// The address of a peer that is not a client yet.
    Peer(&'a str),
}

impl<C> Clone for CalledFor<'_, C> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for CalledFor<'_, C> {}

/// Declares the calls, and their names in logs.
macro_rules! callbacks {
    ($($callback:ident = $name:literal,)+) => {
        /// The calls into an engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Callback {
            $(#[doc = concat!("`", $name, "`")] $callback,)+
        }

        impl Callback {
            const ALL: &[Callback] = &[$(Callback::$callback),+];

            /// Its name in logs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Callback::$callback => $name,)+
                }
            }
        }
    };
}

callbacks! {
    OpeningOfLibrary = "opening of the library",
    New = "new",
    Authenticate = "authenticate",
    Open = "on_open",
    Text = "on_text",
    Binary = "on_binary",
    Ping = "on_ping",
    Pong = "on_pong",
    Event = "on_event",
    Idle = "on_idle",
    ReadComplete = "on_read_complete",
    Drain = "on_drain",
    Close = "on_close",
    Closed = "on_closed",
    Job = "job",
    Timer = "timer",
    Accepts = "accepts",
    ExportState = "export_state",
    ExportSession = "export_session",
    ImportState = "import_state",
    ImportSession = "import_session",
    DropOfSession = "drop of a session",
    DropOfJob = "drop of a job",
    DropOfTimer = "drop of a timer",
    DropOfEvent = "drop of an event",
    DropOfEngine = "drop of the engine",
}

impl Callback {
    /// The callback with this number: `callback as usize`.
    pub fn numbered(number: usize) -> Option<Callback> {
        Callback::ALL.get(number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_callback_has_its_number() {
        for (number, callback) in Callback::ALL.iter().enumerate() {
            assert_eq!((*callback as usize, Callback::numbered(number)), (number, Some(*callback)));
        }
        assert_eq!(Callback::numbered(Callback::ALL.len()), None);
    }
}
