//! How one more node comes in: a member invites, the new one proves its token, and is told what it
//! needs.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use notrace_sdk_seal::{
    INVITE_ID_BYTES, INVITE_PROOF_BYTES, InviteKey, TOKEN_BYTES, WelcomeKey, is_asked,
};
use notrace_store_protocol::ids::NodeId;
use notrace_store_protocol::machine::Durability;
use zeroize::{Zeroize, Zeroizing};

use super::Group;
use super::far::in_time;
use super::left::has_left;
use super::place::{Other, Place, Shape, hex, unhex};
use super::registry::{Command, Entry, Invited, Reply, Standing};
use crate::config::port_of;
use crate::files;
use crate::identity::{Identity, IdentityError, fill};
use crate::limits::{ADDRESS_BYTES_MAX, INVITE_MAX};
use crate::node::Node;
use crate::refusal::Refusal;

/// What a new member is told. Holds keys.
pub struct Welcomed {
    /// Its number.
    pub node: u32,
    /// The group's name.
    pub group: String,
    /// The authority's certificate, in PEM.
    pub authority_pem: String,
    /// Its key, PKCS#8 in PEM.
    pub authority_key_pem: Zeroizing<String>,
    /// What stands for the owner's token.
    pub owner: String,
    /// The key under which pool keys travel, in hexadecimal.
    pub group_key: Zeroizing<String>,
    /// The seed of the key that signs the group's ledger, in hexadecimal.
    pub ledger_key: Zeroizing<String>,
    /// The members there are.
    pub members: Vec<Other>,
    /// How the group keeps its objects.
    pub shape: Shape,
}

/// What somebody asks who wants to join, in hexadecimal where it is bytes.
pub struct Asked<'a> {
    /// The invitation's name.
    pub invite: &'a str,
    /// What the answer's proof covers besides it.
    pub nonce: &'a str,
    /// The proof of the token.
    pub proof: &'a str,
    /// What that covers besides the connection.
    pub wish: &'a [u8],
    /// The digest of the public key by which the new node will be known.
    pub key: &'a str,
    /// Where others will find it.
    pub address: &'a str,
    /// Where clients will.
    pub url: &'a str,
}

impl Node {
    /// Draws a one-time token with which a node can join within `good_for`.
    /// # Errors  [`Refusal::NotACluster`], [`Refusal::NoMajority`], [`Refusal::Busy`].
    pub async fn invite(
        &self,
        good_for: Duration,
    ) -> Result<(Zeroizing<[u8; TOKEN_BYTES]>, u64), Refusal> {
        let mut token = Zeroizing::new([0; TOKEN_BYTES]);
        fill(&mut *token).map_err(|_| Refusal::Internal("drawing a token"))?;
        let expires = self.admit_token(&token, good_for).await?;
        Ok((token, expires))
    }

    /// Lets whoever knows this token join once within `good_for`; until when, in seconds since the
    /// Unix epoch.
    /// # Errors  As [`Node::invite`]; [`Refusal::InviteUnknown`] if the token was one before and is
    /// over.
    pub async fn admit_token(
        &self,
        token: &[u8; TOKEN_BYTES],
        good_for: Duration,
    ) -> Result<u64, Refusal> {
        let group = self.group();
        let links = group.links.as_ref().ok_or(Refusal::NotACluster)?;
        let good_for = good_for.clamp(Duration::from_secs(1), INVITE_MAX);
        let expires = crate::clock::unix_micros().saturating_add(good_for.as_micros() as u64);
        let key = InviteKey::of(token);
        let welcome = WelcomeKey::of(token).reveal(|bytes| links.wrap_welcome(&key.id(), bytes))?;
        let (verifier, expires_unix_micros) = (key.verifier(), expires);
        let invited = Invited { verifier, welcome, expires_unix_micros };
        let command = Command::Invite { id: key.id(), invited };
        let sent = group.registry.ordered_send(command, Durability::MajorityDurable).await;
        match sent.map_err(|_| Refusal::NoMajority)?.reply {
            Reply::Done => Ok(expires / 1_000_000),
            Reply::Unknown => Err(Refusal::InviteUnknown),
            _ => Err(Refusal::Busy { retry_after: Duration::from_secs(60) }),
        }
    }

