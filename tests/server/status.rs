//! Tests `--status`, `--json`, `--watch` and the title of the process.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::fd::{PipeFlags, pipe2};
use mpserv::memory::SharedWords;
use mpserv::server::limits::LISTENERS_MAX;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    the_status_is_shown_as_a_table_and_in_the_title,
    as_json_the_status_has_what_the_table_has,
    as_json_the_status_is_watched_a_line_each_second,
    of_a_server_that_is_a_zombie_it_is_told_that_it_has_ended,
    there_is_no_status_of_what_is_no_server,
    of_a_scoreboard_of_another_form_nothing_is_printed,
    of_a_scoreboard_that_has_become_another_file_nothing_is_opened,
    an_earlier_server_whose_scoreboard_has_another_form_is_left_out,
    each_client_that_is_not_served_counts_as_refused,
    a_child_is_shown_with_the_client_that_it_has_now,
    a_server_with_as_many_listeners_as_there_may_be_has_a_status,
    times_and_counts_are_those_of_each_child,
];

fn title(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    text.trim_end_matches('\0').to_owned()
}

fn the_status_is_shown_as_a_table_and_in_the_title() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    for (mode, idle, limit) in [(&[][..], 0, 7), (&["--prefork", "3"], 1, 3)] {
        let server = Served::start(&[mode, &["-c", "7", "--pidfile", pidfile, "127.0.0.1:0"]].concat());
        wait_until("the title is there", || title(server.pid()) == format!("mpserv: 0/{limit} children"));
        let begun = Instant::now();
        let all = server.clients(2);
        wait_until("the title has both", || {
            title(server.pid()) == format!("mpserv: 2/{limit} children") || {
                // The parent of a pool updates the counts when it is woken.
                server.running.signal(Signal::USR1);
                false
            }
        });
        let first = format!("mpserv {}: 2 of {limit} serving, {idle} idle, 2 accepted, 0 refused, up ", server.pid());
        // A new child is not idle at once.
        let shown = wait_for("it is shown as it is", || {
            let shown = run_mpserv(&["--status", pidfile]);
            assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
            shown.stdout.starts_with(&first).then_some(shown.stdout)
        });
        assert!(shown.ends_with('\n') && !shown.contains('\u{1b}'), "{shown:?}");
        let lines: Vec<&str> = shown.lines().collect();
        let is_idle = |line: &&&str| line.split_whitespace().nth(1) == Some("idle");
        let idle_words = lines.iter().filter(is_idle).map(|line| line.split_whitespace().count());
        assert!(idle_words.eq([4].into_iter().cycle().take(idle)), "{shown}");
        let serving: Vec<&&str> = lines.iter().filter(|line| line.contains(" serving ")).collect();
        assert_eq!(lines.len(), 4 + idle, "{shown}");
        assert_eq!(lines[1], "     PID  STATE        SERVED      SECONDS  CLIENT");
        assert_eq!(serving.len(), 2, "{shown}");
        for client in &all {
            let address = client.local_addr().unwrap().to_string();
            let line =
                lines.iter().find(|line| line.ends_with(&address)).unwrap_or_else(|| panic!("{address}: {shown}"));
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(children(server.pid()).contains(&words[0].parse().unwrap()), "{shown}");
            assert_eq!((words.len(), words[1], words[2]), (5, "serving", "0"), "{shown}");
            assert_between(words[3], Duration::ZERO, begun.elapsed());
            assert_eq!(*line, format!("{:>8}  {:<8} {:>10} {:>12}  {address}", words[0], words[1], words[2], words[3]));
        }
        // A terminal is cleared only before each of several tables.
        let mut command = Command::new(MPSERV);
        let on_terminal = run(command.args(["--status", pidfile]).stdin(Stdio::null()), Output::Terminal);
        assert!(on_terminal.stdout.starts_with(&first), "{on_terminal:?}");
        // The status is shown every second, until the server has ended.
        let mut command = Command::new(MPSERV);
        let watch = Running::start(command.args(["--status", pidfile, "--watch"]).stdin(Stdio::null()), Output::Pipe);
        wait_until("it was shown twice", || watch.stdout_so_far().matches("mpserv ").count() >= 2);
        let mut command = Command::new(MPSERV);
        let cleared =
            Running::start(command.args(["--status", pidfile, "--watch"]).stdin(Stdio::null()), Output::Terminal);
        wait_until("each table clears the terminal", || {
            let shown = cleared.stdout_so_far();
            assert!(shown.is_empty() || shown.starts_with('\u{1b}'), "{shown:?}");
            shown.matches("\u{1b}[H\u{1b}[Jmpserv ").count() >= 2
        });
        drop(all);
        server.stop();
        let ended = watch.wait();
        assert_eq!((ended.status.code(), ended.stdout.contains('\u{1b}')), (Some(0), false), "{ended:?}");
        assert_eq!(cleared.wait().status.code(), Some(0));
    }
}

