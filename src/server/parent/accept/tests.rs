use std::net::TcpStream;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::string::String;
use std::vec::Vec;

use super::super::children::Stage;
use super::super::tests::{Started, Stub, client, with_log};
use super::*;
use crate::server::limits::{BUSY_MESSAGE, CLIENT_KEPT, MANY_CHILDREN, THROTTLE_PERIOD};
use crate::server::log::reader::LogReader;
use crate::server::rules::Rules;
use crate::server::settings::Settings;
use crate::sys::fd::OwnedFd;
use crate::sys::net::SockAddr;

/// Makes the parent listen at a port of this machine, and returns the port.
fn listen(parent: &mut Parent<'_, 'static, Stub>) -> u16 {
    parent.descriptors.listeners.bind("127.0.0.1:0", &parent.settings.socket, None).unwrap();
    let Ok(SockAddr::Inet(address)) = parent.descriptors.listeners.get(0).unwrap().address() else { unreachable!() };
    address.port()
}

/// Returns a connection, and its other end.
pub(in super::super) fn connection() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    // SAFETY: the descriptor is open, and nothing else owns it.
    let ours = unsafe { OwnedFd::from_raw(ours.into_raw_fd()) };
    (Connection::new(ours, client(1, 1), 1, 2), theirs)
}

/// Checks the lines of trouble that comes four times, the last time a period after the first.
#[track_caller]
fn assert_throttled(kind: Throttled, line: &str, mut trouble: impl FnMut(&mut Parent<'_, 'static, Stub>)) {
    with_log(&Settings::new(), |parent, reader: &LogReader, now| {
        let mut at = |time| {
            parent.state.now = now + time;
            trouble(parent);
            reader.lines()
        };
        assert_eq!(at(Duration::ZERO), [std::format!("{line} count=1")]);
        for millis in [200, 400] {
            assert_eq!(at(Duration::from_millis(millis)), [""; 0], "{line}");
        }
        assert_eq!(at(THROTTLE_PERIOD), [std::format!("{line} count=3")]);
        assert_eq!(parent.throttle.admit(kind, now + THROTTLE_PERIOD), None, "it is trouble of this kind");
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_client_that_is_lost_has_its_line_or_counts_in_the_next() {
    assert_throttled(Throttled::Abort, "<31>abort error=\"Software caused connection abort\"", |parent| {
        parent.accept_failed(Errno::CONNABORTED);
    });
    assert_throttled(Throttled::Refuse, "<28>refuse from=192.0.2.1:1 why=rules from_source=2", |parent| {
        parent.refuse(&client(1, 1), "rules", 2);
    });
    let mut refused = 0;
    assert_throttled(
        Throttled::Exec,
        "<28>fail call=execve error=\"No such file or directory\" from=192.0.2.1:1",
        |parent| {
            parent.worker.started = Started::Never;
            let (ours, theirs) = connection();
            parent.start(ours);
            refused += 1;
            assert_eq!(parent.refused(), refused);
            assert_eq!(std::io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0, "the connection is closed");
            assert!(parent.state.shortage.is_none() && parent.state.children.is_empty());
        },
    );
}

/// Checks that a client for which no process could be started is refused if the rules that were read meanwhile deny it.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_rules_of_the_moment_decide_about_a_client_that_was_kept() {
    with_log(&Settings::new(), |parent, reader, _| {
        let (ours, theirs) = connection();
        parent.start(ours);
        assert!(parent.state.shortage.as_ref().unwrap().client.is_some());
        reader.lines();
        parent.rules = Some(Rules::parse(b"deny all").unwrap());
        parent.worker.started = Started::Yes;
        parent.retry();
        assert_eq!(reader.lines(), ["<28>refuse from=192.0.2.1:1 why=rules from_source=0 count=1"]);
        assert_eq!(std::io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0, "the connection is closed");
        assert!(parent.state.children.is_empty());
        assert_eq!((parent.refused(), parent.blocked()), (1, None), "the next client is tried");
    });
}

/// Checks what ends a row of aborts, and a shortage: a client, or the end of the queue.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_client_ends_a_row_of_aborts_and_so_does_the_end_of_the_queue() {
    for has_client in [false, true] {
        // A parent that has a child accepts no further client, and so does not reach the end of the queue.
        with_log(&Settings { max_children: 1, ..Settings::new() }, |parent, reader, _| {
            let port = listen(parent);
            let _client = has_client.then(|| TcpStream::connect(("127.0.0.1", port)).unwrap());
            parent.worker.started = Started::Yes;
            (parent.state.aborts_in_a_row, parent.state.ready[0]) = (ABORTS_IN_A_ROW, true);
            parent.shortage("accept4", Errno::MFILE, None);
            parent.state.shortage.as_mut().unwrap().retry_at = None;
            reader.lines();
            parent.accept_burst();
            assert_eq!(parent.state.aborts_in_a_row, 0, "{has_client}");
            assert!(parent.state.shortage.is_none(), "{has_client}");
            let lines: Vec<String> = reader.lines();
            assert!(lines[0].starts_with("<29>resume why=accept4 seconds="), "{has_client}: {lines:?}");
            let (children, accepted) = (parent.state.children.len(), parent.state.accepted);
            assert_eq!((children, accepted), (u32::from(has_client), u64::from(has_client)));
            assert_eq!((parent.state.ready[0], parent.state.turn), (has_client, usize::from(has_client)));
        });
    }
}

/// Checks that the last abort of a row is one connection's, and the next one a shortage.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_row_of_aborts_is_a_shortage_and_so_is_any_other_failure_at_once() {
    for (errno, before, is_shortage) in [
        (Errno::CONNABORTED, ABORTS_IN_A_ROW - 1, false),
        (Errno::CONNABORTED, ABORTS_IN_A_ROW, true),
        (Errno::INTR, ABORTS_IN_A_ROW - 1, false),
        (Errno::INTR, ABORTS_IN_A_ROW, true),
        (Errno::MFILE, 0, true),
    ] {
        with_log(&Settings::new(), |parent, _, _| {
            parent.state.aborts_in_a_row = before;
            parent.accept_failed(errno);
            assert_eq!(parent.state.shortage.is_some(), is_shortage, "{errno} after {before}");
            let now = parent.state.aborts_in_a_row;
            assert_eq!(now, before + u32::from(!is_shortage), "{errno} after {before}");
        });
    }
}

