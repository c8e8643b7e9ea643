//! Tests PROGRAM: the state in which a program starts, and real unchanged programs.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_program_finds_three_descriptors_default_signals_and_an_empty_mask,
    arguments_reach_the_program_as_they_are,
    cat_and_a_shell_script_serve,
    git_clones_from_git_daemon,
    in_fingerd_serves,
    ftpd_serves,
    a_program_with_processes_of_its_own_ends_with_all_of_them,
    a_program_that_is_gone_is_told_and_the_server_goes_on,
    a_program_that_cannot_run_is_named,
    a_directory_is_no_program,
    a_name_with_a_slash_is_not_looked_up,
    the_last_limit_of_a_resource_holds,
    a_limit_may_be_taken_away,
    a_file_that_may_not_be_run_is_told_wherever_it_is_in_path,
    a_client_waits_while_the_program_is_being_written,
    each_error_of_a_program_is_a_pause_or_a_failure,
    an_empty_entry_of_path_is_the_working_directory,
];

fn a_program_finds_three_descriptors_default_signals_and_an_empty_mask() {
    // The server is started with further open descriptors, and with ignored and blocked signals. A shell would change
    // this state, so the programs are run without a shell.
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let output_of = |program: &[&str]| {
        let script = "exec 7</dev/null 8</dev/null; exec \"$@\"";
        let arguments = ["-1", "--pidfile", pidfile.to_str().unwrap(), "--listen", "127.0.0.1:0", "127.0.0.1:0"];
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", MPSERV]).args(arguments).args(program);
        let left = Left { is_ignored: true, is_blocked: true };
        let server = Served::start_ports(left.to(&mut command), 2);
        let _open = (server.connect(), server.connect());
        let output = output_of(&server);
        server.stop();
        output
    };
    // By descriptor 3, ls reads the folder.
    assert_eq!(output_of(&["ls", "/proc/self/fd"]), "0\n1\n2\n3\n");
    let status = output_of(&["cat", "/proc/self/status"]);
    assert_eq!(["SigBlk", "SigIgn", "SigCgt"].map(|set| signals_in(&status, set)), [0; 3], "{status}");
    let links = output_of(&["readlink", "/proc/self/fd/0", "/proc/self/fd/1"]);
    assert!(links.lines().count() == 2 && links.lines().all(|line| line.starts_with("socket:")), "{links}");
}

fn arguments_reach_the_program_as_they_are() {
    let server = Served::start(&["127.0.0.1:0", "--", "printf", "%s|", "-c", "a b", "", "--help", "ü"]);
    assert_eq!(output_of(&server), "-c|a b||--help|ü|");
    server.stop();
}

fn cat_and_a_shell_script_serve() {
    let server = Served::start(&["127.0.0.1:0", "cat"]);
    let mut client = server.connect();
    client.write_all(b"through cat\n").unwrap();
    assert_eq!(finish(client), b"through cat\n");
    server.stop();
    let folder = TempDir::new();
    let script = folder.join("greet");
    write_executable(&script, "#!/bin/sh\nread name\necho \"Hello, $name, of $TCPREMOTEIP\"\n");
    let server = Served::start(&["127.0.0.1:0", script.to_str().unwrap()]);
    let mut client = server.connect();
    client.write_all(b"world\n").unwrap();
    assert_eq!(read_all(&mut client), b"Hello, world, of 127.0.0.1\n");
    server.stop();
}

fn git_clones_from_git_daemon() {
    needs_command("git");
    let folder = TempDir::new();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&folder.0).args(arguments).stdin(Stdio::null());
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "test").env(format!("GIT_{role}_EMAIL"), "test@localhost");
        }
        let ended = run(&mut command, Output::Pipe);
        assert!(ended.status.success(), "{arguments:?}: {}", ended.stderr);
    };
    git(&["init", "-q", "repository"]);
    fs::write(folder.join("repository/file"), "content\n").unwrap();
    git(&["-C", "repository", "add", "file"]);
    git(&["-C", "repository", "commit", "-q", "-m", "first"]);
    let base = format!("--base-path={}", folder.0.display());
    let mut command = mpserv(&["127.0.0.1:0", "git", "daemon", "--inetd", "--export-all", &base]);
    // The owner of the folder is the user of the tests.
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
    let server = Served::start_command(&mut command);
    git(&["clone", "-q", &format!("git://127.0.0.1:{}/repository", server.port()), "clone"]);
    assert_eq!(fs::read_to_string(folder.join("clone/file")).unwrap(), "content\n");
    server.stop();
}

fn in_fingerd_serves() {
    needs_command("finger");
    let fingerd = needs_command("in.fingerd");
    let server = Served::start(&["127.0.0.1:0", fingerd.to_str().unwrap()]);
    let mut client = server.connect();
    client.write_all(b"root\r\n").unwrap();
    let answer = String::from_utf8_lossy(&read_all(&mut client)).into_owned();
    assert!(answer.contains("Login: root"), "{answer}");
    server.stop();
}

