//! A client that speaks permessage-deflate (RFC 7692), by the answer to its offer and no more than that: what a server
//! compresses beyond what was agreed on does not inflate here.

use super::{Host, Raw, frame};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// The end of a flush, which the sender removes (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A raw connection with a compressor and an inflater.
pub(crate) struct Deflating {
    pub(crate) raw: Raw,
    /// The server's answer, or empty if it declined.
    pub(crate) answer: String,
    compress: Compress,
    inflate: Decompress,
}

/// A whole message as it came.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    /// 1 for text, 2 for binary.
    pub(crate) opcode: u8,
    pub(crate) message: Vec<u8>,
    /// Whether it was compressed.
    pub(crate) compressed: bool,
    /// Its payload on the wire.
    pub(crate) payload: Vec<u8>,
}

impl Deflating {
    /// Makes the offers of a header, which may have several lines.
    pub(crate) fn offer(host: &Host, path: &str, lines: &[&str]) -> Deflating {
        let headers: String = lines.iter().map(|line| format!("Sec-WebSocket-Extensions: {line}\r\n")).collect();
        let mut raw = Raw::dial(host);
        raw.send(Raw::request(path).replace("Upgrade: ", &format!("{headers}Upgrade: ")).as_bytes());
        let head = raw.read_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut answers = head.lines().filter_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        let answer = answers.next().unwrap_or_default().to_owned();
        assert_eq!(answers.next(), None, "one answer at most");
        let bits = |name: &str| {
            let value = parameters(&answer).find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
            value.map_or(15, |bits| bits.parse().expect("a number"))
        };
        // zlib cannot compress with 8, and refers back less far than 9 would let it.
        let compress =
            Compress::new_with_window_bits(Compression::fast(), false, bits("client_max_window_bits").max(9));
        let inflate = Decompress::new_with_window_bits(false, bits("server_max_window_bits"));
        Deflating { raw, answer, compress, inflate }
    }

    /// Sends a message, in one frame.
    pub(crate) fn send(&mut self, opcode: u8, message: &[u8]) {
        let payload = self.deflated(message);
        self.raw.send(&frame(0xc0 | opcode, &payload));
    }

    /// Sends a message in so many fragments, with a ping among them.
    pub(crate) fn send_in_parts(&mut self, opcode: u8, message: &[u8], parts: usize) {
        let payload = self.deflated(message);
        let (first, rest) = payload.split_at(payload.len() / parts);
        self.raw.send(&frame(0x40 | opcode, first));
        self.raw.send(&frame(0x89, b"between"));
        for part in rest.chunks(rest.len() / (parts - 1) + 1) {
            self.raw.send(&frame(0x00, part));
        }
        self.raw.send(&frame(0x80, b""));
        assert_eq!(self.raw.read_frame(), (0x8a, b"between".to_vec()));
    }

    /// The next message, which the server sends in one frame.
    pub(crate) fn hear(&mut self) -> Heard {
        let (first, payload) = self.raw.read_frame();
        assert_eq!(first & 0xb0, 0x80, "a whole message: {first:#x}");
        let compressed = first & 0x40 != 0;
        let message = if compressed { self.inflated(&payload) } else { payload.clone() };
        Heard { opcode: first & 0x0f, message, compressed, payload }
    }

    /// Sends a text, and returns what came back.
    pub(crate) fn ask(&mut self, text: &str) -> Heard {
        self.send(1, text.as_bytes());
        self.hear()
    }

    /// A message as it goes over the wire.
    pub(crate) fn deflated(&mut self, message: &[u8]) -> Vec<u8> {
        if parameters(&self.answer).any(|parameter| parameter == "client_no_context_takeover") {
            self.compress.reset();
        }
        let mut payload = Vec::with_capacity(message.len() + message.len() / 8 + 100);
        self.compress.compress_vec(message, &mut payload, FlushCompress::Sync).expect("compressible");
        assert!(payload.len() < payload.capacity(), "all is there");
        // zlib does not flush twice in a row; RFC 7692 section 7.2.3.6 gives the empty message.
        let message = payload.strip_suffix(&TAIL).map(<[u8]>::to_vec);
        message.unwrap_or_else(|| vec![0x00])
    }

    fn inflated(&mut self, payload: &[u8]) -> Vec<u8> {
        if parameters(&self.answer).any(|parameter| parameter == "server_no_context_takeover") {
            self.inflate.reset(false);
        }
        let stream = [payload, &TAIL].concat();
        let (mut message, mut used) = (Vec::new(), 0);
        loop {
            // Little at a time: what lies in the output may be referred to, whatever the window.
            let (mut piece, before) = ([0; 256], (self.inflate.total_in(), self.inflate.total_out()));
            self.inflate.decompress(&stream[used..], &mut piece, FlushDecompress::Sync).expect("a deflate stream");
            let made = (self.inflate.total_out() - before.1) as usize;
            used += (self.inflate.total_in() - before.0) as usize;
            message.extend_from_slice(&piece[..made]);
            if made < piece.len() {
                assert_eq!(used, stream.len(), "all is inflated");
                return message;
            }
        }
    }
}

/// The parameters of an answer.
fn parameters(answer: &str) -> impl Iterator<Item = &str> {
    answer.split(';').map(str::trim)
}
