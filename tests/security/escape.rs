//! Tests programs that try to outlive their time, by another process group or by processes that they leave behind.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use mpserv::process::{Pid, WaitFor, WaitOptions, adopt_orphans, waitpid};
use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_program_that_moves_to_another_group_is_ended_by_its_lifetime,
    a_program_that_moves_to_another_group_is_ended_by_the_stop,
    what_a_program_leaves_in_its_group_is_ended_by_its_lifetime,
    what_a_program_leaves_in_its_group_is_ended_by_the_stop,
    what_a_program_leaves_may_finish_in_the_time_of_the_grace,
    the_group_of_a_program_that_has_ended_is_forgotten,
    a_program_that_makes_the_server_its_tracer_is_ended_and_counted,
    a_program_that_has_become_another_user_is_told_and_left_at_the_stop,
    a_group_that_has_gone_makes_room_for_the_next,
    a_group_for_which_there_is_no_room_is_killed,
    a_process_that_is_left_stopped_acts_on_sigterm,
];

/// A program that leaves a process in its group, moves itself to another group, and then reports its new group. Neither
/// process ends by SIGTERM.
const MOVER: &str = r#"
    $SIG{TERM} = "IGNORE";
    my $pid = fork();
    if ($pid == 0) { sleep 1 while 1 }
    my $other = fork();
    if ($other == 0) { setpgrp(0, 0); sleep 1 while 1 }
    select(undef, undef, undef, 0.01) until getpgrp($other) == $other;
    setpgrp(0, $other) or die;
    kill "KILL", $other;
    $| = 1;
    print "$$ $pid\n";
    sleep 1 while 1;
"#;

/// Reads the ids that a program prints before it goes on for ever.
fn ids(client: &mut std::net::TcpStream) -> Vec<u32> {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with('\n') {
        client.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn a_program_that_moves_to_another_group_is_ended_by_its_lifetime() {
    let server = Served::start(&["--max-lifetime", "3", "127.0.0.1:0", "perl", "-e", MOVER]);
    let mut client = server.connect();
    let ids = ids(&mut client);
    assert_eq!(ids.len(), 2);
    wait_until("both have ended", || ids.iter().all(|id| is_gone(*id)));
    server.stop();
}

fn a_program_that_moves_to_another_group_is_ended_by_the_stop() {
    let server = Served::start(&["127.0.0.1:0", "perl", "-e", MOVER]);
    let mut client = server.connect();
    let ids = ids(&mut client);
    let ended = server.running.end(Signal::QUIT);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ids.iter().all(|id| is_gone(*id)));
}

/// A program that prints its id, and the id of a process that it leaves behind. That process holds the connection.
const LEAVER: &str = "sleep 1000 & echo $$ $!";

fn what_a_program_leaves_in_its_group_is_ended_by_its_lifetime() {
    let server = Served::start(&["--max-lifetime", "3", "127.0.0.1:0", "sh", "-c", LEAVER]);
    let start = Instant::now();
    let mut client = server.connect();
    let ids = ids(&mut client);
    server.wait_events("end", 1);
    // The connection is closed once no process holds it.
    assert_eq!(read_all(&mut client), b"");
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    wait_until("the process has ended", || is_gone(ids[1]));
    let group = &server.wait_events("group", 1)[0];
    assert_eq!((group.number("group"), group.get("signal")), (u64::from(ids[0]), "SIGTERM"));
    server.stop();
}

fn what_a_program_leaves_in_its_group_is_ended_by_the_stop() {
    let server = Served::start(&["--grace", "0", "127.0.0.1:0", "sh", "-c", LEAVER]);
    let mut client = server.connect();
    let ids = ids(&mut client);
    server.wait_events("end", 1);
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(is_gone(ids[1]), "{}", ended.stderr);
    assert_eq!(read_all(&mut client), b"");
}

fn what_a_program_leaves_may_finish_in_the_time_of_the_grace() {
    let folder = TempDir::new();
    let go = folder.join("go");
    let program = format!("(until [ -e {} ]; do sleep 0.01; done; echo done) & echo $$ $!", go.display());
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", &program]);
    let mut client = server.connect();
    ids(&mut client);
    server.wait_events("end", 1);
    server.running.signal(Signal::TERM);
    server.wait_events("stop", 1);
    fs::write(&go, "").unwrap();
    assert_eq!(read_all(&mut client), b"done\n");
    let ended = server.running.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("mpserv: group "), "{}", ended.stderr);
}

fn the_group_of_a_program_that_has_ended_is_forgotten() {
    let server = Served::start(&["127.0.0.1:0", "sh", "-c", "sleep 0.1 & echo $$ $!"]);
    for _ in 0..3 {
        finish(server.connect());
    }
    // The stop does not wait for the grace of 30 seconds.
    server.stop();
}

