//! What each vendor may say, and what makes it worthless although it is signed.

use notrace_policy_evidence::snp::{self, BadSnp};
use notrace_policy_evidence::tdx::{self, BadTdx};
use notrace_policy_evidence::tpm::{self, BadTpm, Raw};
use notrace_policy_evidence::{BadChain, Vendors};
use notrace_tests_vendor::{Chip, Platform as IntelPlatform, Tpm};

use crate::{Bench, NOW};

const DATA: [u8; 64] = [0x42; 64];

/// Where a machine's part begins in a quote of TDX.
const MACHINE: usize = 48;

mod a_report_of_snp {
    use super::*;

    fn judged(change: impl FnOnce(&mut [u8])) -> Result<(), BadSnp> {
        let bench = Bench::new();
        let report = bench.chip.changed(&DATA, change);
        snp::verify(&report, Chip::VCEK, &bench.vendors(), NOW).map(drop)
    }

    #[test]
    fn is_true_if_nothing_is_wrong() {
        assert_eq!(judged(|_| {}), Ok(()));
        assert_eq!(judged(|report| report[0] = 3), Ok(()), "version 3");
    }

    #[test]
    fn of_a_guest_that_is_not_alone_is_worthless() {
        assert_eq!(judged(|report| report[0x0a] |= 1 << 3), Err(BadSnp::Debug));
        assert_eq!(judged(|report| report[0x0a] |= 1 << 2), Err(BadSnp::Migration));
        assert_eq!(judged(|report| report[0x30] = 1), Err(BadSnp::Privilege));
    }

    #[test]
    fn of_another_chip_or_firmware_than_the_certificate_is_worthless() {
        assert_eq!(judged(|report| report[0x1a0] ^= 1), Err(BadSnp::OtherChip));
        assert_eq!(judged(|report| report[0x1a0..0x1e0].fill(0)), Err(BadSnp::OtherChip));
        for part in 0x180..0x188 {
            assert_eq!(judged(|report| report[part] ^= 1), Err(BadSnp::OtherChip));
        }
    }

    #[test]
    fn that_another_kind_of_key_signed_is_worthless() {
        assert_eq!(judged(|report| report[0x48] = 1 << 2), Err(BadSnp::KeyKind));
        assert_eq!(judged(|report| report[0x48] = 0b111 << 2), Err(BadSnp::KeyKind));
        assert_eq!(judged(|report| report[0x48] = 1 << 1), Err(BadSnp::KeyKind));
        assert_eq!(judged(|report| report[0x34] = 2), Err(BadSnp::Form));
    }

    #[test]
    fn of_a_version_that_is_not_known_is_worthless() {
        for version in [0, 1, 4, 5, 255] {
            assert_eq!(judged(|report| report[0] = version), Err(BadSnp::Form));
        }
    }

    #[test]
    fn is_not_believed_by_who_trusts_the_real_vendor() {
        let report = Bench::new().chip.report(&DATA);
        let verified = snp::verify(&report, Chip::VCEK, &Vendors::known(), NOW);
        assert_eq!(verified, Err(BadSnp::Chain(BadChain::OtherRoot)));
        // Nor with any certificate that is no chip's.
        let vendors = Bench::new().vendors();
        for other in [Chip::ASK, Chip::ARK, &[]] {
            assert!(snp::verify(&report, other, &vendors, NOW).is_err());
        }
    }
}

mod a_quote_of_tdx {
    use super::*;

    fn judged(
        machine: impl FnOnce(&mut [u8]),
        enclave: impl FnOnce(&mut [u8]),
    ) -> Result<(), BadTdx> {
        let bench = Bench::new();
        let quote = bench.intel.changed(&DATA, machine, enclave);
        tdx::verify(&quote, &bench.vendors(), NOW).map(drop)
    }

    fn of_machine(change: impl FnOnce(&mut [u8])) -> Result<(), BadTdx> {
        judged(change, |_| {})
    }

    fn of_enclave(change: impl FnOnce(&mut [u8])) -> Result<(), BadTdx> {
        judged(|_| {}, change)
    }

    #[test]
    fn is_true_if_nothing_is_wrong() {
        assert_eq!(of_machine(|_| {}), Ok(()));
    }

    #[test]
    fn of_a_machine_that_is_not_alone_is_worthless() {
        for bit in 0..8 {
            let judged = of_machine(|quote| quote[MACHINE + 120] |= 1 << bit);
            assert_eq!(judged, Err(BadTdx::Debug));
        }
        let judged = of_machine(|quote| quote[MACHINE + 123] |= 1 << 5);
        assert_eq!(judged, Err(BadTdx::Migration));
    }

