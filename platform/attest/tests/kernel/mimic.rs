//! What a kernel does with a folder of reports, and what else may happen to one.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notrace_platform_attest::tsm::{Configfs, Folder};
use notrace_tests_vendor::{Chip, Platform};

/// What a folder is asked for, in this order, if nothing comes in between.
pub(crate) const STEPS: [&str; 7] = [
    "read generation",
    "write inblob",
    "read generation",
    "read provider",
    "read outblob",
    "read auxblob",
    "read generation",
];

/// What comes in between, just before one of the steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Another process has a report made of its own bytes.
    Intruder,
    /// The step fails with this.
    Fails(ErrorKind),
    /// What is read ends after this much.
    Short(usize),
}

/// Who makes the reports.
pub(crate) enum Maker {
    Chip(Box<Chip>),
    Intel(Box<Platform>),
}

/// A folder whose files are kept up as a kernel keeps them up.
pub(crate) struct Mimic {
    inner: Configfs,
    maker: Maker,
    /// One for each step that is still to come.
    pub(crate) faults: VecDeque<Fault>,
    /// What comes when these are used up.
    pub(crate) after: Fault,
    pub(crate) pauses: u32,
}

impl Mimic {
    /// A folder below `reports`, of a kernel with this maker.
    pub(crate) fn new(reports: &Path, maker: Maker) -> Self {
        let inner = Configfs::open(reports).unwrap();
        let provider = match maker {
            Maker::Chip(_) => "sev_guest\n",
            Maker::Intel(_) => "tdx_guest\n",
        };
        let table = match maker {
            Maker::Chip(_) => table(Chip::VCEK),
            Maker::Intel(_) => Vec::new(),
        };
        let files: [(&str, &[u8]); 5] = [
            ("generation", b"6\n"),
            ("provider", provider.as_bytes()),
            ("inblob", b""),
            ("outblob", b""),
            ("auxblob", &table),
        ];
        for (name, bytes) in files {
            fs::write(inner.path().join(name), bytes).unwrap();
        }
        let (faults, after, pauses) = (VecDeque::new(), Fault::None, 0);
        Self { inner, maker, faults, after, pauses }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.inner.path().join(name)
    }

    /// What the kernel does once somebody has written what is to be bound.
    fn make(&self) {
        let data = fs::read(self.file("inblob")).unwrap().try_into().unwrap();
        let report = match &self.maker {
            Maker::Chip(chip) => chip.report(&data),
            Maker::Intel(platform) => platform.quote(&data),
        };
        fs::write(self.file("outblob"), report).unwrap();
        let generation = fs::read_to_string(self.file("generation")).unwrap();
        let next = generation.trim_end().parse::<u64>().unwrap() + 1;
        fs::write(self.file("generation"), format!("{next}\n")).unwrap();
    }

    /// Lets happen what comes before this step; how much of it goes well.
    fn before(&mut self) -> io::Result<usize> {
        match self.faults.pop_front().unwrap_or(self.after) {
            Fault::None => Ok(usize::MAX),
            Fault::Intruder => {
                fs::write(self.file("inblob"), [0xee; 64]).unwrap();
                self.make();
                Ok(usize::MAX)
            }
            Fault::Fails(kind) => Err(kind.into()),
            Fault::Short(bytes) => Ok(bytes),
        }
    }
}

impl Folder for Mimic {
    fn read(&mut self, name: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        let most = self.before()?;
        let mut bytes = self.inner.read(name, bytes_max)?;
        bytes.truncate(most);
        Ok(bytes)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let most = self.before()?;
        if most < bytes.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        self.inner.write(name, bytes)?;
        self.make();
        Ok(())
    }

    fn pause(&mut self, _: Duration) {
        self.pauses += 1;
    }
}

/// A host's table with this certificate of its chip in it.
pub(crate) fn table(vcek: &[u8]) -> Vec<u8> {
    let name = [
        0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
        0xcd,
    ];
    let place = [48u32.to_le_bytes(), (vcek.len() as u32).to_le_bytes()].concat();
    [&name[..], &place, &[0; 24], vcek].concat()
}
