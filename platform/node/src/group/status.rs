//! What a member tells of its group.

use notrace_store_protocol::effect::Stopped;
use notrace_store_protocol::group::Stage;
use notrace_store_protocol::ids::{NodeId, Version};
use notrace_store_protocol::view::{Duty, Fate};

use super::{HOME, KEYS, LEDGER, MEMORY, REGISTRY};
use crate::node::Node;

/// The group as one member knows it.
pub struct GroupStatus {
    /// Its number.
    pub node: u32,
    /// Which of its lives this is.
    pub life: u32,
    /// What it is at the moment.
    pub stage: &'static str,
    /// The number of its view.
    pub view: Option<u32>,
    /// The members of that view.
    pub members: Vec<MemberInfo>,
    /// Nodes of the group that are not in that view.
    pub absent: Vec<AbsentInfo>,
    /// The shards.
    pub shards: Vec<ShardInfo>,
}

/// One member.
pub struct MemberInfo {
    /// Its number.
    pub node: u32,
    /// In which of its lives it is a member.
    pub life: u32,
    /// Whether it votes and holds nothing.
    pub is_witness: bool,
    /// Where other members find it.
    pub address: Option<String>,
    /// Where clients find it.
    pub url: Option<String>,
    /// Whether it is held to have failed.
    pub suspected: bool,
}

/// A node that is down or cut off.
pub struct AbsentInfo {
    /// Its number.
    pub node: u32,
    /// Where other members found it last.
    pub address: String,
    /// Where clients did.
    pub url: String,
}

/// One shard.
pub struct ShardInfo {
    /// Its number.
    pub shard: u16,
    /// What it keeps.
    pub kind: &'static str,
    /// The view since which these members hold it.
    pub since: u32,
    /// Who holds it.
    pub members: Vec<u32>,
    /// The last version applied here.
    pub version: Version,
    /// The last version on the disks of a majority.
    pub durable: Version,
    /// The last version on the disks of all members.
    pub everywhere: Version,
    /// Bytes that wait for this member's disk.
    pub disk_backlog: u64,
    /// Whether nobody has it any more.
    pub lost: bool,
}

impl Node {
    /// The group as this node knows it.
    #[must_use]
    pub fn group_status(&self) -> GroupStatus {
        let status = self.group().member.status();
        let nodes = self.group().registry.read(|registry| registry.nodes().clone());
        let view = status.view.as_deref();
        let members = view.into_iter().flat_map(|view| &view.members).map(|member| {
            let entry = nodes.get(&member.node.number());
            MemberInfo {
                node: member.node.number(),
                life: member.life.0,
                is_witness: member.duty == Duty::Witness,
                address: entry.map(|entry| entry.address.clone()),
                url: entry.map(|entry| entry.url.clone()),
                suspected: status.suspected.contains(&member.node),
            }
        });
        let is_member = |number: u32| {
            let node = NodeId::new(number);
            node.zip(view).is_some_and(|(node, view)| view.rank_of(node).is_some())
        };
        let absent = nodes.iter().filter(|(node, _)| !is_member(**node)).map(|(node, entry)| {
            let (address, url) = (entry.address.clone(), entry.url.clone());
            AbsentInfo { node: *node, address, url }
        });
        let absent = absent.collect();
        let shards = view.into_iter().flat_map(|view| view.shards()).zip(&status.shards);
        let shards = shards.map(|((shard, held), here)| ShardInfo {
            shard: shard.0,
            kind: match shard {
                HOME if self.group().shelves.is_divided() => "home",
                HOME => "objects",
                MEMORY => "memory",
                REGISTRY => "registry",
                KEYS => "keys",
                LEDGER => "ledger",
                _ if self.group().shelves.shelf(shard).is_some() => "objects",
                _ => "unknown",
            },
            since: held.since.number(),
            members: held.members.iter().map(|node| node.number()).collect(),
            version: here.applied,
            durable: here.majority,
            everywhere: here.all,
            disk_backlog: here.disk_backlog,
            lost: held.fate == Fate::Lost,
        });
        GroupStatus {
            node: status.node.number(),
            life: status.life.0,
            stage: stage(status.stage),
            view: view.map(|view| view.id.number()),
            members: members.collect(),
            absent,
            shards: shards.collect(),
        }
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Joining => "joining",
        Stage::Serving => "serving",
        Stage::Stopped(Stopped::Minority) => "stopped: too few members can be reached",
        Stage::Stopped(Stopped::Suspected) => "stopped: the others hold it to have failed",
        Stage::Stopped(Stopped::Restarted) => "stopped: waiting for more members to come back",
        Stage::Stopped(Stopped::Departed) => "leaving",
        Stage::Gone => "gone",
    }
}
