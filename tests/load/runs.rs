//! Tests runs of `mpserv-load`: its counts, the faults that it finds, and its end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::solo::Test;
use crate::common::{Output, Running, TempDir, children, needs_ipv6, run, signal, wait_until, wait_within};
use crate::server::{LOAD, Server, command, echo, load, number, plain_echo};
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    every_connection_request_and_byte_is_counted,
    each_process_has_source_addresses_of_its_own,
    idle_connections_are_held_by_several_processes,
    requests_may_be_a_byte_or_more_than_sockets_hold,
    one_changed_byte_is_found,
    an_answer_to_another_request_is_found,
    a_server_that_closes_early_is_found,
    nobody_who_listens_is_told_by_its_name,
    a_server_that_says_nothing_is_not_waited_for,
    a_server_that_answers_a_whole_request_gets_it,
    a_server_that_answers_before_it_reads_on_gets_the_rest,
    idle_connections_are_held_beside_the_others,
    who_waits_behind_a_server_that_stands_still_is_counted,
    texts_are_sent_and_expected,
    connections_are_reset_only_when_asked_for,
    unix_sockets_are_loaded_too,
    ipv6_is_loaded_too,
    a_signal_ends_it_with_a_report,
    a_process_that_is_killed_is_an_error,
    one_slow_connection_of_ten_is_their_99th_percentile,
    time_ends_it,
    time_or_number_ends_it_and_the_first_connection_is_never_late,
    each_default_lasts_ten_seconds,
    quiet_is_quiet,
    elsewhere_the_kernel_chooses_the_source_address,
    idle_connections_alone_are_held_for_ten_seconds,
    a_rate_is_that_of_all_processes_together,
    what_is_shown_a_second_is_what_was_counted_in_the_time,
    idle_connections_have_to_answer_at_the_end,
    an_idle_connection_may_answer_late_at_the_end,
    a_process_that_does_not_stop_is_killed,
    failures_are_a_millisecond_apart,
    a_time_limit_is_kept_to_a_tenth_of_a_second,
    a_wrong_command_line_is_told,
    each_number_has_its_bounds,
    a_report_that_cannot_be_printed_is_an_error,
    help_and_version_are_printed,
];

