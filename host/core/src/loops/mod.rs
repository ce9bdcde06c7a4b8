//! What an event loop has for its connections. Knows tasks and times, and neither connections nor engines.
//!
//! | file | subject |
//! |---|---|
//! | `deadlines` | one coarse wheel in place of a timer per connection |
//! | `wakes` | wake-ups from other threads: many tasks for the price of one |
//! | `turnstile` | whose turn it is, among those whose last turn was too long |
//! | `prefer_read` | when writes wait for reads |

pub mod deadlines;
pub mod prefer_read;
pub mod turnstile;
pub mod wakes;
