//! Checks that each target of the Makefile passes on the variables that `make help` names for it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::solo::Test;
use crate::common::{Output, Running, TempDir, run, text_of, wait_until, write_executable};
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_target_passes_on_its_variables,
    a_target_has_its_values_by_default,
    another_cargo_and_prefix_may_be_in_the_environment,
    a_value_that_there_is_not_is_refused,
    each_target_runs_its_commands_and_needs_what_they_use,
    a_server_says_how_to_talk_to_it,
    tools_that_are_missing_are_named,
    a_tool_that_is_missing_is_installed_by_root_alone,
    a_program_that_ctrl_c_has_ended_is_no_error,
    tests_that_fail_make_the_target_fail_and_are_in_the_log,
    a_zombie_is_watched,
    the_readme_shows_what_is_printed,
];

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
    (
        "audit-report",
        &["ARGS=--more"],
        &["--from execve --html there/audit.html --more", "'make: open there/audit.html'"],
    ),
    (
        "faults",
        &["FAULTS=part", "ARGS=--more"],
        &["--faults part --html there/faults.html --more", "'make: open there/faults.html'"],
    ),
    ("lesson", &["PROGRAM=wait", "ARGS=--more"], &["--lesson there/lesson wait --more", "there/lesson/wait.html"]),
    (
        "exercise",
        &["PROGRAM=wait", "C=build.rs", "EXERCISE=zombies"],
        &["$(echo rust mpserv-audit --profile dev)", "--exercise build.rs wait zombies"],
    ),
    ("test", &["SKIPS=fail"], &["awk -v skips=fail "]),
    (
        "test-on",
        &["SUITE=sid"],
        &[
            "\nrm -rf --one-file-system there/test-on/sid\n",
            "mkdir -p there/test-on/sid\n",
            " sid there/test-on/sid\n",
            "[ \"$(id -u)\" = 0 ] || { echo 'make: test-on makes a root directory: run it as root'",
            "--include='mount bsdutils ",
            "\nunshare --mount sh -ec ",
            "mount --bind -o ro \"$(rustc --print sysroot)\" there/test-on/sid/opt/rust;",
            "pivot_root . .; umount -l .;",
            "CARGO_NET_OFFLINE=true",
        ],
    ),
    ("bench", &["ARGS=--more"], &["--bench bench -- --more"]),
    (
        "install",
        &["PREFIX=/prefix", "DESTDIR=/destination"],
        &["/destination/prefix/bin/$program;", "s#@BINDIR@#/prefix/bin#"],
    ),
];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("make");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-s", "TARGET=there"]).args(arguments);
    // The variables of the make that runs these tests, such as SKIPS=fail, would hold for this one as well.
    command.env_remove("MAKEFLAGS").env_remove("MAKEOVERRIDES").env_remove("MAKELEVEL").env_remove("MFLAGS");
    command
}

fn make(arguments: &[&str]) -> String {
    text_of(&mut command(arguments))
}

