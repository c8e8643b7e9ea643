//! `<errno.h>`: the reasons why calls fail.
//!
//! # Example
//! ```
//! use mpserv::errno::Errno;
//! use mpserv::fs::{OpenFlags, open};
//!
//! let error = open(c"/nothing/here", OpenFlags::RDONLY, 0).unwrap_err();
//! assert_eq!(error, Errno::NOENT);
//! assert_eq!(error.to_string(), "No such file or directory");
//! ```

use core::ffi::{CStr, c_int};
use core::fmt;

use crate::ffi::errno as c;
use crate::sys::flags::open_set;

/// The result of a call of this library: its value, or the [`Errno`] of its failure.
pub type Result<T> = core::result::Result<T, Errno>;

/// `errno`: the reason for which a call failed.
///
/// The set of values is open: a number without a constant here is a valid value, too.
///
/// # References
/// errno(3), POSIX `<errno.h>`
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(c_int);

open_set!(Errno from c {
    PERM = EPERM,
    NOENT = ENOENT,
    SRCH = ESRCH,
    INTR = EINTR,
    IO = EIO,
    NXIO = ENXIO,
    TOO_BIG = E2BIG,
    NOEXEC = ENOEXEC,
    BADF = EBADF,
    CHILD = ECHILD,
    AGAIN = EAGAIN,
    NOMEM = ENOMEM,
    ACCES = EACCES,
    FAULT = EFAULT,
    NOTBLK = ENOTBLK,
    BUSY = EBUSY,
    EXIST = EEXIST,
    XDEV = EXDEV,
    NODEV = ENODEV,
    NOTDIR = ENOTDIR,
    ISDIR = EISDIR,
    INVAL = EINVAL,
    NFILE = ENFILE,
    MFILE = EMFILE,
    NOTTY = ENOTTY,
    TXTBSY = ETXTBSY,
    FBIG = EFBIG,
    NOSPC = ENOSPC,
    SPIPE = ESPIPE,
    ROFS = EROFS,
    MLINK = EMLINK,
    PIPE = EPIPE,
    DOM = EDOM,
    RANGE = ERANGE,
    DEADLK = EDEADLK,
    NAMETOOLONG = ENAMETOOLONG,
    NOLCK = ENOLCK,
    NOSYS = ENOSYS,
    NOTEMPTY = ENOTEMPTY,
    LOOP = ELOOP,
    NOMSG = ENOMSG,
    IDRM = EIDRM,
    CHRNG = ECHRNG,
    L2NSYNC = EL2NSYNC,
    L3HLT = EL3HLT,
    L3RST = EL3RST,
    LNRNG = ELNRNG,
    UNATCH = EUNATCH,
    NOCSI = ENOCSI,
    L2HLT = EL2HLT,
    BADE = EBADE,
    BADR = EBADR,
    XFULL = EXFULL,
    NOANO = ENOANO,
    BADRQC = EBADRQC,
    BADSLT = EBADSLT,
    BFONT = EBFONT,
    NOSTR = ENOSTR,
    NODATA = ENODATA,
    TIME = ETIME,
    NOSR = ENOSR,
    NONET = ENONET,
    NOPKG = ENOPKG,
    REMOTE = EREMOTE,
    NOLINK = ENOLINK,
    ADV = EADV,
    SRMNT = ESRMNT,
    COMM = ECOMM,
    PROTO = EPROTO,
    MULTIHOP = EMULTIHOP,
    DOTDOT = EDOTDOT,
    BADMSG = EBADMSG,
    OVERFLOW = EOVERFLOW,
    NOTUNIQ = ENOTUNIQ,
    BADFD = EBADFD,
    REMCHG = EREMCHG,
    LIBACC = ELIBACC,
    LIBBAD = ELIBBAD,
    LIBSCN = ELIBSCN,
    LIBMAX = ELIBMAX,
    LIBEXEC = ELIBEXEC,
    ILSEQ = EILSEQ,
    RESTART = ERESTART,
    STRPIPE = ESTRPIPE,
    USERS = EUSERS,
    NOTSOCK = ENOTSOCK,
    DESTADDRREQ = EDESTADDRREQ,
    MSGSIZE = EMSGSIZE,
    PROTOTYPE = EPROTOTYPE,
    NOPROTOOPT = ENOPROTOOPT,
    PROTONOSUPPORT = EPROTONOSUPPORT,
    SOCKTNOSUPPORT = ESOCKTNOSUPPORT,
    OPNOTSUPP = EOPNOTSUPP,
    PFNOSUPPORT = EPFNOSUPPORT,
    AFNOSUPPORT = EAFNOSUPPORT,
    ADDRINUSE = EADDRINUSE,
    ADDRNOTAVAIL = EADDRNOTAVAIL,
    NETDOWN = ENETDOWN,
    NETUNREACH = ENETUNREACH,
    NETRESET = ENETRESET,
    CONNABORTED = ECONNABORTED,
    CONNRESET = ECONNRESET,
    NOBUFS = ENOBUFS,
    ISCONN = EISCONN,
    NOTCONN = ENOTCONN,
    SHUTDOWN = ESHUTDOWN,
    TOOMANYREFS = ETOOMANYREFS,
    TIMEDOUT = ETIMEDOUT,
    CONNREFUSED = ECONNREFUSED,
    HOSTDOWN = EHOSTDOWN,
    HOSTUNREACH = EHOSTUNREACH,
    ALREADY = EALREADY,
    INPROGRESS = EINPROGRESS,
    STALE = ESTALE,
    UCLEAN = EUCLEAN,
    NOTNAM = ENOTNAM,
    NAVAIL = ENAVAIL,
    ISNAM = EISNAM,
    REMOTEIO = EREMOTEIO,
    DQUOT = EDQUOT,
    NOMEDIUM = ENOMEDIUM,
    MEDIUMTYPE = EMEDIUMTYPE,
    CANCELED = ECANCELED,
    NOKEY = ENOKEY,
    KEYEXPIRED = EKEYEXPIRED,
    KEYREVOKED = EKEYREVOKED,
    KEYREJECTED = EKEYREJECTED,
    OWNERDEAD = EOWNERDEAD,
    NOTRECOVERABLE = ENOTRECOVERABLE,
    RFKILL = ERFKILL,
    HWPOISON = EHWPOISON,
});

