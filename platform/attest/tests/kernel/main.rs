//! Reports through a kernel that is no kernel: real files in a real folder, and whatever can come
//! between two looks at them.
#![cfg(test)]

mod mimic;
mod reports;

use notrace_policy_evidence::platform::{Platform, Tcb};
use notrace_policy_evidence::{AmdProduct, Binding, Pins, Vendors};
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::TrustLevel;
use notrace_tests_vendor::Chip;

/// A moment within everything's time: 2026-11-18.
const NOW: u64 = 1_795_000_000;

fn signer() -> NoteSigner {
    NoteSigner::new("notrace.invalid/0123456789abcdef", &[1; 32]).unwrap()
}

fn binding() -> Binding {
    Binding {
        tls_key: [1; 32],
        request_key: [2; 32],
        ledger: signer().public().clone(),
        nonce: [3; 32],
        from_unix_s: NOW,
        until_unix_s: NOW + 1200,
    }
}

fn vendors() -> Vendors {
    let amd = AmdProduct { ark: Chip::ARK.into(), ask: Chip::ASK.into() };
    Vendors::these(vec![amd], Vec::new())
}

fn pins() -> Pins {
    let measurement = Chip::default().measurement;
    Pins {
        keys: vec![signer().public().clone()],
        platforms: vec![Platform::Snp { measurement, tcb: Tcb(Chip::TCB) }],
        least: TrustLevel::Hardware,
        vendors: vendors(),
    }
}
