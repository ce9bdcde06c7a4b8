//! The traffic: clients on one thread, that send at a steady rate whatever comes back, and check all that does.
//!
//! Time is cut into windows, one for each swap and one behind it, so that it can be said what clients saw of a swap.

use crate::client::{Client, Heard};
use crate::event::{Event, Seen, Totals};
use anyhow::{Context, Result, ensure};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// How often it is looked at what is due, at least.
const TURN: Duration = Duration::from_millis(1);

/// How much traffic there is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// Messages per second, of all clients together.
    pub(crate) rate: u32,
    /// Clients in a room.
    pub(crate) room: usize,
    /// One in so many messages is a chat.
    pub(crate) chat_every: u32,
}

/// What the traffic is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// A new window begins. Where a build is given, every message sent in it must be answered by that one.
    Next { build: Option<u8> },
    /// Send nothing more.
    Finish,
}

/// Clients, connected.
pub(crate) struct Traffic {
    plan: Plan,
    poll: Poll,
    clients: Vec<Client>,
    windows: Windows,
    started: Instant,
    totals: Totals,
    /// How many chats clients will have heard.
    to_be_heard: u64,
    unanswered: u64,
}

impl Traffic {
    /// Connects the clients.
    pub(crate) fn connect(address: SocketAddr, plan: Plan) -> Result<Traffic> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(plan.connections);
        for index in 0..plan.connections {
            let (room, seat) = (index / plan.room, index % plan.room);
            let mut client = Client::connect(address, room, seat, plan.room, plan.chat_every)?;
            poll.registry().register(&mut client.stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            clients.push(client);
        }
        let windows = Windows::new(plan.connections as u64, Instant::now());
        let (started, totals) = (Instant::now(), Totals::default());
        Ok(Traffic { plan, poll, clients, windows, started, totals, to_be_heard: 0, unanswered: 0 })
    }

    /// Sends and checks until told to finish, and says how it went.
    pub(crate) fn run(mut self, commands: &Receiver<Command>, events: &Sender<Event>) {
        let last = match self.talk(commands, events) {
            Ok(()) => Event::Finished(self.totals),
            Err(fault) => Event::Fault(format!("{fault:#}")),
        };
        // Nobody listens any more where the run has ended by another fault.
        let _ = events.send(last);
    }

    fn talk(&mut self, commands: &Receiver<Command>, events: &Sender<Event>) -> Result<()> {
        self.started = Instant::now();
        let mut ready = Events::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        let mut sending = true;
        loop {
            match commands.try_recv() {
                Ok(Command::Next { build }) => self.windows.next(build, events),
                Ok(Command::Finish) => sending = false,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            if sending {
                self.send_what_is_due(events)?;
            } else if self.unanswered == 0 && self.totals.heard == self.to_be_heard {
                self.totals.took = self.started.elapsed();
                return self.check_total(&mut buffer);
            }
            self.poll.poll(&mut ready, Some(TURN)).context("cannot poll")?;
            for event in &ready {
                let client = &mut self.clients[event.token().0];
                if event.is_writable() {
                    client.flush()?;
                }
                if event.is_readable() {
                    let mut heard = Heard::default();
                    client.read(&mut buffer, &mut heard)?;
                    self.note(heard, events)?;
                }
            }
        }
    }

    fn send_what_is_due(&mut self, events: &Sender<Event>) -> Result<()> {
        let now = Instant::now();
        let due = (now.duration_since(self.started).as_secs_f64() * f64::from(self.plan.rate)) as u64;
        while self.totals.sent < due {
            let index = (self.totals.sent % self.plan.connections as u64) as usize;
            if self.clients[index].send(now, self.windows.present)? {
                let room_begins = index - index % self.plan.room;
                self.to_be_heard += self.plan.room.min(self.plan.connections - room_begins) as u64;
            }
            self.totals.sent += 1;
            self.unanswered += 1;
            self.windows.sent(events);
        }
        Ok(())
    }

    fn note(&mut self, heard: Heard, events: &Sender<Event>) -> Result<()> {
        if let Some(text) = heard.text {
            anyhow::bail!("the engine complains: {text}");
        }
        let now = Instant::now();
        self.totals.heard += heard.chats;
        for answer in heard.answers {
            self.unanswered -= 1;
            self.windows.answered(answer.window, answer.build, now.duration_since(answer.sent), now, events)?;
        }
        Ok(())
    }

    /// The engine's own count, which has gone through every handover, is ours.
    fn check_total(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut ready = Events::with_capacity(16);
        self.clients[0].say("total")?;
        loop {
            let mut heard = Heard::default();
            self.clients[0].read(buffer, &mut heard)?;
            if let Some(total) = heard.text {
                ensure!(total == self.totals.sent.to_string(), "the engine counts {total}, {} sent", self.totals.sent);
                return Ok(());
            }
            self.poll.poll(&mut ready, Some(TURN)).context("cannot poll")?;
        }
    }
}

/// The windows that are not answered.
struct Windows {
    open: HashMap<usize, Window>,
    present: usize,
    last_answer: (Instant, usize),
    round: u64,
}

#[derive(Default)]
struct Window {
    seen: Seen,
    sent: u64,
    answered: u64,
    build: Option<u8>,
}

impl Windows {
    /// `round`: how many messages are one of each client.
    fn new(round: u64, now: Instant) -> Windows {
        Windows { open: HashMap::from([(0, Window::default())]), present: 0, last_answer: (now, 0), round }
    }

    fn next(&mut self, build: Option<u8>, events: &Sender<Event>) {
        let last = self.present;
        self.present += 1;
        self.open.insert(self.present, Window { build, ..Window::default() });
        self.report_if_answered(last, events);
    }

    fn sent(&mut self, events: &Sender<Event>) {
        let window = self.open.entry(self.present).or_default();
        window.sent += 1;
        if window.sent == self.round {
            let _ = events.send(Event::RoundSent { window: self.present });
        }
    }

    fn answered(
        &mut self,
        index: usize,
        build: u8,
        round_trip: Duration,
        now: Instant,
        events: &Sender<Event>,
    ) -> Result<()> {
        let (last_answer, in_window) = self.last_answer;
        let gap = now.duration_since(last_answer);
        for (_, window) in self.open.iter_mut().filter(|(index, _)| **index >= in_window) {
            window.seen.longest_gap = window.seen.longest_gap.max(gap);
        }
        self.last_answer = (now, self.present);
        let window = self.open.get_mut(&index).context("an answer of no window")?;
        ensure!(
            window.build.is_none_or(|expected| expected == build),
            "build {} answered a message that was sent after another had taken over",
            char::from(build)
        );
        window.answered += 1;
        window.seen.worst_round_trip = window.seen.worst_round_trip.max(round_trip);
        self.report_if_answered(index, events);
        Ok(())
    }

    fn report_if_answered(&mut self, index: usize, events: &Sender<Event>) {
        let is_answered = |window: &Window| window.sent == window.answered;
        if index < self.present && self.open.get(&index).is_some_and(is_answered) {
            let seen = self.open.remove(&index).unwrap_or_default().seen;
            let _ = events.send(Event::Answered { window: index, seen });
        }
    }
}
