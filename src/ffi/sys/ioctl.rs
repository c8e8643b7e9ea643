//! `<sys/ioctl.h>`: requests to devices.

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
