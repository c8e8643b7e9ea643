use super::super::reader::LogReader;
use super::super::writer::{LogFormat, LogTime, Verbosity};
use super::*;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn each_kind_of_trouble_is_logged_once_a_second_with_how_often_it_came() {
    let mut throttle = LogThrottle::default();
    let period = THROTTLE_PERIOD.as_millis() as u64;
    assert_eq!(throttle.due(), None);
    assert_eq!(throttle.admit(Throttled::Refuse, at(0)), Some(1));
    assert_eq!(throttle.due(), None, "nothing is held back");
    assert_eq!(throttle.admit(Throttled::Refuse, at(1)), None);
    assert_eq!(throttle.admit(Throttled::Refuse, at(period - 1)), None);
    assert_eq!(throttle.due(), Some(at(2 * period)));
    // The throttle does not hold back other kinds.
    assert_eq!(throttle.admit(Throttled::MaxRate, at(2)), Some(1));
    // At the end of each second one event is logged.
    assert_eq!(throttle.admit(Throttled::Refuse, at(period)), Some(3));
    assert_eq!(throttle.admit(Throttled::Refuse, at(period + 1)), None);
    assert_eq!(throttle.due(), Some(at(3 * period)));
    assert_eq!(throttle.admit(Throttled::Refuse, at(2 * period)), Some(2));
}

#[test]
#[cfg_attr(miri, ignore = "it has no shared memory")]
fn what_was_held_back_is_released_once_and_throttles_what_comes_then() {
    let mut throttle = LogThrottle::default();
    let log = Log::new(LogFormat::Text, LogTime::No, Verbosity::Quiet);
    let period = THROTTLE_PERIOD.as_millis() as u64;
    // The line of this kind is a detail, so the test prints nothing.
    assert_eq!(throttle.admit(Throttled::Abort, at(0)), Some(1));
    assert_eq!(throttle.admit(Throttled::Abort, at(10)), None);
    // In the second period a further event would be logged with its fields, and its line would stand for both events.
    throttle.release(&log, at(2 * period - 1));
    assert_eq!(throttle.due(), Some(at(2 * period)), "its time has not come");
    throttle.release(&log, at(2 * period));
    assert_eq!(throttle.due(), None, "it was logged");
    // The line of the release counts, so the next line comes a second later.
    assert_eq!(throttle.admit(Throttled::Abort, at(2 * period + 1)), None);
    assert_eq!(throttle.due(), Some(at(4 * period)));
    // At the end of the server all events are released.
    throttle.release(&log, Duration::MAX);
    assert_eq!(throttle.due(), None);
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn each_kind_is_summed_up_as_the_event_that_it_is() {
    let summaries = [
        (Throttled::Refuse, "<28>refuse why=\"as before\""),
        (Throttled::Abort, "<31>abort why=\"as before\""),
        (Throttled::MaxChildren, "<29>pause why=max-children"),
        (Throttled::MaxRate, "<29>pause why=max-rate"),
        (Throttled::Shortage, "<28>pause why=\"as before\""),
        (Throttled::Exec, "<28>fail why=\"as before\""),
        (Throttled::Call, "<28>fail why=\"as before\""),
    ];
    assert_eq!(summaries.map(|(kind, _)| kind), Throttled::ALL);
    for (kind, line) in summaries {
        let (log, reader) = LogReader::new();
        let mut throttle = LogThrottle::default();
        (0..4).for_each(|_| _ = throttle.admit(kind, at(0)));
        throttle.release(&log, Duration::MAX);
        assert_eq!(reader.lines(), [std::format!("{line} count=3")]);
    }
}

/// Checks that a call that fails again and again makes no busy loop.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn after_an_unexpected_failure_there_is_a_wait() {
    let ((log, reader), mut throttle) = (LogReader::new(), LogThrottle::default());
    let began = std::time::Instant::now();
    throttle.back_off(&log, at(0), "poll", Errno::IO, None);
    assert!(began.elapsed() >= RETRY_EVERY);
    assert_eq!(reader.lines(), ["<28>fail call=poll error=\"Input/output error\" count=1"]);
}
