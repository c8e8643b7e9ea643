use super::*;

const NOW: Duration = Duration::from_secs(100);
const LATEST: Duration = Duration::from_secs(101);

/// Returns a state whose wait ends at this time.
fn state(ends: u64) -> ReaderState {
    let state = ReaderState::new();
    state.number(WAIT_ENDS).unwrap().store(ends, Ordering::Relaxed);
    state
}

/// Checks the time until which a process waits, whatever another process has written. A child that is taken over can
/// write any number.
#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn no_process_waits_longer_than_its_patience() {
    assert_eq!(LATEST - NOW, LOG_PATIENCE);
    for (ends, expected) in [
        (0, LATEST),
        (1, Duration::from_micros(1)),
        (micros(NOW), NOW),
        (micros(NOW) + 1, NOW + Duration::from_micros(1)),
        (micros(LATEST), LATEST),
        (micros(LATEST) + 1, LATEST),
        (u64::MAX, LATEST),
    ] {
        assert_eq!(state(ends).wait_ends(NOW), expected, "{ends}");
    }
    // The first process that waits sets the end of the wait for all.
    let state = state(0);
    assert_eq!(state.wait_ends(NOW), LATEST);
    assert_eq!(state.wait_ends(NOW + LOG_PATIENCE / 2), LATEST);
}

#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn a_line_that_is_written_ends_the_wait_and_one_that_is_lost_begins_none() {
    for (before, is_written, after) in
        [(0, true, 0), (micros(LATEST), true, 0), (0, false, micros(NOW)), (micros(LATEST), false, micros(LATEST))]
    {
        let state = state(before);
        state.note(is_written, NOW);
        assert_eq!(state.number(WAIT_ENDS).unwrap().load(Ordering::Relaxed), after, "{before} {is_written}");
    }
    // The time 0 means that the last line was written.
    let state = state(0);
    state.note(false, Duration::ZERO);
    assert!(state.is_stuck());
}

#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn lost_lines_are_counted_until_they_are_taken() {
    let state = state(0);
    assert_eq!(state.take_lost(), 0);
    (2..4).for_each(|lines| state.add_lost(lines));
    assert_eq!([state.take_lost(), state.take_lost()], [5, 0]);
}

#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn a_reader_that_is_waited_for_is_not_stuck_yet() {
    let now = clock_gettime(Clock::MONOTONIC);
    let state = ReaderState::new();
    assert!(!state.is_stuck());
    assert_eq!(state.wait_ends(now + LOG_PATIENCE), now + 2 * LOG_PATIENCE);
    assert!(!state.is_stuck(), "a process waits");
    state.note(true, now);
    let ends = state.wait_ends(now - 2 * LOG_PATIENCE);
    assert!(state.is_stuck(), "the wait has ended");
    // The others do not wait again.
    assert_eq!(state.wait_ends(now).as_micros(), ends.as_micros());
    state.note(true, now);
    assert!(!state.is_stuck());
    state.note(false, now);
    assert!(state.is_stuck());
}

/// Checks that all processes together warn once in a while, whatever time a child that is taken over has written.
#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn one_process_warns_and_then_none_for_a_while() {
    let state = state(0);
    assert_eq!(SYSLOG_WARN, Duration::from_secs(60));
    assert!(state.begins_warning(NOW));
    let last = NOW + SYSLOG_WARN - Duration::from_micros(1);
    assert_eq!([NOW, last].map(|now| state.begins_warning(now)), [false, false]);
    assert_eq!([(); 2].map(|()| state.begins_warning(NOW + SYSLOG_WARN)), [true, false]);
    let next = micros(NOW + SYSLOG_WARN);
    for (at, is_due) in [(0, true), (micros(NOW), true), (micros(NOW) + 1, false), (next, false), (next + 1, true)] {
        state.number(WARN_AT).unwrap().store(at, Ordering::Relaxed);
        assert_eq!(state.begins_warning(NOW), is_due, "{at}");
        assert!(!state.begins_warning(NOW), "{at}");
    }
}
