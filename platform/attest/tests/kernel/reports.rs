//! What becomes of a report that is asked for.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::process::Command;

use notrace_platform_attest::limits::{OUTBLOB_BYTES_MAX, REPORT_TRIES_MAX};
use notrace_platform_attest::tsm::{Configfs, Folder as _, report};
use notrace_platform_attest::{AttestError, attested};
use notrace_policy_evidence::{Expected, Hardware, verify};
use notrace_policy_promise::receipt::TrustLevel;
use notrace_tests_vendor::{Chip, Platform};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::mimic::{Fault, Maker, Mimic, STEPS};
use crate::{NOW, binding, pins, signer, vendors};

fn chip() -> (TempDir, Mimic) {
    let dir = tempfile::tempdir().unwrap();
    let mimic = Mimic::new(dir.path(), Maker::Chip(Box::default()));
    (dir, mimic)
}

fn data() -> [u8; 64] {
    let mut data = [0; 64];
    data[..32].copy_from_slice(&binding().digest());
    data
}

fn asked(mimic: &mut Mimic) -> Result<Hardware, AttestError> {
    report(mimic, &data(), None)
}

/// Whether a client that pinned the machine takes what the kernel said, for what was asked.
fn is_taken(hardware: &Hardware) -> bool {
    let Ok(evidence) = attested(&binding(), hardware, &signer(), &vendors()) else { return false };
    assert_eq!(evidence.level(), TrustLevel::Hardware);
    let now = Expected { now_unix_s: NOW, ..Expected::default() };
    verify(&evidence.bytes, &pins(), &now).is_ok()
}

#[test]
fn a_report_binds_what_was_asked_and_reaches_its_level() {
    let (_dir, mut mimic) = chip();
    assert!(is_taken(&asked(&mut mimic).unwrap()));
    assert_eq!(mimic.pauses, 0);
}

#[test]
fn a_quote_of_tdx_comes_by_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let intel = Box::new(Platform::default());
    let root = intel.root();
    let mut mimic = Mimic::new(dir.path(), Maker::Intel(intel));
    let hardware = asked(&mut mimic).unwrap();
    let vendors = notrace_policy_evidence::Vendors::these(Vec::new(), root);
    let evidence = attested(&binding(), &hardware, &signer(), &vendors).unwrap();
    assert_eq!(evidence.level(), TrustLevel::Hardware);
    // A kernel that has no certificates to give has no such file.
    fs::remove_file(mimic.file("auxblob")).unwrap();
    assert!(asked(&mut mimic).is_ok());
}

#[test]
fn another_process_at_any_moment_costs_a_try_and_nothing_else() {
    for (step, what) in STEPS.iter().enumerate() {
        let (_dir, mut mimic) = chip();
        mimic.faults.resize(step, Fault::None);
        mimic.faults.push_back(Fault::Intruder);
        assert!(is_taken(&asked(&mut mimic).unwrap()), "{what}");
        // What came before the number was read, or after it was read last, costs not even that.
        assert_eq!(mimic.pauses, u32::from(step > 0), "{what}");
    }
}

#[test]
fn a_kernel_that_is_busy_is_asked_again_and_not_for_ever() {
    for kind in [ErrorKind::ResourceBusy, ErrorKind::WouldBlock, ErrorKind::Interrupted] {
        for (step, what) in STEPS.iter().enumerate() {
            let (_dir, mut mimic) = chip();
            mimic.faults.resize(step, Fault::None);
            mimic.faults.push_back(Fault::Fails(kind));
            assert!(is_taken(&asked(&mut mimic).unwrap()), "{what}");
            assert_eq!(mimic.pauses, 1);
        }
        let (_dir, mut mimic) = chip();
        mimic.after = Fault::Fails(kind);
        assert_eq!(asked(&mut mimic), Err(AttestError::Busy));
        assert_eq!(mimic.pauses, REPORT_TRIES_MAX);
    }
    let (_dir, mut mimic) = chip();
    mimic.after = Fault::Intruder;
    assert_eq!(asked(&mut mimic), Err(AttestError::Busy));
    assert_eq!(mimic.pauses, REPORT_TRIES_MAX);
}

#[test]
fn a_report_that_ends_early_is_none() {
    for bytes in [0, 1, 79, 80, 143, 144, 1183] {
        let (_dir, mut mimic) = chip();
        mimic.faults.resize(4, Fault::None);
        mimic.faults.push_back(Fault::Short(bytes));
        assert_eq!(asked(&mut mimic), Err(AttestError::Form), "{bytes}");
    }
    let (_dir, mut mimic) = chip();
    mimic.faults = [Fault::None, Fault::Short(63)].into();
    let cut = Err(AttestError::Folder { verb: "written", kind: ErrorKind::WriteZero });
    assert_eq!(asked(&mut mimic), cut);
}

