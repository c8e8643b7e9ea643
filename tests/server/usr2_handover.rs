//! Tests SIGUSR2 between the time when a successor is ready and the time when its predecessor lets go.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use crate::usr2::Dynasty;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_stop_of_a_successor_that_was_not_let_go_stops_the_service,
    a_client_of_a_successor_that_was_not_let_go_is_served_to_its_end,
    a_successor_that_is_killed_while_it_stops_has_stopped_the_service,
    a_restart_of_a_successor_waits_until_it_is_let_go,
    a_successor_that_starts_while_the_rules_change_has_the_new_rules,
    a_successor_that_is_killed_before_it_is_let_go_leaves_all_to_its_predecessor,
    a_predecessor_that_is_killed_before_it_lets_go_leaves_all_to_its_successor,
    a_successor_that_is_ready_stops_with_its_predecessor,
    a_successor_that_starts_is_reaped_before_its_predecessor_ends,
    a_predecessor_without_a_pool_never_waits_in_accept,
    a_child_that_was_retired_leaves_the_address_when_the_successor_is_killed,
];

/// The arguments of a server without, and of a server with preforked children.
const KINDS: [&[&str]; 2] = [&["127.0.0.1:0"], &["--prefork", "2", "127.0.0.1:0"]];

/// A server that SIGSTOP has stopped, and its successor, which is ready. The server has not let go.
struct Held {
    dynasty: Dynasty,
    successor: u32,
}

impl Held {
    #[track_caller]
    fn new(dynasty: Dynasty) -> Held {
        Held::with(dynasty, "")
    }

    /// Makes a successor that has further options.
    #[track_caller]
    fn with(dynasty: Dynasty, options: &str) -> Held {
        let go = dynasty.folder.join("go");
        let wait = format!("until [ -e '{}' ]; do sleep 0.01; done", go.display());
        dynasty.replace_program(&format!("#!/bin/sh\n{wait}\nexec '{MPSERV}' {options} \"$@\"\n"));
        dynasty.restart();
        let successor = u32::try_from(dynasty.first.wait_events("restart", 1)[0].number("pid")).unwrap();
        dynasty.first.running.signal(Signal::STOP);
        wait_until("the server is stopped", || state(dynasty.first.pid()) == Some('T'));
        fs::write(&go, "").unwrap();
        wait_until("the successor has the pidfile", || dynasty.names(successor));
        wait_until("the successor is ready", || waits_in(successor, libc::SYS_poll));
        Held { dynasty, successor }
    }

    /// Sends the successor a signal, and waits until the successor has handled it.
    #[track_caller]
    fn signal(&self, signal: Signal) {
        crate::common::signal(self.successor, signal);
        wait_until("the successor has handled the signal", || {
            // The signal is no longer pending from the time when the successor reads it.
            !is_pending(self.successor, signal) && waits_in(self.successor, libc::SYS_poll)
        });
    }

    /// Ends the successor by a signal. If its predecessor has ended as well, the system may reap it at any time.
    #[track_caller]
    fn end(&self, signal: Signal) {
        crate::common::signal(self.successor, signal);
        wait_until("the successor has ended", || is_gone(self.successor));
    }

    /// Lets the predecessor go on.
    fn go_on(&self) {
        self.dynasty.first.running.signal(Signal::CONT);
    }

    #[track_caller]
    fn wait_end_of_predecessor(&self) {
        wait_until("the predecessor ends", || state(self.dynasty.first.pid()) == Some('Z'));
    }

    /// Checks that the stopped successor serves its client to the end, and then leaves nothing.
    fn assert_serves_to_its_end(&self, mut client: TcpStream) {
        self.assert_stopped();
        assert_eq!(echo(&mut client, b"still here"), b"still here");
        assert_eq!(finish(client), b"");
        self.dynasty.first.wait_events("stopped", 2);
        wait_until("the pidfile is gone", || !self.dynasty.pidfile.exists());
    }

