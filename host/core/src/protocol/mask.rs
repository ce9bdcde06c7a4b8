//! Removes the masking of client payloads, in place (RFC 6455 section 5.3).

/// Unmasks `payload`, whose first byte was masked with the key's first byte.
///
/// A payload that arrives in parts is unmasked part by part. Each part needs the key as [`turned`] by those before it.
#[inline]
pub(super) fn unmask(payload: &mut [u8], key: [u8; 4]) {
    // Words of eight bytes hold the key twice, so that its phase is the same in each. The compiler turns the loop into
    // vector instructions of the target's width.
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let (half, rest) = rest.as_chunks_mut::<4>();
    for word in half {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The key for the payload after the next `bytes` bytes.
#[inline]
pub(super) fn turned(mut key: [u8; 4], bytes: usize) -> [u8; 4] {
    key.rotate_left(bytes % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// RFC 6455 section 5.3: octet i of the transformed data is octet i of the original XOR octet (i MOD 4) of the key.
    fn one_by_one(payload: &mut [u8], key: [u8; 4]) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    /// RFC 6455 section 5.7, "A single-frame masked text message".
    #[test]
    fn the_example_of_the_rfc_is_unmasked() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut payload, KEY);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn every_length_and_alignment_agrees_with_the_definition() {
        let data: Vec<u8> = (0..=255).collect();
        for start in 0..16 {
            for end in start..data.len() {
                let (mut fast, mut plain) = (data[start..end].to_vec(), data[start..end].to_vec());
                unmask(&mut fast, KEY);
                one_by_one(&mut plain, KEY);
                assert_eq!(fast, plain);
            }
        }
    }

    #[test]
    fn parts_are_unmasked_with_the_turned_key() {
        let data: Vec<u8> = (0..100).collect();
        for split in 0..=data.len() {
            let (mut parts, mut whole) = (data.clone(), data.clone());
            unmask(&mut parts[..split], KEY);
            unmask(&mut parts[split..], turned(KEY, split));
            unmask(&mut whole, KEY);
            assert_eq!(parts, whole);
        }
    }
}
