//! What stands behind a node's key, in the words in which clients pin it.

use core::fmt;
use core::str::FromStr;

use notrace_policy_promise::receipt::TrustLevel;

use crate::hex::{Hex, from_hex};
use crate::limits::PCRS;

/// Hardware that vouches for a node, and for what software. Prints as one word, which is what a
/// client keeps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Platform {
    /// A TPM: `tpm2:KEY:REGISTERS:DIGEST`.
    Tpm {
        /// The name of the key that quotes.
        key: [u8; 34],
        /// Which registers it quotes.
        pcrs: Pcrs,
        /// The SHA-256 of all of them, one after another.
        digest: [u8; 32],
    },
    /// SEV-SNP: `snp:MEASUREMENT:TCB`.
    Snp {
        /// What the guest was started from.
        measurement: [u8; 48],
        /// The version of the firmware; in a pin, the least that will do.
        tcb: Tcb,
    },
    /// TDX: `tdx:MRTD:REGISTERS:SVN`.
    Tdx {
        /// What the machine was started from.
        mrtd: [u8; 48],
        /// SHA-256 over its configuration, its owner, and its four registers.
        registers: [u8; 32],
        /// The versions of the module's parts; in a pin, the least that will do.
        svn: [u8; 16],
    },
}

/// The version of AMD's firmware, in its eight parts. Prints as numbers between points.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tcb(pub [u8; 8]);

/// A set of a TPM's registers. Prints as numbers between commas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pcrs(u32);

/// Why a text is not a platform's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a platform is one word that begins with tpm2:, snp: or tdx:, as `notrace status` tells it"
)]
pub struct NotAPlatform;

impl Platform {
    /// How far a node can be trusted whose evidence shows this. The one place where hardware is
    /// turned into a level.
    #[must_use]
    pub const fn level(&self) -> TrustLevel {
        match self {
            Self::Tpm { .. } => TrustLevel::Tpm,
            Self::Snp { .. } | Self::Tdx { .. } => TrustLevel::Hardware,
        }
    }

    /// Whether a client that pinned this takes what was seen for it: the same software on firmware
    /// that is no older.
    #[must_use]
    pub fn takes(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Tpm { .. }, Self::Tpm { .. }) => self == seen,
            (Self::Snp { measurement, tcb }, Self::Snp { measurement: other, tcb: newer }) => {
                measurement == other && newer.covers(*tcb)
            }
            (
                Self::Tdx { mrtd, registers, svn },
                Self::Tdx { mrtd: mrtd_seen, registers: registers_seen, svn: newer },
            ) => {
                let no_older = newer.iter().zip(svn).all(|(newer, least)| newer >= least);
                mrtd == mrtd_seen && registers == registers_seen && no_older
            }
            _ => false,
        }
    }
}

impl Tcb {
    /// Whether no part is older than in `least`.
    #[must_use]
    pub fn covers(self, least: Self) -> bool {
        self.0.iter().zip(least.0).all(|(part, least)| *part >= least)
    }
}

impl Pcrs {
    /// The set of these; `None` if it is empty or one of them is none.
    #[must_use]
    pub fn of(numbers: &[u8]) -> Option<Self> {
        let bits = numbers.iter().try_fold(0, |bits, number| {
            let bit = (*number < PCRS).then(|| 1u32 << number)?;
            (bits & bit == 0).then_some(bits | bit)
        })?;
        (bits != 0).then_some(Self(bits))
    }

    /// As a TPM writes it: three bytes, the lowest register first.
    pub(crate) fn from_selection(selected: &[u8]) -> Option<Self> {
        let bytes: [u8; 3] = selected.try_into().ok()?;
        let [low, middle, high] = bytes;
        let bits = u32::from_le_bytes([low, middle, high, 0]);
        (bits != 0).then_some(Self(bits))
    }

    /// The same, the other way.
    #[must_use]
    pub fn to_selection(self) -> [u8; 3] {
        let [low, middle, high, _] = self.0.to_le_bytes();
        [low, middle, high]
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tpm { key, pcrs, digest } => {
                write!(f, "tpm2:{}:{pcrs}:{}", Hex(key), Hex(digest))
            }
            Self::Snp { measurement, tcb } => write!(f, "snp:{}:{tcb}", Hex(measurement)),
            Self::Tdx { mrtd, registers, svn } => {
                write!(f, "tdx:{}:{}:{}", Hex(mrtd), Hex(registers), Hex(svn))
            }
        }
    }
}

