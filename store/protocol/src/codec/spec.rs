//! What the bytes promise.

use std::fmt::Debug;

use super::samples::Draw;
use super::*;
use crate::limits::{FRAMES_MAX, LINE_MAX, MEMBERS_MAX};

fn bytes_of<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

/// The same body with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - CHECK_BYTES;
    let check = crc32c(&bytes[..body]);
    bytes.truncate(body);
    bytes.extend(check.to_le_bytes());
    bytes
}

/// Bytes of everything that has any, by seed.
fn samples(seed: u64) -> Vec<Vec<u8>> {
    let mut draw = Draw::new(seed);
    let mut all: Vec<Vec<u8>> = (0..8).map(|which| bytes_of(&draw.write(which))).collect();
    all.extend((0..4).map(|which| bytes_of(&draw.message(which))));
    all.push(bytes_of(&draw.view()));
    all.push(bytes_of(&draw.durable()));
    all.push(bytes_of(&draw.member_row()));
    all.push(bytes_of(&draw.guard()));
    all.push(bytes_of(&draw.frames()));
    all.push(bytes_of(&draw.shard_row()));
    all
}

/// How often these bytes are something, and that they are then exactly its bytes.
fn read_as_anything(bytes: &[u8]) -> usize {
    fn read<T: Wire>(bytes: &[u8]) -> usize {
        match decode::<T>(bytes) {
            Ok(value) => {
                assert_eq!(bytes_of(&value), bytes, "a value has one form");
                1
            }
            Err(Malformed) => 0,
        }
    }
    read::<Write>(bytes)
        + read::<View>(bytes)
        + read::<Durable>(bytes)
        + read::<MemberRow>(bytes)
        + read::<MemberGuard>(bytes)
        + read::<Frames>(bytes)
        + read::<ShardRow>(bytes)
        + read::<Message>(bytes)
}

mod a_value {
    use super::*;

    fn returns<T: Wire + PartialEq + Debug>(value: &T) {
        let bytes = bytes_of(value);
        assert!(bytes.len() <= T::BYTES_MAX);
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    }

    #[test]
    fn comes_back_as_it_was() {
        for seed in 0..2_000 {
            let mut draw = Draw::new(seed);
            (0..8).for_each(|which| returns(&draw.write(which)));
            (0..4).for_each(|which| returns(&draw.message(which)));
            returns(&draw.view());
            returns(&draw.durable());
            returns(&draw.member_row());
            returns(&draw.guard());
            returns(&draw.frames());
            returns(&draw.shard_row());
        }
    }

    #[test]
    fn at_its_largest_takes_as_many_bytes_as_stated_and_no_more() {
        fn fills<T: Wire + PartialEq + Debug>(make: impl FnOnce(&mut Draw) -> T) {
            let mut draw = Draw::new(7);
            draw.long = usize::MAX;
            let value = make(&mut draw);
            let bytes = bytes_of(&value);
            assert_eq!(bytes.len(), T::BYTES_MAX);
            assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&value));
        }
        fills(Draw::view);
        fills(Draw::durable);
        fills(Draw::member_row);
        fills(Draw::frames);
        fills(Draw::shard_row);
        fills(Draw::guard);
        fills(|draw| draw.message(1));
        fills(|draw| draw.write(0));
        const { assert!(Write::BYTES_MAX < 2 << 20, "a link has to take the largest write") };
    }

    #[test]
    fn is_not_taken_for_one_of_another_kind() {
        for bytes in samples(3) {
            assert_eq!(read_as_anything(&bytes), 1);
        }
    }

    #[test]
    fn of_another_form_is_refused() {
        for mut bytes in samples(4) {
            bytes[0] += 1;
            assert_eq!(read_as_anything(&sealed(bytes)), 0);
        }
    }

    #[test]
    fn has_these_bytes() {
        // Nodes of two builds meet; what is written here is what the other one reads.
        let guard = MemberGuard {
            view: crate::ids::ViewId::FIRST,
            life: crate::ids::Life(2),
            generation: 3,
            beat: 4,
        };
        let expected = [
            &[1, 1, 2][..],
            &1u32.to_le_bytes(),
            &2u32.to_le_bytes(),
            &3u64.to_le_bytes(),
            &4u64.to_le_bytes(),
        ];
        let bytes = bytes_of(&Write::Guard(guard));
        assert_eq!(bytes[..bytes.len() - CHECK_BYTES], expected.concat());
        assert_eq!(bytes, sealed(bytes.clone()));
    }
}

mod damaged_bytes {
    use super::*;