/// Returns the commands of a goal, without the lines that only look for tools and install them.
fn commands(goal: &[&str]) -> String {
    let all = make(&[goal, &["-n"]].concat());
    all.lines().filter(|line| !line.contains("command -v ")).map(|line| format!("{line}\n")).collect()
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

/// Checks the values that hold if none is given. The environment may mean something else by the same names.
fn a_target_has_its_values_by_default() {
    let built = ["rust=echo rust $(1) $(2)", "c=echo c $(1)", "--old-file=release"];
    for (goal, parts) in [
        ("run", &["$(echo rust fork )"][..]),
        ("run-server", &["$(echo rust echo_mpserv )", "\"$program\" 9190;"]),
        ("run-client", &["$(echo rust echo_mpclient )", "\"$program\" 127.0.0.1 9190;"]),
        ("strace-client", &["$(echo rust echo_mpclient )", "strace -f \"$program\" 127.0.0.1 9190;"]),
        ("compare", &["$(echo rust mpserv-audit )", "\"$tool\" --output"]),
        (
            "lesson",
            &["$(echo rust mpserv-audit --profile dev)", "--lesson there/lesson  \n", "there/lesson/index.html"],
        ),
        ("faults", &["$(echo rust mpserv-audit )", "--faults all --html"]),
        (
            "audit",
            &[
                "$(echo rust mpserv-audit --profile dev) && \"$tool\" --from main",
                "$(echo rust mpserv-audit ) && \"$tool\" --from execve",
            ],
        ),
        ("audit-report", &["$(echo rust mpserv-audit ) && \"$tool\" --from execve --html there/audit.html"]),
        ("watch-zombies", &["$(echo rust zombie )"]),
        ("c", &["$(echo c echo_mpserv)"]),
        ("test", &["awk -v skips=allow -v file=there/test-summary -f tests/common/summary.awk there/test.log"]),
        ("test-on", &["mkdir -p there/test-on/trixie\n", " trixie there/test-on/trixie\n"]),
        ("install", &[" /usr/local/bin/$program;", "s#@BINDIR@#/usr/local/bin#"]),
        ("uninstall", &["rm -f /usr/local/bin/mpserv "]),
    ] {
        let mut command = command(&[&["-n", goal], &built[..]].concat());
        for name in ["PROGRAM", "IMPL", "HOST", "PORT", "FAULTS", "SKIPS", "SUITE", "EXERCISE"] {
            command.env(name, "of the environment");
        }
        let commands = text_of(command.env_remove("PREFIX").env_remove("DESTDIR"));
        for part in parts {
            assert!(commands.contains(part), "make {goal}: no {part:?} in\n{commands}");
        }
    }
}

/// Checks what the environment decides.
fn another_cargo_and_prefix_may_be_in_the_environment() {
    for (goal, name, value, part) in [
        ("release", "CARGO", "other", "other build --release"),
        ("uninstall", "PREFIX", "/prefix", "rm -f /prefix/bin/mpserv "),
    ] {
        let found = text_of(command(&["-n", goal]).env(name, value).env_remove("DESTDIR"));
        assert!(found.contains(part), "make {goal}: no {part:?} in\n{found}");
        // Without DESTDIR, folders of the system stay.
        assert!(!found.contains("rmdir"), "{found}");
    }
    let help = make(&["help"]);
    assert!(help.contains("make bench          how fast the servers are, against plain C (5 minutes);"), "{help}");
    assert!(file("src/docs/benchmarks.md").contains("`make bench` measures in about five minutes;"), "the minutes");
}

fn a_value_that_there_is_not_is_refused() {
    const NO_SERVERS: &str = "fork zombie wait waitpid signal sigaction remove_zombie";
    const C_SERVERS: &str = "echo_mpserv code05 socket_serve rot13_serv";
    let all = format!("{C_SERVERS} echo_mpclient code04 socket_client {NO_SERVERS}");
    let program = |name: &str, choices: &str| format!("PROGRAM={name}: choose one of {choices}.");
    let port = |port: &str| format!("PORT={port}: choose a number from 1 to 65535.");
    for (arguments, message) in [
        (&["run", "IMPL=java"][..], "IMPL=java: choose one of rust c.".to_owned()),
        (&["run", "PROGRAM=echo_mpserv"], program("echo_mpserv", NO_SERVERS)),
        (&["run-server", "PROGRAM=fork"], program("fork", &format!("{C_SERVERS} mpserv"))),
        (&["run-server", "PROGRAM=mpserv", "IMPL=c"], program("mpserv", C_SERVERS)),
        (&["strace-server", "PROGRAM=mpserv", "IMPL=c"], program("mpserv", C_SERVERS)),
        (&["run-client", "PROGRAM=mpserv"], program("mpserv", "echo_mpserv code05 socket_serve")),
        (&["strace-client", "PROGRAM=rot13_serv"], program("rot13_serv", "echo_mpserv code05 socket_serve")),
        (&["run-server", "PORT=0"], port("0")),
        (&["run-client", "PORT=65536"], port("65536")),
        (&["strace-server", "PORT=x"], port("x")),
        (&["strace-client", "PORT=-1"], port("-1")),
        (&["compare", "PROGRAM=mpserv"], program("mpserv", &all)),
        (&["compare", "C=build.rs"], "C=build.rs: name its PROGRAM as well.".to_owned()),
        (
            &["compare", "C=none.c", "PROGRAM=fork"],
            "C=none.c: name your file, as in C=mine.c; there is none of this name.".to_owned(),
        ),
        (&["lesson", "PROGRAM=mpserv"], program("mpserv", &all)),
        (&["lesson", "C=build.rs"], "C=build.rs: a lesson is of this project's program".to_owned()),
        (&["exercise", "PROGRAM=mpserv", "C=build.rs"], program("mpserv", &all)),
        (&["exercise", "PROGRAM=fork"], "C=: name your file".to_owned()),
        (&["faults", "FAULTS=some"], "FAULTS=some: choose one of all part.".to_owned()),
        (&["test", "SKIPS=no"], "SKIPS=no: choose one of allow fail.".to_owned()),
    ] {
        let ended = run(command(arguments).arg("-n"), Output::Pipe);
        assert!(
            !ended.status.success() && ended.stderr.contains(&message),
            "{arguments:?}: no {message:?} in {ended:?}"
        );
    }
    for port in ["1", "65535"] {
        assert!(make(&["run-server", "-n", &format!("PORT={port}")]).contains(&format!("\"$program\" {port};")));
    }
}

/// The tools that goals look for, and the packages of Debian that have them and what else their users need.
const PACKAGES: [(&str, &str); 12] = [
    ("cc", "gcc libc6-dev"),
    ("gcc", "gcc libc6-dev"),
    ("clang", "clang"),
    ("strace", "strace"),
    ("nc", "netcat-openbsd"),
    ("ps", "procps"),
    ("addr2line", "binutils"),
    ("valgrind", "valgrind libc6-dbg"),
    ("mmdebstrap", "mmdebstrap"),
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    ("riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"),
    ("qemu-aarch64", "qemu-user"),
];

/// Checks the goals that have no variables, and the tools that each goal looks for. Another cargo than the usual runs.
fn each_target_runs_its_commands_and_needs_what_they_use() {
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| path.join("main.rs").exists());
    let mut targets: Vec<String> =
        folders.map(|path| format!("--test={}", path.file_name().unwrap().to_str().unwrap())).collect();
    targets.retain(|target| target != "--test=checkers");
    targets.sort();
    let tests =
        format!("printf '%s\\n' {} '--lib --bin=mpserv-audit' --doc | xargs -P 2 -I {{}} sh -c", targets.join(" "));
    let rust =
        |program: &str, options: &str| format!("program=$(other build {options} --bin {program} --message-format=");
    let tool = |options: &str| format!("tool=$(other build {options} --bin mpserv-audit --message-format=");
    const C: &str = "other build --release --lib --message-format=";
    for (goal, parts, needed) in [
        (&["release"][..], vec!["other build --release\n".to_owned()], "other cc"),
        (&["c"], vec![C.to_owned()], "other cc"),
        (&["run-server"], vec![rust("echo_mpserv", "--release")], "other cc"),
        (&["run-server", "IMPL=c"], vec![C.to_owned()], "other cc"),
        (&["run-client"], vec![rust("echo_mpclient", "--release")], "other cc"),
        (&["run"], vec![rust("fork", "--release")], "other cc"),
        (&["strace-server"], vec![rust("echo_mpserv", "--release")], "other cc strace"),
        (&["strace-client"], vec![rust("echo_mpclient", "--release")], "other cc strace"),
        (&["watch-zombies"], vec![rust("zombie", "--release")], "other cc ps"),
        (
            &["test"],
            vec![
                "other test --features std --test library -- std_ && other test --no-run && ".to_owned(),
                tests,
                "$(other test --no-fail-fast {} 2>&1)".to_owned(),
            ],
            "other cc strace nc",
        ),
        (
            &["test-cross"],
            vec![
                "rustup target add aarch64-unknown-linux-gnu riscv64gc-unknown-linux-gnu || true\n".to_owned(),
                "other test --test build -- --ignored\n".to_owned(),
            ],
            "other cc aarch64-linux-gnu-gcc riscv64-linux-gnu-gcc qemu-aarch64",
        ),
        (&["test-on"], vec!["other fetch --locked\n".to_owned(), "make -k test audit".to_owned()], "other mmdebstrap"),
        (&["memcheck"], vec!["other test --test checkers -- memcheck\n".to_owned()], "other cc valgrind"),
        (&["sanitize"], vec!["other test --test checkers -- sanitize\n".to_owned()], "other cc"),
        (
            &["miri"],
            vec![
                "other +nightly miri --version".to_owned(),
                "MIRIFLAGS=-Zmiri-disable-isolation other +nightly miri test --target-dir target/miri --lib\n"
                    .to_owned(),
            ],
            "other",
        ),
        (&["audit"], vec!["other build\n".to_owned(), tool("--profile dev"), tool("--release")], "other cc strace"),
        (&["audit-report"], vec![tool("--release")], "other cc strace"),
        (&["faults"], vec![tool("--release")], "other cc strace"),
        (&["compare"], vec!["other build --release\n".to_owned(), tool("--release")], "other cc strace"),
        (&["compare", "C=tests/checkers/main.rs", "PROGRAM=fork"], vec![tool("--release")], "other cc strace"),
        (&["lesson"], vec!["other build --quiet\n".to_owned(), tool("--profile dev")], "other cc strace addr2line"),
        (&["exercise", "C=build.rs"], vec!["other build\n".to_owned(), tool("--profile dev")], "other cc strace"),
        (&["bench"], vec!["other bench --bench bench --".to_owned()], "other cc strace"),
        (
            &["bench-peers", "ARGS=--more"],
            vec!["other bench --bench bench -- --peers --more\n".to_owned()],
            "other cc strace",
        ),
        (
            &["lint"],
            vec![
                "other fmt --check\n".to_owned(),
                "other clippy --all-targets --all-features -- -D warnings\n".to_owned(),
                "RUSTDOCFLAGS='-D warnings' other doc --no-deps --all-features\n".to_owned(),
            ],
            "other cc gcc clang",
        ),
        (&["clean"], vec!["other clean\n".to_owned()], "other"),
    ] {
        let other = [goal, &["CARGO=other"]].concat();
        let found = commands(&other);
        for part in parts {
            assert!(found.contains(&part), "make {goal:?}: no {part:?} in\n{found}");
        }
        let is_usual = |start: &str| found.contains(&format!("{start}cargo "));
        assert!(!["$(", "{ ", "&& ", "\n"].iter().any(|start| is_usual(start)), "make {goal:?}: {found}");
        // `origin CC` is the environment's where the tests run with a compiler of their own.
        let all = text_of(command(&other).arg("-n").env_remove("CC"));
        let looked_for: BTreeSet<&str> =
            all.lines().filter_map(|line| line.trim_start().strip_prefix("command -v ")?.split(' ').next()).collect();
        assert_eq!(looked_for, needed.split(' ').collect(), "make {goal:?}");
        for hint in all.split("make: there is no ").filter(|hint| hint.contains(": sudo ")) {
            let (tool, packages) = hint.split('"').next().unwrap().split_once(": sudo apt-get install ").unwrap();
            assert!(PACKAGES.contains(&(tool, packages)), "make {goal:?}: {tool} is not in {packages}");
            assert!(
                all.contains(&format!("apt-get install -y -qq {packages} >/dev/null;")),
                "make {goal:?}: {packages}"
            );
        }
    }
    // Each source in C is compiled with both compilers, and with their warnings.
    let lint = commands(&["lint"]).replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for folder in ["src/bin/textbook", "tests/bench/c"] {
        for source in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let name = source.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(".c") || lint.contains(&format!(" {folder}/{name}")), "{name} is not in {lint}");
        }
    }
    let flags = lint.split("do gcc ").nth(1).unwrap().split(" $source").next().unwrap();
    let compile = format!("gcc {flags} $source >/dev/null && clang {flags} $source >/dev/null || exit 1;");
    assert!(lint.contains(&compile), "{lint}");
    let words: BTreeSet<&str> = flags.split_whitespace().collect();
    for flag in ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"] {
        assert!(words.contains(flag), "{flags}");
    }
    // C++ needs its own compiler.
    let folder = TempDir::new();
    for (end, is_needed) in [("cc", true), ("cpp", true), ("cxx", true), ("c", false)] {
        let file = folder.join(&format!("mine.{end}"));
        std::fs::write(&file, "").unwrap();
        let commands = make(&["compare", "PROGRAM=fork", &format!("C={}", file.display()), "-n"]);
        assert_eq!(commands.contains("command -v c++ "), is_needed, "{end}: {commands}");
    }
}

