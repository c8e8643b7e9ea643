//! Tests `--prefork` and `--max-requests`: the pool grows, shrinks, and serves.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::accept_errors::ERRNOS_OF_A_CONNECTION;
use crate::common::load::load;
use crate::common::random::Random;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::status::parse_json;
use crate::tests;
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    a_process_serves_one_client_after_another,
    after_so_many_another_takes_its_place,
    a_client_that_is_refused_is_not_one_that_was_served,
    a_client_that_is_told_that_it_is_one_too_many_counts_no_more,
    what_a_process_holds_back_is_summed_up_while_it_serves_and_at_its_end,
    it_grows_by_twice_as_many_each_second_and_shrinks_again,
    one_that_is_killed_is_replaced_at_once,
    those_that_crash_before_they_serve_are_made_ever_more_slowly,
    those_that_crash_with_a_client_are_replaced_at_once,
    one_that_is_retired_before_it_serves_is_no_crash,
    on_the_way_out_clients_are_served_to_their_end,
    a_client_that_is_accepted_at_the_last_moment_counts,
    a_process_that_misses_the_signal_to_retire_gets_another,
    a_process_with_a_client_is_told_to_retire_once,
    a_pool_keeps_time_limits,
    several_listeners_have_one_pool,
    what_does_not_go_together_is_told,
    only_clients_of_killed_processes_fail,
    a_pool_whose_children_cannot_accept_is_no_busy_loop,
    a_pool_outlives_connections_that_are_gone_again,
    a_process_that_is_retired_while_it_looks_for_a_client_ends_without_an_error,
    the_end_of_each_client_is_logged_although_its_process_is_killed,
    a_retired_process_closes_its_listener_and_keeps_the_number,
    a_process_that_is_stopped_while_it_waits_keeps_nobody_waiting,
    ; ignored:
    only_clients_of_killed_processes_fail_of_a_million,
];

/// Returns the number of processes in a pool.
fn size(server: &Served) -> usize {
    children(server.pid()).len()
}

#[track_caller]
fn wait_size(server: &Served, expected: usize) {
    wait_until(&format!("there are {expected} processes"), || size(server) == expected);
}

fn a_process_serves_one_client_after_another() {
    let server = Served::start(&["--prefork", "1", "127.0.0.1:0"]);
    for _ in 0..10 {
        assert_eq!(finish(server.client()), b"");
    }
    let accepts = server.wait_events("accept", 10);
    assert!(accepts.iter().all(|line| line.get("pid") == accepts[0].get("pid")));
    assert_eq!(server.wait_events("end", 10).iter().filter(|line| line.get("exit") == "0").count(), 10);
    let log = server.stop();
    assert_eq!(log.last().unwrap().number("accepted"), 10);
}

fn after_so_many_another_takes_its_place() {
    let server = Served::start(&["--prefork", "1", "--max-requests", "3", "127.0.0.1:0"]);
    for _ in 0..9 {
        assert_eq!(finish(server.client()), b"");
    }
    let accepts = server.wait_events("accept", 9);
    let pids: Vec<&str> = accepts.iter().map(|line| line.get("pid")).collect();
    for three in pids.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{pids:?}");
    }
    assert!(pids[0] != pids[3] && pids[3] != pids[6]);
    server.stop();
}

fn a_client_that_is_refused_is_not_one_that_was_served() {
    let folder = TempDir::new();
    let (rules, pidfile) = (folder.join("rules"), folder.join("pid"));
    let (rules, pidfile) = (rules.to_str().unwrap(), pidfile.to_str().unwrap());
    fs::write(rules, "deny 127.0.0.2\nallow 127.0.0.1\n").unwrap();
    let server = Served::start(&[
        "--prefork",
        "1",
        "--max-requests",
        "2",
        "--rules",
        rules,
        "--pidfile",
        pidfile,
        "127.0.0.1:0",
    ]);
    let refused_then_served = || {
        for _ in 0..3 {
            assert_eq!(read_all(&mut connect_from("127.0.0.2", server.port())), b"");
        }
        let status = || run_mpserv(&["--status", pidfile, "--json"]).stdout;
        wait_until("the process is idle", || status().contains("\"state\":\"idle\""));
        assert_eq!(finish(server.client()), b"");
    };
    refused_then_served();
    server.wait_events("end", 1);
    let shown = parse_json(&run_mpserv(&["--status", pidfile, "--json"]).stdout);
    assert_eq!(shown.get("children.0.served").map(String::as_str), Some("1"), "{shown:?}");
    assert_eq!(shown.get("refused").map(String::as_str), Some("3"), "{shown:?}");
    refused_then_served();
    refused_then_served();
    let accepts = server.wait_events("accept", 3);
    let pids: Vec<&str> = accepts.iter().map(|line| line.get("pid")).collect();
    assert!(pids[0] == pids[1] && pids[1] != pids[2], "{pids:?}");
    server.stop();
}

