//! mpserv in bad company: processes killed at random, slow clients, a full disk, and whatever a parent may leave behind.

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::random::Random;
use common::server::*;
use common::*;
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

/// Clients come and go while children and parents are killed; every child of a killed parent ends, every new parent
/// serves, and no parent has a zombie, a descriptor or a slot less when the killing stops.
fn killed_at_random(time: Duration) {
    /// A few, with which each slot is taken again and again, and more than there are by default.
    const SLOTS: [usize; 2] = [8, 200];
    let mut random = Random::new(1);
    let start = Instant::now();
    let (mut parents, mut killed, mut most) = (0, 0, 0);
    while start.elapsed() < time || parents < 2 * SLOTS.len() {
        let slots = SLOTS[parents % SLOTS.len()];
        let server = Served::start(&["-q", "--max-children", &slots.to_string(), "127.0.0.1:0"]);
        parents += 1;
        let descriptors = server.descriptors();
        let mut clients: Vec<TcpStream> = (0..slots).map(|_| server.client()).collect();
        for _ in 0..50 {
            while clients.len() < slots {
                let mut client = server.connect();
                // A child that was killed meanwhile has reset it.
                let _ = client.write_all(b"x");
                clients.push(client);
            }
            let all = children(server.pid());
            most = most.max(all.len());
            // Several at once, so that one signal stands for the end of many.
            for pid in all.iter().filter(|_| random.below(8) == 0) {
                let victim = Pid::from_raw(pid.cast_signed()).unwrap();
                // The number of one that has just been waited for is nobody's yet.
                killed += u32::from(kill(victim, Signal::KILL).is_ok());
            }
            for _ in 0..random.below(slots) / 4 {
                clients.swap_remove(random.below(clients.len()));
            }
        }
        if random.below(2) == 0 {
            drop(clients);
            server.wait_childless();
            let mut clients: Vec<TcpStream> = (0..slots).map(|_| server.client()).collect();
            assert_eq!(children(server.pid()).len(), slots, "a slot is lost");
            clients.clear();
            server.wait_childless();
            assert_eq!(server.descriptors(), descriptors, "a descriptor is lost");
            server.stop();
        } else {
            let orphans = children(server.pid());
            server.running.signal(Signal::KILL);
            server.running.wait();
            wait_until("the killed server's children end", || {
                orphans.iter().all(|pid| matches!(state(*pid), None | Some('Z')))
            });
        }
    }
    assert_eq!(most, SLOTS[1], "all of the many were there at once");
    println!("{parents} parents, {killed} children killed");
}

#[test]
fn ten_seconds_of_kill_9() {
    killed_at_random(Duration::from_secs(10));
}

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_kill_9() {
    killed_at_random(Duration::from_secs(600));
}

/// Hundreds of clients that send a byte a second are served all the time, each by its own process, and so are those that
/// come and go meanwhile.
#[test]
fn five_hundred_slow_clients_hinder_no_fast_one() {
    const SLOW: usize = 500;
    const SECONDS: u8 = 3;
    /// As many fast clients come within each second, one after so many bytes of the slow ones.
    const FAST: usize = 50;
    let server = Served::start(&["-q", "--max-children", "600", "127.0.0.1:0"]);
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| server.connect()).collect();
    let serving = wait_for("each slow client has a process", || {
        Some(children(server.pid())).filter(|children| children.len() == SLOW)
    });
    for second in 0..SECONDS {
        let start = Instant::now();
        let fast = || assert_eq!(echo(&mut server.connect(), b"fast"), b"fast", "in second {second}");
        for some in slow.chunks_mut(SLOW / FAST) {
            some.iter_mut().for_each(|client| client.write_all(&[second]).unwrap());
            fast();
        }
        for client in &mut slow {
            let mut back = [0];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [second]);
        }
        // The slow ones have nothing more to say in this second.
        while start.elapsed() < Duration::from_secs(1) {
            fast();
        }
    }
    wait_until("none is left but those of the slow ones", || children(server.pid()) == serving);
    wait_until("each waits for its client", || serving.iter().all(|pid| state(*pid) == Some('S')));
    drop(slow);
    server.wait_childless();
    server.stop();
}

