//! Tests the actions of the parent, with children that do not exist.

use core::time::Duration;
use std::boxed::Box;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::string::String;
use std::vec::Vec;

use super::children::Stage;
use super::group_table::{End, Group};
use super::pause::Blocked;
use super::state::{Limit, Parent, Start};
use crate::server::child::{ChildContext, NotStarted, Worker};
use crate::server::connection::{Connection, Peer};
use crate::server::descriptors::Descriptors;
use crate::server::limits::{
    GROUPS_LOOK, GROUPS_LOOK_AT_STOP, HEADER_PATIENCE, KILL_AFTER, KILL_AGAIN_EVERY, THROTTLE_PERIOD,
};
use crate::server::listener::Listeners;
use crate::server::log::Log;
use crate::server::log::reader::LogReader;
use crate::server::scoreboard::State;
use crate::server::settings::{PoolSize, Settings};
use crate::server::signals::Earlier;
use crate::server::systemd::Manager;
use crate::sys::errno::Errno;
use crate::sys::process::{Pid, getpid};
use crate::sys::signal::{SigSet, Signal, kill};

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
        earlier: Box::leak(Box::new(Earlier { mask: SigSet::empty(), ticks: None })),
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

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

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

/// Checks the signals to a group, at the boundary of each time: at the end of its lifetime, and when the server stops.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_gets_term_then_kill_and_is_then_forgotten() {
    const LIFETIME: Duration = Duration::from_secs(10);
    for is_stopped in [false, true] {
        let dead = DeadGroup::new();
        let lifetime = if is_stopped { None } else { Some(LIFETIME) };
        with_log(&Settings { max_lifetime: lifetime, ..Settings::new() }, |parent, reader, now| {
            let group = Group { id: dead.id, peer: client(1, 1), started: now, end: End::NotTold };
            parent.state.groups.groups.push(group).unwrap();
            if is_stopped {
                parent.begin_stopping(Signal::TERM, now + LIFETIME);
            }
            let (told, killed) = (now + LIFETIME, now + LIFETIME + KILL_AFTER);
            let period = if is_stopped { GROUPS_LOOK_AT_STOP } else { GROUPS_LOOK };
            for (time, signal) in [
                (told - MOMENT, None),
                (told, Some("SIGTERM")),
                (killed - MOMENT, None),
                (killed, Some("SIGKILL")),
                (killed + KILL_AFTER - MOMENT, None),
            ] {
                parent.state.now = time;
                parent.look_at_groups();
                let line = |signal| std::format!("<28>group group={} from=192.0.2.1:1 signal={signal}", dead.id);
                let expected: Vec<String> = signal.into_iter().map(line).collect();
                assert_eq!(reader.lines(), expected, "{is_stopped}: {:?} after its start", time - now);
                assert_eq!(parent.state.groups.look_at(), Some(time + period));
                assert!(parent.stopped().is_none(), "the server waits for the group");
            }
            parent.state.now = killed + KILL_AFTER;
            parent.look_at_groups();
            assert_eq!(parent.state.groups.look_at(), None, "nobody reaps its processes");
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_group_that_has_gone_is_forgotten_without_a_signal() {
    let dead = DeadGroup::new();
    with_log(&Settings::new(), |parent, reader, now| {
        let group = |id| Group { id, peer: client(1, 1), started: now, end: End::NotTold };
        // The second takes the place of the first.
        parent.state.groups.groups.push(group(nobody(1))).unwrap();
        parent.state.groups.groups.push(group(dead.id)).unwrap();
        parent.begin_stopping(Signal::TERM, now);
        parent.look_at_groups();
        assert_eq!(reader.lines(), [std::format!("<28>group group={} from=192.0.2.1:1 signal=SIGTERM", dead.id)]);
        assert_eq!(parent.state.groups.groups.len(), 1);
    });
}

/// Checks that a stopped process acts on SIGTERM, as the only one left of its group and as a child.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_process_that_is_stopped_is_made_to_go_on_when_it_is_told_to_end() {
    for is_child in [false, true] {
        let mut leader = Command::new("true").process_group(0).spawn().unwrap();
        let group = if is_child { 0 } else { leader.id() as i32 };
        let mut stopped = Command::new("sleep").arg("20").process_group(group).spawn().unwrap();
        leader.wait().unwrap();
        let pid = Pid::from_raw(stopped.id() as i32).unwrap();
        kill(pid, Signal::STOP).unwrap();
        with(&Settings::new(), |parent, now| {
            if is_child {
                parent.state.add_child(pid, Peer::Unknown, None);
                return parent.terminate(pid);
            }
            let id = Pid::from_raw(group).unwrap();
            let group = Group { id, peer: client(1, 1), started: now, end: End::NotTold };
            parent.state.groups.groups.push(group).unwrap();
            parent.begin_stopping(Signal::TERM, now);
            parent.look_at_groups();
        });
        // A process that stays stopped is ended in the end.
        let ended = (0..500).find_map(|_| {
            std::thread::sleep(MOMENT * 10);
            stopped.try_wait().unwrap()
        });
        stopped.kill().unwrap();
        stopped.wait().unwrap();
        assert_eq!(ended.and_then(|status| status.signal()), Some(Signal::TERM.raw()), "{is_child}");
    }
}

/// Checks that each of the signals after the first SIGKILL reaches a new process of the group.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_that_is_still_there_is_killed_again() {
    // Without the signal, the process would end by itself.
    let mut child = Command::new("sleep").arg("3").process_group(0).spawn().unwrap();
    with(&Settings::new(), |parent, now| {
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        parent.state.add_child(pid, Peer::Unknown, None);
        parent.state.set_stage(pid, Stage::Killed);
        parent.state.now = now + KILL_AGAIN_EVERY;
        parent.kill_again();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.raw()));
    });
}

