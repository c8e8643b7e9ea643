//! Tests SIGUSR2: a successor is started, and takes over or fails.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::status::parse_json;
use crate::tests;
use mpserv::process::{Pid, exists};
use mpserv::server::limits::{EARLIER_MAX, READY_WITHIN};
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    a_server_that_is_killed_while_another_starts_is_succeeded,
    a_client_is_served_to_its_end_by_the_one_that_has_it,
    one_that_was_left_signals_ignored_or_blocked_is_succeeded,
    one_that_was_succeeded_still_obeys,
    one_that_was_succeeded_is_hurried_by_a_second_signal,
    a_client_that_waits_for_a_process_is_served_after_the_handover,
    a_unix_socket_stays_and_is_removed_by_the_last,
    the_socket_of_another_server_at_the_path_stays,
    a_socket_is_removed_only_if_its_predecessor_names_its_file,
    a_successor_whose_rules_have_a_mistake_does_not_take_over,
    as_pid_1_it_is_refused,
    under_another_name_it_is_found,
    one_whose_path_is_gone_is_found_by_its_name_before_the_file_that_runs,
    a_relative_path_is_that_of_the_file_that_runs,
    a_reader_of_the_ports_that_has_gone_does_not_matter,
    the_reason_of_a_successor_that_fails_is_in_the_log,
    the_reason_of_a_successor_that_fails_late_is_in_the_log,
    three_generations_serve_their_clients_to_the_end,
    the_handover_names_the_successor_and_counts_the_clients,
    the_new_program_has_no_signal_blocked,
    while_a_successor_starts_another_is_refused,
    after_a_restart_that_failed_it_waits_for_clients_as_before,
    the_newest_of_many_earlier_servers_are_shown,
    servers_that_have_ended_take_no_place_in_the_status,
    a_child_made_while_a_successor_starts_lacks_its_pipe,
    a_child_has_nothing_but_its_connection,
    a_successor_has_the_environment_of_its_user,
    a_successor_has_no_descriptor_too_many,
    a_successor_has_its_time_to_become_ready,
];

/// A server and its successors. The process in the pidfile is ended with the test.
pub(crate) struct Dynasty {
    pub(crate) first: Served,
    pub(crate) pidfile: PathBuf,
    pub(crate) folder: TempDir,
}

impl Dynasty {
    pub(crate) fn start(arguments: &[&str]) -> Dynasty {
        Dynasty::start_as(arguments, |command| command)
    }

    /// Starts `mpserv` through a link that a test may redirect. `change` changes the command.
    pub(crate) fn start_as(arguments: &[&str], change: impl FnOnce(&mut Command) -> &mut Command) -> Dynasty {
        let folder = TempDir::new();
        let (pidfile, program) = (folder.join("pid"), folder.join("mpserv"));
        // A copy would be open for writing for a moment, also in processes that other tests start. No process can run
        // such a file.
        std::os::unix::fs::symlink(MPSERV, &program).unwrap();
        let mut command = Command::new(&program);
        command.args(["-1", "--pidfile"]).arg(&pidfile).args(arguments);
        let first = Served::start_command(change(&mut command));
        Dynasty { first, pidfile, folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("mpserv")
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        Pid::from_raw(fs::read_to_string(&self.pidfile).ok()?.trim().parse().ok()?)
    }

    /// Whether the pidfile names this process.
    pub(crate) fn names(&self, pid: u32) -> bool {
        self.pid().is_some_and(|named| named.raw() as u32 == pid)
    }

    pub(crate) fn restart(&self) {
        kill(self.pid().unwrap(), Signal::USR2).unwrap();
    }

    /// Sends SIGUSR2 and waits until another process serves. Returns the id of the process that served before.
    pub(crate) fn succeed(&self) -> Pid {
        let before = self.pid().unwrap();
        let handovers = self.first.log().iter().filter(|line| line.event == "handover").count();
        self.restart();
        wait_until("another process has the pidfile", || self.pid().is_some_and(|now| now != before));
        // The successor writes its id before it says that it is ready. If it ended now, it would not take over.
        self.first.wait_events("handover", handovers + 1);
        before
    }

    /// Replaces the program by a script, in one step.
    pub(crate) fn replace_program(&self, script: &str) {
        let new = self.folder.join("new");
        fs::write(&new, script).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, self.program()).unwrap();
    }