fn a_server_says_how_to_talk_to_it() {
    for (server, way) in [
        ("echo_mpserv", "nc 192.0.2.1 4321    or    make run-client PORT=4321'"),
        ("mpserv", "nc 192.0.2.1 4321'"),
        ("code05", "make run-client PROGRAM=code05'"),
        ("socket_serve", "make run-client PROGRAM=socket_serve'"),
        ("rot13_serv", "nc 127.0.0.1 43211'"),
    ] {
        for goal in ["run-server", "strace-server"] {
            let found = commands(&[goal, &format!("PROGRAM={server}"), "HOST=192.0.2.1", "PORT=4321"]);
            let line = format!("echo 'make: talk to it from another terminal:  {way};");
            assert!(found.contains(&line), "make {goal} {server}: no {line} in\n{found}");
        }
    }
    for (server, client) in [("echo_mpserv", "echo_mpclient"), ("code05", "code04"), ("socket_serve", "socket_client")]
    {
        let built = commands(&["run-client", &format!("PROGRAM={server}"), "rust=echo $(1)"]);
        assert!(built.contains(&format!("$(echo {client})")), "{built}");
    }
}

fn tools_that_are_missing_are_named() {
    for (arguments, message) in [
        (["need-cargo", "CARGO=no-such-cargo"], "make: there is no cargo: install Rust 1.85 or later, "),
        (["need-cc", "CC=no-such-cc with options"], "make: CC=no-such-cc with options: there is no such compiler\n"),
    ] {
        let ended = run(&mut command(&arguments), Output::Pipe);
        assert!(!ended.status.success() && ended.stderr.contains(message), "{arguments:?}: {ended:?}");
    }
    let named = env!("CARGO_PKG_RUST_VERSION");
    assert!(make(&["need-cargo", "-n"]).contains(&format!("install Rust {named} or later")), "Rust {named}");
}

