//! The promise: the document that binds an operator, in words that are also its bytes.
//!
//! The canonical form is text, one fact a line in a fixed order, so that what is signed is what is
//! read. Every promise has one text; a text that differs by a space is not one.

use core::fmt::{self, Write as _};
use core::str::FromStr;

use crate::digest::{Digest, Domain};
use crate::limits::OPERATOR_BYTES_MAX;
use crate::note::{self, NotSigned, NoteSigner, VerifierKey};
use crate::receipt::{Receipt, Scrub};
use crate::words::words;

const FIRST_LINE: &str = "notrace/promise@v1";

/// Who operates, as they call themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator(Box<str>);

/// How long stored objects are kept where their pool says nothing else. What a run sees is kept
/// until the run ends, whatever this says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// This many seconds.
    Seconds(u64),
    /// Until somebody deletes them.
    UntilDeleted,
}

words! {
    /// One kind of thing that is written down.
    Kept;
    /// Everything that is written down besides what clients store. What is not here is not logged.
    Logged;
    /// One blinded leaf a run, in the public log: 32 bytes that say nothing without their salt.
    BlindedReceipts = "blinded-receipts",
    /// Counts, without names or times.
    Counts = "counts",
}

/// What an operator promises. Version 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Promise {
    /// Who is bound.
    pub operator: Operator,
    /// From when, in Unix seconds.
    pub valid_from: u64,
    /// Until when: the first second in which it no longer holds.
    pub valid_until: u64,
    /// How long objects are kept by default.
    pub objects: Retention,
    /// How long a receipt can be fetched, in seconds; afterwards the node has forgotten its salt.
    pub receipts: u64,
    /// What is written down.
    pub logged: Logged,
    /// What every run's receipt states at least.
    pub scrub: Scrub,
}

/// Why a text is not a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAPromise {
    /// Not in the one form a promise has.
    #[error("this is not a promise of version 1 in its canonical form")]
    Form,
    /// Not an operator's name.
    #[error("an operator's name is 1 to {OPERATOR_BYTES_MAX} bytes of printable text")]
    Operator,
    /// It ends before it begins.
    #[error("the promise ends before it begins")]
    Validity,
    /// It asks for less than a receipt must state.
    #[error("the promise leaves out a scrub that every receipt must state")]
    Scrub,
    /// Its signature is missing or wrong.
    #[error(transparent)]
    NotSigned(NotSigned),
}

/// How a true receipt shows that its promise was not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// The receipt is of a run under another promise.
    #[error("the receipt is of a run under another promise")]
    OtherPromise,
    /// The run was outside the promise's validity.
    #[error("the run was not within the promise's validity")]
    NotValidThen,
    /// A scrub that was promised is not in the receipt.
    #[error("the receipt does not state every scrub that was promised")]
    ScrubMissing,
}

impl FromStr for Operator {
    type Err = NotAPromise;

    fn from_str(text: &str) -> Result<Self, NotAPromise> {
        let fits = (1..=OPERATOR_BYTES_MAX).contains(&text.len());
        let plain = text.trim() == text && !text.chars().any(char::is_control);
        (fits && plain).then(|| Self(text.into())).ok_or(NotAPromise::Operator)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Promise {
    /// The canonical text. What it is a promise of, its digest, and what is signed.
    pub fn text(&self) -> String {
        let objects = match self.objects {
            Retention::Seconds(seconds) => seconds.to_string(),
            Retention::UntilDeleted => "until-deleted".to_owned(),
        };
        format!(
            "{FIRST_LINE}\n\
             operator {}\n\
             valid {} {}\n\
             runs nothing\n\
             objects {objects}\n\
             receipts {}\n\
             logged {}\n\
             scrub {}\n",
            self.operator,
            self.valid_from,
            self.valid_until,
            self.receipts,
            self.logged,
            self.scrub
        )
    }

    /// What names this promise in receipts.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Promise, self.text().as_bytes())
    }

    /// The promise that `text` is.
    /// # Errors  [`NotAPromise`]
    pub fn parse(text: &str) -> Result<Self, NotAPromise> {
        let promise = Self::read(text)?;
        promise.check()?;
        // Whatever the lines above let through, only the canonical spelling passes here.
        (promise.text() == text).then_some(promise).ok_or(NotAPromise::Form)
    }

    fn read(text: &str) -> Result<Self, NotAPromise> {
        let mut lines = text.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(NotAPromise::Form);
        }
        let mut line = |word: &str| {
            let rest = lines.next()?.strip_prefix(word)?;
            rest.strip_prefix(' ')
        };
        let mut field = |word| line(word).ok_or(NotAPromise::Form);
        let operator = field("operator")?.parse()?;
        let (from, until) = field("valid")?.split_once(' ').ok_or(NotAPromise::Form)?;
        if field("runs")? != "nothing" {
            return Err(NotAPromise::Form);
        }
        let objects = match field("objects")? {
            "until-deleted" => Retention::UntilDeleted,
            seconds => Retention::Seconds(number(seconds)?),
        };
        let receipts = number(field("receipts")?)?;
        let logged = field("logged")?.split(' ').try_fold(Logged::default(), |set, text| {
            let word = Kept::ALL.iter().find(|word| word.as_str() == text);
            word.map(|&word| set.with(word)).ok_or(NotAPromise::Form)
        })?;
        let scrub = field("scrub")?.split(' ').try_fold(Scrub::default(), |set, text| {
            let facts = crate::receipt::ScrubFact::ALL;
            let word = facts.iter().find(|word| word.as_str() == text);
            word.map(|&word| set.with(word)).ok_or(NotAPromise::Form)
        })?;
        let (valid_from, valid_until) = (number(from)?, number(until)?);
        Ok(Self { operator, valid_from, valid_until, objects, receipts, logged, scrub })
    }

