//! Tests the users and processes that may look into a server or trace it (`--status`, ptrace). The answer is the same
//! before and after a restart.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_server_that_became_another_user_is_closed_to_that_user_before_a_restart_and_after,
    the_children_of_a_service_are_closed_to_each_other,
    a_server_that_is_still_its_user_is_shown_to_that_user_before_a_restart_and_after,
];

/// Returns the output of `--status` for a user.
fn status(program: &Path, user: &str, pidfile: &Path) -> Ended {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups"]).arg(program).arg("--status").arg(pidfile);
    run(&mut command, Output::Pipe)
}

/// Checks that with `-u` only root can look into the server, before and after a restart.
fn a_server_that_became_another_user_is_closed_to_that_user_before_a_restart_and_after() {
    needs_root();
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let (program, pidfile, known) = (copy_program(MPSERV, &folder), folder.join("pid"), folder.join("known"));
    let mut command = Command::new(&program);
    command.args(["-1", "-u", "nobody", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    let is_closed = |pid: u32| {
        // If a process may not be traced, its files in /proc belong to root.
        assert_eq!(fs::metadata(format!("/proc/{pid}/fd")).unwrap().uid(), 0);
        // The user cannot read the pidfile, but can find the id otherwise.
        fs::write(&known, format!("{pid}\n")).unwrap();
        let refused = status(&program, "nobody", &known);
        assert_eq!(refused.status.code(), Some(111), "{refused:?}");
        assert!(refused.stderr.contains("cannot look into process"), "{refused:?}");
        let shown = status(&program, "root", &pidfile);
        assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{shown:?}");
    };
    is_closed(server.pid());
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    is_closed(successor);
    signal(successor, Signal::TERM);
    wait_until("both have ended", || state(successor).is_none_or(|state| state == 'Z'));
}

/// Checks that a child of a service cannot trace its neighbours, even if a client has taken the child over.
fn the_children_of_a_service_are_closed_to_each_other() {
    needs_root();
    let server = Served::start(&["-u", "nobody", "127.0.0.1:0"]);
    let _client = server.client();
    assert_eq!(fs::metadata(format!("/proc/{}/fd", children(server.pid())[0])).unwrap().uid(), 0);
    server.running.end(Signal::QUIT);
}

/// Checks that without `-u` the user that has started the server can look into it, before and after a restart.
fn a_server_that_is_still_its_user_is_shown_to_that_user_before_a_restart_and_after() {
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let (program, pidfile) = (copy_program(MPSERV, &folder), folder.join("pid"));
    let mut command = Command::new(&program);
    command.args(["-1", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    if is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let server = Served::start_command(&mut command);
    let user = if is_root() { "nobody".to_owned() } else { text_of(Command::new("id").arg("-un")) };
    let is_shown = |pid: u32| {
        let shown = status(&program, &user, &pidfile);
        assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{shown:?}");
    };
    is_shown(server.pid());
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    is_shown(successor);
    signal(successor, Signal::TERM);
    wait_until("both have ended", || state(successor).is_none_or(|state| state == 'Z'));
}
