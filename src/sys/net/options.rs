//! Options of sockets, each with the type of its value.

use core::ffi::c_int;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::time::Duration;

use crate::ffi::netinet::r#in as inet;
use crate::ffi::netinet::tcp;
use crate::ffi::sys::socket as c;
use crate::ffi::sys::time::timeval;
use crate::sys::conv::ret;
use crate::sys::errno::{Errno, Result};
use crate::sys::fd::AsFd;
use crate::sys::net::address::length_of;
use crate::sys::net::calls::SocketType;
use crate::sys::sealed::Sealed;
use crate::sys::time::{duration_of_timeval, timeval_of};

/// An option of a socket: its level and its name in C, the type of its value, and whether it can be set.
///
/// ```
/// use mpserv::net::{AddressFamily, Protocol, SocketOption, SocketType, getsockopt, setsockopt, socket};
/// let socket = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)?;
/// setsockopt(&socket, SocketOption::REUSEADDR, true)?;
/// assert!(getsockopt(&socket, SocketOption::REUSEADDR)?);
/// # Ok::<(), mpserv::errno::Errno>(())
/// ```
///
/// The compiler refuses to set an option that the kernel only reports:
///
/// ```compile_fail
/// # use mpserv::{fd::STDIN, net::{SocketOption, setsockopt}};
/// setsockopt(STDIN, SocketOption::ACCEPTCONN, true);
/// ```
///
/// # References
/// socket(7), tcp(7), ip(7), ipv6(7), unix(7)
pub struct SocketOption<T, A> {
    level: c_int,
    name: c_int,
    types: PhantomData<(T, A)>,
}

/// The headers of most systems do not have this option. The number is that of `asm-generic/socket.h`, which x86-64,
/// aarch64 and riscv64 use.
const SO_PASSRIGHTS: c_int = 83;

/// An option that can be read and set.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// An option that can only be read.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Whether an option can be set: [`ReadWrite`] or [`ReadOnly`].
pub trait Access: Sealed {}

impl Sealed for ReadWrite {}
impl Access for ReadWrite {}
impl Sealed for ReadOnly {}
impl Access for ReadOnly {}

impl<T, A> SocketOption<T, A> {
    const fn new(level: c_int, name: c_int) -> SocketOption<T, A> {
        SocketOption { level, name, types: PhantomData }
    }
}

impl<T, A> Clone for SocketOption<T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SocketOption<T, A> {}

impl<T, A> fmt::Debug for SocketOption<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOption").field("level", &self.level).field("name", &self.name).finish()
    }
}

impl SocketOption<bool, ReadWrite> {
    /// `SO_REUSEADDR`: `bind()` takes an address even if ended connections on it are left.
    #[doc(alias = "SO_REUSEADDR")]
    pub const REUSEADDR: Self = SocketOption::new(c::SOL_SOCKET, c::SO_REUSEADDR);
    /// `SO_REUSEPORT`: several sockets may listen on one address, and the kernel spreads the connections.
    #[doc(alias = "SO_REUSEPORT")]
    pub const REUSEPORT: Self = SocketOption::new(c::SOL_SOCKET, c::SO_REUSEPORT);
    /// `SO_KEEPALIVE`: the kernel asks a silent peer now and then whether it is still there.
    #[doc(alias = "SO_KEEPALIVE")]
    pub const KEEPALIVE: Self = SocketOption::new(c::SOL_SOCKET, c::SO_KEEPALIVE);
    /// `SO_LOCK_FILTER`: no process can attach a filter to the socket any more, or remove a filter.
    #[doc(alias = "SO_LOCK_FILTER")]
    pub const LOCK_FILTER: Self = SocketOption::new(c::SOL_SOCKET, c::SO_LOCK_FILTER);
    /// `SO_PASSRIGHTS`: the peer of a Unix socket may pass descriptors (`SCM_RIGHTS`). Linux has this option since
    /// 6.16.
    #[doc(alias = "SO_PASSRIGHTS")]
    pub const PASSRIGHTS: Self = SocketOption::new(c::SOL_SOCKET, SO_PASSRIGHTS);
    /// `TCP_NODELAY`: small packets are sent at once.
    #[doc(alias = "TCP_NODELAY")]
    pub const NODELAY: Self = SocketOption::new(inet::IPPROTO_TCP, tcp::TCP_NODELAY);
    /// `IP_BIND_ADDRESS_NO_PORT`: `bind()` to port 0 leaves the port to `connect()`.
    #[doc(alias = "IP_BIND_ADDRESS_NO_PORT")]
    pub const BIND_ADDRESS_NO_PORT: Self = SocketOption::new(inet::IPPROTO_IP, inet::IP_BIND_ADDRESS_NO_PORT);
    /// `IPV6_V6ONLY`: the socket takes no IPv4 connections.
    #[doc(alias = "IPV6_V6ONLY")]
    pub const V6ONLY: Self = SocketOption::new(inet::IPPROTO_IPV6, inet::IPV6_V6ONLY);
}