fn every_connection_request_and_byte_is_counted() {
    let server = Server::start(plain_echo);
    let ended = server.load(&["-n", "40", "-w", "3", "-k", "2", "-z", "100"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let counts = ["connections", "requests", "bytes"].map(|name| number(&ended, "", name));
    assert_eq!(counts, [40.0, 80.0, 8000.0]);
    assert_eq!(server.connections(), 40);
    for (object, count) in [("connection", 40.0), ("first_byte", 40.0), ("request", 80.0)] {
        assert_eq!(number(&ended, object, "count"), count, "{object}");
        let times = ["p50", "p99", "p999", "max"].map(|name| number(&ended, object, name));
        assert!(times[0] > 0.0 && times.is_sorted(), "{object}: {times:?}");
    }
}

/// Checks the addresses of the processes with idle connections, which come first, and of the workers.
fn each_process_has_source_addresses_of_its_own() {
    // The options, and the number of connections of each process.
    let runs: [(&[&str], &[u8]); 3] = [
        (&["-n", "20", "-w", "2"], &[10, 10]),
        (&["-n", "5", "-w", "2", "-i", "3"], &[3, 3, 2]),
        // An address is used again after 250 connections.
        (&["-n", "253", "-i", "3"], &[3, 253]),
    ];
    for (options, counts) in runs {
        let server = Server::start(plain_echo);
        assert_eq!(server.load(options).status.code(), Some(0));
        let mut sources: Vec<IpAddr> = server.peers.lock().unwrap().iter().map(SocketAddr::ip).collect();
        sources.sort();
        let of_process = |(process, count): (u8, &u8)| {
            (0..*count).map(move |number| IpAddr::from([127, 0, process, 1 + number % 250]))
        };
        let mut expected: Vec<IpAddr> = (1..).zip(counts).flat_map(of_process).collect();
        expected.sort();
        assert_eq!(sources, expected, "{options:?}");
    }
}

/// The longest time of a run with hundreds of connections, each of which has a thread of this test, on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Checks that the connections of two processes are all held: one process has 500 of them at most. The end of one of
/// them ends the run.
fn idle_connections_are_held_by_several_processes() {
    let server = Server::start(plain_echo);
    let mut command = command(&["-w", "0", "-i", "501", "-s", "1000"], &server.port.to_string());
    let running = Running::start(&mut command, Output::Pipe);
    wait_within(LONG, || (server.connections() == 501).then_some(())).expect("all are held");
    signal(children(running.pid())[0], Signal::KILL);
    let ended = running.wait();
    assert_eq!((ended.status.code(), number(&ended, "errors", "died")), (Some(1), 1.0), "{ended:?}");
    assert_eq!(number(&ended, "errors", "all"), 1.0, "{ended:?}");
    let of_process = |process: u8| {
        let peers = server.peers.lock().unwrap();
        peers.iter().filter(|peer| matches!(peer.ip(), IpAddr::V4(ip) if ip.octets()[2] == process)).count()
    };
    assert_eq!([1, 2].map(of_process), [500, 1]);
}

fn requests_may_be_a_byte_or_more_than_sockets_hold() {
    let server = Server::start(plain_echo);
    for size in ["1", "7", "20000000"] {
        let ended = server.load(&["-n", "2", "-z", size]);
        assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{size}: {ended:?}");
        assert_eq!(number(&ended, "", "bytes"), 2.0 * size.parse::<f64>().unwrap());
    }
}

/// Tests a server that answers before it has read the request: neither it nor the tool may wait for the other. The
/// bytes of a long request repeat, so the server knows them all from the first.
fn a_server_that_answers_before_it_reads_on_gets_the_rest() {
    const SIZE: usize = 20_000_000;
    const PATTERN: usize = 16 * 1024;
    let server = Server::start(|_, connection| {
        let mut first = vec![0; PATTERN];
        connection.read_exact(&mut first).unwrap();
        let answer: Vec<u8> = first.iter().copied().cycle().take(SIZE).collect();
        let _ = connection.write_all(&answer);
        let _ = connection.read_to_end(&mut Vec::new());
    });
    let ended = server.load(&["-n", "1", "-z", &SIZE.to_string()]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
}

/// Tests a server that reads the whole request, which is more than sockets hold, before it answers.
fn a_server_that_answers_a_whole_request_gets_it() {
    const SIZE: usize = 20_000_000;
    let server = Server::start(|_, connection| {
        let mut request = vec![0; SIZE];
        if connection.read_exact(&mut request).is_ok() {
            let _ = connection.write_all(&request);
        }
    });
    let ended = server.load(&["-n", "1", "-z", &SIZE.to_string()]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
}

/// Changes the last byte of an answer that comes at once, and of an answer that comes in several parts.
fn one_changed_byte_is_found() {
    for size in [64, 100_000] {
        let server = Server::start(move |number, connection| {
            let mut left = size;
            echo(connection, |bytes| {
                left -= bytes.len();
                if number == 4 && left == 0 {
                    *bytes.last_mut().unwrap() ^= 1;
                }
            });
        });
        let ended = server.load(&["-n", "9", "-z", &size.to_string()]);
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!((number(&ended, "errors", "all"), number(&ended, "errors", "differs")), (1.0, 1.0));
        assert_eq!(number(&ended, "", "connections"), 8.0);
    }
}

fn an_answer_to_another_request_is_found() {
    let first = Mutex::new(Vec::new());
    let server = Server::start(move |_, connection| {
        echo(connection, |bytes| {
            let mut first = first.lock().unwrap();
            if first.is_empty() {
                first.extend_from_slice(bytes);
            }
            bytes.copy_from_slice(&first);
        });
    });
    let ended = server.load(&["-n", "3", "-z", "64"]);
    assert_eq!((number(&ended, "", "connections"), number(&ended, "errors", "differs")), (1.0, 2.0), "{ended:?}");
}

fn a_server_that_closes_early_is_found() {
    let server = Server::start(|_, connection| {
        let mut some = [0; 64];
        connection.read_exact(&mut some).unwrap();
        connection.write_all(&some[..63]).unwrap();
    });
    let ended = server.load(&["-n", "3"]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "end")), (Some(1), 3.0), "{ended:?}");
}

fn nobody_who_listens_is_told_by_its_name() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = run(Command::new(LOAD).args(["-q", "-n", "2", &port.to_string()]), Output::Pipe);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.contains("Connection refused"), "{ended:?}");
}

fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Server::start(|_, connection| {
        let _ = connection.read_to_end(&mut Vec::new());
    });
    let ended = server.load(&["-n", "2", "-w", "2", "-t", "0.5"]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "timeout")), (Some(1), 2.0), "{ended:?}");
}

fn idle_connections_are_held_beside_the_others() {
    let server = Server::start(plain_echo);
    let most = Arc::new(AtomicUsize::new(0));
    let running = Running::start(&mut command(&["-i", "12", "-n", "200"], &server.port.to_string()), Output::Pipe);
    let ended = {
        let (most, open) = (most.clone(), server.open.clone());
        let watch = thread::spawn(move || {
            wait_until("idle connections", || {
                most.fetch_max(open.load(Ordering::SeqCst), Ordering::SeqCst);
                most.load(Ordering::SeqCst) >= 12
            });
        });
        watch.join().unwrap();
        running.wait()
    };
    assert_eq!((ended.status.code(), number(&ended, "", "idle")), (Some(0), 12.0), "{ended:?}");
    assert_eq!((number(&ended, "", "connections"), server.connections()), (200.0, 212));
}

fn who_waits_behind_a_server_that_stands_still_is_counted() {
    const STILL: Duration = Duration::from_secs(1);
    let server = Server::start(|number, connection| {
        if number == 5 {
            thread::sleep(STILL);
        }
        plain_echo(number, connection);
    });
    // There is a connection every 10 ms. While one connection takes a second, some 99 other connections become due.
    let ended = server.load(&["-r", "100", "-n", "150"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(number(&ended, "", "late") >= 90.0, "{ended:?}");
    // More than half of the 150 connections were late, by up to the whole time.
    assert!(number(&ended, "connection", "p99") >= 0.9 * STILL.as_nanos() as f64, "{ended:?}");
    // The first byte of a late connection counts from the same moment.
    assert!(number(&ended, "first_byte", "p99") >= 0.9 * STILL.as_nanos() as f64, "{ended:?}");
    // Only one request in 150 was slow.
    assert!(number(&ended, "request", "p50") < 0.5 * STILL.as_nanos() as f64, "{ended:?}");
}

fn texts_are_sent_and_expected() {
    let server = Server::start(|_, connection| {
        let mut hello = [0; 6];
        connection.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello\n");
        connection.write_all(b"good day").unwrap();
    });
    let right = server.load(&["-n", "2", "--send", "hello\n", "--expect", "good day"]);
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    let wrong = server.load(&["-n", "2", "--send", "hello\n", "--expect", "good bye"]);
    assert_eq!((wrong.status.code(), number(&wrong, "errors", "differs")), (Some(1), 2.0), "{wrong:?}");
    // Without --expect, the text itself is expected.
    let wrong = server.load(&["-n", "2", "--send", "hello\n"]);
    assert_eq!((wrong.status.code(), number(&wrong, "errors", "differs")), (Some(1), 2.0), "{wrong:?}");
}

fn connections_are_reset_only_when_asked_for() {
    let resets = Arc::new(AtomicUsize::new(0));
    let counted = resets.clone();
    let server = Server::start(move |_, connection| {
        let mut buffer = [0; 64];
        loop {
            match connection.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => connection.write_all(&buffer[..length]).unwrap(),
                Err(_) => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
        }
    });
    let closed = || wait_until("closed connections", || server.open.load(Ordering::SeqCst) == 0);
    assert_eq!(server.load(&["-n", "3", "-i", "2"]).status.code(), Some(0));
    closed();
    assert_eq!(resets.load(Ordering::SeqCst), 0);
    assert_eq!(server.load(&["-n", "3", "-i", "2", "--reset"]).status.code(), Some(0));
    closed();
    assert_eq!(resets.load(Ordering::SeqCst), 5);
}

fn ipv6_is_loaded_too() {
    needs_ipv6();
    let server = Server::start_on(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap(), plain_echo);
    let address = format!("[::1]:{}", server.port);
    let ended = load(&["-n", "3"], &address);
    assert_eq!((ended.status.code(), number(&ended, "", "connections")), (Some(0), 3.0), "{ended:?}");
    let text = run(Command::new(LOAD).args(["-q", "-n", "1", &address]), Output::Pipe).stdout;
    assert!(text.starts_with(&format!("{address}: 1 processes, ")), "{text}");
}

fn unix_sockets_are_loaded_too() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().for_each(|connection| echo(&mut connection.unwrap(), |_| {})));
    let address = format!("unix:{}", path.display());
    let ended = load(&["-n", "3"], &address);
    assert_eq!((ended.status.code(), number(&ended, "", "connections")), (Some(0), 3.0), "{ended:?}");
    let text = run(Command::new(LOAD).args(["-q", "-n", "1", &address]), Output::Pipe).stdout;
    assert!(text.lines().next().unwrap().contains(path.to_str().unwrap()), "{text}");
}

