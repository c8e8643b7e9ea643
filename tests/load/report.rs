//! Tests each number of a report, as JSON and as text, against a server that counts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::solo::Test;
use crate::common::{Ended, Output, Running, reset, run, wait_until};
use crate::server::{LOAD, Server, number, plain_echo, without};
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    each_number_is_the_one_that_the_server_counted,
    each_default_is_the_one_of_the_help,
    each_time_is_that_of_its_part_of_the_connection,
    a_row_of_times_begins_with_the_mean_and_ends_with_the_longest,
    a_connection_that_is_open_at_the_end_has_a_second_more,
    each_fault_is_counted_under_its_name,
    progress_tells_what_was_done_so_far,
    progress_tells_the_speed_since_the_last_line,
];

/// Runs the program. Returns its report for people.
fn text_of_run(options: &[&str], port: u16) -> Ended {
    run(Command::new(LOAD).arg("-q").args(options).arg(port.to_string()), Output::Pipe)
}

/// Returns the words behind `name` in a report for people, if there is such a line. The first word ends at its column.
fn words<'e>(ended: &'e Ended, name: &str) -> Option<Vec<&'e str>> {
    let is_it = |line: &&str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
    let line = ended.stdout.lines().find(is_it)?;
    let words: Vec<&str> = line.trim_start()[name.len()..].split_whitespace().collect();
    let column = if ["ms", "connection", "first byte", "request"].contains(&name) { 22 } else { 24 };
    let (left, right) = line.split_at(column);
    assert!(left.ends_with(&format!(" {}", words[0])) && (right.is_empty() || right.starts_with(' ')), "{line}");
    Some(words)
}

/// A report as JSON, with `#` in place of each number.
const FORM: &str = concat!(
    r##"{"processes":#,"keep":#,"idle":#,"seconds":#,"connections":#,"requests":#,"bytes":#,"late":#,"unfinished":#,"##,
    r##""connections_per_second":#,"requests_per_second":#,"nanoseconds":{"##,
    r##""connection":{"count":#,"mean":#,"p#":#,"p#":#,"p#":#,"max":#},"##,
    r##""first_byte":{"count":#,"mean":#,"p#":#,"p#":#,"p#":#,"max":#},"##,
    r##""request":{"count":#,"mean":#,"p#":#,"p#":#,"p#":#,"max":#}},"##,
    r##""errors":{"all":#,"socket":#,"connect":#,"send":#,"receive":#,"end":#,"differs":#,"timeout":#,"died":#}}"##,
    "\n",
);

fn each_number_is_the_one_that_the_server_counted() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let counted = bytes.clone();
    let server = Server::start(move |_, connection| {
        let mut request = [0; 3];
        while connection.read_exact(&mut request).is_ok() {
            counted.fetch_add(request.len(), Ordering::SeqCst);
            connection.write_all(b"answer").unwrap();
        }
    });
    let options = ["-n", "6", "-w", "2", "-k", "5", "-i", "4", "--send", "abc", "--expect", "answer"];
    let numbers = [("connections", 6), ("requests", 30), ("bytes", 90), ("idle", 4)];
    let (json, text) = (server.load(&options), text_of_run(&options, server.port));
    assert_eq!((json.status.code(), text.status.code()), (Some(0), Some(0)), "{json:?} {text:?}");
    // Each of the four idle connections makes a request at its start and a request at its end.
    wait_until("the server has counted", || server.open.load(Ordering::SeqCst) == 0);
    assert_eq!((bytes.load(Ordering::SeqCst), server.connections()), (2 * (90 + 4 * 2 * 3), 2 * (6 + 4)));
    for (name, count) in numbers {
        assert_eq!(number(&json, "", name), f64::from(count), "{name}: {json:?}");
        assert_eq!(words(&text, name).unwrap()[0], count.to_string(), "{name}: {text:?}");
    }
    for (name, count) in [("processes", 2.0), ("keep", 5.0), ("late", 0.0), ("unfinished", 0.0)] {
        assert_eq!(number(&json, "", name), count, "{name}: {json:?}");
    }
    let mut form: String = json.stdout.split(|c: char| c.is_ascii_digit() || c == '.').collect::<Vec<_>>().join("#");
    while form.contains("##") {
        form = form.replace("##", "#");
    }
    assert_eq!(form, FORM);
    assert_eq!((number(&json, "errors", "all"), words(&text, "errors").unwrap()[0]), (0.0, "0"));
    assert_eq!((words(&text, "late"), words(&text, "unfinished")), (None, None), "{text:?}");
    let first = text.stdout.lines().next().unwrap();
    let start = format!("127.0.0.1:{}: 2 processes, 3 bytes for 6, 5 a connection, ", server.port);
    assert!(first.starts_with(&start) && first.ends_with(" s"), "{first}");
    let server = Server::start(plain_echo);
    let text = text_of_run(&["-n", "1", "-z", "7", "-i", "1"], server.port);
    assert_eq!(words(&text, "idle").unwrap(), ["1"], "{text:?}");
    let start = format!("127.0.0.1:{}: 1 processes, 7 bytes, 1 a connection, ", server.port);
    assert!(text.stdout.starts_with(&start), "{text:?}");
}

