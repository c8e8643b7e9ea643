//! Tests things that a server inherits at its start and must not pass on to its children.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    where_close_range_is_refused_a_program_inherits_nothing_all_the_same,
    a_program_inherits_no_descriptor_of_the_servers_parent,
    where_nothing_keeps_descriptors_from_programs_it_does_not_serve,
    closed_standard_descriptors_become_something_harmless_without_dev_null,
];

/// Returns the open descriptors of a program, which prints them itself.
fn descriptors_of_a_program(command: &mut Command) -> Vec<String> {
    command.args(["127.0.0.1:0", "sh", "-c", "for fd in /proc/self/fd/*; do echo ${fd##*/}; done"]);
    let server = Served::start_command(command);
    let text = String::from_utf8(finish(server.connect())).unwrap();
    server.running.end(Signal::TERM);
    text.split_whitespace().map(str::to_owned).collect()
}

/// The last place of a table of descriptors. A process with this descriptor has a table of 128 places.
const LAST: i32 = 127;

/// Leaves descriptors 3 and [`LAST`] of the test open in a command. A program of the server must not get these
/// descriptors.
fn with_foreign_descriptors(command: &mut Command) -> &mut Command {
    let file = fs::File::open("/etc/passwd").unwrap();
    let leave = move || {
        let is_left = |fd| {
            // SAFETY: the call takes numbers.
            let copy = unsafe { libc::dup2(file.as_raw_fd(), fd) };
            // The file may have this number itself, with the flag to close it.
            // SAFETY: the call takes numbers.
            copy == fd && unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == 0
        };
        if is_left(LAST) && is_left(3) { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: dup2 and fcntl are async-signal-safe, and the closure calls nothing else unless it fails.
    unsafe { command.pre_exec(leave) }
}

fn where_close_range_is_refused_a_program_inherits_nothing_all_the_same() {
    for error in ["ENOSYS", "EPERM"] {
        let mut command = Command::new("strace");
        let inject = format!("inject=close_range:error={error}");
        command.args(["-D", "-q", "-o", NOWHERE, "-e", &inject, MPSERV, "-1"]).stdin(Stdio::null());
        let found = descriptors_of_a_program(with_foreign_descriptors(&mut command));
        // The shell that lists the folder has the folder open.
        assert!(found.len() <= 4 && !found.contains(&LAST.to_string()), "{error}: {found:?}");
    }
}

fn a_program_inherits_no_descriptor_of_the_servers_parent() {
    let found = descriptors_of_a_program(with_foreign_descriptors(&mut mpserv(&["-1"])));
    assert!(found.len() <= 4 && !found.contains(&LAST.to_string()), "{found:?}");
}

fn where_nothing_keeps_descriptors_from_programs_it_does_not_serve() {
    needs_root();
    let mut command = Command::new("unshare");
    let strace = format!("strace -q -o {NOWHERE} -e inject=close_range:error=ENOSYS '{MPSERV}' 127.0.0.1:0");
    command.args(["-m", "sh", "-c", &format!("mount -t tmpfs none /proc && exec {strace}")]).stdin(Stdio::null());
    let ended = run(&mut command, Output::Pipe);
    assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
    let told = "mpserv: cannot serve: close_range: Function not implemented; start it where /proc is mounted or close_range is \
                allowed\n";
    assert_eq!(ended.stderr, told);
}

/// Returns a command for `mpserv` with closed standard descriptors and without `/dev/null`.
fn without_standard_descriptors(log_to: &str, arguments: &str) -> Command {
    let mut command = Command::new("unshare");
    let hide = "mount -t tmpfs none /dev";
    command.args(["-m", "sh", "-c", &format!("{hide} && exec '{MPSERV}' {arguments} <&- >&- {log_to}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn link(pid: u32, descriptor: u32) -> String {
    fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap().display().to_string()
}

fn closed_standard_descriptors_become_something_harmless_without_dev_null() {
    needs_root();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let arguments = format!("--pidfile {} -v 127.0.0.1:0", pidfile.display());
    let mut server = without_standard_descriptors("2>&-", &arguments).spawn().unwrap();
    let pid = server.id();
    wait_until("it serves", || fs::read_to_string(&pidfile).is_ok_and(|text| text == format!("{pid}\n")));
    let port = wait_for("it listens", || listening_port(pid));
    for _ in 0..3 {
        assert_eq!(echo(&mut connect(port), b"served"), b"served");
    }
    for descriptor in 0..3 {
        assert_eq!(link(pid, descriptor), "/memfd:closed (deleted)");
        assert_eq!(fs::read(format!("/proc/{pid}/fd/{descriptor}")).unwrap(), b"", "nothing was written to it");
    }
    // The scoreboard is whole, because the log was not written to it.
    let shown = run_mpserv(&["--status", pidfile.to_str().unwrap()]);
    assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{}{}", shown.stdout, shown.stderr);
    signal(pid, Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