/// Writes an executable script.
fn script(folder: &TempDir, name: &str, lines: &str) -> String {
    let path = folder.join(name);
    write_executable(&path, &format!("#!/bin/sh\n{lines}\n"));
    path.to_str().unwrap().to_owned()
}

/// Looks for strace where there is only what the scripts below stand for.
fn a_tool_that_is_missing_is_installed_by_root_alone() {
    for (uid, has_apt) in [(0, true), (0, false), (1000, true)] {
        let folder = TempDir::new();
        let log = folder.join("log");
        script(&folder, "id", &format!("echo {uid}"));
        if has_apt {
            script(&folder, "apt-get", &format!("echo \"$@\" >>'{}'", log.display()));
        }
        let ended = run(&mut command(&["need-strace", &format!("PATH={}", folder.0.display())]), Output::Pipe);
        let installed = std::fs::read_to_string(log).unwrap_or_default();
        if uid == 0 && has_apt {
            assert_eq!(
                (ended.status.code(), ended.stdout.as_str()),
                (Some(0), "make: installing strace\n"),
                "{ended:?}"
            );
            assert_eq!(installed, "update -qq\ninstall -y -qq strace\n");
        } else {
            assert!(ended.stderr.contains("make: there is no strace: sudo apt-get install strace\n"), "{ended:?}");
            assert_eq!((ended.status.success(), installed.as_str()), (false, ""), "{uid} {has_apt}");
        }
    }
}

