//! The services that need no program.

use core::ffi::c_int;

use super::connection::Connection;
use super::limits::{EXIT_DONE, EXIT_FAILED, EXIT_IDLE, SERVICE_BUFFER, SERVICE_BUFFER_FIRST};
use crate::sys::errno::{Errno, Result, retry_on_intr};
use crate::sys::memory::MapVec;

/// A service that is built in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Everything comes back (RFC 862).
    Echo,
    /// Nothing comes back (RFC 863).
    Discard,
    /// Everything comes back, its letters moved 13 places on.
    Rot13,
}

impl Service {
    /// The service of this name: `echo`, `discard` or `rot13`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Service> {
        match name {
            "echo" => Some(Service::Echo),
            "discard" => Some(Service::Discard),
            "rot13" => Some(Service::Rot13),
            _ => None,
        }
    }

    /// Serves a client until it has said all, and returns the status to end with: [`EXIT_DONE`], [`EXIT_FAILED`],
    /// [`EXIT_IDLE`].
    #[must_use]
    pub fn serve(self, connection: &Connection) -> c_int {
        self.serve_with(connection, None)
    }

    /// [`serve`](Service::serve) with room that was made before, if there is any: in the sandbox none can be made.
    pub(super) fn serve_with(self, connection: &Connection, room: Option<&mut [u8]>) -> c_int {
        match self.exchange(connection, room) {
            Ok(()) => EXIT_DONE,
            Err(Errno::AGAIN) => EXIT_IDLE,
            Err(_) => EXIT_FAILED,
        }
    }

    fn exchange(self, connection: &Connection, room: Option<&mut [u8]>) -> Result<()> {
        if let Some(room) = room {
            while self.exchange_with(connection, room)? == Said::More {}
            return Ok(());
        }
        // Most clients say little, and for them memory would have to be mapped, and given back.
        let mut little = [0; SERVICE_BUFFER_FIRST];
        if self.exchange_with(connection, &mut little)? == Said::All {
            return Ok(());
        }
        match MapVec::zeroed(SERVICE_BUFFER) {
            Ok(mut much) => while self.exchange_with(connection, &mut much)? == Said::More {},
            Err(_) => while self.exchange_with(connection, &mut little)? == Said::More {},
        }
        Ok(())
    }

    /// Serves a client until it has said all, or more at once than there is room for.
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

/// How much a client has said.
#[derive(PartialEq, Eq)]
enum Said {
    /// All that it will.
    All,
    /// As much as there was room for, and so perhaps more.
    More,
}

/// How far a letter is moved.
const SHIFT: u8 = 13;
/// How many letters there are.
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
