//! A histogram of durations, exact to 1.6 %. The histogram has one count for each of a fixed number of spans of time.

use core::sync::atomic::{AtomicU64, Ordering};

/// The number of spans into which each power of two is cut.
const PARTS: u64 = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// The most bits of a time in nanoseconds, which are over an hour. Longer times fall into the last span.
const TIME_BITS: u32 = 42;
/// The number of spans.
const SPANS: usize = (TIME_BITS - PART_BITS + 1) as usize * PARTS as usize;
/// The index of the longest time, which comes after the spans.
const LONGEST: usize = SPANS;
const SUM: usize = SPANS + 1;

/// The number of values in a histogram.
pub(crate) const NUMBERS: usize = SPANS + 2;

/// A histogram in memory that processes share.
#[derive(Clone, Copy)]
pub(crate) struct Histogram<'n>(&'n [AtomicU64]);

/// Returns the index of the span of a time.
fn span_of(nanos: u64) -> usize {
    let nanos = nanos.min((1 << TIME_BITS) - 1);
    let Some(shift) = nanos.checked_ilog2().and_then(|bits| bits.checked_sub(PART_BITS)) else {
        return nanos as usize;
    };
    // The shifted time is at least PARTS, so these indices continue after those of all shorter times.
    (u64::from(shift) * PARTS + (nanos >> shift)) as usize
}

/// Returns the longest time in a span.
fn end_of(span: usize) -> u64 {
    let span = span as u64;
    match (span / PARTS).checked_sub(1) {
        None => span,
        Some(shift) => ((span % PARTS + PARTS + 1) << shift) - 1,
    }
}

impl<'n> Histogram<'n> {
    /// Returns the histogram that is stored in these [`NUMBERS`] numbers.
    pub(crate) fn new(numbers: &'n [AtomicU64]) -> Histogram<'n> {
        Histogram(numbers)
    }

    fn number(self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |number| number.load(Ordering::Relaxed))
    }

    /// Counts one time.
    pub(crate) fn add(self, nanos: u64) {
        if let (Some(span), Some(longest), Some(sum)) =
            (self.0.get(span_of(nanos)), self.0.get(LONGEST), self.0.get(SUM))
        {
            span.fetch_add(1, Ordering::Relaxed);
            longest.fetch_max(nanos, Ordering::Relaxed);
            sum.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}

/// A summary of several histograms, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) mean: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Summary {
    /// Returns the summary of all these histograms.
    pub(crate) fn of<'n>(histograms: impl Iterator<Item = Histogram<'n>> + Clone) -> Summary {
        let total = |index: usize| histograms.clone().map(|histogram| histogram.number(index)).sum::<u64>();
        let count: u64 = (0..SPANS).map(total).sum();
        let max = histograms.clone().map(|histogram| histogram.number(LONGEST)).max().unwrap_or(0);
        let mut summary =
            Summary { count, mean: total(SUM).checked_div(count).unwrap_or(0), max, ..Summary::default() };
        let mut seen = 0;
        for span in 0..SPANS {
            let before = seen;
            seen += total(span);
            for (permille, value) in [(500, &mut summary.p50), (990, &mut summary.p99), (999, &mut summary.p999)] {
                let wanted = (count * permille).div_ceil(1000);
                if before < wanted && wanted <= seen {
                    *value = end_of(span).min(max);
                }
            }
        }
        summary
    }
}