/// A program for Python that reads lines of JSON and prints every value with its path, `children.0.pid=12`.
const FLATTEN: &str = "\
import json, sys
def show(path, value):
    if isinstance(value, (dict, list)):
        print(path + '=' + ','.join(value) if isinstance(value, dict) else path + '=' + str(len(value)))
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            show(f'{path}.{name}' if path else str(name), part)
    else:
        print(path + '=' + json.dumps(value))
for line in sys.stdin:
    show('', json.loads(line))
";

/// Returns the values of a JSON object, by their paths. Python parses the text.
#[track_caller]
pub(crate) fn parse_json(json: &str) -> HashMap<String, String> {
    needs_command("python3");
    let mut command = Command::new("python3");
    let mut python = Running::start(command.args(["-c", FLATTEN]).stdin(Stdio::piped()), Output::Pipe);
    python.input(json.as_bytes());
    let ended = python.wait();
    assert!(ended.status.success(), "{json}: {}", ended.stderr);
    let pairs = ended.stdout.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(path, value)| (path.to_owned(), value.to_owned())).collect()
}

fn as_json_the_status_has_what_the_table_has() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    let socket = format!("unix:{}", folder.join("socket").display());
    let begun = Instant::now();
    let options = ["-C", "1", "--prefork", "3", "--pidfile", pidfile, "--listen", &socket, "127.0.0.1:0"];
    let server = Served::start(&options);
    let started = Instant::now();
    for ends in 1..=4 {
        assert_eq!(finish(server.client()), b"");
        // Until then, the client counts against -C.
        server.wait_events("end", ends);
    }
    let connected = Instant::now();
    let client = server.client();
    // The second of one source is refused.
    assert_eq!(read_all(&mut server.connect()), b"");
    let served = Instant::now();
    let mut local = watched(UnixStream::connect(folder.join("socket")).unwrap());
    local.write_all(b"x").unwrap();
    local.read_exact(&mut [0]).unwrap();
    // A new child is not idle at once.
    let mut asked = Instant::now();
    let status = wait_for("one is idle", || {
        asked = Instant::now();
        let shown = run_mpserv(&["--status", pidfile, "--json"]);
        assert_eq!((shown.status.code(), shown.stdout.lines().count()), (Some(0), 1), "{}", shown.stderr);
        let status = parse_json(&shown.stdout);
        (status["idle"] == "1").then_some(status)
    });
    let expected = [
        ("", "pid,limit,serving,idle,accepted,refused,uptime,children,earlier"),
        ("pid", &server.pid().to_string()),
        ("limit", "3"),
        ("serving", "2"),
        ("accepted", "7"),
        ("refused", "1"),
        ("children", "3"),
        ("children.0", "pid,state,served,seconds,client"),
        ("earlier", "0"),
    ];
    for (path, value) in expected {
        assert_eq!(status[path], value, "{path} of {status:#?}");
    }
    let (me, inet) = (std::process::id(), client.local_addr().unwrap());
    let (mut clients, mut pids, mut served_before) = (Vec::new(), Vec::new(), 0);
    assert_between(&status["uptime"], asked - started, begun.elapsed());
    for index in 0..3 {
        let child = |name: &str| status[&format!("children.{index}.{name}")].clone();
        served_before += child("served").parse::<u32>().unwrap();
        if child("client") == format!("\"{inet}\"") {
            assert_between(&child("seconds"), asked - served, connected.elapsed());
        }
        assert_eq!(child("client") == "null", child("state") == "\"idle\"", "{status:#?}");
        clients.push(child("client"));
        pids.push(child("pid").parse::<u32>().unwrap());
    }
    // The client that was refused was not served.
    assert_eq!(served_before, 4, "{status:#?}");
    assert!(clients.contains(&format!("\"{inet}\"")), "{status:#?}");
    assert!(clients.iter().any(|client| client.starts_with(&format!("\"unix:pid:{me}:uid:"))), "{status:#?}");
    pids.sort_unstable();
    let mut children = children(server.pid());
    children.sort_unstable();
    assert_eq!(pids, children);
    drop((client, local));
    server.stop();
}

