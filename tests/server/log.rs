//! Tests `--log`, `-q` and `-v`: the lines, their formats, and the log throttle.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    pauses_that_are_held_back_are_summed_up_under_the_name_of_their_limit,
    quiet_leaves_out_connections_and_verbose_adds_details,
    no_control_character_reaches_the_log,
    the_second_flood_is_throttled_like_the_first,
    what_is_held_back_is_summed_up_at_the_end,
    each_number_in_a_line_is_what_its_name_says,
    the_seconds_of_a_pause_and_of_an_idle_child_are_right,
    a_line_begins_with_the_time_in_a_pipe_and_not_on_a_terminal_or_in_the_journal,
    an_exit_of_the_servers_own_is_named,
    where_no_log_daemon_listens_standard_error_is_told,
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
    assert!(lines.len() < 100, "{} lines for 200 clients", lines.len());
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
    // strace injects results, so the test needs no log daemon. Only the sent data counts.
    let options = ["-s", "200", "-e", "trace=connect,sendto", "-e", "inject=connect,sendto:retval=0"];
    let arguments = ["-v", "--log", "syslog", "-C", "1", "127.0.0.1:0"];
    let server = Served::start_command(&mut traced(&options, &trace, &arguments));
    let kept = server.client();
    let _refused = server.connect();
    let said = || fs::read_to_string(&trace).unwrap();
    wait_until("the second client is refused", || said().contains("refuse"));
    server.running.signal(Signal::USR1);
    wait_until("the first client is listed", || said().contains(": child "));
    drop(kept);
    wait_until("the end of the first is logged", || said().contains(": end "));
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0));
    // strace leaves the children alone. Where no daemon runs, the first child warns.
    assert!(ended.stderr.lines().all(|line| line.contains(": nothing is logged: ")), "{}", ended.stderr);
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains("connect(") && trace.contains("/dev/log"), "{trace}");
    // The facility is daemon, and the priorities are warning, notice, informational and debug: 3 * 8 + 4, 5, 6 and 7.
    for (priority, event) in [(28, "refuse"), (29, "listen"), (29, "stop"), (30, "end"), (31, "child")] {
        let is_one = |line: &str| line.contains(&format!("\"<{priority}>")) && line.contains(&format!(": {event} "));
        assert!(trace.lines().any(is_one), "{event} with priority {priority}: {trace}");
    }
    assert!(trace.contains("\"<29>") && trace.contains(": start pid=") && trace.contains("mpserv["), "{trace}");
}

fn quiet_leaves_out_connections_and_verbose_adds_details() {
    let server = Served::start(&["-q", "-C", "1", "127.0.0.1:0"]);
    let client = server.client();
    // A refused client is no ordinary connection, so -q keeps its line.
    assert_eq!(read_all(&mut server.connect()), b"");
    drop(client);
    server.wait_childless();
    let events: Vec<String> = server.stop().into_iter().map(|line| line.event).collect();
    assert_eq!(events, ["listen", "start", "refuse", "stop", "stopped"]);
    let server = Served::start(&["-v", "127.0.0.1:0"]);
    let client = server.client();
    server.running.signal(Signal::USR1);
    let child = server.wait_events("child", 1);
    assert_eq!(child[0].number("pid"), server.wait_events("accept", 1)[0].number("pid"));
    drop(client);
    server.stop();
}

