//! How many bits a second two colluding tenants get across by being felt.
//!
//! The sender's tasks work in a slot of time, or do not; the receiver's task always has the same to
//! do, and its client, who has a clock, sees how long that takes. Both know when slots begin. A few
//! slots that are known teach the receiver where the line is; the rest is read by it. What gets
//! across is the mutual information of what was sent and what was read, for each slot's time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use notrace_tests_rig::link::connect_as;
use notrace_tests_rig::{Link, Node};
use tokio::time::{Instant, sleep_until};

const TASK: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 264)
  (func $work (param $times i32) (local $x f64)
    (local.set $x (f64.const 3))
    (if (local.get $times) (then (loop $again
      (local.set $x (f64.add (f64.const 1) (f64.sqrt (f64.sqrt (f64.sqrt (f64.sqrt
        (local.get $x)))))))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (f64.store (i32.const 512) (local.get $x)))
  (func $walk (param $times i32) (local $at i32)
    (if (local.get $times) (then (loop $again
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 4160)) (i32.const 0xffffff)))
      (i64.store offset=65536 (local.get $at)
        (i64.add (i64.load offset=65536 (local.get $at)) (i64.const 1)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))))
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 64))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.load8_u (i32.const 1024))
      (then (call $walk (i32.load (i32.const 1028))))
      (else (call $work (i32.load (i32.const 1028)))))))"#;

/// Slots that are known to both, and those that are read.
const KNOWN: usize = 40;
const READ: usize = 160;
/// The same where each slot takes more than a second.
const KNOWN_SLOW: usize = 10;
const READ_SLOW: usize = 30;
const SLOTS: [Duration; 3] =
    [Duration::from_millis(25), Duration::from_millis(50), Duration::from_millis(100)];
const SLOW_SLOT: Duration = Duration::from_millis(1200);

/// What is measured: a mode, and whether answers wait for a full second.
const SETUPS: [(&str, bool); 5] = [
    ("shared", false),
    ("tenant_exclusive_core", false),
    ("tenant_exclusive_node", false),
    ("shared", true),
    ("tenant_exclusive_core", true),
];
const LOADS: [(&str, u8); 2] = [("processor", 0), ("memory", 1)];

