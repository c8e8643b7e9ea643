//! Tests the actions of the parent, with children that do not exist.

mod groups;
mod handover;
mod pool;

use core::time::Duration;
use std::boxed::Box;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::vec::Vec;

use super::children::Stage;
use super::pause::Blocked;
use super::state::{Limit, Parent, Start};
use super::successor::Successor;
use super::timers::Timer;
use crate::server::child::{ChildContext, NotStarted, Worker};
use crate::server::connection::{Connection, Peer};
use crate::server::descriptors::Descriptors;
use crate::server::limits::{HEADER_PATIENCE, READY_WITHIN, RETRY_EVERY, THROTTLE_PERIOD};
use crate::server::listener::Listeners;
use crate::server::log::Log;
use crate::server::log::reader::LogReader;
use crate::server::orders::EarlierServer;
use crate::server::orders::tests::comes;
use crate::server::scoreboard::{Reader, State};
use crate::server::settings::{PoolSize, Settings};
use crate::server::signals::Earlier;
use crate::server::systemd::Manager;
use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, OwnedFd, PipeFlags, pipe2, write_all};
use crate::sys::process::{Pid, getpid};
use crate::sys::signal::{Disposition, SigAction, SigSet, Signal, sigaction};

/// A worker whose children do not exist.
#[derive(Default)]
pub(super) struct Stub {
    /// Whether a preforked child can be made.
    can_prefork: bool,
    /// The result of the start of a child with a client.
    pub(super) started: Started,
    /// Whether a child may leave processes.
    pub(super) leaves_processes: bool,
    made: i32,
}

/// The result of the start of a child with a client.
#[derive(Clone, Copy, Default)]
pub(super) enum Started {
    #[default]
    NotNow,
    Never,
    Yes,
}

impl Worker for Stub {
    fn runs_program(&self) -> bool {
        false
    }

    fn leaves_processes(&self) -> bool {
        self.leaves_processes
    }

    fn leaves_error_texts(&self) -> bool {
        false
    }

    fn start(&mut self, connection: Connection, _: ChildContext<'_, '_>) -> Result<(Pid, Connection), NotStarted> {
        match self.started {
            Started::NotNow => Err(NotStarted { connection, call: "fork", errno: Errno::AGAIN, is_temporary: true }),
            Started::Never => Err(NotStarted { connection, call: "execve", errno: Errno::NOENT, is_temporary: false }),
            Started::Yes => {
                self.made += 1;
                Ok((nobody(100 + self.made), connection))
            }
        }
    }

    fn start_pool(&mut self, _: ChildContext<'_, '_>) -> Result<Pid, Errno> {
        self.made += 1;
        if self.can_prefork { Ok(nobody(100 + self.made)) } else { Err(Errno::AGAIN) }
    }
}

/// Ids that no process has: Linux gives out no id above 4,194,304.
const NOBODY: i32 = i32::MAX;

pub(super) fn nobody(number: i32) -> Pid {
    Pid::from_raw(NOBODY - number).unwrap()
}

pub(super) fn parent<'s>(
    settings: &'s Settings<'static>,
    log: &'s Log,
    manager: Manager,
    worker: &'s mut Stub,
) -> Parent<'s, 'static, Stub> {
    let listeners = Listeners::new();
    let descriptors = Descriptors::new(listeners);
    let start = Start {
        settings,
        log,
        descriptors,
        rules: None,
        manager,
        title: None,
        worker,
        pid: getpid(),
        earlier: Box::leak(Box::new(Earlier { mask: SigSet::empty(), mask_in_child: SigSet::empty(), ticks: None })),
    };
    Parent::new(start).unwrap()
}

/// Runs a test with a parent that has these settings.
pub(super) fn with(settings: &Settings<'static>, test: impl FnOnce(&mut Parent<'_, 'static, Stub>, Duration)) {
    with_log(settings, |parent, _, now| test(parent, now));
}

