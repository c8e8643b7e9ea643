//! Tests the processes of `mpserv-load`: their bytes, their time limit and their end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use crate::common::network::needs_own_network;
use crate::common::solo::{Test, skip};
use crate::common::{
    NOWHERE, Output, Running, TempDir, children, is_gone, is_pending, reset, run, signal, state, wait_for, wait_until,
    waits_in,
};
use crate::server::{LOAD, Server, command, number, plain_echo, without};
use crate::tests;
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill, killpg};

pub(crate) const TESTS: &[Test] = tests![
    each_process_sends_bytes_of_its_own,
    an_idle_connection_has_the_time_limit_as_well,
    processes_end_with_the_program_that_started_them,
    a_signal_to_the_whole_group_ends_it_with_a_report,
    a_process_that_cannot_be_made_is_told,
    a_process_that_waits_for_its_time_ends_at_a_signal,
    a_run_may_end_before_a_process_has_begun,
    a_worker_leaves_sigint_to_the_first_process,
    idle_connections_are_opened_until_a_signal,
    an_error_of_any_process_has_its_reason,
    a_process_gets_a_signal_only_in_a_slow_connection,
    a_run_without_memory_is_told,
    two_runs_use_the_same_source_port,
];

/// Compares the bytes behind the tag of each request. The processes are told apart by their source addresses.
fn each_process_sends_bytes_of_its_own() {
    let requests: Arc<Mutex<BTreeMap<IpAddr, Vec<Vec<u8>>>>> = Arc::default();
    let shared = requests.clone();
    let server = Server::start(move |_, connection| {
        let peer = connection.peer_addr().unwrap().ip();
        let mut request = [0; 64];
        while connection.read_exact(&mut request).is_ok() {
            shared.lock().unwrap().entry(peer).or_default().push(request.to_vec());
            connection.write_all(&request).unwrap();
        }
    });
    // One process holds the idle connection, and makes a request at its end.
    let ended = server.load(&["-w", "2", "-n", "2", "-k", "2", "-i", "1"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    wait_until("the server has ended", || server.open.load(Ordering::SeqCst) == 0);
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "{:?}", requests.keys());
    let mut patterns = BTreeSet::new();
    for (peer, requests) in requests.iter() {
        assert!(requests.len() == 2 && requests[0] != requests[1], "the requests of {peer} differ by their tags");
        assert_eq!(requests[0][8..], requests[1][8..], "{peer}");
        patterns.insert(&requests[0][8..]);
    }
    assert_eq!(patterns.len(), 3, "the bytes of each process are its own");
}

fn an_idle_connection_has_the_time_limit_as_well() {
    let server = Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new()));
    let ended = server.load(&["-w", "0", "-i", "2", "-t", "0.3", "-s", "0.1"]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "timeout")), (Some(1), 2.0), "{ended:?}");
    assert_eq!((number(&ended, "errors", "all"), number(&ended, "", "idle")), (2.0, 0.0), "{ended:?}");
}

/// Starts a long run of two workers and a process with idle connections, in a process group of its own.
fn long_run(server: &Server) -> (Running, Vec<u32>) {
    let mut command = command(&["-s", "1000", "-w", "2", "-i", "3"], &server.port.to_string());
    let running = Running::start(command.process_group(0), Output::Pipe);
    wait_until("work", || server.connections() > 20);
    let processes = children(running.pid());
    assert_eq!(processes.len(), 3);
    (running, processes)
}

fn processes_end_with_the_program_that_started_them() {
    let server = Server::start(plain_echo);
    let (running, processes) = long_run(&server);
    running.signal(Signal::KILL);
    for process in processes {
        wait_until("a process ends with its parent", || is_gone(process));
    }
    drop(running);
}

