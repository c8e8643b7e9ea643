//! Feature `std`: conversions with std's types, and std's traits on ours.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as StdAsFd, BorrowedFd as StdBorrowedFd, FromRawFd, IntoRawFd, OwnedFd as StdOwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::errno::Errno;
use crate::fd::{AsFd, BorrowedFd, OwnedFd};
use crate::server::Connection;

/// The same descriptor, in std's hands.
impl From<OwnedFd> for StdOwnedFd {
    fn from(fd: OwnedFd) -> StdOwnedFd {
        // SAFETY: the descriptor is open, and `into_raw` has taken it out of our hands.
        unsafe { StdOwnedFd::from_raw_fd(fd.into_raw()) }
    }
}

/// The same descriptor, in our hands.
impl From<StdOwnedFd> for OwnedFd {
    fn from(fd: StdOwnedFd) -> OwnedFd {
        // SAFETY: the descriptor is open, and `into_raw_fd` has taken it out of std's hands.
        unsafe { OwnedFd::from_raw(fd.into_raw_fd()) }
    }
}

/// Conversions by way of std's own descriptor.
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

impl StdAsFd for Connection {
    fn as_fd(&self) -> StdBorrowedFd<'_> {
        borrowed(AsFd::as_fd(self))
    }
}

fn borrowed(fd: BorrowedFd<'_>) -> StdBorrowedFd<'_> {
    // SAFETY: the descriptor stays open for as long as it is borrowed, and an owned one is not -1.
    unsafe { StdBorrowedFd::borrow_raw(fd.raw()) }
}

/// The connection, in std's hands.
impl From<Connection> for StdOwnedFd {
    fn from(connection: Connection) -> StdOwnedFd {
        OwnedFd::from(connection).into()
    }
}

/// The connection as std has it; of a Unix socket, use [`UnixStream`].
impl From<Connection> for TcpStream {
    fn from(connection: Connection) -> TcpStream {
        OwnedFd::from(connection).into()
    }
}

/// The connection as std has it; over TCP, use [`TcpStream`].
impl From<Connection> for UnixStream {
    fn from(connection: Connection) -> UnixStream {
        OwnedFd::from(connection).into()
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw())
    }
}

/// Reading and writing through a shared reference, so that one half can be in a `BufReader` while the other writes.
impl io::Read for &Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(Connection::read(self, buffer)?)
    }
}

impl io::Write for &Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(Connection::write(self, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &*self, buffer)
    }
}

impl io::Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut &*self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
