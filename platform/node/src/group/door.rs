//! How one more node comes in: a member invites, the new one proves its token, and is told what it
//! needs.

use std::path::Path;
use std::time::Duration;

use notrace_sdk_seal::{InviteKey, TOKEN_BYTES, same_proof};
use notrace_store_protocol::machine::Durability;
use zeroize::{Zeroize, Zeroizing};

use super::place::{Place, Shape, hex, unhex};
use super::registry::{Command, Entry, Reply};
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
    /// The members there are, and where they are found.
    pub members: Vec<(u32, String)>,
    /// How the group keeps its objects.
    pub shape: Shape,
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
    /// # Errors  As [`Node::invite`].
    pub async fn admit_token(
        &self,
        token: &[u8; TOKEN_BYTES],
        good_for: Duration,
    ) -> Result<u64, Refusal> {
        let group = self.group();
        group.links.as_ref().ok_or(Refusal::NotACluster)?;
        let good_for = good_for.clamp(Duration::from_secs(1), INVITE_MAX);
        let expires = crate::clock::unix_micros().saturating_add(good_for.as_micros() as u64);
        let key = InviteKey::of(token);
        let command = Command::Invite {
            id: key.id(),
            key: key.reveal(|bytes| *bytes),
            expires_unix_micros: expires,
        };
        let sent = group.registry.ordered_send(command, Durability::MajorityDurable).await;
        match sent.map_err(|_| Refusal::NoMajority)?.reply {
            Reply::Done => Ok(expires / 1_000_000),
            _ => Err(Refusal::Busy { retry_after: Duration::from_secs(60) }),
        }
    }

    /// Takes in whoever proves a token over a connection that showed this certificate. The second
    /// part proves the answer, once its bytes are known.
    /// # Errors  [`Refusal::InviteUnknown`] for a proof that is none; [`Refusal::NoMajority`].
    pub async fn let_in(
        &self,
        certificate_sha256: &[u8; 32],
        (invite, nonce, proof): (&str, &str, &str),
        (address, url): (String, String),
    ) -> Result<(Welcomed, impl FnOnce(&[u8]) -> String + use<>), Refusal> {
        let group = self.group();
        let links = group.links.as_ref().ok_or(Refusal::NotACluster)?;
        if address.len() > ADDRESS_BYTES_MAX || url.len() > ADDRESS_BYTES_MAX {
            return Err(Refusal::TooMuch {
                what: "an address's length in bytes",
                most: ADDRESS_BYTES_MAX as u64,
            });
        }
        let id = unhex::<8>(invite).ok_or(Refusal::InviteUnknown)?;
        let nonce = unhex::<32>(nonce).ok_or(Refusal::InviteUnknown)?;
        let proof = unhex::<32>(proof).ok_or(Refusal::InviteUnknown)?;
        group.registry.latest().await.map_err(|_| Refusal::NoMajority)?;
        let key = group.registry.read(|registry| registry.invite(&id));
        let key = InviteKey::from_bytes(key.ok_or(Refusal::InviteUnknown)?);
        let wish = [address.as_bytes(), b"\0", url.as_bytes()].concat();
        if !same_proof(&key.ask(certificate_sha256, &nonce, &wish), &proof) {
            return Err(Refusal::InviteUnknown);
        }
        let entry = Entry { address, url };
        let command = Command::Redeem { id, entry };
        let sent = group.registry.ordered_send(command, Durability::MajorityDurable).await;
        let node = match sent.map_err(|_| Refusal::NoMajority)?.reply {
            Reply::Welcome(node) => node,
            Reply::Full => return Err(Refusal::Busy { retry_after: Duration::from_secs(60) }),
            Reply::Done | Reply::Unknown => return Err(Refusal::InviteUnknown),
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
            members: members.map(|(number, entry)| (number, entry.address)).collect(),
            shape: links.shape(),
        };
        let certificate = *certificate_sha256;
        Ok((welcomed, move |answer: &[u8]| hex(&key.answer(&certificate, &nonce, answer))))
    }

    /// Leaves the group for good, in order: others take over first. Returns once it is no member.
    /// # Errors  [`Refusal::NotACluster`], [`Refusal::NoMajority`].
    pub async fn leave(&self) -> Result<(), Refusal> {
        let group = self.group();
        let links = group.links.as_ref().ok_or(Refusal::NotACluster)?;
        let command = Command::Forget { node: links.node.number() };
        let sent = group.registry.ordered_send(command, Durability::MajorityDurable).await;
        sent.map_err(|_| Refusal::NoMajority)?;
        group.member.leave();
        group.member.when(|status| status.ended).await.map(drop).ok_or(Refusal::Unavailable)
    }
}

/// Whether the node in this folder is in a group already, or keeps a store of its own.
/// # Errors  [`IdentityError`]
pub fn belongs_to_a_group(dir: &Path) -> Result<bool, IdentityError> {
    Ok(Place::read(dir)?.is_some() || dir.join("store").exists())
}

/// Writes down, in a folder that no node has used, what a group told its new member.
/// # Errors  [`IdentityError`]; then the folder is to be removed.
pub fn settle_in(dir: &Path, welcomed: &Welcomed) -> Result<(), IdentityError> {
    let failed =
        |error: std::io::Error| IdentityError::Files { verb: "written", kind: error.kind() };
    let keys = dir.join("keys");
    files::make_private_dir(&keys).map_err(failed)?;
    Identity::adopt(&keys, &welcomed.authority_pem, &welcomed.authority_key_pem, &welcomed.owner)?;
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
