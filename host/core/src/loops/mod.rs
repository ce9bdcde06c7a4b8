//! The tools that an event loop has for its connections. They know tasks and times, but neither connections nor
//! engines.
//!
//! | file | subject |
//! |---|---|
//! | `deadlines` | one coarse wheel in place of a timer per connection |
//! | `wakes` | wake-ups from other threads: many tasks for the price of one |
//! | `turnstile` | the queue of connections whose last turn was too long |
//! | `prefer_read` | when writes wait for reads |

#[cfg(test)]
mod count;
pub mod deadlines;
pub mod prefer_read;
pub(crate) mod turnstile;
pub mod wakes;