fn a_program_that_ctrl_c_has_ended_is_no_error() {
    let folder = TempDir::new();
    for (status, is_success) in [(0, true), (130, true), (2, false), (111, false)] {
        let program = script(&folder, "program", &format!("exit {status}"));
        let ended = run(&mut command(&["run", &format!("rust=echo '{program}'")]), Output::Pipe);
        assert_eq!(ended.status.success(), is_success, "{status}: {ended:?}");
    }
}

/// Runs `make test` with a script in place of cargo, one of whose targets fails. The log has the last run alone.
fn tests_that_fail_make_the_target_fail_and_are_in_the_log() {
    let folder = TempDir::new();
    let target = folder.join("target");
    for failing in ["--test=load", "--doc", "--no-run", "none"] {
        let lines = format!(
            "case \"$*\" in *\"{failing}\"*) status=1;; *) status=0;; esac\n\
             echo \"run $*\"; echo 'test result: ok. 1 passed; 0 failed;'; exit $status"
        );
        let cargo = script(&folder, "cargo", &lines);
        let target_is = format!("TARGET={}", target.display());
        let ended = run(command(&["test", &format!("CARGO={cargo}")]).arg(target_is), Output::Pipe);
        assert_eq!(ended.status.success(), failing == "none", "{failing}: {ended:?}");
        let log = std::fs::read_to_string(target.join("test.log")).unwrap();
        assert_eq!(log.matches("make: status ").count(), 1, "{failing}: {log}");
        if failing != "--no-run" {
            for one in ["--test=server", "--test=load", "--lib --bin=mpserv-audit", "--doc"] {
                let line = format!("run test --no-fail-fast {one}\n");
                assert!(log.contains(&line) && ended.stdout.contains(&line), "{failing}: no {line} in {log}");
            }
            let count = log.matches("1 passed").count();
            let summary = std::fs::read_to_string(target.join("test-summary")).unwrap();
            assert_eq!(summary, format!("{count} passed, 0 failed\n"), "{failing}");
        }
    }
}

