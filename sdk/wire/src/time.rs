//! When, as clients spell it: RFC 3339 in UTC with microseconds.

use core::fmt;
use core::str::FromStr;

use crate::text::as_text;

/// Microseconds since the Unix epoch, leap seconds not counted. Prints as
/// `2026-11-22T21:04:05.000006Z`; reads any RFC 3339 time from 1970 on, with any offset.
///
/// Source: RFC 3339 §5.6; the calendar is Hinnant's `days_from_civil` (2013).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(u64);

const MICROS_PER_SECOND: u64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

impl Time {
    /// The last instant of the year 9999, beyond which RFC 3339 has no spelling.
    const MAX: Time = Time(253_402_300_799_999_999);

    /// The time this many microseconds after the Unix epoch; the end of the year 9999 at most.
    pub const fn from_unix_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// Microseconds since the Unix epoch.
    pub const fn unix_micros(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 % MICROS_PER_SECOND;
        let seconds = (self.0 / MICROS_PER_SECOND) as i64;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let (hour, rest) = ((seconds % SECONDS_PER_DAY) / 3600, seconds % 3600);
        let (minute, second) = (rest / 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// A text that is not an RFC 3339 time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is RFC 3339, as in 2026-11-22T21:04:05Z")
    }
}

impl core::error::Error for NotATime {}

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if !text.is_ascii() {
            return Err(NotATime);
        }
        let date = text.get(..10).ok_or(NotATime)?;
        let clock = text.get(11..19).ok_or(NotATime)?;
        let separator = text.get(10..11).ok_or(NotATime)?;
        let rest = text.get(19..).ok_or(NotATime)?;
        if !matches!(separator, "T" | "t" | " ") {
            return Err(NotATime);
        }
        let (year, month, day) = three(date, '-', [4, 2, 2])?;
        let (hour, minute, second) = three(clock, ':', [2, 2, 2])?;
        if hour > 23 || minute > 59 || second > 60 || year < 1970 {
            return Err(NotATime);
        }
        let days = days_from_civil(year, month, day);
        if civil_from_days(days) != (year, month, day) {
            return Err(NotATime);
        }
        let (micros, zone) = fraction(rest)?;
        let seconds =
            days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
        let seconds = u64::try_from(seconds).map_err(|_| NotATime)?;
        let time = Time(seconds * MICROS_PER_SECOND + micros);
        if time > Self::MAX { Err(NotATime) } else { Ok(time) }
    }
}

/// Three numbers of fixed width with `separator` between them.
fn three(text: &str, separator: char, widths: [usize; 3]) -> Result<(i64, i64, i64), NotATime> {
    let mut parts = text.split(separator);
    let mut number = |width: usize| {
        let part = parts.next().filter(|part| part.len() == width).ok_or(NotATime)?;
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotATime);
        }
        part.parse::<i64>().map_err(|_| NotATime)
    };
    let [first, second, third] = widths;
    Ok((number(first)?, number(second)?, number(third)?))
}

/// An optional fraction of a second in microseconds (further digits are cut), and what follows it.
fn fraction(rest: &str) -> Result<(u64, &str), NotATime> {
    let Some(after_dot) = rest.strip_prefix('.') else { return Ok((0, rest)) };
    let zone_at = after_dot.find(|c: char| !c.is_ascii_digit()).ok_or(NotATime)?;
    let (digits, zone) = after_dot.split_at(zone_at);
    if digits.is_empty() {
        return Err(NotATime);
    }
    let micros = digits.bytes().chain(core::iter::repeat(b'0')).take(6);
    Ok((micros.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')), zone))
}

fn offset_seconds(zone: &str) -> Result<i64, NotATime> {
    if zone.eq_ignore_ascii_case("z") {
        return Ok(0);
    }
    let (sign, clock) = match zone.split_at_checked(1) {
        Some(("+", clock)) => (1, clock),
        Some(("-", clock)) => (-1, clock),
        _ => return Err(NotATime),
    };
    // Seconds are not part of an offset; with them the one parser above serves both.
    let (hours, minutes, _) = three(&format!("{clock}:00"), ':', [2, 2, 2])?;
    if hours > 23 || minutes > 59 {
        return Err(NotATime);
    }
    Ok(sign * (hours * 3600 + minutes * 60))
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

as_text!(Time);

#[cfg(test)]
mod a_time {
    use super::*;

    #[test]
    fn prints_as_utc_and_reads_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_827_696_000_001, "2000-02-29T12:34:56.000001Z"),
            (1_795_381_445_000_006, "2026-11-22T21:04:05.000006Z"),
            (Time::MAX.0, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Time::from_unix_micros(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(micros)));
        }
    }

    #[test]
    fn reads_every_offset_and_fraction() {
        let noon: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        for same in [
            "2026-11-22t12:00:00z",
            "2026-11-22 14:30:00+02:30",
            "2026-11-21T23:00:00.000-13:00",
            "2026-11-22T12:00:00.0000009Z",
        ] {
            assert_eq!(same.parse(), Ok(noon), "{same}");
        }
    }

    #[test]
    fn refuses_days_that_never_were() {
        for bad in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22T12:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00.Z",
            "2026-1-01T00:00:00Z",
            "1970-01-01T00:00:00+00:01",
            "2026-01-01T00:00:00+0100",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(bad.parse::<Time>(), Err(NotATime), "{bad}");
        }
    }
}
