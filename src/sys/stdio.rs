//! `<stdio.h>`: C's own streams, so that a program writes when its C twin writes: by line on a terminal, in full
//! blocks to a pipe or a file, and once more in a child that inherited what was not written yet.
//!
//! [`printf!`](crate::printf!) calls C's `printf()`. Its format is checked against its arguments when it is compiled.
//!
//! # In a signal handler
//! stdio is not async-signal-safe: a handler that interrupts it finds a stream half changed. The functions here note
//! when they are inside stdio. Called by a handler that interrupted one of them, those that print write their text to
//! the descriptor themselves, at once, and the others do nothing and say so; called by a handler that interrupted
//! anything else, they do what they always do.

use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;
use crate::sys::fd::{self, BorrowedFd};
use crate::sys::pid::Pid;
use crate::sys::sealed::Sealed;

/// `EOF`: what the functions of stdio return for an error, and for the end.
pub const EOF: c_int = ffi::stdio::EOF;

/// `FILE *`: one of C's three standard streams.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    file: *mut ffi::stdio::FILE,
    fd: BorrowedFd<'static>,
}

/// `stdin`.
#[must_use]
pub fn stdin() -> Stream {
    // SAFETY: the C library's variable is always there; nothing in this process assigns to it.
    Stream { file: unsafe { ffi::stdio::stdin }, fd: fd::STDIN }
}

/// `stdout`.
#[must_use]
pub fn stdout() -> Stream {
    // SAFETY: as for `stdin`.
    Stream { file: unsafe { ffi::stdio::stdout }, fd: fd::STDOUT }
}

/// `stderr`.
#[must_use]
pub fn stderr() -> Stream {
    // SAFETY: as for `stdin`.
    Stream { file: unsafe { ffi::stdio::stderr }, fd: fd::STDERR }
}

/// Whether this process is inside stdio, so that a handler which runs now has interrupted it.
static INSIDE: AtomicBool = AtomicBool::new(false);

/// Calls `function`, which enters stdio, unless stdio was interrupted: then `None`.
fn enter<T>(function: impl FnOnce() -> T) -> Option<T> {
    if INSIDE.swap(true, Ordering::Relaxed) {
        return None;
    }
    let result = function();
    INSIDE.store(false, Ordering::Relaxed);
    Some(result)
}

/// Has every handler from now on write by itself: `exit()` is about to run through the streams, and does not return.
pub(crate) fn close_to_handlers() {
    INSIDE.store(true, Ordering::Relaxed);
}

/// What stands for one argument in a format: `%d` or `%s`.
pub trait Argument: Copy + Sealed {
    /// The letter of its conversion.
    #[doc(hidden)]
    const CONVERSION: u8;
    /// Its type in C.
    #[doc(hidden)]
    type C;
    /// Its value in C.
    #[doc(hidden)]
    fn to_c(self) -> Self::C;
    /// Its text, for a line that does not go through stdio.
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
        // By its pointer: a string whose length nobody asks for costs no strlen, as it costs none in C.
        let mut at = self.as_ptr();
        // SAFETY: the pointer is to a byte of the string or to its NUL, at which this ends.
        while let byte @ 1.. = unsafe { at.cast::<u8>().read() } {
            to.put(&[byte]);
            // SAFETY: a byte that is not the NUL has another behind it.
            at = unsafe { at.add(1) };
        }
    }
}

/// A format with a NUL at its end, as a type: [`printf!`](crate::printf!) makes one for each of its calls.
#[doc(hidden)]
pub trait Format {
    /// The text.
    const TEXT: &'static str;
}

/// The arguments of one `printf()`: a tuple.
pub trait Arguments: Copy {
    /// The letters of their conversions.
    #[doc(hidden)]
    const CONVERSIONS: &'static [u8];

    /// Prints them to standard output.
    ///
    /// # Safety
    /// `format` ends in a NUL and has just these conversions, in this order.
    #[doc(hidden)]
    unsafe fn printf(self, format: *const c_char) -> c_int;

    /// Prints them to a stream.
    ///
    /// # Safety
    /// As `printf`; `file` is an open stream.
    #[doc(hidden)]
    unsafe fn fprintf(self, file: *mut ffi::stdio::FILE, format: *const c_char) -> c_int;

