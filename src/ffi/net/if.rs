//! `<net/if.h>`: network interfaces.

/// `struct ifreq`
///
/// An interface's name and what is asked of it. netdevice(7), BSD.
#[doc(inline)]
pub use libc::ifreq;

/// `IFF_*`
///
/// The interface is up. netdevice(7), BSD.
#[doc(inline)]
pub use libc::IFF_UP;