fn a_signal_ends_it_with_a_report() {
    let server = Server::start(plain_echo);
    for signal in [Signal::INT, Signal::TERM] {
        let before = server.connections();
        let options = ["-s", "1000", "-w", "2", "-i", "3"];
        let running = Running::start(&mut command(&options, &server.port.to_string()), Output::Pipe);
        wait_until("work", || server.connections() > before + 20);
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(number(&ended, "", "connections") > 0.0);
        // No process of the tool still holds a connection.
        wait_until("all connections closed", || server.open.load(Ordering::SeqCst) == 0);
    }
}

fn a_process_that_is_killed_is_an_error() {
    let server = Server::start(plain_echo);
    // SIGINT comes to all processes from a terminal, but SIGTERM to one of them alone is meant for it.
    for (signal_of_end, options) in [
        (Signal::KILL, &["-s", "1000", "-w", "2"][..]),
        (Signal::TERM, &["-s", "1000", "-w", "2"]),
        (Signal::KILL, &["-s", "1000", "-w", "0", "-i", "3"]),
    ] {
        let before = server.connections();
        let running = Running::start(&mut command(options, &server.port.to_string()), Output::Pipe);
        wait_until("it has connected", || server.connections() > before + 2);
        signal(children(running.pid())[0], signal_of_end);
        // The other worker goes on. All idle connections are in the ended process, and the run ends without this
        // process.
        wait_until("the process is reaped", || children(running.pid()).len() < 2);
        let ended = if options.contains(&"-i") { running.wait() } else { running.end(Signal::TERM) };
        assert_eq!((ended.status.code(), number(&ended, "errors", "died")), (Some(1), 1.0), "{options:?}: {ended:?}");
        assert_eq!(number(&ended, "errors", "all"), 1.0, "{options:?}: {ended:?}");
    }
}

/// Checks that the percentile is a measured time. At least 99 % of the connections took no longer than the percentile:
/// all ten, if there are ten. The server sleeps after it has accepted, so within the time of the connection.
fn one_slow_connection_of_ten_is_their_99th_percentile() {
    const SLOW: Duration = Duration::from_secs(1);
    let server = Server::start(|number, connection| {
        if number == 3 {
            thread::sleep(SLOW);
        }
        plain_echo(number, connection);
    });
    let ended = server.load(&["-n", "10"]);
    let [p50, p99, p999, max] = ["p50", "p99", "p999", "max"].map(|name| number(&ended, "connection", name));
    assert!(max >= SLOW.as_nanos() as f64 && p99 == max && p999 == max, "{ended:?}");
    assert!(p50 < max / 2.0, "{ended:?}");
    let mean = number(&ended, "connection", "mean");
    assert!((max / 10.0..max / 2.0).contains(&mean), "{ended:?}");
}