    /// Prints them into `buffer`, with a NUL behind what fits.
    ///
    /// # Safety
    /// `format` ends in a NUL and has just these conversions, in this order.
    #[doc(hidden)]
    unsafe fn snprintf(self, buffer: &mut [u8], format: *const c_char) -> c_int;

    /// Prints the argument that is `index` from the first.
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
                // SAFETY: by this function's own contract the format asks for just these arguments; the buffer is
                // valid for writes of the length that is passed with it.
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

/// Whether `format` ends in its only NUL and has just these conversions: `%d`, `%03d` and the like, `%s`; `%%` is a
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
                // A sign of its own.
            } else if seen < conversions.len()
                && format[at] == conversions[seen]
                && (!has_width || (format[width] == b'0' && format[at] == b'd'))
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

/// How much of a line that does not go through stdio is written at once.
const DIRECT_MAX: usize = 128;
/// How many digits an int can have.
const DIGITS_MAX: usize = 10;

/// Text on its way to a descriptor, past stdio: what a handler may use in the midst of anything.
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

    fn put(&mut self, bytes: &[u8]) {
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

    /// Writes what is left. There is nobody to tell of an error.
    pub(crate) fn flush(&mut self) {
        let mut text = self.text.get(..self.length).unwrap_or_default();
        while !text.is_empty() {
            let Ok(written @ 1..) = fd::write(self.fd, text) else { break };
            text = text.get(written..).unwrap_or_default();
        }
        self.length = 0;
    }

    /// `%d`, or `%0…d` with `zeros` for its width.
    fn put_decimal(&mut self, number: c_int, zeros: usize) {
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

    /// The text of a format that [`is_format_of`] these arguments.
    fn put_format(&mut self, format: &[u8], arguments: impl Arguments) {
        let mut index = 0;
        let mut bytes = format.iter().copied().take_while(|&byte| byte != 0);
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                self.put(&[byte]);
                continue;
            }
            let mut zeros = 0;
            for byte in bytes.by_ref() {
                match byte {
                    b'0'..=b'9' => zeros = zeros * 10 + usize::from(byte - b'0'),
                    b'%' => self.put(b"%"),
                    _ => {
                        arguments.print(index, self, zeros);
                        index += 1;
                    }
                }
                if !byte.is_ascii_digit() {
                    break;
                }
            }
        }
    }
}

impl fmt::Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// The format as C has it, which fits the arguments.
fn format_for<F: Format, A: Arguments>() -> *const c_char {
    const { assert!(is_format_of(F::TEXT.as_bytes(), A::CONVERSIONS), "the format does not fit the arguments") };
    // The optimiser knows what printf does, and would call something else for some formats.
    core::hint::black_box(F::TEXT.as_ptr().cast())
}

/// Prints a format by stdio, as `print` does it, or past it.
fn print_format<F: Format, A: Arguments>(
    fd: BorrowedFd<'static>,
    arguments: A,
    print: impl FnOnce(*const c_char) -> c_int,
) -> c_int {
    let format = format_for::<F, A>();
    enter(|| print(format)).unwrap_or_else(|| {
        let mut direct = Direct::new(fd);
        direct.put_format(F::TEXT.as_bytes(), arguments);
        direct.flush();
        0
    })
}

/// What [`printf!`](crate::printf!) calls.
#[doc(hidden)]
pub fn printf<F: Format, A: Arguments>(_format: F, arguments: A) -> c_int {
    // SAFETY: the format is the one that is checked against the arguments.
    print_format::<F, A>(fd::STDOUT, arguments, |format| unsafe { arguments.printf(format) })
}

