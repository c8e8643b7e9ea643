//! `Service`: the built-in services, which need no program.

use core::ffi::c_int;

use super::connection::Connection;
use super::limits::{EXIT_DONE, EXIT_FAILED, EXIT_IDLE, SERVICE_BUFFER, SERVICE_BUFFER_FIRST};
use crate::sys::errno::{Errno, Result, retry_on_intr};
use crate::sys::memory::MapVec;

/// A built-in service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Sends back all bytes that it receives (RFC 862).
    Echo,
    /// Sends nothing back (RFC 863).
    Discard,
    /// Sends back all bytes that it receives, with each letter moved by 13 places.
    Rot13,
}

impl Service {
    /// Returns the service of this name: `echo`, `discard` or `rot13`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Service> {
        match name {
            "echo" => Some(Service::Echo),
            "discard" => Some(Service::Discard),
            "rot13" => Some(Service::Rot13),
            _ => None,
        }
    }

    /// Serves a client until the client ends its side, and returns the exit status: [`EXIT_DONE`], [`EXIT_FAILED`],
    /// [`EXIT_IDLE`].
    ///
    /// In the [sandbox](super::Server::sandbox), name `recvfrom` and `sendto` for it, and `mmap` and `munmap`: a client that
    /// sends much gets a larger buffer.
    #[must_use]
    pub fn serve(self, connection: &Connection) -> c_int {
        self.serve_with(connection, None)
    }

    /// Serves as [`serve`](Service::serve) does. `room` is a buffer that was made before, for a child in the sandbox,
    /// which cannot make a buffer.
    pub(super) fn serve_with(self, connection: &Connection, room: Option<&mut [u8]>) -> c_int {
        match self.exchange(connection, room) {
            Ok(()) => EXIT_DONE,
            Err(Errno::AGAIN) => EXIT_IDLE,
            Err(_) => EXIT_FAILED,
        }
    }

    fn exchange(self, connection: &Connection, room: Option<&mut [u8]>) -> Result<()> {
        // Most clients send little. For such clients no memory is mapped, and no page of `room` is touched.
        let mut little = [0; SERVICE_BUFFER_FIRST];
        if self.exchange_with(connection, &mut little)? == Said::All {
            return Ok(());
        }
        let mut mapped;
        let much: &mut [u8] = match room {
            Some(room) => room,
            None => match MapVec::zeroed(SERVICE_BUFFER) {
                Ok(memory) => {
                    mapped = memory;
                    &mut mapped
                }
                Err(_) => &mut little,
            },
        };
        while self.exchange_with(connection, much)? == Said::More {}
        Ok(())
    }

    /// Serves a client until the client ends its side, or has filled the buffer.
    fn exchange_with(self, connection: &Connection, buffer: &mut [u8]) -> Result<Said> {
        loop {
            let length = retry_on_intr(|| connection.read(buffer))?;
            let is_full = length == buffer.len();
            let Some(text @ [_, ..]) = buffer.get_mut(..length) else { return Ok(Said::All) };
            match self {
                Service::Echo => connection.write_all(text)?,
                Service::Discard => {}
                Service::Rot13 => {
                    rot13(text);
                    connection.write_all(text)?;
                }
            }
            if is_full {
                return Ok(Said::More);
            }
        }
    }
}

/// The end of an exchange.
#[derive(PartialEq, Eq)]
enum Said {
    /// The client has ended its side.
    All,
    /// The client has filled the buffer, and so may have sent more.
    More,
}

/// The number of places by which a letter is moved.
const SHIFT: u8 = 13;
/// The number of letters.
const LETTERS: u8 = 26;

/// Moves each letter.
fn rot13(text: &mut [u8]) {
    for byte in text {
        let first = match byte {
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'A',
            _ => continue,
        };
        *byte = first + (*byte - first + SHIFT) % LETTERS;
    }
}
