//! `<net/if.h>`: network interfaces.

/// `struct ifreq { char ifr_name[16]; }`
///
/// An interface's name, and the data of a request about it. netdevice(7), BSD.
#[doc(inline)]
pub use libc::ifreq;

/// `IFF_UP`
///
/// The interface is up. netdevice(7), BSD.
#[doc(inline)]
pub use libc::IFF_UP;

/// `unsigned int if_nametoindex(const char *ifname);`
///
/// Get the index of an interface. if_nametoindex(3), POSIX.
#[doc(inline)]
pub use libc::if_nametoindex;