    /// Checks that nobody serves, and that the predecessor has handed over instead of going on.
    #[track_caller]
    fn assert_stopped(&self) {
        wait_until("nobody listens", || nobody_listens(self.dynasty.first.port()));
        let first = &self.dynasty.first;
        first.wait_events("handover", 1);
        assert_eq!((first.events("restart").len(), first.events("handover").len()), (1, 1), "{:#?}", first.log());
    }
}

fn a_stop_of_a_successor_that_was_not_let_go_stops_the_service() {
    for (arguments, signals) in KINDS.into_iter().flat_map(|kind| [1, 2].map(|signals| (kind, signals))) {
        let held = Held::new(Dynasty::start(arguments));
        for sent in 1..=signals {
            held.signal(Signal::TERM);
            held.dynasty.first.wait_events("stop", sent);
        }
        assert!(held.dynasty.names(held.successor), "the successor ends after its predecessor");
        held.go_on();
        held.wait_end_of_predecessor();
        held.assert_stopped();
        held.dynasty.first.wait_events("stopped", 2);
        wait_until("the pidfile is gone", || !held.dynasty.pidfile.exists());
    }
}

fn a_client_of_a_successor_that_was_not_let_go_is_served_to_its_end() {
    let held = Held::new(Dynasty::start(KINDS[0]));
    let client = held.dynasty.first.client();
    // The child has none of the pipes to the other servers, whatever its standard descriptors are.
    let files = format!("/proc/{}/fd", children(held.successor)[0]);
    for entry in fs::read_dir(files).unwrap().flatten() {
        let (number, file) = (entry.file_name(), fs::read_link(entry.path()).unwrap_or_default());
        let is_standard = ["0", "1", "2"].iter().any(|standard| number == *standard);
        assert!(is_standard || file.to_string_lossy().starts_with("socket:"), "{number:?}: {file:?}");
    }
    held.signal(Signal::TERM);
    held.go_on();
    held.wait_end_of_predecessor();
    held.assert_serves_to_its_end(client);
}

fn a_successor_that_starts_while_the_rules_change_has_the_new_rules() {
    for arguments in KINDS {
        let folder = TempDir::new();
        let rules = folder.join("rules");
        fs::write(&rules, "allow all\n").unwrap();
        let held = Held::new(Dynasty::start(&[&["--rules", rules.to_str().unwrap()], arguments].concat()));
        // The successor has read the rules of before.
        fs::write(&rules, "deny all\n").unwrap();
        let read = held.dynasty.first.events("rules").len();
        held.dynasty.first.running.signal(Signal::HUP);
        held.go_on();
        held.wait_end_of_predecessor();
        held.dynasty.first.wait_events("rules", read + 2);
        // A preforked child with the rules of before may still take a client.
        wait_until("a client is refused", || {
            let mut client = held.dynasty.first.connect();
            let _ = client.write_all(b"?");
            !client.read(&mut [0]).is_ok_and(|length| length == 1)
        });
        held.dynasty.first.wait_events("refuse", 1);
        held.end(Signal::TERM);
    }
}

/// Preforked children share the listener. So a successor that stops has shut the listener down for its predecessor, too.
fn a_successor_that_is_killed_while_it_stops_has_stopped_the_service() {
    for arguments in KINDS {
        let held = Held::new(Dynasty::start(arguments));
        // Its child has a client, so the successor does not end by itself.
        let mut client = held.dynasty.first.client();
        while !has_client(&held, &client) {
            client = held.dynasty.first.client();
        }
        held.signal(Signal::TERM);
        held.dynasty.first.wait_events("stop", 1);
        held.end(Signal::KILL);
        held.go_on();
        held.wait_end_of_predecessor();
        held.assert_stopped();
        // A server that is killed leaves its pidfile.
        assert!(held.dynasty.names(held.successor));
        fs::remove_file(&held.dynasty.pidfile).unwrap();
    }
}