/// How many connections the process has accepted whose trace by `strace -y` this is, and the names of the calls that it
/// made on them.
fn calls_on_connections(trace: &Path) -> (usize, Vec<String>) {
    let trace = fs::read_to_string(trace).unwrap();
    let of_accept = |line: &&str| line.starts_with("accept4(");
    // accept4(3<socket:[1]>, …) = 6<socket:[2]>
    let accepted = |line: &str| Some(line.rsplit_once(" = ")?.1.split_once('<')?.1.to_owned());
    let connections: Vec<String> = trace.lines().filter(of_accept).filter_map(accepted).collect();
    let is_on = |line: &&str| connections.iter().any(|connection| line.contains(&format!("<{connection}")));
    let others = trace.lines().filter(|line| !of_accept(line) && is_on(line));
    (connections.len(), others.map(|line| line.split('(').next().unwrap().to_owned()).collect())
}

#[test]
fn the_parent_reads_no_byte_of_a_client_that_it_serves() {
    const CLIENTS: usize = 3;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    for (options, program, before, accepted, calls) in [
        (&[][..], &[][..], "", CLIENTS, &["close"][..]),
        (&["--sandbox"], &[], "", CLIENTS, &["close"]),
        (&["--proxy-protocol"], &[], header, CLIENTS, &["close"]),
        // Of its own address a program finds something in its environment.
        (&[], &["cat"], "", CLIENTS, &["getsockname", "close"]),
        (&["--prefork", "2"], &[], "", 0, &[]),
    ] {
        let arguments = [options, &["127.0.0.1:0"], program].concat();
        let server = Served::start_command(&mut traced(&["-y"], &trace, &arguments));
        for _ in 0..CLIENTS {
            let mut client = server.connect();
            client.write_all(before.as_bytes()).unwrap();
            assert_eq!(echo(&mut client, b"not for the parent"), b"not for the parent", "{arguments:?}");
            finish(client);
        }
        server.stop();
        let made = calls_on_connections(&trace);
        assert_eq!((made.0, made.1.join(" ")), (accepted, calls.repeat(accepted).join(" ")), "{arguments:?}");
    }
}

#[test]
fn of_a_client_that_it_refuses_the_parent_reads_a_little_once() {
    const MOST: usize = 4096;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-y"], &trace, &["-C", "1", "127.0.0.1:0"]));
    let kept = server.client();
    for sent in [0, 5, 10 * MOST] {
        // All of it is there before the server accepts.
        server.running.signal(Signal::STOP);
        wait_until("it has stopped", || matches!(state(server.pid()), Some('T' | 't')));
        let mut client = server.connect();
        client.write_all(&vec![b'x'; sent]).unwrap();
        server.running.signal(Signal::CONT);
        assert_eq!(read_all(&mut client), b"");
    }
    drop(kept);
    server.stop();
    let (accepted, calls) = calls_on_connections(&trace);
    assert_eq!((accepted, calls.join(" ")), (4, "close".to_owned() + &" sendto recvfrom close".repeat(3)));
    let trace = fs::read_to_string(trace).unwrap();
    let reads = trace.lines().filter(|line| line.starts_with("recvfrom("));
    let read: Vec<&str> = reads.map(|line| line.rsplit_once(" = ").unwrap().1).collect();
    assert_eq!(read, ["-1 EAGAIN (Resource temporarily unavailable)", "5", &MOST.to_string()], "{trace}");
}

