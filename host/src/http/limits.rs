//! The limits of HTTP.

use std::time::Duration;

/// The limits of a client's handshake.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// The time from the connection to the end of its request, whatever arrives. The engine's answer may take as long
    /// again, then the client's reading of the response, and each further 64 KiB of a file. Default: 10 s. A large
    /// value lets silent connections hold descriptors.
    pub handshake_timeout: Duration,
    /// The most headers of a request. Default: 100. More are answered with 431.
    pub max_headers: usize,
    /// The most bytes of a request's head, at least 8 KiB. Default: 16 KiB. More are answered with 431. They are held
    /// only during the handshake.
    pub max_header_bytes: usize,
    /// The most bytes of a request's path and query. Default: 8 KiB. More are answered with 414. They are held as long
    /// as the connection, since engines may ask for them: a large value lets each client hold this much.
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
