//! Commands of a TPM and its answers, in bytes.

use crate::error::AttestError;
use crate::limits::{TPM_PAUSE, TPM_TRIES_MAX};
use crate::tpm::device::Line;

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// The session of whoever knows a password.
const PASSWORD: u32 = 0x4000_0009;
/// Header of a command and of an answer.
pub(super) const HEADER_BYTES: usize = 10;
/// What a TPM says that shall be asked once more: busy with itself, with a test, with another.
const ASK_AGAIN: [u32; 3] = [0x908, 0x90a, 0x922];

/// A command, or a part of one, as far as it is written.
pub(super) struct Command {
    tag: u16,
    code: u32,
    bytes: Vec<u8>,
}

/// An answer, or what is left of one.
pub(super) struct Reply(Vec<u8>);

impl Command {
    /// One that nobody needs a password for.
    pub(super) fn new(code: u32) -> Self {
        Self { tag: NO_SESSIONS, code, bytes: Vec::new() }
    }

    /// One about this handle, with the empty password.
    pub(super) fn with_password(code: u32, handle: u32) -> Self {
        let command = Self { tag: SESSIONS, code, bytes: Vec::new() };
        let session = Self::body().u32(PASSWORD).counted(&[]).raw(&[0]).counted(&[]).bytes();
        command.u32(handle).u32(session.len() as u32).raw(&session)
    }

    /// A part of a command.
    pub(super) fn body() -> Self {
        Self::new(0)
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn u16(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Bytes behind their number. All that are written here are few.
    pub(super) fn counted(self, bytes: &[u8]) -> Self {
        self.u16(bytes.len() as u16).raw(bytes)
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Sends it, as often as the TPM wants to be asked, and gives what is behind the answer's
    /// header.
    pub(super) fn send(self, line: &mut Line, what: &'static str) -> Result<Reply, AttestError> {
        let length = (HEADER_BYTES + self.bytes.len()) as u32;
        let header = Self::body().u16(self.tag).u32(length).u32(self.code).bytes();
        let command = [header, self.bytes].concat();
        let mut pause = TPM_PAUSE;
        for _ in 0..TPM_TRIES_MAX {
            let answer = line.exchange(&command)?;
            let (code, body) = parse(&answer).ok_or(AttestError::TpmForm)?;
            match code {
                0 => return Ok(Reply(body)),
                code if ASK_AGAIN.contains(&code) => std::thread::sleep(pause),
                code => return Err(AttestError::TpmRefused { what, code }),
            }
            pause = (pause * 2).min(TPM_PAUSE * 64);
        }
        Err(AttestError::Busy)
    }
}

/// The code of an answer and what follows, if its length is right.
fn parse(answer: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (_, rest) = answer.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (code, body) = rest.split_first_chunk::<4>()?;
    let whole = u32::from_be_bytes(*length) as usize == answer.len();
    whole.then(|| (u32::from_be_bytes(*code), body.to_vec()))
}

impl Reply {
    fn take(&mut self, length: usize) -> Result<Vec<u8>, AttestError> {
        if length > self.0.len() {
            return Err(AttestError::TpmForm);
        }
        let rest = self.0.split_off(length);
        Ok(std::mem::replace(&mut self.0, rest))
    }

    pub(super) fn u32(&mut self) -> Result<u32, AttestError> {
        let bytes = self.take(4)?;
        bytes.as_slice().try_into().map(u32::from_be_bytes).map_err(|_| AttestError::TpmForm)
    }

    /// What stands before the sessions' part.
    pub(super) fn parameters(&mut self) -> Result<Self, AttestError> {
        let length = self.u32()?;
        self.take(length as usize).map(Self)
    }

    /// Bytes behind their number.
    pub(super) fn counted(&mut self) -> Result<Vec<u8>, AttestError> {
        let bytes = self.take(2)?;
        let length = bytes.as_slice().try_into().map(u16::from_be_bytes);
        self.take(usize::from(length.map_err(|_| AttestError::TpmForm)?))
    }

    pub(super) fn rest(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod an_answer {
    use super::*;

    #[test]
    fn of_another_length_than_it_says_is_none() {
        let good = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 7];
        assert_eq!(parse(&good), Some((0, vec![7, 7])));
        assert_eq!(parse(&good[..11]), None);
        assert_eq!(parse(&[&good[..], &[0]].concat()), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn is_read_no_further_than_it_goes() {
        let mut reply = Reply(vec![0, 0, 0, 3, 0, 5, 1]);
        let mut parameters = reply.parameters().unwrap();
        assert_eq!(parameters.counted(), Err(AttestError::TpmForm));
        assert!(Reply(vec![0, 0, 0, 9, 1]).parameters().is_err());
        assert!(Reply(vec![0]).u32().is_err());
    }
}
