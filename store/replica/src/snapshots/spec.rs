use std::sync::Arc;

use notrace_store_protocol::ids::{SeqNum, ViewId};
use notrace_store_protocol::time::Hlc;

use super::*;

fn place(seq: u64) -> Place {
    let version = Version::new(ViewId::FIRST, SeqNum::new(seq).unwrap());
    Place { version, time: Hlc::from_wire(seq) }
}

/// Parts of many lengths, some shared, over several chunks.
fn parts() -> Vec<Chunk> {
    let lengths = [0, 1, 40, CHUNK_BYTES - 3, 5000, 2 * CHUNK_BYTES, 7, 0, 100_000];
    let part = |(at, length): (usize, usize)| {
        let bytes: Vec<u8> = (0..length).map(|byte| (byte * 31 + at) as u8).collect();
        if at % 2 == 0 { Chunk::Owned(bytes) } else { Chunk::Shared(bytes.into()) }
    };
    lengths.into_iter().enumerate().map(part).collect()
}

fn whole(chunks: &[Chunk]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| chunk.as_ref().to_vec()).collect()
}

/// Sends a snapshot from a chunk on until the last.
fn sent(snapshot: &Snapshot, from: u32) -> Vec<Bytes> {
    let mut sent = Vec::new();
    for number in from.. {
        let cut = snapshot.chunk(number);
        sent.push(Bytes::from(cut.body.concat()));
        if cut.is_last {
            break;
        }
    }
    sent
}

mod a_snapshot {
    use super::*;

    #[test]
    fn is_the_state_in_chunks_of_one_length() {
        let snapshot = Snapshot::new(place(1), parts());
        let chunks = sent(&snapshot, 0);
        assert_eq!(chunks.concat(), whole(&parts()));
        let (_, full) = chunks.split_last().unwrap();
        assert!(full.iter().all(|chunk| chunk.len() == CHUNK_BYTES));
    }

    #[test]
    fn of_nothing_is_one_chunk() {
        assert_eq!(sent(&Snapshot::new(place(1), Vec::new()), 0), [Bytes::new()]);
    }

    #[test]
    fn hands_out_what_the_machine_shares_without_a_copy() {
        let value: Arc<[u8]> = vec![5; 3 * CHUNK_BYTES].into();
        let snapshot = Snapshot::new(place(1), vec![Chunk::Shared(value.clone())]);
        let cut = snapshot.chunk(1);
        assert_eq!(cut.body[0].as_ptr(), value[CHUNK_BYTES..].as_ptr());
    }

    #[test]
    fn has_nothing_beyond_its_end() {
        let cut = Snapshot::new(place(1), parts()).chunk(u32::MAX);
        assert!(cut.body.is_empty() && cut.is_last);
    }
}

mod kept_snapshots {
    use super::*;

    fn state(seq: u64) -> Snapshot {
        Snapshot::new(place(seq), vec![Chunk::Owned(vec![0; 3 * CHUNK_BYTES])])
    }

    #[test]
    fn bring_two_who_learn_at_once_on_while_updates_come() {
        let mut kept = Snapshots::default();
        let mut resumes: [Option<Resume>; 2] = [None, None];
        for round in 0..8 {
            let now = Duration::from_millis(round);
            let resume = &mut resumes[round as usize % 2];
            // Whoever begins can be served by no state that is not the latest.
            let latest = place(10 + round).version;
            let Some(snapshot) = kept.find(*resume, now, |version| version == latest) else {
                assert!(kept.has_room(now));
                kept.keep(state(10 + round), now);
                *resume = Some(Resume { at: latest, chunk: 0 });
                continue;
            };
            let at = snapshot.place.version;
            let chunk = resume.filter(|it| it.at == at).map_or(0, |it| it.chunk);
            *resume = Some(Resume { at, chunk: chunk + 1 });
        }
        assert!(resumes.iter().all(|resume| resume.unwrap().chunk == 3));
    }

    #[test]
    fn serve_the_next_who_comes_as_well() {
        let mut kept = Snapshots::default();
        kept.keep(state(1), Duration::ZERO);
        let again = kept.find(None, Duration::ZERO, |_| true);
        assert_eq!(again.unwrap().place, place(1));
        assert!(kept.find(None, Duration::ZERO, |_| false).is_none());
    }

    #[test]
    fn are_few_and_one_that_is_used_does_not_go() {
        let mut kept = Snapshots::default();
        for seq in 0..SNAPSHOTS_MAX as u64 {
            assert!(kept.has_room(Duration::ZERO));
            kept.keep(state(seq), Duration::from_millis(seq));
        }
        assert!(!kept.has_room(Duration::from_millis(5)));
        let now = SNAPSHOT_RESTS;
        let named = Some(Resume { at: place(0).version, chunk: 1 });
        assert!(kept.find(named, now, |_| false).is_some());
        assert!(kept.has_room(SNAPSHOT_RESTS + Duration::from_millis(1)));
        kept.keep(state(9), now);
        assert!(kept.find(named, now, |_| false).is_some(), "the one that rests goes");
    }
}

mod a_learner {
    use super::*;

    fn resume(seq: u64, chunk: u32) -> Resume {
        Resume { at: place(seq).version, chunk }
    }

    fn full() -> Bytes {
        vec![1; CHUNK_BYTES].into()
    }

    #[test]
    fn puts_together_what_was_sent() {
        let chunks = sent(&Snapshot::new(place(1), parts()), 0);
        let mut partial = Partial::default();
        let last = chunks.len() as u32 - 1;
        for (number, chunk) in (0..).zip(chunks) {
            let position = if number == last { Position::Last } else { Position::Within };
            match partial.gather(resume(1, number), position, chunk) {
                Gathered::Part(next) => assert_eq!(next, resume(1, number + 1)),
                Gathered::Whole(state) => {
                    assert_eq!(in_one_piece(state).unwrap(), whole(&parts()));
                    return;
                }
                Gathered::Nothing => panic!("a chunk was refused"),
            }
        }
        panic!("the last chunk did not complete it");
    }

    #[test]
    fn takes_nothing_out_of_turn_and_begins_anew_then() {
        let mut partial = Partial::default();
        let mut gather = |here, bytes| partial.gather(here, Position::Within, bytes);
        assert!(matches!(gather(resume(1, 1), full()), Gathered::Nothing));
        assert!(matches!(gather(resume(1, 0), full()), Gathered::Part(_)));
        assert!(matches!(gather(resume(1, 2), full()), Gathered::Nothing));
        assert!(matches!(gather(resume(1, 1), full()), Gathered::Nothing));
        assert!(matches!(gather(resume(2, 0), full()), Gathered::Part(_)));
    }

    #[test]
    fn takes_no_chunk_that_no_donor_sends() {
        let mut partial = Partial::default();
        for length in [0, CHUNK_BYTES - 1, CHUNK_BYTES + 1] {
            let chunk = Bytes::from(vec![0; length]);
            let gathered = partial.gather(resume(1, 0), Position::Within, chunk);
            assert!(matches!(gathered, Gathered::Nothing));
        }
        let long = Bytes::from(vec![0; CHUNK_BYTES + 1]);
        assert!(matches!(partial.gather(resume(1, 0), Position::Last, long), Gathered::Nothing));
    }
}
