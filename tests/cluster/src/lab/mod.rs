//! Hosts for nodes, on one machine, and what can be done to them.
//!
//! With root, each host is a network namespace on a bridge and has a small disk of its own. Without
//! it, each host is a loopback address and a folder. What a machine cannot do is found out by
//! trying, once, and said ([`ability`]); nothing is assumed.
//!
//! [`claim`] takes a number that no other lab on the machine has, and removes what a lab of that
//! number left behind when it was killed. [`network`] raises the hosts and treats their packets,
//! [`disk`] is their disks, [`shim`] moves their clocks and slows their disks.

pub mod ability;
pub mod claim;
pub mod disk;
pub mod network;
pub mod shim;

mod command;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::limits::HOSTS_MAX;
use ability::{Abilities, Ability};
use claim::Claim;
use disk::Disk;
use network::Network;
use shim::{Control, Shim};

/// A machine that exists for a run.
pub struct Host {
    /// Its address.
    pub address: Ipv4Addr,
    /// Where its node keeps everything.
    pub folder: PathBuf,
    namespace: Option<String>,
    disk: Disk,
    control: Option<Control>,
}

/// The hosts of a run, which go with their value.
pub struct Lab {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// What can be done to them here.
    pub abilities: Abilities,
    network: Option<Network>,
    // Last, since it removes what the others left.
    claim: Claim,
}

impl Lab {
    /// Makes hosts.
    /// # Errors  Not even folders and loopback addresses can be had.
    pub fn start(count: usize) -> Result<Self> {
        ensure!((1..=HOSTS_MAX).contains(&count), "a lab has 1 to {HOSTS_MAX} hosts");
        let claim = Claim::take()?;
        let mut abilities = Abilities::default();
        let network = match Network::raise(claim.number(), count, &mut abilities) {
            Ok(network) => Some(network),
            Err(error) => {
                abilities.lacks(Ability::Partition, &error);
                abilities.lacks(Ability::Loss, &error);
                abilities.lacks(Ability::SlowLink, &error);
                None
            }
        };
        let shim = Shim::compile(claim.folder());
        if let Err(error) = &shim {
            abilities.lacks(Ability::SlowDisk, error);
            abilities.lacks(Ability::Clock, error);
        }
        let mut hosts = Vec::new();
        for number in 0..count {
            let folder = claim.folder().join(format!("host-{number}"));
            let disk = Disk::at(&folder)?;
            if let Err(error) = disk.can_be_filled() {
                abilities.lacks(Ability::FullDisk, &error);
            }
            let control = match &shim {
                Ok(shim) => Some(shim.control(claim.folder(), number)?),
                Err(_) => None,
            };
            let (address, namespace) = match &network {
                Some(network) => (network.address(number), Some(network.namespace(number))),
                None => (network::loopback(claim.number(), number), None),
            };
            hosts.push(Host { address, folder, namespace, disk, control });
        }
        Ok(Self { hosts, abilities, network, claim })
    }

    /// A folder for what belongs to no host. It goes with the lab.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.claim.folder()
    }

    /// A host.
    /// # Errors  There are fewer.
    pub fn host(&self, number: usize) -> Result<&Host> {
        self.hosts.get(number).context("there is no such host")
    }

    /// Lets this share of the packets from one host to another get lost: 0 heals, 100 cuts.
    /// # Errors  The network cannot be treated here.
    pub fn lose(&mut self, from: usize, to: usize, percent: u8) -> Result<()> {
        self.network.as_mut().context("there is no network to treat")?.lose(from, to, percent)
    }

    /// Makes all that a host sends slow, or as fast as before.
    /// # Errors  The network cannot be treated here.
    pub fn slow_link(&mut self, host: usize, is_slow: Slow) -> Result<()> {
        self.network.as_mut().context("there is no network to treat")?.slow(host, is_slow)
    }
}

/// Whether something is slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slow {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Host {
    /// How `program` is started on this host. The process is the program itself, and ends when
    /// whoever started it does, even by `kill -9`.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut words: Vec<PathBuf> = Vec::new();
        if let Some(namespace) = &self.namespace {
            words.extend(["nsenter".into(), format!("--net=/run/netns/{namespace}").into()]);
        }
        words.extend(["setpriv".into(), "--pdeathsig".into(), "KILL".into()]);
        if let Some(control) = &self.control {
            words.push("env".into());
            words.extend(control.variables().map(PathBuf::from));
        }
        words.push(program.to_path_buf());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// Fills the disk to the last byte.
    /// # Errors  It cannot be filled here.
    pub fn fill_disk(&self) -> Result<()> {
        self.disk.fill()
    }

    /// Gives the room back.
    /// # Errors  It cannot be given back.
    pub fn clear_disk(&self) -> Result<()> {
        self.disk.clear()
    }

    /// Makes each synchronization of the disk wait so many microseconds; 0 heals.
    /// # Errors  There is no shim here.
    pub fn slow_disk(&self, micros: u64) -> Result<()> {
        self.control.as_ref().context("there is no shim")?.sync_micros(micros)
    }

    /// Moves the wall clock by so many milliseconds from where it belongs; 0 heals.
    /// # Errors  There is no shim here.
    pub fn move_clock(&self, millis: i64) -> Result<()> {
        self.control.as_ref().context("there is no shim")?.clock_millis(millis)
    }
}
