use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;

use super::*;

/// Returns a daemon that is connected to a queue, and the other end of the queue.
fn daemon() -> (LogDaemon, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it.
    let socket = Ok(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) });
    (LogDaemon { socket, may_connect: Cell::new(true), warn_at: Cell::new(Some(Duration::ZERO)) }, theirs)
}

/// Checks which errors are worth a warning: a daemon that does not read may read again, but one that is gone is gone.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_daemon_that_has_gone_is_warned_of_once_in_a_while() {
    for (errno, is_warned_of) in [
        (Errno::AGAIN, false),
        (Errno::NOBUFS, false),
        (Errno::NOMEM, false),
        (Errno::NOENT, true),
        (Errno::CONNREFUSED, true),
    ] {
        let (daemon, _queue) = daemon();
        let start = "start a log daemon, or leave out --log syslog";
        let before = clock_gettime(Clock::MONOTONIC);
        assert_eq!(daemon.advice(errno), is_warned_of.then_some(start), "{errno}");
        assert_eq!(daemon.advice(Errno::NOENT).is_some(), !is_warned_of, "after {errno}");
        // The next warning is due a minute after this one.
        let minute = [before, clock_gettime(Clock::MONOTONIC)].map(|time| time + Duration::from_secs(60));
        assert!(daemon.warn_at.get().is_some_and(|due| minute[0] <= due && due <= minute[1]), "{daemon:?}");
    }
    let (other, _queue) = daemon();
    other.keep_connection();
    let again = "start this server again once a log daemon runs: after --chroot it does not connect again";
    assert_eq!(other.advice(Errno::NOENT), Some(again));
    let (child, _queue) = daemon();
    child.stop_warning();
    assert_eq!(child.advice(Errno::NOENT), None, "the parent warns");
}

/// Checks that the server stays connected to a daemon that does not read: the error is that of the queue, not that of
/// another connect().
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_daemon_that_does_not_read_is_not_left() {
    let (daemon, queue) = daemon();
    let error = core::iter::repeat_with(|| daemon.send(b"line")).find_map(Result::err);
    assert_eq!(error, Some(Errno::AGAIN));
    assert_eq!(queue.recv(&mut [0; 8]).unwrap(), 4);
    assert_eq!(daemon.send(b"line"), Ok(()), "it is the same connection");
}
