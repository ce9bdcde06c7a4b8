//! The user at the other end of a control connection, and whether that user may ask.

use rustix::process::geteuid;
use std::fmt;
use std::io;
use tokio::net::UnixStream;

/// A client, as the kernel saw it when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub user: u32,
    pub pid: Option<i32>,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Peer> {
        let credentials = stream.peer_cred()?;
        Ok(Peer { user: credentials.uid(), pid: credentials.pid() })
    }

    /// Whether it may ask this process for anything. The socket's mode says the same, but an operator can change the
    /// mode.
    pub(super) fn may_ask(&self) -> bool {
        may_ask(self.user, geteuid().as_raw())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid={}", self.user)?;
        self.pid.map_or(Ok(()), |pid| write!(f, ",pid={pid}"))
    }
}

fn may_ask(user: u32, own: u32) -> bool {
    user == own || user == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_user_and_root_may_ask_and_nobody_else() {
        assert!(may_ask(1000, 1000) && may_ask(0, 1000) && may_ask(0, 0));
        assert!(!may_ask(1001, 1000) && !may_ask(1000, 0) && !may_ask(u32::MAX, 0));
    }

    #[tokio::test]
    async fn the_kernel_tells_who_it_is() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert!(peer.may_ask());
        assert_eq!(peer.to_string(), format!("uid={},pid={}", geteuid().as_raw(), std::process::id()));
    }
}