fn ftpd_serves() {
    let ftpd = needs_command("ftpd");
    let server = Served::start(&["127.0.0.1:0", ftpd.to_str().unwrap()]);
    let mut client = server.connect();
    client.write_all(b"QUIT\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let answer = String::from_utf8_lossy(&read_all(&mut client)).into_owned();
    assert!(answer.starts_with("220 ") && answer.contains("\r\n221 "), "{answer}");
    server.stop();
}

fn a_program_with_processes_of_its_own_ends_with_all_of_them() {
    let server =
        Served::start(&["--grace", "0.1", "127.0.0.1:0", "sh", "-c", "sleep 600 & sleep 600 & echo ready; wait"]);
    let mut client = server.connect();
    client.read_exact(&mut [0]).unwrap();
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0));
    // Each process of the program holds the connection.
    read_all(&mut client);
}

fn a_program_that_is_gone_is_told_and_the_server_goes_on() {
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    let server = Served::start(&["-v", "127.0.0.1:0", program.to_str().unwrap()]);
    assert_eq!(echo(&mut server.connect(), b"there"), b"there");
    fs::rename(&program, folder.join("elsewhere")).unwrap();
    assert_eq!(read_all(&mut server.connect()), b"");
    let fail = server.wait_events("fail", 1);
    assert_eq!((fail[0].get("call"), fail[0].get("error")), ("execve", "No such file or directory"));
    fs::rename(folder.join("elsewhere"), &program).unwrap();
    assert_eq!(echo(&mut server.connect(), b"back"), b"back");
    server.wait_events("end", 2);
    // The process that could not run the program was reaped at once, and not as an orphan.
    assert_eq!(server.events("orphan").len(), 0);
    server.stop();
}

fn a_program_that_cannot_run_is_named() {
    let folder = TempDir::new();
    let file = folder.join("file");
    fs::write(&file, "not a program").unwrap();
    let last_line = |arguments: &[&str]| {
        let ended = run_mpserv(arguments);
        assert_eq!(ended.status.code(), Some(TROUBLE), "{}", ended.stderr);
        ended.stderr.lines().last().unwrap().to_owned()
    };
    let line = last_line(&["127.0.0.1:0", "no-such-program"]);
    assert!(line.contains("no-such-program: No such file") && line.contains("PATH"), "{line}");
    let line = last_line(&["127.0.0.1:0", file.to_str().unwrap()]);
    assert!(line.contains("Permission denied") && line.contains("chmod +x"), "{line}");
    let line = last_line(&["127.0.0.1:0", folder.0.to_str().unwrap()]);
    assert!(line.contains("Permission denied"), "{line}");
    refused(&["127.0.0.1:0", ""], USAGE, &["no name"]);
}

/// Checks that a file which may not be run gives a better error than a missing file, if PATH has several directories.
fn a_file_that_may_not_be_run_is_told_wherever_it_is_in_path() {
    let (first, second) = (TempDir::new(), TempDir::new());
    fs::write(first.join("prog"), "not a program").unwrap();
    for path in [[&first.0, &second.0], [&second.0, &first.0]] {
        let path = path.map(|folder| folder.to_str().unwrap()).join(":");
        let ended = run(mpserv(&["127.0.0.1:0", "prog"]).env("PATH", path), Output::Pipe);
        is_refusal(&ended, TROUBLE, &["prog: Permission denied", "chmod +x"]);
    }
}

/// Checks that the client waits while a program is being replaced and cannot be run.
fn a_client_waits_while_the_program_is_being_written() {
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    let server = Served::start(&["127.0.0.1:0", program.to_str().unwrap()]);
    let writer = fs::File::options().write(true).open(&program).unwrap();
    let mut client = server.connect();
    client.write_all(b"waited").unwrap();
    let is_told = |line: &Line| ["pause", "fail"].contains(&line.event.as_str());
    let pause = wait_for("the trouble is logged", || server.log().into_iter().find(is_told));
    assert_eq!((pause.event.as_str(), pause.get("error")), ("pause", "Text file busy"));
    assert_eq!(pause.get("why"), "execve");
    drop(writer);
    let mut back = [0; 6];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"waited");
    drop(client);
    server.stop();
}