/// Checks which connections without a header are ended: the oldest of a source that has more than half of the children,
/// until it has half of them.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn of_silent_connections_the_oldest_of_a_large_source_are_ended() {
    for pool in [None, Some(PoolSize { min: 6, max: 6 })] {
        let settings = Settings { proxy_protocol: true, max_children: 6, pool, ..Settings::new() };
        with_log(&settings, |parent, reader, now| {
            // A child that was just started has no state yet. A preforked child has one.
            let just_started = if pool.is_some() { State::Header } else { State::Free };
            parent.add(0, client(2, 1), State::Header);
            parent.add(1, client(1, 1), State::Header);
            parent.add(2, client(1, 2), just_started);
            parent.add(3, client(1, 3), State::Header);
            parent.add(4, client(1, 4), State::Header);
            parent.add(5, client(1, 5), State::Serving);
            let stages = |ended: &[usize]| {
                core::array::from_fn(|number| {
                    Some(if ended.contains(&number) { Stage::Terminating } else { Stage::Running })
                })
            };
            parent.state.now = now + HEADER_PATIENCE - MOMENT;
            parent.end_silent_connections();
            assert_eq!(parent.stages::<6>(), stages(&[]), "each may wait for a while");
            parent.state.now = now + HEADER_PATIENCE;
            parent.end_silent_connections();
            assert_eq!(parent.stages::<6>(), stages(&[1]), "{pool:?}: three of six are half of the children");
            let line = "<28>refuse from=192.0.2.1:1 why=\"no PROXY header, and too many others without one\" \
                        from_source=4 count=1";
            assert_eq!(reader.lines(), [line]);
            assert_eq!(parent.refused(), 1);
        });
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

/// Returns the settings of a pool.
fn pool(min: u32, max: u32) -> Settings<'static> {
    Settings { pool: Some(PoolSize { min, max }), max_children: max, ..Settings::new() }
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_makes_a_child_for_each_that_is_missing_but_none_beyond_its_limit_or_after_a_stop() {
    let with_pool = |settings: &Settings<'static>, test: &dyn Fn(&mut Parent<'_, 'static, Stub>)| {
        with(settings, |parent, _| {
            parent.worker.can_prefork = true;
            test(parent);
        });
    };
    with_pool(&pool(2, 4), &|parent| {
        parent.refill_pool();
        assert_eq!(parent.state.children.len(), 2);
        parent.on_pool_tick();
        assert_eq!(parent.state.children.len(), 3, "none is idle");
    });
    // Children that were retired still have their clients, and count.
    with_pool(&pool(2, 3), &|parent| {
        (0..3).for_each(|number| parent.add(number, client(1, 1), State::Serving));
        (0..2).for_each(|number| parent.state.set_stage(nobody(number), Stage::Retiring));
        parent.refill_pool();
        parent.on_pool_tick();
        assert_eq!(parent.worker.made, 0, "there are as many as there may be");
    });
    with_pool(&pool(2, 4), &|parent| {
        parent.begin_stopping(Signal::TERM, Duration::MAX);
        parent.on_pool_tick();
        assert_eq!(parent.state.children.len(), 0, "the server stops");
    });
}

#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_pool_that_shrinks_retires_a_child_without_a_client() {
    with(&pool(1, 4), |parent, _| {
        for (number, state) in [State::Serving, State::Header, State::Idle, State::Idle].into_iter().enumerate() {
            parent.add(number as i32, client(1, 1), state);
        }
        parent.on_pool_tick();
        let running = Some(Stage::Running);
        assert_eq!(parent.stages(), [running, running, Some(Stage::Retiring), running]);
    });
}

/// Checks which preforked children are ended, and the client in the line of each: those that serve a client for too
/// long, retired or not. A child that was retired at the age of the limit is ended after the same time again, whatever
/// it says.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_preforked_child_is_ended_by_the_time_of_its_client_and_retired_by_its_own() {
    const LIMIT: Duration = Duration::from_secs(10);
    with_log(&Settings { max_lifetime: Some(LIMIT), ..pool(4, 4) }, |parent, reader, now| {
        for (number, state) in [State::Serving, State::Serving, State::Header, State::Idle].into_iter().enumerate() {
            parent.add(number as i32, client(number as u8, 1), state);
        }
        parent.state.now = now + SECOND;
        // Their stages begin later than their states, as those of children that have had other clients before.
        (0..4).for_each(|number| parent.state.set_stage(nobody(number), Stage::Running));
        parent.state.set_stage(nobody(1), Stage::Retiring);
        let (running, retiring, ended) = (Some(Stage::Running), Some(Stage::Retiring), Some(Stage::Terminating));
        parent.state.now = now + LIMIT - MOMENT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [running, retiring, running, running]);
        parent.state.now = now + LIMIT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [ended, ended, running, running]);
        let line = |number: i32| std::format!("<30>lifetime pid={} from=192.0.2.{number}:1", nobody(number));
        assert_eq!(reader.lines(), [line(0), line(1)]);
        parent.state.now = now + SECOND + LIMIT;
        parent.on_pool_tick();
        assert_eq!(parent.stages(), [ended, ended, retiring, retiring]);
        parent.state.now = now + SECOND + LIMIT * 2 - MOMENT;
        parent.on_pool_tick();
        assert_eq!((parent.stages(), reader.lines()), ([ended, ended, retiring, retiring], Vec::new()));
        parent.state.now = now + SECOND + LIMIT * 2;
        parent.on_pool_tick();
        assert_eq!((parent.stages(), reader.lines()), ([ended; 4], [line(2), line(3)].into()));
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