fn as_json_the_status_is_watched_a_line_each_second() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    let server = Served::start(&["--pidfile", pidfile, "127.0.0.1:0"]);
    let mut command = Command::new(MPSERV);
    let options = ["--json", "--status", pidfile, "--watch"];
    // Even on a terminal, only JSON is written.
    let watch = Running::start(command.args(options).stdin(Stdio::null()), Output::Terminal);
    let uptime_of = |line: &str| line.split_once("\"uptime\":")?.1.split_once(',')?.0.parse::<f64>().ok();
    wait_until("a line follows another within 2 seconds", || {
        let shown = watch.stdout_so_far();
        let uptimes: Vec<f64> = shown.lines().filter_map(uptime_of).collect();
        uptimes.windows(2).any(|two| two[1] - two[0] < 2.0)
    });
    server.stop();
    let ended = watch.wait();
    assert_eq!(ended.status.code(), Some(0));
    let mut uptimes = Vec::new();
    for line in ended.stdout.lines() {
        let shown = parse_json(line);
        assert_eq!(shown["children"], "0", "{line}");
        uptimes.push(shown["uptime"].parse::<f64>().unwrap());
    }
    assert!(uptimes[1] - uptimes[0] > 0.99, "{uptimes:?}");
}

/// Kills a server, which this process does not reap before the last look.
fn of_a_server_that_is_a_zombie_it_is_told_that_it_has_ended() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    let server = Served::start(&["--pidfile", pidfile, "127.0.0.1:0"]);
    let watch = |format: &[&str]| {
        let mut command = Command::new(MPSERV);
        command.args(["--status", pidfile, "--watch"]).args(format).stdin(Stdio::null());
        Running::start(&mut command, Output::Pipe)
    };
    let [table, json] = [watch(&[]), watch(&["--json"])];
    wait_until("both have shown it", || [&table, &json].iter().all(|watch| !watch.stdout_so_far().is_empty()));
    server.running.signal(Signal::KILL);
    wait_until("it has ended", || state(server.pid()) == Some('Z'));
    let ended = run_mpserv(&["--status", pidfile]);
    is_refusal(&ended, TROUBLE, &["it has ended"]);
    let [table, json] = [table, json].map(Running::wait);
    assert!(table.stdout.ends_with(&format!("\nmpserv {} has ended\n", server.pid())), "{}", table.stdout);
    assert!(json.stdout.ends_with("}\n") && !json.stdout.contains("ended"), "{}", json.stdout);
    assert_eq!((table.status.code(), json.status.code()), (Some(0), Some(0)));
    assert_eq!(state(server.pid()), Some('Z'));
}

fn there_is_no_status_of_what_is_no_server() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    for (text, told) in [
        ("", "it holds no process id; an empty pidfile means that its server has stopped"),
        ("no number\n", "it holds no process id"),
        ("999999999\n", "it has ended"),
        (&format!("{}\n", std::process::id()), "this is no mpserv that serves"),
    ] {
        fs::write(&pidfile, text).unwrap();
        let ended = run_mpserv(&["--status", pidfile.to_str().unwrap()]);
        assert_eq!(ended.status.code(), Some(111), "{text}");
        assert!(ended.stderr.contains(told) && ended.stderr.lines().count() == 1, "{text}: {}", ended.stderr);
    }
    let ended = run_mpserv(&["--status", "/no/such/file"]);
    assert!(ended.stderr.contains("No such file"), "{}", ended.stderr);
}

/// Checks a scoreboard that the program of another version might have made.
fn of_a_scoreboard_of_another_form_nothing_is_printed() {
    let _scoreboard = SharedWords::new(c"mpserv-scoreboard", 1 << 12).unwrap();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    fs::write(&pidfile, format!("{}\n", std::process::id())).unwrap();
    for format in [&[][..], &["--json"]] {
        let ended = run_mpserv(&[&["--status", pidfile.to_str().unwrap()], format].concat());
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(111), ""), "{format:?}");
        assert!(ended.stderr.contains("cannot show the status"), "{}", ended.stderr);
    }
}