    /// Stops the last server.
    pub(crate) fn stop(self) -> Vec<Line> {
        let last = self.pid().unwrap();
        kill(last, Signal::TERM).unwrap();
        wait_until("the last one ends", || !exists(last) || state(last.raw() as u32) == Some('Z'));
        assert!(!self.pidfile.exists(), "the pidfile is gone");
        wait_until("the first one ends", || state(self.first.pid()) == Some('Z'));
        // The servers between the first and the last end by themselves, each after its last client.
        wait_until("all have ended", || {
            let log = self.first.log();
            let count = |event: &str| log.iter().filter(|line| line.event == event).count();
            count("stopped") == count("start")
        });
        self.first.log()
    }
}

impl Drop for Dynasty {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill(pid, Signal::KILL);
        }
    }
}

/// Checks that the handover succeeds even if the server is killed in its middle, because the new program has the
/// sockets.
fn a_server_that_is_killed_while_another_starts_is_succeeded() {
    let trace = TempDir::new();
    let dynasty = Dynasty::start_as(&["127.0.0.1:0"], |command| {
        let mut strace = Command::new("strace");
        // The server asks for room for its port, waits, gets the signal, starts its successor, and is killed as it
        // waits again.
        strace.args(["-D", "-q", "-e", "trace=poll", "-e", "inject=poll:signal=KILL:when=3", "-o"]);
        strace.arg(trace.join("trace")).arg(command.get_program()).args(command.get_args());
        *command = strace;
        command
    });
    // The successor begins when its predecessor has been killed.
    let fifo = dynasty.folder.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    dynasty.replace_program(&format!("#!/bin/sh\nread go < '{}'\nexec '{MPSERV}' \"$@\"\n", fifo.display()));
    dynasty.restart();
    wait_until("it is killed", || state(dynasty.first.pid()) == Some('Z'));
    fs::write(&fifo, "go\n").unwrap();
    dynasty.first.wait_events("start", 2);
    // The successor says so, and that nobody hears it.
    let fail = &dynasty.first.wait_events("fail", 1)[0];
    assert_eq!((fail.get("call"), fail.get("error")), ("write", "Broken pipe"), "{fail:?}");
    assert_eq!(finish(dynasty.first.client()), b"");
    kill(dynasty.pid().unwrap(), Signal::TERM).unwrap();
    dynasty.first.wait_events("stopped", 1);
    wait_until("the pidfile is gone", || !dynasty.pidfile.exists());
}

fn a_client_is_served_to_its_end_by_the_one_that_has_it() {
    for arguments in [&[][..], &["--prefork", "2"]] {
        let arguments: Vec<&str> = arguments.iter().chain(&["127.0.0.1:0"]).copied().collect();
        let dynasty = Dynasty::start(&arguments);
        let mut client = dynasty.first.client();
        let before = dynasty.succeed();
        dynasty.first.wait_events("handover", 1);
        // The successor is a child of the server, too. The other children of the pool have ended.
        wait_until("there are two children", || children(dynasty.first.pid()).len() == 2);
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert!(exists(before), "it stays for its client");
        let mut other = dynasty.first.client();
        assert_eq!(finish(client), b"");
        wait_until("it ends after its client", || state(dynasty.first.pid()) == Some('Z'));
        assert_eq!(echo(&mut other, b"and I"), b"and I");
        drop(other);
        dynasty.stop();
    }
}

fn one_that_was_left_signals_ignored_or_blocked_is_succeeded() {
    for left in Left::ALL {
        for pool in [&[][..], &["--prefork", "2"]] {
            let dynasty = Dynasty::start_as(&[pool, &["127.0.0.1:0"]].concat(), |command| left.to(command));
            let mut client = dynasty.first.client();
            dynasty.succeed();
            assert_eq!(echo(&mut client, b"still here"), b"still here", "{left:?}");
            drop(client);
            wait_until("it ends after its client", || state(dynasty.first.pid()) == Some('Z'));
            drop(dynasty.first.client());
            dynasty.stop();
        }
    }
}

fn one_that_was_succeeded_still_obeys() {
    let dynasty = Dynasty::start(&["--grace", "0.1", "127.0.0.1:0"]);
    let mut client = dynasty.first.client();
    dynasty.succeed();
    dynasty.first.wait_events("handover", 1);
    dynasty.first.running.signal(Signal::TERM);
    assert_eq!(read_all(&mut client), b"");
    wait_until("it ends", || state(dynasty.first.pid()) == Some('Z'));
    drop(dynasty.first.client());
    let log = dynasty.stop();
    let stopped: Vec<&Line> = log.iter().filter(|line| line.event == "stopped").collect();
    assert_eq!(stopped[0].number("terminated"), 1, "{stopped:?}");
}