#[test]
fn what_is_in_no_known_form_is_refused() {
    let judged = |name: &str, bytes: &[u8]| {
        let (_dir, mut mimic) = chip();
        fs::write(mimic.file(name), bytes).unwrap();
        asked(&mut mimic)
    };
    let other = Err(AttestError::OtherProvider);
    for provider in ["", "arm_cca_guest\n", "sev_guest \n", "sev_guest\n\n", "tdx_guest,sev_guest"]
    {
        assert_eq!(judged("provider", provider.as_bytes()), other, "{provider:?}");
    }
    assert_eq!(judged("provider", b"tdx_guest\n"), Err(AttestError::Form), "of another provider");
    assert_eq!(judged("provider", &[0xff; 4]), Err(AttestError::Form));
    assert_eq!(judged("provider", &[b'a'; 65]), Err(AttestError::Form));
    assert_eq!(judged("auxblob", b"no table"), Err(AttestError::Form));
    assert_eq!(judged("auxblob", &[0; 24]), Err(AttestError::NoCertificate));
}

#[test]
fn a_file_without_end_is_read_no_further_than_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Configfs::open(dir.path()).unwrap();
    let file = folder.path().join("outblob");
    for (bytes, fits) in [(OUTBLOB_BYTES_MAX, true), (OUTBLOB_BYTES_MAX + 1, false)] {
        fs::write(&file, vec![0; bytes]).unwrap();
        let read = folder.read("outblob", OUTBLOB_BYTES_MAX).map_err(|error| error.kind());
        assert_eq!(read.map(drop), if fits { Ok(()) } else { Err(ErrorKind::FileTooLarge) });
    }
}

#[test]
fn files_that_are_missing_or_stand_still_are_no_kernels() {
    for name in ["generation", "provider", "outblob"] {
        let (_dir, mut mimic) = chip();
        mimic.faults.resize(2, Fault::None);
        if name == "generation" {
            fs::remove_file(mimic.file(name)).unwrap();
        } else {
            mimic.faults.extend([Fault::None; 2]);
            mimic.faults.insert(if name == "provider" { 3 } else { 4 }, NOT_FOUND);
        }
        let missing = AttestError::Folder { verb: "read", kind: ErrorKind::NotFound };
        assert_eq!(asked(&mut mimic), Err(missing), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut still = Configfs::open(dir.path()).unwrap();
    for (name, bytes) in [("generation", "3\n"), ("inblob", ""), ("provider", "sev_guest\n")] {
        fs::write(still.path().join(name), bytes).unwrap();
    }
    assert_eq!(report(&mut still, &data(), None), Err(AttestError::Busy));
    let nowhere = Configfs::open(&dir.path().join("nowhere")).err();
    let missing = AttestError::Folder { verb: "made", kind: ErrorKind::NotFound };
    assert_eq!(nowhere, Some(missing));
}

const NOT_FOUND: Fault = Fault::Fails(ErrorKind::NotFound);

#[test]
fn the_operators_certificate_stands_in_where_the_host_has_none() {
    let (_dir, mut mimic) = chip();
    fs::write(mimic.file("auxblob"), b"").unwrap();
    assert_eq!(asked(&mut mimic), Err(AttestError::NoCertificate));
    let hardware = report(&mut mimic, &data(), Some(Chip::VCEK)).unwrap();
    assert!(is_taken(&hardware));
    // One that is not the chip's is found out before anybody is shown it.
    let wrong = report(&mut mimic, &data(), Some(Chip::ASK)).unwrap();
    let shown = attested(&binding(), &wrong, &signer(), &vendors());
    assert!(matches!(shown, Err(AttestError::Refused(_))), "{shown:?}");
}

#[test]
fn a_file_that_comes_in_pieces_is_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Configfs::open(dir.path()).unwrap();
    let pipe = folder.path().join("outblob");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(pipe).unwrap();
        for piece in [7u8; 9000].chunks(100) {
            pipe.write_all(piece).unwrap();
        }
    });
    assert_eq!(folder.read("outblob", 9000).unwrap(), [7; 9000]);
    writer.join().unwrap();
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        2 => Just(Fault::Intruder),
        1 => Just(Fault::Fails(ErrorKind::ResourceBusy)),
        1 => Just(Fault::Fails(ErrorKind::NotFound)),
        1 => (0..1300usize).prop_map(Fault::Short),
    ];
    prop::collection::vec(fault, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens in between, and in whichever order: there is a true report of what was
    /// asked, or there is none.
    #[test]
    fn a_report_is_of_what_was_asked_or_there_is_none(faults in faults()) {
        let (_dir, mut mimic) = chip();
        mimic.faults = faults.into();
        match asked(&mut mimic) {
            Ok(hardware) => prop_assert!(is_taken(&hardware)),
            Err(error) => prop_assert!(!matches!(error, AttestError::Refused(_))),
        }
        prop_assert!(mimic.pauses <= REPORT_TRIES_MAX);
    }
}