/// Whether a child of the successor has this client.
fn has_client(held: &Held, client: &TcpStream) -> bool {
    let from = client.local_addr().unwrap().to_string();
    let accepts = held.dynasty.first.events("accept").into_iter();
    let pid = accepts.filter(|line| line.get("from") == from).map(|line| line.number("pid")).next();
    pid.is_some_and(|pid| children(held.successor).contains(&(pid as u32)))
}

fn a_restart_of_a_successor_waits_until_it_is_let_go() {
    for arguments in KINDS {
        let folder = TempDir::new();
        let manager = UnixDatagram::bind(folder.join("notify")).unwrap();
        manager.set_nonblocking(true).unwrap();
        let main_pids = || -> Vec<String> {
            let mut buffer = [0; 512];
            let received = std::iter::from_fn(|| {
                let length = manager.recv(&mut buffer).ok()?;
                Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
            });
            received.filter_map(|text| Some(text.split_once("MAINPID=")?.1.to_owned())).collect()
        };
        let name = folder.join("notify");
        let held = Held::new(Dynasty::start_as(arguments, |command| command.env("NOTIFY_SOCKET", name)));
        assert_eq!(main_pids(), [held.dynasty.first.pid().to_string(), held.successor.to_string()]);
        for _ in 0..2 {
            held.signal(Signal::USR2);
            assert!(held.dynasty.names(held.successor));
            assert_eq!(held.dynasty.first.events("restart").len(), 1);
        }
        held.go_on();
        held.wait_end_of_predecessor();
        let handovers = held.dynasty.first.wait_events("handover", 2);
        let [successor, last] = [0, 1].map(|index: usize| handovers[index].get("by").to_owned());
        assert_eq!(successor, held.successor.to_string());
        // The message of a server about its successor comes before both messages about the successor's successor.
        let mut named = Vec::new();
        wait_until("three messages name the main process", || {
            named.extend(main_pids());
            named.len() == 3
        });
        assert_eq!(named, [successor.as_str(), &last, &last]);
        assert!(held.dynasty.names(last.parse().unwrap()));
        assert_eq!(finish(held.dynasty.first.client()), b"");
        let log = held.dynasty.stop();
        assert_eq!(log.iter().filter(|line| line.event == "start").count(), 3, "{log:#?}");
        assert!(log.iter().all(|line| !line.fields.contains_key("error")), "{log:#?}");
    }
}

fn a_successor_that_is_killed_before_it_is_let_go_leaves_all_to_its_predecessor() {
    for arguments in KINDS {
        let held = Held::new(Dynasty::start(arguments));
        held.signal(Signal::USR2);
        let of_successor = children(held.successor);
        held.end(Signal::KILL);
        wait_ends(&of_successor);
        held.go_on();
        let failed = held.dynasty.first.wait_events("restart", 2);
        assert_eq!(failed[1].get("error"), "it ended as soon as it was ready (SIGKILL)");
        assert!(held.dynasty.names(held.dynasty.first.pid()));
        assert_eq!(finish(held.dynasty.first.client()), b"");
        held.dynasty.succeed();
        assert_eq!(finish(held.dynasty.first.client()), b"");
        kill_last(held.dynasty);
    }
}

fn a_predecessor_that_is_killed_before_it_lets_go_leaves_all_to_its_successor() {
    for arguments in KINDS {
        let held = Held::new(Dynasty::start(arguments));
        held.signal(Signal::USR2);
        let mut of_predecessor = children(held.dynasty.first.pid());
        of_predecessor.retain(|pid| *pid != held.successor);
        held.dynasty.first.running.signal(Signal::KILL);
        wait_ends(&of_predecessor);
        let handover = held.dynasty.first.wait_events("handover", 1);
        assert!(held.dynasty.names(u32::try_from(handover[0].number("by")).unwrap()));
        assert_eq!(finish(held.dynasty.first.client()), b"");
        kill_last(held.dynasty);
    }
}

