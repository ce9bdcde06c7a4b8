//! What HTTP is held to.

use std::time::Duration;

/// What a client's handshake is held to.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// From the connection to the end of its request, whatever arrives; as much again for the engine's word, and for the client
    /// to take the answer; for a file, to each next 64 KiB that the client takes. Default: 10 s. A large value lets silent
    /// connections hold descriptors.
    pub handshake_timeout: Duration,
    /// Headers of a request at most. Default: 100. More are answered with 431.
    pub max_headers: usize,
    /// Bytes of a request's head at most, 8 KiB or more. Default: 16 KiB. More are answered with 431. Held only during
    /// the handshake.
    pub max_header_bytes: usize,
    /// Bytes of a request's path and query at most. Default: 8 KiB. Longer ones are answered with 414. Held as long as the
    /// connection, for engines may ask for it: a large value lets each client hold so much.
    pub max_target_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            handshake_timeout: Duration::from_secs(10),
            max_headers: 100,
            max_header_bytes: 16 * 1024,
            max_target_bytes: 8 * 1024,
        }
    }
}