/// Checks the time for which a client without a process is kept, at its boundary, and the message that it then gets.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_client_without_a_process_is_kept_for_its_time() {
    let moment = Duration::from_millis(1);
    for (time, is_refused) in [(CLIENT_KEPT - moment, false), (CLIENT_KEPT, true)] {
        with_log(&Settings::new(), |parent, reader, now| {
            let (ours, theirs) = connection();
            parent.shortage("fork", Errno::AGAIN, Some(ours));
            reader.lines();
            parent.state.now = now + time;
            parent.retry();
            assert_eq!(parent.refused(), u64::from(is_refused), "{time:?}");
            let has_client = parent.state.shortage.as_ref().is_some_and(|shortage| shortage.client.is_some());
            assert_eq!(has_client, !is_refused, "{time:?}");
            if is_refused {
                let lines = [
                    "<29>resume why=fork seconds=5.000",
                    "<28>refuse from=192.0.2.1:1 why=\"no process could be started\" from_source=2 count=1",
                ];
                assert_eq!(reader.lines(), lines);
                let mut message = String::new();
                std::io::Read::read_to_string(&mut &theirs, &mut message).unwrap();
                assert_eq!(message, BUSY_MESSAGE);
            }
        });
    }
}

/// Checks that a listener that fails has its next turn after the others.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_listener_that_fails_does_not_have_the_next_turn() {
    with_log(&Settings::new(), |parent, _, _| {
        let port = listen(parent);
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        parent.descriptors.listeners.bind("127.0.0.1:0", &parent.settings.socket, None).unwrap();
        // accept4() of a socket that does not listen any more fails for good.
        parent.descriptors.listeners.shut_down();
        (parent.state.turn, parent.state.ready[0]) = (0, true);
        parent.accept_burst();
        assert!(parent.state.shortage.is_some());
        assert_eq!(parent.state.turn, 1);
    });
}

/// Checks that the parent looks at its signals and timers after so many clients, although more clients wait.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_burst_of_clients_ends_although_more_of_them_wait() {
    with_log(&Settings::new(), |parent, _, _| {
        let port = listen(parent);
        let count = ACCEPTS_IN_A_ROW + 2;
        let _clients: Vec<_> = (0..count).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        parent.worker.started = Started::Yes;
        for accepted in [ACCEPTS_IN_A_ROW, count] {
            parent.state.ready[0] = true;
            parent.accept_burst();
            assert_eq!(parent.state.children.len(), accepted);
        }
        let started: Vec<_> = parent.state.children.at(Stage::Running).map(|child| child.started).collect();
        assert!(started.is_sorted_by(|one, next| one < next), "each connection has its own time: {started:?}");
    });
}

/// Checks that, before a client is refused, children are asked whether they have ended, if one may have ended.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn children_that_have_ended_do_not_count_against_a_client() {
    for may_have_ended in [false, true] {
        let max_per_source = Some((1, ""));
        let settings = Settings { max_children: MANY_CHILDREN + 1, max_per_source, ..Settings::new() };
        with_log(&settings, |parent, _, now| {
            // These children do not exist, and all of them are of one source.
            (0..MANY_CHILDREN as i32).for_each(|number| parent.add(number, client(1, 1), State::Serving));
            parent.worker.started = Started::Yes;
            parent.state.reaped_at = now;
            parent.state.reap_at = may_have_ended.then_some(now);
            let (ours, _theirs) = connection();
            parent.start(ours);
            assert_eq!(parent.refused(), u64::from(!may_have_ended));
            assert_eq!(parent.state.children.len(), if may_have_ended { 1 } else { MANY_CHILDREN });
        });
    }
}

/// Checks the slot of a child that has just been started. Behind a proxy the child itself tells its state, because the
/// child may have told it already.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_slot_of_a_new_child_names_its_client() {
    for (proxy_protocol, state) in [(false, State::Serving), (true, State::Free)] {
        with_log(&Settings { proxy_protocol, ..Settings::new() }, |parent, _, _| {
            parent.worker.started = Started::Yes;
            let (ours, _theirs) = connection();
            parent.start(ours);
            let slot = parent.scoreboard.slot(0);
            assert_eq!((slot.state(), slot.peer()), (state, client(1, 1)), "{proxy_protocol}");
        });
    }
}
