use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use notrace_policy_promise::cohosting::{Apart, Cohosting};
use notrace_policy_promise::digest::{Digest, Domain};
use notrace_policy_promise::receipt::{
    Commitment, Ended, Passage, Scrub, ScrubCheck, Span, TrustLevel,
};
use notrace_policy_promise::release::Release;
use notrace_policy_promise::verify::{Trust, Verified, verify};

use super::*;

mod adopting;
mod crash;
mod files;
mod keeping;

pub(super) const ORIGIN: &str = "log.example/node";
pub(super) const SEED: [u8; 32] = [5; 32];
const SOON: Option<Duration> = Some(Duration::from_secs(10));

pub(super) fn sample(number: u64) -> Receipt {
    Receipt {
        task: Digest::of(Domain::Module, &number.to_be_bytes()),
        promise: Digest::of(Domain::Promise, b"p"),
        rules: Digest::of(Domain::Rules, b"r"),
        config: Digest::of(Domain::Config, b"c"),
        node: Digest::of(Domain::Node, b"n"),
        trust: TrustLevel::Software,
        slot: number,
        passage: Passage::Plain,
        cut: number,
        commit: Some(number).filter(|number| number.is_multiple_of(2)),
        ended: Ended::Answered,
        request: Commitment([3; 32]),
        scrub: Scrub::REQUIRED,
        check: ScrubCheck::None,
        span: Span::between(0, 0),
        release: Release::OPEN,
        cohosting: Cohosting::Shared,
        apart: Apart::default(),
    }
}

pub(super) fn salt(number: u64) -> Salt {
    *Digest::of(Domain::Session, &number.to_be_bytes()).as_bytes()
}

/// An epoch that does not end on its own while a test runs.
fn slow() -> Pace {
    Pace { epoch: Duration::from_secs(3600), ..Pace::default() }
}

fn open_in(dir: &Path, pace: Pace) -> Result<Ledger, LedgerError> {
    Ledger::open_at(&dir.join("ledger"), ORIGIN, &SEED, pace)
}

fn append(ledger: &Ledger, number: u64) -> ReceiptId {
    ledger.append(sample(number), salt(number)).unwrap().id
}

pub(super) fn trusted(vkey: &str) -> Trust {
    Trust::new(ORIGIN, [vkey]).unwrap()
}

async fn proved(ledger: &Ledger, id: ReceiptId) -> Verified {
    let Found::Ready(proof) = ledger.receipt(id, SOON).await else { panic!("no proof") };
    verify(&proof, &trusted(ledger.vkey())).unwrap()
}

mod a_receipt {
    use super::*;

    #[tokio::test]
    async fn is_proved_to_who_waits_and_pending_to_who_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        let ids: Vec<_> = (0..3).map(|number| append(&ledger, number)).collect();
        let pending = Found::Pending { retry_after: Duration::from_secs(3600) };
        assert_eq!(ledger.receipt(ids[1], None).await, pending);
        let verified = proved(&ledger, ids[1]).await;
        assert_eq!((verified.index, verified.size), (1, 3));
        assert_eq!(verified.receipt, sample(1));
        // Its epoch was everybody's: the others are there without waiting.
        assert!(matches!(ledger.receipt(ids[0], None).await, Found::Ready(_)));
        ledger.close().await;
    }

    #[tokio::test]
    async fn is_published_without_anybody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pace = Pace { epoch: Duration::from_millis(30), ..Pace::default() };
        let ledger = open_in(dir.path(), pace).unwrap();
        let id = append(&ledger, 0);
        ledger.heads.clone().wait_for(|head| head.size() == 1).await.unwrap();
        assert!(matches!(ledger.receipt(id, None).await, Found::Ready(_)));
        ledger.close().await;
    }

    #[tokio::test]
    async fn is_unknown_to_who_guesses_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        let id = append(&ledger, 0);
        let guess = ReceiptId::new(0, &salt(99));
        let beyond = ReceiptId::new(1 << 40, &salt(0));
        assert_eq!(ledger.receipt(guess, SOON).await, Found::Unknown);
        proved(&ledger, id).await;
        append(&ledger, 1);
        for stranger in [guess, beyond] {
            assert_eq!(ledger.receipt(stranger, SOON).await, Found::Unknown);
        }
        ledger.close().await;
        let again = open_in(dir.path(), slow()).unwrap();
        assert_eq!(again.receipt(guess, SOON).await, Found::Unknown);
        assert!(matches!(again.receipt(id, None).await, Found::Ready(_)));
        again.close().await;
    }

    #[tokio::test]
    async fn is_still_proved_after_a_restart_and_a_thousand_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = Vec::new();
        for round in 0..4 {
            let ledger = open_in(dir.path(), slow()).unwrap();
            ids.extend((0..300).map(|number| append(&ledger, round * 300 + number)));
            proved(&ledger, ids[ids.len() - 1]).await;
            for number in [0, 1, 255, 256, 257, 511, 600, 899, 1199] {
                let Some(id) = ids.get(number) else { continue };
                let verified = proved(&ledger, *id).await;
                assert_eq!(verified.receipt, sample(number as u64));
                assert_eq!(verified.size, ids.len() as u64);
            }
            ledger.close().await;
        }
    }
}

