//! What a real TPM's quote shows, and what it does not.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use notrace_platform_attest::tpm::{Device, quote};
use notrace_platform_attest::{AttestError, Source};
use notrace_policy_evidence::platform::{Pcrs, Platform};
use notrace_policy_evidence::tpm::{self, Raw};
use notrace_policy_evidence::{Binding, Expected, Hardware, Pins, Vendors, verify};
use notrace_policy_promise::note::NoteSigner;
use notrace_policy_promise::receipt::TrustLevel;

use crate::machine::{Machine, has, write_pem};

const NOW: u64 = 1_795_000_000;
const DATA: [u8; 32] = [0x42; 32];

fn pcrs() -> Pcrs {
    Pcrs::of(&[0, 7, 16]).unwrap()
}

fn parts(hardware: Hardware) -> [Vec<u8>; 3] {
    let Hardware::Tpm { public, attest, signature } = hardware else { panic!("not a TPM's") };
    [public, attest, signature]
}

fn verified(parts: &[Vec<u8>; 3]) -> Result<tpm::Quote, tpm::BadTpm> {
    let [public, attest, signature] = parts;
    tpm::verify(Raw { public, attest, signature })
}

fn platform(machine: &Machine) -> Platform {
    let quoted = quote(&machine.device(), &DATA, pcrs()).unwrap();
    verified(&parts(quoted)).unwrap().platform
}

fn key_of(platform: Platform) -> [u8; 34] {
    let Platform::Tpm { key, .. } = platform else { panic!("not a TPM's") };
    key
}

#[test]
fn a_quote_is_true_and_binds_what_was_asked() {
    let Some(machine) = Machine::new() else { return };
    let quoted = quote(&machine.device(), &DATA, pcrs()).unwrap();
    let read = verified(&parts(quoted)).unwrap();
    assert_eq!(read.data, DATA);
    let Platform::Tpm { pcrs: registers, .. } = read.platform else { panic!("not a TPM's") };
    assert_eq!(registers, pcrs());
}

#[test]
fn a_quote_is_refused_with_any_bit_changed() {
    let Some(machine) = Machine::new() else { return };
    let parts = parts(quote(&machine.device(), &DATA, pcrs()).unwrap());
    let true_one = verified(&parts).unwrap();
    for part in 0..3 {
        for bit in 0..8 * parts[part].len() {
            let mut changed = parts.clone();
            changed[part][bit / 8] ^= 1 << (bit % 8);
            // What of a key is not its point can change and leave the signature good. It is another
            // key by its name then, which nobody has pinned.
            let other = verified(&changed).map(|other| other.platform);
            assert!(other.is_err() || other != Ok(true_one.platform), "part {part} bit {bit}");
            assert!(other.is_err() || part == 0, "part {part} bit {bit}");
        }
    }
}

#[test]
fn a_tpm_has_one_key_for_ever_and_no_other_tpm_has_it() {
    let (Some(machine), Some(other)) = (Machine::new(), Machine::new()) else { return };
    let key = key_of(platform(&machine));
    // More often than a TPM has room for keys.
    for _ in 0..8 {
        assert_eq!(key_of(platform(&machine)), key);
    }
    assert_ne!(key_of(platform(&other)), key);
    machine.restart();
    assert_eq!(key_of(platform(&machine)), key);
}

#[test]
fn what_was_started_shows_until_the_next_start() {
    let Some(machine) = Machine::new() else { return };
    let before = platform(&machine);
    machine.extend(16, [7; 32]);
    let after = platform(&machine);
    assert!(!before.takes(&after), "a register that is quoted has grown");
    machine.extend(15, [7; 32]);
    assert_eq!(platform(&machine), after, "one that is not is no part of it");
    machine.restart();
    assert_eq!(platform(&machine), before);
}

