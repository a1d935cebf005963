//! Nothing rises a level: whatever an operator makes of evidence, with its ledger's key in its
//! hands, it reaches no more than the hardware that it has.

use std::sync::LazyLock;

use notrace_policy_evidence::platform::Platform;
use notrace_policy_evidence::{Binding, Hardware, Pins, verify};
use notrace_policy_promise::receipt::TrustLevel;
use notrace_tests_vendor::{Chip, Platform as IntelPlatform, Tpm};
use proptest::prelude::*;

use crate::{Bench, now, wide};

/// The level of this evidence, whoever signed it; software if it is refused.
fn level(evidence: &[u8], pins: &Pins) -> TrustLevel {
    verify(evidence, pins, &now()).map_or(TrustLevel::Software, |verdict| verdict.level())
}

#[test]
fn hardware_that_nobody_pinned_counts_for_nothing() {
    let bench = Bench::new();
    let nothing = Pins { platforms: Vec::new(), ..bench.pins() };
    for (hardware, reaches) in bench.all(&bench.binding()) {
        let evidence = bench.compose(&hardware);
        let verdict = verify(&evidence, &nothing, &now()).unwrap();
        assert_eq!(verdict.level(), TrustLevel::Software);
        assert_eq!(verdict.is_unpinned(), reaches > TrustLevel::Software);
        // A pin of one kind takes no other.
        for platform in bench.pins().platforms {
            let one = Pins { platforms: vec![platform], ..bench.pins() };
            let is_its = platform.to_string().starts_with(hardware.kind().as_str());
            let expected = if is_its { reaches } else { TrustLevel::Software };
            assert_eq!(level(&evidence, &one), expected);
        }
    }
}

#[test]
fn other_software_on_the_same_hardware_counts_for_nothing() {
    let bench = Bench::new();
    let binding = bench.binding();
    let data = wide(&binding);
    let report = bench.chip.changed(&data, |report| report[0x90] ^= 1);
    let snp = Hardware::Snp { report, vcek: Chip::VCEK.to_vec() };
    let quote = bench.intel.changed(&data, |quote| quote[48 + 136] ^= 1, |_| {});
    let tdx = Hardware::Tdx { quote };
    // One register that grew after the start.
    let quote = bench.intel.changed(&data, |quote| quote[48 + 519] ^= 1, |_| {});
    let grown = Hardware::Tdx { quote };
    let digest = |attest: &mut Vec<u8>| *attest.last_mut().unwrap() ^= 1;
    let (attest, signature) = bench.tpm.changed(&binding.digest(), digest);
    let tpm = Hardware::Tpm { public: bench.tpm.public(), attest, signature };
    for hardware in [snp, tdx, grown, tpm] {
        let verdict = verify(&bench.compose(&hardware), &bench.pins(), &now()).unwrap();
        assert_eq!(verdict.level(), TrustLevel::Software);
        assert!(verdict.is_unpinned());
    }
}

#[test]
fn older_firmware_than_was_pinned_counts_for_nothing() {
    let bench = Bench::new();
    let raised = |platform: &mut Platform| match platform {
        Platform::Snp { tcb, .. } => tcb.0[7] += 1,
        Platform::Tdx { svn, .. } => svn[0] += 1,
        Platform::Tpm { .. } => {}
    };
    let mut pins = bench.pins();
    pins.platforms.iter_mut().for_each(raised);
    for (hardware, reaches) in bench.all(&bench.binding()) {
        let found = level(&bench.compose(&hardware), &pins);
        let is_tpm = reaches == TrustLevel::Tpm;
        assert_eq!(found, if is_tpm { TrustLevel::Tpm } else { TrustLevel::Software });
    }
}

#[test]
fn hardware_of_other_vendors_counts_for_nothing() {
    let (bench, others) = (Bench::new(), Bench::new());
    let binding = bench.binding();
    let foreign =
        [Hardware::Tdx { quote: others.intel.quote(&wide(&binding)) }, others.tpm(&binding)];
    for hardware in foreign {
        assert_eq!(level(&bench.compose(&hardware), &bench.pins()), TrustLevel::Software);
    }
}

