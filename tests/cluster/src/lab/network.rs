//! Hosts as network namespaces on one bridge, and what happens to packets between them.
//!
//! Packets are lost where a host sends them, by a filter in the kernel's classic packet language
//! that compares the address they go to and throws dice. That needs no tool but `tc` and no module
//! that minimal kernels leave out; it is one way by nature, and both ways are two of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};

use super::Slow;
use super::ability::{Abilities, Ability};
use super::command::{run, words};

/// How long packets are held where the kernel can hold them.
const DELAY: &str = "netem delay 60ms 30ms";
/// A thin line, where it cannot: packets wait in its queue.
const THIN: &str = "tbf rate 512kbit burst 4kb latency 300ms";

/// The network of one lab.
pub struct Network {
    lab: u8,
    /// The share of packets that is lost, by sender and receiver.
    losses: BTreeMap<(usize, usize), u8>,
    how_slow: &'static str,
}

impl Network {
    /// Raises a bridge and hosts on it.
    /// # Errors  It takes root, `ip` and a kernel with namespaces and bridges.
    pub fn raise(lab: u8, count: usize, abilities: &mut Abilities) -> Result<Self> {
        let bridge = bridge_of(lab);
        words(&format!("ip link add {bridge} type bridge"))?;
        words(&format!("ip addr add {}/24 dev {bridge}", address(lab, 254)))?;
        words(&format!("ip link set {bridge} up"))?;
        let mut network = Self { lab, losses: BTreeMap::new(), how_slow: DELAY };
        for number in 0..count {
            let (space, outside) = (namespace(lab, number), format!("{bridge}v{number}"));
            words(&format!("ip netns add {space}"))?;
            let pair = format!("ip link add {outside} type veth peer name eth0 netns {space}");
            words(&pair)?;
            words(&format!("ip link set {outside} master {bridge} up"))?;
            words(&format!("ip -n {space} addr add {}/24 dev eth0", network.address(number)))?;
            words(&format!("ip -n {space} link set eth0 up"))?;
            words(&format!("ip -n {space} link set lo up"))?;
        }
        network.find_out(abilities);
        Ok(network)
    }

    /// Tries what can be done to packets, and undoes it.
    fn find_out(&mut self, abilities: &mut Abilities) {
        let filtered = self.lose(0, 1, 50).and_then(|()| self.lose(0, 1, 0));
        if let Err(error) = filtered {
            abilities.lacks(Ability::Partition, &error);
            abilities.lacks(Ability::Loss, &error);
        }
        if self.slow(0, Slow::Yes).is_err() {
            self.how_slow = THIN;
            match self.slow(0, Slow::Yes) {
                Ok(()) => abilities.remark("no netem in this kernel: slow links are thin ones"),
                Err(error) => abilities.lacks(Ability::SlowLink, &error),
            }
        }
        // Where it could not be set there is nothing to unset.
        let _ = self.slow(0, Slow::No);
    }

    /// The address of a host.
    #[must_use]
    pub fn address(&self, host: usize) -> Ipv4Addr {
        address(self.lab, host as u8 + 1)
    }

    /// The name of a host's namespace.
    #[must_use]
    pub fn namespace(&self, host: usize) -> String {
        namespace(self.lab, host)
    }

    /// Lets this share of the packets from one host to another get lost.
    /// # Errors  The kernel takes no such filter.
    pub fn lose(&mut self, from: usize, to: usize, percent: u8) -> Result<()> {
        ensure!(percent <= 100, "a share is at most 100 percent");
        let space = self.namespace(from);
        let tc = |rest: &str| words(&format!("tc -n {space} {rest}"));
        if self.losses.remove(&(from, to)).is_none() && percent == 0 {
            return Ok(());
        }
        if percent > 0 {
            self.losses.insert((from, to), percent);
        }
        let rules: Vec<(Ipv4Addr, u8)> = (self.losses.iter())
            .filter(|((sender, _), _)| *sender == from)
            .map(|((_, receiver), percent)| (self.address(*receiver), *percent))
            .collect();
        if rules.is_empty() {
            return tc("qdisc del dev eth0 clsact").map(drop);
        }
        // It may stand there already; the filter is replaced whole, so that no cut opens meanwhile.
        let _ = tc("qdisc add dev eth0 clsact");
        let filter = "filter replace dev eth0 egress prio 1 handle 1 protocol ip bpf bytecode";
        let mut arguments = vec!["-n", &space];
        arguments.extend(filter.split_whitespace());
        let code = program(&rules);
        arguments.extend([code.as_str(), "da"]);
        run("tc", &arguments).map(drop)
    }

