//! What a hunt brings home.

use core::fmt;

use crate::canary::What;
use crate::search::{Found, Search};
use crate::spelling::Spelling;

/// Where one looks. Each has a positive control in every run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// Every readable page of every process: heaps, stacks, shared memory.
    Memory,
    /// The registers of threads that wait in the kernel, as far as it shows them.
    Registers,
    /// What processes hold open: files in memory, and files without a name.
    OpenFiles,
    /// Every file below the node's folder and its folder for temporary files.
    Files,
    /// The blocks below the node's folder, as a disk has them.
    Image,
    /// The file that the kernel writes of a process that crashes.
    CoreFile,
    /// What the kernel tells of processes to everybody: command lines, environments, names.
    ProcessTable,
    /// What the node prints.
    Output,
    /// Everything other clients are answered, refusals included.
    Answers,
    /// Receipts and the ledger.
    Receipts,
    /// Every frame on the network.
    Wire,
    /// The kernel's own log, keyrings and shared memory.
    Kernel,
    /// Not bytes but rights: what somebody could do to a process to see them.
    Fences,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Place::Memory => "memory",
            Place::Registers => "registers",
            Place::OpenFiles => "open files",
            Place::Files => "files",
            Place::Image => "block image",
            Place::CoreFile => "core file",
            Place::ProcessTable => "process table",
            Place::Output => "output",
            Place::Answers => "answers",
            Place::Receipts => "receipts",
            Place::Wire => "wire",
            Place::Kernel => "kernel",
            Place::Fences => "fences",
        })
    }
}

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Find {
    /// Which hunt found it.
    pub place: Place,
    /// Where exactly: a process and its mapping, a file, a path that was asked for.
    pub at: String,
    /// What it is.
    pub is: Is,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Is {
    /// Fragments of a canary.
    Canary(What, Spelling, usize),
    /// A state that should not be.
    State(&'static str),
}

impl fmt::Display for Find {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is {
            Is::Canary(what, spelling, count) => {
                write!(formatter, "{}: {count} fragments of {what:?}, {spelling:?}", self.place)?;
            }
            Is::State(state) => write!(formatter, "{}: {state}", self.place)?,
        }
        write!(formatter, ", at {}", self.at)
    }
}

/// Finds of one place, gathered.
pub struct Finds<'a> {
    search: &'a Search,
    place: Place,
    /// What was found so far.
    pub all: Vec<Find>,
}

impl<'a> Finds<'a> {
    /// None yet.
    pub fn new(search: &'a Search, place: Place) -> Self {
        Self { search, place, all: Vec::new() }
    }

    /// Looks through `bytes`, which are at `at`.
    pub fn look(&mut self, bytes: &[u8], at: &str) {
        self.note(self.search.found_in(bytes), at, None);
    }

    /// Looks through bytes that come in pieces, of which this one begins at `begin`.
    pub fn look_on(&mut self, pieces: &mut Pieces, bytes: &[u8], at: &str, begin: u64) {
        let begin = begin.saturating_sub(pieces.0.len() as u64);
        let found = self.search.found_in(pieces.joined(bytes));
        self.note(found, at, Some(begin));
        pieces.keep_end();
    }

    fn note(&mut self, found: Found, at: &str, begin: Option<u64>) {
        let place = self.place;
        self.all.extend(found.into_iter().map(|((what, spelling), hits)| Find {
            place,
            at: match begin {
                None => at.to_owned(),
                Some(begin) => {
                    let [first, last] = [hits.first, hits.last].map(|end| begin + end as u64);
                    format!("{at}, {first:#x} to {last:#x}")
                }
            },
            is: Is::Canary(what, spelling, hits.count),
        }));
    }
}

/// The end of the piece before, which comes first when the next is searched.
#[derive(Default)]
pub struct Pieces(Vec<u8>);

impl Pieces {
    fn joined(&mut self, bytes: &[u8]) -> &[u8] {
        self.0.extend_from_slice(bytes);
        &self.0
    }

    fn keep_end(&mut self) {
        let kept = self.0.len().min(Search::OVERLAP_BYTES);
        self.0.drain(..self.0.len() - kept);
    }
}