/// Checks the numbers that a run has without options. The idle connections of `runs` are held for the time.
fn each_default_is_the_one_of_the_help() {
    let help = run(Command::new(LOAD).arg("--help"), Output::Pipe).stdout;
    let default = |name: &str| {
        let line = help.lines().find(|line| line.contains(&format!("--{name} "))).unwrap();
        line.rsplit(['(', ')']).nth(1).unwrap().to_owned()
    };
    let server = Server::start(plain_echo);
    let ended = server.load(&["-n", "1"]);
    for (option, field) in [("workers", "processes"), ("keep", "keep"), ("size", "bytes")] {
        assert_eq!(number(&ended, "", field).to_string(), default(option), "{option}");
    }
    assert_eq!((default("seconds"), default("timeout")), ("10, unless --count is given".to_owned(), "10".to_owned()));
}

/// Tests a server that lets some time pass before each answer, and some time within each answer.
fn each_time_is_that_of_its_part_of_the_connection() {
    const BEFORE: Duration = Duration::from_millis(300);
    const WITHIN: Duration = Duration::from_millis(200);
    let server = Server::start(|_, connection| {
        let mut request = [0; 64];
        while connection.read_exact(&mut request).is_ok() {
            std::thread::sleep(BEFORE);
            connection.write_all(&request[..1]).unwrap();
            std::thread::sleep(WITHIN);
            connection.write_all(&request[1..]).unwrap();
        }
    });
    let options = ["-n", "1", "-k", "2"];
    let json = server.load(&options);
    let of_json = ["connection", "first_byte", "request"].map(|span| number(&json, span, "max") / 1e9);
    let text = text_of_run(&options, server.port);
    let of_text = ["connection", "first byte", "request"]
        .map(|span| words(&text, span).unwrap().last().unwrap().parse::<f64>().unwrap() / 1e3);
    let (before, within) = (BEFORE.as_secs_f64(), WITHIN.as_secs_f64());
    // The text rounds a time to a microsecond.
    let is_at_least = |time: f64, least: f64| time > least - 1e-5;
    let all = text.stdout.lines().next().unwrap().rsplit(' ').nth(1).unwrap();
    let all = [number(&json, "", "seconds"), all.parse::<f64>().unwrap() + 1e-3];
    for ([connection, first_byte, request], all, ended) in [(of_json, all[0], &json), (of_text, all[1], &text)] {
        assert!(is_at_least(first_byte, before) && is_at_least(request, before + within), "{ended:?}");
        // The first byte may be read late, while the server goes on. After it come the rest and the second request.
        assert!(is_at_least(connection, 2.0 * (before + within)) && first_byte < connection, "{ended:?}");
        assert!(connection <= all && request < connection, "{ended:?}");
    }
    // The requests of a connection come one after another.
    assert!(2.0 * number(&json, "request", "mean") <= number(&json, "connection", "max"), "{json:?}");
    let digits = |number: &str| number.split_once('.').map_or(0, |(_, digits)| digits.len());
    let rate = json.stdout.split_once("\"connections_per_second\":").unwrap().1.split(',').next().unwrap();
    assert_eq!((digits(rate), digits(words(&text, "request").unwrap()[0])), (2, 3), "{rate} {text:?}");
    let seconds = json.stdout.split_once("\"seconds\":").unwrap().1.split(',').next().unwrap();
    let seconds_of_text = text.stdout.lines().next().unwrap().rsplit(' ').nth(1).unwrap();
    assert_eq!((digits(seconds), digits(seconds_of_text)), (6, 3), "{json:?} {text:?}");
    let [connections, requests, bytes] =
        ["connections", "requests", "bytes"].map(|name| digits(words(&text, name).unwrap()[1].trim_end_matches("/s")));
    assert_eq!([connections, requests, bytes], [0, 0, 1], "{text:?}");
    // Each of these is the time of the single connection.
    let row = words(&text, "connection").unwrap();
    assert!(row.len() == 5 && row.iter().all(|time| *time == row[0]), "{text:?}");
}