mod a_ledger {
    use super::*;

    #[tokio::test]
    async fn publishes_what_is_pending_when_it_closes_and_takes_nothing_after() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        let id = append(&ledger, 0);
        ledger.close().await;
        assert_eq!(ledger.append(sample(1), salt(1)), Err(AppendError::Closed));
        assert!(matches!(ledger.receipt(id, None).await, Found::Ready(_)));
        ledger.close().await;
    }

    #[tokio::test]
    async fn has_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        assert!(matches!(open_in(dir.path(), slow()), Err(LedgerError::InUse)));
        ledger.close().await;
        assert!(open_in(dir.path(), slow()).is_ok());
    }

    #[tokio::test]
    async fn refuses_more_than_it_can_hold() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        let receipt = sample(0);
        for number in 0..limits::PENDING_MAX as u64 {
            ledger.append(receipt.clone(), salt(number)).unwrap();
        }
        assert_eq!(ledger.append(receipt, salt(0)), Err(AppendError::Full));
        assert_eq!(ledger.ready(), Err(AppendError::Full));
        ledger.close().await;
        assert!(ledger.checkpoint().contains(&format!("\n{}\n", limits::PENDING_MAX)));
    }

    #[tokio::test]
    async fn of_another_key_or_origin_is_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        open_in(dir.path(), slow()).unwrap().close().await;
        let path = dir.path().join("ledger");
        let other_key = Ledger::open(&path, ORIGIN, &[6; 32]);
        assert_eq!(other_key.err(), Some(LedgerError::OtherLog));
        let other_name = Ledger::open(&path, "log.example/other", &SEED);
        assert_eq!(other_name.err(), Some(LedgerError::OtherLog));
        let no_name = Ledger::open(&path, "two words", &SEED);
        assert_eq!(no_name.err(), Some(LedgerError::Origin));
    }

    #[tokio::test]
    async fn that_lost_what_it_published_does_not_open() {
        type Loss = (&'static str, fn(&Path));
        let lose: [Loss; 5] = [
            ("the checkpoint", |ledger| fs::remove_file(ledger.join("checkpoint")).unwrap()),
            ("a tile at the edge", |ledger| {
                fs::remove_file(ledger.join("tile/0/001.p/44")).unwrap();
            }),
            ("half of one", |ledger| {
                let path = ledger.join("tile/1/000.p/1");
                fs::write(&path, &fs::read(&path).unwrap()[..16]).unwrap();
            }),
            ("a bundle", |ledger| {
                let path = ledger.join("tile/entries/001.p/44");
                let mut bytes = fs::read(&path).unwrap();
                bytes[100] ^= 1;
                fs::write(&path, bytes).unwrap();
            }),
            ("the checkpoint's end", |ledger| {
                let path = ledger.join("checkpoint");
                fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
            }),
        ];
        for (what, lose) in lose {
            let dir = tempfile::tempdir().unwrap();
            let ledger = open_in(dir.path(), slow()).unwrap();
            for number in 0..300 {
                append(&ledger, number);
            }
            ledger.close().await;
            lose(&dir.path().join("ledger"));
            let opened = open_in(dir.path(), slow());
            assert_eq!(opened.err(), Some(LedgerError::Damaged), "{what}");
        }
    }

    #[tokio::test]
    async fn keeps_receipts_from_other_users_and_out_of_the_public_folder() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let ledger = open_in(dir.path(), slow()).unwrap();
        append(&ledger, 0);
        ledger.close().await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let receipts = dir.path().join("receipts");
        assert_eq!(mode(&receipts), 0o700);
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&receipts).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600);
            names.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        let wanted = ["00000000000000000000.records", "lock"].map(str::to_owned);
        assert_eq!(names, BTreeSet::from(wanted));
    }
}
