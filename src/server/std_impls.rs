//! Feature `std`: conversions of connections to std's types, and std's `Read` and `Write` for them.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd as StdAsFd, BorrowedFd as StdBorrowedFd, OwnedFd as StdOwnedFd};
use std::os::unix::net::UnixStream;

use super::connection::Connection;
use super::error::Error;
use crate::sys::fd::{AsFd, OwnedFd};
use crate::sys::std_impls::borrowed;

impl StdAsFd for Connection {
    fn as_fd(&self) -> StdBorrowedFd<'_> {
        borrowed(AsFd::as_fd(self))
    }
}

/// Gives the connection's descriptor to std.
impl From<Connection> for StdOwnedFd {
    fn from(connection: Connection) -> StdOwnedFd {
        OwnedFd::from(connection).into()
    }
}

/// Converts a connection over TCP to std's type. For a Unix socket, use [`UnixStream`].
impl From<Connection> for TcpStream {
    fn from(connection: Connection) -> TcpStream {
        OwnedFd::from(connection).into()
    }
}

/// Converts a connection of a Unix socket to std's type. Over TCP, use [`TcpStream`].
impl From<Connection> for UnixStream {
    fn from(connection: Connection) -> UnixStream {
        OwnedFd::from(connection).into()
    }
}

/// Converts the error with its whole text. The kind is that of its errno. A wrong request is `InvalidInput`.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.errno() {
            Some(errno) => io::Error::from(errno).kind(),
            None if error.is_usage() => io::ErrorKind::InvalidInput,
            None => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Reads and writes through a shared reference, so that a `BufReader` can hold one reference while another reference
/// writes.
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