fn a_row_of_times_begins_with_the_mean_and_ends_with_the_longest() {
    let server = Server::start(|number, connection| {
        if number == 3 {
            std::thread::sleep(Duration::from_secs(1));
        }
        plain_echo(number, connection);
    });
    let text = text_of_run(&["-n", "200"], server.port);
    assert_eq!(words(&text, "ms").unwrap(), ["mean", "p50", "p99", "p99.9", "max"]);
    let row: Vec<f64> = words(&text, "connection").unwrap().iter().map(|time| time.parse().unwrap()).collect();
    let [mean, p50, p99, p999, max] = row[..] else { panic!("{text:?}") };
    // One of 200 is less than a hundredth and more than a thousandth of them.
    assert!(p50 <= p99 && p99 < p999 && p999 == max && max >= 1000.0, "{text:?}");
    assert!(mean >= max / 200.0 && mean < max, "{text:?}");
}

/// Tests a server that never answers: the run ends a second after its time.
fn a_connection_that_is_open_at_the_end_has_a_second_more() {
    let server = Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new()));
    // On a busy machine, a process begins late.
    let options = ["-s", "2", "-w", "2"];
    let json = server.load(&options);
    assert_eq!((json.status.code(), number(&json, "errors", "all")), (Some(0), 0.0), "{json:?}");
    assert_eq!((number(&json, "", "unfinished"), number(&json, "", "connections")), (2.0, 0.0), "{json:?}");
    assert!((3.0..8.0).contains(&number(&json, "", "seconds")), "{json:?}");
    let text = text_of_run(&options, server.port);
    assert_eq!(words(&text, "unfinished").unwrap(), ["2"], "{text:?}");
}

