//! `<getopt.h>`: the command line.
//!
//! # Example
//! ```
//! use mpserv::getopt::{Getopt, HasArg, LongOption, Opt};
//! use mpserv::program::{Args, Argument};
//!
//! const LETTER: i32 = b'v' as i32;
//! const VERBOSE: i32 = 256;
//! static LONG: [LongOption; 2] = [LongOption::new(c"verbose", HasArg::No, VERBOSE), LongOption::END];
//!
//! fn parse(args: Args) -> Option<bool> {
//!     let mut options = Getopt::new(args, c"+:v", &LONG)?;
//!     Some(options.all(|option| matches!(option, Opt::Option(LETTER | VERBOSE, None))))
//! }
//!
//! let line: [Argument; 4] = [c"program".into(), c"-v".into(), c"--verbose".into(), Argument::END];
//! let args = Args::of(Vec::from(line).leak()).expect("the line ends in END");
//! assert_eq!(parse(args), Some(true));
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

// SAFETY: one pointer is to a string that is always there and never changes, and the other is null.
unsafe impl Sync for LongOption {}

/// Whether an option has an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HasArg {
    /// `no_argument`: the option has no argument.
    No,
    /// `required_argument`: the option is `--name ARGUMENT` or `--name=ARGUMENT`.
    Required,
}

impl LongOption {
    /// The last entry of every list of options.
    pub const END: LongOption = LongOption(c::option { name: ptr::null(), has_arg: 0, flag: ptr::null_mut(), val: 0 });

    /// Returns the entry for `--name`. [`Getopt`] then returns `value`, which must be above 255, so that no letter has
    /// the same value.
    ///
    /// # Panics
    /// Panics when `value` is 255 or less. For an option in a `static`, the compiler reports this error.
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
    /// An option that is unknown or ambiguous, or that has an argument although it takes none.
    Unknown(Name),
    /// An option without the argument that it takes.
    Missing(Name),
}

/// An option as written on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// A letter: `-x`.
    Letter(u8),
    /// A long option: `--name`, or `--name=ARGUMENT`.
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

/// `getopt_long()`: the options of a command line, up to the first argument that is no option, or up to `--`.
#[derive(Debug)]
pub struct Getopt<'o> {
    args: Args,
    short: &'o CStr,
    long: &'o [LongOption],
    /// The number of this iteration among those that were begun.
    number: usize,
    /// `optind` as this iteration has left it.
    optind: c_int,
}

/// The number of iterations that were begun. The C library keeps only the position of the last iteration.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

impl<'o> Getopt<'o> {
    /// Begins an iteration over `args`, and ends every earlier iteration. The iteration also ends if other code calls
    /// `getopt()` meanwhile. `short` must begin with `+:`, which keeps the C library from printing and from changing the
    /// order of the arguments. No letter may be `?`, by which the C library reports an unknown option, or the byte 255,
    /// which C takes for -1, the end of the options. `long` must end with [`LongOption::END`].
    ///
    /// Returns `None` when one of these conditions fails. Also returns `None` where other threads exist, because the C
    /// library keeps its position in global variables.
    #[must_use]
    pub fn new(args: Args, short: &'o CStr, long: &'o [LongOption]) -> Option<Getopt<'o>> {
        let ended = long.last().is_some_and(|last| last.0.name.is_null());
        let letters = short.to_bytes().strip_prefix(b"+:")?;
        if letters.iter().any(|letter| matches!(*letter, b'?' | u8::MAX)) || !ended || has_other_threads() {
            return None;
        }
        // SAFETY: no other thread uses the variable. The value 0 makes the C library begin anew.
        unsafe { c::optind = 0 };
        Some(Getopt { args, short, long, number: BEGUN.fetch_add(1, Ordering::Relaxed) + 1, optind: 0 })
    }

    /// Returns the index of the next argument.
    #[must_use]
    pub fn index(&self) -> usize {
        // The variable is 0 until the first option is asked for.
        usize::try_from(self.optind).unwrap_or(0).max(1)
    }

    /// Returns the option that is wrong.
    fn culprit(&self) -> Name {
        // SAFETY: no other thread uses the variable.
        let option = unsafe { c::optopt };
        match u8::try_from(without_sign(option)) {
            Ok(letter @ 1..) => Name::Letter(letter),
            // The variable is 0 for an unknown name, and the option's value for a known name. The C library has already
            // moved on to the next argument.
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
        // SAFETY: no other thread uses the variable.
        let optind = unsafe { c::optind };
        // Other code has read a command line, and has left the C library's position there.
        if optind != self.optind {
            return None;
        }
        let argc = c_int::try_from(self.args.len()).unwrap_or(c_int::MAX);
        // SAFETY: the C library's position is in this argv. Argv and both lists end as the call requires. Because of
        // the plus sign, the call does not write to argv.
        let option = unsafe {
            c::getopt_long(
                argc,
                self.args.as_ptr().cast(),
                self.short.as_ptr(),
                self.long.as_ptr().cast(),
                ptr::null_mut(),
            )
        };
        // SAFETY: no other thread uses the variable.
        self.optind = unsafe { c::optind };
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

/// Returns an option's letter as a byte, or its long name's value. If C's char is signed, `option` is negative for a
/// byte above 127.
const fn without_sign(option: c_int) -> c_int {
    if option < 0 { option as u8 as c_int } else { option }
}

const MISSING: c_int = b':' as c_int;
const UNKNOWN: c_int = b'?' as c_int;
