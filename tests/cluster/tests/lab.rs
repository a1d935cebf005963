//! Every fault bites: what a plan does to a host, the host feels, and no longer than it lasts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use notrace_tests_cluster::lab::ability::Ability;
use notrace_tests_cluster::lab::{Lab, Slow};
use rustix::process::{Pid, Signal, kill_process};

const PROBE: &str = env!("CARGO_BIN_EXE_notrace-tests-cluster-probe");
const PORT: u16 = 5000;

/// A program on a host that ends with its value.
struct Probe {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Probe {
    fn start(command: &mut Command, words: &[&str]) -> Result<Self> {
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, lines })
    }

    fn on(lab: &Lab, host: usize, words: &[&str]) -> Result<Self> {
        Self::start(&mut lab.host(host)?.command(Path::new(PROBE)), words)
    }

    /// The same, once it says that it is ready.
    fn ready(lab: &Lab, host: usize, words: &[&str]) -> Result<Self> {
        let mut probe = Self::on(lab, host, words)?;
        ensure!(probe.line()? == "ready", "a probe is not ready");
        Ok(probe)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn number(&mut self) -> Result<i64> {
        self.line()?.parse().context("a probe says no number")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id() as i32).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a fault is possible here; says why it is not.
fn can(lab: &Lab, ability: Ability) -> bool {
    let can = lab.abilities.has(ability);
    if !can {
        let _ = write!(std::io::stderr(), "skipped: {}", lab.abilities.words());
    }
    can
}

/// How many of 100 packets get from one host to another.
fn arriving(lab: &Lab, from: usize, to: usize) -> Result<i64> {
    let mut counting = Probe::ready(lab, to, &["count"])?;
    let address = lab.host(to)?.address.to_string();
    let mut sending = Probe::on(lab, from, &["send", &address])?;
    ensure!(sending.child.wait()?.success(), "packets cannot be sent");
    counting.number()
}

#[test]
fn a_cut_stops_every_packet_one_way_and_heals() -> Result<()> {
    let mut lab = Lab::start(3)?;
    if !can(&lab, Ability::Partition) {
        return Ok(());
    }
    ensure!(arriving(&lab, 0, 1)? == 100, "packets get lost without a fault");
    lab.lose(0, 1, 100)?;
    ensure!(arriving(&lab, 0, 1)? == 0, "packets get through a cut");
    ensure!(arriving(&lab, 1, 0)? == 100, "the cut is both ways");
    ensure!(arriving(&lab, 0, 2)? == 100, "the cut is to everybody");
    lab.lose(0, 2, 100)?;
    ensure!(arriving(&lab, 0, 1)? == 0, "a second cut opened the first");
    ensure!(arriving(&lab, 0, 2)? == 0, "packets get through the second cut");
    lab.lose(0, 1, 0)?;
    ensure!(arriving(&lab, 0, 1)? == 100, "the cut does not heal");
    ensure!(arriving(&lab, 0, 2)? == 0, "one cut healed the other");
    lab.lose(0, 2, 0)?;
    ensure!(arriving(&lab, 0, 2)? == 100, "the second cut does not heal");
    Ok(())
}

#[test]
fn loss_loses_its_share() -> Result<()> {
    let mut lab = Lab::start(2)?;
    if !can(&lab, Ability::Loss) {
        return Ok(());
    }
    lab.lose(0, 1, 40)?;
    // Five hundred throws: outside of these bounds once in ten thousand million times.
    let arrived = (0..5).map(|_| arriving(&lab, 0, 1)).sum::<Result<i64>>()?;
    ensure!((230..370).contains(&arrived), "{arrived} of 500 arrived, 300 were to be expected");
    lab.lose(0, 1, 0)?;
    ensure!(arriving(&lab, 0, 1)? == 100, "loss does not heal");
    Ok(())
}

#[test]
fn a_slow_link_is_slow() -> Result<()> {
    let mut lab = Lab::start(2)?;
    if !can(&lab, Ability::SlowLink) {
        return Ok(());
    }
    let giving = |lab: &Lab| {
        let _taking = Probe::ready(lab, 1, &["take"])?;
        Probe::on(lab, 0, &["give", &lab.host(1)?.address.to_string()])?.number()
    };
    let fast = giving(&lab)?;
    lab.slow_link(0, Slow::Yes)?;
    let slow = giving(&lab)?;
    ensure!(slow > fast + 100, "40 kB take {slow} ms over a slow link, {fast} ms over a good one");
    lab.slow_link(0, Slow::No)?;
    ensure!(giving(&lab)? < slow / 2, "a slow link does not heal");
    Ok(())
}

#[test]
fn a_stopped_process_answers_nothing_until_it_goes_on() -> Result<()> {
    let lab = Lab::start(1)?;
    let answering = Probe::ready(&lab, 0, &["answer"])?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((lab.host(0)?.address, PORT))?;
    let answered = |most: Duration| -> Result<bool> {
        socket.set_read_timeout(Some(most))?;
        Ok(socket.recv(&mut [0; 16]).is_ok())
    };
    socket.send(b"one")?;
    ensure!(answered(Duration::from_secs(10))?, "nobody answers");
    answering.signal(Signal::STOP)?;
    socket.send(b"two")?;
    ensure!(!answered(Duration::from_millis(300))?, "a stopped process answers");
    answering.signal(Signal::CONT)?;
    ensure!(answered(Duration::from_secs(10))?, "a process does not go on");
    Ok(())
}

#[test]
fn a_full_disk_takes_nothing_and_only_that_one_is_full() -> Result<()> {
    let lab = Lab::start(2)?;
    if !can(&lab, Ability::FullDisk) {
        return Ok(());
    }
    let write = |host: usize| -> Result<Option<std::io::ErrorKind>> {
        let path = lab.host(host)?.folder.join("file");
        let written = std::fs::write(path, [1; 4096]);
        Ok(written.err().map(|error| error.kind()))
    };
    ensure!(write(0)?.is_none(), "an empty disk takes nothing");
    lab.host(0)?.fill_disk()?;
    std::fs::remove_file(lab.host(0)?.folder.join("file"))?;
    lab.host(0)?.fill_disk()?;
    ensure!(write(0)? == Some(std::io::ErrorKind::StorageFull), "a full disk takes more");
    ensure!(write(1)?.is_none(), "another host's disk is full, too");
    lab.host(0)?.clear_disk()?;
    ensure!(write(0)?.is_none(), "a cleared disk takes nothing");
    Ok(())
}

#[test]
fn a_slow_disk_is_slow_however_it_is_asked() -> Result<()> {
    let lab = Lab::start(2)?;
    if !can(&lab, Ability::SlowDisk) {
        return Ok(());
    }
    let sync = |host: usize| -> Result<i64> {
        let file = lab.host(host)?.folder.join("file");
        Probe::on(&lab, host, &["sync", &file.to_string_lossy()])?.number()
    };
    let fast = sync(0)?;
    lab.host(0)?.slow_disk(150_000)?;
    let slow = sync(0)?;
    ensure!(slow >= 300, "two synchronizations take {slow} ms on a slow disk, {fast} ms else");
    ensure!(sync(1)? < 150, "another host's disk is slow, too");
    lab.host(0)?.slow_disk(0)?;
    ensure!(sync(0)? < 150, "a slow disk does not heal");
    Ok(())
}

#[test]
fn a_clock_jumps_and_comes_back() -> Result<()> {
    let lab = Lab::start(2)?;
    if !can(&lab, Ability::Clock) {
        return Ok(());
    }
    let ahead = || -> Result<i64> {
        let other = Probe::on(&lab, 1, &["clock"])?.number()?;
        Ok(Probe::on(&lab, 0, &["clock"])?.number()? - other)
    };
    ensure!(ahead()?.abs() < 10_000, "clocks differ without a fault");
    for millis in [500_000, -500_000] {
        lab.host(0)?.move_clock(millis)?;
        let ahead = ahead()?;
        ensure!((ahead - millis).abs() < 10_000, "a clock jumped by {ahead} ms, not {millis}");
    }
    lab.host(0)?.move_clock(0)?;
    ensure!(ahead()?.abs() < 10_000, "a clock does not come back");
    Ok(())
}

#[test]
fn what_a_killed_lab_left_is_removed_by_the_next() -> Result<()> {
    let mut keeping = Probe::start(&mut Command::new(PROBE), &["lab"])?;
    // What answers on the host says that it is ready, somewhere among these.
    let mut lines: Vec<String> = (0..3).map(|_| keeping.line()).collect::<Result<_>>()?;
    lines.retain(|line| line != "ready");
    let [folder, address] = lines.as_slice() else { anyhow::bail!("{lines:?}") };
    let mark = Path::new(folder).join("host-0").join("mark");
    std::fs::write(&mark, "left behind")?;
    let answers = || -> Result<bool> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((address.as_str(), PORT))?;
        socket.set_read_timeout(Some(Duration::from_millis(300)))?;
        Ok(socket.send(b"one").and_then(|_| socket.recv(&mut [0; 16])).is_ok())
    };
    let before = Lab::start(1)?;
    ensure!(mark.exists() && answers()?, "a lab was removed that is in use");
    drop(before);
    // Killed, so that nothing of its own is tidied up; what it started ends all the same.
    drop(keeping);
    for _ in 0..20 {
        if !answers()? {
            break;
        }
    }
    ensure!(!answers()?, "a program outlives whoever started it");
    ensure!(mark.exists(), "there is nothing left to remove");
    let next = Lab::start(1)?;
    ensure!(!mark.exists(), "a lab that nobody uses is still there");
    drop(next);
    Ok(())
}
