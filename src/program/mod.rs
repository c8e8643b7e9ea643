//! What a program without std needs around its main function.

pub mod getopt;
pub mod text;

use core::ffi::{CStr, c_char, c_int};
use core::fmt::Write as _;
use core::panic::PanicInfo;

use crate::ffi;
use crate::sys::fd;
use crate::sys::memory::CStrArray;
use crate::sys::process::{abort, environ};
use crate::sys::stdio::{self, Direct};

/// `argc` and `argv`.
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
    /// The null pointer behind the last one.
    pub const END: Argument = Argument(core::ptr::null());
}

impl From<&'static CStr> for Argument {
    fn from(text: &'static CStr) -> Argument {
        Argument(text.as_ptr())
    }
}

impl Args {
    /// A command line of a program's own making; `None` unless [`Argument::END`] is its last element, and only that.
    #[must_use]
    pub fn of(arguments: &'static [Argument]) -> Option<Args> {
        let argc = arguments.iter().position(|argument| argument.0.is_null())?;
        (argc + 1 == arguments.len()).then(|| Args { argc, argv: arguments.as_ptr().cast() })
    }

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
    ($function:path, title) => {
        const _: () = {
            #[unsafe(export_name = "main")]
            extern "C" fn c_main(
                argc: ::core::ffi::c_int,
                argv: *const *const ::core::ffi::c_char,
            ) -> ::core::ffi::c_int {
                // SAFETY: C's runtime gives main its arguments, and nothing has looked at them yet.
                let (args, title) = unsafe { $crate::program::Title::claim(argc, argv) };
                $crate::program::run_titled($function, args, title)
            }

            $crate::panic_handler!();
        };
    };
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

/// What [`main!`](crate::main!) makes of a function that also takes a [`Title`].
#[doc(hidden)]
pub fn run_titled(function: fn(Args, Title) -> c_int, args: Args, title: Title) -> c_int {
    let status = function(args, title);
    stdio::close_to_handlers();
    status
}

/// What `ps` shows of this process in place of its arguments.
///
/// Linux shows the memory in which a process finds its arguments and its environment: both are copied elsewhere, and the
/// title is written in their place. That takes no system call.
pub struct Title {
    start: *mut u8,
    length: usize,
    /// How much of it the last title took.
    used: usize,
}

impl Title {
    /// Claims the memory, and gives the arguments where they are now.
    ///
    /// # Safety
    /// The pointer is to as many strings as C's main function was given, which, as the environment, nobody refers to.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn claim(argc: c_int, argv: *const *const c_char) -> (Args, Title) {
        // SAFETY: by this function's own contract.
        let old = unsafe { Args::new(argc, argv) };
        let (Ok(args), Ok(environment)) = (CStrArray::copy(old.from(0)), CStrArray::copy(environ())) else {
            return (old, Title { start: core::ptr::null_mut(), length: 0, used: 0 });
        };
        // The strings lie one behind the other, from the first argument to the last variable.
        let start = old.program().as_ptr();
        let mut end = start;
        for string in old.from(0).chain(environ()) {
            if string.as_ptr() == end {
                end = end.wrapping_add(string.to_bytes_with_nul().len());
            }
        }
        let length = end.addr() - start.addr();
        let used = length;
        let new = Args { argc: args.len(), argv: args.as_ptr() };
        // SAFETY: nobody refers to the old list, by this function's own contract.
        unsafe { ffi::unistd::environ = environment.as_ptr().cast_mut().cast() };
        // The copies stay for as long as the process.
        core::mem::forget((args, environment));
        (new, Title { start: start.cast_mut().cast(), length, used })
    }

    /// Shows a title, as much of it as there is room for.
    pub fn set(&mut self, title: &str) {
        // One byte stays a NUL.
        let length = title.len().min(self.length.saturating_sub(1));
        if length == 0 {
            return;
        }
        // SAFETY: so many bytes are there to be written, and since they were claimed nobody else refers to them.
        unsafe { core::ptr::copy_nonoverlapping(title.as_ptr(), self.start, length) };
        let rest = self.start.wrapping_add(length);
        // SAFETY: as above; what the last title took is within them.
        unsafe { core::ptr::write_bytes(rest, 0, self.used.saturating_sub(length)) };
        self.used = length;
    }
}

impl core::fmt::Debug for Title {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Title").field("length", &self.length).finish_non_exhaustive()
    }
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
