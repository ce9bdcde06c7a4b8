//! Values that cross as numbers. The crate's `codes` module lists the numbers.

/// An enum that crosses as a number.
pub trait Code: Copy {
    /// The number.
    fn code(self) -> u32;

    /// The value of the number. An unknown number, from another revision, means the value that does the least harm.
    fn of(code: u32) -> Self;
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// A distribution of values.
    Histogram,
}
