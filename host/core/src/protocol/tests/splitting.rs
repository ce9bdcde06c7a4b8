//! The ends of reads must not matter: any conversation, cut up in any way, gives the same events.

use proptest::prelude::*;

use super::*;

#[test]
fn a_conversation_split_at_every_two_offsets_gives_the_same_events() {
    let bytes = [
        frame(Opcode::Text, true, "whole"),
        frame(Opcode::Text, false, "f€"),
        frame(Opcode::Ping, true, "ping"),
        frame(Opcode::Continuation, false, b"\xF0\x9F"),
        frame(Opcode::Pong, true, ""),
        frame(Opcode::Continuation, true, b"\x98\x80"),
        frame(Opcode::Binary, true, [0x5A; 130]),
        frame(Opcode::Close, true, b"\x03\xe8bye"),
        frame(Opcode::Text, true, "late"),
    ]
    .concat();
    let expected = [
        text("whole"),
        Event::Ping(b"ping".to_vec()),
        Event::Pong(vec![]),
        text("f€😀"),
        Event::Binary(vec![0x5A; 130]),
        Event::Close(1000, "bye".to_owned()),
    ];
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let reads = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(converse(LIMITS, reads), expected, "split at {first} and {second}");
        }
    }
}

/// A client's conversation: its frames, and the events that they should cause.
#[derive(Clone, Debug)]
struct Conversation {
    events: Vec<Event>,
    bytes: Vec<u8>,
}

/// A message, cut into fragments.
#[derive(Clone, Debug)]
struct Utterance {
    text: bool,
    payload: String,
    cuts: Vec<Cut>,
    key: [u8; 4],
}

/// The end of a fragment, and the pings (true) and pongs before the next.
type Cut = (prop::sample::Index, Vec<(bool, Vec<u8>)>);

impl Utterance {
    fn say(&self, conversation: &mut Conversation) {
        let payload = self.payload.as_bytes();
        let mut ends: Vec<usize> = self.cuts.iter().map(|(cut, _)| cut.index(payload.len() + 1)).collect();
        ends.sort_unstable();
        let mut opcode = if self.text { Opcode::Text } else { Opcode::Binary };
        let mut start = 0;
        for (end, (_, controls)) in ends.iter().zip(&self.cuts) {
            conversation.bytes.extend(frame_with(self.key, opcode, false, &payload[start..*end]));
            for (ping, payload) in controls {
                let opcode = if *ping { Opcode::Ping } else { Opcode::Pong };
                conversation.bytes.extend(frame_with(self.key, opcode, true, payload));
                let event = if *ping { Event::Ping } else { Event::Pong };
                conversation.events.push(event(payload.clone()));
            }
            (opcode, start) = (Opcode::Continuation, *end);
        }
        conversation.bytes.extend(frame_with(self.key, opcode, true, &payload[start..]));
        conversation.events.push(match self.text {
            true => text(&self.payload),
            false => Event::Binary(payload.to_vec()),
        });
    }
}

fn utterance() -> impl Strategy<Value = Utterance> {
    let payload = prop_oneof![
        4 => "\\PC{0,60}",
        1 => ("\\PC{1,20}", 1..2000_usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    let control = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..=125));
    let cut = (any::<prop::sample::Index>(), prop::collection::vec(control, 0..3));
    (any::<bool>(), payload, prop::collection::vec(cut, 0..5), any::<[u8; 4]>())
        .prop_map(|(text, payload, cuts, key)| Utterance { text, payload, cuts, key })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    prop::collection::vec(utterance(), 1..6).prop_map(|utterances| {
        let mut conversation = Conversation { events: Vec::new(), bytes: Vec::new() };
        utterances.iter().for_each(|utterance| utterance.say(&mut conversation));
        conversation
    })
}

/// Cuts `bytes` into reads of the given lengths, over and over.
pub(super) fn cut<'a>(mut bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    lengths.iter().cycle().map_while(move |length| {
        let (read, rest) = bytes.split_at((*length).min(bytes.len()));
        bytes = rest;
        (!read.is_empty()).then_some(read)
    })
}

/// Read lengths of very different orders.
pub(super) fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..8_usize, 1..200_usize, 1..20_000_usize], 1..10)
}

proptest! {
    #[test]
    fn any_conversation_in_any_reads_gives_its_events(said in conversation(), lengths in lengths()) {
        prop_assert_eq!(&converse(LIMITS, [&said.bytes[..]]), &said.events);
        prop_assert_eq!(&converse(LIMITS, cut(&said.bytes, &lengths)), &said.events);
    }

    /// With a byte changed it is another conversation, or a fault: the same one, wherever the reads end.
    #[test]
    fn a_damaged_conversation_in_any_reads_gives_the_same_events(
        said in conversation(),
        place in any::<prop::sample::Index>(),
        damage in 1..=255_u8,
        lengths in lengths(),
    ) {
        let mut bytes = said.bytes;
        *place.get_mut(&mut bytes) ^= damage;
        let in_one = converse(LIMITS, [&bytes[..]]);
        prop_assert_eq!(converse(LIMITS, cut(&bytes, &lengths)), in_one);
    }

    #[test]
    fn rubbish_in_any_reads_gives_the_same_events(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        lengths in lengths(),
    ) {
        prop_assert_eq!(converse(LIMITS, cut(&bytes, &lengths)), converse(LIMITS, [&bytes[..]]));
    }
}
