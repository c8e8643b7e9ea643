//! `printf()` and similar functions. The compiler checks each format against its arguments.

use core::ffi::{CStr, c_char, c_int};

use crate::ffi;
use crate::sys::fd::{self, BorrowedFd};
use crate::sys::pid::Pid;
use crate::sys::sealed::Sealed;
use crate::sys::stdio::direct::Direct;
use crate::sys::stdio::stream::{Stream, enter};

/// An argument of a format: for `%d` or `%s`.
pub trait Argument: Copy + Sealed {
    /// The letter of the argument's conversion.
    #[doc(hidden)]
    const CONVERSION: u8;
    /// The argument's type in C.
    #[doc(hidden)]
    type C;
    /// Returns the argument's value in C.
    #[doc(hidden)]
    fn to_c(self) -> Self::C;
    /// Prints the argument's text without stdio.
    #[doc(hidden)]
    fn print(self, to: &mut Direct, zeros: usize);
}

impl Sealed for c_int {}
impl Argument for c_int {
    const CONVERSION: u8 = b'd';
    type C = c_int;
    fn to_c(self) -> c_int {
        self
    }
    fn print(self, to: &mut Direct, zeros: usize) {
        to.put_decimal(self, zeros);
    }
}

impl Sealed for Pid {}
impl Argument for Pid {
    const CONVERSION: u8 = b'd';
    type C = c_int;
    fn to_c(self) -> c_int {
        self.raw()
    }
    fn print(self, to: &mut Direct, zeros: usize) {
        to.put_decimal(self.raw(), zeros);
    }
}

impl Sealed for &CStr {}
impl Argument for &CStr {
    const CONVERSION: u8 = b's';
    type C = *const c_char;
    fn to_c(self) -> *const c_char {
        self.as_ptr()
    }
    fn print(self, to: &mut Direct, _zeros: usize) {
        // Read the bytes by the pointer: a slice would need a strlen() first.
        let mut at = self.as_ptr();
        // SAFETY: the pointer is to a byte of the string or to its NUL, where the loop ends.
        while let byte @ 1.. = unsafe { at.cast::<u8>().read() } {
            to.put(&[byte]);
            // SAFETY: a byte that is not the NUL is followed by another byte.
            at = unsafe { at.add(1) };
        }
    }
}

/// A format with a NUL at its end, as a type: [`printf!`](crate::printf!) makes such a type for each of its calls.
#[doc(hidden)]
pub trait Format {
    /// The text.
    const TEXT: &'static str;
}

/// The arguments of one `printf()`: a tuple.
pub trait Arguments: Copy {
    /// The letters of the arguments' conversions.
    #[doc(hidden)]
    const CONVERSIONS: &'static [u8];

    /// Prints the arguments to standard output.
    ///
    /// # Safety
    /// `format` ends in a NUL and has just these conversions, in this order.
    #[doc(hidden)]
    unsafe fn printf(self, format: *const c_char) -> c_int;

    /// Prints the arguments to a stream.
    ///
    /// # Safety
    /// The contract of `printf` holds. Also, `file` is an open stream.
    #[doc(hidden)]
    unsafe fn fprintf(self, file: *mut ffi::stdio::FILE, format: *const c_char) -> c_int;

    /// Prints as much as fits into `buffer`, with a NUL at the end.
    ///
    /// # Safety
    /// `format` ends in a NUL and has just these conversions, in this order.
    #[doc(hidden)]
    unsafe fn snprintf(self, buffer: &mut [u8], format: *const c_char) -> c_int;

    /// Prints the argument with this index, counted from 0.
    #[doc(hidden)]
    fn print(self, index: usize, to: &mut Direct, zeros: usize);
}

