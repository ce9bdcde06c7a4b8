//! The engine's handle of its host.

use super::group::{Group, Whom};
use super::{Client, ClientId, Timer, timer};
use crate::abi::{self, ClientHandle, ClientTable, Code, HostHandle, HostTable, MetricKind, MetricView, Table};
use crate::metric::{Counter, Gauge, Histogram, Labels, Metric};
use crate::{Job, job};
use std::fmt;
use std::time::Duration;

/// The host that runs this engine. It is cheap to clone and works from any thread.
///
/// A host belongs to one generation of its engine. When a new generation has taken over all its clients, this
/// generation is [retired](Host::is_retired).
pub struct Host {
    object: *const (),
    table: &'static HostTable,
    clients: &'static ClientTable,
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
    /// Takes over the host's handle, after checking every table that engines of this revision use.
    pub(crate) fn take_over(handle: HostHandle) -> Result<Host, String> {
        let clients = table::<ClientTable>(&handle)?;
        Ok(Host { object: handle.object, table: table::<HostTable>(&handle)?, clients })
    }

    /// Whether this generation of the engine is retired: a newer one has taken over its clients, or the engine has
    /// ended.
    ///
    /// From then on its handles reach nobody: sends return [`Sent::Gone`](crate::Sent::Gone), broadcasts reach 0
    /// clients, and jobs and timers are dropped without being run. Only the log and metrics go on. The library stays
    /// loaded, and so do the threads that the engine has started: they should check this, and end.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// # use std::time::Duration;
    /// fn tell_the_time(host: &Host) {
    ///     let host = host.clone();
    ///     std::thread::spawn(move || {
    ///         while !host.is_retired() {
    ///             host.broadcast_text("tick");
    ///             std::thread::sleep(Duration::from_secs(1));
    ///         }
    ///     });
    /// }
    /// ```
    ///
    /// Without a handover, a generation is retired when its last client has gone.
    pub fn is_retired(&self) -> bool {
        call!(self, is_retired)
    }

    /// Tells the host that this thread panics. Two empty texts mean that the panic has been caught.
    pub(crate) fn note_panic(&self, location: &str, message: &str) {
        call!(self, note_panic, location.into(), message.into());
    }

    /// The connected client of this id.
    pub fn client(&self, id: ClientId) -> Option<Client> {
        let object = call!(self, client, id.0);
        (!object.client.is_null()).then(|| Client::owning(ClientHandle { object, table: self.clients }))
    }

    /// All connected clients of this engine, as of now.
    ///
    /// To send to all of them, [`broadcast_text`](Host::broadcast_text) is much faster.
    pub fn clients(&self) -> Vec<Client> {
        self.everyone().clients()
    }

    /// How many clients of this engine are connected.
    pub fn client_count(&self) -> usize {
        self.everyone().len()
    }

    /// The clients that have [joined](Client::join) the group of this name. A group need not be created: it is empty
    /// until a client joins.
    pub fn group<'a>(&'a self, name: &'a str) -> Group<'a> {
        Group::new(self, Whom::Members(name))
    }

    /// All connected clients of this engine, as a group.
    pub fn everyone(&self) -> Group<'_> {
        Group::new(self, Whom::Everyone)
    }

    /// Sends a text message to all connected clients. Returns how many it was queued for.
    pub fn broadcast_text(&self, text: &str) -> usize {
        self.everyone().send_text(text)
    }

    /// Sends a binary message to all connected clients. Returns how many it was queued for.
    pub fn broadcast_binary(&self, data: &[u8]) -> usize {
        self.everyone().send_binary(data)
    }

    /// Runs a job that belongs to no client, on a worker. Such jobs run side by side, in no particular order.
    ///
    /// When the host ends, it runs the jobs that wait. It drops jobs that are spawned after that, and jobs of a
    /// [retired](Host::is_retired) generation.
    pub fn spawn(&self, job: impl Job + 'static) {
        call!(self, spawn, job::into_object(Box::new(job)));
    }

    /// Runs a job once, on a worker, after a delay. The delay is rounded up to the millisecond; zero runs the job at
    /// once.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// # use std::time::Duration;
    /// fn say_hello_later(host: &Host, client: &Client) {
    ///     let client = client.clone();
    ///     host.after(Duration::from_secs(2), move || {
    ///         client.send_text("still there?");
    ///     });
    /// }
    /// ```
    pub fn after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) -> Timer {
        let mut job = Some(job);
        let once = move || {
            if let Some(job) = job.take() {
                job();
            }
        };
        self.start_timer(Box::new(once), millis(delay), 0)
    }

    /// Runs a job again and again, on a worker, with this period. If a run takes longer than the period, the next ones
    /// wait; they do not pile up. A period below 1 ms counts as 1 ms.
    pub fn every(&self, period: Duration, job: impl FnMut() + Send + 'static) -> Timer {
        let period = millis(period).max(1);
        self.start_timer(Box::new(job), period, period)
    }

    fn start_timer(&self, job: Box<dyn FnMut() + Send>, after: u64, every: u64) -> Timer {
        let number = call!(self, start_timer, timer::into_object(job), after, every);
        Timer::new(self.clone(), number)
    }

    pub(crate) fn cancel_timer(&self, number: u64) {
        call!(self, cancel_timer, number);
    }

    /// The counter of this name: a number that only grows. It appears in the host's metrics.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// # fn example(host: &Host) {
    /// let wins = host.counter("wins", &[("game", "chess")]);
    /// wins.increment(1);
    /// # }
    /// ```
    pub fn counter(&self, name: &str, labels: Labels) -> Counter {
        Counter(self.metric(MetricKind::Counter, name, labels))
    }

    /// The gauge of this name: a number that rises and falls.
    pub fn gauge(&self, name: &str, labels: Labels) -> Gauge {
        Gauge(self.metric(MetricKind::Gauge, name, labels))
    }

    /// The histogram of this name: the distribution of values, such as durations in seconds.
    pub fn histogram(&self, name: &str, labels: Labels) -> Histogram {
        Histogram(self.metric(MetricKind::Histogram, name, labels))
    }

    fn metric(&self, kind: MetricKind, name: &str, labels: Labels) -> Metric {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| abi::LabelView { name: (*name).into(), value: (*value).into() })
            .collect();
        let view = MetricView { kind: kind.code(), name: name.into(), labels: labels.as_slice().into() };
        Metric::owning(call!(self, metric, view))
    }

    pub(crate) fn object(&self) -> (*const (), &'static HostTable) {
        (self.object, self.table)
    }

    pub(crate) fn log(&self, level: log::Level, target: &str, message: &str) {
        call!(self, log, level.code(), target.into(), message.into());
    }

    pub(crate) fn log_level(&self) -> log::LevelFilter {
        log::LevelFilter::of(call!(self, log_level))
    }
}

fn table<T: Table>(handle: &HostHandle) -> Result<&'static T, String> {
    // SAFETY: the id lives for the call.
    let interface = unsafe { (handle.interface)(T::ID.into()) }
        .into_option()
        .ok_or_else(|| format!("the host does not offer {}: it is older than this engine; update wshost", T::ID))?;
    interface.check::<T>()
}

/// Rounds up, so that nothing happens too early.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl Clone for Host {
    fn clone(&self) -> Self {
        call!(self, retain);
        Host { object: self.object, table: self.table, clients: self.clients }
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
