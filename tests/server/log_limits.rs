//! Tests a log that can no longer be written, because the file has reached a limit, and that many refusals make few lines.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_log_file_at_its_limit_ends_nobody,
    a_child_that_may_not_write_files_serves,
    a_program_is_ended_by_its_limit,
    many_refusals_are_few_lines_and_each_is_counted,
];

/// Reads the port that a server has printed to a file.
fn port_in(path: &std::path::Path) -> u16 {
    wait_for("the server prints its port", || fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok())
}

/// The limit of a log's size. The limit also holds for the scoreboard, which is smaller.
const LIMIT: u64 = 64 * 1024;

fn a_log_file_at_its_limit_ends_nobody() {
    for options in ["", "--prefork 2"] {
        let folder = TempDir::new();
        let (log, port) = (folder.join("log"), folder.join("port"));
        let pidfile = folder.join("pid");
        fs::write(&log, vec![b'\n'; LIMIT as usize - 200]).unwrap();
        // ulimit counts in blocks of 512 bytes.
        let script = format!(
            "ulimit -f {}; exec '{MPSERV}' -1 --pidfile '{}' {options} 127.0.0.1:0 2>>'{}' >'{}'",
            LIMIT / 512,
            pidfile.display(),
            log.display(),
            port.display()
        );
        let shell = Running::start(Command::new("sh").args(["-c", &script]), Output::Pipe);
        let port = port_in(&port);
        for _ in 0..20 {
            assert_eq!(echo(&mut connect(port), b"hello"), b"hello", "{options}");
        }
        assert_eq!(fs::metadata(&log).unwrap().len(), LIMIT, "the log has reached its limit");
        let pid: u32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
        signal(pid, Signal::TERM);
        assert_eq!(shell.wait().status.code(), Some(0), "{options}");
    }
}

fn a_child_that_may_not_write_files_serves() {
    let folder = TempDir::new();
    let (log, port) = (folder.join("log"), folder.join("port"));
    let mut command = Command::new(MPSERV);
    command.args(["-1", "--rlimit", "fsize=0", "127.0.0.1:0"]).stdin(Stdio::null());
    command.stdout(File::create(&port).unwrap()).stderr(File::create(&log).unwrap());
    let mut server = command.spawn().unwrap();
    let port = port_in(&port);
    assert_eq!(echo(&mut connect(port), b"hello"), b"hello");
    wait_until("the child has ended", || fs::read_to_string(&log).unwrap().contains("mpserv: end "));
    assert!(fs::read_to_string(&log).unwrap().contains(" exit=0 "));
    signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

/// Checks that a program has the default action of SIGXFSZ, and the limit.
fn a_program_is_ended_by_its_limit() {
    let folder = TempDir::new();
    let file = folder.join("file");
    let script = format!("echo too much >'{}'", file.display());
    let server = Served::start(&["--rlimit", "fsize=0", "127.0.0.1:0", "sh", "-c", &script]);
    assert_eq!(read_all(&mut server.connect()), b"");
    assert!(server.wait_events("end", 1)[0].get("signal").contains("SIGXFSZ"));
    server.stop();
}

fn many_refusals_are_few_lines_and_each_is_counted() {
    const CLIENTS: u64 = 200;
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny all\n").unwrap();
    for (options, processes) in [(&[][..], 1), (&["--prefork", "1"], 1), (&["--prefork", "2", "--sandbox"], 2)] {
        let arguments = [&["-q", "--rules", rules.to_str().unwrap()], options, &["127.0.0.1:0"]].concat();
        let began = Instant::now();
        let server = Served::start(&arguments);
        for _ in 0..CLIENTS {
            read_all(&mut server.connect());
        }
        let log = server.stop();
        let seconds = began.elapsed().as_secs();
        let lines: Vec<&Line> = log.iter().filter(|line| line.event == "refuse").collect();
        assert_eq!(lines.iter().map(|line| line.number("count")).sum::<u64>(), CLIENTS, "{options:?}: {lines:#?}");
        // A process logs one line in a second, and one for the rest.
        let most = processes * (seconds + 2);
        assert!(lines.len() as u64 <= most, "{options:?}: {} lines in {seconds} s", lines.len());
    }
}
