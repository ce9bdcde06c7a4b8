//! Lines from a client, within limits of length and time.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio::time::timeout;

/// The most bytes of a request.
const LONGEST: usize = 64 * 1024;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    /// It did not end within the limit.
    #[error("a request has {} KiB at most", LONGEST / 1024)]
    TooLong,
    /// It did not end in time.
    #[error("a request has {0:?} to come")]
    TooSlow(Duration),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// The next line, which has to come within `patience`; `None` at the end of the connection. The last line may lack its
/// line feed.
///
/// # Errors
///
/// There is none, and the next bytes would be in the middle of a line: the connection is of no more use.
pub(super) async fn next(
    from: &mut (impl AsyncBufRead + Unpin),
    patience: Duration,
) -> Result<Option<Vec<u8>>, NoLine> {
    let mut line = Vec::new();
    let mut limited = from.take(LONGEST as u64 + 1);
    timeout(patience, limited.read_until(b'\n', &mut line)).await.map_err(|_| NoLine::TooSlow(patience))??;
    match line.len() {
        0 => Ok(None),
        length if length > LONGEST => Err(NoLine::TooLong),
        _ => Ok(Some(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, BufReader};

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn lines_come_one_by_one() {
        let mut from = BufReader::new(&b"one\ntwo\n\nhalf"[..]);
        for expected in [&b"one\n"[..], b"two\n", b"\n", b"half"] {
            assert_eq!(next(&mut from, LONG).await.unwrap().unwrap(), expected);
        }
        assert!(next(&mut from, LONG).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_line_is_as_long_as_it_may_be_and_no_longer() {
        let mut longest = vec![b'x'; LONGEST - 1];
        longest.push(b'\n');
        assert_eq!(next(&mut BufReader::new(&longest[..]), LONG).await.unwrap().unwrap(), longest);
        longest.insert(0, b'x');
        assert!(matches!(next(&mut BufReader::new(&longest[..]), LONG).await, Err(NoLine::TooLong)));
    }

    #[tokio::test]
    async fn a_slow_client_is_not_waited_for() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"{").await.unwrap();
        let nothing = next(&mut BufReader::new(server), Duration::from_millis(1)).await;
        assert!(matches!(nothing, Err(NoLine::TooSlow(_))), "{nothing:?}");
    }
}
