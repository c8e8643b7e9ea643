//! Gives a test its own network, so that two tests can use the same port.

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mpserv::errno::Result;
use mpserv::namespace::{own_network, own_users};

use super::solo::skip;

/// The time between two checks of a port that another process uses.
const POLL: Duration = Duration::from_millis(5);

/// A network without other processes. If this process may not have its own network, the test uses the machine's
/// network, and other tests wait.
pub struct Network(#[allow(dead_code, reason = "it is held")] Option<File>);

/// The ports that are built into programs.
const FIXED_PORTS: [u16; 2] = [5051, 43211];

impl Network {
    /// Takes a network for this thread and the processes that it starts from now on. At the first call, the process
    /// must have no other thread.
    pub fn own() -> Network {
        if take_own().is_ok() {
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

/// Gives this process a network without other processes, or skips the test.
pub fn needs_own_network() {
    take_own().unwrap_or_else(|_| skip("no network of its own"));
}

/// Works as root, or as root of a new user namespace.
fn take_own() -> Result<()> {
    own_network().or_else(|_| own_users().and_then(|()| own_network()))
}

/// Whether another program, or a connection that has just ended, still has one of the ports.
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
