//! Reports through the kernel's `configfs-tsm`: a folder is made, what is to be bound is written to
//! one file of it, and the report is read from another.
//!
//! Files of one folder belong together only as long as nobody writes in between; the kernel counts
//! writes in `generation`. Whatever was read while that number moved is thrown away.
//!
//! Source: Linux, `Documentation/ABI/testing/configfs-tsm-report` (6.7 and later).

mod configfs;
mod table;

use std::io::{self, ErrorKind};
use std::time::Duration;

use notrace_policy_evidence::Hardware;

use crate::error::AttestError;
use crate::limits::{
    AUXBLOB_BYTES_MAX, OUTBLOB_BYTES_MAX, REPORT_PAUSE, REPORT_TRIES_MAX, WORD_BYTES_MAX,
};

pub use configfs::Configfs;

/// One folder of reports.
pub trait Folder {
    /// All that one of its files holds, of which there may be this much.
    /// # Errors  Those of the file system; [`ErrorKind::FileTooLarge`].
    fn read(&mut self, name: &str, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// Writes one of its files, in one call.
    /// # Errors  Those of the file system; [`ErrorKind::WriteZero`] if only a part was taken.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Waits before it is asked again.
    fn pause(&mut self, pause: Duration);
}

/// Why an attempt gave nothing.
enum Miss {
    /// Another may give something.
    Again,
    /// None will.
    Never(AttestError),
}

/// What the kernel's provider says of 64 bytes.
/// # Errors  [`AttestError`]; `vcek` is the chip's certificate where the host gives none.
pub fn report(
    folder: &mut impl Folder,
    data: &[u8; 64],
    vcek: Option<&[u8]>,
) -> Result<Hardware, AttestError> {
    let mut pause = REPORT_PAUSE;
    for _ in 0..REPORT_TRIES_MAX {
        match attempt(folder, data, vcek) {
            Ok(hardware) => return Ok(hardware),
            Err(Miss::Never(error)) => return Err(error),
            Err(Miss::Again) => {
                folder.pause(pause);
                pause *= 2;
            }
        }
    }
    Err(AttestError::Busy)
}

fn attempt(
    folder: &mut impl Folder,
    data: &[u8; 64],
    vcek: Option<&[u8]>,
) -> Result<Hardware, Miss> {
    let before = generation(folder)?;
    folder.write("inblob", data).map_err(missed("written"))?;
    // Ours is the only write since, or somebody else's may stand there now.
    let ours = generation(folder)?;
    if Some(ours) != before.checked_add(1) {
        return Err(Miss::Again);
    }
    let provider = word(folder, "provider")?;
    let report = folder.read("outblob", OUTBLOB_BYTES_MAX).map_err(missed("read"))?;
    let table = match folder.read("auxblob", AUXBLOB_BYTES_MAX) {
        // Not every provider has it, and not every host fills it.
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.map_err(missed("read"))?,
    };
    if generation(folder)? != ours {
        return Err(Miss::Again);
    }
    hardware(&provider, report, &table, data, vcek).map_err(Miss::Never)
}

/// What this provider's report is, if it is whole and binds what was asked.
fn hardware(
    provider: &str,
    report: Vec<u8>,
    table: &[u8],
    data: &[u8; 64],
    vcek: Option<&[u8]>,
) -> Result<Hardware, AttestError> {
    let (bound, hardware) = match provider {
        "sev_guest" => {
            let bound = report.get(SNP_DATA..SNP_DATA + 64).map(<[u8]>::to_vec);
            let whole = report.len() == notrace_policy_evidence::limits::SNP_REPORT_BYTES;
            let of_host = table::vcek(table).map_err(|()| AttestError::Form)?;
            let vcek = of_host.or(vcek).ok_or(AttestError::NoCertificate)?.to_vec();
            (bound.filter(|_| whole), Hardware::Snp { report, vcek })
        }
        "tdx_guest" => {
            let bound = report.get(TDX_DATA..TDX_DATA + 64).map(<[u8]>::to_vec);
            (bound, Hardware::Tdx { quote: report })
        }
        _ => return Err(AttestError::OtherProvider),
    };
    // A report that ends early, or of something else, is not handed on to be refused elsewhere.
    (bound.as_deref() == Some(data)).then_some(hardware).ok_or(AttestError::Form)
}

/// Where a report of SEV-SNP has what it binds.
const SNP_DATA: usize = 0x50;
/// Where a quote of TDX has it.
const TDX_DATA: usize = 48 + 520;

fn generation(folder: &mut impl Folder) -> Result<u64, Miss> {
    let text = word(folder, "generation")?;
    text.parse().map_err(|_| Miss::Never(AttestError::Form))
}

/// A file that holds one word and perhaps the end of a line.
fn word(folder: &mut impl Folder, name: &str) -> Result<String, Miss> {
    let bytes = folder.read(name, WORD_BYTES_MAX).map_err(missed("read"))?;
    let text = String::from_utf8(bytes).map_err(|_| Miss::Never(AttestError::Form))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn missed(verb: &'static str) -> impl Fn(io::Error) -> Miss {
    move |error| match error.kind() {
        // The kernel answers with the latter to who reads what another's write made old.
        ErrorKind::ResourceBusy | ErrorKind::WouldBlock | ErrorKind::Interrupted => Miss::Again,
        ErrorKind::FileTooLarge => Miss::Never(AttestError::Form),
        kind => Miss::Never(AttestError::Folder { verb, kind }),
    }
}