    /// Takes in whoever proves a token over a connection that showed this certificate. The second
    /// part proves the answer, once its bytes are known.
    /// # Errors  [`Refusal::InviteUnknown`] for a proof that is none; [`Refusal::NoMajority`];
    /// [`Refusal::AddressMalformed`], [`Refusal::AddressTaken`]; [`Refusal::OutcomeUnknown`] while
    /// some member's disk takes nothing.
    pub async fn let_in(
        &self,
        certificate_sha256: &[u8; 32],
        asked: Asked<'_>,
    ) -> Result<(Welcomed, impl FnOnce(&[u8]) -> String + use<>), Refusal> {
        let group = self.group();
        let links = group.links.as_ref().ok_or(Refusal::NotACluster)?;
        if asked.address.len() > ADDRESS_BYTES_MAX || asked.url.len() > ADDRESS_BYTES_MAX {
            return Err(Refusal::TooMuch {
                what: "an address's length in bytes",
                most: ADDRESS_BYTES_MAX as u64,
            });
        }
        let unknown = || Refusal::InviteUnknown;
        let id = unhex::<INVITE_ID_BYTES>(asked.invite).ok_or_else(unknown)?;
        let nonce = unhex::<32>(asked.nonce).ok_or_else(unknown)?;
        let proof = unhex::<INVITE_PROOF_BYTES>(asked.proof).ok_or_else(unknown)?;
        let key = unhex::<32>(asked.key).ok_or_else(unknown)?;
        group.registry.latest().await.map_err(|_| Refusal::NoMajority)?;
        let invited = group.registry.read(|registry| registry.invite(&id).cloned());
        let invited = invited.ok_or_else(unknown)?;
        if !is_asked(&invited.verifier, (certificate_sha256, &nonce, asked.wish), &proof) {
            return Err(Refusal::InviteUnknown);
        }
        // One that takes any port says which once it is a member.
        if port_of(asked.address).is_none() {
            return Err(Refusal::AddressMalformed);
        }
        if group.is_member_at(asked.address) {
            return Err(Refusal::AddressTaken);
        }
        let welcome = links.unwrap_welcome(&id, &invited.welcome).ok_or_else(unknown)?;
        let entry = Entry { address: asked.address.to_owned(), url: asked.url.to_owned(), key };
        let command = Command::Redeem { id, entry };
        // On all disks, so that no member that comes back is asked to link to a node that it has
        // not heard of.
        let sent = group.registry.ordered_send(command, Durability::AllDurable);
        let sent = in_time(sent, Refusal::OutcomeUnknown).await?;
        let node = match sent.map_err(|_| Refusal::NoMajority)?.reply {
            Reply::Welcome(node) => node,
            Reply::Full => return Err(Refusal::Busy { retry_after: Duration::from_secs(60) }),
            Reply::Done | Reply::Unknown | Reply::Last => return Err(Refusal::InviteUnknown),
        };
        let nodes = group.registry.read(|registry| registry.nodes().clone());
        let members = nodes.into_iter().filter(|(number, _)| *number != node);
        let welcomed = Welcomed {
            node,
            group: links.group(),
            authority_pem: self.identity().authority_pem().to_owned(),
            authority_key_pem: self.identity().authority_key_pem(),
            owner: self.identity().owner_digest().map(|it| it.to_string()).unwrap_or_default(),
            group_key: Zeroizing::new(links.key_text()),
            ledger_key: Zeroizing::new(hex(self.identity().ledger_seed())),
            members: members.map(|(node, entry)| other(node, entry)).collect(),
            shape: links.shape(),
        };
        let certificate = *certificate_sha256;
        Ok((welcomed, move |answer: &[u8]| hex(&welcome.answer(&certificate, &nonce, answer))))
    }

    /// Leaves the group for good, in order: others take over first. Returns once it is no member;
    /// [`Node::drain`] then leaves nothing of the group's in its folder.
    /// # Errors  [`Refusal::NotACluster`], [`Refusal::LastMember`], [`Refusal::NoMajority`];
    /// [`Refusal::OutcomeUnknown`] while some member's disk takes nothing.
    pub async fn leave(&self) -> Result<(), Refusal> {
        let group = self.group();
        let links = group.links.as_ref().ok_or(Refusal::NotACluster)?;
        if self.members() < 2 {
            return Err(Refusal::LastMember);
        }
        // On all disks, its own too: it must not come back. The others forget it once it is gone.
        let command = Command::Part { node: links.node.number() };
        let sent = group.registry.ordered_send(command, Durability::AllDurable);
        let sent = in_time(sent, Refusal::OutcomeUnknown).await?;
        if sent.map_err(|_| Refusal::NoMajority)?.reply == Reply::Last {
            return Err(Refusal::LastMember);
        }
        group.member.leave();
        let ended = group.member.when(|status| status.ended).await;
        ended.ok_or(Refusal::Unavailable)?;
        links.left.store(true, Ordering::Release);
        Ok(())
    }
}

