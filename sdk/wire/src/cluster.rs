//! Several nodes as one: what a member tells of its group, and how one more comes to it.
//!
//! Bytes are spelt in hexadecimal. How the proofs are made is in `sdk/seal`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `GET /v1/cluster`: the group as this member knows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ClusterStatus {
    /// This member's number.
    pub node: u32,
    /// Which of its lives this is.
    pub life: u32,
    /// `serving`, `joining`, `stopped: …` or `gone`.
    pub stage: String,
    /// The number of the view it is in; none before the first.
    pub view: Option<u32>,
    /// The members of that view, by rank.
    pub members: Vec<MemberStatus>,
    /// Nodes of the group that are not in that view, because they are down or cut off. An older
    /// member does not tell.
    #[serde(default)]
    pub absent: Vec<AbsentStatus>,
    /// The shards, by number.
    pub shards: Vec<ShardStatus>,
}

/// One member of a view.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct MemberStatus {
    /// Its number.
    pub node: u32,
    /// In which of its lives it is a member.
    pub life: u32,
    /// `full`, or `witness` for one that votes and holds nothing.
    pub duty: String,
    /// Where other members find it.
    pub address: Option<String>,
    /// Where clients find it.
    pub url: Option<String>,
    /// Whether the member that answers holds it to have failed.
    pub suspected: bool,
}

/// A node of the group that is no member of the view.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct AbsentStatus {
    /// Its number.
    pub node: u32,
    /// Where other members found it last.
    pub address: String,
    /// Where clients did.
    pub url: String,
}

/// One part of the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct ShardStatus {
    /// Its number.
    pub shard: u16,
    /// `objects`, `registry` or `keys`.
    pub kind: String,
    /// The view since which these members hold it.
    pub since: u32,
    /// Who holds it, in order.
    pub members: Vec<u32>,
    /// The last version that the answering member has applied.
    pub version: String,
    /// The last version that is on the disks of a majority of its members.
    pub durable: String,
    /// How many updates the second is behind the first; none across a change of view.
    pub lag: Option<u64>,
    /// The last version that is on the disks of all its members. Where this stays behind, some
    /// member's disk is full, stuck or slow.
    #[serde(default)]
    pub everywhere: Option<String>,
    /// Bytes that wait for the disk of the member that answers.
    #[serde(default)]
    pub disk_backlog: u64,
    /// `held`, or `lost` if nobody has it any more.
    pub fate: String,
}

/// The body of `POST /v1/cluster/invites`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteAsk {
    /// How long the token shall be good for, in seconds: 1 to 86,400.
    pub seconds: u64,
}

/// A token with which one node can join.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invite {
    /// 32 random bytes in base64url without padding.
    pub token: String,
    /// Until when, in seconds since the Unix epoch.
    pub expires_unix_s: u64,
}

/// The body of `POST /v1/cluster/join`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinAsk {
    /// Which invitation, 8 bytes.
    pub invite: String,
    /// 32 random bytes.
    pub nonce: String,
    /// Proof of the token, for this connection's certificate alone, 64 bytes.
    pub proof: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER) with which the new one will prove to
    /// other members that it is itself, 32 bytes.
    pub key: String,
    /// Where other members will find the new one, as `HOST:PORT`.
    pub address: String,
    /// Where clients will find it.
    pub url: String,
}

/// What a new member needs. It holds keys, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Welcome {
    /// The number that the new member has from now on.
    pub node: u32,
    /// The group's name.
    pub group: String,
    /// The authority of all its certificates, in PEM.
    pub authority_pem: String,
    /// Its key, PKCS#8 in PEM.
    pub authority_key_pem: String,
    /// What stands for the owner's token.
    pub owner: String,
    /// The owner's token, if the member that answers has it at hand; empty otherwise.
    pub owner_token: String,
    /// The key under which pool keys travel between members, 32 bytes.
    pub group_key: String,
    /// The seed of the key that signs the group's ledger, 32 bytes.
    pub ledger_key: String,
    /// The members there are.
    pub members: Vec<MemberAddress>,
    /// Into how many shards the group divides its keys.
    pub shards: u16,
    /// How many nodes hold each of them.
    pub copies: u16,
    /// Proof that it comes from somebody who knows the token, 32 bytes.
    pub proof: String,
}

/// Where a member is found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, ToSchema)]
pub struct MemberAddress {
    /// Its number.
    pub node: u32,
    /// Its `HOST:PORT` for other members.
    pub address: String,
    /// SHA-256 of the public key with which it proves that it is itself, 32 bytes.
    pub key: String,
}

impl JoinAsk {
    /// The bytes that the proof covers besides the connection.
    #[must_use]
    pub fn wish(&self) -> Vec<u8> {
        [self.address.as_bytes(), b"\0", self.url.as_bytes(), b"\0", self.key.as_bytes()].concat()
    }
}

impl Welcome {
    /// The bytes that the proof covers: everything but the proof, each part with its length.
    #[must_use]
    pub fn proved(&self) -> Vec<u8> {
        let mut bytes = self.node.to_be_bytes().to_vec();
        let texts = [
            &self.group,
            &self.authority_pem,
            &self.authority_key_pem,
            &self.owner,
            &self.owner_token,
            &self.group_key,
            &self.ledger_key,
        ];
        let members = self.members.iter().flat_map(|member| [&member.address, &member.key]);
        for text in texts.into_iter().chain(members) {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.shards.to_be_bytes());
        bytes.extend_from_slice(&self.copies.to_be_bytes());
        for member in &self.members {
            bytes.extend_from_slice(&member.node.to_be_bytes());
        }
        bytes
    }
}
