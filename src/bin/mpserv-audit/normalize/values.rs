//! Normalizes numbers at a known position: process ids, times, usage, inodes, terminals.

use super::line::{Name, Normal};
use super::number::leading_number;
use super::position::Position;

/// Whether the number here is a process id.
pub(super) fn is_process_id(at: &Position<'_>) -> bool {
    if at.is_result() && at.depth == 0 {
        return at.features.returns_process_id;
    }
    if at.depth > 0 {
        let is_held = at.features.holds_process_id && at.is_argument(2);
        return is_held || matches!(at.field, b"si_pid" | b"l_pid" | b"pid" | b"parent_tid");
    }
    match at.call {
        b"kill"
        | b"tkill"
        | b"wait4"
        | b"waitpid"
        | b"getpgid"
        | b"getsid"
        | b"pidfd_open"
        | b"rt_sigqueueinfo"
        | b"prlimit64"
        | b"sched_getaffinity"
        | b"sched_setaffinity"
        | b"sched_getparam"
        | b"sched_setparam"
        | b"sched_getscheduler"
        | b"sched_setscheduler"
        | b"process_vm_readv"
        | b"process_vm_writev" => at.is_argument(0),
        b"tgkill" | b"setpgid" | b"rt_tgsigqueueinfo" => at.is_argument(0) || at.is_argument(1),
        b"waitid" | b"ptrace" | b"setpriority" | b"getpriority" => at.is_argument(1),
        b"fcntl" => at.is_argument(2) && at.features.holds_process_id,
        _ => false,
    }
}

/// Whether a call's result is a process id.
pub(super) fn returns_process_id(call: &[u8]) -> bool {
    matches!(
        call,
        b"fork"
            | b"vfork"
            | b"clone"
            | b"clone3"
            | b"wait4"
            | b"waitpid"
            | b"getpid"
            | b"gettid"
            | b"getppid"
            | b"getpgrp"
            | b"getpgid"
            | b"getsid"
            | b"setsid"
            | b"set_tid_address"
    )
}

/// Returns the name for a number from a clock or from the accounting of resources.
pub(super) fn measured(at: &Position<'_>) -> Option<&'static [u8]> {
    if at.field.starts_with(b"ru_") || matches!(at.field, b"si_utime" | b"si_stime") {
        return Some(b"<usage>");
    }
    if matches!(
        at.field,
        b"st_atime" | b"st_mtime" | b"st_ctime" | b"st_atime_nsec" | b"st_mtime_nsec" | b"st_ctime_nsec"
    ) {
        return Some(b"<time>");
    }
    match (at.call, at.argument) {
        (b"wait4", Some(3)) | (b"waitid", Some(4)) | (b"getrusage", Some(1)) => Some(b"<usage>"),
        (b"times", Some(0) | None) => Some(b"<usage>"),
        (b"clock_gettime" | b"clock_getres" | b"timer_gettime" | b"getitimer", Some(1))
        | (b"gettimeofday" | b"sysinfo", Some(0))
        | (b"clock_nanosleep", Some(3))
        | (b"nanosleep", Some(1))
        | (b"setitimer", Some(2))
        | (b"timer_settime", Some(3))
        | (b"time", None)
            if at.depth > 0 || at.is_result() =>
        {
            Some(b"<time>")
        }
        // `statx` gives its times as {tv_sec, tv_nsec}. `select` and `ppoll` give the remaining time in this form.
        (b"statx", Some(4)) | (b"select" | b"pselect6" | b"ppoll", None)
            if matches!(at.field, b"tv_sec" | b"tv_usec" | b"tv_nsec") =>
        {
            Some(b"<time>")
        }
        _ => None,
    }
}

/// Whether the number is that of an inode.
pub(super) fn is_inode(field: &[u8]) -> bool {
    matches!(field, b"st_ino" | b"stx_ino" | b"d_ino")
}

/// Returns a name for the number if it is a user or group of the person who runs the command.
pub(super) fn person(at: &Position<'_>, value: u64) -> Option<Name> {
    let owns = at.features.of_standard_stream;
    match (at.call, at.field) {
        (_, b"si_uid") => Some(Name::User(value)),
        (_, b"st_uid") if owns => Some(Name::User(value)),
        (_, b"st_gid") if owns => Some(Name::Group(value)),
        (b"getuid" | b"geteuid", _) if at.is_result() => Some(Name::User(value)),
        (b"getgid" | b"getegid", _) if at.is_result() => Some(Name::Group(value)),
        (b"getresuid", _) if at.depth > 0 => Some(Name::User(value)),
        (b"getresgid" | b"getgroups", _) if at.depth > 0 => Some(Name::Group(value)),
        _ => None,
    }
}

/// Whether the number is one of the two numbers of a file's device in statx.
pub(super) fn is_device_part(field: &[u8]) -> bool {
    matches!(field, b"stx_dev_major" | b"stx_dev_minor")
}

/// Returns the number of the device in the arguments of a statx, in the form of [`Name::Device`].
pub(super) fn device_of_statx(arguments: &[u8]) -> Option<u64> {
    let part = |name: &[u8]| {
        let start = arguments.windows(name.len()).position(|window| window == name)? + name.len();
        leading_number(arguments.get(start..)?).map(|(part, _)| part)
    };
    Some(part(b"stx_dev_major=")? << u32::BITS | part(b"stx_dev_minor=")?)
}

/// The first major number of Unix98 pseudoterminals, as strace shows it. The terminal's number follows.
const PSEUDOTERMINAL: &[u8] = b"makedev(0x88, ";

/// Writes a name for the number of a pseudoterminal in a device number.
pub(super) fn terminal(at: &Position<'_>, normal: &mut Normal) -> bool {
    let is_terminal = at.depth > 0 && normal.text.ends_with(PSEUDOTERMINAL);
    if is_terminal {
        normal.put(b"<n>");
    }
    is_terminal
}