/// Watches a child that ends at once, while its parent lives until its state is printed.
fn a_zombie_is_watched() {
    let folder = TempDir::new();
    let fifo = folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let program = script(&folder, "program", &format!("exec <'{}'\ntrue &\nexec cat", fifo.display()));
    let mut watch = command(&["watch-zombies", &format!("rust=echo '{program}'")]);
    let watch = Running::start(&mut watch, Output::Pipe);
    let writer = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
    wait_until("the states are printed", || watch.stdout_so_far().lines().count() >= 4);
    drop(writer);
    let said = watch.wait().stdout;
    let lines: Vec<&str> = said.lines().collect();
    let ["make: the parent sleeps for 30 seconds and does not wait for its child:", head, parent, child, ended, ..] =
        lines.as_slice()
    else {
        panic!("{said}")
    };
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(words(head), ["USER", "PID", "PPID", "TT", "STAT", "COMMAND"], "{said}");
    let (parent, child) = (words(parent), words(child));
    assert_eq!((&child[2], &child[4][..1]), (&parent[1], "Z"), "{said}");
    assert_eq!(*ended, "make: the parent has ended, so init has inherited the zombie and waits for it:");
    let last = "|| echo \"make: ps finds neither $parent nor$child\"";
    assert!(commands(&["watch-zombies"]).contains(last), "what is said when the zombie has gone");
}

/// Compares the first example of the README with the commands of make and the sources of the programs. The illustration
/// shows two lines of make, and then those of the server; the next shows what the client is told and answers.
fn the_readme_shows_what_is_printed() {
    let readme = file("README.md");
    let illustrations: Vec<&str> =
        readme.split("```illustration\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    let [server, client] = illustrations.as_slice() else { panic!("{illustrations:?}") };
    let lines: Vec<&str> = server.lines().collect();
    let ["$ make run-server", started, talk, printed @ ..] = lines.as_slice() else { panic!("{server}") };
    let commands = commands(&["run-server"]);
    let started = started.replace("target/release/echo_mpserv", "$program");
    for line in [started.as_str(), talk] {
        assert!(
            commands.contains(&format!("{line}\";")) || commands.contains(&format!("{line}';")),
            "{line}: {commands}"
        );
    }
    let port = started.split([' ', ';']).nth(2).unwrap();
    assert!(readme.contains(&format!("make run-server     # a multi-process echo server on port {port}\n")), "{port}");
    let without_digits = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let source = file("src/bin/textbook/echo_mpserv.c");
    for line in printed {
        assert!(source.contains(&format!("printf(\"{}", without_digits(line))), "the server does not print {line:?}");
    }
    assert_eq!(printed.len(), 3, "{printed:?}");
    let (said, heard) = client.split_once('\n').unwrap();
    let heard = heard.strip_suffix(&format!("{said}\nq")).unwrap_or_else(|| panic!("{client}"));
    assert!(file("src/bin/textbook/echo_mpclient.c").contains(&format!("printf(\"{heard}%s\"")), "{heard}");
    // The number of programs stands in words.
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/textbook")).unwrap();
    let programs = sources.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "c"));
    assert_eq!(programs.count(), 14, "the documents say fourteen");
    for document in ["README.md", "CHANGELOG.md", "src/docs/textbook.md", "src/docs/audit.md"] {
        assert!(file(document).contains("ourteen"), "{document}");
    }
}
