//! A network of a test's own, so that two tests with programs that use the same port do not meet.

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mpserv::namespace::{own_network, own_users};

/// Time between two checks of a port that another process uses.
const POLL: Duration = Duration::from_millis(5);

/// A network without other processes: the kernel's, or, where this process may have none of its own, the machine's,
/// which other tests wait for.
pub struct Network(#[allow(dead_code, reason = "it is held")] Option<File>);

/// The ports that programs have built in.
const FIXED_PORTS: [u16; 2] = [5051, 43211];

impl Network {
    /// Takes it, for this thread and what it starts from now on. A process that takes its first has no other thread
    /// yet.
    pub fn own() -> Network {
        // As root, else as root of users of its own.
        if own_network().or_else(|_| own_users().and_then(|()| own_network())).is_ok() {
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