fn time_ends_it() {
    let server = Server::start(plain_echo);
    let ended = server.load(&["-s", "0.2", "-w", "2"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(number(&ended, "", "seconds") >= 0.2, "{ended:?}");
}

/// Counts the connections at a fixed rate. A connection that is due at the very end is not made.
fn time_or_number_ends_it_and_the_first_connection_is_never_late() {
    let server = Server::start(plain_echo);
    for (options, connections) in [
        (&["-s", "0.2", "-r", "10"][..], 2.0),
        (&["-s", "0.201", "-r", "10"], 3.0),
        (&["-s", "0.2", "-r", "10", "-w", "2"], 2.0),
        (&["-s", "1000", "-n", "3"], 3.0),
        (&["-s", "0.2", "-r", "10", "-n", "1000"], 2.0),
    ] {
        let ended = server.load(options);
        assert_eq!(number(&ended, "", "connections"), connections, "{options:?}: {ended:?}");
    }
    for workers in ["1", "3"] {
        let ended = server.load(&["-r", "1000000", "-w", workers, "-n", workers]);
        assert_eq!(number(&ended, "", "late"), 0.0, "{workers} processes: {ended:?}");
        // The next of each process is due long before the first is done.
        let count: u32 = 3 * workers.parse::<u32>().unwrap();
        let ended = server.load(&["-r", "1000000", "-w", workers, "-n", &count.to_string()]);
        assert_eq!(number(&ended, "", "late"), f64::from(count) * 2.0 / 3.0, "{workers} processes: {ended:?}");
    }
}

/// Counts the connections of a run at one a second, while a server keeps another run waiting until its timeout. Each
/// connection has a process of its own, so none waits for another.
fn each_default_lasts_ten_seconds() {
    let (server, silent) =
        (Server::start(plain_echo), Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new())));
    let start = Instant::now();
    let run = Running::start(&mut command(&["-r", "1", "-w", "10"], &server.port.to_string()), Output::Pipe);
    let waits = Running::start(&mut command(&["-n", "1"], &silent.port.to_string()), Output::Pipe);
    let waits = waits.wait();
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(number(&waits, "errors", "timeout"), 1.0, "{waits:?}");
    let run = run.wait();
    assert_eq!(number(&run, "", "connections") + number(&run, "", "unfinished"), 10.0, "{run:?}");
}

/// Runs for longer than the time between two lines of progress.
fn quiet_is_quiet() {
    let server = Server::start(plain_echo);
    for (options, is_quiet) in [(&["-q"][..], true), (&["--quiet", "--json"], true), (&["--json"], false)] {
        let mut command = Command::new(LOAD);
        command.args(options).args(["-s", "1.5", "-r", "10"]).arg(server.port.to_string());
        let start = Instant::now();
        let ended = run(&mut command, Output::Pipe);
        assert_eq!(ended.stderr.is_empty(), is_quiet, "{options:?}: {ended:?}");
        // There is at most one line a second.
        assert!(ended.stderr.lines().count() as f64 <= start.elapsed().as_secs_f64(), "{options:?}: {ended:?}");
    }
}

/// Connects by an address that is not one of the loopback network, although it leads there.
fn elsewhere_the_kernel_chooses_the_source_address() {
    let server = Server::start(plain_echo);
    let ended = load(&["-n", "3"], &format!("0.0.0.0:{}", server.port));
    assert_eq!((ended.status.code(), number(&ended, "", "connections")), (Some(0), 3.0), "{ended:?}");
    let peers: Vec<IpAddr> = server.peers.lock().unwrap().iter().map(SocketAddr::ip).collect();
    assert_eq!(peers, [IpAddr::from([127, 0, 0, 1]); 3]);
}

/// Checks that a number of connections, which only workers make, does not take the place of the time.
fn idle_connections_alone_are_held_for_ten_seconds() {
    let server = Server::start(plain_echo);
    let start = Instant::now();
    let ended = server.load(&["-w", "0", "-i", "2", "-n", "5"]);
    assert_eq!((ended.status.code(), number(&ended, "", "idle")), (Some(0), 2.0), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
}

fn a_wrong_command_line_is_told() {
    for (arguments, told) in [
        (&[][..], "no ADDRESS"),
        (&["--workers", "many", "1"], "--workers many: it takes a number"),
        (&["-w"], "-w needs a value"),
        (&["--size=0", "1"], "--size 0: it takes"),
        (&["--rate", "nan", "1"], "--rate nan: it takes"),
        (&["--rate", "-1", "1"], "--rate -1: it takes"),
        (&["-s", "0", "1"], "--seconds 0: it takes"),
        (&["--nonsense", "1"], "--nonsense: no such option"),
        (&["-x", "1"], "there is no option -x"),
        (&["localhost:1"], "localhost:1: an address is"),
        (&["0"], "0: an address is"),
        (&["unix:"], "unix:: an address is"),
        (&["1", "-w", "2"], "-w: options come before"),
        (&["1", "a\nb"], "a\\nb: options come before"),
        (&["a\nb"], "a\\nb: an address is"),
        (&["--size", "a\nb", "1"], "--size a\\nb: it takes"),
        (&["--expect", "x", "1"], "--expect goes with --send"),
        (&["-w", "0", "1"], "nothing to do"),
    ] {
        let ended = run(Command::new(LOAD).args(arguments), Output::Pipe);
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(100), ""), "{arguments:?}");
        assert!(ended.stderr.contains(told) && ended.stderr.lines().count() == 1, "{arguments:?}: {ended:?}");
    }
}

