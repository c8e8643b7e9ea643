use core::ffi::c_int;
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use super::reader::LogReader;
use super::writer::is_ready;
use super::{ChildEnd, Log, ServerStatus};
use crate::server::connection::Peer;
use crate::server::handler_error::HandlerError;
use crate::sys::errno::Errno;
use crate::sys::net::Credentials;
use crate::sys::poll::PollEvents;
use crate::sys::process::{Pid, WaitStatus};
use crate::sys::signal::{Signal, SignalInfo};

const PEER: Peer = Peer::Unix(Credentials { pid: 41, uid: 42, gid: 43 });
const FROM: &str = "unix:pid:41:uid:42:gid:43";
const TIME: Duration = Duration::from_millis(1234);

fn pid(number: c_int) -> Pid {
    Pid::from_raw(number).unwrap()
}

/// Checks the line of each event: its priority, its name, and each field with its value. The priorities of the facility
/// daemon are 28 for a warning, 29 for a notice, 30 for a connection, and 31 for a detail.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn each_event_has_its_level_its_fields_and_their_values() {
    let (log, reader) = LogReader::new();
    let (exit, kill) = (WaitStatus::from_raw(4 << 8), WaitStatus::from_raw(9));
    let status = ServerStatus {
        children: 1,
        limit: 2,
        serving: Some(3),
        accepted: 4,
        refused: 5,
        ended: 6,
        uptime: TIME,
        paused: "fork",
        is_stopping: true,
    };
    let alone = ServerStatus { serving: None, is_stopping: false, paused: "no", ..status };
    let info = SignalInfo { signal: Signal::TERM, sender: Some(pid(7)), uid: 8 };
    let own = SignalInfo { signal: Signal::INT, sender: None, uid: 0 };
    let error = || Some(HandlerError::new("why not"));
    let expected = |line: &str| line.replace("FROM", FROM);
    let check = |act: &dyn Fn(&Log), lines: &[&str]| {
        act(&log);
        let expected: Vec<String> = lines.iter().copied().map(expected).collect();
        assert_eq!(reader.lines(), expected);
    };
    check(&|log| log.listen("a:1", Some((511, None))), &["<29>listen address=a:1 backlog=511"]);
    check(&|log| log.listen("a:1", None), &["<29>listen address=a:1"]);
    check(
        &|log| log.listen("a:1", Some((511, Some(600)))),
        &["<29>listen address=a:1 backlog=511 asked=600 hint=\"the kernel allows no more: sysctl net.core.somaxconn\""],
    );
    check(
        &|log| log.skip("a:1", Errno::ADDRNOTAVAIL),
        &[
            "<28>skip address=a:1 error=\"Cannot assign requested address\" hint=\"the server listens on the other addresses of \
           this host\"",
        ],
    );
    check(
        &|log| log.manager_unreachable(Errno::NOENT),
        &[
            "<28>fail call=\"connect to NOTIFY_SOCKET\" error=\"No such file or directory\" hint=\"the service manager is told \
           nothing, and the server serves\"",
        ],
    );
    check(&|log| log.start(pid(7), 8, false), &["<29>start pid=7 limit=8"]);
    check(
        &|log| log.start(pid(7), 8, true),
        &[
            "<29>start pid=7 limit=8 warning=\"the server and its children run as root: name another user, by Server::user or \
           -u\"",
        ],
    );
    check(&|log| log.stop(&info, 9, TIME), &["<29>stop signal=SIGTERM sender=7 uid=8 children=9 grace=1.234"]);
    check(&|log| log.stop(&own, 9, TIME), &["<29>stop signal=SIGINT children=9 grace=1.234"]);
    check(
        &|log| log.stopped([1, 2, 3], 4, TIME),
        &["<29>stopped drained=1 terminated=2 killed=3 accepted=4 seconds=1.234"],
    );
    check(
        &|log| log.status(&status),
        &["<29>status children=1 limit=2 serving=3 accepted=4 refused=5 ended=6 uptime=1.234 paused=fork stopping=yes"],
    );
    check(
        &|log| log.status(&alone),
        &["<29>status children=1 limit=2 accepted=4 refused=5 ended=6 uptime=1.234 paused=no stopping=no"],
    );
    check(&|log| log.accept(|| pid(7), &PEER, None, 8, 9), &["<30>accept pid=7 from=FROM children=8 limit=9"]);
    check(
        &|log| log.accept(|| pid(7), &PEER, Some(&Peer::Unknown), 8, 9),
        &["<30>accept pid=7 from=FROM by=unknown children=8 limit=9"],
    );
    for (end, text) in [
        (ChildEnd::Exit(0), "exit=0"),
        (ChildEnd::Exit(1), "exit=1 meaning=failed"),
        (ChildEnd::Exit(2), "exit=2 meaning=idle"),
        (ChildEnd::Exit(3), "exit=3 meaning=refused"),
        (ChildEnd::Exit(4), "exit=4 meaning=unfit"),
        (ChildEnd::Exit(101), "exit=101 meaning=panicked"),
        (ChildEnd::Exit(5), "exit=5"),
        (ChildEnd::Status(exit), "exit=4 meaning=unfit"),
        (ChildEnd::OfProgram(exit), "exit=4"),
        (ChildEnd::Status(kill), "signal=SIGKILL"),
        (ChildEnd::OfProgram(kill), "signal=SIGKILL"),
        (ChildEnd::Unknown, "exit=unknown"),
    ] {
        let line = std::format!("<30>end pid=7 from=FROM {text} seconds=1.234");
        check(&|log| log.end(pid(7), &PEER, end, None, TIME, None), &[&line]);
    }
    check(
        &|log| log.end(pid(7), &PEER, ChildEnd::Status(exit), error(), TIME, Some(8)),
        &["<30>end pid=7 from=FROM exit=4 meaning=unfit error=\"why not\" seconds=1.234 children=8"],
    );
    check(&|log| log.refuse(&PEER, "rules", 8, 9), &["<28>refuse from=FROM why=rules from_source=8 count=9"]);
    check(&|log| log.abort(Errno::CONNABORTED, 9), &["<31>abort error=\"Software caused connection abort\" count=9"]);
    check(&|log| log.lifetime(pid(7), &PEER), &["<30>lifetime pid=7 from=FROM"]);
    check(&|log| log.group(pid(7), &PEER, Signal::KILL), &["<28>group group=7 from=FROM signal=SIGKILL"]);
    check(
        &|log| log.violation(pid(7), &PEER, crate::ffi::sys::syscall::SYS_openat),
        &["<28>violation pid=7 from=FROM call=openat"],
    );
    check(&|log| log.violation(pid(7), &PEER, 9999), &["<28>violation pid=7 from=FROM call=9999"]);
    check(&|log| log.traced(pid(7)), &["<28>traced pid=7"]);
    for (is_trouble, level) in [(true, 28), (false, 31)] {
        for (end, text) in [
            (ChildEnd::Status(exit), "status=\"exit 4\" meaning=unfit"),
            (ChildEnd::Status(kill), "status=SIGKILL"),
            (ChildEnd::Unknown, "status=unknown"),
        ] {
            let line = std::format!("<{level}>leave pid=7 {text} seconds=1.234 pause=2.468");
            check(&|log| log.leave(is_trouble, pid(7), end, TIME, TIME * 2), &[&line]);
        }
    }
    check(&|log| log.orphan(pid(7)), &["<31>orphan pid=7"]);
    check(&|log| log.limit_reached("max-children", 8, 9), &["<29>pause why=max-children children=8 count=9"]);
    check(
        &|log| log.shortage("accept4", Errno::INVAL, 9),
        &["<28>pause why=accept4 error=\"Invalid argument\" hint=\"it is tried again until it works\" count=9"],
    );
    check(&|log| log.resume("fork", TIME), &["<29>resume why=fork seconds=1.234"]);
    check(
        &|log| log.call_failed("poll", Errno::IO, None, 9),
        &["<28>fail call=poll error=\"Input/output error\" count=9"],
    );
    check(
        &|log| log.call_failed("ppoll", Errno::IO, Some(pid(7)), 9),
        &["<28>fail call=ppoll error=\"Input/output error\" pid=7 count=9"],
    );
    check(
        &|log| log.set_up_failed("setrlimit", Errno::PERM, pid(7)),
        &["<28>fail call=setrlimit error=\"Operation not permitted\" pid=7"],
    );
    check(
        &|log| log.exec_failed("execve", Errno::NOENT, &PEER, 9),
        &["<28>fail call=execve error=\"No such file or directory\" from=FROM count=9"],
    );
    check(&|log| log.reload_ignored("the server stops"), &["<29>reload why=\"the server stops\""]);
    check(&|log| log.rules_read(9), &["<29>rules rules=9"]);
    check(
        &|log| log.rules_failed("bad"),
        &["<28>rules error=bad hint=\"the rules are as before, and the server goes on\""],
    );
    check(&|log| log.restart(pid(7), "/a"), &["<29>restart pid=7 program=/a"]);
    check(&|log| log.restart_refused("it is off"), &["<28>restart refused=\"it is off\""]);
    check(
        &|log| log.restart_failed("it ended"),
        &["<28>restart error=\"it ended\" hint=\"the server goes on as it is\""],
    );
    check(&|log| log.handover(pid(7), 8), &["<29>handover by=7 children=8"]);
}