fn one_that_was_succeeded_is_hurried_by_a_second_signal() {
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let mut client = dynasty.first.client();
    dynasty.succeed();
    dynasty.first.wait_events("handover", 1);
    for (count, grace) in [(1, "30.000"), (2, "0.000")] {
        dynasty.first.running.signal(Signal::TERM);
        assert_eq!(dynasty.first.wait_events("stop", count)[count - 1].get("grace"), grace, "signal {count}");
    }
    assert_eq!(read_all(&mut client), b"");
    dynasty.stop();
}

/// Checks that a server serves the client for which it could start no process yet, although another server takes over.
fn a_client_that_waits_for_a_process_is_served_after_the_handover() {
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    let dynasty = Dynasty::start(&["127.0.0.1:0", program.to_str().unwrap()]);
    // A file that is open for writing cannot be run.
    let writer = fs::File::options().write(true).open(&program).unwrap();
    let mut client = dynasty.first.connect();
    client.write_all(b"waited").unwrap();
    dynasty.first.wait_events("pause", 1);
    dynasty.succeed();
    drop(writer);
    assert_eq!(String::from_utf8(finish(client)).unwrap(), "waited");
    dynasty.stop();
}

fn a_unix_socket_stays_and_is_removed_by_the_last() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    let dynasty = Dynasty::start(&["--listen", &address, "127.0.0.1:0"]);
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let before = inode(&path);
    for _ in 0..3 {
        dynasty.succeed();
    }
    assert_eq!(inode(&path), before);
    assert_echo_at(&path);
    dynasty.stop();
    assert!(!path.exists());
}

/// Checks that an echo server answers at the path of a socket.
fn assert_echo_at(path: &Path) {
    let mut client = watched(UnixStream::connect(path).unwrap());
    client.write_all(b"x").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(&client).unwrap(), "x");
}

/// Removes the file of the socket, and lets another server listen at the path, before the restart.
fn the_socket_of_another_server_at_the_path_stays() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let address = format!("unix:{}", path.display());
    let dynasty = Dynasty::start(&["--listen", &address, "127.0.0.1:0"]);
    fs::remove_file(&path).unwrap();
    let other = Served::start(&["--listen", &address, "127.0.0.1:0"]);
    dynasty.succeed();
    dynasty.stop();
    assert_echo_at(&path);
    other.stop();
    assert!(!path.exists());
}

/// Starts a successor whose predecessor names the file of the socket, another file, or no file, as an earlier version.
fn a_socket_is_removed_only_if_its_predecessor_names_its_file() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    for (difference, is_removed) in [(Some(0), true), (Some(1), false), (None, false)] {
        let listener = UnixListener::bind(&path).unwrap();
        let file = fs::metadata(&path).unwrap();
        let identity = difference.map(|difference| format!(":{}:{}", file.dev(), file.ino() + difference));
        let passed = format!("MPSERV_INHERIT=$$,4,0,3{}", identity.unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{passed} exec '{MPSERV}' 127.0.0.1:0 3<&0 4>/dev/null </dev/null")]);
        let server = Running::start(command.stdin(std::os::fd::OwnedFd::from(listener)), Output::Pipe);
        wait_until("the server starts", || server.stderr_so_far().contains("mpserv: start "));
        drop(UnixStream::connect(&path).unwrap());
        let ended = server.end(Signal::TERM);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(path.exists(), !is_removed, "{difference:?}: {}", ended.stderr);
        let _ = fs::remove_file(&path);
    }
}

fn a_successor_whose_rules_have_a_mistake_does_not_take_over() {
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow all\n").unwrap();
    let dynasty = Dynasty::start(&["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    fs::write(&rules, "# nobody\n\ndeny 127.0.0.1/8\n").unwrap();
    let before = dynasty.pid();
    dynasty.restart();
    // The successor itself reports the mistake in the rules.
    for text in ["rules:3: 127.0.0.1/8: bits beyond", "mpserv: restart error=\"it ended before it was ready: "] {
        wait_until(text, || dynasty.first.running.stderr_so_far().contains(text));
    }
    assert_eq!(dynasty.pid(), before);
    assert_eq!(finish(dynasty.first.client()), b"");
    dynasty.first.running.signal(Signal::TERM);
    wait_until("it ends", || state(dynasty.first.pid()) == Some('Z'));
}

/// Runs the server as the first process of a new PID namespace, whose other processes end with it.
fn as_pid_1_it_is_refused() {
    needs_root();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]).args([MPSERV, "-1", "127.0.0.1:0"]);
    let server = Served::start_command(&mut unshare);
    let first = children(server.pid())[0];
    signal(first, Signal::USR2);
    let refused = server.wait_events("restart", 1);
    assert!(refused[0].get("refused").contains("PID 1"), "{refused:?}");
    signal(first, Signal::HUP);
    server.wait_events("reload", 1);
    assert_eq!(finish(server.client()), b"");
    signal(first, Signal::TERM);
    assert_eq!(server.running.wait().status.code(), Some(0));
}

