//! Medians, and their confidence.

/// Values of the same thing, in the order in which they were measured.
#[derive(Clone, Debug, Default)]
pub struct Sample(pub Vec<f64>);

/// A median, and an interval that contains the true median with the confidence [`CONFIDENCE`].
#[derive(Clone, Copy, Debug)]
pub struct Median {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Median {
    /// Returns the median of a value that was measured once.
    pub const fn exact(value: f64) -> Median {
        Median { value, low: value, high: value }
    }
}

/// The confidence of an interval, if there are enough values.
const CONFIDENCE: f64 = 0.95;

impl Sample {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Returns the median with its interval, which goes from one of the values to another. For any distribution, each
    /// value is as likely below the true median as above it. So the number of values below it is binomial.
    pub fn median(&self) -> Option<Median> {
        let sorted = self.sorted();
        let (count, middle) = (sorted.len(), sorted.len() / 2);
        let upper = *sorted.get(middle)?;
        let value = if count % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) };
        // The probability that only `left` values are on one side, for the widest interval and the narrower intervals.
        let mut tail = 0.5_f64.powi(i32::try_from(count).ok()?);
        let mut ways = tail;
        let mut left = 0;
        for cut in 1..=middle {
            ways *= (count - cut + 1) as f64 / cut as f64;
            if 1.0 - 2.0 * (tail + ways) < CONFIDENCE {
                break;
            }
            tail += ways;
            left = cut;
        }
        Some(Median { value, low: sorted[left], high: sorted[count - 1 - left] })
    }

    /// Returns the ratios of this sample's values to those of the other sample.
    pub fn ratios(&self, other: &Sample) -> Sample {
        Sample(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

/// A generator of random numbers: xorshift, from a seed that is always the same.
pub struct Shuffle(u64);

impl Shuffle {
    pub fn new() -> Shuffle {
        Shuffle(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}
