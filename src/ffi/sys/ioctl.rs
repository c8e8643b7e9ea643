//! `<sys/ioctl.h>`: requests to devices.

use core::ffi::c_ulong;

/// `int ioctl(int fd, unsigned long request, ...);`
///
/// Make a request of a device. ioctl(2), BSD.
#[doc(inline)]
pub use libc::ioctl;

/// `SIOC*`
///
/// Get or set the flags of a network interface. netdevice(7), Linux.
#[doc(inline)]
pub use libc::{SIOCGIFFLAGS, SIOCSIFFLAGS};

/// `struct winsize { unsigned short ws_row; unsigned short ws_col; unsigned short ws_xpixel; unsigned short ws_ypixel;
/// }`
///
/// The size of a terminal. ioctl_tty(2), BSD.
#[doc(inline)]
pub use libc::winsize;

/// `TIOCGWINSZ`
///
/// Ask for the size of a terminal. ioctl_tty(2), BSD.
#[doc(inline)]
pub use libc::TIOCGWINSZ;

/// `SIOCPROTOPRIVATE`
///
/// The first request that each protocol defines for itself. For a Unix socket it opens the socket's file
/// (`SIOCUNIXFILE`). Linux.
pub const SIOCPROTOPRIVATE: c_ulong = 0x89E0;