/// Sends what a terminal sends for ctrl-C.
fn a_signal_to_the_whole_group_ends_it_with_a_report() {
    let server = Server::start(plain_echo);
    let (running, _) = long_run(&server);
    killpg(Pid::from_raw(running.pid().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    let ended = running.wait();
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
    assert_eq!(number(&ended, "", "idle"), 3.0, "{ended:?}");
}

fn a_process_that_cannot_be_made_is_told() {
    let mut command = Command::new(LOAD);
    // SAFETY: the function makes system calls only.
    unsafe { command.args(["-q", "1"]).pre_exec(|| without(&[libc::SYS_clone, libc::SYS_clone3])) };
    let ended = run(&mut command, Output::Pipe);
    let told = "mpserv-load: no further process (fewer --workers, or ulimit -u): Function not implemented\n";
    assert_eq!((ended.status.code(), ended.stdout.as_str(), ended.stderr.as_str()), (Some(111), "", told));
}

/// Stops a process whose second connection is due after 1000 seconds.
fn a_process_that_waits_for_its_time_ends_at_a_signal() {
    let server = Server::start(plain_echo);
    let running = Running::start(&mut command(&["-r", "0.001", "-n", "2"], &server.port.to_string()), Output::Pipe);
    // The process has counted its connection only a moment after the server has seen the end of the connection.
    wait_until("the process waits for its time after the first connection", || {
        server.connections() == 1 && waits_in(children(running.pid())[0], libc::SYS_ppoll)
    });
    let ended = running.end(Signal::TERM);
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
    assert_eq!(number(&ended, "", "connections"), 1.0, "{ended:?}");
}

/// Ends a run whose process stands still at its first call, and lets the process go on once it was told to stop.
fn a_run_may_end_before_a_process_has_begun() {
    let server = Server::start(plain_echo);
    let mut command = Command::new("strace");
    let stop = ["-e", "trace=prctl", "-e", "inject=prctl:signal=STOP:when=1"];
    command.args(["-D", "-f", "-qq", "-o", NOWHERE]).args(stop).arg(LOAD).args(["-q", "--json", "-s", "1000"]);
    let mut running = Running::start(command.arg(server.port.to_string()), Output::Pipe);
    let process = wait_for("the process stands still", || {
        // strace makes a process of its own before.
        let is_worker = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "mpserv-load")
        };
        children(running.pid()).into_iter().find(|pid| is_worker(pid) && matches!(state(*pid), Some('T' | 't')))
    });
    running.signal(Signal::TERM);
    wait_until("it was told to stop", || is_pending(process, Signal::ALRM));
    wait_until("the run has ended", || {
        // The process may be about to stop only now.
        let _ = kill(Pid::from_raw(process.try_into().unwrap()).unwrap(), Signal::CONT);
        running.has_ended()
    });
    let ended = running.wait();
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
    assert_eq!(number(&ended, "", "connections"), 0.0, "{ended:?}");
}

/// Starts an echo server whose connection of this number waits for a message of the sender.
fn server_that_holds(held: usize) -> (Server, Sender<()>) {
    let (go_on, waits) = channel();
    let waits = Mutex::new(waits);
    let server = Server::start(move |number, connection| {
        if number == held {
            let _ = waits.lock().unwrap().recv();
        }
        plain_echo(number, connection);
    });
    (server, go_on)
}

/// Checks that a worker goes on when it gets SIGINT, as from a terminal, in the midst of an exchange.
fn a_worker_leaves_sigint_to_the_first_process() {
    let (server, go_on) = server_that_holds(0);
    let running = Running::start(&mut command(&["-n", "1", "-w", "1"], &server.port.to_string()), Output::Pipe);
    let worker = wait_for("the worker", || children(running.pid()).first().copied());
    wait_until("the worker waits", || waits_in(worker, libc::SYS_recvfrom));
    signal(worker, Signal::INT);
    wait_until("the worker has the signal", || !is_pending(worker, Signal::INT));
    go_on.send(()).unwrap();
    let ended = running.wait();
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
}

/// Stops a run that has opened three of its many idle connections. The server answers none after the third.
fn idle_connections_are_opened_until_a_signal() {
    let (server, go_on) = server_that_holds(3);
    let mut command = command(&["-w", "0", "-i", "400"], &server.port.to_string());
    let running = Running::start(&mut command, Output::Pipe);
    wait_until("the fourth connection", || server.connections() == 4);
    let processes = children(running.pid());
    running.signal(Signal::TERM);
    // The program tells its processes to stop when it no longer waits for their connections.
    wait_until("the program has the signal", || !is_pending(running.pid(), Signal::TERM));
    wait_until("the process waits", || waits_in(processes[0], libc::SYS_recvfrom));
    go_on.send(()).unwrap();
    let ended = running.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(server.connections() < 400, "{}", server.connections());
}