/// Starts the server under another name, as `exec -a` of shells and `ExecStart=@` of systemd do.
fn under_another_name_it_is_found() {
    for name in ["a-name-of-no-file", "true", "/no/such/path"] {
        let dynasty = Dynasty::start_as(&["127.0.0.1:0"], |command| command.arg0(name));
        dynasty.succeed();
        assert_eq!(finish(dynasty.first.client()), b"");
        let program = dynasty.program().display().to_string();
        let log = dynasty.stop();
        let restart = log.iter().find(|line| line.event == "restart").unwrap();
        assert_eq!(restart.get("program"), program, "{name}");
    }
}

/// Checks that the new file at the name of the server wins against the old file, which still runs.
fn one_whose_path_is_gone_is_found_by_its_name_before_the_file_that_runs() {
    let folder = TempDir::new();
    let moved = folder.join("moved");
    std::os::unix::fs::symlink(MPSERV, &moved).unwrap();
    for (name, found) in [
        (moved.to_str().unwrap(), moved.to_str().unwrap()),
        ("/no/such/path", "/proc/self/exe"),
        // The working directory may be another by now.
        ("./moved", "/proc/self/exe"),
        // A name without a slash is looked up where a shell looks.
        ("moved", moved.to_str().unwrap()),
    ] {
        let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
        let dynasty =
            Dynasty::start_as(&["127.0.0.1:0"], |command| command.current_dir(&folder.0).env("PATH", &path).arg0(name));
        fs::remove_file(dynasty.program()).unwrap();
        dynasty.succeed();
        let log = dynasty.stop();
        let restart = log.iter().find(|line| line.event == "restart").unwrap();
        assert_eq!(restart.get("program"), found, "{name}");
    }
}

/// Checks that a relative path, which would lead elsewhere in another working directory, is not looked up again.
fn a_relative_path_is_that_of_the_file_that_runs() {
    let folder = TempDir::new();
    let program = copy_program(MPSERV, &folder);
    for script in ["cd \"$0\" && exec ./program -1 127.0.0.1:0", "cd / && exec \"${0#/}/program\" -1 127.0.0.1:0"] {
        let server = Served::start_command(Command::new("sh").args(["-c", script]).arg(&folder.0));
        let new = folder.join("new");
        copy_to(MPSERV, &new);
        fs::rename(&new, &program).unwrap();
        server.running.signal(Signal::USR2);
        let restart = &server.wait_events("restart", 1)[0];
        assert_eq!(restart.get("program"), program.to_str().unwrap(), "{script}");
        let successor = restart.number("pid");
        server.wait_events("handover", 1);
        send(successor, Signal::TERM);
        assert_eq!(server.running.wait().status.code(), Some(0));
    }
}