macro_rules! arguments {
    ($($name:ident $index:tt),*) => {
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            const CONVERSIONS: &'static [u8] = &[$($name::CONVERSION),*];

            unsafe fn printf(self, format: *const c_char) -> c_int {
                // SAFETY: by this function's own contract the format asks for just these arguments.
                unsafe { ffi::stdio::printf(format $(, self.$index.to_c())*) }
            }

            unsafe fn fprintf(self, file: *mut ffi::stdio::FILE, format: *const c_char) -> c_int {
                // SAFETY: by this function's own contract the format asks for just these arguments.
                unsafe { ffi::stdio::fprintf(file, format $(, self.$index.to_c())*) }
            }

            unsafe fn snprintf(self, buffer: &mut [u8], format: *const c_char) -> c_int {
                let to = buffer.as_mut_ptr().cast();
                // SAFETY: by this function's own contract the format asks for just these arguments. The buffer is valid
                // for writes of the length that is passed with it.
                unsafe { ffi::stdio::snprintf(to, buffer.len(), format $(, self.$index.to_c())*) }
            }

            #[allow(unused_variables, reason = "there may be no argument")]
            fn print(self, index: usize, to: &mut Direct, zeros: usize) {
                match index {
                    $($index => self.$index.print(to, zeros),)*
                    _ => {}
                }
            }
        }
    };
}
arguments!();
arguments!(A 0);
arguments!(A 0, B 1);
arguments!(A 0, B 1, C 2);

/// The most digits of a width, after the flag 0. A text of C has at most as many bytes as an int can count.
const WIDTH_DIGITS: usize = 3;

/// Whether `format` ends in its only NUL and has just these conversions: `%d`, `%03d` and the like, or `%s`. `%%` is a
/// percent sign.
const fn is_format_of(format: &[u8], conversions: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    while at + 1 < format.len() {
        if format[at] == 0 {
            return false;
        }
        if format[at] == b'%' {
            at += 1;
            let width = at;
            while format[at].is_ascii_digit() {
                at += 1;
            }
            let has_width = at > width;
            if format[at] == b'%' && !has_width {
                // `%%` takes no argument.
            } else if seen < conversions.len()
                && format[at] == conversions[seen]
                && (!has_width || (format[width] == b'0' && format[at] == b'd' && at - (width + 1) <= WIDTH_DIGITS))
            {
                seen += 1;
            } else {
                return false;
            }
        }
        at += 1;
    }
    seen == conversions.len() && at + 1 == format.len() && format[at] == 0
}

/// Returns the format in C's form. The format fits the arguments.
fn format_for<F: Format, A: Arguments>() -> *const c_char {
    const { assert!(is_format_of(F::TEXT.as_bytes(), A::CONVERSIONS), "the format does not fit the arguments") };
    // The black box keeps the optimiser from replacing printf by another function for some formats.
    core::hint::black_box(F::TEXT.as_ptr().cast())
}

/// Prints a format without stdio. [`is_format_of`] must hold for the format and these arguments.
fn put_format(direct: &mut Direct, format: &[u8], arguments: impl Arguments) {
    let mut index = 0;
    let mut bytes = format.iter().copied().take_while(|&byte| byte != 0);
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            direct.put(&[byte]);
            continue;
        }
        let mut zeros = 0;
        for byte in bytes.by_ref() {
            match byte {
                b'0'..=b'9' => zeros = zeros * 10 + usize::from(byte - b'0'),
                b'%' => direct.put(b"%"),
                _ => {
                    arguments.print(index, direct, zeros);
                    index += 1;
                }
            }
            if !byte.is_ascii_digit() {
                break;
            }
        }
    }
}

/// Prints a format: by stdio, as `print` does, or without stdio if stdio was interrupted.
fn print_format<F: Format, A: Arguments>(
    fd: BorrowedFd<'static>,
    arguments: A,
    print: impl FnOnce(*const c_char) -> c_int,
) -> c_int {
    let format = format_for::<F, A>();
    enter(|| print(format)).unwrap_or_else(|| {
        let mut direct = Direct::new(fd);
        put_format(&mut direct, F::TEXT.as_bytes(), arguments);
        direct.flush();
        0
    })
}

/// Implements [`printf!`](crate::printf!).
///
/// Async-signal-safe: no, because `printf()` locks the stream and may allocate.
#[doc(hidden)]
pub fn printf<F: Format, A: Arguments>(_format: F, arguments: A) -> c_int {
    // SAFETY: the format is the one that is checked against the arguments.
    print_format::<F, A>(fd::STDOUT, arguments, |format| unsafe { arguments.printf(format) })
}