/// Something done to what hardware said.
#[derive(Clone, Debug)]
enum Deed {
    /// One byte of one part becomes another.
    Byte(usize, usize, u8),
    /// One part becomes another part, of any kind of hardware.
    Part(usize, usize),
    /// One part is cut off.
    Cut(usize, usize),
    /// A piece of one part goes over a piece of another.
    Splice(usize, usize, usize, usize, usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let place = any::<usize>;
    let deed = prop_oneof![
        (place(), place(), any::<u8>()).prop_map(|(part, at, to)| Deed::Byte(part, at, to)),
        (place(), place()).prop_map(|(part, other)| Deed::Part(part, other)),
        (place(), place()).prop_map(|(part, at)| Deed::Cut(part, at)),
        (place(), place(), place(), place(), 1..700usize)
            .prop_map(|(part, at, other, from, long)| Deed::Splice(part, at, other, from, long)),
    ];
    prop::collection::vec(deed, 0..4)
}

/// Everything that hardware ever said, in parts.
fn parts_of(hardware: &Hardware) -> Vec<Vec<u8>> {
    match hardware.clone() {
        Hardware::None => Vec::new(),
        Hardware::Tpm { public, attest, signature } => vec![public, attest, signature],
        Hardware::Snp { report, vcek } => vec![report, vcek],
        Hardware::Tdx { quote } => vec![quote],
    }
}

/// Hardware of this kind that says these parts.
fn hardware_of(kind: usize, parts: &[Vec<u8>]) -> Hardware {
    let part = |at: usize| parts.get(at).cloned().unwrap_or_default();
    match kind % 4 {
        0 => Hardware::None,
        1 => Hardware::Tpm { public: part(0), attest: part(1), signature: part(2) },
        2 => Hardware::Snp { report: part(0), vcek: part(1) },
        _ => Hardware::Tdx { quote: part(0) },
    }
}

fn apply(deed: &Deed, parts: &mut [Vec<u8>], seen: &[Vec<u8>]) {
    let many = parts.len().max(1);
    let (Deed::Byte(part, ..) | Deed::Part(part, _) | Deed::Cut(part, _) | Deed::Splice(part, ..)) =
        deed;
    let Some(part) = parts.get_mut(part % many) else { return };
    match deed {
        Deed::Byte(_, at, to) => {
            let long = part.len().max(1);
            if let Some(byte) = part.get_mut(at % long) {
                *byte = *to;
            }
        }
        Deed::Part(_, other) => part.clone_from(&seen[other % seen.len()]),
        Deed::Cut(_, at) => part.truncate(at % (part.len() + 1)),
        Deed::Splice(_, at, other, from, long) => {
            let piece = &seen[other % seen.len()];
            let from = from % (piece.len() + 1);
            let piece = &piece[from..piece.len().min(from + long)];
            let at = at % (part.len() + 1);
            let end = part.len().min(at + piece.len());
            part.splice(at..end, piece.iter().copied());
        }
    }
}

/// The operator, what it has, and all that was ever said in it, one part after another.
struct Den {
    bench: Bench,
    loot: Vec<Hardware>,
    seen: Vec<Vec<u8>>,
}

static DEN: LazyLock<Den> = LazyLock::new(|| {
    let bench = Bench::new();
    let loot = loot(&bench, &bench.binding());
    let seen = loot.iter().flat_map(parts_of).collect();
    Den { bench, loot, seen }
});

/// What an operator has of old or from elsewhere: true evidence of pinned machines about other
/// keys, and what machines of its own say of the right ones, which nobody pinned.
fn loot(bench: &Bench, binding: &Binding) -> Vec<Hardware> {
    let other = &Binding { request_key: [9; 32], ..binding.clone() };
    let own_tpm = Tpm::default();
    let (attest, signature) = own_tpm.quote(&binding.digest());
    vec![
        bench.snp(other),
        bench.tdx(other),
        bench.tpm(other),
        Hardware::Tpm { public: own_tpm.public(), attest, signature },
        Hardware::Tdx { quote: IntelPlatform::default().quote(&wide(binding)) },
        Hardware::Snp {
            report: bench.chip.changed(&wide(binding), |report| report[0x90] ^= 1),
            vcek: Chip::VCEK.to_vec(),
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The operator has the ledger's key, so whatever it makes of its loot is signed well.
    #[test]
    fn an_operator_without_pinned_hardware_never_rises(
        deeds in deeds(),
        kind in 0..4usize,
        first in 0..6usize,
    ) {
        let Den { bench, loot, seen } = &*DEN;
        let pins = bench.pins();
        let mut parts = parts_of(&loot[first]);
        deeds.iter().for_each(|deed| apply(deed, &mut parts, seen));
        for kind in [kind, [2, 3, 1, 1, 3, 2][first]] {
            let evidence = bench.compose(&hardware_of(kind, &parts));
            prop_assert_eq!(level(&evidence, &pins), TrustLevel::Software);
        }
    }

    /// And one with a TPM that is pinned does not rise above it.
    #[test]
    fn an_operator_with_a_pinned_tpm_does_not_rise_above_it(deeds in deeds(), kind in 0..4usize) {
        let Den { bench, seen, .. } = &*DEN;
        let pins = bench.pins();
        let mut parts = parts_of(&bench.tpm(&bench.binding()));
        prop_assert_eq!(level(&bench.compose(&hardware_of(1, &parts)), &pins), TrustLevel::Tpm);
        deeds.iter().for_each(|deed| apply(deed, &mut parts, seen));
        for kind in [1, kind] {
            let evidence = bench.compose(&hardware_of(kind, &parts));
            prop_assert!(level(&evidence, &pins) <= TrustLevel::Tpm);
        }
    }

    /// Bytes that nobody made do not panic, and are nothing.
    #[test]
    fn bytes_of_any_kind_are_no_evidence(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let bench = &DEN.bench;
        let pins = bench.pins();
        prop_assert!(verify(&bytes, &pins, &now()).is_err());
        for kind in 1..4 {
            let hardware = hardware_of(kind, &[bytes.clone(), bytes.clone(), bytes.clone()]);
            prop_assert!(verify(&bench.compose(&hardware), &pins, &now()).is_err());
        }
    }
}
