//! Every readable byte of a process, and what it holds open.
//!
//! Pages of secret memory cannot be read by anybody, and are the one thing that is passed over.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{SeekFrom, seek};

use crate::find::{Find, Finds, Pieces, Place};
use crate::places::processes::threads;
use crate::search::Search;

const PIECE_BYTES: usize = 1 << 20;
const PAGE_BYTES: u64 = 4096;
const PAGES_AT_ONCE: u64 = 64 << 10;
/// Bits of a page's entry. Source: the kernel's `Documentation/admin-guide/mm/pagemap.rst`.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

/// Looks through the pages that the process `id` has. Where is said as `role` and the mapping.
///
/// # Errors  The process is gone, or this user may not look into it.
pub fn of_process(search: &Search, id: u32, role: &str) -> Result<Vec<Find>> {
    let memory = File::open(format!("/proc/{id}/mem")).context("opening a process's memory")?;
    let present = File::open(format!("/proc/{id}/pagemap")).context("opening its page map")?;
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).context("reading its mappings")?;
    let (mut finds, mut read_any) = (Finds::new(search, Place::Memory), false);
    let stacks = stacks(id);
    for line in maps.lines() {
        let Some((from, to, name)) = mapping(line) else { continue };
        let stack = stacks.iter().find(|(pointer, _)| (from..to).contains(pointer));
        let name = match stack {
            Some((pointer, thread)) => format!("stack of {thread}, now at {pointer:#x}"),
            None => name.to_owned(),
        };
        let at = format!("{role} {id}: {name}");
        // Of memory that is shared, a page may be there that this process never touched.
        if line.split(' ').nth(1).is_some_and(|rights| rights.ends_with('s')) {
            let path = format!("/proc/{id}/map_files/{from:x}-{to:x}");
            if let Ok(file) = File::open(path) {
                through_data(&mut finds, &file, &at);
                continue;
            }
        }
        for (from, to) in present_runs(&present, from, to) {
            read_any |= through(&mut finds, &memory, from..to, &at);
        }
    }
    ensure!(read_any, "no memory of process {id} could be read");
    Ok(finds.all)
}

/// Looks through what a process holds open and nobody finds by a name: files in memory, mapped or
/// not, and files whose name is gone.
pub fn of_open_files(search: &Search, id: u32, role: &str) -> Vec<Find> {
    let mut finds = Finds::new(search, Place::OpenFiles);
    for (path, target) in open_files(id) {
        let nameless = target.starts_with("/memfd:") || target.ends_with(" (deleted)");
        let is_file =
            |path: &Path| fs::metadata(path).is_ok_and(|about| !about.file_type().is_char_device());
        if !nameless || !is_file(&path) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        through_data(&mut finds, &file, &format!("{role} {id}: {target}"));
    }
    finds.all
}

/// Looks through all of a file but its holes: reading one would fill it with pages.
fn through_data(finds: &mut Finds<'_>, file: &File, at: &str) {
    let mut from = 0;
    while let Ok(start) = seek(file, SeekFrom::Data(from)) {
        let Ok(end) = seek(file, SeekFrom::Hole(start)) else { break };
        through(finds, file, start..end, at);
        from = end;
    }
}

/// Where the stacks of threads that wait are, and whose they are.
fn stacks(id: u32) -> Vec<(u64, String)> {
    let pointer = |thread: &String| {
        let call = fs::read_to_string(format!("/proc/{id}/task/{thread}/syscall")).ok()?;
        // The stack pointer stands before the last word.
        let word = call.split_whitespace().rev().nth(1)?.strip_prefix("0x")?.to_owned();
        let name = fs::read_to_string(format!("/proc/{id}/task/{thread}/comm")).ok()?;
        Some((u64::from_str_radix(&word, 16).ok()?, name.trim().to_owned()))
    };
    threads(id).iter().filter_map(pointer).collect()
}

/// The descriptors of a process, and what each is of.
pub(super) fn open_files(id: u32) -> Vec<(std::path::PathBuf, String)> {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.display().to_string();
        Some((entry.path(), target))
    });
    named.collect()
}

/// Looks through a range of a file, as far as it can be read; whether any of it could.
fn through(finds: &mut Finds<'_>, file: &File, range: core::ops::Range<u64>, at: &str) -> bool {
    let (mut place, mut pieces) = (range.start, Pieces::default());
    let mut room = vec![0; PIECE_BYTES.min((range.end - range.start) as usize)];
    while place < range.end {
        let wanted = room.len().min((range.end - place) as usize);
        let Some(part) = room.get_mut(..wanted) else { break };
        let Ok(length @ 1..) = file.read_at(part, place) else { break };
        finds.look_on(&mut pieces, part.get(..length).unwrap_or_default(), at, place);
        place += length as u64;
    }
    place > range.start
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
    readable.then_some((bounds.0, bounds.1, rest.split_whitespace().last().unwrap_or("")))
}