/// Measures all modes, and prints a table.
pub(crate) async fn measure() -> Result<()> {
    say("| mode | answers | load | slot | errors | bits/s |\n|---|---|---|---:|---:|---:|")?;
    for (mode, quantum) in SETUPS {
        for (name, load) in LOADS {
            let stage = Stage::set(mode, quantum).await?;
            let slots: &[Duration] = if quantum { &[SLOW_SLOT] } else { &SLOTS };
            let mut best: Option<Across> = None;
            for slot in slots {
                let across = stage.across(load, *slot).await?;
                if best.as_ref().is_none_or(|best| across.bits_a_second > best.bits_a_second) {
                    best = Some(across);
                }
            }
            let Across { slot, errors, bits_a_second } = best.context("no slot was tried")?;
            let answers = if quantum { "each full second" } else { "at once" };
            let mode = mode.replace('_', " ");
            let (errors, slot) = (100.0 * errors, slot.as_millis());
            let mut row = String::new();
            write!(row, "| {mode} | {answers} | {name} | {slot} ms | {errors:.0} % |")?;
            say(&format!("{row} {bits_a_second:.2} |"))?;
        }
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// What got across.
struct Across {
    slot: Duration,
    /// Which part of the bits was read wrongly.
    errors: f64,
    bits_a_second: f64,
}

struct Stage {
    node: Node,
    path: String,
    quantum: bool,
}

impl Stage {
    async fn set(mode: &str, quantum: bool) -> Result<Self> {
        let node = Node::start_as(tempfile::tempdir()?, 0, |command| {
            command.arg("--cohosting").arg(mode);
        });
        let node = node.await?;
        let pushed = node.push(wat::parse_str(TASK)?).await?;
        let digest = pushed.get("digest").and_then(|digest| digest.as_str());
        let path = format!("/v1/tasks/{}/run", digest.context("a digest")?);
        let mut link = node.link().await?;
        let json = [("content-type", "application/json")];
        let spec = Bytes::from_static(br#"{"retain":"1d","release":{"times":"1s"}}"#);
        link.ask_ok("PUT", "/v1/pools/second", &json, spec).await?;
        link.ask_ok("PUT", "/v1/objects/second/it", &[], Bytes::from_static(b"it")).await?;
        Ok(Self { node, path, quantum })
    }

    /// The tenant who has the token.
    async fn sender(&self) -> Result<Link> {
        self.node.link().await
    }

    /// The tenant who has the certificate.
    async fn receiver(&self) -> Result<Link> {
        let credentials = &self.node.credentials;
        let authority = credentials.url.strip_prefix("https://").context("an address")?;
        let own = Some((credentials.certificate_pem.as_str(), credentials.key_pem.as_str()));
        let stream = connect_as(authority, &credentials.ca_pem, own).await?;
        Link::over(stream, authority, None).await
    }

    /// One run, however it ends.
    async fn run(&self, link: &mut Link, load: u8, times: u32) -> Result<()> {
        let mut input = vec![load, 0, 0, 0];
        input.extend(times.to_le_bytes());
        let object = [("notrace-object", "second/it")];
        let headers: &[(&str, &str)] = if self.quantum { &object } else { &[] };
        link.ask("POST", &self.path, headers, input.into()).await.map(drop)
    }

    /// How often the load is done in a millisecond, by one who is alone.
    async fn pace(&self, load: u8) -> Result<f64> {
        let mut link = self.receiver().await?;
        let alone = Stage { node: Node::start().await?, path: self.path.clone(), quantum: false };
        let mut own = alone.node.link().await?;
        alone.node.push(wat::parse_str(TASK)?).await?;
        let (mut least, few, many) = ([f64::MAX; 2], 10_000, 2_000_000);
        for _ in 0..5 {
            for (times, least) in [few, many].into_iter().zip(&mut least) {
                let began = Instant::now();
                alone.run(&mut own, load, times).await?;
                *least = least.min(began.elapsed().as_secs_f64());
            }
        }
        // The receiver has a core from now on, in whatever mode.
        self.run(&mut link, load, few).await?;
        let [few_took, many_took] = least;
        Ok(f64::from(many - few) / (1000.0 * (many_took - few_took).max(1e-6)))
    }

    /// Sends bits in slots of this length, and reads them.
    async fn across(&self, load: u8, slot: Duration) -> Result<Across> {
        let pace = self.pace(load).await?;
        let of_slot = |part: f64| (pace * part * slot.as_secs_f64() * 1000.0) as u32;
        let known = if self.quantum { KNOWN_SLOW } else { KNOWN };
        let bits: Vec<bool> = (0..known + if self.quantum { READ_SLOW } else { READ })
            .map(|at| if at < known { at % 2 == 1 } else { pseudorandom(at) })
            .collect();
        let begin = Instant::now() + Duration::from_millis(200);
        let starts = |at: usize| begin + slot * at as u32;
        let send = async |mut link: Link| {
            for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
                // One that is late skips what is over.
                if Instant::now() < starts(at + 1) {
                    sleep_until(starts(at)).await;
                    self.run(&mut link, load, of_slot(0.5)).await?;
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        let receive = async |mut link: Link| {
            let mut seen = Vec::new();
            for at in 0..bits.len() {
                sleep_until(starts(at) + slot / 20).await;
                self.run(&mut link, load, of_slot(0.2)).await?;
                seen.push(starts(at).elapsed().as_secs_f64());
            }
            Ok::<_, anyhow::Error>(seen)
        };
        let (one, two, three) =
            (self.sender().await?, self.sender().await?, self.receiver().await?);
        let (one, two, seen) = tokio::join!(send(one), send(two), receive(three));
        one.and(two)?;
        Ok(read(&bits, &seen?, known, slot))
    }
}

/// A bit of each number, the same in every run.
fn pseudorandom(at: usize) -> bool {
    (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).count_ones() % 2 == 1
}

/// Reads bits by the line that the known ones teach.
fn read(bits: &[bool], seen: &[f64], known: usize, slot: Duration) -> Across {
    let taught = || bits.iter().zip(seen).take(known);
    let mean = |which: bool| {
        let of: Vec<f64> = taught().filter(|(bit, _)| **bit == which).map(|(_, at)| *at).collect();
        of.iter().sum::<f64>() / of.len().max(1) as f64
    };
    let (quiet, loud) = (mean(false), mean(true));
    let line = f64::midpoint(quiet, loud);
    let mut counts = [[0.0_f64; 2]; 2];
    for (bit, seen) in bits.iter().zip(seen).skip(known) {
        let read = (*seen > line) == (loud > quiet);
        if let Some(count) =
            counts.get_mut(usize::from(*bit)).and_then(|row| row.get_mut(usize::from(read)))
        {
            *count += 1.0;
        }
    }
    let [[right, wrong], [missed, found]] = counts;
    let errors = (wrong + missed) / (right + wrong + missed + found);
    Across { slot, errors, bits_a_second: information(counts) / slot.as_secs_f64() }
}

/// The mutual information of two bits in bits, from how often each pair was counted; less what so
/// few counts show by chance. Source: Miller, "Note on the bias of information estimates" (1955).
fn information(counts: [[f64; 2]; 2]) -> f64 {
    let all: f64 = counts.iter().flatten().sum();
    let [[a, b], [c, d]] = counts;
    let cells = [(a, a + b, a + c), (b, a + b, b + d), (c, c + d, a + c), (d, c + d, b + d)];
    let sum: f64 = cells
        .iter()
        .filter(|(count, ..)| *count > 0.0)
        .map(|(count, row, column)| count / all * (count * all / row / column).log2())
        .sum();
    (sum - 1.0 / (2.0 * all * std::f64::consts::LN_2)).max(0.0)
}

#[cfg(test)]
mod what_gets_across {
    use super::*;

    #[test]
    fn is_a_bit_where_all_are_read_and_nothing_where_none_is_told_apart() {
        assert!(information([[500.0, 0.0], [0.0, 500.0]]) > 0.99);
        assert!(information([[0.0, 500.0], [500.0, 0.0]]) > 0.99);
        assert!(information([[250.0, 250.0], [250.0, 250.0]]) < 1e-9);
        assert!(information([[500.0, 0.0], [500.0, 0.0]]) < 1e-9);
    }

    #[test]
    fn is_read_by_the_line_that_known_bits_teach() {
        let bits: Vec<bool> = (0..100).map(|at| at % 2 == 1).collect();
        let seen: Vec<f64> = bits.iter().map(|bit| if *bit { 0.05 } else { 0.01 }).collect();
        let across = read(&bits, &seen, 20, Duration::from_millis(100));
        assert!(across.errors == 0.0 && across.bits_a_second > 9.0);
    }
}