    /// Makes what a host sends slow, or not.
    /// # Errors  The kernel knows no way.
    pub fn slow(&mut self, host: usize, slow: Slow) -> Result<()> {
        let tc = |rest: &str| words(&format!("tc -n {} {rest}", self.namespace(host)));
        match slow {
            Slow::Yes => tc(&format!("qdisc replace dev eth0 root {}", self.how_slow)).map(drop),
            Slow::No => tc("qdisc del dev eth0 root").map(drop),
        }
    }
}

/// A filter that loses packets to these addresses, as `tc` reads it: the count of instructions and
/// each as four numbers.
///
/// Source: McCanne, Jacobson, "The BSD Packet Filter" (USENIX 1993); `linux/filter.h`.
fn program(rules: &[(Ipv4Addr, u8)]) -> String {
    const LOAD: u32 = 0x20;
    const IF_EQUAL: u32 = 0x15;
    const IF_AT_LEAST: u32 = 0x35;
    const ANSWER: u32 = 0x06;
    /// Where the receiver stands in an Ethernet frame with IPv4 in it.
    const RECEIVER: u32 = 14 + 16;
    /// Where the kernel has dice instead of a byte.
    const DICE: u32 = 0xffff_f000 + 56;
    const LOSE: u32 = 2;
    const PASS: u32 = u32::MAX;
    let mut code = Vec::new();
    for (receiver, percent) in rules {
        let bound = (u64::from(u32::MAX) * u64::from(*percent) / 100) as u32;
        code.push((LOAD, 0, 0, RECEIVER));
        // Not this one: past its three instructions to the next rule.
        code.push((IF_EQUAL, 0, 3, u32::from(*receiver)));
        code.push((LOAD, 0, 0, DICE));
        code.push((IF_AT_LEAST, u8::from(*percent < 100), 0, bound));
        code.push((ANSWER, 0, 0, LOSE));
    }
    code.push((ANSWER, 0, 0, PASS));
    let words = code.iter().map(|(what, yes, no, value)| format!("{what} {yes} {no} {value}"));
    format!("{},{}", code.len(), words.collect::<Vec<_>>().join(","))
}

/// An address of a lab, in the range that is kept for measuring networks (RFC 2544).
fn address(lab: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, lab, last)
}

/// An address of a host where there is no network to make.
#[must_use]
pub fn loopback(lab: u8, host: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, lab, host as u8 + 1)
}

fn namespace(lab: u8, host: usize) -> String {
    format!("notrace-chaos-{lab}-{host}")
}

fn bridge_of(lab: u8) -> String {
    format!("ntc{lab}")
}

/// The links there are of a lab on this side: its bridge, and its ends of the pairs.
#[must_use]
pub fn links_of(lab: u8) -> Vec<String> {
    let bridge = bridge_of(lab);
    let pair = format!("{bridge}v");
    names_in("/sys/class/net", |name| name == bridge || name.starts_with(&pair))
}

/// The namespaces there are of a lab.
#[must_use]
pub fn namespaces_of(lab: u8) -> Vec<String> {
    let prefix = format!("notrace-chaos-{lab}-");
    names_in("/run/netns", |name| name.starts_with(&prefix))
}

fn names_in(folder: &str, is_ours: impl Fn(&str) -> bool) -> Vec<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_ours(name)).collect()
}

#[cfg(test)]
mod a_filter {
    use super::*;

    #[test]
    fn asks_for_each_receiver_in_turn_and_passes_the_rest() {
        let one = program(&[(Ipv4Addr::new(198, 18, 0, 2), 50)]);
        assert_eq!(
            one,
            "6,32 0 0 30,21 0 3 3323068418,32 0 0 4294963256,53 1 0 2147483647,6 0 0 2,\
             6 0 0 4294967295"
        );
        let two = program(&[(Ipv4Addr::LOCALHOST, 100), (Ipv4Addr::BROADCAST, 1)]);
        assert!(two.starts_with("11,"));
    }
}
