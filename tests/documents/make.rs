//! Checks that each target of the Makefile passes on the variables that `make help` names for it.

use std::process::Command;

use crate::common::solo::Test;
use crate::common::text_of;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![a_target_passes_on_its_variables,];

/// Goals, variables, and parts of the commands that run then. For a test, a program is built by `echo`, and `mine` is a
/// file of this repository.
const GOALS: [(&str, &[&str], &[&str]); 19] = [
    ("run", &["PROGRAM=wait", "IMPL=rust"], &["$(echo rust wait )", "\"$program\";"]),
    ("run", &["PROGRAM=signal", "IMPL=c"], &["$(echo c signal)", "\"$program\";"]),
    ("run-server", &["PROGRAM=mpserv", "IMPL=rust", "PORT=4321"], &["$(echo rust mpserv )", "\"$program\" 4321;"]),
    ("run-server", &["PROGRAM=echo_mpserv", "IMPL=c", "PORT=4321"], &["$(echo c echo_mpserv)", "\"$program\" 4321;"]),
    ("run-client", &["PROGRAM=code05", "IMPL=c"], &["$(echo c code04)", "\"$program\";"]),
    (
        "run-client",
        &["PROGRAM=echo_mpserv", "IMPL=rust", "HOST=192.0.2.1", "PORT=4321"],
        &["$(echo rust echo_mpclient )", "\"$program\" 192.0.2.1 4321;"],
    ),
    ("strace-server", &["PROGRAM=mpserv", "PORT=4321"], &["$(echo rust mpserv )", "strace -f \"$program\" 4321;"]),
    (
        "strace-client",
        &["HOST=192.0.2.1", "PORT=4321", "IMPL=c"],
        &["$(echo c echo_mpclient)", "strace -f \"$program\" 192.0.2.1 4321;"],
    ),
    ("compare", &["PROGRAM=wait", "C=build.rs", "ARGS=--more"], &["--output --c 'build.rs' wait --more"]),
    ("compare", &[], &["--output"]),
    ("audit", &["ARGS=--more"], &["--from main --more", "--from execve --more"]),
    ("audit-report", &["ARGS=--more"], &["--from execve --html there/audit.html --more"]),
    ("faults", &["FAULTS=part", "ARGS=--more"], &["--faults part --html there/faults.html --more"]),
    ("lesson", &["PROGRAM=wait", "ARGS=--more"], &["--lesson there/lesson wait --more", "there/lesson/wait.html"]),
    (
        "exercise",
        &["PROGRAM=wait", "C=build.rs", "EXERCISE=zombies"],
        &["$(echo rust mpserv-audit --profile dev)", "--exercise build.rs wait zombies"],
    ),
    ("test", &["SKIPS=fail"], &["awk -v skips=fail "]),
    ("test-on", &["SUITE=sid"], &["mkdir -p there/test-on/sid\n", " sid there/test-on/sid\n"]),
    ("bench", &["ARGS=--more"], &["--bench bench -- --more"]),
    (
        "install",
        &["PREFIX=/prefix", "DESTDIR=/destination"],
        &["/destination/prefix/bin/$program;", "s#@BINDIR@#/prefix/bin#"],
    ),
];

fn make(arguments: &[&str]) -> String {
    let mut command = Command::new("make");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-s", "TARGET=there"]).args(arguments);
    text_of(&mut command)
}

fn a_target_passes_on_its_variables() {
    for (goal, variables, parts) in GOALS {
        let built = ["-n", "rust=echo rust $(1) $(2)", "c=echo c $(1)", "--old-file=release"];
        let commands = make(&[&[goal], variables, &built[..]].concat());
        for part in parts {
            assert!(commands.contains(part), "make {goal} {variables:?}: no {part} in\n{commands}");
        }
    }
    // Each variable that the help names for a target was tried above.
    let help = make(&["help"]);
    let (mut goal, mut count) = ("", 0);
    for line in help.lines().take_while(|line| !line.starts_with("IMPL is")) {
        goal = line.strip_prefix("make ").and_then(|line| line.split(' ').next()).unwrap_or(goal);
        for word in line.split([' ', ';', ',']) {
            let Some((variable, _)) = word.split_once('=') else { continue };
            let is_tried = |(of, variables, _): &(&str, &[&str], &[&str])| {
                *of == goal && variables.iter().any(|tried| tried.split('=').next() == Some(variable))
            };
            assert!(GOALS.iter().any(is_tried), "make {goal}: {variable} is not tried");
            count += 1;
        }
    }
    assert!(count > 15, "{help}");
}
