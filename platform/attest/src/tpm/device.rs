//! Where a TPM is reached: a device of the kernel, or a socket behind which there is one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::error::AttestError;
use crate::limits::{TPM_REPLY_BYTES_MAX, TPM_REPLY_MAX};
use crate::tpm::command::HEADER_BYTES;

/// Where a TPM is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Device {
    /// A device, such as `/dev/tpmrm0`.
    File(PathBuf),
    /// A socket that takes commands and gives answers, as `swtpm` has one.
    Socket(PathBuf),
}

/// An open line to it.
pub(super) enum Line {
    File(File),
    Socket(UnixStream),
}

impl Device {
    pub(super) fn open(&self) -> Result<Line, AttestError> {
        let open = || match self {
            Self::File(path) => {
                OpenOptions::new().read(true).write(true).open(path).map(Line::File)
            }
            Self::Socket(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(Some(TPM_REPLY_MAX))?;
                socket.set_write_timeout(Some(TPM_REPLY_MAX))?;
                Ok(Line::Socket(socket))
            }
        };
        open().map_err(|error: io::Error| AttestError::Tpm { verb: "opened", kind: error.kind() })
    }
}

impl Line {
    /// Sends a command and reads the whole answer.
    pub(super) fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, AttestError> {
        let asked = match self {
            // A device takes a command in one call.
            Self::File(file) => file.write_all(command),
            Self::Socket(socket) => socket.write_all(command),
        };
        let failed = |verb| move |error: io::Error| AttestError::Tpm { verb, kind: error.kind() };
        asked.map_err(failed("asked"))?;
        let answer = match self {
            Self::File(file) => answer(file),
            Self::Socket(socket) => answer(socket),
        };
        answer.map_err(failed("heard"))
    }
}

/// An answer says in its header how long it is. A device gives all of it at once, a socket in
/// pieces.
fn answer(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; TPM_REPLY_BYTES_MAX];
    let mut filled = 0;
    loop {
        let free = buffer.get_mut(filled..).unwrap_or_default();
        let read = match from.read(free) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let known = buffer.get(..filled).unwrap_or_default();
        if known.len() < HEADER_BYTES {
            continue;
        }
        let length = known.get(2..6).and_then(|length| length.try_into().ok());
        let length = length.map_or(0, u32::from_be_bytes) as usize;
        if !(HEADER_BYTES..=TPM_REPLY_BYTES_MAX).contains(&length) || filled > length {
            return Err(ErrorKind::InvalidData.into());
        }
        if filled == length {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

#[cfg(test)]
mod an_answer {
    use super::*;

    /// Gives one byte at a time.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.0.read(to.get_mut(..1).unwrap_or_default())
        }
    }

    #[test]
    fn in_pieces_is_put_together() {
        let whole = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 7];
        assert_eq!(answer(&mut Dripping(&whole)).unwrap(), whole);
        assert_eq!(answer(&mut &whole[..]).unwrap(), whole);
    }

    #[test]
    fn that_breaks_off_or_is_too_long_is_an_error() {
        let kind = |bytes: &[u8]| answer(&mut &*bytes).map_err(|error| error.kind());
        let short = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7];
        assert_eq!(kind(&short), Err(ErrorKind::UnexpectedEof));
        assert_eq!(kind(&[]), Err(ErrorKind::UnexpectedEof));
        for length in [0u32, 9, 4097, u32::MAX] {
            let bytes = [&[0x80, 1][..], &length.to_be_bytes(), &[0; 8]].concat();
            assert_eq!(kind(&bytes), Err(ErrorKind::InvalidData));
        }
    }
}
