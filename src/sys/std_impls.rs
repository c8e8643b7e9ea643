//! Feature `std`: conversions of descriptors and errors with std's types.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as StdAsFd, AsRawFd, BorrowedFd as StdBorrowedFd, FromRawFd, IntoRawFd, OwnedFd as StdOwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd};

/// Moves the descriptor to std.
impl From<OwnedFd> for StdOwnedFd {
    fn from(fd: OwnedFd) -> StdOwnedFd {
        // SAFETY: the descriptor is open, and after `into_raw` nothing else owns it.
        unsafe { StdOwnedFd::from_raw_fd(fd.into_raw()) }
    }
}

/// Takes the descriptor from std.
impl From<StdOwnedFd> for OwnedFd {
    fn from(fd: StdOwnedFd) -> OwnedFd {
        // SAFETY: the descriptor is open, and after `into_raw_fd` nothing else owns it.
        unsafe { OwnedFd::from_raw(fd.into_raw_fd()) }
    }
}

/// Implements conversions by way of std's `OwnedFd`.
macro_rules! through_owned_fd {
    ($($type:ty),*) => {$(
        impl From<$type> for OwnedFd {
            fn from(socket: $type) -> OwnedFd {
                StdOwnedFd::from(socket).into()
            }
        }

        impl From<OwnedFd> for $type {
            fn from(fd: OwnedFd) -> $type {
                StdOwnedFd::from(fd).into()
            }
        }
    )*};
}
through_owned_fd!(TcpListener, TcpStream, UnixListener, UnixStream);

impl StdAsFd for OwnedFd {
    fn as_fd(&self) -> StdBorrowedFd<'_> {
        borrowed(AsFd::as_fd(self))
    }
}

/// Converts a borrowed descriptor to std's type.
pub(crate) fn borrowed(fd: BorrowedFd<'_>) -> StdBorrowedFd<'_> {
    // SAFETY: the descriptor stays open while it is borrowed, and an owned descriptor is not -1.
    unsafe { StdBorrowedFd::borrow_raw(fd.raw()) }
}

/// Lends the descriptors of std's types to the wrappers: to [`read`](crate::fd::read), [`poll`](crate::poll::poll),
/// [`setsockopt`](crate::net::setsockopt) and the others.
macro_rules! lends {
    ($($type:ty),*) => {$(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                // SAFETY: the descriptor stays open for as long as `self` is borrowed.
                unsafe { BorrowedFd::from_raw(self.as_raw_fd()) }
            }
        }
    )*};
}
lends!(StdOwnedFd, StdBorrowedFd<'_>, File, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream);
lends!(io::Stdin, io::Stdout, io::Stderr, ChildStdin, ChildStdout, ChildStderr);

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw())
    }
}