impl FromStr for Platform {
    type Err = NotAPlatform;

    fn from_str(text: &str) -> Result<Self, NotAPlatform> {
        let read = || {
            let mut parts = text.split(':');
            let kind = parts.next()?;
            let mut part = || parts.next();
            let platform = match kind {
                "tpm2" => Self::Tpm {
                    key: from_hex(part()?)?,
                    pcrs: Pcrs::parse(part()?)?,
                    digest: from_hex(part()?)?,
                },
                "snp" => Self::Snp { measurement: from_hex(part()?)?, tcb: Tcb::parse(part()?)? },
                "tdx" => Self::Tdx {
                    mrtd: from_hex(part()?)?,
                    registers: from_hex(part()?)?,
                    svn: from_hex(part()?)?,
                },
                _ => return None,
            };
            parts.next().is_none().then_some(platform)
        };
        let platform = read().ok_or(NotAPlatform)?;
        // Numbers have several spellings; only one passes here.
        (platform.to_string() == text).then_some(platform).ok_or(NotAPlatform)
    }
}

impl Tcb {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let mut tcb = [0; 8];
        for part in &mut tcb {
            *part = parts.next()?.ok()?;
        }
        parts.next().is_none().then_some(Self(tcb))
    }
}

impl fmt::Display for Tcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, self.0, '.')
    }
}

impl Pcrs {
    fn parse(text: &str) -> Option<Self> {
        let numbers: Result<Vec<u8>, _> = text.split(',').map(str::parse).collect();
        Self::of(&numbers.ok()?)
    }
}

impl fmt::Display for Pcrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, (0..PCRS).filter(|number| self.0 >> number & 1 == 1), ',')
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    numbers: impl IntoIterator<Item = u8>,
    between: char,
) -> fmt::Result {
    for (place, number) in numbers.into_iter().enumerate() {
        if place > 0 {
            write!(f, "{between}")?;
        }
        write!(f, "{number}")?;
    }
    Ok(())
}

#[cfg(test)]
mod a_platform {
    use super::*;

    fn tpm(digest: u8) -> Platform {
        Platform::Tpm { key: [7; 34], pcrs: Pcrs::of(&[0, 7, 23]).unwrap(), digest: [digest; 32] }
    }

    fn snp(tcb: [u8; 8]) -> Platform {
        Platform::Snp { measurement: [9; 48], tcb: Tcb(tcb) }
    }

    fn tdx(svn: u8) -> Platform {
        Platform::Tdx { mrtd: [1; 48], registers: [2; 32], svn: [svn; 16] }
    }

    #[test]
    fn is_one_word_in_one_spelling() {
        for platform in [tpm(1), snp([3, 0, 0, 0, 0, 0, 8, 115]), tdx(4)] {
            let text = platform.to_string();
            assert_eq!(text.parse(), Ok(platform));
            for bad in [text.to_uppercase(), format!("{text}:"), format!(" {text}")] {
                assert_eq!(bad.parse::<Platform>(), Err(NotAPlatform), "{bad}");
            }
        }
        let text = tpm(1).to_string();
        assert!(text.contains(":0,7,23:"), "{text}");
        for bad in [":7,0,23:", ":0,7,07,23:", ":0,7,24:", "::", ":0,7,7,23:"] {
            let bad = text.replace(":0,7,23:", bad);
            assert_eq!(bad.parse::<Platform>(), Err(NotAPlatform), "{bad}");
        }
    }

    #[test]
    fn takes_the_same_on_firmware_that_is_no_older() {
        assert!(snp([3, 0, 0, 0, 0, 0, 8, 115]).takes(&snp([3, 0, 0, 0, 0, 0, 9, 115])));
        assert!(!snp([3, 0, 0, 0, 0, 0, 8, 115]).takes(&snp([4, 0, 0, 0, 0, 0, 9, 114])));
        assert!(tdx(4).takes(&tdx(5)) && !tdx(5).takes(&tdx(4)));
        assert!(tpm(1).takes(&tpm(1)) && !tpm(1).takes(&tpm(2)));
        assert!(!tpm(1).takes(&tdx(1)) && !tdx(1).takes(&snp([0; 8])));
    }
}
