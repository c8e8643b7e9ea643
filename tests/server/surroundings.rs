//! Tests a server that starts with almost nothing, and a clock that is years ahead.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    it_serves_with_its_standard_descriptors_closed,
    an_empty_environment_is_enough,
    a_server_that_has_inherited_many_descriptors_is_shown_and_restarted,
    each_descriptor_of_a_server_and_its_children_is_closed_by_exec,
    nothing_depends_on_the_time_of_day,
    a_clock_that_is_years_ahead_changes_nothing,
];

fn it_serves_with_its_standard_descriptors_closed() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The program can also write to its standard error.
    let program = "read line; ls /proc/self/fd; echo no >&2 && echo $line";
    let script = format!("exec '{MPSERV}' 127.0.0.1:{port} -- sh -c '{program}' <&- >&- 2>&-");
    let server = Running::start(Command::new("sh").args(["-c", &script]), Output::Pipe);
    let mut client = wait_for("the server listens", || TcpStream::connect(("127.0.0.1", port)).ok().map(watched));
    client.write_all(b"hello\n").unwrap();
    // Descriptor 3 belongs to ls.
    assert_eq!(String::from_utf8(finish(client)).unwrap(), "0\n1\n2\n3\nhello\n");
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}

fn an_empty_environment_is_enough() {
    // Without PATH, a program is looked for where execvp() looks.
    for program in [&[][..], &["/bin/cat"], &["cat"]] {
        let mut command = mpserv(&["127.0.0.1:0"]);
        command.args(program).env_clear();
        let server = Served::start_command(&mut command);
        assert_eq!(echo(&mut server.connect(), b"bare"), b"bare", "{program:?}");
        server.stop();
    }
}

/// Checks a server whose parent has leaked more descriptors than one word of a table can name: its own get high numbers.
fn a_server_that_has_inherited_many_descriptors_is_shown_and_restarted() {
    const DESCRIPTORS: libc::c_int = 1100;
    let limit = libc::rlimit { rlim_cur: 2048, rlim_max: 2048 };
    // SAFETY: the pointer is to a limit.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == -1 {
        skip("the limit of descriptors is too low");
    }
    let leak = || {
        // The program would find gaps where descriptors were that are closed when it runs.
        // SAFETY: nothing uses these descriptors from now on, unless the program cannot be run.
        if (3..DESCRIPTORS).all(|number| unsafe { libc::dup2(libc::STDIN_FILENO, number) } != -1) {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let mut command = mpserv(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    // SAFETY: the function makes only calls that are async-signal-safe.
    let server = Served::start_command(unsafe { command.pre_exec(leak) });
    let is_shown = |pid: u32| {
        let shown = run_mpserv(&["--status", pidfile.to_str().unwrap()]);
        assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{shown:?}");
    };
    is_shown(server.pid());
    server.running.signal(Signal::USR2);
    let restarts = server.wait_events("restart", 1);
    let successor = wait_for("the successor serves", || {
        assert_eq!(server.events("restart").len(), 1, "{:?}", server.log());
        server.events("handover").first().map(|line| u32::try_from(line.number("by")).unwrap())
    });
    assert_eq!(restarts[0].number("pid"), u64::from(successor));
    is_shown(successor);
    assert_eq!(finish(server.client()), b"");
    signal(successor, Signal::TERM);
    wait_until("both have ended", || is_gone(successor));
}

/// Checks a server, its successor and their children, with and without preforked processes.
fn each_descriptor_of_a_server_and_its_children_is_closed_by_exec() {
    let assert_closed = |pid: u32| {
        let mut count = 0;
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
            let number = entry.file_name().into_string().unwrap();
            // The descriptor may have been closed meanwhile.
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
            let is_closed = i32::from_str_radix(flags, 8).unwrap() & libc::O_CLOEXEC != 0;
            let file = fs::read_link(format!("/proc/{pid}/fd/{number}"));
            // The programs of a server or of its handler need the standard descriptors.
            assert_eq!(is_closed, !["0", "1", "2"].contains(&&number[..]), "{number} of {pid}: {file:?}");
            count += usize::from(is_closed);
        }
        assert!(count > 0, "{pid} has a descriptor of its own");
    };
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    for mode in [&[][..], &["--pidfile", pidfile.to_str().unwrap()], &["--prefork", "1"]] {
        let socket = format!("unix:{}", folder.join("socket").display());
        let server = Served::start(&[mode, &["--listen", &socket, "127.0.0.1:0"]].concat());
        let client = server.client();
        [vec![server.pid()], children(server.pid())].concat().into_iter().for_each(assert_closed);
        server.running.signal(Signal::USR2);
        let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
        let next = server.client();
        [vec![server.pid(), successor], children(successor)].concat().into_iter().for_each(assert_closed);
        drop((client, next));
        signal(successor, Signal::TERM);
        wait_until("both have ended", || is_gone(successor));
    }
}

/// Checks that only the log depends on the time of day, which may jump. The server reads clocks without system calls,
/// so a trace cannot show these reads. The test looks at the source instead.
fn nothing_depends_on_the_time_of_day() {
    let mut waiting = vec![std::path::PathBuf::from("src/server")];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let stamps = usize::from(path.ends_with("log/writer.rs"));
        assert_eq!(text.matches("Clock::REALTIME").count(), stamps, "{}", path.display());
        let clocks = text.matches("Clock::").count();
        assert_eq!(clocks, text.matches("Clock::MONOTONIC").count() + stamps, "{}", path.display());
        files += 1;
    }
    assert!(files > 10);
}

/// Checks that timeouts are unchanged in a time namespace whose monotonic clock is years ahead.
fn a_clock_that_is_years_ahead_changes_nothing() {
    needs_command("unshare");
    let mut command = Command::new("unshare");
    command.args(["--time", "--fork", "--kill-child", "--monotonic", "1000000000", "true"]);
    if !command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        skip("no time namespace");
    }
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "1000000000", "--", MPSERV, "-1", "-t", "2", "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    let start = Instant::now();
    let mut client = server.client();
    assert_eq!(read_all(&mut client), b"");
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    drop(client);
    server.stop();
}