/// Checks which errors keep the client waiting, because another try may succeed, and which end the connection.
fn each_error_of_a_program_is_a_pause_or_a_failure() {
    let folder = TempDir::new();
    let pauses = ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ETXTBSY", "EINTR"];
    let failures = ["EACCES", "ENOENT", "ENOEXEC", "EPERM", "EIO", "E2BIG", "ELOOP", "EISDIR"];
    for (errno, event) in pauses.map(|errno| (errno, "pause")).into_iter().chain(failures.map(|errno| (errno, "fail")))
    {
        let fault = format!("inject=execve:error={errno}");
        let options = ["-f", "-e", "trace=execve", "-e", &fault];
        let server = Served::start_command(&mut traced(&options, &folder.join(errno), &["127.0.0.1:0", "cat"]));
        let mut client = server.connect();
        let is_told = |line: &Line| ["pause", "fail"].contains(&line.event.as_str());
        let line = wait_for("the error is logged", || server.log().into_iter().find(is_told));
        assert_eq!(line.event, event, "{errno}: {line:?}");
        assert_eq!(line.get(if event == "pause" { "why" } else { "call" }), "execve", "{errno}");
        if event == "fail" {
            assert_eq!(read_all(&mut client), b"", "{errno}");
        }
        server.running.end(Signal::TERM);
    }
}

fn a_directory_is_no_program() {
    let folder = TempDir::new();
    fs::create_dir(folder.join("cat")).unwrap();
    // The search through PATH skips a directory of this name.
    let mut command = mpserv(&["127.0.0.1:0", "cat"]);
    let path = std::env::var("PATH").unwrap();
    let server = Served::start_command(command.env("PATH", format!("{}:{path}", folder.0.display())));
    assert_eq!(echo(&mut server.connect(), b"through cat"), b"through cat");
    server.stop();
    // If there is no other file, the server does not start.
    let mut command = mpserv(&["127.0.0.1:0", "cat"]);
    let ended = run(command.env("PATH", &folder.0), Output::Pipe);
    assert_eq!(ended.status.code(), Some(TROUBLE), "{}", ended.stderr);
    refused_last(&["127.0.0.1:0", folder.join("cat").to_str().unwrap()]);
}

/// Runs a server that ends at once because the program cannot be run.
#[track_caller]
fn refused_last(arguments: &[&str]) {
    let ended = run_mpserv(arguments);
    assert_eq!(ended.status.code(), Some(TROUBLE), "{}", ended.stderr);
    assert!(ended.stderr.lines().all(|line| !line.contains("mpserv: start")), "{}", ended.stderr);
}

/// Checks that the search for a program understands `PATH` as `execvp()` does.
fn an_empty_entry_of_path_is_the_working_directory() {
    let folder = TempDir::new();
    copy_to("/bin/cat", &folder.join("prog"));
    for path in ["", ":", ":/nonexistent", "/nonexistent:", "/nonexistent::/nonexistent"] {
        let mut command = mpserv(&["127.0.0.1:0", "prog"]);
        let server = Served::start_command(command.env("PATH", path).current_dir(&folder.0));
        assert_eq!(echo(&mut server.connect(), b"through cat"), b"through cat", "{path:?}");
        server.stop();
    }
}

fn a_name_with_a_slash_is_not_looked_up() {
    let folder = TempDir::new();
    fs::create_dir(folder.join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/echo", folder.join("bin/program")).unwrap();
    for name in ["bin/program", "./bin/program"] {
        let mut command = mpserv(&["127.0.0.1:0", name, "found"]);
        let server = Served::start_command(command.current_dir(&folder.0).env("PATH", "/bin:/usr/bin"));
        assert_eq!(output_of(&server), "found\n", "{name}");
        server.stop();
    }
}

fn the_last_limit_of_a_resource_holds() {
    let limits = ["--rlimit", "nofile=20", "--rlimit", "cpu=77", "--rlimit", "nofile=30", "127.0.0.1:0"];
    let output = program_output(&[&limits[..], &["sh", "-c", "ulimit -n; ulimit -t"]].concat());
    assert_eq!(output, "30\n77\n");
    // A built-in service sets them by itself, in a preforked process as well.
    for pool in [&[][..], &["--prefork", "1"]] {
        let server = Served::start(&[pool, &limits].concat());
        let _client = server.client();
        let text = fs::read_to_string(format!("/proc/{}/limits", children(server.pid())[0])).unwrap();
        let limit = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}: {text}")).split_whitespace().take(2).collect::<Vec<_>>()
        };
        assert_eq!((limit("Max open files"), limit("Max cpu time")), (vec!["30"; 2], vec!["77"; 2]), "{pool:?}");
        server.running.end(Signal::QUIT);
    }
}

/// Checks the soft and the hard limit.
fn a_limit_may_be_taken_away() {
    needs_root();
    let limits = ["--rlimit", "core=0", "--rlimit", "core=unlimited", "--rlimit", "fsize=1024", "127.0.0.1:0"];
    let output =
        program_output(&[&limits[..], &["sh", "-c", "ulimit -Sc; ulimit -Hc; ulimit -Sf; ulimit -Hf"]].concat());
    assert_eq!(output, "unlimited\nunlimited\n2\n2\n");
}