/// Checks that a successor prints no port. The reader of the ports (option `-1`) has read those of the first server,
/// and has ended.
fn a_reader_of_the_ports_that_has_gone_does_not_matter() {
    let folder = TempDir::new();
    let log = folder.join("log");
    let stderr = fs::File::create(&log).unwrap();
    let mut command = mpserv(&["127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    signal(server.id(), Signal::USR2);
    let read = || parse_log(&fs::read_to_string(&log).unwrap());
    let by =
        wait_for("the handover", || read().iter().find(|line| line.event == "handover").map(|line| line.number("by")));
    wait_until("the first server ends", || server.try_wait().unwrap().is_some());
    assert_eq!(echo(&mut connect(port), b"second"), b"second");
    send(by, Signal::TERM);
    wait_until("the second server ends", || nobody_listens(port));
}

/// A program that closes unknown descriptors, as many daemons do, and goes on.
const CLOSES_ALL: &str = "#!/usr/bin/env python3\nimport os, time\nos.closerange(3, 1024)\ntime.sleep(1000)\n";

fn the_reason_of_a_successor_that_fails_is_in_the_log() {
    needs_command("python3");
    for (script, why) in [
        ("no program\n", "it ended before it was ready: execve: Exec format error"),
        ("#!/bin/sh\nexit 3\n", "it ended before it was ready (exit 3), and gave no reason: is the file mpserv?"),
        (
            "#!/bin/sh\nkill -KILL $$\n",
            "it ended before it was ready (SIGKILL), and gave no reason: is the file mpserv?",
        ),
        (CLOSES_ALL, "it has closed its descriptors without an answer: is the file mpserv?"),
    ] {
        let dynasty = Dynasty::start(&["127.0.0.1:0"]);
        dynasty.replace_program(script);
        dynasty.restart();
        let failed = wait_for("the restart fails", || {
            dynasty.first.events("restart").into_iter().find_map(|line| line.fields.get("error").cloned())
        });
        assert_eq!(failed, why);
        assert_eq!(finish(dynasty.first.client()), b"");
        dynasty.stop();
    }
    // The newer program does not accept the command line. That program also prints the reason, which is no line of the
    // log.
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    dynasty.replace_program(&format!("#!/bin/sh\nexec {MPSERV} --no-such-option\n"));
    dynasty.restart();
    let why = "mpserv: restart error=\"it ended before it was ready: --no-such-option";
    wait_until("the restart fails", || dynasty.first.running.stderr_so_far().contains(why));
    assert_eq!(finish(dynasty.first.client()), b"");
    dynasty.first.running.signal(Signal::TERM);
    wait_until("it ends", || state(dynasty.first.pid()) == Some('Z'));
}

/// Lets calls of the successor fail that come after it has its sockets.
fn the_reason_of_a_successor_that_fails_late_is_in_the_log() {
    for (fault, why) in [
        ("signalfd4:error=EMFILE", "it ended before it was ready: cannot serve: signalfd: Too many open files"),
        ("memfd_create:error=ENOMEM", "it ended before it was ready: cannot serve: the scoreboard (memfd_create, "),
        ("lseek:error=EIO", "it ended before it was ready: pidfile "),
    ] {
        let dynasty = Dynasty::start(&["127.0.0.1:0"]);
        let strace = format!("strace -D -q -o {NOWHERE} -e inject={fault}");
        dynasty.replace_program(&format!("#!/bin/sh\nexec {strace} '{MPSERV}' \"$@\"\n"));
        dynasty.restart();
        let failed = wait_for("the restart fails", || {
            let log = dynasty.first.running.stderr_so_far();
            log.lines().find(|line| line.contains("restart error=")).map(str::to_owned)
        });
        assert!(failed.contains(why), "{failed}");
        assert!(dynasty.names(dynasty.first.pid()));
        assert_eq!(finish(dynasty.first.client()), b"");
        dynasty.first.running.signal(Signal::TERM);
        wait_until("it ends", || state(dynasty.first.pid()) == Some('Z'));
    }
}

/// Makes a second and a third restart while the clients of the first server are still connected.
fn three_generations_serve_their_clients_to_the_end() {
    for pool in [&[][..], &["--prefork", "2"]] {
        let dynasty = Dynasty::start(&[pool, &["127.0.0.1:0"]].concat());
        let mut clients = vec![dynasty.first.client()];
        let mut servers = vec![dynasty.pid().unwrap()];
        for generation in 1..=2 {
            dynasty.succeed();
            dynasty.first.wait_events("handover", generation);
            // Only the child with the client and the successor are left, even of a pool.
            let before = servers.last().unwrap().raw() as u32;
            wait_until("there are two children", || children(before).len() == 2);
            servers.push(dynasty.pid().unwrap());
            clients.push(dynasty.first.client());
        }
        for (client, server) in clients.iter_mut().zip(&servers) {
            assert_eq!(echo(client, b"still here"), b"still here");
            assert!(exists(*server), "it stays for its client");
        }
        // A client may have its answer before its server itself has counted the child.
        let shown = wait_for("each server shows its client", || {
            let shown = run_mpserv(&["--status", dynasty.pidfile.to_str().unwrap()]);
            let counts = |server: &Pid| shown.stdout.contains(&format!("mpserv {server}: 1 of "));
            servers.iter().all(counts).then_some(shown)
        });
        for client in &clients {
            assert!(shown.stdout.contains(&format!("  {}\n", client.local_addr().unwrap())), "{}", shown.stdout);
        }
        assert_eq!(shown.stdout.matches("Before the restart").count(), 2, "{}", shown.stdout);
        let shown = run_mpserv(&["--status", dynasty.pidfile.to_str().unwrap(), "--json"]);
        let status = parse_json(&shown.stdout);
        assert_eq!(
            (status["pid"].as_str(), status["earlier"].as_str()),
            (&*servers[2].to_string(), "2"),
            "{status:#?}"
        );
        for (index, client) in clients.iter().take(2).enumerate() {
            // A pool may still show a child that has just ended.
            let mut addresses =
                (0..2).filter_map(|child| status.get(&format!("earlier.{index}.children.{child}.client")));
            let address = format!("\"{}\"", client.local_addr().unwrap());
            assert!(addresses.any(|shown| *shown == address), "{status:#?}");
        }
        for client in clients {
            assert_eq!(finish(client), b"");
        }
        let log = dynasty.stop();
        let stopped = log.iter().filter(|line| line.event == "stopped");
        let drained: Vec<u64> = stopped.map(|line| line.number("accepted")).collect();
        assert_eq!(drained, [1, 1, 1], "{log:#?}");
    }
}

/// Makes one restart more than `--status` can show, while each server has a client.
fn the_newest_of_many_earlier_servers_are_shown() {
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for generation in 1..=EARLIER_MAX + 1 {
        clients.push(dynasty.first.client());
        servers.push(dynasty.succeed());
        dynasty.first.wait_events("handover", generation);
    }
    let shown = run_mpserv(&["--status", dynasty.pidfile.to_str().unwrap(), "--json"]);
    let status = parse_json(&shown.stdout);
    let newest: Vec<String> = servers[servers.len() - EARLIER_MAX..].iter().map(Pid::to_string).collect();
    assert_eq!(status["earlier"], EARLIER_MAX.to_string(), "{status:#?}");
    let earlier: Vec<&String> = (0..EARLIER_MAX).map(|index| &status[&format!("earlier.{index}.pid")]).collect();
    assert_eq!(earlier, newest.iter().collect::<Vec<_>>(), "{status:#?}");
    // The same servers stop together with the newest one.
    let before = dynasty.first.events("stop").len();
    kill(dynasty.pid().unwrap(), Signal::TERM).unwrap();
    dynasty.first.wait_events("stop", before + EARLIER_MAX + 1);
    for client in clients {
        assert_eq!(finish(client), b"");
    }
    dynasty.first.wait_events("stopped", EARLIER_MAX + 2);
    assert_eq!(dynasty.first.events("stop").len(), before + EARLIER_MAX + 1);
    wait_until("the pidfile is gone", || !dynasty.pidfile.exists());
}

/// Checks that the status shows the first server, which has a client, after many servers have come and gone, and stay as
/// zombies.
fn servers_that_have_ended_take_no_place_in_the_status() {
    // This process gets the servers whose parents have ended, and reaps none.
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let client = dynasty.first.client();
    dynasty.succeed();
    for _ in 0..=EARLIER_MAX {
        let before = dynasty.succeed();
        // The first server reaps the second one.
        wait_until("it has ended", || is_gone(before.raw() as u32));
    }
    let shown = run_mpserv(&["--status", dynasty.pidfile.to_str().unwrap(), "--json"]);
    let status = parse_json(&shown.stdout);
    assert_eq!(status["earlier"], "1", "{status:#?}");
    assert_eq!(status["earlier.0.pid"], dynasty.first.pid().to_string(), "{status:#?}");
    drop(client);
    dynasty.stop();
}

/// Checks that a child lacks the pipes, because it could take the successor's answer or orders from the server.
/// Checks a child that serves a client itself, and one that is a program.
fn a_child_made_while_a_successor_starts_lacks_its_pipe() {
    let pipes = |pid: u32| -> Vec<PathBuf> {
        let links =
            fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_str().is_some_and(|link| link.starts_with("pipe:"))).collect()
    };
    for arguments in [&["127.0.0.1:0"][..], &["127.0.0.1:0", "cat"]] {
        let dynasty = Dynasty::start(arguments);
        let server = dynasty.first.pid();
        let before = pipes(server);
        dynasty.replace_program("#!/bin/sh\nexec sleep 1000\n");
        dynasty.restart();
        dynasty.first.wait_events("restart", 1);
        let of_successor: Vec<PathBuf> = pipes(server).into_iter().filter(|pipe| !before.contains(pipe)).collect();
        assert_eq!(of_successor.len(), 2);
        let mut client = dynasty.first.client();
        assert_eq!(echo(&mut client, b"served"), b"served");
        let lacks_all = |child: &u32| pipes(*child).iter().all(|pipe| !of_successor.contains(pipe));
        let child = children(server).into_iter().find(lacks_all);
        assert!(child.is_some(), "one of the children, the successor, has the pipes, and the other has none");
        // The successor has the other end of each pipe, and no more.
        let successor = children(server).into_iter().find(|child| !lacks_all(child)).unwrap();
        let count = || pipes(successor).iter().filter(|pipe| of_successor.contains(pipe)).count();
        wait_until("the successor has two ends of the pipes", || count() == of_successor.len());
        drop(client);
        dynasty.stop();
    }
}

/// Checks all descriptors of a child of a server that has a predecessor, a service manager and a pidfile.
fn a_child_has_nothing_but_its_connection() {
    let folder = TempDir::new();
    let manager = folder.join("notify");
    let _manager = UnixDatagram::bind(&manager).unwrap();
    let dynasty = Dynasty::start_as(&["127.0.0.1:0"], |command| command.env("NOTIFY_SOCKET", &manager));
    let earlier = dynasty.first.client();
    dynasty.succeed();
    let client = dynasty.first.client();
    let child = children(dynasty.pid().unwrap().raw() as u32)[0];
    let entries = fs::read_dir(format!("/proc/{child}/fd")).unwrap();
    let numbers = entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap());
    let further: Vec<u32> = numbers.filter(|number| *number > 2).collect();
    let link = |number: &u32| fs::read_link(format!("/proc/{child}/fd/{number}")).unwrap().display().to_string();
    let links: Vec<String> = further.iter().map(link).collect();
    assert!(links.len() == 1 && links[0].starts_with("socket:"), "{links:?}");
    drop((earlier, client));
    dynasty.stop();
}