/// Runs a test with a parent that has these settings, and with the reader of its log.
pub(super) fn with_log(
    settings: &Settings<'static>,
    test: impl FnOnce(&mut Parent<'_, 'static, Stub>, &LogReader, Duration),
) {
    let ((log, reader), mut worker) = (LogReader::new(), Stub::default());
    let mut parent = parent(settings, &log, Manager::none(), &mut worker);
    let now = parent.state.now;
    test(&mut parent, &reader, now);
}

impl Parent<'_, '_, Stub> {
    /// Adds a child with this client, at the present time of the loop. The child says that it is in this state since
    /// then.
    pub(super) fn add(&mut self, number: i32, peer: Peer, state: State) {
        let slot = self.scoreboard.take_slot(self.state.children.next_index());
        slot.set_client(1, &peer);
        if state != State::Free {
            slot.set(nobody(number), state, self.state.now);
        }
        self.state.add_serving_child(nobody(number), peer, None);
    }

    /// Adds a preforked child, which has taken this client by itself.
    pub(super) fn add_preforked(&mut self, number: i32, peer: Peer, state: State) {
        let slot = self.scoreboard.take_slot(self.state.children.next_index());
        slot.set_client(1, &peer);
        slot.set(nobody(number), state, self.state.now);
        self.state.add_child(nobody(number), Peer::Unknown, None);
    }

    /// Returns the stages of the children with the numbers from 0.
    pub(super) fn stages<const COUNT: usize>(&self) -> [Option<Stage>; COUNT] {
        core::array::from_fn(|number| {
            let is_it = |stage: &Stage| self.state.children.at(*stage).any(|child| child.pid == nobody(number as i32));
            Stage::ALL.into_iter().find(is_it)
        })
    }
}

/// Returns a client of this host, from this port.
pub(super) fn client(host: u8, port: u16) -> Peer {
    Peer::Inet(([192, 0, 2, host], port).into())
}

/// Makes this process the successor that starts, with this answer. Returns its end of the pipe.
pub(super) fn starts(parent: &mut Parent<'_, 'static, Stub>, pid: Pid, answer: &[u8]) -> OwnedFd {
    let (answers, ready) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    write_all(&ready, answer).unwrap();
    parent.descriptors.successor = Some(answers);
    let deadline = Some(parent.state.now + READY_WITHIN);
    parent.state.successor = Some(Successor { pid, deadline, failure: None, must_reload: false });
    ready
}

const SECOND: Duration = Duration::from_secs(1);
pub(super) const MOMENT: Duration = Duration::from_millis(1);

/// Returns a process that has ended with this status, and was not reaped.
#[allow(clippy::zombie_processes, reason = "the parent that is tested reaps it")]
pub(super) fn dead(status: i32) -> Pid {
    let process = Command::new("sh").args(["-c", &std::format!("exit {status}")]).spawn().unwrap();
    let pid = Pid::from_raw(process.id() as i32).unwrap();
    assert!(comes(|| is_dead(pid)));
    pid
}

