use core::time::Duration;

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
