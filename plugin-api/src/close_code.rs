//! The close codes of RFC 6455 section 7.4.1 and of its registry. Applications may use 3000 to 4999 as they like.

/// The purpose of the connection is fulfilled.
pub const NORMAL: u16 = 1000;
/// The server is going down, or the browser has left the page.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the protocol.
pub const PROTOCOL: u16 = 1002;
/// The peer sent a kind of data that cannot be accepted.
pub const UNSUPPORTED: u16 = 1003;
/// Never sent. It stands for a close frame without a code.
pub const NO_STATUS: u16 = 1005;
/// Never sent. It means that the connection broke without a close frame.
pub const ABNORMAL: u16 = 1006;
/// The data does not fit its type, such as text that is not UTF-8.
pub const INVALID_DATA: u16 = 1007;
/// The peer broke a policy.
pub const POLICY: u16 = 1008;
/// The message is too big to process.
pub const TOO_BIG: u16 = 1009;
/// Something unexpected happened on the server, such as a panic in the engine.
pub const INTERNAL: u16 = 1011;
/// The service restarts; connect again.
pub const SERVICE_RESTART: u16 = 1012;
/// The service is overloaded; connect again later.
pub const TRY_LATER: u16 = 1013;