/// Also checks that the children of a successor have no signal blocked, although its predecessor has.
fn the_handover_names_the_successor_and_counts_the_clients() {
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let client = dynasty.first.client();
    dynasty.succeed();
    let successor = dynasty.pid().unwrap().raw() as u32;
    let line = &dynasty.first.wait_events("handover", 1)[0];
    assert_eq!((line.number("by"), line.number("children")), (successor.into(), 1));
    let next = dynasty.first.client();
    let child = children(successor)[0];
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    assert_eq!(signals_in(&status, "SigBlk"), 0, "{status}");
    drop((client, next));
    dynasty.stop();
}

/// Checks the program that is run in place of the server, which itself has signals blocked. A shell would unblock them.
fn the_new_program_has_no_signal_blocked() {
    needs_command("python3");
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let found = dynasty.folder.join("status");
    let script = "#!/usr/bin/env python3\nimport shutil\nshutil.copy('/proc/self/status', 'FOUND')\n";
    dynasty.replace_program(&script.replace("FOUND", found.to_str().unwrap()));
    let own = fs::read_to_string(format!("/proc/{}/status", dynasty.first.pid())).unwrap();
    assert_ne!(signals_in(&own, "SigBlk"), 0, "{own}");
    dynasty.restart();
    dynasty.first.wait_events("restart", 2);
    let status = fs::read_to_string(&found).unwrap();
    assert_eq!(signals_in(&status, "SigBlk"), 0, "{status}");
    dynasty.stop();
}

