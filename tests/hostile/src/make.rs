//! What is fed to a node, by number.

mod binary;
mod bomb;
mod command;
mod mutant;
mod smith;
mod written;

use core::fmt;

use anyhow::Result;

use crate::random::Random;

pub use bomb::BOMBS;
pub use mutant::Corpus;
pub use written::{Written, written};

/// Where a module comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A command that nobody wrote.
    Command,
    /// A component that nobody wrote, valid or nearly.
    Component,
    /// A module of the specification's tests, changed within what is valid, and made a command.
    Mutant,
    /// Bytes of a module or component, changed anywhere.
    Bytes,
    /// Something that is small to send and large to take in.
    Bomb,
    /// Written by hand.
    Written,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Command => "command that nobody wrote",
            Kind::Component => "component that nobody wrote",
            Kind::Mutant => "mutant of the specification's tests",
            Kind::Bytes => "changed bytes",
            Kind::Bomb => "bomb",
            Kind::Written => "written by hand",
        })
    }
}

/// A module to be fed.
pub struct Made {
    /// Where it comes from.
    pub kind: Kind,
    /// What it is, for whoever looks for it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Makes modules.
pub struct Maker {
    corpus: Corpus,
    written: Vec<Written>,
}

impl Maker {
    /// # Errors  A module that was written by hand is no module.
    pub fn new() -> Result<Self> {
        Ok(Self { corpus: Corpus::default(), written: written()? })
    }

    /// Module `number` under `seed`: the same bytes each time.
    pub fn make(&mut self, seed: u64, number: u64) -> Made {
        let mut random = Random::of(seed, number);
        let random = &mut random;
        match random.below(100) {
            0..42 => {
                let bytes = smith::command(random);
                Made { kind: Kind::Command, name: "smith".to_owned(), bytes }
            }
            42..47 => {
                let bytes = smith::component(random);
                Made { kind: Kind::Component, name: "smith".to_owned(), bytes }
            }
            47..80 => {
                let (name, module) = self.corpus.any(random);
                let bytes = mutant::mutated(&command::made_of(&module, random), random);
                Made { kind: Kind::Mutant, name, bytes }
            }
            80..90 => {
                let (name, bytes) = match random.one_in(2) {
                    true => self.corpus.any(random),
                    false => self.by_hand(random),
                };
                Made { kind: Kind::Bytes, name, bytes: mutant::garbled(bytes, random) }
            }
            90..92 => {
                let (name, bytes) = bomb::any(random);
                Made { kind: Kind::Bomb, name, bytes }
            }
            _ => {
                let (name, bytes) = self.by_hand(random);
                Made { kind: Kind::Written, name, bytes }
            }
        }
    }

    /// All that was written by hand, and each bomb as large as it gets.
    pub fn by_hand_all(&self) -> Vec<Made> {
        let written = self.written.iter().map(|written| Made {
            kind: Kind::Written,
            name: written.name.clone(),
            bytes: written.bytes.clone(),
        });
        let bombs = BOMBS.iter().map(|bomb| Made {
            kind: Kind::Bomb,
            name: bomb.name.to_owned(),
            bytes: (bomb.make)(bomb.most),
        });
        written.chain(bombs).collect()
    }

    fn by_hand(&self, random: &mut Random) -> (String, Vec<u8>) {
        match random.of_these(&self.written) {
            Some(written) => (written.name.clone(), written.bytes.clone()),
            None => Default::default(),
        }
    }
}

#[cfg(test)]
mod a_maker {
    use super::*;

    #[test]
    fn makes_the_same_module_of_the_same_seed_and_number() {
        let (mut one, mut other) = (Maker::new().unwrap(), Maker::new().unwrap());
        for number in (0..40).rev() {
            let last = other.make(3, number).bytes;
            assert_eq!(one.make(3, number).bytes, last, "{number}");
        }
    }

    #[test]
    fn makes_modules_most_of_which_are_valid() {
        let mut maker = Maker::new().unwrap();
        let (mut sum, mut valid) = (0, 0);
        for made in (0..200).map(|number| maker.make(5, number)) {
            if matches!(made.kind, Kind::Command | Kind::Mutant) {
                sum += 1;
                valid += u32::from(wasmparser::validate(&made.bytes).is_ok());
            }
        }
        assert!(valid * 10 > sum * 6, "{valid} of {sum}");
    }
}
