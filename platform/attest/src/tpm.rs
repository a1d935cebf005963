//! A TPM 2.0, spoken to in its own commands: make the key that quotes, have it quote, forget it.
//!
//! The key is a primary one: the TPM makes the same each time from a seed that never leaves it, so
//! nothing is kept anywhere, and its name stays what clients have pinned.
//!
//! Source: TCG, "TPM 2.0 Library" part 3 (1.59), sections 18.4, 24.1 and 28.4.

mod command;
mod device;

use notrace_policy_evidence::Hardware;
use notrace_policy_evidence::platform::Pcrs;

use crate::error::AttestError;
use command::{Command, Reply};

pub use device::Device;

const CREATE_PRIMARY: u32 = 0x131;
const QUOTE: u32 = 0x158;
const FLUSH_CONTEXT: u32 = 0x165;
/// The hierarchy that whoever owns the machine cannot reset.
const ENDORSEMENT: u32 = 0x4000_000b;

const ECC: u16 = 0x0023;
const SHA256: u16 = 0x000b;
const ECDSA: u16 = 0x0018;
const NULL: u16 = 0x0010;
const NIST_P256: u16 = 0x0003;
/// Stays in its TPM and below its parent, is made inside, needs no more than its empty password, is
/// restricted to what the TPM made, signs.
const ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18;

/// A key in the TPM, until it is flushed.
struct Key {
    handle: u32,
    public: Vec<u8>,
}

/// What the TPM at `device` says of 32 bytes and these registers.
/// # Errors  [`AttestError`]
pub fn quote(device: &Device, data: &[u8; 32], pcrs: Pcrs) -> Result<Hardware, AttestError> {
    let mut line = device.open()?;
    let key = create(&mut line)?;
    let quoted = ask(&mut line, &key, data, pcrs);
    // A TPM has room for three keys or so; one that stays takes a place from everybody.
    let flushed = Command::new(FLUSH_CONTEXT).u32(key.handle).send(&mut line, "to forget a key");
    let (attest, signature) = quoted?;
    flushed?;
    Ok(Hardware::Tpm { public: key.public, attest, signature })
}

fn create(line: &mut device::Line) -> Result<Key, AttestError> {
    let template = Command::body()
        .u16(ECC)
        .u16(SHA256)
        .u32(ATTRIBUTES)
        // No policy, no symmetric algorithm, this scheme, this curve, no derivation, no point yet.
        .counted(&[])
        .u16(NULL)
        .u16(ECDSA)
        .u16(SHA256)
        .u16(NIST_P256)
        .u16(NULL)
        .counted(&[])
        .counted(&[])
        .bytes();
    // An empty password, and nothing to be sealed.
    let sensitive = Command::body().counted(&[]).counted(&[]).bytes();
    let command = Command::with_password(CREATE_PRIMARY, ENDORSEMENT)
        .counted(&sensitive)
        .counted(&template)
        .counted(&[])
        .u32(0);
    let mut reply = command.send(line, "to make its key")?;
    let handle = reply.u32()?;
    let mut parameters = reply.parameters()?;
    let public = parameters.counted()?;
    Ok(Key { handle, public })
}

fn ask(
    line: &mut device::Line,
    key: &Key,
    data: &[u8; 32],
    pcrs: Pcrs,
) -> Result<(Vec<u8>, Vec<u8>), AttestError> {
    let [low, middle, high] = pcrs.to_selection();
    let command = Command::with_password(QUOTE, key.handle)
        .counted(data)
        // The key's own scheme; one selection, of three bytes.
        .u16(NULL)
        .u32(1)
        .u16(SHA256)
        .raw(&[3, low, middle, high]);
    let mut reply: Reply = command.send(line, "to quote")?;
    let mut parameters = reply.parameters()?;
    let attest = parameters.counted()?;
    Ok((attest, parameters.rest()))
}
