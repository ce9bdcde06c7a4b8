//! The bytes of a file, read while they are sent.

use super::deadline::Deadline;
use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, Take};

/// How many bytes are read at once, and thus held for one client.
const CHUNK: usize = 64 * 1024;

/// The bytes of a file. A thread that may block reads them as the client takes them.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Take<tokio::fs::File>,
    chunk: BytesMut,
    deadline: Deadline,
}

impl FileBody {
    pub(super) fn new(file: std::fs::File, length: u64, deadline: Deadline) -> Self {
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(CHUNK);
        FileBody { file: file.take(length), chunk: BytesMut::new(), deadline }
    }
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        let left = usize::try_from(body.file.limit()).unwrap_or(CHUNK);
        if left == 0 {
            return Poll::Ready(None);
        }
        body.chunk.resize(left.min(CHUNK), 0);
        let mut buffer = ReadBuf::new(&mut body.chunk);
        ready!(Pin::new(&mut body.file).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            // The length was promised, so the client must see that this is not all.
            return Poll::Ready(Some(Err(io::Error::new(ErrorKind::UnexpectedEof, "the file became shorter"))));
        }
        // The client has taken the earlier bytes, since more are asked for.
        body.deadline.put_off();
        Poll::Ready(Some(Ok(Frame::data(body.chunk.split_to(read).freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.file.limit() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.file.limit())
    }
}
