//! What the machine itself takes for the steps that a durable put cannot do without.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::cluster::histogram::Histogram;
use crate::cluster::now;

const APPENDS: usize = 1_000;
const APPEND_BYTES: usize = 512;
const ROUND_TRIPS: usize = 20_000;
const ROUND_TRIP_BYTES: usize = 64;

/// Whether a file has its length before it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// It grows with each write.
    Grows,
    /// It was filled and synced before, as most logs do.
    Filled,
}

/// How long `fdatasync` takes after each of a thousand small appends to each of `files` files at
/// once.
pub(crate) fn syncs(dir: &Path, files: usize, space: Space) -> Result<Histogram> {
    let barrier = Barrier::new(files);
    let mut times = Histogram::default();
    thread::scope(|scope| {
        let begin = |number| {
            let (path, barrier) = (dir.join(format!("sync-{number}")), &barrier);
            scope.spawn(move || {
                let file = prepare(&path, space);
                // Met by all, also by one whose file could not be made.
                barrier.wait();
                append(file?)
            })
        };
        let threads: Vec<_> = (0..files).map(begin).collect();
        for thread in threads {
            times.merge(&thread.join().ok().context("a thread ended early")??);
        }
        Ok(times)
    })
}

fn prepare(path: &Path, space: Space) -> Result<File> {
    let mut file = File::create(path)?;
    if space == Space::Filled {
        file.write_all(&vec![0; APPENDS * APPEND_BYTES])?;
        file.sync_all()?;
        file.seek(SeekFrom::Start(0))?;
    }
    Ok(file)
}

fn append(mut file: File) -> Result<Histogram> {
    let mut times = Histogram::default();
    for _ in 0..APPENDS {
        file.write_all(&[7; APPEND_BYTES])?;
        let began = now();
        file.sync_data()?;
        times.record(began.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

/// Where the two ends of a connection run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// On the first processor, by turns.
    Together,
    /// On the first and on the second.
    Apart,
}

/// How long 64 bytes take there and back over a TCP connection on loopback, between two threads
/// that sleep in between. Left to itself, the kernel places the two by chance, and what is
/// measured differs tenfold.
pub(crate) fn round_trips(ends: Ends) -> Result<Histogram> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = thread::spawn(move || {
        stay(usize::from(ends == Ends::Apart));
        let mut bytes = [0; ROUND_TRIP_BYTES];
        while far.read_exact(&mut bytes).and_then(|()| far.write_all(&bytes)).is_ok() {}
    });
    let asker = thread::spawn(move || {
        stay(0);
        let mut times = Histogram::default();
        let mut bytes = [7; ROUND_TRIP_BYTES];
        for _ in 0..ROUND_TRIPS {
            let began = now();
            near.write_all(&bytes)?;
            near.read_exact(&mut bytes)?;
            times.record(began.elapsed().as_nanos() as u64);
        }
        Ok(times)
    });
    let times = asker.join().ok().context("a thread ended early")?;
    echo.join().ok().context("a thread ended early")?;
    times
}

/// Keeps this thread on one processor, where the machine lets it.
fn stay(processor: usize) {
    let mut processors = CpuSet::new();
    processors.set(processor);
    let _ = sched_setaffinity(None, &processors);
}

/// Processor time that the whole machine has used so far.
pub(crate) fn busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // User, nice, system, idle, waiting for disks, interrupts: two of them are rest. What guests
    // use is in user time already, and what a host took away was used by nobody here.
    let used = ticks.iter().take(7).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    Duration::from_millis(10 * used.map(|(_, ticks)| ticks).sum::<u64>())
}

/// The machine in one line: processors, memory, kernel, and what the files lie on.
pub(crate) fn describe(dir: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
    };
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let model = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{processors} processors ({model}), {:.0} GB of memory, Linux {}, files on {}",
        kib / 1024.0 / 1024.0,
        kernel.trim(),
        mount(dir, &read("/proc/mounts"))
    )
}

/// The file system that `dir` is on: its kind and its device.
fn mount(dir: &Path, mounts: &str) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let found = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place, kind) = (words.next()?, words.next()?, words.next()?);
        dir.starts_with(place).then_some((place.len(), format!("{kind} ({device})")))
    });
    found.max_by_key(|(length, _)| *length).map(|(_, text)| text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_is_the_one_a_folder_is_on() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev tmpfs rw 0 0\n";
        assert_eq!(mount(Path::new("/dev"), mounts), "tmpfs (tmpfs)");
        assert_eq!(mount(Path::new("/"), mounts), "ext4 (/dev/a)");
    }

    #[test]
    fn a_machine_that_runs_a_test_has_been_busy() {
        assert!(busy() > Duration::ZERO);
    }

    #[test]
    fn every_append_and_every_round_trip_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let times = syncs(dir.path(), 2, Space::Filled).unwrap();
        assert_eq!(times.total(), 2 * APPENDS as u64);
        assert!(times.quantile(0.5) > 0);
        assert_eq!(round_trips(Ends::Apart).unwrap().total(), ROUND_TRIPS as u64);
    }
}