/// Returns a port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn each_fault_is_counted_under_its_name() {
    let resets = Server::start(|_, connection| {
        connection.read_exact(&mut [0; 64]).unwrap();
        reset(connection.try_clone().unwrap());
    });
    // The client has nothing to receive, and sends until the server has gone.
    let leaves = Server::start(|_, connection| connection.read_exact(&mut [0]).unwrap());
    let ends = Server::start(|_, connection| connection.read_exact(&mut [0; 64]).unwrap());
    let changes = Server::start(|_, connection| {
        connection.read_exact(&mut [0; 64]).unwrap();
        connection.write_all(&[0; 64]).unwrap();
    });
    let silent = Server::start(|_, connection| _ = connection.read_to_end(&mut Vec::new()));
    type Case<'a> = (&'a str, &'a str, u16, &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        ("socket", "Function not implemented", closed_port(), &[]),
        ("connect", "Connection refused", closed_port(), &[]),
        ("send", "?", leaves.port, &["--send", "x", "--expect", "", "-k", "1000000000"]),
        ("receive", "Connection reset by peer", resets.port, &[]),
        ("end", "", ends.port, &[]),
        ("differs", "", changes.port, &[]),
        ("timeout", "", silent.port, &["-t", "0.1"]),
    ];
    let names = cases.map(|(name, ..)| name);
    for (name, told, port, options) in cases {
        let run_as = |form: &[&str]| {
            let mut command = Command::new(LOAD);
            command.args(["-q", "-n", "2"]).args(options).args(form).arg(port.to_string());
            if name == "socket" {
                // SAFETY: the function makes system calls only.
                unsafe { command.pre_exec(|| without(&[libc::SYS_socket])) };
            }
            run(&mut command, Output::Pipe)
        };
        let (json, text) = (run_as(&["--json"]), run_as(&[]));
        assert_eq!((json.status.code(), text.status.code()), (Some(1), Some(1)), "{name}: {json:?} {text:?}");
        for other in names.into_iter().chain(["died"]) {
            let count = if other == name { 2 } else { 0 };
            assert_eq!(number(&json, "errors", other), f64::from(count), "{name}: {json:?}");
            let line = words(&text, other);
            let expected = format!("2 {told}");
            let expected = (count > 0).then_some(expected.trim());
            let is_any = told == "?" && line.as_ref().is_some_and(|words| words[0] == "2" && words.len() > 1);
            assert!(is_any || line.map(|words| words.join(" ")).as_deref() == expected, "{name}, {other}: {text:?}");
        }
        assert_eq!((number(&json, "errors", "all"), words(&text, "errors").unwrap()[0]), (2.0, "2"), "{name}");
    }
}

/// Checks the lines while the third connection, idle or not, waits for its answer.
fn progress_tells_what_was_done_so_far() {
    for (options, what) in [(&["-n", "3"][..], "connections"), (&["-n", "1", "-i", "3"], "held")] {
        let (go_on, waits) = channel::<()>();
        let waits = Mutex::new(waits);
        let server = Server::start(move |number, connection| match number {
            1 => connection.read_exact(&mut [0; 64]).unwrap(),
            2 => {
                let _ = waits.lock().unwrap().recv();
                plain_echo(number, connection);
            }
            _ => plain_echo(number, connection),
        });
        let mut command = Command::new(LOAD);
        let running = Running::start(command.args(options).arg(server.port.to_string()), Output::Pipe);
        // The first connection was made in an earlier second.
        let line = format!("mpserv-load: 1 {what}, 0/s, 1 errors\n");
        wait_until("the progress is told", || running.stderr_so_far().contains(&line));
        go_on.send(()).unwrap();
        let ended = running.wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    }
}

/// Compares each speed with the connections since the line before. There are a second and a tick at least between two
/// lines, and no more than the whole time.
fn progress_tells_the_speed_since_the_last_line() {
    let server = Server::start(plain_echo);
    let start = Instant::now();
    let mut command = Command::new(LOAD);
    let ended = run(command.args(["-s", "2.5", "-r", "600"]).arg(server.port.to_string()), Output::Pipe);
    let all = start.elapsed().as_secs_f64();
    let (mut before, mut count) = (0.0, 0);
    for line in ended.stderr.lines() {
        let words: Vec<&str> = line.split([' ', '/']).collect();
        let [connections, speed] = [words[1], words[3]].map(|word| word.parse::<f64>().unwrap());
        let since = connections - before;
        assert!(since > 0.0 && speed <= since && speed > since / all - 1.0, "{since} more, {all} s: {ended:?}");
        (before, count) = (connections, count + 1);
    }
    assert!(count > 0, "{ended:?}");
}