    #[test]
    fn of_another_module_is_worthless() {
        let other = Err(BadTdx::OtherModule);
        assert_eq!(of_machine(|quote| quote[MACHINE + 64] = 1), other);
        assert_eq!(of_machine(|quote| quote[MACHINE + 112] = 1), other);
    }

    #[test]
    fn by_another_enclave_is_worthless() {
        let other = Err(BadTdx::OtherEnclave);
        assert_eq!(of_enclave(|report| report[128] ^= 1), other);
        assert_eq!(of_enclave(|report| report[256] = 1), other);
        assert_eq!(of_enclave(|report| report[48] |= 2), other);
        assert_eq!(of_enclave(|report| report[320] ^= 1), Err(BadTdx::OtherKey));
        assert_eq!(of_enclave(|report| report[383] = 1), Err(BadTdx::OtherKey));
    }

    #[test]
    fn of_another_version_or_technique_is_worthless() {
        let form = Err(BadTdx::Form);
        for (at, value) in [(0, 3), (0, 5), (2, 3), (4, 0), (12, 0)] {
            assert_eq!(of_machine(|quote| quote[at] = value), form);
        }
    }

    #[test]
    fn is_not_believed_by_who_trusts_the_real_vendor() {
        let quote = Bench::new().intel.quote(&DATA);
        let other = Err(BadTdx::Chain(BadChain::OtherRoot));
        assert_eq!(tdx::verify(&quote, &Vendors::known(), NOW), other);
        let another = IntelPlatform::default();
        let vendors = Vendors::these(Vec::new(), another.root());
        assert!(tdx::verify(&quote, &vendors, NOW).is_err());
    }
}

mod a_quote_of_a_tpm {
    use super::*;

    const BOUND: [u8; 32] = [0x42; 32];

    fn judged(tpm: &Tpm, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), BadTpm> {
        let (attest, signature) = tpm.changed(&BOUND, change);
        let raw = Raw { public: &tpm.public(), attest: &attest, signature: &signature };
        tpm::verify(raw).map(drop)
    }

    #[test]
    fn is_true_if_nothing_is_wrong() {
        assert_eq!(judged(&Tpm::default(), |_| {}), Ok(()));
    }

    #[test]
    fn by_a_key_that_may_sign_anything_or_leave_its_tpm_is_worthless() {
        // Fixed to its TPM and to its parent, made inside, restricted, a key that signs.
        for bit in [1, 4, 5, 16, 18] {
            let mut other = Tpm::default();
            other.attributes &= !(1 << bit);
            assert_eq!(judged(&other, |_| {}), Err(BadTpm::Key));
        }
        let mut opens = Tpm::default();
        opens.attributes |= 1 << 17;
        assert_eq!(judged(&opens, |_| {}), Err(BadTpm::Key));
    }

    #[test]
    fn that_is_no_quote_is_worthless() {
        let tpm = Tpm::default();
        assert_eq!(judged(&tpm, |attest| attest[0] = 0), Err(BadTpm::NotAQuote));
        assert_eq!(judged(&tpm, |attest| attest[5] = 0x17), Err(BadTpm::NotAQuote));
        assert_eq!(judged(&tpm, |attest| attest.push(0)), Err(BadTpm::Form));
        assert_eq!(judged(&tpm, |attest| attest.truncate(80)), Err(BadTpm::Form));
    }

    #[test]
    fn of_no_registers_or_of_another_bank_is_worthless() {
        let tpm = Tpm::default();
        let selection = 8 + 34 + 2 + 32 + 17 + 8 + 4;
        let none = |attest: &mut Vec<u8>| attest[selection + 3] = 0;
        assert_eq!(judged(&tpm, none), Err(BadTpm::Registers));
        let other = |attest: &mut Vec<u8>| attest[selection + 1] = 0x04;
        assert_eq!(judged(&tpm, other), Err(BadTpm::Registers));
    }

    #[test]
    fn is_refused_with_any_bit_changed() {
        let tpm = Tpm::default();
        let (attest, signature) = tpm.quote(&BOUND);
        let parts = [tpm.public(), attest, signature];
        let verified = |parts: &[Vec<u8>; 3]| {
            let [public, attest, signature] = parts;
            tpm::verify(Raw { public, attest, signature })
        };
        let pinned = verified(&parts).unwrap();
        for part in 0..3 {
            for bit in 0..8 * parts[part].len() {
                let mut changed = parts.clone();
                changed[part][bit / 8] ^= 1 << (bit % 8);
                // Of a key only what makes it another can change and leave the signature good: its
                // name is another then, and no pin takes it.
                let other = verified(&changed);
                assert!(other.is_err() || other.unwrap().platform != pinned.platform, "bit {bit}");
            }
        }
    }
}
