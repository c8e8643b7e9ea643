//! `<getopt.h>`: the command line.

#![allow(non_upper_case_globals)]

use core::ffi::{c_char, c_int};

/// `struct option { const char *name; int has_arg; int *flag; int val; }`
///
/// A long option. getopt(3), GNU.
#[doc(inline)]
pub use libc::option;

/// `int getopt_long(int argc, char *const argv[], const char *optstring, const struct option
/// *longopts, int *longindex);`
///
/// Get the next option. getopt(3), GNU.
#[doc(inline)]
pub use libc::getopt_long;

/// `no_argument`
///
/// A long option's `has_arg`: no argument. getopt(3), GNU.
pub const no_argument: c_int = 0;

/// `required_argument`
///
/// A long option's `has_arg`: an argument is required. getopt(3), GNU.
pub const required_argument: c_int = 1;

unsafe extern "C" {
    /// `extern char *optarg;`
    ///
    /// The option's argument. getopt(3), POSIX.
    pub static mut optarg: *mut c_char;

    /// `extern int optind;`
    ///
    /// The index of the next argument. getopt(3), POSIX.
    pub static mut optind: c_int;

    /// `extern int opterr;`
    ///
    /// Whether getopt prints its errors. getopt(3), POSIX.
    pub static mut opterr: c_int;

    /// `extern int optopt;`
    ///
    /// The option that is wrong. getopt(3), POSIX.
    pub static mut optopt: c_int;
}