/// What [`fprintf!`](crate::fprintf!) calls.
#[doc(hidden)]
pub fn fprintf<F: Format, A: Arguments>(stream: Stream, _format: F, arguments: A) -> c_int {
    // SAFETY: as for `printf`; the stream is one of the three standard ones.
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
/// [`Pid`](crate::process::Pid), also as `%03d`, and `%s` for a `&CStr`; anything else, or an argument that does not
/// fit, does not compile.
///
/// ```
/// use mpserv::{fprintf, stdio::stderr};
/// fprintf!(stderr(), "%s is %03d\n", c"seven", 7);
/// ```
/// ```compile_fail
/// mpserv::printf!("%s\n", 7);
/// ```
///
/// Its value is C's: the number of bytes, or negative for an error.
///
/// # References
/// fprintf(3), POSIX
#[macro_export]
macro_rules! fprintf {
    ($stream:expr, $format:literal $(, $argument:expr)* $(,)?) => {
        $crate::stdio::fprintf($stream, $crate::__format!($format), ($($argument,)*))
    };
}

/// `printf()`: [`fprintf!`](crate::fprintf!) to standard output.
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

/// What [`snprintf!`](crate::snprintf!) calls.
#[doc(hidden)]
pub fn snprintf<F: Format, A: Arguments>(buffer: &mut [u8], _format: F, arguments: A) -> c_int {
    // SAFETY: the format is the one that is checked against the arguments.
    unsafe { arguments.snprintf(buffer, format_for::<F, A>()) }
}

/// `snprintf()`: prints into a buffer of bytes, with a NUL behind what fits. Formats are those of
/// [`fprintf!`](crate::fprintf!).
///
/// ```
/// use mpserv::{snprintf, stdio::until_nul};
/// let mut buffer = [0; 6];
/// assert_eq!(snprintf!(&mut buffer, "%s %03d", c"no", 7), 6);
/// assert_eq!(until_nul(&buffer), c"no 00");
/// ```
///
/// Its value is C's: the number of bytes that there are to print, whether they fit or not, or negative for an error.
///
/// # References
/// snprintf(3), POSIX
#[macro_export]
macro_rules! snprintf {
    ($buffer:expr, $format:literal $(, $argument:expr)* $(,)?) => {
        $crate::stdio::snprintf($buffer, $crate::__format!($format), ($($argument,)*))
    };
}

/// `fputs()`: prints `text`. Negative for an error.
///
/// # References
/// fputs(3), POSIX
pub fn fputs(text: &CStr, stream: Stream) -> c_int {
    // SAFETY: the text ends in a NUL, and the stream is one of the three standard ones.
    enter(|| unsafe { ffi::stdio::fputs(text.as_ptr(), stream.file) }).unwrap_or_else(|| {
        let mut direct = Direct::new(stream.fd);
        direct.put(text.to_bytes());
        direct.flush();
        0
    })
}

/// `fputc()`: prints one byte. [`EOF`] for an error.
///
/// # References
/// fputc(3), POSIX
pub fn fputc(byte: u8, stream: Stream) -> c_int {
    // SAFETY: the stream is one of the three standard ones.
    enter(|| unsafe { ffi::stdio::fputc(c_int::from(byte), stream.file) }).unwrap_or_else(|| {
        let mut direct = Direct::new(stream.fd);
        direct.put(&[byte]);
        direct.flush();
        c_int::from(byte)
    })
}

/// `fgets()`: reads a line with its newline, or as much of it as fits with a NUL behind it. `None`, and `buffer` left
/// as it was, at the end of input, for an error, and in a handler that interrupted stdio.
///
/// # References
/// fgets(3), POSIX
pub fn fgets(buffer: &mut [u8], stream: Stream) -> Option<&CStr> {
    let size = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
    // SAFETY: the buffer is valid for writes of that size, and the stream is one of the three standard ones.
    let line = enter(|| unsafe { ffi::stdio::fgets(buffer.as_mut_ptr().cast(), size, stream.file) })?;
    if line.is_null() { None } else { Some(until_nul(buffer)) }
}

/// `fflush()`: writes what the stream holds. [`EOF`] for an error, and in a handler that interrupted stdio.
///
/// # References
/// fflush(3), POSIX
pub fn fflush(stream: Stream) -> c_int {
    // SAFETY: the stream is one of the three standard ones.
    enter(|| unsafe { ffi::stdio::fflush(stream.file) }).unwrap_or(EOF)
}

/// `perror()`: prints to standard error `prefix`, a colon, and why the last call failed.
///
/// # References
/// perror(3), POSIX
pub fn perror(prefix: &CStr) {
    let errno = crate::sys::errno::Errno::last();
    // SAFETY: the prefix ends in a NUL.
    if enter(|| unsafe { ffi::stdio::perror(prefix.as_ptr()) }).is_none() {
        let mut direct = Direct::new(fd::STDERR);
        direct.put(prefix.to_bytes());
        let _ = writeln!(direct, ": {errno}");
        direct.flush();
    }
}

/// The string that C finds in a buffer: what stands before the first NUL. Empty where there is none.
#[must_use]
pub fn until_nul(buffer: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}
