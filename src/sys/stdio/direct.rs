//! Prints text to a descriptor without stdio, so that a signal handler may print at any time.

use core::ffi::c_int;
use core::fmt;

use crate::sys::fd::{self, BorrowedFd};

/// The most bytes that one write without stdio has.
const DIRECT_MAX: usize = 128;
/// The most digits of an int.
const DIGITS_MAX: usize = 10;

/// A buffer of text for a descriptor, without stdio. A handler may use the buffer at any time.
#[derive(Debug)]
pub struct Direct {
    fd: BorrowedFd<'static>,
    text: [u8; DIRECT_MAX],
    length: usize,
}

impl Direct {
    pub(crate) const fn new(fd: BorrowedFd<'static>) -> Direct {
        Direct { fd, text: [0; DIRECT_MAX], length: 0 }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.text.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
            if self.length == DIRECT_MAX {
                self.flush();
            }
        }
    }

    /// Writes the rest of the buffer. Ignores an error, which could not be reported anywhere.
    pub(crate) fn flush(&mut self) {
        let mut text = self.text.get(..self.length).unwrap_or_default();
        while !text.is_empty() {
            let Ok(written @ 1..) = fd::write(self.fd, text) else { break };
            text = text.get(written..).unwrap_or_default();
        }
        self.length = 0;
    }

    /// Prints a number as `%d` does, or as `%0…d` does with the width `zeros`.
    pub(super) fn put_decimal(&mut self, number: c_int, zeros: usize) {
        let mut digits = [b'0'; DIGITS_MAX];
        let mut length = 0;
        let mut rest = number.unsigned_abs();
        for digit in digits.iter_mut().rev() {
            if rest == 0 && length > 0 {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            length += 1;
        }
        let sign = usize::from(number < 0);
        if number < 0 {
            self.put(b"-");
        }
        for _ in length + sign..zeros {
            self.put(b"0");
        }
        self.put(digits.get(DIGITS_MAX - length..).unwrap_or_default());
    }
}

impl fmt::Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