/// Tests a program that makes its parent its tracer. The program stops at each signal, and only the tracer could make
/// it go on. `waitpid()` reports the stop, which is not the end of the program, so the program keeps its slot.
fn a_program_that_makes_the_server_its_tracer_is_ended_and_counted() {
    let traced = format!(
        r#"my $pid = fork();
        if ($pid == 0) {{ sleep 1 while 1 }}
        $| = 1;
        print "$$ $pid\n";
        syscall({}, 0, 0, 0, 0);
        kill "USR1", $$;
        sleep 1 while 1;"#,
        libc::SYS_ptrace
    );
    let server = Served::start(&["127.0.0.1:0", "perl", "-e", &traced]);
    let mut client = server.connect();
    let ids = ids(&mut client);
    assert_eq!(server.wait_events("traced", 1)[0].number("pid"), u64::from(ids[0]));
    assert_eq!(server.wait_events("end", 1)[0].get("signal"), "SIGKILL");
    wait_until("both have ended", || ids.iter().all(|id| is_gone(*id)));
    assert_eq!(read_all(&mut client), b"");
    server.stop();
}

/// Tests a program that root's set-user-ID bit has made root as a whole. The server, which is another user, may not
/// signal it.
fn a_program_that_has_become_another_user_is_told_and_left_at_the_stop() {
    needs_root();
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let become_root = copy_program("/usr/bin/setpriv", &folder);
    fs::set_permissions(&become_root, fs::Permissions::from_mode(0o4755)).unwrap();
    let program = ["--reuid=0", "--regid=0", "--clear-groups", "sh", "-c", "exec 2>/dev/null; echo $$; exec cat"];
    let options = ["-u", "65534:65534", "--grace", "0", "127.0.0.1:0"];
    let server = Served::start(&[&options[..], &[become_root.to_str().unwrap()], &program].concat());
    let mut client = server.connect();
    let child = ids(&mut client)[0];
    let log = server.stop();
    let fails: Vec<_> = log.iter().filter(|line| line.event == "fail").collect();
    assert_eq!(fails.len(), 1, "it is told once: {fails:?}");
    assert_eq!((fails[0].get("call"), fails[0].get("error")), ("kill", "Operation not permitted"));
    assert_eq!(fails[0].number("pid"), u64::from(child));
    assert!(!is_gone(child));
    drop(client);
    wait_until("it has ended", || is_gone(child));
}

/// Tests the table of groups, which has room for as many groups as there may be children.
fn a_group_that_has_gone_makes_room_for_the_next() {
    adopt_orphans().unwrap();
    let folder = TempDir::new();
    let go = folder.join("go");
    let program = format!("(until [ -e {} ]; do sleep 0.01; done; echo done) & echo $$ $!", go.display());
    let server = Served::start(&["-c", "1", "127.0.0.1:0", "sh", "-c", &program]);
    for count in 1..=3 {
        let mut client = server.connect();
        let ids = ids(&mut client);
        server.wait_events("end", count);
        fs::write(&go, "").unwrap();
        assert_eq!(read_all(&mut client), b"done\n");
        // The group exists until its last process is reaped.
        waitpid(WaitFor::Child(Pid::from_raw(ids[1] as i32).unwrap()), None, WaitOptions::NONE).unwrap();
        fs::remove_file(&go).unwrap();
    }
    assert_eq!(server.events("group").len(), 0);
    server.stop();
}

/// Checks that no process escapes the stop of the server, although the table of groups is full.
fn a_group_for_which_there_is_no_room_is_killed() {
    let server = Served::start(&["-c", "1", "--grace", "0", "127.0.0.1:0", "sh", "-c", LEAVER]);
    let (mut first, mut second) = (server.connect(), server.connect());
    let (kept, killed) = (ids(&mut first), ids(&mut second));
    // The second group ends although the server goes on.
    assert_eq!(read_all(&mut second), b"");
    let line = &server.wait_events("group", 1)[0];
    let from = second.local_addr().unwrap().to_string();
    assert_eq!((line.number("group"), line.get("signal"), line.get("from")), (killed[0].into(), "SIGKILL", &*from));
    wait_until("its process has ended", || is_gone(killed[1]));
    assert!(!is_gone(kept[1]), "the first group goes on");
    server.stop();
    assert!(is_gone(kept[1]));
}

fn a_process_that_is_left_stopped_acts_on_sigterm() {
    let program = "sleep 1000 & echo $$ $!";
    let server = Served::start(&["--grace", "0", "127.0.0.1:0", "sh", "-c", program]);
    let mut client = server.connect();
    let ids = ids(&mut client);
    server.wait_events("end", 1);
    // If the process were stopped before, the kernel would end it with its group's leader.
    signal(ids[1], Signal::STOP);
    wait_until("it is stopped", || state(ids[1]) == Some('T'));
    let log = server.stop();
    assert!(is_gone(ids[1]));
    let signals: Vec<&str> = log.iter().filter(|line| line.event == "group").map(|line| line.get("signal")).collect();
    assert_eq!(signals, ["SIGTERM"], "it needs no SIGKILL");
}
