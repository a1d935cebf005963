use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// The definition in RFC 6962 section 2.1, word for word and as slow.
fn naive_root(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => tlog_tiles::EMPTY_HASH,
        [leaf] => record_hash(leaf),
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node_hash(naive_root(left), naive_root(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
fn naive_path(index: usize, leaves: &[Vec<u8>]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, other) = if index < split {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - split, right), naive_root(left))
    };
    path.push(other);
    path
}

#[derive(Default)]
struct Grown {
    edge: Edge,
    full: HashMap<(u8, u64), Arc<Subtree>>,
}

impl Grown {
    fn of(leaves: &[Vec<u8>]) -> Self {
        let mut grown = Self::default();
        for leaf in leaves {
            grown.edge.append(leaf, |tile, subtree| {
                let Rows::Hashes(level) = tile.rows() else { panic!("entries in the tree") };
                assert_eq!(subtree.width(), 256);
                assert!(grown.full.insert((level, tile.index()), subtree).is_none());
            });
        }
        grown
    }
}

impl Tiles for Grown {
    fn subtree(&self, level: u8, index: u64) -> Option<Arc<Subtree>> {
        let full = self.full.get(&(level, index)).cloned();
        full.or_else(|| self.edge.subtree(level, index))
    }
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("leaf {number}").into_bytes()).collect()
}

fn hex(hash: Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

mod a_tree {
    use super::*;

    #[test]
    fn has_the_roots_that_certificate_transparency_gives_it() {
        // Source: the test vectors of the reference implementation of RFC 6962.
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut edge = Edge::default();
        assert_eq!(hex(edge.root()), roots[0]);
        for (input, root) in inputs.iter().zip(&roots[1..]) {
            edge.append(input, |_, _| panic!("no tile is full"));
            assert_eq!(hex(edge.root()), *root);
        }
    }

    #[test]
    fn is_resumed_from_its_edge() {
        for size in [0usize, 1, 255, 256, 257, 511, 512, 66_000] {
            let grown = Grown::of(&leaves(size));
            let resumed = Edge::resume(size as u64, |tile| {
                let Rows::Hashes(level) = tile.rows() else { return None };
                grown.edge.partial(level).map(|(_, subtree)| subtree.hashes().to_vec())
            });
            let resumed = resumed.unwrap();
            assert!(resumed.root() == grown.edge.root(), "{size}");
            assert!(size % 256 == 0 || Edge::resume(size as u64, |_| None).is_err());
            assert!(size % 256 == 0 || Edge::resume(size as u64, |_| Some(Vec::new())).is_err());
        }
    }

    #[test]
    fn refuses_questions_beyond_itself() {
        let grown = Grown::of(&leaves(5));
        let out = Err(ProofError::OutOfRange);
        assert_eq!(prove_inclusion(5, 5, &grown), out);
        assert_eq!(prove_inclusion(u64::MAX, 5, &grown), out);
        assert_eq!(prove_inclusion(7, 5, &grown), Err(ProofError::TileMissing));
        assert_eq!(prove_consistency(5, 6, &grown), out);
        let root = grown.edge.root();
        let endless = vec![root; 64];
        for (size, index) in [(0, 0), (5, 5), (u64::MAX, 1), (1 << 48, 1)] {
            assert!(check_inclusion(&endless, (size, root), index, b"").is_err());
        }
        assert!(check_consistency(&endless, (5, root), (0, root)).is_err());
        assert!(check_consistency(&vec![], (4, root), (5, root)).is_err());
        assert!(check_consistency(&vec![], (u64::MAX, root), (5, root)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn inclusion_is_proved_as_the_definition_proves_it(
        size in 1usize..600, pick in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let leaves = leaves(size);
        let grown = Grown::of(&leaves);
        let root = naive_root(&leaves);
        prop_assert_eq!(grown.edge.root(), root);
        let index = pick.index(size);
        let head = (size as u64, root);
        let mut proof = prove_inclusion(size as u64, index as u64, &grown).unwrap();
        prop_assert_eq!(&proof, &naive_path(index, &leaves));
        let check = |proof: &Vec<Hash>, index: usize, leaf: &[u8]| {
            check_inclusion(proof, head, index as u64, leaf)
        };
        prop_assert_eq!(check(&proof, index, &leaves[index]), Ok(()));
        prop_assert!(check(&proof, index, b"another").is_err());
        for other in (0..size).filter(|&other| other != index) {
            prop_assert!(check(&proof, other, &leaves[index]).is_err());
        }
        let longer = [proof.as_slice(), &[root]].concat();
        prop_assert!(check(&longer, index, &leaves[index]).is_err());
        for place in 0..proof.len() {
            proof[place].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check(&proof, index, &leaves[index]).is_err());
            proof[place].0[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn consistency_holds_between_any_two_sizes_and_nothing_else(
        new in 0usize..600, pick in any::<prop::sample::Index>(),
    ) {
        let leaves = leaves(new);
        let old = pick.index(new + 1);
        let grown = Grown::of(&leaves);
        let now = (new as u64, naive_root(&leaves));
        let then = (old as u64, naive_root(&leaves[..old]));
        let proof = prove_consistency(new as u64, old as u64, &grown).unwrap();
        prop_assert_eq!(check_consistency(&proof, now, then), Ok(()));
        let mut forked = leaves[..old].to_vec();
        if let Some(last) = forked.last_mut() {
            last.push(b'!');
            let fork = (old as u64, naive_root(&forked));
            prop_assert!(check_consistency(&proof, now, fork).is_err());
        }
        let longer = [proof.as_slice(), &[now.1]].concat();
        prop_assert!(check_consistency(&longer, now, then).is_err());
    }
}
