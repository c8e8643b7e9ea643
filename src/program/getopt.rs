//! `<getopt.h>`: the command line.
//!
//! # Example
//! ```no_run
//! use mpserv::getopt::{Getopt, HasArg, LongOption, Opt};
//! use mpserv::program::Args;
//!
//! fn parse(args: Args) -> bool {
//!     let long = [LongOption::new(c"verbose", HasArg::No, 'v' as i32), LongOption::END];
//!     let options = Getopt::new(args, c"v", &long).expect("this process has one thread");
//!     options.into_iter().all(|option| matches!(option, Opt::Option(value, _) if value == 'v' as i32))
//! }
//! ```

use core::ffi::{CStr, c_int};
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::ffi::getopt as c;
use crate::program::args::Args;
use crate::sys::process::has_other_threads;

/// `struct option`: a long option, and the letter that stands for it.
#[repr(transparent)]
pub struct LongOption(c::option);

// SAFETY: the pointers in it are to a string that is always there and never changes, and null.
unsafe impl Sync for LongOption {}

/// Whether an option has an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HasArg {
    /// `no_argument`
    No,
    /// `required_argument`: `--name ARGUMENT` or `--name=ARGUMENT`.
    Required,
}

impl LongOption {
    /// Last entry of every list of options.
    pub const END: LongOption = LongOption(c::option { name: ptr::null(), has_arg: 0, flag: ptr::null_mut(), val: 0 });

    /// `--name`, for which [`Getopt`] gives `value`, which no letter has: it is above 255.
    ///
    /// # Panics
    /// When it is not, where the option is declared, and so when the program is compiled.
    #[must_use]
    pub const fn new(name: &'static CStr, has_arg: HasArg, value: c_int) -> LongOption {
        assert!(value > u8::MAX as c_int, "the value of a long option is that of a letter");
        LongOption(c::option { name: name.as_ptr(), has_arg: has_arg as c_int, flag: ptr::null_mut(), val: value })
    }
}

impl fmt::Debug for LongOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongOption").field("val", &self.0.val).finish_non_exhaustive()
    }
}

/// The next item of the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opt {
    /// An option, by its letter or its long option's value, and its argument.
    Option(c_int, Option<&'static CStr>),
    /// An option that is not known, or not uniquely, or has an argument that it does not take.
    Unknown(Name),
    /// An option without the argument that it takes.
    Missing(Name),
}

/// An option as it stands on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// `-x`
    Letter(u8),
    /// `--name`, or `--name=ARGUMENT`
    Long(&'static CStr),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Letter(letter) => write!(f, "-{}", letter.escape_ascii()),
            Name::Long(argument) => write!(f, "{}", argument.to_bytes().escape_ascii()),
        }
    }
}

/// `getopt_long()`: the options of a command line, up to the first argument that is none, or `--`.
#[derive(Debug)]
pub struct Getopt<'o> {
    args: Args,
    short: &'o CStr,
    long: &'o [LongOption],
    /// Its number among those that were begun.
    number: usize,
}

/// Number of iterations that were begun. The C library keeps the position of the last one only.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

impl<'o> Getopt<'o> {
    /// Goes through `args` from the start, and ends every other that goes through some. `short` begins with `+:`, which
    /// has the C library neither change the order of the arguments nor print; `long` ends with [`LongOption::END`].
    ///
    /// `None` when they do not, and where other threads exist: the C library keeps its place in variables.
    #[must_use]
    pub fn new(args: Args, short: &'o CStr, long: &'o [LongOption]) -> Option<Getopt<'o>> {
        let ended = long.last().is_some_and(|last| last.0.name.is_null());
        if !short.to_bytes().starts_with(b"+:") || !ended || has_other_threads() {
            return None;
        }
        // SAFETY: no other thread uses the variable. 0 has the C library begin anew.
        unsafe { c::optind = 0 };
        Some(Getopt { args, short, long, number: BEGUN.fetch_add(1, Ordering::Relaxed) + 1 })
    }

    /// The index of the argument that is next.
    #[must_use]
    pub fn index(&self) -> usize {
        // SAFETY: no other thread uses the variable.
        let index = unsafe { c::optind };
        usize::try_from(index).unwrap_or(0)
    }

    /// The option at fault.
    fn culprit(&self) -> Name {
        // SAFETY: no other thread uses the variable.
        let option = unsafe { c::optopt };
        match u8::try_from(without_sign(option)) {
            Ok(letter @ 1..) => Name::Letter(letter),
            // 0 for a name that is not known, a value for one that is: it has been passed already.
            _ => Name::Long(self.args.get(self.index().saturating_sub(1)).unwrap_or_default()),
        }
    }
}

impl Iterator for Getopt<'_> {
    type Item = Opt;

    fn next(&mut self) -> Option<Opt> {
        if self.number != BEGUN.load(Ordering::Relaxed) || has_other_threads() {
            return None;
        }
        let argc = c_int::try_from(self.args.len()).unwrap_or(c_int::MAX);
        // SAFETY: the C library's place is in this argv; argv and both lists end as the call wants them to, and by the
        // plus sign argv is not written to.
        let option = unsafe {
            c::getopt_long(
                argc,
                self.args.as_ptr().cast(),
                self.short.as_ptr(),
                self.long.as_ptr().cast(),
                ptr::null_mut(),
            )
        };
        match option {
            -1 => None,
            MISSING => Some(Opt::Missing(self.culprit())),
            UNKNOWN => Some(Opt::Unknown(self.culprit())),
            option => {
                // SAFETY: no other thread uses the variable.
                let argument = unsafe { c::optarg };
                // SAFETY: the argument is null or in argv, whose strings stay as they are.
                let argument = if argument.is_null() { None } else { Some(unsafe { CStr::from_ptr(argument) }) };
                Some(Opt::Option(without_sign(option), argument))
            }
        }
    }
}

/// An option's letter as a byte, or its long name's value. Where C's char is signed, a byte above 127 comes as a
/// negative number.
const fn without_sign(option: c_int) -> c_int {
    if option < 0 { option as u8 as c_int } else { option }
}

const MISSING: c_int = b':' as c_int;
const UNKNOWN: c_int = b'?' as c_int;
