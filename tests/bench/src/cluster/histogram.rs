//! A histogram of times: 64 steps for each power of two, so that no figure is off by over 1.6 %.
//!
//! As HdrHistogram counts, without its ranges and encodings. Source: hdrhistogram.org.

/// Steps for each power of two, as a power of two.
const STEP_BITS: u32 = 6;
const STEPS: u64 = 1 << STEP_BITS;

/// Counts of times, in nanoseconds.
#[derive(Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: u64,
}

impl Histogram {
    /// Counts one time.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.add(bucket(nanos), 1);
        self.most = self.most.max(nanos);
    }

    /// Counts all that `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(at, *count);
        }
        self.most = self.most.max(other.most);
    }

    fn add(&mut self, at: usize, count: u64) {
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        if let Some(slot) = self.counts.get_mut(at) {
            *slot += count;
        }
        self.total += count;
    }

    /// How many were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The longest time, exactly.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// The time that `part` of all stayed within: 0.5 for the median. 0 where there is none.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        let rank = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(at).min(self.most);
            }
        }
        self.most
    }
}

/// The bucket of a time: itself below 64, then its highest seven bits.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (u64::from(shift) * STEPS + (nanos >> shift)) as usize
}

/// The middle of a bucket.
fn middle(at: usize) -> u64 {
    let at = at as u64;
    let shift = (at / STEPS).saturating_sub(1);
    ((at - shift * STEPS) << shift) + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_within_a_step_of_the_middle_of_its_bucket() {
        let mut nanos = 1_u64;
        while nanos < u64::MAX / 3 {
            let found = middle(bucket(nanos));
            assert!(found.abs_diff(nanos) as f64 <= nanos as f64 / 64.0, "{nanos} {found}");
            nanos += nanos / 7 + 1;
        }
    }

    #[test]
    fn buckets_rise_without_a_gap() {
        let mut last = 0;
        for nanos in 0..100_000 {
            let at = bucket(nanos);
            assert!(at == last || at == last + 1);
            last = at;
        }
    }

    #[test]
    fn quantiles_of_a_thousand_different_times() {
        let mut times = Histogram::default();
        (1..=1000).for_each(|micros| times.record(micros * 1000));
        assert!(times.quantile(0.5).abs_diff(500_000) < 10_000);
        assert!(times.quantile(0.99).abs_diff(990_000) < 20_000);
        assert_eq!((times.total(), times.most()), (1000, 1_000_000));
    }

    #[test]
    fn a_merged_histogram_holds_both() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(10);
        other.record(5_000_000);
        one.merge(&other);
        assert_eq!((one.total(), one.most(), one.quantile(0.5)), (2, 5_000_000, 10));
    }

    #[test]
    fn nothing_counted_is_nought() {
        assert_eq!(Histogram::default().quantile(0.99), 0);
    }
}
