//! `<stdio.h>`: buffered input and output.

/// `typedef struct _IO_FILE FILE;`
///
/// A stream, which is used only through a pointer. FILE(3type), C11.
#[doc(inline)]
pub use libc::FILE;

/// `int printf(const char *restrict format, ...);`
///
/// Print to stdout by a format. printf(3), C11.
#[doc(inline)]
pub use libc::printf;

/// `int fprintf(FILE *restrict stream, const char *restrict format, ...);`
///
/// Print to a stream by a format. printf(3), C11.
#[doc(inline)]
pub use libc::fprintf;

/// `int snprintf(char *restrict str, size_t size, const char *restrict format, ...);`
///
/// Print into a string of bounded size by a format. printf(3), C11.
#[doc(inline)]
pub use libc::snprintf;

/// `int fputs(const char *restrict s, FILE *restrict stream);`
///
/// Write a string to a stream. puts(3), C11.
#[doc(inline)]
pub use libc::fputs;

/// `int fputc(int c, FILE *stream);`
///
/// Write one byte to a stream. puts(3), C11.
#[doc(inline)]
pub use libc::fputc;

/// `char *fgets(char *restrict s, int size, FILE *restrict stream);`
///
/// Read a line of at most size - 1 bytes from a stream. fgets(3), C11.
#[doc(inline)]
pub use libc::fgets;

/// `int fflush(FILE *stream);`
///
/// Write the buffer of a stream. fflush(3), C11.
#[doc(inline)]
pub use libc::fflush;

/// `void perror(const char *s);`
///
/// Print s and the text of errno to stderr. perror(3), C11.
#[doc(inline)]
pub use libc::perror;

/// `EOF`
///
/// The end of a stream, or a failure. stdio(3), C11.
#[doc(inline)]
pub use libc::EOF;

unsafe extern "C" {
    /// `extern FILE *stdin;`
    ///
    /// Standard input. stdin(3), C11.
    pub static mut stdin: *mut FILE;

    /// `extern FILE *stdout;`
    ///
    /// Standard output. stdin(3), C11.
    pub static mut stdout: *mut FILE;

    /// `extern FILE *stderr;`
    ///
    /// Standard error. stdin(3), C11.
    pub static mut stderr: *mut FILE;
}