/// Whether a process has ended and was not reaped.
pub(super) fn is_dead(pid: Pid) -> bool {
    std::fs::read_to_string(std::format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// A process group that exists until the test reaps its only process, which is dead.
pub(super) struct DeadGroup {
    pub(super) id: Pid,
    member: std::process::Child,
}

impl DeadGroup {
    pub(super) fn new() -> DeadGroup {
        let start = |group: i32| Command::new("true").process_group(group).spawn().unwrap();
        let mut leader = start(0);
        let id = leader.id() as i32;
        let member = start(id);
        leader.wait().unwrap();
        DeadGroup { id: Pid::from_raw(id).unwrap(), member }
    }
}

impl Drop for DeadGroup {
    fn drop(&mut self) {
        self.member.wait().unwrap();
    }
}

/// A process that a signal must end. Without the signal, the process would end by itself.
pub(super) struct Sleep(pub(super) std::process::Child);

impl Sleep {
    pub(super) fn new() -> Sleep {
        let mut command = Command::new("sleep");
        // A shell starts a command in the background with these signals ignored.
        let take_signals = || {
            for signal in [Signal::INT, Signal::QUIT] {
                let _ = sigaction(signal, &SigAction::new(Disposition::Default));
            }
            Ok(())
        };
        // SAFETY: the function makes system calls only.
        unsafe { CommandExt::pre_exec(&mut command, take_signals) };
        Sleep(command.arg("10").spawn().unwrap())
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32).unwrap()
    }

    /// Waits for the end of the process, and returns the signal that has ended it.
    pub(super) fn ended_by(&mut self) -> Option<i32> {
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_pause_of_a_limit_has_its_line_or_counts_in_the_next() {
    with_log(&Settings { max_children: 1, ..Settings::new() }, |parent, reader, now| {
        let mut pause = |time: Duration| {
            parent.state.now = now + time;
            parent.state.add_child(nobody(0), Peer::Unknown, None);
            assert!(parent.note_blocked().is_some());
            // While the pause lasts, nothing more is logged.
            assert!(parent.note_blocked().is_some());
            parent.state.now += Duration::from_millis(100);
            parent.state.children.remove(nobody(0));
            assert!(parent.note_blocked().is_none());
            reader.lines()
        };
        let resume = "<29>resume why=max-children seconds=0.100";
        assert_eq!(pause(Duration::ZERO), ["<29>pause why=max-children children=1 count=1", resume]);
        for time in [200, 400] {
            assert_eq!(pause(Duration::from_millis(time)), [""; 0], "neither the pause nor its end is logged");
        }
        assert_eq!(pause(THROTTLE_PERIOD), ["<29>pause why=max-children children=1 count=3", resume]);
    });
}

/// Checks that the end of a pause is logged although the parent does not accept because of another limit.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_limit_that_is_reached_after_another_ends_the_pause_of_the_other() {
    let settings = Settings { max_children: 1, max_rate: Some((1, SECOND)), ..Settings::new() };
    with_log(&settings, |parent, reader, now| {
        let step = Duration::from_millis(100);
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        parent.rate.as_mut().unwrap().count(now);
        assert_eq!(parent.note_blocked(), Some(Blocked::Limit(Limit::MaxChildren)));
        assert_eq!(reader.lines(), ["<29>pause why=max-children children=1 count=1"]);
        parent.state.children.remove(nobody(0));
        parent.state.now = now + step;
        assert_eq!(parent.note_blocked(), Some(Blocked::Limit(Limit::MaxRate)));
        let lines = ["<29>resume why=max-children seconds=0.100", "<29>pause why=max-rate children=0 count=1"];
        assert_eq!(reader.lines(), lines);
        parent.state.add_child(nobody(0), Peer::Unknown, None);
        parent.state.now = now + step * 3;
        assert_eq!(parent.note_blocked(), Some(Blocked::Limit(Limit::MaxChildren)));
        assert_eq!(reader.lines(), ["<29>resume why=max-rate seconds=0.200"], "the other line came a moment ago");
        parent.state.children.remove(nobody(0));
        parent.state.now = now + SECOND;
        assert_eq!((parent.note_blocked(), reader.lines()), (None, Vec::new()));
    });
}

/// Checks the last lines of a server: each event that was held back is counted before the report.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn events_that_are_held_back_at_the_stop_are_summed_up_before_the_report() {
    with_log(&Settings::new(), |parent, reader, now| {
        (0..3).for_each(|_| parent.refuse(&client(1, 1), "rules", 2));
        assert_eq!(reader.lines(), ["<28>refuse from=192.0.2.1:1 why=rules from_source=2 count=1"]);
        parent.begin_stopping(Signal::TERM, now);
        parent.state.now = now + MOMENT;
        assert!(parent.stopped().is_some());
        let stopped = "<29>stopped drained=0 terminated=0 killed=0 accepted=0 seconds=0.001";
        assert_eq!(reader.lines(), ["<28>refuse why=\"as before\" count=2", stopped]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_shortage_has_its_line_or_counts_in_the_next() {
    with_log(&Settings::new(), |parent, reader, now| {
        let mut shortage = |time: Duration| {
            parent.state.now = now + time;
            parent.shortage("fork", Errno::NOMEM, None);
            // A further failure is no further shortage.
            parent.shortage("fork", Errno::NOMEM, None);
            parent.state.now += Duration::from_millis(100);
            parent.shortage_over();
            reader.lines()
        };
        let is_pause = |line: &str, count: u32| {
            line.starts_with("<28>pause why=fork error=\"Cannot allocate memory\" hint=")
                && line.ends_with(&std::format!(" count={count}"))
        };
        let resume = "<29>resume why=fork seconds=0.100";
        let lines = shortage(Duration::ZERO);
        assert!(lines.len() == 2 && is_pause(&lines[0], 1) && lines[1] == resume, "{lines:?}");
        for time in [200, 400] {
            assert_eq!(shortage(Duration::from_millis(time)), [""; 0], "neither the pause nor its end is logged");
        }
        let lines = shortage(THROTTLE_PERIOD);
        assert!(lines.len() == 2 && is_pause(&lines[0], 3) && lines[1] == resume, "{lines:?}");
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_server_that_has_handed_over_tells_the_manager_nothing_more() {
    use crate::sys::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket};
    // The socket has no peer, so nothing arrives.
    let flags = SocketType::DGRAM | SocketFlags::CLOEXEC;
    let manager = socket(AddressFamily::UNIX, flags, Protocol::DEFAULT).unwrap();
    let (settings, (log, _reader), mut worker) = (Settings::new(), LogReader::new(), Stub::default());
    let mut parent = parent(&settings, &log, Manager::connected(manager, Some(SECOND)), &mut worker);
    let now = parent.state.now;
    assert_eq!((parent.publisher.watchdog_due(), parent.publisher.status_due(1)), (Some(now), Some(now)));
    parent.publisher.hand_over_to(nobody(0), now);
    assert_eq!((parent.publisher.watchdog_due(), parent.publisher.status_due(1)), (None, None));
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn the_scoreboard_names_the_earlier_servers_that_have_not_ended() {
    with(&Settings::new(), |parent, _| {
        let mut servers = [0, 1, 2].map(|number| {
            let (orders, pipe) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
            parent.descriptors.earlier.add(EarlierServer { pid: nobody(number), pipe });
            Some(orders)
        });
        for (ended, left) in [(1, &[0, 2][..]), (0, &[2]), (2, &[])] {
            servers[ended] = None;
            let left: Vec<Pid> = left.iter().copied().map(nobody).collect();
            let is_named = || {
                parent.forget_earlier();
                let head = *Reader::new(parent.descriptors.scoreboard.as_fd()).unwrap().head();
                head.earlier.into_iter().flatten().eq(left.iter().copied())
            };
            assert!(comes(is_named), "{ended}");
        }
    });
}

/// Checks that a call that fails once more is tried again after the same time.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn each_try_after_a_shortage_has_its_time() {
    with(&Settings::new(), |parent, now| {
        for time in [Duration::ZERO, RETRY_EVERY, RETRY_EVERY * 2] {
            parent.state.now = now + time;
            parent.retry();
            parent.shortage("accept4", Errno::MFILE, None);
            assert_eq!(parent.deadline(Timer::Retry), Some(now + time + RETRY_EVERY));
        }
    });
}

/// Checks that the clients that children have refused count among those of the server.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn clients_that_children_refuse_are_counted() {
    with_log(&Settings { pool: Some(PoolSize { min: 2, max: 2 }), ..Settings::new() }, |parent, reader, _| {
        (0..2).for_each(|number| parent.add_preforked(number, client(1, 1), State::Idle));
        (0..2).for_each(|number| parent.scoreboard.slot(number).count_refused());
        parent.count_refused();
        parent.log_status();
        let lines = reader.lines();
        assert!(lines[0].contains(" refused=3 "), "{lines:?}");
    });
}