/// Resets the connections of the second process alone.
fn an_error_of_any_process_has_its_reason() {
    let server = Server::start(|number, connection| {
        if connection.peer_addr().unwrap().ip() == IpAddr::from([127, 0, 2, 1]) {
            connection.read_exact(&mut [0; 64]).unwrap();
            return reset(connection.try_clone().unwrap());
        }
        plain_echo(number, connection);
    });
    let mut command = Command::new(LOAD);
    let ended = run(command.args(["-q", "-w", "2", "-n", "2"]).arg(server.port.to_string()), Output::Pipe);
    let errors = ended.stdout.split_once("\nerrors").unwrap().1.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(errors, "1 receive 1 Connection reset by peer", "{ended:?}");
}

/// Runs `mpserv-load` with these options. Returns the run, and the file that tells each signal that it sends.
fn traced_run(folder: &TempDir, options: &[&str], server: &Server) -> (Running, PathBuf) {
    let trace = folder.join("trace");
    let mut command = Command::new("strace");
    command.args(["-D", "-qq", "-e", "trace=kill", "-e", "signal=none", "-o"]).arg(&trace);
    command.args([LOAD, "-q", "--json"]).args(options).arg(server.port.to_string());
    (Running::start(&mut command, Output::Pipe), trace)
}

/// Tests a process that waits until its second connection is due, for longer than a connection may take, and a process
/// that has ended.
fn a_process_gets_a_signal_only_in_a_slow_connection() {
    let folder = TempDir::new();
    let server = Server::start(plain_echo);
    let (running, trace) = traced_run(&folder, &["-r", "0.4", "-n", "2", "-t", "2"], &server);
    let ended = running.wait();
    assert_eq!((ended.status.code(), number(&ended, "", "connections")), (Some(0), 2.0), "{ended:?}");
    let told = fs::read_to_string(&trace).unwrap();
    assert_eq!(told, "", "no connection is slow");
    let silent = Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new()));
    let (running, trace) = traced_run(&folder, &["-n", "2", "-w", "2", "-t", "1"], &silent);
    let worker = wait_for("a worker waits", || {
        children(running.pid()).into_iter().find(|worker| waits_in(*worker, libc::SYS_recvfrom))
    });
    signal(worker, Signal::KILL);
    let ended = running.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let told =
        wait_for("the trace is complete", || fs::read_to_string(&trace).ok().filter(|told| told.contains("SIGALRM")));
    assert!(!told.contains("ESRCH"), "a signal to a process that was reaped: {told}");
}

/// Tests more processes than the counts of which fit into the memory that the program may have.
fn a_run_without_memory_is_told() {
    let script = format!("ulimit -v 65536; exec '{LOAD}' -w 4096 1");
    let ended = run(Command::new("sh").args(["-c", &script]), Output::Pipe);
    let told = "mpserv-load: no shared memory: Cannot allocate memory\n";
    assert_eq!((ended.status.code(), ended.stdout.as_str(), ended.stderr.as_str()), (Some(111), "", told));
}

/// Tests a machine with a single port for connections. Two runs have the same source address, and other servers.
fn two_runs_use_the_same_source_port() {
    needs_own_network();
    let [held, other] = [Server::start(plain_echo), Server::start(plain_echo)];
    let ports = fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50000");
    ports.unwrap_or_else(|_| skip("the settings of the network cannot be changed"));
    let options = ["-w", "0", "-i", "1", "-s", "1000"];
    let running = Running::start(&mut command(&options, &held.port.to_string()), Output::Pipe);
    wait_until("the connection that stays", || held.connections() == 1);
    let ended = other.load(&["-n", "1"]);
    assert_eq!((ended.status.code(), number(&ended, "", "connections")), (Some(0), 1.0), "{ended:?}");
    let peers = [&held, &other].map(|server| server.peers.lock().unwrap()[0]);
    assert_eq!(peers[0], peers[1], "the source");
    assert_eq!(running.end(Signal::TERM).status.code(), Some(0));
}
