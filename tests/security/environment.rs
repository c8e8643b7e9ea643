//! Checks that no variable in the environment of a program is about the server or another connection.

use std::collections::BTreeMap;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    nothing_about_the_server_or_another_connection_reaches_a_program,
    everything_else_reaches_a_program,
    with_another_user_the_variables_of_the_user_are_that_users,
    of_a_user_that_the_system_does_not_know_nothing_is_said,
];

/// The variables of the server that must not reach the program.
const NOT_FOR_PROGRAMS: &[&str] = &[
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "FDSTORE",
    "MAINPID",
    "MAINPIDFDID",
    "MANAGERPID",
    "MANAGERPIDFDID",
    "SYSTEMD_EXEC_PID",
    "INVOCATION_ID",
    "PIDFILE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "TRIGGER_UNIT",
    "TRIGGER_PATH",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "MPSERV_INHERIT",
    "TCPLOCALHOST",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "IPCCONNNUM",
    "IPCLOCALPATH",
    "IPCREMOTEEUID",
    "IPCREMOTEPATH",
    "UNIXLOCALPATH",
    "UNIXREMOTEPATH",
    "UNIXREMOTEEUID",
    "UDPREMOTEIP",
    "SSLREMOTEIP",
];

/// Returns the environment of a program.
fn environment(command: &mut Command, options: &[&str]) -> BTreeMap<String, String> {
    command.args(options).args(["127.0.0.1:0", "env"]);
    let server = Served::start_command(command);
    let text = String::from_utf8(finish(server.connect())).unwrap();
    server.stop();
    let variables = text.lines().filter_map(|line| line.split_once('='));
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn nothing_about_the_server_or_another_connection_reaches_a_program() {
    let mut command = mpserv(&[]);
    NOT_FOR_PROGRAMS.iter().for_each(|name| _ = command.env(name, "0"));
    let found = environment(&mut command, &[]);
    let leaked: Vec<_> = NOT_FOR_PROGRAMS.iter().filter(|name| found.contains_key(**name)).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert_eq!(found["TCPLOCALIP"], "127.0.0.1");
}

fn everything_else_reaches_a_program() {
    let others = ["TCP", "TCPPORT", "IPC", "PROTOCOL", "LISTEN", "SSH", "JOURNAL_STREAM", "HOME", "USER"];
    let mut command = mpserv(&[]);
    others.iter().for_each(|name| _ = command.env(name, "kept"));
    let found = environment(&mut command, &[]);
    others.iter().for_each(|name| assert_eq!(found.get(*name).map(String::as_str), Some("kept"), "{name}"));
}

const ABOUT_USER: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];

/// Returns the variables about the user in a program, if root starts the server.
fn about_user(options: &[&str]) -> Vec<Option<String>> {
    let mut command = mpserv(&[]);
    ABOUT_USER.iter().for_each(|name| _ = command.env(name, "/root"));
    let found = environment(&mut command, options);
    ABOUT_USER.iter().map(|name| found.get(*name).cloned()).collect()
}

fn with_another_user_the_variables_of_the_user_are_that_users() {
    needs_root();
    let entry = Command::new("getent").args(["passwd", "daemon"]).output().unwrap();
    let entry = String::from_utf8(entry.stdout).unwrap();
    let fields: Vec<&str> = entry.trim().split(':').collect();
    let expected = [fields[5], fields[0], fields[0], fields[6]].map(|value| Some(value.to_owned()));
    for user in ["daemon", fields[2], "daemon:nogroup", &format!("{}:{}", fields[2], fields[3])] {
        assert_eq!(about_user(&["-u", user]), expected, "{user}");
    }
}

fn of_a_user_that_the_system_does_not_know_nothing_is_said() {
    needs_root();
    let user = user_of_nothing();
    assert_eq!(about_user(&["-u", &format!("{user}:{user}")]), [None, None, None, None]);
}
