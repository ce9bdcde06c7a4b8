//! A client's frames (RFC 6455 section 5.2).

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A frame to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub last: bool,
    pub compressed: bool,
    pub opcode: Opcode,
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Appends it, masked with this key.
    pub fn append(&self, bytes: &mut Vec<u8>, key: [u8; 4]) {
        let rsv1 = if self.compressed { 0x40 } else { 0 };
        bytes.push(if self.last { 0x80 } else { 0 } | rsv1 | self.opcode as u8);
        let length = self.payload.len();
        match length {
            0..=125 => bytes.push(0x80 | length as u8),
            126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&key);
        bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
}