/// Checks the hint for each resource that can be short.
#[test]
#[cfg_attr(miri, ignore = "it has no sockets")]
fn each_shortage_has_the_hint_for_its_resource() {
    let (log, reader) = LogReader::new();
    let memory = "give the machine more memory, or lower --max-children";
    for (errno, hint) in [
        (Errno::MFILE, "allow more open files: ulimit -n, LimitNOFILE="),
        (Errno::NFILE, "allow more open files on this machine: sysctl fs.file-max"),
        (Errno::FBIG, "allow larger files: ulimit -f, LimitFSIZE="),
        (Errno::AGAIN, "allow more processes: ulimit -u, TasksMax="),
        (Errno::NOMEM, memory),
        (Errno::NOBUFS, memory),
        (Errno::IO, "it is tried again until it works"),
    ] {
        log.shortage("fork", errno, 1);
        let line = std::format!("<28>pause why=fork error=\"{errno}\" hint=\"{hint}\" count=1");
        assert_eq!(reader.lines(), [line]);
    }
}

/// Checks the line of a child: its state and its client are those of its slot.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_line_of_a_child_shows_its_slot() {
    use crate::server::scoreboard::{ChildAccess, Scoreboard, State};
    let (log, reader) = LogReader::new();
    let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 1, ChildAccess::Slot).unwrap();
    let slot = scoreboard.take_slot(0);
    slot.end_client();
    for (state, name) in [(State::Idle, "idle"), (State::Serving, "serving"), (State::Header, "header")] {
        slot.set(pid(7), state, TIME);
        log.child(pid(7), &PEER, slot, TIME * 3);
        assert_eq!(reader.lines(), [std::format!("<31>child pid=7 state={name} from={FROM} served=1 seconds=2.468")]);
    }
}

#[test]
fn a_socket_with_an_error_has_room_and_a_pipe_with_one_has_not() {
    let (out, error) = (PollEvents::OUT, PollEvents::ERR);
    for (events, is_socket, expected) in [
        (out, false, true),
        (out, true, true),
        (out | error, true, true),
        (out | error, false, false),
        (out | PollEvents::HUP, true, false),
        (error, true, false),
        (PollEvents::NONE, true, false),
        (PollEvents::NVAL, false, true),
    ] {
        assert_eq!(is_ready(events, is_socket), expected, "{events:?}, {is_socket}");
    }
}