impl SocketOption<c_int, ReadWrite> {
    /// `TCP_DEFER_ACCEPT`: the seconds for which a listener waits for a connection's first byte. 0 turns the option
    /// off.
    #[doc(alias = "TCP_DEFER_ACCEPT")]
    pub const DEFER_ACCEPT: Self = SocketOption::new(inet::IPPROTO_TCP, tcp::TCP_DEFER_ACCEPT);
}

impl SocketOption<Duration, ReadWrite> {
    /// `SO_RCVTIMEO`: reading and accepting fail with `EAGAIN` after this time. 0 is no limit.
    #[doc(alias = "SO_RCVTIMEO")]
    pub const RCVTIMEO: Self = SocketOption::new(c::SOL_SOCKET, c::SO_RCVTIMEO);
    /// `SO_SNDTIMEO`: writing and connecting fail with `EAGAIN` after this time. 0 is no limit.
    #[doc(alias = "SO_SNDTIMEO")]
    pub const SNDTIMEO: Self = SocketOption::new(c::SOL_SOCKET, c::SO_SNDTIMEO);
}

impl SocketOption<Option<c_int>, ReadWrite> {
    /// `SO_LINGER`: tells `close()` how to treat bytes that were not sent yet. `Some(0)` resets the connection,
    /// `Some(n)` waits for up to n seconds, and `None` leaves the sending to the kernel. If n is negative, Linux waits
    /// without a limit, and later reports another number.
    #[doc(alias = "SO_LINGER")]
    pub const LINGER: Self = SocketOption::new(c::SOL_SOCKET, c::SO_LINGER);
}

impl SocketOption<Option<Errno>, ReadOnly> {
    /// `SO_ERROR`: the pending error. A read clears the error.
    #[doc(alias = "SO_ERROR")]
    pub const ERROR: Self = SocketOption::new(c::SOL_SOCKET, c::SO_ERROR);
}

impl SocketOption<SocketType, ReadOnly> {
    /// `SO_TYPE`: the type of the socket.
    #[doc(alias = "SO_TYPE")]
    pub const TYPE: Self = SocketOption::new(c::SOL_SOCKET, c::SO_TYPE);
}

impl SocketOption<bool, ReadOnly> {
    /// `SO_ACCEPTCONN`: whether the socket listens.
    #[doc(alias = "SO_ACCEPTCONN")]
    pub const ACCEPTCONN: Self = SocketOption::new(c::SOL_SOCKET, c::SO_ACCEPTCONN);
}

impl SocketOption<Credentials, ReadOnly> {
    /// `SO_PEERCRED`: the process that connected to a Unix socket.
    #[doc(alias = "SO_PEERCRED")]
    pub const PEERCRED: Self = SocketOption::new(c::SOL_SOCKET, c::SO_PEERCRED);
}