/// Checks a source at its limit, whose next client comes as soon as another has the message that it is refused: the
/// process that has sent the message does nothing more, because it is stopped.
fn a_client_that_is_told_that_it_is_one_too_many_counts_no_more() {
    let folder = TempDir::new();
    let options = ["-f", "-e", "trace=sendto", "-e", "inject=sendto:signal=STOP:when=1"];
    let arguments = ["--prefork", "2", "--max-per-source", "1:no", "--grace", "0", "127.0.0.1:0"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &arguments));
    let first = server.connect();
    server.wait_events("accept", 1);
    let mut message = [0; 2];
    server.connect().read_exact(&mut message).unwrap();
    assert_eq!(&message, b"no");
    drop(first);
    server.wait_events("end", 1);
    assert_eq!(echo(&mut server.connect(), b"ok"), b"ok");
    server.stop();
}

/// Refuses many clients at once, so that most lines are held back. No line of another refusal follows.
fn what_a_process_holds_back_is_summed_up_while_it_serves_and_at_its_end() {
    const MANY: u64 = 20;
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny 127.0.0.2\nallow 127.0.0.1\n").unwrap();
    let server = Served::start(&["--prefork", "1", "--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    let refuse_many = || {
        (0..MANY).for_each(|_| assert_eq!(read_all(&mut connect_from("127.0.0.2", server.port())), b""));
    };
    let told = |lines: &[Line]| {
        lines.iter().filter(|line| line.event == "refuse").map(|line| line.number("count")).sum::<u64>()
    };
    refuse_many();
    wait_until("a process that serves has told of all refusals", || {
        assert_eq!(finish(server.client()), b"");
        told(&server.log()) == MANY
    });
    refuse_many();
    let log = server.stop();
    assert_eq!(told(&log), 2 * MANY, "{log:?}");
}

fn it_grows_by_twice_as_many_each_second_and_shrinks_again() {
    let server = Served::start(&["--prefork", "2-9", "127.0.0.1:0"]);
    wait_size(&server, 2);
    // All processes are busy at any time, so the pool gets 1, 2 and 4 more processes, and then as many as allowed.
    let start = Instant::now();
    let mut all: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
    let mut sizes = Vec::new();
    wait_until("there are 9 processes", || {
        sizes.push(size(&server));
        sizes.last() == Some(&9)
    });
    let seconds = start.elapsed().as_secs_f64();
    assert!(sizes.is_sorted() && seconds >= 2.0, "grown in {seconds} s: {sizes:?}");
    // The last client waits until another client ends.
    let mut last = all.pop().unwrap();
    std::io::Write::write_all(&mut last, b"last").unwrap();
    all.iter_mut().for_each(|client| assert_eq!(echo(client, b"served"), b"served"));
    assert!(is_silent(&last, Duration::from_millis(1500)));
    assert_eq!(size(&server), 9);
    assert_eq!(finish(all.pop().unwrap()), b"");
    let mut back = [0; 4];
    last.read_exact(&mut back).unwrap();
    drop((all, last));
    // One process ends each second, until the minimum of idle processes is left.
    wait_size(&server, 2);
    assert_eq!(finish(server.client()), b"");
    server.stop();
}

fn one_that_is_killed_is_replaced_at_once() {
    let server = Served::start(&["--prefork", "3", "127.0.0.1:0"]);
    wait_size(&server, 3);
    let mut victim = server.client();
    let mut other = server.client();
    let pid = server.wait_events("accept", 1)[0].get("pid").parse().unwrap();
    kill(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(read_all(&mut victim), b"");
    let end = server.wait_events("end", 1);
    assert_eq!((end[0].get("signal"), end[0].get("pid").parse()), ("SIGKILL", Ok(pid)));
    assert_eq!(echo(&mut other, b"untouched"), b"untouched");
    wait_size(&server, 3);
    drop(other);
    server.stop();
}

/// Checks that clients whose processes crash do not keep the others waiting. If a crash with a client made the next
/// process wait, the pause after a crash without a client would be a longer one.
fn those_that_crash_with_a_client_are_replaced_at_once() {
    let server = Served::start(&["--prefork", "1", "127.0.0.1:0"]);
    for count in 1..=4 {
        let mut client = server.client();
        let pid = server.wait_events("accept", count)[count - 1].number("pid");
        send(pid, Signal::SEGV);
        assert_eq!(read_all(&mut client), b"");
        server.wait_events("end", count);
    }
    let pid = wait_for("there is a process", || children(server.pid()).first().copied());
    signal(pid, Signal::KILL);
    assert_eq!(server.wait_events("leave", 1)[0].get("pause"), "0.100");
    server.stop();
}

fn those_that_crash_before_they_serve_are_made_ever_more_slowly() {
    let server = Served::start(&["--prefork", "1", "127.0.0.1:0"]);
    let start = Instant::now();
    let mut pauses = Vec::new();
    for count in 1..=5 {
        let pid = wait_for("there is a process", || children(server.pid()).first().copied());
        // A child that is about to start cannot be killed twice.
        let _ = kill(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
        let lines = server.wait_events("leave", count);
        pauses.push(lines[count - 1].get("pause").to_owned());
    }
    assert_eq!(pauses, ["0.100", "0.200", "0.400", "0.800", "1.600"]);
    assert!(start.elapsed() >= Duration::from_millis(1500));
    assert_eq!(finish(server.client()), b"", "and then it serves");
    server.stop();
}

/// Checks that no process waits to be made because others were retired before they had served a client.
fn one_that_is_retired_before_it_serves_is_no_crash() {
    const POOL: usize = 3;
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow all\n").unwrap();
    for (listen, call) in [(&[][..], libc::SYS_accept4), (&["--listen", "127.0.0.1:0"], libc::SYS_ppoll)] {
        let options = ["-v", "--prefork", &POOL.to_string(), "--rules", rules.to_str().unwrap(), "127.0.0.1:0"];
        let server = Served::start_ports(&mut mpserv(&[listen, &options].concat()), 1 + listen.len() / 2);
        wait_until("each waits for a client", || {
            let all = children(server.pid());
            all.len() == POOL && all.iter().all(|child| waits_in(*child, call))
        });
        // The processes have the old rules.
        server.running.signal(Signal::HUP);
        for line in server.wait_events("leave", POOL) {
            assert_eq!((line.get("status"), line.get("pause")), ("exit 0", "0.000"), "{line:?}");
        }
        let log = server.stop();
        assert!(log.iter().all(|line| line.event != "fail"), "the signal is no failure: {log:?}");
    }
}

fn on_the_way_out_clients_are_served_to_their_end() {
    let server = Served::start(&["--prefork", "4", "127.0.0.1:0"]);
    let mut client = server.client();
    wait_size(&server, 4);
    server.running.signal(Signal::TERM);
    // The idle processes end, and the process with a client stays.
    wait_size(&server, 1);
    assert_eq!(echo(&mut client, b"still"), b"still");
    // The process with the client also has the listener, but no client may connect and wait in vain.
    assert_eq!(TcpStream::connect(("127.0.0.1", server.port())).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(finish(client), b"");
    let log = parse_log(&server.running.wait().stderr);
    assert_eq!(log.last().unwrap().number("drained"), 4);
}

/// Checks that a client counts as accepted if a process accepts it while the server is told to stop. strace lets the
/// processes return from `accept4()` late.
fn a_client_that_is_accepted_at_the_last_moment_counts() {
    let folder = TempDir::new();
    let options = ["-f", "-e", "trace=accept4", "-e", "inject=accept4:delay_exit=2000000"];
    let server =
        Served::start_command(&mut traced(&options, &folder.join("trace"), &["--prefork", "1", "127.0.0.1:0"]));
    let child = wait_for("there is a process", || children(server.pid()).first().copied());
    wait_until("it waits for a client", || waits_in(child, libc::SYS_accept4));
    let descriptors = || fs::read_dir(format!("/proc/{child}/fd")).unwrap().count();
    let before = descriptors();
    let client = server.connect();
    wait_until("it has accepted", || descriptors() > before);
    server.running.signal(Signal::TERM);
    assert_eq!(finish(client), b"");
    let log = server.stop();
    assert_eq!(log.last().unwrap().number("accepted"), 1, "{log:?}");
}

/// Checks that a process that misses the signal to retire gets another signal. A signal that comes just before the wait
/// for a client has no effect. strace drops the first signals of each process.
fn a_process_that_misses_the_signal_to_retire_gets_another() {
    let folder = TempDir::new();
    let options = ["-e", "trace=kill", "-e", "inject=kill:retval=0:when=1..2"];
    let arguments = ["--prefork", "2", "--grace", "600", "127.0.0.1:0"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &arguments));
    wait_size(&server, 2);
    let log = server.stop();
    let stopped = log.last().unwrap();
    assert_eq!((stopped.number("drained"), stopped.number("terminated")), (2, 0), "{log:?}");
    let trace = fs::read_to_string(folder.join("trace")).unwrap();
    assert_eq!(trace.matches("(INJECTED)").count(), 2, "{trace}");
}

fn a_pool_keeps_time_limits() {
    let server = Served::start(&["--prefork", "2", "--max-lifetime", "0.3", "127.0.0.1:0"]);
    let start = Instant::now();
    assert_eq!(read_all(&mut server.connect()), b"");
    assert!(start.elapsed() >= Duration::from_millis(300));
    server.wait_events("lifetime", 1);
    wait_size(&server, 2);
    server.stop();
    // The end of a lifetime is no crash: the pause after the first crash is the shortest.
    let server = Served::start(&["--prefork", "2", "--max-lifetime", "1", "127.0.0.1:0"]);
    let mut clients = server.clients(2);
    clients.iter_mut().for_each(|client| assert_eq!(read_all(client), b""));
    assert!(server.wait_events("end", 2).iter().all(|line| line.get("signal") == "SIGTERM"));
    // A child that was retired before it was killed has not crashed, and no pause follows. So some are killed.
    const KILLS: usize = 20;
    let pause_after_a_kill = || {
        let pid = wait_for("there is a child", || children(server.pid()).last().copied());
        send(pid.into(), Signal::KILL);
        let is_its_end = |line: &Line| line.get("pid") == pid.to_string();
        wait_for("the child's end is logged", || server.events("leave").into_iter().find(is_its_end))
            .get("pause")
            .to_owned()
    };
    let pause = (0..KILLS).map(|_| pause_after_a_kill()).find(|pause| pause != "0.000");
    assert_eq!(pause.as_deref(), Some("0.100"));
    server.stop();
    let server = Served::start(&["--prefork", "1", "-t", "0.2", "127.0.0.1:0"]);
    assert_eq!(read_all(&mut server.connect()), b"");
    assert_eq!(server.wait_events("end", 1)[0].get("exit"), "2");
    assert_eq!(read_all(&mut server.connect()), b"", "the next one is served, and so long");
    server.stop();
}

fn several_listeners_have_one_pool() {
    let mut command = mpserv(&["--prefork", "2", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "127.0.0.1:0"]);
    let server = Served::start_ports(&mut command, 3);
    for _ in 0..5 {
        for (index, port) in server.ports.iter().enumerate() {
            let host = if index == 1 { "127.0.0.2" } else { "127.0.0.1" };
            let mut client = connect_to(host.parse().unwrap(), *port);
            assert_eq!(echo(&mut client, b"x"), b"x");
        }
    }
    server.stop();
}

fn what_does_not_go_together_is_told() {
    for (arguments, told) in [
        (&["--prefork", "0", "127.0.0.1:0"][..], "--prefork \"0\": it is a number from 1"),
        (&["--prefork", "3-", "127.0.0.1:0"], "--prefork \"\": it is a number from 1"),
        (
            &["--prefork", "3-2", "127.0.0.1:0"],
            "prefork 3-2: the highest number is less than the lowest; name the lowest first",
        ),
        (&["--prefork", "3", "--max-rate", "1/1", "127.0.0.1:0"], "prefork 3-3: processes made ahead of time accept"),
        (&["--prefork", "3", "127.0.0.1:0", "cat"], "--prefork: it is for services"),
        (&["--max-requests", "3", "127.0.0.1:0"], "--max-requests: it is for --prefork"),
        (&["--prefork", "3", "--sandbox", "--log", "syslog", "127.0.0.1:0"], "prefork 3-3: in the sandbox they cannot"),
        (&["--watch", "127.0.0.1:0"], "--watch: it is for --status PIDFILE"),
        (&["--json", "127.0.0.1:0"], "--json: it is for --status PIDFILE"),
        (&["--status", "/x", "127.0.0.1:0"], "ADDRESS \"127.0.0.1:0\": --status shows a server that runs"),
    ] {
        let ended = run_mpserv(arguments);
        assert_eq!(ended.status.code(), Some(100), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("mpserv: {told}")), "{arguments:?}: {}", ended.stderr);
    }
}

/// Makes this many connections, and kills a process after about every hundredth connection.
fn kills_under_load(connections: u64) {
    const POOL: usize = 8;
    let server = Served::start(&["-q", "--prefork", &POOL.to_string(), "0.0.0.0:0"]);
    wait_size(&server, POOL);
    let memory = server.anonymous_memory();
    let (served, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut random = Random::new(5);
    let start = Instant::now();
    let (result, kills) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let result = load(server.port(), connections, 8, &served);
            done.store(true, Ordering::Relaxed);
            result
        });
        let mut kills = 0;
        while !done.load(Ordering::Relaxed) {
            let all = children(server.pid());
            if served.load(Ordering::Relaxed) / 100 > kills && !all.is_empty() {
                // The process is a child that the server has not reaped. The call may fail, because the child may have
                // ended by itself.
                let _ = kill(Pid::from_raw(*random.pick(&all) as i32).unwrap(), Signal::KILL);
                kills += 1;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        (load.join().unwrap(), kills)
    });
    let seconds = start.elapsed().as_secs_f64();
    let failed: u64 = result.errors.values().sum();
    println!(
        "{connections} connections in {seconds:.1} s, {kills} kills, {failed} failed: {:?}; memory {memory} kB, then {} kB",
        result.errors,
        server.anonymous_memory()
    );
    assert_eq!(result.served + failed, connections);
    // Each kill costs the client that the process has, if any, and no other client.
    assert!(failed <= kills, "{failed} failed, {kills} were killed");
    assert!(kills >= connections / 200);
    wait_size(&server, POOL);
    assert!(server.anonymous_memory() <= memory + 16, "memory is flat");
    server.stop();
}

fn only_clients_of_killed_processes_fail() {
    kills_under_load(20_000);
}

fn only_clients_of_killed_processes_fail_of_a_million() {
    kills_under_load(1_000_000);
}

/// Checks that a child of the pool that cannot accept ends, and that its replacements are not made in a busy loop.
fn a_pool_whose_children_cannot_accept_is_no_busy_loop() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let one = ["--prefork", "2", "127.0.0.1:0"];
    let two = ["--prefork", "2", "--listen", "127.0.0.1:0", "127.0.0.1:0"];
    for (call, errno, arguments) in [
        ("accept4", "EINVAL", &one[..]),
        // If this error comes once, it concerns one connection. If it comes for ever, it must not cause a busy loop.
        ("accept4", "EPROTO", &one),
        ("accept4", "ECONNABORTED", &one),
        // An errno that no manual page lists.
        ("accept4", "EIO", &one),
        ("accept4", "EMFILE", &one),
        ("ppoll", "ENOMEM", &two),
    ] {
        let (calls, fault) = (format!("trace={call}"), format!("inject={call}:error={errno}"));
        let options = ["-f", "-e", &calls, "-e", &fault];
        let ports = arguments.iter().filter(|argument| **argument == "127.0.0.1:0").count();
        let server = Served::start_ports(&mut traced(&options, &trace, arguments), ports);
        std::thread::sleep(Duration::from_secs(1));
        let calls = fs::read_to_string(&trace).unwrap().matches(&format!("{call}(")).count();
        // Each of two children may try this many connections in a row, and then ten a second.
        assert!(calls < 200, "{errno}: {calls} calls of {call} in a second");
        let told = if errno == "EINVAL" { "leave" } else { "fail" };
        let lines = server.wait_events(told, 1);
        assert!(lines.len() < 10, "{errno} is logged once a second");
        assert!(told == "leave" || lines[0].get("call") == call, "{errno}: {lines:?}");
        server.running.end(Signal::TERM);
    }
}

