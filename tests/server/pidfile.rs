//! Tests `--pidfile`: the file is locked, written and removed.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    the_pidfile_is_locked_and_removed,
    a_child_that_lives_on_does_not_hold_the_pidfile,
    the_pidfile_is_its_owners_alone,
    a_pidfile_that_others_may_read_becomes_its_owners_alone,
    a_pidfile_that_is_removed_before_it_is_locked_is_made_anew,
    a_pidfile_that_cannot_be_is_named,
    a_file_with_a_lease_holds_nobody_up,
    a_file_with_something_else_is_not_overwritten,
    a_file_with_a_long_number_is_overwritten_up_to_the_longest_id,
    beyond_the_limit_of_a_files_size_it_is_refused_and_no_part_is_left,
];

fn the_pidfile_is_locked_and_removed() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let pidfile = path.to_str().unwrap();
    fs::write(&path, "999999\n").unwrap();
    let server = Served::start(&["--pidfile", pidfile, "127.0.0.1:0"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    let held = server.client();
    let second = run_mpserv(&["--pidfile", pidfile, "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(111));
    assert!(second.stderr.contains(&format!("of process {}", server.pid())), "{}", second.stderr);
    drop(held);
    server.stop();
    assert!(!path.exists());
}

/// Checks that no other user may read the file, with any umask. A user who can read the file can lock it, and so keep
/// the next server from starting.
fn the_pidfile_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new();
    let path = folder.join("pid");
    let script = format!("umask 0; exec '{MPSERV}' -1 --pidfile \"$0\" 127.0.0.1:0");
    let server = Served::start_command(Command::new("sh").args(["-c", &script]).arg(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    server.stop();
}

/// Checks a file that an earlier version has left or passes on, and a file that is not a pidfile.
fn a_pidfile_that_others_may_read_becomes_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new();
    let path = folder.join("pid");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let arguments = ["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    fs::write(&path, "1\n").unwrap();
    set(0o644);
    let server = Served::start(&arguments);
    assert_eq!(mode(), 0o600);
    set(0o644);
    server.running.signal(Signal::USR2);
    server.wait_events("handover", 1);
    assert_eq!(mode(), 0o600);
    signal(fs::read_to_string(&path).unwrap().trim().parse().unwrap(), Signal::TERM);
    wait_until("the successor has ended", || !path.exists());
    fs::write(&path, "something else\n").unwrap();
    set(0o644);
    refused(&arguments, TROUBLE, &["something else"]);
    assert_eq!(mode(), 0o644);
}

fn a_child_that_lives_on_does_not_hold_the_pidfile() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let arguments = ["--orphans", "keep", "--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    let mut server = Served::start(&arguments);
    let mut client = server.client();
    server.running.signal(Signal::KILL);
    wait_until("the server is gone", || server.running.has_ended());
    let next = Served::start(&arguments);
    assert_eq!(echo(&mut client, b"orphan"), b"orphan");
    drop(client);
    next.stop();
}

fn a_pidfile_that_cannot_be_is_named() {
    let folder = TempDir::new();
    refused(
        &["--pidfile", "/nonexistent-folder/pid", "127.0.0.1:0"],
        TROUBLE,
        &["/nonexistent-folder/pid", "No such file"],
    );
    refused(&["--pidfile", folder.0.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["Is a directory"]);
    let link = folder.join("link");
    std::os::unix::fs::symlink("missing", &link).unwrap();
    refused(&["--pidfile", link.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["symbolic links"]);
    // A FIFO stands for every file that is not regular. A device of the system would be at risk.
    let fifo = folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    refused(&["--pidfile", fifo.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["not a regular file"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !folder.join("missing").exists());
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
}

/// Checks a file whose owner is told of each open, and has 45 seconds to allow it.
fn a_file_with_a_lease_holds_nobody_up() {
    use std::os::fd::AsRawFd;
    let folder = TempDir::new();
    let path = folder.join("pid");
    let file = fs::File::create(&path).unwrap();
    // The kernel tells the owner by this signal.
    mpserv::signal::signal(Signal::IO, mpserv::signal::Disposition::Ignore).unwrap();
    // SAFETY: the call takes numbers.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) } == -1 {
        skip("the file system has no leases");
    }
    refused(
        &["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"],
        TROUBLE,
        &[path.to_str().unwrap(), "Resource temporarily unavailable"],
    );
}

/// Checks the longest file that is taken for that of an earlier server, and one that is a byte longer.
fn a_file_with_a_long_number_is_overwritten_up_to_the_longest_id() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let arguments = ["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    for text in ["", "\n", "123456789012345\n", "1234567890123456"] {
        fs::write(&path, text).unwrap();
        let server = Served::start(&arguments);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()), "{text:?}");
        server.stop();
    }
    for text in ["1234567890123456\n", "12345678901234567"] {
        fs::write(&path, text).unwrap();
        refused(&arguments, TROUBLE, &["something else"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// Checks that a mistake on the command line does not destroy a file.
fn a_file_with_something_else_is_not_overwritten() {
    let folder = TempDir::new();
    let path = folder.join("hosts");
    for text in ["127.0.0.1 localhost\n", "1234567890123456789\n", "12 34\n", "\n\nx"] {
        fs::write(&path, text).unwrap();
        refused(&["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"], TROUBLE, &["hosts", "something else"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// Checks a server that opens the pidfile just before another server removes it. That server must not lock a file that
/// has no name any more.
fn a_pidfile_that_is_removed_before_it_is_locked_is_made_anew() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    fs::write(&path, "1\n").unwrap();
    let options = ["-e", "trace=flock", "-e", "inject=flock:delay_enter=1000000:when=1"];
    let arguments = ["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    let mut command = traced(&options, &folder.join("trace"), &arguments);
    let server = Running::start(&mut command, Output::Pipe);
    wait_until("the server has opened the pidfile, and is about to lock it", || {
        let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).into_iter().flatten();
        open.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link == path))
    });
    fs::remove_file(&path).unwrap();
    wait_until("the server serves", || server.stdout_so_far().ends_with('\n'));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    let second = run_mpserv(&arguments);
    assert_eq!(second.status.code(), Some(TROUBLE), "a second server is told: {}", second.stderr);
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
    assert!(!path.exists());
}

fn beyond_the_limit_of_a_files_size_it_is_refused_and_no_part_is_left() {
    for limit in [0, 2] {
        let folder = TempDir::new();
        let pidfile = folder.join("pid");
        let limits = format!("--fsize={limit}:{limit}");
        let mut command = Command::new("prlimit");
        command.args([&limits, "--", MPSERV, "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
        is_refusal(&run(&mut command, Output::Pipe), TROUBLE, &["pidfile", "File too large"]);
        assert!(!pidfile.exists());
    }
}
