//! Feature `std`: conversions of connections to std's types, and std's `Read` and `Write` for them.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd as StdAsFd, BorrowedFd as StdBorrowedFd, OwnedFd as StdOwnedFd};
use std::os::unix::net::UnixStream;

use super::connection::Connection;
use crate::sys::fd::{AsFd, OwnedFd};
use crate::sys::std_impls::borrowed;

impl StdAsFd for Connection {
    fn as_fd(&self) -> StdBorrowedFd<'_> {
        borrowed(AsFd::as_fd(self))
    }
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