/// Checks the numbers at the bounds. With `--help`, a command line that is right starts no run.
fn each_number_has_its_bounds() {
    for (option, allowed, refused, told) in [
        ("--workers", &["0", "4096"][..], &["-1", "4097", "1.5"][..], "a number of processes, at most 4096"),
        ("--seconds", &["0.001", "86400"], &["0", "86400.001", "nan"], "seconds, more than 0 and at most 86400"),
        (
            "--count",
            &["1", "18446744073709551615"],
            &["0", "18446744073709551616"],
            "a number of connections, at least 1",
        ),
        ("--rate", &["0.001", "1000000000"], &["0", "1000000001", "inf"], "connections a second, more than 0"),
        ("--keep", &["1", "18446744073709551615"], &["0", "18446744073709551616"], "a number of requests, at least 1"),
        ("--size", &["1", "1099511627776"], &["0", "1099511627777"], "a number of bytes, 1 to 2^40"),
        ("--idle", &["0", "1000000"], &["-1", "1000001"], "a number of connections, at most 1000000"),
        ("--timeout", &["0.001", "86400"], &["0", "86401"], "seconds, more than 0 and at most 86400"),
    ] {
        let run = |number: &str| run(Command::new(LOAD).args([option, number, "--help"]), Output::Pipe);
        for number in allowed {
            assert_eq!(run(number).status.code(), Some(0), "{option} {number}");
        }
        for number in refused {
            let expected = format!("mpserv-load: {option} {number}: it takes {told}; see mpserv-load --help\n");
            assert_eq!(run(number).stderr, expected);
        }
    }
}

fn a_report_that_cannot_be_printed_is_an_error() {
    let server = Server::start(plain_echo);
    let script = format!("exec '{LOAD}' --quiet -n 1 {} >/dev/full", server.port);
    let ended = run(Command::new("sh").args(["-c", &script]), Output::Pipe);
    assert_eq!(ended.status.code(), Some(111), "{ended:?}");
    assert!(ended.stderr.contains("standard output: No space left on device"), "{ended:?}");
}