/// Implements [`fprintf!`](crate::fprintf!).
///
/// Async-signal-safe: no, because `fprintf()` locks the stream and may allocate.
#[doc(hidden)]
pub fn fprintf<F: Format, A: Arguments>(stream: Stream, _format: F, arguments: A) -> c_int {
    // SAFETY: the reason is the same as for `printf`. The stream is one of the three standard streams.
    print_format::<F, A>(stream.fd, arguments, |format| unsafe { arguments.fprintf(stream.file, format) })
}

/// Makes a [`Format`](crate::stdio::Format) of a text.
#[doc(hidden)]
#[macro_export]
macro_rules! __format {
    ($format:literal) => {{
        struct Format;
        impl $crate::stdio::Format for Format {
            const TEXT: &'static str = ::core::concat!($format, "\0");
        }
        Format
    }};
}

/// `fprintf()`: prints to a [`Stream`](crate::stdio::Stream). Conversions are `%d` for a `c_int` or a
/// [`Pid`](crate::process::Pid), also as `%03d`, and `%s` for a `&CStr`. Other conversions, a width of more than three
/// digits, and arguments that do not fit, do not compile.
///
/// ```
/// use mpserv::{fprintf, stdio::stderr};
/// fprintf!(stderr(), "%s is %03d\n", c"seven", 7);
/// assert_eq!(fprintf!(stderr(), "%0999d\n", 7), 1000);
/// ```
/// ```compile_fail
/// mpserv::printf!("%s\n", 7);
/// ```
/// ```compile_fail
/// mpserv::printf!("%01000d\n", 7);
/// ```
///
/// The value is that of C: the number of bytes, or a negative number for an error. A text of more bytes than an int can
/// count is an error (`EOVERFLOW`). In a handler that interrupted stdio, the value is 0.
///
/// # References
/// fprintf(3), POSIX
#[macro_export]
macro_rules! fprintf {
    ($stream:expr, $format:literal $(, $argument:expr)* $(,)?) => {
        $crate::stdio::fprintf($stream, $crate::__format!($format), ($($argument,)*))
    };
}

/// `printf()`: prints to standard output, as [`fprintf!`](crate::fprintf!) does.
///
/// ```
/// mpserv::printf!("new client connected...\n");
/// ```
///
/// # References
/// printf(3), POSIX
#[macro_export]
macro_rules! printf {
    ($format:literal $(, $argument:expr)* $(,)?) => {
        $crate::stdio::printf($crate::__format!($format), ($($argument,)*))
    };
}

/// Implements [`snprintf!`](crate::snprintf!).
///
/// Async-signal-safe: no, because `snprintf()` reads the locale and may allocate.
#[doc(hidden)]
pub fn snprintf<F: Format, A: Arguments>(buffer: &mut [u8], _format: F, arguments: A) -> c_int {
    // SAFETY: the format is the one that is checked against the arguments.
    unsafe { arguments.snprintf(buffer, format_for::<F, A>()) }
}

/// `snprintf()`: prints as much as fits into a buffer of bytes, with a NUL at the end. Formats are those of
/// [`fprintf!`](crate::fprintf!).
///
/// ```
/// use mpserv::{snprintf, stdio::until_nul};
/// let mut buffer = [0; 6];
/// assert_eq!(snprintf!(&mut buffer, "%s %03d", c"no", 7), 6);
/// assert_eq!(until_nul(&buffer), c"no 00");
/// ```
///
/// The value is that of C: the number of bytes of the whole text, or a negative number for an error. Bytes that do not
/// fit also count.
///
/// # References
/// snprintf(3), POSIX
#[macro_export]
macro_rules! snprintf {
    ($buffer:expr, $format:literal $(, $argument:expr)* $(,)?) => {
        $crate::stdio::snprintf($buffer, $crate::__format!($format), ($($argument,)*))
    };
}

#[cfg(test)]
mod tests;
