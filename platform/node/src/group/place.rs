//! What a node remembers of its group outside the store: its number, the group's name and key, and
//! where the others were last found.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::files;
use crate::identity::{IdentityError, fill};
use crate::limits::KEY_FILE_BYTES_MAX;

const FILE: &str = "group.toml";

/// How a group keeps its objects, said when it is founded.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Into how many shards the keys are divided.
    pub shards: u16,
    /// How many nodes hold each of them, where there are as many.
    pub copies: u16,
}

impl Default for Shape {
    fn default() -> Self {
        Self { shards: 1, copies: 5 }
    }
}

impl Shape {
    /// How many shards for data there are besides the home shard, which keeps what is not divided.
    pub(crate) fn data_shards(self) -> u16 {
        if self.shards > 1 { self.shards } else { 0 }
    }
}

/// Another node of the group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// Its number.
    pub node: u32,
    /// Where it is found.
    pub address: String,
    /// The digest of the public key that it proves its name with, in hexadecimal.
    pub key: String,
}

/// A node's place in its group.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The node's number.
    pub(crate) node: u32,
    /// The group's name.
    pub(crate) group: String,
    /// The key under which pool keys travel, in hexadecimal.
    pub(crate) key: String,
    /// Other nodes, as they were known last.
    pub(crate) others: Vec<Other>,
    /// How the group keeps its objects.
    #[serde(default)]
    pub(crate) shape: Shape,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Place {
    /// The place that the node in this folder has, if it is in a group.
    /// # Errors  [`IdentityError`]
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = dir.join("keys").join(FILE);
        match files::read_bounded(&path, KEY_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityError::Files { verb: "read", kind: error.kind() }),
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| IdentityError::Damaged)?;
                toml::from_str(&text).map(Some).map_err(|_| IdentityError::Damaged)
            }
        }
    }

    /// The place of a group's first node.
    /// # Errors  [`IdentityError::NoCrypto`]
    pub(crate) fn founder(shape: Shape) -> Result<Self, IdentityError> {
        let (mut name, mut key) = ([0; 8], [0; 32]);
        fill(&mut name)?;
        fill(&mut key)?;
        let (group, others) = (format!("g{}", hex(&name)), Vec::new());
        let place = Self { node: 1, group, key: hex(&key), others, shape };
        key.zeroize();
        Ok(place)
    }

    /// Writes it down.
    /// # Errors  [`IdentityError`]
    pub(crate) fn write(&self, dir: &Path) -> Result<(), IdentityError> {
        let failed =
            |error: io::Error| IdentityError::Files { verb: "written", kind: error.kind() };
        files::make_private_dir(&dir.join("keys")).map_err(failed)?;
        let mut text = toml::to_string(self).map_err(|_| IdentityError::Damaged)?;
        let written = files::write_private(&dir.join("keys").join(FILE), text.as_bytes());
        text.zeroize();
        written.map_err(failed)
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A string takes every byte; there is nothing that could fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that hexadecimal spells, if it is as many.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (place, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *place = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(bytes)
}