    #[test]
    fn are_refused_whichever_bit_is_wrong() {
        for seed in 0..12 {
            for bytes in samples(seed) {
                for bit in 0..bytes.len() * 8 {
                    let mut wrong = bytes.clone();
                    wrong[bit / 8] ^= 1 << (bit % 8);
                    assert_eq!(read_as_anything(&wrong), 0, "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn are_refused_wherever_they_end() {
        for seed in 0..40 {
            for bytes in samples(seed) {
                for end in 0..bytes.len() {
                    assert_eq!(read_as_anything(&bytes[..end]), 0, "{end}");
                    if end >= CHECK_BYTES {
                        assert_eq!(read_as_anything(&sealed(bytes[..end].to_vec())), 0, "{end}");
                    }
                }
                let mut longer = bytes.clone();
                longer.insert(bytes.len() - CHECK_BYTES, 0);
                assert_eq!(read_as_anything(&sealed(longer)), 0);
            }
        }
    }

    #[test]
    fn are_refused_or_are_exactly_a_value_if_their_checksum_fits() {
        let mut draw = Draw::new(11);
        let (mut taken, mut refused) = (0, 0);
        for seed in 0..400 {
            for bytes in samples(seed) {
                let mut wrong = bytes;
                for _ in 0..=draw.word() % 3 {
                    let at = draw.word() as usize % wrong.len();
                    wrong[at] = draw.upto(255) as u8;
                }
                match read_as_anything(&sealed(wrong)) {
                    0 => refused += 1,
                    _ => taken += 1,
                }
            }
        }
        assert!(taken > 500 && refused > 500, "both happen: {taken}, {refused}");
    }

    #[test]
    fn of_any_kind_are_refused() {
        let mut draw = Draw::new(12);
        for round in 0..100_000u64 {
            let length = draw.word() as usize % 96;
            let mut bytes: Vec<u8> = (0..length).map(|_| draw.word() as u8).collect();
            if round % 2 == 0 && length >= HEAD_BYTES + CHECK_BYTES {
                // Half of them get past the door, and have to be refused behind it or be right.
                bytes[0] = FORM;
                bytes[1] = (round / 2 % 8) as u8 + 1;
                read_as_anything(&sealed(bytes));
            } else {
                assert_eq!(read_as_anything(&bytes), 0);
            }
        }
    }
}

mod a_list {
    use super::*;

    fn of_count<T: Part + input::Listed>(count: u16, bytes: usize) -> Result<usize, Malformed> {
        let mut body = count.to_le_bytes().to_vec();
        body.resize(2 + bytes, 0);
        Vec::<T>::parse(&mut Input::of(&body)).map(|list| list.capacity())
    }

    #[test]
    fn is_no_longer_than_it_can_be() {
        assert!(of_count::<u64>(MEMBERS_MAX as u16, 8 * MEMBERS_MAX).is_ok());
        assert!(of_count::<u64>(MEMBERS_MAX as u16 + 1, 8 * MEMBERS_MAX + 8).is_err());
        assert!(of_count::<crate::message::Start>(LINE_MAX as u16, 12 * LINE_MAX).is_ok());
        assert!(of_count::<crate::message::Start>(LINE_MAX as u16 + 1, 13 * LINE_MAX).is_err());
    }

    #[test]
    fn reserves_nothing_for_items_that_are_not_there() {
        // The count alone would ask for megabytes.
        assert_eq!(of_count::<crate::row::Frame>(FRAMES_MAX as u16, 100), Err(Malformed));
        assert_eq!(of_count::<u64>(3, 23), Err(Malformed));
        assert_eq!(of_count::<u64>(3, 24), Ok(3));
        let bytes = [0; 100];
        let input = Input::of(&bytes);
        assert!(input.has_room_for::<u64>(12) && !input.has_room_for::<u64>(13));
        assert!(input.has_room_for::<crate::row::Frame>(100 / 13));
        assert!(!input.has_room_for::<crate::row::Frame>(100 / 13 + 1));
    }
}

mod a_number {
    use super::*;
    use crate::ids::{NodeId, Rank, ShardId, ViewId};

    fn takes<T: Part>(bytes: &[u8]) -> bool {
        T::parse(&mut Input::of(bytes)).is_ok()
    }

    #[test]
    fn that_is_no_identity_is_refused() {
        assert!(!takes::<NodeId>(&[0; 4]) && takes::<NodeId>(&[1, 0, 0, 0]));
        assert!(!takes::<ViewId>(&[0, 0, 0, 1]) && takes::<ViewId>(&[255, 255, 255, 0]));
        assert!(!takes::<Rank>(&[64, 0]) && takes::<Rank>(&[63, 0]));
        assert!(!takes::<ShardId>(&[0, 4]) && takes::<ShardId>(&[255, 3]));
        assert!(!takes::<bool>(&[2]) && !takes::<Option<u8>>(&[2, 0]));
    }

    #[test]
    fn that_others_count_with_is_bounded() {
        let mut row = Draw::new(1).shard_row();
        row.received = vec![1, 2];
        let counts: [fn(&mut ShardRow) -> &mut u64; 3] =
            [|row| &mut row.sent, |row| &mut row.delivered, |row| &mut row.received[1]];
        for count in counts {
            let mut wild = row.clone();
            *count(&mut wild) = crate::ids::SeqNum::MAX.number();
            assert_eq!(decode(&bytes_of(&wild)), Ok(wild.clone()));
            *count(&mut wild) += 1;
            assert_eq!(decode::<ShardRow>(&bytes_of(&wild)), Err(Malformed));
        }
        let mut wild = Draw::new(2).member_row();
        wild.held = vec![crate::row::Held {
            shard: ShardId(1),
            since: ViewId::FIRST,
            slots: u64::MAX,
            last: crate::ids::Version::ZERO,
            how: crate::row::Holding::Ready,
        }];
        assert_eq!(decode::<MemberRow>(&bytes_of(&wild)), Err(Malformed));
    }
}

mod a_frame_header {
    use super::super::frame::{FRAME_BYTES, decode, encode};
    use super::*;
    use crate::ids::SeqNum;
    use crate::limits::WINDOW_BYTES_MAX;
    use crate::row::{Content, Frame};
    use crate::time::Hlc;

    #[test]
    fn comes_back_as_it_was() {
        let mut draw = Draw::new(5);
        for _ in 0..20_000 {
            let frame = draw.frame();
            assert_eq!(decode(&encode(&frame)), Ok(frame));
        }
    }

    #[test]
    fn is_refused_whichever_bit_is_wrong() {
        let mut draw = Draw::new(6);
        for _ in 0..300 {
            let bytes = encode(&draw.frame());
            for bit in 0..FRAME_BYTES * 8 {
                let mut wrong = bytes;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&wrong), Err(Malformed), "bit {bit}");
            }
        }
    }

    #[test]
    fn is_not_found_in_memory_that_was_never_written() {
        assert_eq!(decode(&[0; FRAME_BYTES]), Err(Malformed));
        assert_eq!(decode(&[0xff; FRAME_BYTES]), Err(Malformed));
        let mut draw = Draw::new(8);
        for _ in 0..100_000 {
            let mut bytes = [0; FRAME_BYTES];
            bytes.iter_mut().for_each(|byte| *byte = draw.word() as u8);
            assert_eq!(decode(&bytes), Err(Malformed));
        }
    }

    #[test]
    fn with_a_checksum_that_fits_is_refused_or_exactly_a_frame() {
        let mut draw = Draw::new(9);
        let mut taken = 0;
        for _ in 0..50_000 {
            let mut bytes = encode(&draw.frame()).to_vec();
            let at = draw.word() as usize % (FRAME_BYTES - CHECK_BYTES);
            bytes[at] = draw.upto(255) as u8;
            let bytes: [u8; FRAME_BYTES] = sealed(bytes).try_into().unwrap();
            if let Ok(frame) = decode(&bytes) {
                assert_eq!(encode(&frame), bytes);
                taken += 1;
            }
        }
        assert!(taken > 10_000);
    }

    #[test]
    fn that_reaches_beyond_the_ring_or_the_numbers_is_refused() {
        let update = |index, offset, bytes| {
            let time = Hlc::ZERO;
            Frame { index, content: Content::Update { offset, bytes, time } }
        };
        let nulls = |index, count| Frame { index, content: Content::Nulls { count } };
        let (ring, last) = (WINDOW_BYTES_MAX, SeqNum::MAX.number());
        for good in [update(0, ring, 0), update(last - 1, 0, ring), nulls(last - 3, 3)] {
            assert_eq!(decode(&encode(&good)), Ok(good));
        }
        let bad = [
            update(0, ring, 1),
            update(0, u32::MAX, u32::MAX),
            update(last, 0, 1),
            update(u64::MAX, 0, 1),
            nulls(0, 0),
            nulls(last - 2, 3),
            nulls(u64::MAX, u32::MAX),
        ];
        for bad in bad {
            assert_eq!(decode(&encode(&bad)), Err(Malformed), "{bad:?}");
        }
    }
}
