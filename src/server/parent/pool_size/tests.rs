use core::time::Duration;

use super::{Pool, Step};
use crate::server::limits::{CRASH_PAUSE, CRASH_PAUSE_MAX, POOL_TICK};
use crate::server::settings::PoolSize;

const START: Duration = Duration::from_secs(100);

fn pool(min: u32, max: u32) -> Pool {
    Pool::new(PoolSize { min, max }, START)
}

#[test]
fn a_busy_pool_grows_by_twice_as_many_each_tick_up_to_its_maximum() {
    let mut pool = pool(2, 12);
    let (mut running, mut now) = (2, START);
    for (more, then) in [(1, 3), (2, 5), (4, 9), (3, 12)] {
        now += POOL_TICK;
        assert_eq!(pool.step(running, 0, now), Step::Grow(more));
        running += more;
        assert_eq!(running, then);
        assert_eq!(pool.tick(), now + POOL_TICK);
    }
    assert_eq!(pool.step(running, 0, now), Step::Stay, "it is as large as it may be");
}

#[test]
fn an_idle_child_ends_the_growth_which_then_begins_with_one() {
    let mut pool = pool(2, 100);
    assert_eq!(pool.step(2, 0, START), Step::Grow(1));
    assert_eq!(pool.step(3, 0, START), Step::Grow(2));
    assert_eq!(pool.step(5, 1, START), Step::Stay);
    assert_eq!(pool.step(5, 0, START), Step::Grow(1));
}

#[test]
fn a_pool_shrinks_by_one_while_more_than_the_minimum_are_idle() {
    let mut pool = pool(2, 9);
    assert_eq!(pool.step(5, 3, START), Step::Shrink);
    assert_eq!(pool.step(5, 2, START), Step::Stay, "as many are idle as there are to be");
    assert_eq!(pool.step(2, 2, START), Step::Stay);
    assert_eq!(pool.missing(2), 0);
    assert_eq!((pool.missing(0), pool.missing(1), pool.missing(7)), (2, 1, 0));
}

#[test]
fn a_pool_of_a_fixed_size_stays() {
    let mut pool = pool(4, 4);
    assert!(!pool.is_elastic());
    assert_eq!(pool.step(4, 0, START), Step::Stay);
    assert_eq!(pool.step(4, 4, START), Step::Stay);
}

#[test]
fn crashes_close_it_for_twice_as_long_each_time_until_a_child_is_of_use() {
    let mut pool = pool(1, 9);
    let mut now = START;
    let mut pause = CRASH_PAUSE;
    for crash in 0..10 {
        pool.on_end(false, now);
        assert_eq!(pool.closed_until(now), Some(now + pause), "crash {crash}");
        assert_eq!(pool.opens_at(), now + pause);
        // The pool does not grow during the pause. It grows at the end of the pause.
        assert_eq!(pool.step(1, 0, now), Step::Stay);
        now += pause;
        assert_eq!(pool.closed_until(now), None);
        pause = (pause * 2).min(CRASH_PAUSE_MAX);
    }
    assert_eq!(pause, CRASH_PAUSE_MAX);
    assert_eq!(pool.step(1, 0, now), Step::Grow(1));
    pool.on_end(true, now);
    pool.on_end(false, now);
    assert_eq!(pool.closed_until(now), Some(now + CRASH_PAUSE), "the pause begins anew");
}

#[test]
fn a_pool_that_is_closed_twice_opens_at_the_later_time() {
    let second = Duration::from_secs(1);
    for (first, then) in [(second * 3, second), (second, second * 3)] {
        let mut pool = pool(1, 9);
        pool.close(first, START);
        pool.close(then, START);
        assert_eq!(pool.closed_until(START), Some(START + second * 3), "{first:?} {then:?}");
    }
}