/// Tests connections that are gone when the pool accepts them. The next client must be served, by the same children as
/// before.
fn a_pool_outlives_connections_that_are_gone_again() {
    let folder = TempDir::new();
    for errno in ERRNOS_OF_A_CONNECTION {
        let fault = format!("inject=accept4:error={errno}:when=1..20");
        let options = ["-f", "-e", "trace=accept4", "-e", &fault];
        let command = &mut traced(&options, &folder.join(errno), &["--prefork", "2", "127.0.0.1:0"]);
        let server = Served::start_command(command);
        assert_eq!(echo(&mut server.connect(), b"next"), b"next", "{errno}");
        assert_eq!((server.events("fail").len(), server.events("leave").len()), (0, 0), "{errno}");
        server.stop();
    }
    // A process pauses after 64 in a row.
    for (when, fails) in [("1..64", 0), ("1..65", 1)] {
        let fault = format!("inject=accept4:error=ECONNABORTED:when={when}");
        let options = ["-f", "-e", "trace=accept4", "-e", &fault];
        let command = &mut traced(&options, &folder.join(when), &["--prefork", "1", "127.0.0.1:0"]);
        let server = Served::start_command(command);
        drop(server.client());
        let child = server.wait_events("accept", 1)[0].number("pid");
        let log = server.stop();
        let pids = log.iter().filter(|line| line.event == "fail").map(|line| line.number("pid"));
        assert!(pids.eq([child].into_iter().take(fails)), "{when}: {log:?}");
    }
    // A client begins the row anew.
    const CLIENTS: usize = 70;
    for ports in [1, 2] {
        let options = ["-f", "-e", "trace=accept4", "-e", "inject=accept4:error=ECONNABORTED:when=1+2"];
        let listen = ["--listen", "127.0.0.1:0"].repeat(ports - 1);
        let arguments = [&["--prefork", "1"], &listen[..], &["127.0.0.1:0"]].concat();
        let trace = folder.join("anew");
        let server = Served::start_ports(&mut traced(&options, &trace, &arguments), ports);
        for count in 0..CLIENTS {
            drop(connect(server.ports[count % ports]));
        }
        server.wait_events("accept", CLIENTS);
        let log = server.stop();
        assert!(log.iter().all(|line| line.event != "fail"), "{ports}: {log:?}");
        let injected = fs::read_to_string(&trace).unwrap().matches("(INJECTED)").count();
        assert!(injected >= CLIENTS, "{ports}: {injected}");
    }
}

