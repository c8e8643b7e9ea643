//! What a program without std needs around its main function.

use core::ffi::{CStr, c_char, c_int};
use core::fmt::Write as _;
use core::panic::PanicInfo;

use crate::fd;
use crate::ffi;
use crate::process::abort;
use crate::stdio::{self, Direct};

/// `argc` and `argv`.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    argc: usize,
    argv: *const *const c_char,
}

impl Args {
    /// What C's main function was given.
    ///
    /// # Safety
    /// `argv` points to `argc` strings that stay as they are for as long as the process lives.
    #[must_use]
    pub unsafe fn new(argc: c_int, argv: *const *const c_char) -> Args {
        Args { argc: usize::try_from(argc).unwrap_or(0), argv }
    }

    /// `argc`: how many arguments there are, the program's name included.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "argc is 0 only for a program that nobody named")]
    pub const fn len(&self) -> usize {
        self.argc
    }

    /// `argv[index]`, or `None` where C has the null pointer or nothing.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'static CStr> {
        if index >= self.argc {
            return None;
        }
        // SAFETY: the index is below argc, so it is within argv.
        let argument = unsafe { self.argv.add(index) };
        // SAFETY: argv holds a pointer there.
        let argument = unsafe { argument.read() };
        // SAFETY: by the contract of `new` that is a string which stays as it is.
        Some(unsafe { CStr::from_ptr(argument) })
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = &'static CStr> + Clone + use<> {
        let args = *self;
        (index..args.argc).map_while(move |index| args.get(index))
    }

    pub(crate) const fn as_ptr(&self) -> *const *const c_char {
        self.argv
    }

    /// `argv[0]`: the name by which the program was called.
    #[must_use]
    pub fn program(&self) -> &'static CStr {
        self.get(0).unwrap_or_default()
    }
}

/// Makes `function`, of type `fn(Args) -> c_int`, the main function of a program that is `#![no_std]` and
/// `#![no_main]`: C's runtime calls it, and what it returns is given to `exit()`. A panic says where on standard error
/// and ends the process by SIGABRT.
#[macro_export]
macro_rules! main {
    ($function:path) => {
        const _: () = {
            #[unsafe(export_name = "main")]
            extern "C" fn c_main(
                argc: ::core::ffi::c_int,
                argv: *const *const ::core::ffi::c_char,
            ) -> ::core::ffi::c_int {
                // SAFETY: C's runtime gives main its arguments, and nothing of this library changes them.
                let args = unsafe { $crate::program::Args::new(argc, argv) };
                $crate::program::run($function, args)
            }

            $crate::panic_handler!();
        };
    };
}

/// What a program without std has in place of std's panic handler.
#[cfg(not(feature = "std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::program::panicked(info)
        }

        // A build that is not optimised keeps core's reference to it; no panic unwinds, so nothing calls it.
        #[cfg(debug_assertions)]
        #[unsafe(export_name = "rust_eh_personality")]
        extern "C" fn eh_personality() {}
    };
}

/// With the feature `std` this crate brings std, and std its panic handler.
#[cfg(feature = "std")]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    () => {};
}

/// What [`main!`](crate::main!) makes of the function.
#[doc(hidden)]
pub fn run(function: fn(Args) -> c_int, args: Args) -> c_int {
    let status = function(args);
    stdio::close_to_handlers();
    status
}

/// What [`main!`](crate::main!) makes of a panic.
#[doc(hidden)]
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut direct = Direct::new(fd::STDERR);
    // A sink that takes everything does not fail.
    let _ = writeln!(direct, "{info}");
    direct.flush();
    abort()
}

/// `atoi()`: the decimal number at the start of `text`, or 0 when there is none.
///
/// C leaves open what a number too large for an int is; here it is what glibc makes of it, the low bits of a long.
///
/// # References
/// atoi(3), POSIX
#[must_use]
pub fn atoi(text: &CStr) -> c_int {
    // SAFETY: the text ends in a NUL.
    unsafe { ffi::stdlib::atoi(text.as_ptr()) }
}
