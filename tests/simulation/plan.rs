//! What a run is about: drawn once, before anything happens. Each run does without some things altogether, so that the others
//! meet more often.

use crate::random::Random;
use plugin_testing::rig::Setup;
use std::time::Duration;
use wshost_core::client::audience::{Backlog, BacklogPolicy};
use wshost_core::protocol::Limits;
use wshost_core::protocol::deflate::Compression;
use wshost_core::serving::swap::SwapLimits;

/// Something that the engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Send,
    SendToAnother,
    Broadcast,
    Fragment,
    Ping,
    Pong,
    Post,
    Join,
    Leave,
    Count,
    Pause,
    Resume,
    Discard,
    Close,
    CloseNow,
    Spawn,
    After,
    Every,
    Cancel,
    Panic,
    Block,
}

/// Something that the driver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Connect,
    Compose,
    Deliver,
    Window,
    Job,
    Errand,
    Retire,
    Step,
    Wait,
    Jump,
    Swap,
    Close,
    Shut,
    Reset,
    Vanish,
    Misbehave,
}

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub setup: Setup,
    pub swap: SwapLimits,
    pub acts: Vec<(u32, Act)>,
    pub moves: Vec<(u32, Move)>,
    /// How often in a thousand a callback, a job or a timer acts, and then does so once more.
    pub lively: u32,
    /// How often in a thousand a callback returns a job.
    pub jobs: u32,
    /// How often in a thousand a drop of what the engine has made panics.
    pub bombs: u32,
    pub steps: usize,
    pub guests: usize,
    /// The largest message that the engine sends.
    pub largest: usize,
    /// How often in a thousand the driver goes on without having let the loops settle.
    pub haste: u32,
    /// Timers are worked off apart from jobs.
    pub timers_apart: bool,
    /// How often in a thousand a swap is followed by another at once.
    pub restless: u32,
    /// The server's end comes in the middle of everything.
    pub abrupt_end: bool,
}

const ACTS: [(u32, Act); 21] = [
    (30, Act::Send),
    (10, Act::SendToAnother),
    (10, Act::Broadcast),
    (12, Act::Fragment),
    (4, Act::Ping),
    (4, Act::Pong),
    (8, Act::Post),
    (6, Act::Join),
    (4, Act::Leave),
    (4, Act::Count),
    (2, Act::Pause),
    (4, Act::Resume),
    (3, Act::Discard),
    (1, Act::Close),
    (1, Act::CloseNow),
    (6, Act::Spawn),
    (5, Act::After),
    (2, Act::Every),
    (4, Act::Cancel),
    (1, Act::Panic),
    (1, Act::Block),
];

const MOVES: [(u32, Move); 16] = [
    (8, Move::Connect),
    (40, Move::Compose),
    (60, Move::Deliver),
    (12, Move::Window),
    (30, Move::Job),
    (20, Move::Errand),
    (8, Move::Retire),
    (12, Move::Step),
    (2, Move::Wait),
    (1, Move::Jump),
    (4, Move::Swap),
    (2, Move::Close),
    (1, Move::Shut),
    (1, Move::Reset),
    (1, Move::Vanish),
    (1, Move::Misbehave),
];

impl Plan {
    /// Draws one.
    pub fn draw(random: &mut Random) -> Plan {
        let policy = if random.in_thousand(700) { BacklogPolicy::Drop } else { BacklogPolicy::Close };
        let limit = random.one_of(&[300, 2000, 10_000, 60_000, 1_000_000, 8_000_000]);
        let compressing = random.in_thousand(350);
        let compression = Compression {
            level: random.one_of(&[1, 3, 6]),
            threshold: random.one_of(&[0, 100, 256]),
            context_takeover: random.coin(),
            window_bits: random.one_of(&[9, 12, 15]),
        };
        let seconds = |random: &mut Random, choices: &[u64]| Some(Duration::from_secs(random.one_of(choices)));
        let setup = Setup {
            loops: random.among(1..=2),
            backlog: Backlog { limit, policy },
            compression: compressing.then_some(compression),
            keepalive: (seconds(random, &[0, 3, 10, 30]), seconds(random, &[0, 2, 10, 30])),
            limits: Limits {
                max_message: random.one_of(&[1000, 66_000, 300_000]),
                assembly_timeout: Duration::from_secs(random.one_of(&[1, 4, 20])),
            },
            read_size: random.one_of(&[512, 4096, 65_536]),
            prefer_read: random.in_thousand(100).then_some(Duration::from_millis(1)),
        };
        let swap = SwapLimits {
            deadline: Duration::from_millis(random.millis(1000..=10_000)),
            max_pause: Duration::from_millis(random.millis(100..=1000)),
            drain: random.coin().then(|| Duration::from_millis(random.millis(0..=5000))),
        };
        Plan {
            setup,
            swap,
            acts: some_of(random, &ACTS, &[Act::Send, Act::Join, Act::Resume]),
            moves: some_of(random, &MOVES, &[Move::Connect, Move::Compose, Move::Deliver, Move::Job, Move::Errand]),
            lively: random.one_of(&[100, 400, 650]),
            jobs: random.one_of(&[0, 50, 300]),
            bombs: random.one_of(&[0, 0, 0, 30]),
            steps: random.among(40..=250),
            guests: random.among(1..=6),
            largest: random.one_of(&[200, 3000, 70_000, 200_000]),
            haste: random.one_of(&[0, 200, 600]),
            timers_apart: random.coin(),
            restless: random.one_of(&[0, 0, 300]),
            abrupt_end: random.in_thousand(300),
        }
    }
}

/// Those of these that the run does with, and how often.
fn some_of<T: Copy + PartialEq>(random: &mut Random, all: &[(u32, T)], always: &[T]) -> Vec<(u32, T)> {
    let mut chosen = Vec::new();
    for (weight, one) in all {
        if always.contains(one) || random.in_thousand(600) {
            chosen.push((weight * random.one_of(&[1, 1, 1, 4]), *one));
        }
    }
    chosen
}