    fn check(&self) -> Result<(), NotAPromise> {
        if self.valid_from >= self.valid_until {
            return Err(NotAPromise::Validity);
        }
        // A promise that does not mention the log would be kept by a node that has none.
        let logs = self.logged.has(Kept::BlindedReceipts);
        let scrubs = self.scrub.covers(Scrub::REQUIRED);
        (logs && scrubs).then_some(()).ok_or(NotAPromise::Scrub)
    }

    /// The promise as a signed note.
    /// # Errors  [`NotAPromise`] if it is none: it ends before it begins, or promises too little.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, NotAPromise> {
        let text = self.text();
        Self::parse(&text)?;
        signer.sign(&text).map_err(NotAPromise::NotSigned)
    }

    /// The promise in a signed note, if one of `keys` signed it.
    /// # Errors  [`NotAPromise`]
    pub fn open(signed: &str, keys: &[VerifierKey]) -> Result<Self, NotAPromise> {
        let opened = note::open(signed, keys).map_err(NotAPromise::NotSigned)?;
        Self::parse(&opened.text)
    }

    /// Whether `receipt` states what this promise promised. The receipt itself must have been
    /// verified before.
    /// # Errors  [`Broken`]: what to hold against the operator.
    pub fn kept_by(&self, receipt: &Receipt) -> Result<(), Broken> {
        if receipt.promise != self.digest() {
            return Err(Broken::OtherPromise);
        }
        // A receipt knows minutes: one that touches the validity may have been within it.
        let began = (u64::from(receipt.span.began_minute()) + 1) * 60;
        let ended = u64::from(receipt.span.ended_minute()) * 60;
        if began <= self.valid_from || ended >= self.valid_until {
            return Err(Broken::NotValidThen);
        }
        receipt.scrub.covers(self.scrub).then_some(()).ok_or(Broken::ScrubMissing)
    }

    /// The promise in sentences, for people.
    pub fn show(&self) -> String {
        let mut text = format!(
            "promise {}\n{} promises, from {} until {}:\n",
            self.digest(),
            self.operator,
            Day(self.valid_from),
            Day(self.valid_until)
        );
        text.push_str("  runs      nothing of what a run saw or made is kept once it has ended\n");
        let _ = match self.objects {
            Retention::Seconds(seconds) => {
                writeln!(text, "  objects   kept for {}, where a pool says no less", Time(seconds))
            }
            Retention::UntilDeleted => {
                writeln!(text, "  objects   kept until deleted, where a pool says no less")
            }
        };
        let _ = writeln!(text, "  receipts  can be fetched for {}", Time(self.receipts));
        let _ = writeln!(text, "  logged    {}, and nothing else", List(&self.logged.to_string()));
        let _ = writeln!(text, "  scrub     {}, in every receipt", List(&self.scrub.to_string()));
        text
    }
}

fn number(text: &str) -> Result<u64, NotAPromise> {
    text.parse().map_err(|_| NotAPromise::Form)
}

/// Words with commas between them.
struct List<'a>(&'a str);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(' ', ", ").replace('-', " "))
    }
}

/// Seconds in the largest unit that says them exactly.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
        let fits = |&&(unit, _): &&(u64, _)| self.0 != 0 && self.0.is_multiple_of(unit);
        let &(unit, name) = units.iter().find(fits).unwrap_or(&(1, "second"));
        let count = self.0 / unit;
        write!(f, "{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

/// A Unix time as the day it is on, in UTC.
struct Day(u64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years begin in March, so that the leap day is the last; eras are 400 years.
        // Source: H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
        let days = self.0 / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        write!(f, "{}-{month:02}-{day:02}", era * 400 + year + turn)
    }
}

#[cfg(test)]
mod tests;
