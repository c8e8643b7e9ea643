//! The arguments of a program.

use core::ffi::{CStr, c_char, c_int};

use crate::ffi;
use crate::sys::memory::CStrArray;

/// The arguments of C's main function: `argc` and `argv`.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    argc: usize,
    argv: *const *const c_char,
}

/// One argument of a command line that a program with std makes for itself.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Argument(*const c_char);

impl Argument {
    /// The null pointer after the last argument.
    pub const END: Argument = Argument(core::ptr::null());
}

impl From<&'static CStr> for Argument {
    fn from(text: &'static CStr) -> Argument {
        Argument(text.as_ptr())
    }
}

impl Args {
    /// Returns a command line that a program makes for itself. Returns `None` unless [`Argument::END`] is the last
    /// element and occurs only there.
    #[must_use]
    pub fn of(arguments: &'static [Argument]) -> Option<Args> {
        let argc = arguments.iter().position(|argument| argument.0.is_null())?;
        (argc + 1 == arguments.len()).then(|| Args { argc, argv: arguments.as_ptr().cast() })
    }

    /// Returns the arguments of C's main function.
    ///
    /// # Safety
    /// `argv` points to `argc` strings that stay as they are for as long as the process lives.
    #[must_use]
    pub unsafe fn new(argc: c_int, argv: *const *const c_char) -> Args {
        Args { argc: usize::try_from(argc).unwrap_or(0), argv }
    }

    /// Returns the arguments in an array that is never dropped or changed again.
    pub(super) fn of_copy(copy: &CStrArray) -> Args {
        Args { argc: copy.len(), argv: copy.as_ptr() }
    }

    /// `argc`: returns the number of arguments, the program's name included.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "argc is 0 only for a program that nobody named")]
    pub const fn len(&self) -> usize {
        self.argc
    }

    /// `argv[index]`: returns one argument, or `None` where C has the null pointer or nothing.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'static CStr> {
        if index >= self.argc {
            return None;
        }
        // SAFETY: the index is below argc, so it is within argv.
        let argument = unsafe { self.argv.add(index) };
        // SAFETY: argv holds a pointer there.
        let argument = unsafe { argument.read() };
        // SAFETY: by the contract of `new` the pointer is to a string that never changes.
        Some(unsafe { CStr::from_ptr(argument) })
    }

    /// Returns the arguments from `index` on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &'static CStr> + Clone + use<> {
        let args = *self;
        (index..args.argc).map_while(move |index| args.get(index))
    }

    /// `argv`: returns the array as C functions take it.
    pub(crate) const fn as_ptr(&self) -> *const *const c_char {
        self.argv
    }

    /// `argv[0]`: returns the name by which the program was called.
    #[must_use]
    pub fn program(&self) -> &'static CStr {
        self.get(0).unwrap_or_default()
    }
}

/// `atoi()`: returns the decimal number at the start of `text`, or 0 when there is none.
///
/// C does not define the result for a number that is too large for an int. Here the result is that of glibc: the low
/// bits of a long.
///
/// # References
/// atoi(3), POSIX
#[must_use]
pub fn atoi(text: &CStr) -> c_int {
    // SAFETY: the text ends in a NUL.
    unsafe { ffi::stdlib::atoi(text.as_ptr()) }
}
