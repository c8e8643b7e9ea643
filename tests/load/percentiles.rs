//! Compares the histogram and its percentiles with a sorted list of all times.

use std::sync::atomic::AtomicU64;

use crate::common::random::Random;
use crate::common::solo::Test;
use crate::tests;

#[path = "../../src/bin/mpserv-load/histogram.rs"]
mod histogram;

use histogram::{Histogram, NUMBERS, Summary};

pub(crate) const TESTS: &[Test] = tests![
    of_no_time_there_is_none,
    each_time_is_in_a_span_that_is_no_wider_than_a_64th,
    a_percentile_is_the_time_that_so_many_did_not_exceed,
    several_histograms_are_one,
    a_time_beyond_an_hour_is_the_longest_all_the_same,
];

/// Returns the numbers of a histogram of these times.
fn numbers(times: &[u64]) -> Vec<AtomicU64> {
    let numbers: Vec<AtomicU64> = (0..NUMBERS).map(|_| AtomicU64::new(0)).collect();
    times.iter().for_each(|time| Histogram::new(&numbers).add(*time));
    numbers
}

fn summary(times: &[u64]) -> Summary {
    Summary::of([Histogram::new(&numbers(times))].into_iter())
}

/// Returns the end of a time's span. The end is the median of a histogram with that time and a longer time.
fn end_of_span(time: u64) -> u64 {
    summary(&[time, time, 1 << 41]).p50
}

fn of_no_time_there_is_none() {
    let Summary { count, mean, p50, p99, p999, max } = summary(&[]);
    assert_eq!([count, mean, p50, p99, p999, max], [0; 6]);
    // A time of 0 is a time.
    let Summary { count, mean, p50, max, .. } = summary(&[0, 0, 3]);
    assert_eq!((count, mean, p50, max), (3, 1, 0, 3));
}

/// Tries times around and between the powers of two.
fn each_time_is_in_a_span_that_is_no_wider_than_a_64th() {
    let mut random = Random::new(1);
    let around = (0..41).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    let within: Vec<u64> = (0..60).map(|_| random.next() >> (24 + random.below(40))).collect();
    for time in around.chain(within) {
        let end = end_of_span(time);
        assert!(time <= end && end - time <= time / 64, "{time} is shown as {end}");
        // The end belongs to the same span, and the next time to the next span.
        assert_eq!(end_of_span(end), end, "{time}");
        assert!(end_of_span(end + 1) > end, "{time}");
        if time < 128 {
            assert_eq!(end, time, "short times are exact");
        }
    }
}

/// Checks that `shown` is the time of this rank in a sorted list, counted from 1, to the precision of a span.
#[track_caller]
fn is_of_rank(shown: u64, times: &[u64], rank: usize) {
    let time = times[rank - 1];
    let end = end_of_span(time).min(*times.last().unwrap());
    assert_eq!(shown, end, "rank {rank} of {}", times.len());
}

fn a_percentile_is_the_time_that_so_many_did_not_exceed() {
    let mut random = Random::new(2);
    for length in [1, 2, 3, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 2000] {
        let mut times: Vec<u64> = (0..length).map(|_| 1000 + (random.next() >> 40)).collect();
        let found = summary(&times);
        times.sort_unstable();
        assert_eq!((found.count, found.max), (length as u64, times[length - 1]));
        assert_eq!(found.mean, times.iter().sum::<u64>() / length as u64);
        // The closure returns the least rank with this many thousandths of all times at or below it.
        let rank = |permille: usize| (1..=length).find(|rank| rank * 1000 >= length * permille).unwrap();
        is_of_rank(found.p50, &times, rank(500));
        is_of_rank(found.p99, &times, rank(990));
        is_of_rank(found.p999, &times, rank(999));
    }
}

fn several_histograms_are_one() {
    let (short, long) = (numbers(&[10; 99]), numbers(&[5000]));
    let both = Summary::of([Histogram::new(&short), Histogram::new(&long)].into_iter());
    assert_eq!([both.count, both.p50, both.p99, both.p999, both.max], [100, 10, 10, 5000, 5000]);
    assert_eq!(both.mean, (990 + 5000) / 100);
}

fn a_time_beyond_an_hour_is_the_longest_all_the_same() {
    let day = 86_400_000_000_000;
    let found = summary(&[1, day]);
    assert_eq!((found.p50, found.max, found.count), (1, day, 2));
    // Beyond the last span a percentile is that span's end.
    assert_eq!(found.p99, (1 << 42) - 1);
}
