use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;

use super::*;

/// Returns a daemon that is connected to a queue, and the other end of the queue.
fn daemon() -> (LogDaemon, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it.
    let socket = Ok(unsafe { OwnedFd::from_raw(ours.into_raw_fd()) });
    (LogDaemon { socket, may_connect: Cell::new(true) }, theirs)
}

/// Checks which errors are worth a warning: a daemon that does not read may read again, but one that is gone is gone.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn a_daemon_that_has_gone_is_warned_of() {
    for (errno, is_warned_of) in [
        (Errno::AGAIN, false),
        (Errno::NOBUFS, false),
        (Errno::NOMEM, false),
        (Errno::NOENT, true),
        (Errno::CONNREFUSED, true),
    ] {
        let (daemon, _queue) = daemon();
        let start = "start a log daemon, or leave out --log syslog";
        assert_eq!(daemon.advice(errno), is_warned_of.then_some(start), "{errno}");
    }
    let (other, _queue) = daemon();
    other.keep_connection();
    let again = "start this server again once a log daemon runs: after --chroot it does not connect again";
    assert_eq!(other.advice(Errno::NOENT), Some(again));
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
