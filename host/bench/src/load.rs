//! What every load has in common, whatever a run puts on a server.

use crate::connection::AfterReply;
use crate::fault::Fault;
use crate::measured::Measured;
use crate::report::Report;
use mio::event::Event;

/// Bytes per read: many small messages, or a good part of a large one, and still within a core's own cache.
pub(crate) const READ_SIZE: usize = 128 << 10;

/// What a run puts on a server; its connections are open.
pub(crate) trait Load {
    /// Sends the first messages.
    fn start(&mut self) -> Result<(), Fault>;
    /// Reads and writes on the connection that an event is about.
    fn serve(&mut self, event: &Event, then: AfterReply, measured: &mut Measured) -> Result<(), Fault>;
    /// Does the rest of the work, after all events that came together.
    fn settle(&mut self, then: AfterReply) -> Result<(), Fault>;
    /// Whether every message sent has been answered.
    fn is_idle(&self) -> bool;
    /// How many connections there are.
    fn connections(&self) -> usize;
    /// Closes the connections, and adds to the report what only this load knows.
    fn close(self, report: &mut Report);
}