/// Checks that an earlier server which is of another version, or has become another program, is left out. This process
/// stands for the first, and process 1 for the second. An earlier version names process 1 without a pipe.
fn an_earlier_server_whose_scoreboard_has_another_form_is_left_out() {
    let _scoreboard = SharedWords::new(c"mpserv-scoreboard", 1 << 12).unwrap();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // The server does not get the reading ends, so it sees when this process closes them.
    let readers = [50, 51].map(|number| {
        let (reader, pipe) = pipe2(PipeFlags::CLOEXEC).unwrap();
        // SAFETY: the call takes numbers, and nothing in this process uses the second.
        assert_eq!(unsafe { libc::dup2(pipe.raw(), number) }, number);
        reader
    });
    let passed = format!("MPSERV_INHERIT=$$,4,0,3,g1,g1p50,g{}p51", std::process::id());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{passed} exec '{MPSERV}' 127.0.0.1:0 3<&0 4>/dev/null </dev/null")]);
    let server = Running::start(command.stdin(std::os::fd::OwnedFd::from(listener)), Output::Pipe);
    wait_until("the server starts", || server.stderr_so_far().contains("mpserv: start "));
    fs::write(&pidfile, format!("{}\n", server.pid())).unwrap();
    let show = |format: &[&str]| {
        let shown = run_mpserv(&[&["--status", pidfile.to_str().unwrap()], format].concat());
        assert_eq!((shown.status.code(), shown.stderr.as_str()), (Some(0), ""), "{format:?}: {}", shown.stdout);
        shown.stdout
    };
    let table = show(&[]);
    assert!(table.starts_with(&format!("mpserv {}: ", server.pid())) && !table.contains("Before"), "{table}");
    assert!(show(&["--json"]).ends_with(",\"children\":[],\"earlier\":[]}\n"));
    drop(readers);
    server.end(Signal::TERM);
}

/// Tests a process that has taken the id of a server. Once its descriptor has been found, it puts a FIFO there, in place
/// of a device whose open would have an effect.
fn of_a_scoreboard_that_has_become_another_file_nothing_is_opened() {
    let folder = TempDir::new();
    let [pidfile, fifo] = ["pid", "fifo"].map(|name| folder.join(name));
    fs::write(&pidfile, format!("{}\n", std::process::id())).unwrap();
    let fifo = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the path ends in a NUL.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    // SAFETY: the name ends in a NUL.
    let board = unsafe { libc::memfd_create(c"mpserv-scoreboard".as_ptr(), 0) };
    // SAFETY: the calls take numbers. Standard input is this process's own, and the first descriptor that is looked at.
    assert_eq!(unsafe { libc::dup2(board, 0) }, 0);
    let server = stopped_after("/^readlink", &folder.join("trace"), &["--status", pidfile.to_str().unwrap()]);
    // SAFETY: the path ends in a NUL.
    let named = unsafe { libc::open(fifo.as_ptr(), libc::O_PATH) };
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::dup2(named, 0) }, 0);
    server.signal(Signal::CONT);
    is_refusal(&server.wait(), TROUBLE, &["this is no mpserv that serves"]);
}

/// Checks that a client counts as refused, no matter which process refuses the client, and why.
fn each_client_that_is_not_served_counts_as_refused() {
    let folder = TempDir::new();
    let (program, rules) = (copy_program("/bin/cat", &folder), folder.join("rules"));
    fs::write(&rules, "deny all\n").unwrap();
    let rules = rules.to_str().unwrap();
    for arguments in [
        &["127.0.0.1:0", program.to_str().unwrap()][..],
        &["--rules", rules, "127.0.0.1:0"],
        &["--prefork", "1", "--rules", rules, "127.0.0.1:0"],
        &["--proxy-protocol", "127.0.0.1:0"],
        &["--prefork", "1", "--proxy-protocol", "127.0.0.1:0"],
        &["--proxy-protocol", "127.0.0.1:0", "cat"],
    ] {
        let server = Served::start(arguments);
        // Only the first server needs the program, and cannot run the program any more.
        let _ = fs::remove_file(&program);
        let mut client = server.connect();
        let _ = client.shutdown(std::net::Shutdown::Write);
        assert_eq!(read_all(&mut client), b"", "{arguments:?}");
        server.running.signal(Signal::USR1);
        let status = &server.wait_events("status", 1)[0];
        assert_eq!((status.number("accepted"), status.number("refused")), (1, 1), "{arguments:?}");
        server.stop();
    }
}

