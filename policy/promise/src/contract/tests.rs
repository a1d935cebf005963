use super::*;
use crate::receipt::ScrubFact;
use crate::receipt::tests::sample;

fn promise() -> Promise {
    Promise {
        operator: "unnamed operator".parse().unwrap(),
        valid_from: 1_795_305_600,
        valid_until: 1_826_841_600,
        objects: Retention::Seconds(30 * 86_400),
        receipts: 86_400,
        logged: Logged::of(Kept::ALL),
        scrub: Scrub::REQUIRED.with(ScrubFact::NoCoreDumps),
    }
}

const TEXT: &str = "notrace/promise@v1
operator unnamed operator
valid 1795305600 1826841600
runs nothing
objects 2592000
receipts 86400
logged blinded-receipts counts
scrub worker-reaped single-use address-space-destroyed keys-wiped no-core-dumps
";

mod a_promise {
    use super::*;

    #[test]
    fn is_the_text_people_read() {
        assert_eq!(promise().text(), TEXT);
        assert_eq!(Promise::parse(TEXT), Ok(promise()));
        let forever = Promise { objects: Retention::UntilDeleted, ..promise() };
        assert_eq!(Promise::parse(&forever.text()), Ok(forever));
    }

    #[test]
    fn has_one_spelling() {
        for (good, bad) in [
            ("@v1", "@v2"),
            ("runs nothing", "runs something"),
            ("receipts 86400", "receipts 086400"),
            ("receipts 86400", "receipts +86400"),
            ("counts", "counts counts"),
            ("blinded-receipts counts", "counts blinded-receipts"),
            ("no-core-dumps\n", "no-core-dumps"),
            ("no-core-dumps\n", "no-core-dumps\n\n"),
            ("no-core-dumps", "no-fun"),
            ("operator unnamed", "operator  unnamed"),
            ("\nobjects", "\r\nobjects"),
        ] {
            assert!(Promise::parse(&TEXT.replace(good, bad)).is_err(), "{bad}");
        }
        assert!(Promise::parse("").is_err());
    }

    #[test]
    fn that_promises_too_little_is_none() {
        let early = Promise { valid_until: 1, ..promise() };
        assert_eq!(Promise::parse(&early.text()), Err(NotAPromise::Validity));
        let bare = Promise { scrub: Scrub::of(&[ScrubFact::NoSwap]), ..promise() };
        assert_eq!(Promise::parse(&bare.text()), Err(NotAPromise::Scrub));
        let silent = Promise { logged: Logged::of(&[Kept::Counts]), ..promise() };
        assert_eq!(Promise::parse(&silent.text()), Err(NotAPromise::Scrub));
        let signer = NoteSigner::new("log", &[1; 32]).unwrap();
        assert_eq!(early.sign(&signer), Err(NotAPromise::Validity));
    }

    #[test]
    fn binds_only_with_its_signature() {
        let signer = NoteSigner::new("log.example", &[1; 32]).unwrap();
        let keys = [signer.public().clone()];
        let signed = promise().sign(&signer).unwrap();
        assert_eq!(Promise::open(&signed, &keys), Ok(promise()));
        let changed = signed.replace("receipts 86400", "receipts 86401");
        let forged = Err(NotAPromise::NotSigned(NotSigned::Forged));
        assert_eq!(Promise::open(&changed, &keys), forged);
    }

    #[test]
    fn is_shown_in_sentences() {
        let shown = promise().show();
        for part in [
            "unnamed operator promises, from 2026-11-22 until 2027-11-22:",
            "kept for 30 days",
            "fetched for 1 day\n",
            "blinded receipts, counts, and nothing else",
            "worker reaped, single use",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn is_kept_or_broken_by_a_receipt() {
        let promise = promise();
        let kept = Receipt { promise: promise.digest(), ..sample(0) };
        assert_eq!(promise.kept_by(&kept), Ok(()));
        assert_eq!(promise.kept_by(&sample(0)), Err(Broken::OtherPromise));
        let bare = Receipt { scrub: Scrub::REQUIRED, ..kept.clone() };
        assert_eq!(promise.kept_by(&bare), Err(Broken::ScrubMissing));
        let from = promise.valid_from;
        for (began, ended) in [(from - 120, from + 60), (from, promise.valid_until)] {
            let span = crate::receipt::Span::between(began, ended);
            let late = Receipt { span, ..kept.clone() };
            assert_eq!(promise.kept_by(&late), Err(Broken::NotValidThen));
        }
    }
}

#[test]
fn days_are_those_of_the_calendar() {
    for (seconds, day) in [
        (0, "1970-01-01"),
        (951_782_400, "2000-02-29"),
        (951_868_800, "2000-03-01"),
        (1_795_305_600, "2026-11-22"),
        (4_107_542_399, "2100-02-28"),
        (4_107_542_400, "2100-03-01"),
    ] {
        assert_eq!(Day(seconds).to_string(), day);
    }
}