/// Waits for the ends of the preforked children of a server that was killed. Until then, one of them may accept a client
/// and end.
#[track_caller]
fn wait_ends(children: &[u32]) {
    wait_until("the children have ended", || children.iter().all(|pid| is_gone(*pid)));
}

/// Stops the server that the pidfile names, after others were killed.
#[track_caller]
fn kill_last(dynasty: Dynasty) {
    let before = dynasty.first.events("stop").len();
    signal(dynasty.pid().unwrap().raw() as u32, Signal::TERM);
    dynasty.first.wait_events("stop", before + 1);
    wait_until("the pidfile is gone", || !dynasty.pidfile.exists());
}

/// Tells the predecessor to stop while its successor is ready, and has a client.
fn a_successor_that_is_ready_stops_with_its_predecessor() {
    let held = Held::new(Dynasty::start(KINDS[0]));
    let client = held.dynasty.first.client();
    held.dynasty.first.running.signal(Signal::TERM);
    held.go_on();
    held.wait_end_of_predecessor();
    held.dynasty.first.wait_events("stop", 2);
    held.assert_serves_to_its_end(client);
}

fn a_successor_that_starts_is_reaped_before_its_predecessor_ends() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let dynasty = Dynasty::start_as(&["127.0.0.1:0"], |command| {
        let mut strace = Command::new("strace");
        strace.args(["-D", "-q", "-e", "trace=wait4", "-o"]).arg(&trace);
        strace.arg(command.get_program()).args(command.get_args());
        *command = strace;
        command
    });
    dynasty.replace_program("#!/bin/sh\nexec sleep 1000\n");
    dynasty.restart();
    let successor = dynasty.first.wait_events("restart", 1)[0].get("pid").to_owned();
    dynasty.first.running.signal(Signal::TERM);
    wait_until("the server has reaped its successor", || {
        let trace = fs::read_to_string(&trace).unwrap();
        trace.lines().any(|line| line.contains("SIGKILL") && line.ends_with(&format!(" = {successor}")))
    });
    wait_until("the server ends", || state(dynasty.first.pid()) == Some('Z'));
    assert!(!dynasty.pidfile.exists());
    assert_eq!(dynasty.first.events("restart").len(), 1);
}

/// Checks that the pool of a successor waits for clients in accept4() only when the predecessor, which has no pool and
/// the same listener, accepts no longer.
fn a_predecessor_without_a_pool_never_waits_in_accept() {
    let held = Held::with(Dynasty::start(KINDS[0]), "--prefork 2");
    let pool = || children(held.successor);
    let all_wait_in = |call| pool().len() == 2 && pool().iter().all(|child| waits_in(*child, call));
    wait_until("the pool waits in ppoll()", || all_wait_in(libc::SYS_ppoll));
    held.go_on();
    held.wait_end_of_predecessor();
    wait_until("the pool waits in accept4()", || {
        // A child that waits in ppoll() needs a client. One that is on its way to accept4() needs time.
        if pool().iter().any(|child| waits_in(*child, libc::SYS_ppoll)) {
            assert_eq!(finish(held.dynasty.first.client()), b"");
        }
        all_wait_in(libc::SYS_accept4)
    });
    signal(held.successor, Signal::TERM);
    held.dynasty.first.wait_events("stopped", 2);
}

/// Checks that another server can listen after the successor was killed, while a preforked child of the predecessor
/// still has its client.
fn a_child_that_was_retired_leaves_the_address_when_the_successor_is_killed() {
    let dynasty = Dynasty::start(&["--prefork", "2", "127.0.0.1:0"]);
    let mut client = dynasty.first.client();
    dynasty.succeed();
    signal(dynasty.pid().unwrap().raw() as u32, Signal::KILL);
    wait_until("nobody listens", || nobody_listens(dynasty.first.port()));
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    assert_eq!(finish(client), b"");
    wait_until("the predecessor ends", || state(dynasty.first.pid()) == Some('Z'));
    fs::remove_file(&dynasty.pidfile).unwrap();
}
