//! What crosses as a number. The crate's `codes` says which number is which value.

/// An enum that crosses as a number.
pub trait Code: Copy {
    /// The number.
    fn code(self) -> u32;

    /// What the number stands for. One that this revision does not know stands for what does the least harm.
    fn of(code: u32) -> Self;
}

/// What kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How values are distributed.
    Histogram,
}