/// Checks the client of a child in each state: the sender of the connection until the header has come, then the client
/// that the header names, and then none.
fn a_child_is_shown_with_the_client_that_it_has_now() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    for pool in [&[][..], &["--prefork", "1"]] {
        let server = Served::start(&[pool, &["-v", "--proxy-protocol", "--pidfile", pidfile, "127.0.0.1:0"]].concat());
        // Returns the client of the only child, in the status and in the log, once the child has this state.
        let mut asked = 0;
        let mut client_of = |wanted: &str| {
            let shown = wait_for(&format!("the child is {wanted}"), || {
                // A child waits three seconds for its header, and Python may need longer to begin. So this is the table.
                let shown = run_mpserv(&["--status", pidfile]).stdout;
                let words: Vec<&str> = shown.lines().nth(2)?.split_whitespace().collect();
                // A child that waits for a header is counted as one that serves.
                let [serving, idle] = if wanted == "idle" { [0, 1] } else { [1, 0] };
                let counted =
                    shown.contains(&format!(": {serving} of ")) && shown.contains(&format!(", {idle} idle, "));
                (words[1] == wanted && counted).then(|| words.get(4).copied().unwrap_or("none").to_owned())
            });
            server.running.signal(Signal::USR1);
            asked += 1;
            let line = server.wait_events("child", asked).remove(asked - 1);
            assert_eq!(line.get("state"), wanted);
            (shown, line.get("from").to_owned())
        };
        let mut client = server.connect();
        let sender = client.local_addr().unwrap().to_string();
        assert_eq!(client_of("header").0, sender, "{pool:?}");
        client.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n").unwrap();
        let named = "192.0.2.1:4660".to_owned();
        assert_eq!(client_of("serving"), (named.clone(), named), "{pool:?}");
        assert_eq!(finish(client), b"");
        if !pool.is_empty() {
            assert_eq!(client_of("idle"), ("none".to_owned(), "unknown".to_owned()));
        }
        server.stop();
    }
}

fn a_server_with_as_many_listeners_as_there_may_be_has_a_status() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    let mut arguments = vec!["--pidfile", pidfile, "127.0.0.1:0"];
    for _ in 1..LISTENERS_MAX {
        arguments.splice(0..0, ["--listen", "127.0.0.1:0"]);
    }
    let server = Served::start_ports(&mut mpserv(&arguments), LISTENERS_MAX);
    let shown = run_mpserv(&["--status", pidfile]);
    assert!(shown.stdout.starts_with(&format!("mpserv {}: 0 of ", server.pid())), "{}{}", shown.stdout, shown.stderr);
    server.stop();
}

/// Checks, at one moment, the time of a child that is younger than its server, and the number of children that have ended.
fn times_and_counts_are_those_of_each_child() {
    for mode in [&[][..], &["--prefork", "1", "--max-requests", "2"]] {
        let server = Served::start(&[mode, &["-v", "127.0.0.1:0"]].concat());
        // Two clients, so that the preforked child of both has ended as well.
        (0..2).for_each(|count| {
            assert_eq!(finish(server.client()), b"");
            server.wait_events("end", count + 1);
        });
        if !mode.is_empty() {
            server.wait_events("leave", 1);
        }
        std::thread::sleep(A_WHILE);
        let client = server.client();
        server.running.signal(Signal::USR1);
        let seconds = |line: &Line, field: &str| line.get(field).parse::<f64>().unwrap();
        let (status, child) = (server.wait_events("status", 1).remove(0), server.wait_events("child", 1).remove(0));
        assert_eq!(status.number("ended"), if mode.is_empty() { 2 } else { 1 }, "{mode:?}");
        let younger = seconds(&status, "uptime") - seconds(&child, "seconds");
        assert!(younger >= A_WHILE.as_secs_f64() - 0.002, "{mode:?}: the child is younger by {younger} s");
        drop(client);
        server.stop();
    }
}