impl Errno {
    /// `EWOULDBLOCK`, which Linux gives the same number as `EAGAIN`.
    pub const WOULDBLOCK: Errno = Errno::AGAIN;

    /// Returns the error with this number.
    #[must_use]
    pub const fn from_raw(number: c_int) -> Errno {
        Errno(number)
    }

    /// Returns the number of this error.
    #[must_use]
    pub const fn raw(self) -> c_int {
        self.0
    }

    /// `errno`: returns the error that the last failed call of this thread has left.
    ///
    /// Async-signal-safe: yes.
    #[must_use]
    pub fn last() -> Errno {
        // SAFETY: the call has no precondition.
        let location = unsafe { c::__errno_location() };
        // SAFETY: the location is this thread's own errno, which is always there to be read.
        Errno(unsafe { location.read() })
    }

    /// `errno = …`: leaves this error in errno, as a signal handler does to restore the value from before.
    ///
    /// Async-signal-safe: yes.
    pub fn set(self) {
        // SAFETY: the call has no precondition.
        let location = unsafe { c::__errno_location() };
        // SAFETY: the location is this thread's own errno, and nothing holds a reference to it.
        unsafe { location.write(self.0) };
    }
}

/// The length of the longest error text, with its NUL: more than glibc's longest text in any language.
pub const MESSAGE_MAX: usize = 256;

/// `strerror_r()`: writes the text of an error, as `strerror()` returns it, to the caller's buffer.
///
/// Async-signal-safe: no, because `strerror_r()` reads the locale.
pub fn strerror(errno: Errno, buffer: &mut [u8; MESSAGE_MAX]) -> &CStr {
    // SAFETY: the buffer is valid for writes of the length that is passed with it.
    unsafe { crate::ffi::string::strerror_r(errno.0, buffer.as_mut_ptr().cast(), buffer.len()) };
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; MESSAGE_MAX];
        let message = strerror(*self, &mut buffer);
        f.write_str(message.to_str().unwrap_or("an error whose text is not UTF-8"))
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl core::error::Error for Errno {}

/// Calls `function` again for as long as a signal interrupts it (`EINTR`).
///
/// The wrappers of one call do not repeat an interrupted call, because programs often rely on a signal to end a blocking
/// call. [`read_all`](crate::fd::read_all) and [`write_all`](crate::fd::write_all) do.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// Every other error of `function`.
pub fn retry_on_intr<T>(mut function: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match function() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Gives the C function's return value to a program that handles the number as C programs do: -1 is an error.
pub trait CReturn {
    /// Returns the same number as the C function.
    fn c_return(&self) -> c_int;
}

impl<T: CReturn> CReturn for Result<T> {
    fn c_return(&self) -> c_int {
        self.as_ref().map_or(-1, T::c_return)
    }
}

/// `None` is C's 0, as from `waitpid()` with `WNOHANG` when no child has ended.
impl<T: CReturn> CReturn for Option<T> {
    fn c_return(&self) -> c_int {
        self.as_ref().map_or(0, T::c_return)
    }
}