#[test]
fn a_full_disk_behind_the_log_stops_nobody() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut command = mpserv(&["127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(full()).spawn().unwrap();
    let mut port = String::new();
    let mut output = server.stdout.take().unwrap();
    let mut byte = [0];
    while !port.ends_with('\n') {
        output.read_exact(&mut byte).unwrap();
        port.push(char::from(byte[0]));
    }
    let port = port.trim().parse().unwrap();
    for _ in 0..3 {
        assert_eq!(echo(&mut connect(port), b"unlogged"), b"unlogged");
    }
    signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_cannot_be_printed_is_an_error_that_says_so() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended = mpserv(&["127.0.0.1:0"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(111), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}

#[test]
fn too_few_descriptors_to_begin_are_named() {
    // Its three and the listener, and with one more the signals.
    for (limit, what) in [(4, "signalfd"), (5, "the scoreboard (memfd_create, ftruncate, mmap)")] {
        let ended =
            run(Command::new("prlimit").args([&format!("--nofile={limit}"), MPSERV, "127.0.0.1:0"]), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
        let told = format!("mpserv: cannot serve: {what}: Too many open files; allow more open files: ulimit -n");
        assert!(ended.stderr.lines().any(|line| line.starts_with(&told)), "{}", ended.stderr);
    }
    // With one more, for the client, it serves.
    let mut command = Command::new("prlimit");
    let server = Served::start_command(command.args(["--nofile=7", MPSERV, "-1", "127.0.0.1:0"]));
    assert_eq!(finish(server.client()), b"");
    server.stop();
}

#[test]
fn where_no_process_can_be_made_clients_are_told() {
    // SAFETY: the call has no precondition.
    if unsafe { mpserv::ffi::unistd::geteuid() } != 0 {
        eprintln!("skipped: only root can start a server as a user who runs nothing else");
        return;
    }
    let folder = TempDir::new();
    let user = user_of_nothing();
    let mut command = Command::new("prlimit");
    command.arg("--nproc=1:1").arg(copy_program(MPSERV, &folder)).args(["-1", "127.0.0.1:0"]).uid(user).gid(user);
    let server = Served::start_command(&mut command);
    let mut client = server.connect();
    assert_eq!(server.wait_events("pause", 1)[0].get("why"), "fork");
    assert_eq!(read_all(&mut client), b"The server is busy. Try again later.\r\n");
    server.stop();
}

#[test]
fn an_empty_environment_is_enough() {
    for program in [&[][..], &["/bin/cat"]] {
        let mut command = mpserv(&["127.0.0.1:0"]);
        command.args(program).env_clear();
        let server = Served::start_command(&mut command);
        assert_eq!(echo(&mut server.connect(), b"bare"), b"bare", "{program:?}");
        server.stop();
    }
}

#[test]
fn without_any_argument_not_even_a_name_it_prints_its_usage() {
    for (program, told) in [(MPSERV, "mpserv: usage: "), (env!("CARGO_BIN_EXE_mpserv-load"), "mpserv-load: no ADDRESS")]
    {
        let ended = run(&mut nameless(Path::new(program)), Output::Pipe);
        assert_eq!(ended.status.code(), Some(100), "{ended:?}");
        assert!(ended.stderr.starts_with(told), "{ended:?}");
    }
}

#[test]
fn no_memory_is_both_writable_and_executable() {
    let server = Served::start(&["127.0.0.1:0"]);
    let _client = server.client();
    for pid in [server.pid(), children(server.pid())[0]] {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        assert!(maps.contains("[stack]"), "{maps}");
        let rights = maps.lines().filter_map(|line| line.split(' ').nth(1));
        assert!(rights.into_iter().all(|rights| !(rights.contains('w') && rights.contains('x'))), "{maps}");
    }
}

/// The time of day may jump: nothing that the server does depends on it. It asks the monotonic clock without a system
/// call, so that no trace could show it: its source does. Only a line of the log in JSON bears the time of day.
#[test]
fn nothing_depends_on_the_time_of_day() {
    let mut waiting = vec![std::path::PathBuf::from("src/server")];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let stamps = usize::from(path.ends_with("log.rs"));
        assert_eq!(text.matches("Clock::REALTIME").count(), stamps, "{}", path.display());
        let clocks = text.matches("Clock::").count();
        assert_eq!(clocks, text.matches("Clock::MONOTONIC").count() + stamps, "{}", path.display());
        files += 1;
    }
    assert!(files > 10);
}

/// In a time namespace whose monotonic clock is years ahead, timeouts last as long as elsewhere.
#[test]
fn a_clock_that_is_years_ahead_changes_nothing() {
    if !has_command("unshare", "util-linux") {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--time", "--fork", "--kill-child", "--monotonic", "1000000000", "true"]);
    if !command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: time namespaces are not permitted here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "1000000000", "--", MPSERV, "-1", "-t", "1", "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    let mut client = server.client();
    let start = Instant::now();
    assert_eq!(read_all(&mut client), b"");
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    drop(client);
    server.stop();
}