/// Checks that a chosen text, here the path of a socket, cannot control the terminal of the log's reader.
fn no_control_character_reaches_the_log() {
    let folder = TempDir::new();
    // The path has Escape, Delete, and CSI as one character of ISO 6429 (C1).
    let path = format!("{}/a\u{1b}b\u{7f}c\u{9b}d\ne\"f", folder.0.display());
    for form in ["text", "json"] {
        let server = Running::start(&mut mpserv(&["--log", form, &format!("unix:{path}")]), Output::Pipe);
        wait_until("the server listens", || server.stderr_so_far().contains("start"));
        let log = server.end(Signal::TERM).stderr;
        assert!(log.contains(r#"a\\x1bb\\x7fc\\xc2\\x9bd\\ne"#), "{form}: {log}");
        assert!(log.chars().all(|character| character == '\n' || !character.is_control()), "{form}: {log:?}");
    }
}

/// Checks that the throttle begins anew after a pause in which nothing was held back.
fn the_second_flood_is_throttled_like_the_first() {
    const MANY: u64 = 50;
    let server = Served::start(&["-C", "1", "127.0.0.1:0"]);
    let kept = server.client();
    let sum = |lines: &[Line]| lines.iter().map(|line| line.number("count")).sum::<u64>();
    let mut before = 0;
    for flood in 1..=2 {
        let start = Instant::now();
        for _ in 0..MANY {
            assert_eq!(read_all(&mut server.connect()), b"");
        }
        let lines =
            wait_for("all are in the log", || Some(server.events("refuse")).filter(|lines| sum(lines) == flood * MANY));
        let (new, seconds) = (lines.len() - before, start.elapsed().as_secs_f64());
        // There is one line at once, and one line each second.
        assert!(new as f64 <= 2.0 + seconds, "flood {flood}: {new} lines in {seconds} seconds");
        assert!(new < MANY as usize / 2, "flood {flood}: {new} lines for {MANY} clients");
        before = lines.len();
        // A throttled line is logged after a second, so no line is left after two.
        std::thread::sleep(Duration::from_millis(2100));
        assert_eq!(server.events("refuse").len(), before);
    }
    drop(kept);
    server.stop();
}

/// Checks each number of the lines about clients, children and the end, in a server with two clients of one process
/// each.
fn each_number_in_a_line_is_what_its_name_says() {
    const WAIT: Duration = Duration::from_millis(300);
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    for (options, pool) in [(&[][..], 0), (&["--prefork", "2"], 2), (&["-C", "3"], 0)] {
        let (begun, limit) = (Instant::now(), if pool > 0 { pool } else { 5 });
        let options = [&["-v", "-c", "5", "--grace", "7.5", "--pidfile", pidfile], options, &["127.0.0.1:0"]].concat();
        let server = Served::start(&options);
        let started = Instant::now();
        let start = &server.wait_events("start", 1)[0];
        assert_eq!((start.number("pid"), start.number("limit")), (u64::from(server.pid()), limit));
        // The first client comes and goes.
        assert_eq!(finish(server.client()), b"");
        server.wait_events("end", 1);
        // A preforked child logs the end before it counts as idle.
        let idle = format!(", {pool} idle, ");
        wait_until("no child serves", || run_mpserv(&["--status", pidfile]).stdout.contains(&idle));
        let before = Instant::now();
        // Two preforked children that accept at once would count each other.
        let first = server.client();
        server.wait_events("accept", 2);
        let mut clients = vec![first, server.client()];
        let served = Instant::now();
        std::thread::sleep(WAIT);
        let accepts = server.wait_events("accept", 3);
        let accepts: Vec<_> = accepts.iter().skip(1).collect();
        for (client, (accept, count)) in clients.iter().zip(accepts.iter().zip(1..)) {
            assert_eq!((accept.number("children"), accept.number("limit")), (count, limit), "{options:?}");
            assert_eq!(accept.get("from"), client.local_addr().unwrap().to_string());
            assert!(children(server.pid()).contains(&u32::try_from(accept.number("pid")).unwrap()));
        }
        let asked = Instant::now();
        server.running.signal(Signal::USR1);
        let lines = server.wait_events("child", 2);
        let told = Instant::now();
        let status = &server.events("status")[0];
        let numbers = ["children", "limit", "accepted", "refused", "ended"].map(|field| status.number(field));
        assert_eq!(numbers, [2, limit, 3, 0, if pool > 0 { 0 } else { 1 }], "{status:?}");
        assert_eq!(status.fields.get("serving").map(String::as_str), (pool > 0).then_some("2"));
        assert_eq!((status.get("paused"), status.get("stopping")), ("no", "no"));
        assert_between(status.get("uptime"), asked - started, told - begun);
        // One of the pool's processes has served the first client.
        assert_eq!(lines.iter().map(|line| line.number("served")).sum::<u64>(), if pool > 0 { 1 } else { 0 });
        for accept in &accepts {
            let line = lines.iter().find(|line| line.get("pid") == accept.get("pid")).unwrap();
            assert_eq!((line.get("from"), line.get("state")), (accept.get("from"), "serving"));
            assert_between(line.get("seconds"), asked - served, told - before);
        }
        let left = Instant::now();
        assert_eq!(finish(clients.remove(0)), b"");
        let end = &server.wait_events("end", 2)[1];
        assert_eq!((end.get("pid"), end.get("from")), (accepts[0].get("pid"), accepts[0].get("from")));
        assert_eq!(end.get("exit"), "0");
        // A preforked child logs the end itself, and does not know the others.
        assert_eq!(end.fields.get("children").map(String::as_str), (pool == 0).then_some("1"));
        assert_between(end.get("seconds"), left - served, before.elapsed());
        let stopping = Instant::now();
        server.running.signal(Signal::TERM);
        let stop = &server.wait_events("stop", 1)[0];
        let uid = u64::from(mpserv::user::geteuid());
        assert_eq!((stop.number("sender"), stop.number("uid")), (u64::from(std::process::id()), uid));
        assert_eq!(stop.get("grace"), "7.500");
        assert!((1..=1 + pool).contains(&stop.number("children")), "{stop:?}");
        std::thread::sleep(WAIT);
        assert_eq!(finish(clients.remove(0)), b"");
        let log = parse_log(&server.running.wait().stderr);
        let stopped = log.last().unwrap();
        let drained = if pool > 0 { 2 } else { 1 };
        let numbers = ["drained", "terminated", "killed", "accepted"].map(|field| stopped.number(field));
        assert_eq!(numbers, [drained, 0, 0, 3], "{stopped:?}");
        assert_between(stopped.get("seconds"), WAIT, stopping.elapsed());
    }
}

/// Checks the time of a pause, and of a preforked child without a client.
fn the_seconds_of_a_pause_and_of_an_idle_child_are_right() {
    const WAIT: Duration = Duration::from_millis(300);
    let server = Served::start(&["-c", "1", "127.0.0.1:0"]);
    let before = Instant::now();
    let first = server.client();
    let second = server.connect();
    let pause = server.wait_events("pause", 1);
    assert_eq!((pause[0].get("why"), pause[0].number("children"), pause[0].number("count")), ("max-children", 1, 1));
    std::thread::sleep(WAIT);
    assert_eq!(finish(first), b"");
    let resume = &server.wait_events("resume", 1)[0];
    assert_between(resume.get("seconds"), WAIT, before.elapsed());
    assert_eq!(finish(second), b"");
    server.stop();
    let before = Instant::now();
    let server = Served::start(&["--prefork", "1", "127.0.0.1:0"]);
    let child = wait_for("there is a process", || children(server.pid()).first().copied());
    std::thread::sleep(WAIT);
    signal(child, Signal::KILL);
    let leave = &server.wait_events("leave", 1)[0];
    assert_eq!((leave.number("pid"), leave.get("status")), (u64::from(child), "SIGKILL"));
    assert_between(leave.get("seconds"), WAIT, before.elapsed());
    // The parent logs the end of a process that is killed while it serves, and the client's time.
    std::thread::sleep(WAIT);
    let before = Instant::now();
    let client = server.client();
    let accept = &server.wait_events("accept", 1)[0];
    std::thread::sleep(WAIT);
    send(accept.number("pid"), Signal::KILL);
    let end = &server.wait_events("end", 1)[0];
    assert_eq!((end.get("pid"), end.get("from")), (accept.get("pid"), accept.get("from")));
    assert_eq!((end.get("signal"), end.number("children")), ("SIGKILL", 0));
    assert_between(end.get("seconds"), WAIT, before.elapsed());
    drop(client);
    server.stop();
}

/// Checks that a server which stops first tells of the events that the throttle still holds back.
fn what_is_held_back_is_summed_up_at_the_end() {
    const MANY: u64 = 20;
    let server = Served::start(&["-C", "1", "127.0.0.1:0"]);
    let kept = server.client();
    for _ in 0..MANY {
        assert_eq!(read_all(&mut server.connect()), b"");
    }
    drop(kept);
    let log = server.stop();
    let refused = log.iter().filter(|line| line.event == "refuse");
    assert_eq!(refused.map(|line| line.number("count")).sum::<u64>(), MANY, "{log:?}");
}

/// Runs a server whose standard error goes to `stderr`, ends it, and returns that output.
fn log_to(stderr: Stdio, change: impl FnOnce(&mut Command), read: impl Fn() -> String) -> String {
    let mut command = mpserv(&["127.0.0.1:0"]);
    change(command.stdout(Stdio::null()).stderr(stderr));
    let mut server = command.spawn().unwrap();
    drop(command);
    wait_until("the server serves", || read().contains("mpserv: start "));
    signal(server.id(), Signal::TERM);
    wait_until("it ends", || server.try_wait().unwrap().is_some());
    read()
}

fn a_line_begins_with_the_time_in_a_pipe_and_not_on_a_terminal_or_in_the_journal() {
    let has_times = |log: &str| {
        let with: Vec<bool> = log.lines().map(|line| without_time(line).len() < line.len()).collect();
        assert!(with.iter().all(|has| *has == with[0]), "{log}");
        with[0]
    };
    for (arguments, is_timed) in [(&[][..], true), (&["--log-time", "auto"], true), (&["--log-time", "no"], false)] {
        let server = Served::start(&[arguments, &["127.0.0.1:0"]].concat());
        assert_eq!(has_times(&server.running.end(Signal::TERM).stderr), is_timed, "{arguments:?}");
    }
    let folder = TempDir::new();
    let path = folder.join("log");
    let file = || fs::File::create(&path).unwrap();
    let read = || fs::read_to_string(&path).unwrap();
    assert!(has_times(&log_to(file().into(), |_| {}, read)));
    // The server knows the journal's stream by its device and inode.
    let stream = |file: &fs::File, more: [u64; 2]| {
        let stat = file.metadata().unwrap();
        format!("{}:{}", stat.dev() + more[0], stat.ino() + more[1])
    };
    for more in [[0, 0], [0, 1], [1, 0]] {
        let log = file();
        let named = stream(&log, more);
        let set = |command: &mut Command| _ = command.env("JOURNAL_STREAM", &named);
        assert_eq!(has_times(&log_to(log.into(), set, read)), more != [0, 0], "{named}");
    }
    let (master, slave) = terminal();
    let master = fs::File::from(master);
    let text = std::cell::RefCell::new(String::new());
    let read = || {
        let mut buffer = [0; 4096];
        // The read may fail, because all processes with the terminal may have ended.
        if let Ok(length) = std::io::Read::read(&mut &master, &mut buffer) {
            text.borrow_mut().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        text.borrow().clone()
    };
    assert!(!has_times(&log_to(slave.into(), |_| {}, read)));
}

fn an_exit_of_the_servers_own_is_named() {
    let meaning = |server: &Served| {
        let end = &server.wait_events("end", 1)[0];
        (end.get("exit").to_owned(), end.fields.get("meaning").cloned())
    };
    let server = Served::start(&["-t", "0.1", "127.0.0.1:0"]);
    assert_eq!(read_all(&mut server.connect()), b"");
    assert_eq!(meaning(&server), ("2".to_owned(), Some("idle".to_owned())));
    server.stop();
    let server = Served::start(&["--proxy-protocol", "127.0.0.1:0"]);
    assert_eq!(finish(server.connect()), b"");
    assert_eq!(meaning(&server), ("3".to_owned(), Some("refused".to_owned())));
    assert_eq!(server.wait_events("refuse", 1)[0].number("from_source"), 0, "the proxy has named no client");
    server.stop();
    // The exit statuses of a program have no meaning for the server.
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "exit 3"]);
    assert_eq!(finish(server.connect()), b"");
    assert_eq!(meaning(&server), ("3".to_owned(), None));
    server.stop();
}

fn where_no_log_daemon_listens_standard_error_is_told() {
    let folder = TempDir::new();
    for (error, told) in [("ECONNREFUSED", "Connection refused"), ("ENOENT", "No such file or directory")] {
        let trace = folder.join("trace");
        let options = ["-e", "trace=connect", "-e", &format!("inject=connect:error={error}")];
        let server = Served::start_command(&mut traced(&options, &trace, &["--log", "syslog", "127.0.0.1:0"]));
        assert_eq!(finish(server.client()), b"");
        let stderr = server.running.end(Signal::TERM).stderr;
        let line =
            format!("mpserv: nothing is logged: /dev/log: {told}; start a log daemon, or leave out --log syslog\n");
        // The warning comes only once a minute, so these lines come without another warning.
        assert_eq!(stderr, line);
    }
}

/// Checks the sums of pauses that came too often. A sum has no `children`.
fn pauses_that_are_held_back_are_summed_up_under_the_name_of_their_limit() {
    for (options, limit) in [(["-c", "1"], "max-children"), (["--max-rate", "1/0.01"], "max-rate")] {
        let server = Served::start(&[&options[..], &["-q", "127.0.0.1:0"]].concat());
        // On a very busy machine, some pauses are so far apart that each has its line. In that case try again.
        wait_until("there is a sum", || {
            let clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
            clients.into_iter().for_each(|client| assert_eq!(finish(client), b""));
            let is_sum = |line: &Line| !line.fields.contains_key("children");
            wait_within(Duration::from_secs(3), || server.events("pause").iter().any(is_sum).then_some(())).is_some()
        });
        let pauses = server.events("pause");
        assert!(pauses.iter().all(|line| line.get("why") == limit), "{pauses:?}");
        server.stop();
    }
}
