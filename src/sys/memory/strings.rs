//! Lists of strings as `execve()` takes them.

use core::ffi::{CStr, c_char};
use core::fmt;
use core::ptr;

use crate::sys::errno::{Errno, Result};
use crate::sys::memory::vec::MapVec;

/// `char *const []`: strings as `execve()` takes them, each with its NUL, and a null pointer after the last string.
pub struct CStrArray {
    pointers: MapVec<*const c_char>,
    text: MapVec<u8>,
}

/// A position in a [`CStrArray`], to which the array can be cut off again.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl CStrArray {
    /// Returns an empty array with room for `strings` strings and `bytes` bytes in all, NULs included.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn with_capacity(strings: usize, bytes: usize) -> Result<CStrArray> {
        let mut pointers = MapVec::with_capacity(strings.checked_add(1).ok_or(Errno::NOMEM)?)?;
        pointers.push(ptr::null())?;
        Ok(CStrArray { pointers, text: MapVec::with_capacity(bytes)? })
    }

    /// Returns an array of copies of these strings.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn copy<'s>(strings: impl Iterator<Item = &'s CStr> + Clone) -> Result<CStrArray> {
        let bytes = strings.clone().map(|string| string.to_bytes_with_nul().len()).sum();
        let mut array = CStrArray::with_capacity(strings.clone().count(), bytes)?;
        for string in strings {
            array.push_parts(&[string.to_bytes()])?;
        }
        Ok(array)
    }

    /// Appends a copy of a string.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for the string. Then the array is unchanged.
    pub fn push(&mut self, string: &CStr) -> Result<()> {
        self.push_parts(&[string.to_bytes()])
    }

    /// Appends the text of `arguments`.
    ///
    /// Async-signal-safe: yes.
    ///
    /// # Errors
    /// `ENOMEM` when there is no room for the string, `EINVAL` when the string has a NUL in it. After an error the
    /// array is unchanged.
    pub fn push_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        struct Sink<'t>(&'t mut MapVec<u8>);
        impl fmt::Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.bytes().try_for_each(|byte| self.0.push(byte)).map_err(|_| fmt::Error)
            }
        }
        let start = self.text.len();
        if fmt::write(&mut Sink(&mut self.text), arguments).is_err() {
            self.text.truncate(start);
            return Err(Errno::NOMEM);
        }
        self.end_string(start)
    }

    /// Appends one string that consists of these parts. Fails as [`push_fmt`](CStrArray::push_fmt) does.
    pub(crate) fn push_parts(&mut self, parts: &[&[u8]]) -> Result<()> {
        let start = self.text.len();
        for byte in parts.iter().copied().flatten() {
            if let Err(error) = self.text.push(*byte) {
                self.text.truncate(start);
                return Err(error);
            }
        }
        self.end_string(start)
    }

    /// Turns the text after `start` into a string of the array.
    fn end_string(&mut self, start: usize) -> Result<()> {
        let has_nul = self.text.get(start..).is_some_and(|string| string.contains(&0));
        let result = if has_nul { Err(Errno::INVAL) } else { self.text.push(0) };
        // The text stays where it is for as long as the array lives, so the pointers to it stay valid.
        match result.and_then(|()| self.pointers.push(ptr::null())) {
            Ok(()) => {
                let string = self.text.as_ptr().wrapping_add(start);
                let last = self.pointers.len() - 2;
                if let Some(place) = self.pointers.get_mut(last) {
                    *place = string.cast();
                }
                Ok(())
            }
            Err(error) => {
                self.text.truncate(start);
                Err(error)
            }
        }
    }

    /// Returns the place after the strings that are here now.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.len())
    }

    /// Forgets the strings after `mark`. A mark of another array keeps as many strings as that array had.
    ///
    /// Async-signal-safe: yes.
    pub fn truncate(&mut self, mark: Mark) {
        let Some(end) = self.pointers.get_mut(mark.0).filter(|end| !end.is_null()) else { return };
        // The text of the kept strings ends where the first removed string begins.
        let kept = end.addr() - self.text.as_ptr().addr();
        *end = ptr::null();
        self.pointers.truncate(mark.0 + 1);
        self.text.truncate(kept);
    }

    /// Returns the number of strings.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pointers.len() - 1
    }

    /// Whether there is no string.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the string with this index.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&CStr> {
        let string = *self.pointers.get(index)?;
        // SAFETY: a pointer that is not null is to a string of this array, with its NUL. The string does not change
        // while it is borrowed.
        if string.is_null() { None } else { Some(unsafe { CStr::from_ptr(string) }) }
    }

    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

impl fmt::Debug for CStrArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len()).filter_map(|index| self.get(index))).finish()
    }
}

#[cfg(test)]
mod tests;