impl Group {
    /// Whether a member is found there. A node that is absent may have lost its disk, and come
    /// again under another number.
    fn is_member_at(&self, address: &str) -> bool {
        let Some(view) = self.member.status().view.clone() else { return false };
        self.registry.read(|registry| {
            registry.nodes().iter().any(|(number, entry)| {
                let rank = NodeId::new(*number).and_then(|node| view.rank_of(node));
                entry.address == address && rank.is_some()
            })
        })
    }
}

impl Node {
    /// Strikes off a node that will not come back, such as one whose disk is gone: it gets no link
    /// any more, whatever folder or key it shows. One that was struck off before is none.
    /// # Errors  [`Refusal::NotACluster`], [`Refusal::NodeUnknown`], [`Refusal::MemberPresent`],
    /// [`Refusal::NoMajority`].
    /// # Cancel  It may be forgotten all the same.
    pub async fn forget_node(&self, number: u32) -> Result<(), Refusal> {
        let group = self.group();
        group.links.as_ref().ok_or(Refusal::NotACluster)?;
        group.registry.latest().await.map_err(|_| Refusal::NoMajority)?;
        let (known, standing) =
            group.registry.read(|it| (it.nodes().contains_key(&number), it.standing(number)));
        if !known {
            let gone = standing == Standing::Gone && number > 0;
            return if gone { Ok(()) } else { Err(Refusal::NodeUnknown) };
        }
        let status = group.member.status();
        let node = NodeId::new(number).ok_or(Refusal::NodeUnknown)?;
        if status.view.as_ref().is_none_or(|view| view.rank_of(node).is_some()) {
            return Err(Refusal::MemberPresent);
        }
        // In this order, so that it gets no link between the two, and is forgotten in any case.
        for command in [Command::Part { node: number }, Command::Forget { node: number }] {
            let sent = group.registry.ordered_send(command, Durability::AllDurable);
            let sent = in_time(sent, Refusal::OutcomeUnknown).await?;
            sent.map_err(|_| Refusal::NoMajority)?;
        }
        Ok(())
    }
}

fn other(node: u32, entry: Entry) -> Other {
    Other { node, address: entry.address, key: hex(&entry.key) }
}

/// The digest of the public key by which a group will know the node that is to
/// live in this folder. The key is made if there is none.
/// # Errors  [`IdentityError`]
pub fn key_to_join_with(dir: &Path) -> Result<[u8; 32], IdentityError> {
    Identity::member_key_below(&dir.join("keys"))
}

/// Whether the node in this folder is in a group already, or keeps a store of its own.
/// # Errors  [`IdentityError`]
pub fn belongs_to_a_group(dir: &Path) -> Result<bool, IdentityError> {
    Ok(has_left(dir) || Place::read(dir)?.is_some() || dir.join("store").exists())
}

/// Writes down, in a folder that no node has used, what a group told its new member.
/// # Errors  [`IdentityError`]; then the folder is to be removed.
pub fn settle_in(dir: &Path, welcomed: &Welcomed) -> Result<(), IdentityError> {
    let failed =
        |error: std::io::Error| IdentityError::Files { verb: "written", kind: error.kind() };
    let keys = dir.join("keys");
    files::make_private_dir(&keys).map_err(failed)?;
    let ledger_seed = unhex::<32>(&welcomed.ledger_key).map(Zeroizing::new);
    let ledger_seed = ledger_seed.ok_or(IdentityError::Damaged)?;
    let authority = (&*welcomed.authority_pem, &**welcomed.authority_key_pem);
    Identity::adopt(&keys, authority, &welcomed.owner, &ledger_seed)?;
    let mut place = Place {
        node: welcomed.node,
        group: welcomed.group.clone(),
        key: welcomed.group_key.to_string(),
        others: welcomed.members.clone(),
        shape: welcomed.shape,
    };
    // Last, because it is what says that the node is in a group.
    let written = place.write(dir);
    place.key.zeroize();
    written
}