fn while_a_successor_starts_another_is_refused() {
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    dynasty.replace_program("#!/bin/sh\nexec sleep 600\n");
    dynasty.restart();
    dynasty.first.wait_events("restart", 1);
    dynasty.restart();
    assert_eq!(dynasty.first.wait_events("restart", 2)[1].get("refused"), "a successor is starting already");
    dynasty.stop();
}

/// Tests a successor that lets accept() wait, as one with preforked processes does, and then fails. Both servers share
/// the listener with its flags.
fn after_a_restart_that_failed_it_waits_for_clients_as_before() {
    needs_command("python3");
    let dynasty = Dynasty::start(&["127.0.0.1:0"]);
    let script = "import os; os.set_blocking(int(os.environ['MPSERV_INHERIT'].split(',')[3]), True)";
    dynasty.replace_program(&format!("#!/bin/sh\nexec python3 -c \"{script}\"\n"));
    dynasty.restart();
    dynasty.first.wait_events("restart", 2);
    // If accept() waited for the next client, the server would hear no signal.
    assert_eq!(finish(dynasty.first.client()), b"");
    dynasty.first.wait_events("end", 1);
    dynasty.stop();
}

/// Checks that the variables about the user are those of the user that the server has become, that those about what was
/// passed to the server itself are gone, and that all others stay.
fn a_successor_has_the_environment_of_its_user() {
    needs_root();
    let nobody = mpserv::user::getpwnam(c"nobody").unwrap();
    let [home, shell] = [nobody.home(), nobody.shell()].map(|text| text.to_str().unwrap());
    let of_nobody = [home, "nobody", "nobody", shell];
    let of_caller = ["/no/home", "me", "who", "/no/shell"];
    let names = ["HOME", "USER", "LOGNAME", "SHELL"];
    for (options, expected) in [(&["-u", "nobody", "127.0.0.1:0"][..], of_nobody), (&["127.0.0.1:0"], of_caller)] {
        let folder = TempDir::new();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
        let (program, trace) = (copy_program(MPSERV, &folder), folder.join("trace"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o711)).unwrap();
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-q", "-v", "-s", "300", "-e", "trace=execve", "-o"]).arg(&trace).arg(&program);
        command.arg("-1").args(options).env("A_THING", "1").stdin(Stdio::null());
        let stale = ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "MPSERV_INHERIT"];
        command.envs(stale.map(|name| (name, "7")));
        let server = Served::start_command(command.envs(names.into_iter().zip(of_caller)));
        // The file of the program that runs is still there, although its name is gone.
        fs::remove_file(&program).unwrap();
        server.running.signal(Signal::USR2);
        let successor = server.wait_events("handover", 1)[0].number("by") as u32;
        assert_eq!(server.wait_events("restart", 1)[0].get("program"), "/proc/self/exe", "{options:?}");
        let text = fs::read_to_string(&trace).unwrap();
        let call = text.lines().rfind(|line| line.contains("execve(")).unwrap();
        for name in stale {
            assert!(!call.contains(&format!("\"{name}=7\"")), "{name}: {call}");
        }
        for (name, value) in names.into_iter().zip(expected).chain([("A_THING", "1")]) {
            let found: Vec<&str> =
                call.split('"').filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).collect();
            assert_eq!(found, [value], "{name} with {options:?}: {call}");
        }
        signal(successor, Signal::TERM);
        server.wait_events("stopped", 2);
    }
}

