//! Codes: an enum of the safe face crosses the boundary as a number, since an unknown number from a later revision must
//! not be undefined behaviour here.
//!
//! | enum | code | stands for |
//! |---|---|---|
//! | [`Sent`] | 0, 1, 2, 3 | `Sent`, `Backlogged`, `Gone`, `Refused` |
//! | [`State`] | 0, 1, 2 | `Open`, `Closing`, `Closed` |
//! | [`Idle`] | 0, 1 | `PingDue`, `PongMissing` |
//! | [`Format`] | 0, 1, 2 | `None`, `Toml`, `Json` |
//! | [`MetricKind`] | 0, 1, 2 | `Counter`, `Gauge`, `Histogram` |
//! | [`Level`] | 1, 2, 3, 4, 5 | `Error`, `Warn`, `Info`, `Debug`, `Trace` |
//! | [`LevelFilter`] | 0, 1, 2, 3, 4, 5 | `Off`, `Error`, `Warn`, `Info`, `Debug`, `Trace` |

use crate::abi::{Code, MetricKind};
use crate::{Format, Idle, Sent, State};
use log::{Level, LevelFilter};

macro_rules! codes {
    ($($enum:ident { $($variant:ident = $code:literal),+ }, any other $other:ident;)+) => {
        $(impl Code for $enum {
            #[inline]
            fn code(self) -> u32 {
                match self {
                    $($enum::$variant => $code,)+
                }
            }

            #[inline]
            fn of(code: u32) -> Self {
                match code {
                    $($code => $enum::$variant,)+
                    _ => $enum::$other,
                }
            }
        })+

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn what_crosses_stays_what_it_is() {
                $(
                    $(assert_eq!(($enum::of($code), $enum::$variant.code()), ($enum::$variant, $code));)+
                    assert_eq!($enum::of(u32::MAX), $enum::$other);
                )+
            }
        }
    };
}

codes! {
    Sent { Sent = 0, Backlogged = 1, Gone = 2, Refused = 3 }, any other Refused;
    State { Open = 0, Closing = 1, Closed = 2 }, any other Closed;
    Idle { PingDue = 0, PongMissing = 1 }, any other PongMissing;
    Format { None = 0, Toml = 1, Json = 2 }, any other None;
    MetricKind { Counter = 0, Gauge = 1, Histogram = 2 }, any other Histogram;
    Level { Error = 1, Warn = 2, Info = 3, Debug = 4, Trace = 5 }, any other Trace;
    LevelFilter { Off = 0, Error = 1, Warn = 2, Info = 3, Debug = 4, Trace = 5 }, any other Trace;
}
