//! Tests `--mode` and `--owner`: the file of a Unix socket.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    the_mode_is_exact_and_a_program_gets_the_umask,
    the_file_belongs_to_its_owner,
    a_successor_does_not_look_for_the_owner,
    only_those_whom_the_mode_allows_can_connect,
    only_root_gives_the_file_away_and_none_is_left,
    wrong_modes_and_owners_are_told,
    a_file_that_cannot_be_looked_at_is_removed,
];

/// Checks a server that may not ask the kernel for the file of its socket, and cannot open the path either.
fn a_file_that_cannot_be_looked_at_is_removed() {
    needs_root();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "strace", "-D", "-q", "-o", NOWHERE, "-P"]).arg(&path);
    command.args(["-e", "trace=openat", "-e", "inject=openat:error=ENFILE", MPSERV]);
    let ended = run(command.arg(format!("unix:{}", path.display())).stdin(Stdio::null()), Output::Pipe);
    is_refusal(&ended, TROUBLE, &["cannot listen on", "Too many open files in system"]);
    assert!(!path.exists());
}

/// Makes a folder in which every user may make files.
fn open_folder() -> TempDir {
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// Starts `mpserv` at a socket, with this umask, and waits until it serves.
fn serve(umask: &str, path: &Path, options: &[&str], program: &[&str]) -> Running {
    let address = format!("unix:{}", path.display());
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0; exec \"$@\"", umask, MPSERV]).args(options).arg(address).args(program);
    let server = Running::start(command.stdin(Stdio::null()), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    server
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn the_mode_is_exact_and_a_program_gets_the_umask() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    for umask in ["0000", "0027", "0777"] {
        for (option, expected) in [("600", 0o600), ("0660", 0o660), ("666", 0o666), ("777", 0o777)] {
            for is_stale in [false, true] {
                if is_stale {
                    // A server that was killed has left its file.
                    drop(UnixListener::bind(&path).unwrap());
                }
                let server = serve(umask, &path, &["--mode", option], &["sh", "-c", "umask"]);
                assert_eq!(mode(&path), expected, "umask {umask}, stale {is_stale}");
                let mut text = String::new();
                std::io::Read::read_to_string(&mut watched(UnixStream::connect(&path).unwrap()), &mut text).unwrap();
                assert_eq!(text.trim(), umask);
                assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
                assert!(!path.exists());
            }
        }
    }
    let server = serve("0027", &path, &[], &[]);
    assert_eq!(mode(&path), 0o750);
    server.end(Signal::TERM);
}

fn id(option: &str, user: &str) -> u32 {
    text_of(Command::new("id").args([option, user])).trim().parse().unwrap()
}

fn the_file_belongs_to_its_owner() {
    needs_root();
    let folder = open_folder();
    let path = folder.join("socket");
    let (nobody, nogroup, daemon) = (id("-u", "nobody"), id("-g", "nobody"), id("-g", "daemon"));
    for (options, expected) in [
        (&["--owner", "nobody"][..], (nobody, nogroup)),
        (&["--owner", "nobody:daemon"], (nobody, daemon)),
        (&["--owner", "12345:54321"], (12345, 54321)),
        (&["-u", "nobody"], (nobody, nogroup)),
        (&["-u", "nobody", "--owner", "0:daemon"], (0, daemon)),
        (&[], (0, 0)),
    ] {
        let server = serve("0022", &path, options, &[]);
        let file = fs::symlink_metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), expected, "{options:?}");
        assert_eq!(file.mode() & 0o777, 0o755);
        server.end(Signal::TERM);
    }
}

/// Checks that a server is restarted although the owner, whom its file has already, is no user any more.
fn a_successor_does_not_look_for_the_owner() {
    needs_root();
    let folder = TempDir::new();
    let (socket, passwd) = (folder.join("socket"), folder.join("passwd"));
    fs::copy("/etc/passwd", &passwd).unwrap();
    let mut command = Command::new("unshare");
    let arguments = format!("-1 --owner daemon --listen unix:{} 127.0.0.1:0", socket.display());
    let script = format!("mount --bind {} /etc/passwd && exec '{MPSERV}' {arguments}", passwd.display());
    let server = Served::start_command(command.args(["-m", "sh", "-c", &script]).stdin(Stdio::null()));
    fs::write(&passwd, "root:x:0:0::/:/bin/sh\n").unwrap();
    server.running.signal(Signal::USR2);
    let log = wait_for("the successor takes over, or says why it does not", || {
        Some(server.running.stderr_so_far())
            .filter(|log| log.contains(": handover ") || log.contains(": restart error="))
    });
    assert!(log.contains(": handover "), "{log}");
    send(server.events("handover")[0].number("by"), Signal::TERM);
    assert_eq!(server.running.wait().status.code(), Some(0));
}

fn only_those_whom_the_mode_allows_can_connect() {
    needs_root();
    needs_command("setpriv");
    needs_command("socat");
    let folder = open_folder();
    let path = folder.join("socket");
    let server = serve("0077", &path, &["--mode", "660", "--owner", "12345:54321"], &[]);
    let to = format!("UNIX-CONNECT:{}", path.display());
    for (uid, gid, may) in [("12345", "1", true), ("1", "54321", true), ("1", "1", false)] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", uid, "--regid", gid, "--clear-groups", "socat", "-u", "/dev/null", &to]);
        let ended = run(&mut command, Output::Pipe);
        assert_eq!(ended.status.success(), may, "{uid}:{gid}: {}", ended.stderr);
        assert!(may || ended.stderr.contains("Permission denied"), "{}", ended.stderr);
    }
    server.end(Signal::TERM);
}

fn only_root_gives_the_file_away_and_none_is_left() {
    needs_root();
    needs_command("setpriv");
    let folder = open_folder();
    // The test uses a copy, because other users may not reach the folder of the build.
    let program = folder.join("mpserv");
    copy_to(MPSERV, &program);
    let path = folder.join("socket");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
    command.args(["--owner", "daemon"]).arg(format!("unix:{}", path.display())).stdin(Stdio::null());
    is_refusal(&run(&mut command, Output::Pipe), TROUBLE, &["Operation not permitted", "only root can give the file"]);
    assert!(!path.exists());
}

fn wrong_modes_and_owners_are_told() {
    for wrong in ["", "1000", "8", "rw", "0o660", "+660", "-1"] {
        refused(&[&format!("--mode={wrong}"), "unix:/nonexistent/x"], USAGE, &["--mode", "octal number from 0 to 777"]);
    }
    refused(
        &["--owner", "nosuchuser", "unix:/nonexistent/x"],
        USAGE,
        &["--owner \"nosuchuser\": there is no such user"],
    );
    refused(&["--owner", "nobody:nosuchgroup", "unix:/nonexistent/x"], USAGE, &["there is no such group"]);
    refused(&["--mode", "660", "0"], USAGE, &["--mode: it is for the file of an ADDRESS unix:PATH"]);
    refused(&["--owner", "0:0", "--listen", "0", "0"], USAGE, &["--owner: it is for the file"]);
}