/// Checks that no descriptor of a handler can get the number of a listener, which the child may be about to use.
fn a_retired_process_closes_its_listener_and_keeps_the_number() {
    let server = Served::start(&["--prefork", "1", "127.0.0.1:0"]);
    wait_size(&server, 1);
    let process = children(server.pid())[0];
    let client = server.client();
    let file =
        |number: u32| fs::read_link(format!("/proc/{process}/fd/{number}")).map(|link| link.display().to_string());
    let listener = (3..).find(|number| file(*number).is_ok_and(|file| file.starts_with("socket:"))).unwrap();
    server.running.signal(Signal::TERM);
    wait_until("the process is retired", || nobody_listens(server.port()));
    wait_until("another file has the number", || file(listener).is_ok_and(|file| file.starts_with("pipe:")));
    assert_eq!(finish(client), b"");
    assert_eq!(server.running.wait().status.code(), Some(0));
}

/// Kills a child when it is about to log the end of its third client. Each line is written after a ppoll().
fn the_end_of_each_client_is_logged_although_its_process_is_killed() {
    let inject = "inject=ppoll:signal=KILL:when=6";
    let mut command = std::process::Command::new("strace");
    command.args(["-D", "-f", "-q", "-o", NOWHERE, "-e", "trace=ppoll", "-e", inject, MPSERV, "-1", "--prefork", "1"]);
    let server = Served::start_command(command.arg("127.0.0.1:0"));
    for _ in 0..4 {
        assert_eq!(finish(server.client()), b"");
    }
    server.wait_events("end", 4);
    let log = server.stop();
    let clients = |event: &str| {
        log.iter().filter(|line| line.event == event).map(|line| line.get("from").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(clients("accept"), clients("end"), "{log:?}");
    assert!(
        log.iter().any(|line| line.event == "end" && line.fields.values().any(|value| value.contains("KILL"))),
        "{log:?}"
    );
}

/// Tells a child to retire while it looks for a client at the first of two listeners, both of which have one. It closes
/// both, and must not take the second for a failure.
fn a_process_that_is_retired_while_it_looks_for_a_client_ends_without_an_error() {
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::process::CommandExt;
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let _clients = [0, 1].map(|index: usize| connect(listeners[index].local_addr().unwrap().port()));
    let strace = format!("strace -D -f -q -o '{}' -e trace=accept4", trace.display());
    let inject = "-e inject=accept4:error=EAGAIN:signal=USR2:when=1";
    let script = format!(
        "LISTEN_PID=$$ LISTEN_FDS=2 exec {strace} {inject} '{MPSERV}' -v --prefork 1 --max-requests 1 inherit 3<&0 </dev/null"
    );
    let mut command = std::process::Command::new("sh");
    let second = listeners[1].as_raw_fd();
    let place = move || {
        // The copy is open in the program, although the listener itself may have this number already.
        // SAFETY: the call has no precondition on memory.
        let copy = unsafe { libc::fcntl(second, libc::F_DUPFD, 9) };
        // SAFETY: nothing uses this descriptor from now on, unless the program cannot be run.
        let placed = unsafe { libc::dup2(copy, 4) };
        if placed == 4 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the function makes only a call that is async-signal-safe.
    unsafe { command.pre_exec(place) };
    command.args(["-c", &script]).stdin(OwnedFd::from(listeners[0].try_clone().unwrap()));
    let server = Running::start(&mut command, Output::Pipe);
    let log = wait_for("a process has left", || Some(server.stderr_so_far()).filter(|log| log.contains(": leave ")));
    assert!(!log.contains("mpserv: fail "), "{log}");
    assert!(log.contains(" status=\"exit 0\" "), "{log}");
    server.end(Signal::TERM);
    let trace = fs::read_to_string(&trace).unwrap();
    assert!(trace.contains("ENOTSOCK"), "the second listener was tried: {trace}");
}

/// Tests a process that says that it waits for a client, and takes none.
fn a_process_that_is_stopped_while_it_waits_keeps_nobody_waiting() {
    let server = Served::start(&["--prefork", "1-8", "127.0.0.1:0"]);
    wait_size(&server, 1);
    let stopped = children(server.pid())[0];
    wait_until("it waits for a client", || waits_in(stopped, libc::SYS_accept4));
    signal(stopped, Signal::STOP);
    wait_until("it is stopped", || state(stopped) == Some('T'));
    // The first client waits until the pool has grown.
    drop(server.client());
    signal(stopped, Signal::CONT);
    server.stop();
}

/// Checks that no signal interrupts a handler again and again.
fn a_process_with_a_client_is_told_to_retire_once() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-e", "trace=kill"], &trace, &["--prefork", "1", "127.0.0.1:0"]));
    let client = server.client();
    server.running.signal(Signal::TERM);
    server.wait_events("stop", 1);
    // Another process would be told again each 100 ms.
    std::thread::sleep(A_WHILE);
    // Without its client, the process may be told again before it has ended.
    let trace = fs::read_to_string(trace).unwrap();
    assert_eq!(trace.matches("SIGUSR2").count(), 1, "{trace}");
    assert_eq!(finish(client), b"");
    assert_eq!(server.running.wait().status.code(), Some(0));
}
