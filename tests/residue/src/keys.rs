//! The node's table of pool keys, read as whoever has its folder can read it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use notrace_sdk_seal::{DataKey, open};
use serde::Deserialize;

/// What the table is sealed for.
const PURPOSE: &[u8] = b"notrace key table v1";

/// The newest generation.
pub struct Table {
    /// The key it is sealed under.
    pub master: [u8; 32],
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    pool: String,
    #[expect(dead_code, reason = "it stands between the others")]
    epoch: u32,
    key: [u8; 32],
}

impl Table {
    /// The key of a pool.
    pub fn key_of(&self, pool: &str) -> Option<&[u8; 32]> {
        self.rows.iter().find(|row| row.pool == pool).map(|row| &row.key)
    }
}

/// Reads the newest generation below a node's folder.
///
/// # Errors  There is none that opens.
pub fn read(home: &Path) -> Result<Table> {
    let folder = home.join("keys");
    let mut newest = None;
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let number = name.strip_prefix("pools.").and_then(|text| text.parse::<u64>().ok());
        newest = newest.max(number);
    }
    let newest = newest.context("no table of keys")?;
    let master = fs::read(folder.join(format!("master.{newest}")))?;
    let master: [u8; 32] = master.try_into().map_err(|_| anyhow!("a master key of 32 bytes"))?;
    let sealed = fs::read(folder.join(format!("pools.{newest}")))?;
    let bytes = open(&DataKey::from_bytes(&master), PURPOSE, sealed);
    let bytes = bytes.map_err(|_| anyhow!("the table does not open"))?;
    let (_, rows): (u64, Vec<Row>) = postcard::from_bytes(&bytes)?;
    Ok(Table { master, rows })
}