#[test]
fn evidence_of_a_tpm_reaches_level_one_for_who_pinned_it_as_it_was() {
    let Some(machine) = Machine::new() else { return };
    let signer = NoteSigner::new("notrace.invalid/0123456789abcdef", &[1; 32]).unwrap();
    let binding = Binding {
        tls_key: [1; 32],
        request_key: [2; 32],
        ledger: signer.public().clone(),
        nonce: [3; 32],
        from_unix_s: NOW,
        until_unix_s: NOW + 1200,
    };
    let source = Source::Tpm { device: machine.device(), pcrs: pcrs() };
    let evidence = || source.evidence(&binding, &signer, &Vendors::known()).unwrap();
    let level = |platforms: Vec<Platform>, bytes: &[u8]| {
        let keys = vec![signer.public().clone()];
        let (least, vendors) = (TrustLevel::Software, Vendors::known());
        let pins = Pins { keys, platforms, least, vendors };
        let now = Expected { now_unix_s: NOW, ..Expected::default() };
        verify(bytes, &pins, &now).map(|verdict| verdict.level())
    };
    let first = evidence();
    assert_eq!(first.level(), TrustLevel::Tpm);
    let pinned = first.platform.unwrap();
    assert_eq!(level(vec![pinned], &first.bytes), Ok(TrustLevel::Tpm));
    assert_eq!(level(Vec::new(), &first.bytes), Ok(TrustLevel::Software));
    let mut changed = first.bytes.clone();
    for bit in 0..8 * changed.len() {
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(level(vec![pinned], &changed).is_err(), "bit {bit}");
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    machine.extend(0, [9; 32]);
    assert_eq!(level(vec![pinned], &evidence().bytes), Ok(TrustLevel::Software));
}

#[test]
fn the_usual_tools_take_our_quote() {
    let Some(machine) = Machine::new() else { return };
    if !has("tpm2_checkquote") || !has("openssl") {
        return;
    }
    let [public, attest, signature] = parts(quote(&machine.device(), &DATA, pcrs()).unwrap());
    write_pem(&public, &machine.path("key.pem"));
    fs::write(machine.path("quote"), attest).unwrap();
    fs::write(machine.path("signature"), signature).unwrap();
    let check = |nonce: &str| {
        let args = ["-u", "key.pem", "-m", "quote", "-s", "signature", "-q", nonce];
        machine.tool("tpm2_checkquote", &args).status.success()
    };
    assert!(check(&"42".repeat(32)));
    assert!(!check(&"43".repeat(32)));
}

#[test]
fn a_quote_that_the_usual_tools_made_is_true_here() {
    let Some(machine) = Machine::new() else { return };
    if !has("tpm2_quote") {
        return;
    }
    let run = |program: &str, args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        let done = machine.tool(program, &args);
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        let _ = machine.tool("tpm2_flushcontext", &["-t"]);
    };
    run("tpm2_createek", "-c ek.ctx -G ecc -u ek.pub");
    run("tpm2_createak", "-C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name");
    let nonce = "42".repeat(32);
    run(
        "tpm2_quote",
        &format!("-c ak.ctx -l sha256:0,7,16 -q {nonce} -m quote -s signature -g sha256"),
    );
    let read = |name: &str| fs::read(machine.path(name)).unwrap();
    // The tools write the area behind its length.
    let parts = [read("ak.pub")[2..].to_vec(), read("quote"), read("signature")];
    let quote = verified(&parts).unwrap();
    assert_eq!(quote.data, DATA);
    assert_eq!(key_of(quote.platform)[..], read("ak.name"));
    // The same machine, by another key of it.
    let Platform::Tpm { digest, .. } = quote.platform else { panic!("not a TPM's") };
    let Platform::Tpm { digest: ours, .. } = platform(&machine) else { panic!("not a TPM's") };
    assert_eq!(digest, ours);
}

#[test]
fn a_tpm_that_is_not_there_is_said_to_be_missing() {
    let nowhere = PathBuf::from("/nowhere/tpm");
    for device in [Device::File(nowhere.clone()), Device::Socket(nowhere)] {
        let missing = AttestError::Tpm { verb: "opened", kind: ErrorKind::NotFound };
        assert_eq!(quote(&device, &DATA, pcrs()), Err(missing));
    }
}
