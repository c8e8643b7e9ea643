use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;

use super::*;

/// Returns a connection, and its other end.
fn connection() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it.
    let ours = unsafe { OwnedFd::from_raw(ours.into_raw_fd()) };
    (Connection::new(ours, Peer::Unknown, 1, 1), theirs)
}

/// Checks a call that a signal interrupts each time: it begins anew until the idle time is over, and then no more.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_call_that_is_always_interrupted_ends_after_the_idle_time() {
    let limit = Duration::from_millis(20);
    let (mut connection, _other) = connection();
    connection.set_idle_timeout(limit).unwrap();
    let now = || clock_gettime(Clock::MONOTONIC);
    let (began, mut first, mut last) = (now(), None, Duration::ZERO);
    let result: Result<()> = connection.retry(|| {
        let over = *first.get_or_insert_with(now) + limit;
        assert!(last < over, "the call begins anew although the idle time is over");
        last = now();
        Err(Errno::INTR)
    });
    assert_eq!(result, Err(Errno::AGAIN));
    assert!(now() - began >= limit, "the call ends before the idle time is over");
    // Any other result is that of the call.
    for result in [Ok(7), Err(Errno::AGAIN), Err(Errno::PIPE)] {
        let mut results = [Err(Errno::INTR), result].into_iter();
        assert_eq!(connection.retry(|| results.next().unwrap()), result);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn without_an_idle_time_a_call_begins_anew_after_each_signal() {
    let (connection, _other) = connection();
    for result in [Ok(7), Err(Errno::PIPE)] {
        let mut results = [Err(Errno::INTR), Err(Errno::INTR), result].into_iter();
        assert_eq!(connection.retry(|| results.next().unwrap()), result);
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn reads_and_writes_wait_for_the_idle_time() {
    let (mut connection, _other) = connection();
    let limit = Duration::from_millis(2300);
    connection.set_idle_timeout(limit).unwrap();
    for option in [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO] {
        assert_eq!(getsockopt(&connection, option), Ok(limit));
    }
}
