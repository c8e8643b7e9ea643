//! The services that need no program.

use core::ffi::c_int;

use super::connection::Connection;
use super::limits::{EXIT_DONE, EXIT_FAILED, EXIT_IDLE};
use crate::errno::{Errno, Result};

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
    pub fn serve(self, connection: Connection, buffer: &mut [u8]) -> c_int {
        match self.exchange(&connection, buffer) {
            Ok(()) => EXIT_DONE,
            Err(Errno::AGAIN) => EXIT_IDLE,
            Err(_) => EXIT_FAILED,
        }
    }

    fn exchange(self, connection: &Connection, buffer: &mut [u8]) -> Result<()> {
        loop {
            let length = connection.read(buffer)?;
            let Some(text @ [_, ..]) = buffer.get_mut(..length) else { return Ok(()) };
            match self {
                Service::Echo => connection.write_all(text)?,
                Service::Discard => {}
                Service::Rot13 => {
                    text.iter_mut().for_each(|byte| *byte = rot13(*byte));
                    connection.write_all(text)?;
                }
            }
        }
    }
}

/// How far a letter is moved.
const SHIFT: u8 = 13;
/// How many letters there are.
const LETTERS: u8 = 26;

const fn rot13(byte: u8) -> u8 {
    let first = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    first + (byte - first + SHIFT) % LETTERS
}