/// Checks that the sockets to the log daemon and to the service manager, and all else, do not come to a successor twice.
fn a_successor_has_no_descriptor_too_many() {
    needs_root();
    let folder = TempDir::new();
    let [daemon, manager] = ["log", "notify"].map(|name| UnixDatagram::bind(folder.join(name)).unwrap());
    let heard = |socket: &UnixDatagram, what: &str| {
        socket.set_nonblocking(true).unwrap();
        wait_for(what, || {
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer).ok()?;
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            text.contains(what).then_some(text)
        })
    };
    let of = |pid: u32| -> Vec<String> {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|entry| {
            let link = fs::read_link(entry.ok()?.path()).ok()?;
            Some(link.to_str().unwrap().split(':').next().unwrap().to_owned())
        });
        // The first server has further files and pipes of the test, which it keeps from other programs.
        let mut links: Vec<String> = links.filter(|link| !["/dev/null", "pipe"].contains(&&link[..])).collect();
        links.sort();
        links
    };
    let pidfile = folder.join("pid");
    let options = ["--log", "syslog", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"];
    let mut command = with_log_daemon(&folder.join("log"), &options);
    let first = Served::start_command(command.env("NOTIFY_SOCKET", folder.join("notify")));
    heard(&daemon, "]: start ");
    let expected = of(first.pid());
    signal(first.pid(), Signal::USR2);
    heard(&daemon, "]: stopped ");
    let successor: u32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    assert_ne!(successor, first.pid());
    assert_eq!(of(successor), expected);
    signal(successor, Signal::TERM);
    heard(&daemon, "]: stopped ");
    heard(&manager, "STOPPING=1");
}

/// Checks the longest wait of the server for its successor.
fn a_successor_has_its_time_to_become_ready() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-e", "trace=poll"], &trace, &["127.0.0.1:0"]));
    server.running.signal(Signal::USR2);
    let successor = server.wait_events("handover", 1)[0].number("by");
    send(successor, Signal::TERM);
    server.wait_events("stopped", 2);
    let trace = fs::read_to_string(trace).unwrap();
    // The last argument of a call is the longest wait, in milliseconds.
    let waits = trace.lines().filter_map(|line| line.split(") = ").next()?.rsplit(", ").next()?.parse::<u128>().ok());
    let longest = waits.max().unwrap();
    let limit = READY_WITHIN.as_millis();
    assert!((limit / 2..=limit).contains(&longest), "{longest} ms of {limit}: {trace}");
}
