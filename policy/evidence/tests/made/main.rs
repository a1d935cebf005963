//! Evidence made to order, by vendors that do not exist: what is true is taken for what it is, and
//! nothing else is taken for more.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test lacks fails it")]

mod envelope;
mod levels;
mod vendors;

use notrace_policy_evidence::platform::{Pcrs, Platform, Tcb};
use notrace_policy_evidence::{
    AmdProduct, Binding, Expected, Hardware, Pins, Vendors, compose, tpm,
};
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::TrustLevel;
use notrace_tests_vendor::{Chip, Tpm};

/// A moment within everything's time: 2026-11-18.
const NOW: u64 = 1_795_000_000;
const ORIGIN: &str = "notrace.invalid/0123456789abcdef";

/// One vendor of each kind, and a node's ledger.
struct Bench {
    chip: Chip,
    intel: notrace_tests_vendor::Platform,
    tpm: Tpm,
    signer: NoteSigner,
}

impl Bench {
    fn new() -> Self {
        Self {
            chip: Chip::default(),
            intel: notrace_tests_vendor::Platform::default(),
            tpm: Tpm::default(),
            signer: signer(1),
        }
    }

    fn binding(&self) -> Binding {
        Binding {
            tls_key: [1; 32],
            request_key: [2; 32],
            ledger: self.signer.public().clone(),
            nonce: [3; 32],
            from_unix_s: NOW - 60,
            until_unix_s: NOW + 1200,
        }
    }

    fn snp(&self, binding: &Binding) -> Hardware {
        Hardware::Snp { report: self.chip.report(&wide(binding)), vcek: Chip::VCEK.to_vec() }
    }

    fn tdx(&self, binding: &Binding) -> Hardware {
        Hardware::Tdx { quote: self.intel.quote(&wide(binding)) }
    }

    fn tpm(&self, binding: &Binding) -> Hardware {
        let (attest, signature) = self.tpm.quote(&binding.digest());
        Hardware::Tpm { public: self.tpm.public(), attest, signature }
    }

    /// All kinds there are, about this binding, with the level that each reaches where it is
    /// pinned.
    fn all(&self, binding: &Binding) -> [(Hardware, TrustLevel); 4] {
        [
            (Hardware::None, TrustLevel::Software),
            (self.tpm(binding), TrustLevel::Tpm),
            (self.snp(binding), TrustLevel::Hardware),
            (self.tdx(binding), TrustLevel::Hardware),
        ]
    }

    fn compose(&self, hardware: &Hardware) -> Vec<u8> {
        compose(&self.binding(), hardware, &self.signer).unwrap()
    }

    fn vendors(&self) -> Vendors {
        let amd = AmdProduct { ark: Chip::ARK.into(), ask: Chip::ASK.into() };
        Vendors::these(vec![amd], self.intel.root())
    }

    /// Those of a client that was told of all three machines.
    fn pins(&self) -> Pins {
        let registers = ring_sha256(&[0; 7 * 48]);
        Pins {
            keys: vec![self.signer.public().clone()],
            platforms: vec![
                Platform::Tpm {
                    key: tpm::name(&self.tpm.public()),
                    pcrs: Pcrs::of(&Tpm::REGISTERS).unwrap(),
                    digest: self.tpm.digest,
                },
                Platform::Snp { measurement: self.chip.measurement, tcb: Tcb(Chip::TCB) },
                Platform::Tdx {
                    mrtd: self.intel.mrtd,
                    registers,
                    svn: notrace_tests_vendor::Platform::SVN,
                },
            ],
            least: TrustLevel::Software,
            vendors: self.vendors(),
        }
    }
}

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, &[seed; 32]).unwrap()
}

fn wide(binding: &Binding) -> [u8; 64] {
    *<&[u8; 64]>::try_from([binding.digest(), [0; 32]].as_flattened()).unwrap()
}

fn ring_sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap()
}

fn now() -> Expected {
    Expected { now_unix_s: NOW, clocks_apart_s: 60, ..Expected::default() }
}
