//! Reads facts about processes from /proc, and sends signals.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

/// Returns the children of a process, zombies among them. While one child is reaped, the kernel may leave out another
/// one, so a list counts only if it is the same twice.
pub fn children(pid: u32) -> Vec<u32> {
    let list = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let (mut last, mut text) = (list(), list());
    while text != last {
        last = std::mem::replace(&mut text, list());
    }
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Returns the state of a process as `ps` shows it (`S`, `R`, `Z`, `T`), or `None` when it is gone.
pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].chars().next()
}

/// Whether a process has ended. It may still be a zombie.
pub fn is_gone(pid: u32) -> bool {
    matches!(state(pid), None | Some('Z'))
}

/// Returns the zombies among a process's children.
pub fn zombies(pid: u32) -> Vec<u32> {
    children(pid).into_iter().filter(|&child| state(child) == Some('Z')).collect()
}

/// Returns the port on which a process listens, from /proc, without connecting.
pub fn listening_port(pid: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    ["tcp", "tcp6"].into_iter().find_map(|table| {
        listeners(&format!("/proc/{pid}/net/{table}"))
            .find_map(|(port, inode)| sockets.contains(&inode).then_some(port))
    })
}

/// Returns the port and the inode of each listening socket in a table such as /proc/net/tcp.
pub fn listeners(table: &str) -> impl Iterator<Item = (u16, String)> {
    const LISTEN: &str = "0A";
    let table = File::open(table).into_iter().flat_map(|file| BufReader::new(file).lines().map_while(Result::ok));
    let fields = table.skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    // Only the first lines matter: listening sockets come first, and there may be very many ended connections.
    let listening = fields.take_while(|fields| fields.get(3).is_some_and(|state| state == LISTEN));
    listening.filter_map(|fields| {
        let port = u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()?;
        Some((port, fields[9].clone()))
    })
}

/// Whether a process waits in the system call with this number.
pub fn waits_in(pid: u32, call: libc::c_long) -> bool {
    fs::read_to_string(format!("/proc/{pid}/syscall"))
        .is_ok_and(|text| text.split_whitespace().next() == Some(&call.to_string()))
}

/// Whether a signal was sent to a process and has not been delivered yet.
pub fn is_pending(pid: u32, signal: mpserv::signal::Signal) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = text.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal.raw() - 1)) != 0
}

/// Sends a signal to a process that was started here.
#[track_caller]
pub fn signal(pid: u32, signal: mpserv::signal::Signal) {
    mpserv::signal::kill(mpserv::process::Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
