//! Commands and snapshots as bytes, good and bad.

use notrace_store_protocol::machine::Malformed;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Op;

fn filled() -> Store {
    let mut store = Store::with_pool();
    for (name, value) in [("a", "one"), ("b", "two"), ("a", "three"), ("c/d", "")] {
        store.put(name, value);
    }
    store.delete("b");
    let session = Some(Session { id: [1; 32], request: [2; 32] });
    store.put_if("a", "four", Condition::Always, session);
    store.shred(ShredScope::Object(key("b")));
    store
}

fn commands() -> Vec<Command> {
    let store = filled();
    let session = Some(Session { id: [3; 32], request: [4; 32] });
    let (key, condition) = (key("a/b"), Condition::VersionIs(version(7)));
    let value = sealed("value", 7);
    let put = Op::Put { key: key.clone(), condition, value: value.clone() };
    let delete = Op::Delete { key: key.clone(), condition: Condition::Absent };
    let check = Op::Check { key: key.clone(), condition: Condition::Always };
    let reserved = PoolName::reserved("tasks");
    vec![
        Command::CreatePool { pool: reserved, spec: spec(Retain::Micros(5)), key_epoch: 9 },
        Command::Put { pool: pool(), key: key.clone(), condition, value, session },
        Command::Delete { pool: pool(), key: key.clone(), condition, session: None },
        Command::Transact { pool: pool(), ops: vec![put, delete, check], session },
        store.shred_command(&ShredScope::Object(key)),
        store.shred_command(&ShredScope::OlderThan(Hlc::from_wire(77))),
        store.shred_command(&ShredScope::Pool),
        Command::Configure(ObjectsConfig { bytes_max: 5, pools_max: 6 }),
    ]
}

#[test]
fn commands_come_back_and_no_shorter_or_longer_bytes_do() {
    for command in commands() {
        let bytes = Objects::encode(&command);
        assert_eq!(Objects::decode(&bytes).as_ref(), Ok(&command));
        for cut in 0..bytes.len() {
            assert_eq!(Objects::decode(&bytes[..cut]), Err(Malformed));
        }
        assert_eq!(Objects::decode(&[bytes.as_slice(), &[0]].concat()), Err(Malformed));
        assert_eq!(Objects::decode(&[&[3], &bytes[1..]].concat()), Err(Malformed));
    }
}

#[test]
fn a_value_is_encoded_in_one_piece_without_growing_the_buffer() {
    let value = Sealed { ciphertext: vec![7; 3 << 20].into(), ..sealed("x", 1) };
    let (pool, key, condition) = (pool(), key("a"), Condition::Always);
    let put = Command::Put { pool, key, condition, value, session: None };
    let bytes = Objects::encode(&put);
    assert!(bytes.capacity() < (3 << 20) + 2048, "{}", bytes.capacity());
}

#[test]
fn a_snapshot_comes_back_and_shares_its_values_while_it_is_made() {
    let store = filled();
    let bytes = store.objects.snapshot();
    assert_eq!(Objects::restore(&bytes).as_ref(), Ok(&store.objects));
    let chunks = store.objects.snapshot_chunks();
    let parts: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.as_ref().to_vec()).collect();
    assert_eq!(parts, bytes);
    assert_eq!(chunks.len(), 1 + 4);
    for cut in 0..bytes.len() {
        assert_eq!(Objects::restore(&bytes[..cut]), Err(Malformed));
    }
    assert_eq!(Objects::restore(&[bytes.as_slice(), &[0]].concat()), Err(Malformed));
}

#[test]
fn lengths_that_the_bytes_do_not_pay_for_are_refused_without_memory() {
    for command in commands() {
        let bytes = Objects::encode(&command);
        for at in 0..bytes.len() {
            // The longest number there is, in the place of whatever was there.
            let mut long = bytes[..at].to_vec();
            long.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
            long.extend_from_slice(&bytes[at..]);
            let _ = Objects::decode(&long);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Objects::decode(&bytes);
        let _ = Objects::restore(&bytes);
        let _ = Objects::decode(&[&[1], bytes.as_slice()].concat());
        let head = (bytes.len() as u64).to_be_bytes();
        let _ = Objects::restore(&[[1].as_slice(), &head, &bytes].concat());
    }

    #[test]
    fn bytes_with_a_fault_decode_to_what_encodes_again_or_are_refused(
        which in 0..8usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = Objects::encode(&commands()[which]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(command) = Objects::decode(&bytes) {
            prop_assert_eq!(Objects::decode(&Objects::encode(&command)), Ok(command));
        }
    }

    #[test]
    fn a_snapshot_with_a_fault_is_refused_or_consistent(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = filled().objects.snapshot();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(objects) = Objects::restore(&bytes) {
            prop_assert!(objects.is_consistent());
        }
    }
}
