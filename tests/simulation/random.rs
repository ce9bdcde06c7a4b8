//! Where all chance comes from: one generator per run, which the seed decides.

use std::ops::RangeInclusive;

/// The chance of one run.
pub struct Random(fastrand::Rng);

impl Random {
    /// That of this seed.
    pub fn new(seed: u64) -> Random {
        // Neighbouring seeds are to be as different as any two.
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Random(fastrand::Rng::with_seed(mixed ^ (mixed >> 31)))
    }

    /// Whether something happens that does so `times` in a thousand.
    pub fn in_thousand(&mut self, times: u32) -> bool {
        self.0.u32(0..1000) < times
    }

    /// A coin.
    pub fn coin(&mut self) -> bool {
        self.0.bool()
    }

    /// A number of this range.
    pub fn among(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.usize(range)
    }

    /// The same for times in milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.u64(range)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(0..choices.len())]
    }

    /// One of these, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let mut left = self.0.u32(0..choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *choice,
            }
        }
        choices[0].1
    }

    /// A length, in bytes: mostly short, now and then around the places where the form of a frame changes, seldom near `most`.
    pub fn length(&mut self, most: usize) -> usize {
        let length = match self.among(0..=99) {
            0..=4 => 0,
            5..=59 => self.among(1..=60),
            60..=69 => self.among(120..=130),
            70..=89 => self.among(130..=2000),
            90..=92 => self.among(65_530..=65_540),
            93..=97 => self.among(2000..=20_000),
            _ => self.among(most / 2..=most),
        };
        length.min(most)
    }

    /// A masking key, which may be zero.
    pub fn key(&mut self) -> [u8; 4] {
        if self.in_thousand(50) { [0; 4] } else { self.0.u32(..).to_le_bytes() }
    }
}
