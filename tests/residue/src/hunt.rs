//! Where to look: every readable byte of a process, every byte of every file.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::canary::{Canary, Form};

const PIECE_BYTES: usize = 1 << 20;

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Find {
    /// The mapping or the file.
    pub place: String,
    /// In which form.
    pub form: Form,
    /// How many fragments of it.
    pub fragments: usize,
}

/// Looks through all memory of the process `id`. Pages of secret memory cannot be read by anybody,
/// and are the one thing that is passed over.
///
/// # Errors  The process is gone, or this user may not look into it.
pub fn in_memory(canary: &Canary, id: u32) -> Result<Vec<Find>> {
    let memory = File::open(format!("/proc/{id}/mem")).context("opening a process's memory")?;
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).context("reading its mappings")?;
    let mut finds = Vec::new();
    let mut read_any = false;
    for line in maps.lines() {
        let Some((from, to, place)) = mapping(line) else { continue };
        let mut at = from;
        while at < to {
            let mut piece = vec![0; PIECE_BYTES.min((to - at) as usize)];
            let Ok(length) = memory.read_at(&mut piece, at) else { break };
            if length == 0 {
                break;
            }
            read_any = true;
            piece.truncate(length);
            note(&mut finds, canary, &piece, place);
            at += length as u64;
            if at < to {
                at = at.saturating_sub(Canary::OVERLAP_BYTES as u64).max(from + 1);
            }
        }
    }
    anyhow::ensure!(read_any, "no memory of process {id} could be read");
    Ok(finds)
}

/// Looks through every file below `dir`.
///
/// # Errors  A file cannot be read.
pub fn in_files(canary: &Canary, dir: &Path) -> Result<Vec<Find>> {
    let mut finds = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            finds.extend(in_files(canary, &path)?);
            continue;
        }
        let place = path.display().to_string();
        note(&mut finds, canary, place.as_bytes(), &place);
        let mut file = File::open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        note(&mut finds, canary, &bytes, &place);
    }
    Ok(finds)
}

fn note(finds: &mut Vec<Find>, canary: &Canary, bytes: &[u8], place: &str) {
    for (form, fragments) in canary.found_in(bytes) {
        finds.push(Find { place: place.to_owned(), form, fragments });
    }
}

/// The bounds and the name of a mapping that can be read.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let readable = rest.starts_with('r') && !rest.contains("[vvar") && !rest.contains("[vsyscall");
    let bounds = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    readable.then_some((bounds.0, bounds.1, line))
}
