//! `--log`, `-q` and `-v`: the lines, their forms, and the throttle of floods.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_flood_of_refusals_is_a_line_a_second_and_none_is_lost,
    the_log_is_json_where_it_is_asked_for,
    python_reads_the_log_in_json,
    the_log_goes_to_syslog_where_it_is_asked_for,
    quiet_leaves_out_connections_and_verbose_adds_details,
];

fn a_flood_of_refusals_is_a_line_a_second_and_none_is_lost() {
    let server = Served::start(&["-C", "1", "127.0.0.1:0"]);
    let kept = server.client();
    let start = Instant::now();
    for _ in 0..200 {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    let sum = |lines: &[Line]| lines.iter().map(|line| line.number("count")).sum::<u64>();
    let lines = wait_for("all 200 are in the log", || Some(server.events("refuse")).filter(|lines| sum(lines) == 200));
    let seconds = start.elapsed().as_secs() as usize + 1;
    assert!(lines.len() <= seconds + 1, "{} lines in {seconds} seconds", lines.len());
    drop(kept);
    server.stop();
}

fn the_log_is_json_where_it_is_asked_for() {
    let server = Served::start_command(&mut mpserv(&["--log", "json", "-C", "1", "127.0.0.1:0"]));
    let client = server.client();
    assert_eq!(read_all(&mut server.connect()), b"");
    drop(client);
    wait_until("the end is in the log", || server.running.stderr_so_far().contains("\"event\":\"end\""));
    let ended = server.running.end(Signal::TERM);
    let events: Vec<&str> =
        ended.stderr.lines().map(|line| json_event(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert_eq!(events, ["listen", "start", "accept", "refuse", "end", "stop", "stopped"]);
}

fn python_reads_the_log_in_json() {
    needs_command("python3");
    let server = Served::start_command(&mut mpserv(&["--log", "json", "-C", "1", "127.0.0.1:0"]));
    let client = server.client();
    assert_eq!(read_all(&mut server.connect()), b"");
    drop(client);
    let ended = server.running.end(Signal::TERM);
    let check = "import json, sys\nfor line in sys.stdin: assert isinstance(json.loads(line)['time'], float)";
    let mut python = Running::start(Command::new("python3").args(["-c", check]).stdin(Stdio::piped()), Output::Pipe);
    python.input(ended.stderr.as_bytes());
    let ended = python.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
}

fn json_event(line: &str) -> Option<&str> {
    let (time, rest) = line.strip_prefix("{\"time\":")?.split_once(",\"event\":\"")?;
    time.parse::<f64>().ok()?;
    rest.strip_suffix('}')?.split_once('"').map(|(event, _)| event)
}

fn the_log_goes_to_syslog_where_it_is_asked_for() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    // Whether there is a log on this machine or not: what is sent is what counts.
    let options = ["-s", "200", "-e", "trace=connect,sendto", "-e", "inject=connect,sendto:retval=0"];
    let server = Served::start_command(&mut traced(&options, &trace, &["--log", "syslog", "127.0.0.1:0"]));
    let ended = server.running.end(Signal::TERM);
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains("connect(") && trace.contains("/dev/log"), "{trace}");
    // Facility daemon, priority notice: 3 * 8 + 5.
    assert!(trace.contains("\"<29>") && trace.contains(": start pid=") && trace.contains("mpserv["), "{trace}");
}

fn quiet_leaves_out_connections_and_verbose_adds_details() {
    let server = Served::start(&["-q", "127.0.0.1:0"]);
    drop(server.client());
    server.wait_childless();
    let events: Vec<String> = server.stop().into_iter().map(|line| line.event).collect();
    assert_eq!(events, ["listen", "start", "stop", "stopped"]);
    let server = Served::start(&["-v", "127.0.0.1:0"]);
    let client = server.client();
    server.running.signal(Signal::USR1);
    let child = server.wait_events("child", 1);
    assert_eq!(child[0].number("pid"), server.wait_events("accept", 1)[0].number("pid"));
    drop(client);
    server.stop();
}
