use core::time::Duration;
use std::vec::Vec;

use super::Rate;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn as_many_as_the_limit_may_come_at_once() {
    let mut rate = Rate::new(3, at(1000)).unwrap();
    for _ in 0..3 {
        assert_eq!(rate.opens_at(), None);
        rate.count(at(5));
    }
    assert_eq!(rate.opens_at(), Some(at(1005)));
}

#[test]
fn the_next_may_come_a_period_after_the_oldest_of_the_last_so_many() {
    let mut rate = Rate::new(3, at(1000)).unwrap();
    let mut times = [0, 10, 700].map(at).to_vec();
    times.iter().for_each(|time| rate.count(*time));
    for round in 0..20 {
        let oldest = times[times.len() - 3];
        assert_eq!(rate.opens_at(), Some(oldest + at(1000)), "round {round}");
        // Some connections come as soon as they may, others later.
        let next = oldest + at(1000) + at(round % 3 * 17);
        rate.count(next);
        times.push(next);
    }
}

#[test]
fn a_limit_of_one_keeps_the_last_time_alone() {
    let mut rate = Rate::new(1, at(250)).unwrap();
    for time in [0, 250, 600, 10_000] {
        assert!(rate.opens_at().is_none_or(|opens| opens <= at(time)));
        rate.count(at(time));
        assert_eq!(rate.opens_at(), Some(at(time + 250)));
    }
}

/// Compares the ring with a plain list.
#[test]
fn a_time_that_is_given_back_does_not_count() {
    for limit in 1..=5 {
        let mut rate = Rate::new(limit, at(1000)).unwrap();
        let mut times = Vec::new();
        for step in 0..300_u64 {
            let now = at(step * 7);
            if step * step % 7 == 2 && !times.is_empty() {
                // Give back one of the last times, the oldest of them, or a time that was never counted.
                let index = times.len().saturating_sub(1 + step as usize % limit as usize);
                rate.give_back(times.remove(index));
                rate.give_back(now);
            } else {
                rate.count(now);
                times.push(now);
                if times.len() > limit as usize {
                    times.remove(0);
                }
            }
            let oldest = (times.len() == limit as usize).then(|| times[0] + at(1000));
            assert_eq!(rate.opens_at(), oldest, "limit {limit}, step {step}");
        }
    }
}
