//! Where to look: every readable byte of a process, every byte of every file.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::{SeekFrom, seek};

use crate::canary::{Canary, Form};

const PIECE_BYTES: usize = 1 << 20;
const PAGE_BYTES: u64 = 4096;
const PAGES_AT_ONCE: u64 = 64 << 10;
/// Bits of a page's entry. Source: the kernel's `Documentation/admin-guide/mm/pagemap.rst`.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

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

/// Looks through all memory of the process `id`: the pages it has, and the memory files it holds
/// open. Pages of secret memory cannot be read by anybody, and are the one thing that is passed
/// over.
///
/// # Errors  The process is gone, or this user may not look into it.
pub fn in_memory(canary: &Canary, id: u32) -> Result<Vec<Find>> {
    let memory = File::open(format!("/proc/{id}/mem")).context("opening a process's memory")?;
    let present = File::open(format!("/proc/{id}/pagemap")).context("opening its page map")?;
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).context("reading its mappings")?;
    let mut hunt = Hunt { canary, finds: Vec::new(), read_any: false };
    for line in maps.lines() {
        let Some((from, to, place)) = mapping(line) else { continue };
        for (from, to) in present_runs(&present, from, to) {
            hunt.through(&memory, from, to, place);
        }
    }
    anyhow::ensure!(hunt.read_any, "no memory of process {id} could be read");
    hunt.memory_files(id);
    Ok(hunt.finds)
}

struct Hunt<'a> {
    canary: &'a Canary,
    finds: Vec<Find>,
    read_any: bool,
}

impl Hunt<'_> {
    /// Looks through a range of a file, as far as it can be read.
    fn through(&mut self, file: &File, from: u64, to: u64, place: &str) {
        let (mut at, mut piece) = (from, Vec::new());
        while at < to {
            // The end of the piece before comes first, so that nothing falls between two.
            let kept = piece.len().min(Canary::OVERLAP_BYTES);
            piece.drain(..piece.len() - kept);
            piece.resize(kept + PIECE_BYTES.min((to - at) as usize), 0);
            let room = piece.get_mut(kept..).unwrap_or_default();
            let Ok(length @ 1..) = file.read_at(room, at) else { break };
            self.read_any = true;
            piece.truncate(kept + length);
            note(&mut self.finds, self.canary, &piece, place);
            at += length as u64;
        }
    }

    /// Looks through what lies in memory files that a process holds open, mapped or not.
    fn memory_files(&mut self, id: u32) {
        for entry in fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten() {
            let path = entry.path();
            let target = fs::read_link(&path).unwrap_or_default().display().to_string();
            if !target.starts_with("/memfd:") {
                continue;
            }
            let Ok(file) = File::open(&path) else { continue };
            let mut at = 0;
            // Holes are passed over: reading one would fill it with pages.
            while let Ok(from) = seek(&file, SeekFrom::Data(at)) {
                let Ok(to) = seek(&file, SeekFrom::Hole(from)) else { break };
                self.through(&file, from, to, &format!("process {id}: {target}"));
                at = to;
            }
        }
    }
}

/// The parts of a mapping whose pages are there. The others hold nothing, and reading them would
/// make them.
fn present_runs(pagemap: &File, from: u64, to: u64) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut at = from;
    while at < to {
        let pages = ((to - at) / PAGE_BYTES).min(PAGES_AT_ONCE);
        let mut entries = vec![0; pages as usize * 8];
        let Ok(length @ 8..) = pagemap.read_at(&mut entries, at / PAGE_BYTES * 8) else { break };
        for entry in entries.get(..length).unwrap_or_default().chunks_exact(8) {
            let entry = entry.try_into().map_or(0, u64::from_le_bytes);
            if entry & (PRESENT | SWAPPED) != 0 {
                match runs.last_mut() {
                    Some(last) if last.1 == at => last.1 += PAGE_BYTES,
                    _ => runs.push((at, at + PAGE_BYTES)),
                }
            }
            at += PAGE_BYTES;
        }
    }
    runs
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

/// The bounds and the name of a mapping that can be read and could hold data: a file's pages that
/// nobody may write hold what the file holds, and files are searched apart.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let (rights, rest) = rest.split_once(' ')?;
    let is_file = rest.split_whitespace().nth(2) != Some("0");
    let is_kernels = rest.contains("[vvar") || rest.contains("[vsyscall");
    let readable = rights.starts_with('r') && !is_kernels;
    let readable = readable && (rights.contains('w') || rights.contains('s') || !is_file);
    let bounds = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    readable.then_some((bounds.0, bounds.1, line))
}
