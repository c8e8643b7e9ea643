//! A network of a test's own, so that two tests with programs that use the same port do not meet.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// How often the ports are looked at that others use.
const POLL: Duration = Duration::from_millis(5);

/// A network in which nobody else is: the kernel's, or, where this process may have none of its own, the machine's,
/// which other tests wait for.
pub struct Network(#[allow(dead_code, reason = "it is held")] Option<File>);

/// The ports that programs have built in.
const FIXED_PORTS: [u16; 2] = [5051, 43211];

impl Network {
    /// Takes it, for this thread and what it starts from now on. A process that takes its first has no other thread yet.
    pub fn own() -> Network {
        if unshare().is_ok() {
            return Network(None);
        }
        let path = std::env::temp_dir().join("mpserv-test-ports");
        let file = File::options().create(true).append(true).open(&path).unwrap();
        lock(&file);
        while is_taken() {
            std::thread::sleep(POLL);
        }
        Network(Some(file))
    }
}

/// Whether a connection that has ended not long ago, or another program, still has one of the ports.
fn is_taken() -> bool {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.rsplit(':').next()?, 16).ok();
    table.lines().skip(1).filter_map(port).any(|port| FIXED_PORTS.contains(&port))
}

fn lock(file: &File) {
    loop {
        // SAFETY: the call has no precondition on memory.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } == 0 {
            return;
        }
        let error = Error::last_os_error();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "flock: {error}");
    }
}

/// Leaves the machine's network for one with a loopback interface and nothing else: as root, else as the owner of a
/// user namespace in which the ids stay what they are.
fn unshare() -> Result<()> {
    // SAFETY: the call has no precondition on memory.
    let own = |flags| match unsafe { libc::unshare(flags) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    };
    // SAFETY: the call has no precondition.
    let user = unsafe { libc::geteuid() };
    // SAFETY: the call has no precondition.
    let group = unsafe { libc::getegid() };
    if own(libc::CLONE_NEWNET).is_err() {
        own(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: the type is plain numbers and null pointers, for which zeros are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads the name and the flags of the request.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