fn help_and_version_are_printed() {
    let help = run(Command::new(LOAD).arg("--help"), Output::Pipe);
    assert_eq!((help.status.code(), help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.starts_with("Usage: mpserv-load [OPTION]... ADDRESS\n"));
    let version = run(Command::new(LOAD).arg("--version"), Output::Pipe);
    assert_eq!((version.status.code(), version.stderr.as_str()), (Some(0), ""));
    assert_eq!(version.stdout, concat!("mpserv-load ", env!("CARGO_PKG_VERSION"), "\n"));
}

fn a_rate_is_that_of_all_processes_together() {
    let server = Server::start(plain_echo);
    for workers in ["1", "2", "4"] {
        let ended = server.load(&["-r", "100", "-n", "40", "-w", workers]);
        // The last of forty connections is due 39 hundredths of a second after the first.
        let seconds = number(&ended, "", "seconds");
        assert!(seconds >= 0.39, "{workers} processes: {seconds} s");
    }
}

fn what_is_shown_a_second_is_what_was_counted_in_the_time() {
    let server = Server::start(plain_echo);
    let ended = server.load(&["-n", "30", "-k", "3", "-z", "50000"]);
    let [connections, requests, seconds] = ["connections", "requests", "seconds"].map(|name| number(&ended, "", name));
    assert_eq!([connections, requests], [30.0, 90.0]);
    // A run of less than a second has a speed, too.
    let short = server.load(&["-n", "1"]);
    assert!(number(&short, "", "connections_per_second") > 0.0, "{short:?}");
    let is_near = |shown: f64, expected: f64| (shown / expected - 1.0).abs() < 0.01;
    assert!(is_near(number(&ended, "", "connections_per_second"), connections / seconds), "{ended:?}");
    assert!(is_near(number(&ended, "", "requests_per_second"), requests / seconds), "{ended:?}");
    // Check the same in the report for people.
    let mut command = Command::new(LOAD);
    let ended =
        run(command.args(["-q", "-n", "30", "-k", "3", "-z", "500000"]).arg(server.port.to_string()), Output::Pipe);
    let line = |name: &str| -> Vec<String> {
        let line = ended.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{ended:?}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    let seconds = ended.stdout.lines().next().unwrap().trim_end_matches(" s").rsplit(' ').next().unwrap();
    let seconds: f64 = seconds.parse().unwrap();
    let near = |shown: &str, expected: f64, within: f64| {
        let shown: f64 = shown.trim_end_matches("/s").parse().unwrap();
        // The seconds have three digits after the decimal point, so a short run is not shown exactly.
        assert!((shown / expected - 1.0).abs() < within, "{shown}, not {expected}: {}", ended.stdout);
    };
    let bytes = 90.0 * 500_000.0;
    assert_eq!(line("bytes")[1], format!("{bytes}"));
    // A MiB is 5 % more than a MB.
    near(&line("bytes")[2], bytes / seconds / 1e6, 0.03);
    near(&line("connections")[2], 30.0 / seconds, 0.1);
    near(&line("requests")[2], 90.0 / seconds, 0.1);
}

/// Answers the first message as it came. Calls `change` before each later answer.
fn echo_and_change(connection: &mut TcpStream, mut change: impl FnMut(&mut [u8])) {
    let mut is_first = true;
    echo(connection, |bytes| {
        if !std::mem::take(&mut is_first) {
            change(bytes);
        }
    });
}

/// Tests a server that takes its time for the last answer of an idle connection. The run has ended before.
fn an_idle_connection_may_answer_late_at_the_end() {
    const SLOW: Duration = Duration::from_millis(1500);
    let idle = IpAddr::from([127, 0, 1, 1]);
    let server = Server::start(move |_, connection| {
        let is_idle = connection.peer_addr().unwrap().ip() == idle;
        echo_and_change(connection, |_| thread::sleep(if is_idle { SLOW } else { Duration::ZERO }));
    });
    let start = Instant::now();
    let ended = server.load(&["-n", "1", "-i", "1"]);
    let all = start.elapsed().as_secs_f64();
    assert_eq!((ended.status.code(), number(&ended, "errors", "all")), (Some(0), 0.0), "{ended:?}");
    assert!(number(&ended, "", "seconds") <= all - SLOW.as_secs_f64(), "{all} s: {ended:?}");
}

/// Stops a process that should make its last request: it is killed when its time is over. It has a second, although a
/// connection has less.
fn a_process_that_does_not_stop_is_killed() {
    let server = Server::start(plain_echo);
    let running =
        Running::start(&mut command(&["-w", "0", "-i", "1", "-t", "0.7"], &server.port.to_string()), Output::Pipe);
    wait_until("the connection", || server.connections() == 1);
    signal(children(running.pid())[0], Signal::STOP);
    let start = Instant::now();
    let ended = running.end(Signal::TERM);
    assert_eq!((ended.status.code(), number(&ended, "errors", "died")), (Some(1), 1.0), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

/// Counts the time of connections that fail at once: a process pauses for a millisecond after each, and no longer.
fn failures_are_a_millisecond_apart() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = load(&["-n", "200"], &port.to_string());
    assert_eq!(number(&ended, "errors", "connect"), 200.0, "{ended:?}");
    let seconds = number(&ended, "", "seconds");
    assert!((0.2..10.0).contains(&seconds), "{ended:?}");
}

/// Counts the time of connections that are interrupted: the tool looks for them ten times a second.
fn a_time_limit_is_kept_to_a_tenth_of_a_second() {
    let server = Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new()));
    let ended = server.load(&["-n", "10", "-t", "0.05"]);
    assert_eq!(number(&ended, "errors", "timeout"), 10.0, "{ended:?}");
    let seconds = number(&ended, "", "seconds");
    assert!((0.5..5.0).contains(&seconds), "{ended:?}");
}

/// Checks that an idle connection is tried once more when the run ends.
fn idle_connections_have_to_answer_at_the_end() {
    let server = Server::start(|_, connection| echo_and_change(connection, |bytes| bytes[0] ^= 1));
    let ended = server.load(&["-w", "0", "-i", "3", "-s", "0.2"]);
    assert_eq!((ended.status.code(), number(&ended, "errors", "differs")), (Some(1), 3.0), "{ended:?}");
    // Without a worker there is no speed.
    assert_eq!(number(&ended, "", "connections_per_second"), 0.0, "{ended:?}");
}