/// `struct ucred`: the process at the other end of a Unix socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Credentials {
    /// The id of the process that connected, or 0 if it is outside of this PID namespace.
    pub pid: c_int,
    /// The user of the process that connected.
    pub uid: u32,
    /// The group of the process that connected.
    pub gid: u32,
}

/// The value of an option.
pub trait OptionValue: Sized + Sealed {
    /// The type of the value in C: plain integers, for which any bits are valid.
    #[doc(hidden)]
    type C: Copy;
    #[doc(hidden)]
    fn to_c(self) -> Self::C;
    #[doc(hidden)]
    fn from_c(value: Self::C) -> Self;
}

/// Implements [`OptionValue`] by two expressions.
macro_rules! option_value {
    ($type:ty as $c:ty, $value:ident => $to_c:expr, $from_c:expr) => {
        impl OptionValue for $type {
            type C = $c;

            fn to_c(self) -> $c {
                let $value = self;
                $to_c
            }

            fn from_c($value: $c) -> $type {
                $from_c
            }
        }
    };
}

impl Sealed for bool {}
impl Sealed for Duration {}
impl<T> Sealed for Option<T> {}
impl Sealed for SocketType {}
impl Sealed for Credentials {}

option_value!(bool as c_int, value => c_int::from(value), value != 0);
option_value!(c_int as c_int, value => value, value);
option_value!(Duration as timeval, value => timeval_of(value), duration_of_timeval(value));
option_value!(Option<c_int> as c::linger, value =>
    c::linger { l_onoff: c_int::from(value.is_some()), l_linger: value.unwrap_or(0) },
    (value.l_onoff != 0).then_some(value.l_linger));
option_value!(Option<Errno> as c_int, value => value.map_or(0, Errno::raw), (value != 0).then(|| Errno::from_raw(value)));
option_value!(SocketType as c_int, value => value.0, SocketType(value));
option_value!(Credentials as c::ucred, value =>
    c::ucred { pid: value.pid, uid: value.uid, gid: value.gid },
    Credentials { pid: value.pid, uid: value.uid, gid: value.gid });

/// `setsockopt()`: sets an option. A time is rounded up to a microsecond.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `ENOPROTOOPT` when the socket has no such option, `EOPNOTSUPP` for an option of TCP on a Unix socket, `EINVAL` when
/// it is too late to set the option, as for `V6ONLY` of a bound socket, `EBADF`, `ENOTSOCK`.
///
/// # References
/// setsockopt(2), POSIX
pub fn setsockopt<T: OptionValue>(fd: impl AsFd, option: SocketOption<T, ReadWrite>, value: T) -> Result<()> {
    let value = value.to_c();
    let SocketOption { level, name, .. } = option;
    // SAFETY: the pointer is to a value of the option's type, and the length is that of the value.
    ret(unsafe { c::setsockopt(fd.as_fd().raw(), level, name, (&raw const value).cast(), length_of::<T::C>()) })
}

/// `getsockopt()`: returns the value of an option.
///
/// Async-signal-safe: yes.
///
/// # Errors
/// `EOPNOTSUPP` when the socket has no such option, `ENOPROTOOPT` when the kernel does not know the option, `EBADF`,
/// `ENOTSOCK`.
///
/// # References
/// getsockopt(2), POSIX
pub fn getsockopt<T: OptionValue, A: Access>(fd: impl AsFd, option: SocketOption<T, A>) -> Result<T> {
    let mut value = MaybeUninit::<T::C>::zeroed();
    let mut length = length_of::<T::C>();
    let SocketOption { level, name, .. } = option;
    // SAFETY: the pointer is to room for a value of the option's type, and the length is that of the value.
    ret(unsafe { c::getsockopt(fd.as_fd().raw(), level, name, value.as_mut_ptr().cast(), &raw mut length) })?;
    // SAFETY: the value was zeroed and then filled in, and any bits are valid for plain integers.
    Ok(T::from_c(unsafe { value.assume_init() }))
}
