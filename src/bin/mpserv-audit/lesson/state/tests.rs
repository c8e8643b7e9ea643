//! Checks that the state computed from the calls is the state that /proc showed at the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpserv::signal::Signal;

use super::{Action, Kernel, Life, STANDARD};
use crate::lesson::steps::Runs;
use crate::lesson::with_itself;
use crate::run::output::Output;
use crate::run::processes::{Status, children};
use crate::run::stage::{Stage, Standing};
use crate::run::strace::Strace;
use crate::run::{Directory, Drive, Ending, Request, Sleep, record};
use crate::sources::Sources;

/// The state of one process in /proc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    /// The target of each descriptor, as the kernel names it.
    descriptors: BTreeMap<i64, String>,
    children: BTreeSet<u32>,
    zombies: BTreeSet<u32>,
    blocked: BTreeSet<String>,
    pending: BTreeSet<String>,
    ignored: BTreeSet<String>,
    caught: BTreeSet<String>,
}

/// All processes at one moment.
#[derive(Debug)]
struct Moment {
    time: u64,
    processes: BTreeMap<u32, Shown>,
}

fn signals(pid: u32, field: &str) -> Option<BTreeSet<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    let mask = u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap();
    let named = |number: i32| {
        Signal::from_raw(number).and_then(Signal::name).map(|name| format!("SIG{}", name.trim_start_matches("SIG")))
    };
    Some((1..=31).filter(|number| mask & (1 << (number - 1)) != 0).filter_map(named).collect())
}

/// Whether a descriptor is open because the process that started this test left it open.
fn is_inherited(fd: i64, target: &str) -> bool {
    fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|own| own.to_string_lossy() == target)
}

/// Returns what /proc shows of a process. Returns none if the process ends, or closes a descriptor, in that time.
fn look(pid: u32) -> Option<Shown> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let descriptors = entries.map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        Some((entry.file_name().to_str().unwrap().parse().unwrap(), target))
    });
    let descriptors: Vec<(i64, String)> = descriptors.collect::<Option<_>>()?;
    let is_zombie = |pid: &u32| Status::of(*pid).is_some_and(|status| status.state == b'Z');
    let (zombies, children) = children(pid).into_iter().partition(is_zombie);
    let is_own = |(fd, target): &(i64, String)| *fd < STANDARD || !is_inherited(*fd, target);
    Some(Shown {
        descriptors: descriptors.into_iter().filter(is_own).collect(),
        children,
        zombies,
        blocked: signals(pid, "SigBlk")?,
        pending: signals(pid, "ShdPnd")?.union(&signals(pid, "SigPnd")?).cloned().collect(),
        // A shell starts a background command with SIGINT and SIGQUIT ignored, which no trace shows.
        ignored: signals(pid, "SigIgn")?.difference(&signals(std::process::id(), "SigIgn")?).cloned().collect(),
        caught: signals(pid, "SigCgt")?,
    })
}

/// The number of moments that are tried. The kernel may wake a process late, and then the moment does not count.
const TRIES: usize = 1000;

/// Records the state of all processes when they are at rest.
fn look_at_all(stage: &mut Stage<'_>, moments: &Mutex<Vec<Moment>>) {
    let moment = (0..TRIES).find_map(|_| moment_of_rest(stage)).expect("the processes come to rest");
    moments.lock().unwrap().push(moment);
}

/// Returns the state of all processes, or none if one of them has moved meanwhile.
fn moment_of_rest(stage: &mut Stage<'_>) -> Option<Moment> {
    assert!(stage.settle().unwrap(), "it has ended");
    let before = stage.look()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut processes = BTreeMap::new();
    let mut left = vec![stage.root().unwrap()];
    while let Some(pid) = left.pop() {
        let shown = look(pid)?;
        left.extend(&shown.children);
        processes.insert(pid, shown);
    }
    (stage.look()? == before).then(|| Moment { time: now.as_micros().try_into().unwrap(), processes })
}

/// Returns the computed state of the process with this index. Objects have numbers as names.
fn computed(kernel: &Kernel, pids: &[u32], index: usize) -> Shown {
    let process = &kernel.processes[index];
    let with_life =
        |life: Life| kernel.children(index).filter(|(_, its)| *its == life).map(|(child, _)| pids[child]).collect();
    let (ignored, caught): (Vec<_>, Vec<_>) =
        process.actions.iter().partition(|(_, action)| **action == Action::Ignore);
    let names = |list: Vec<(&String, &Action)>| list.into_iter().map(|(name, _)| name.clone()).collect();
    Shown {
        descriptors: process.descriptors.iter().map(|(fd, of)| (*fd, of.object.to_string())).collect(),
        children: with_life(Life::Alive),
        zombies: with_life(Life::Zombie),
        blocked: process.blocked.clone(),
        pending: process.pending.clone(),
        ignored: names(ignored),
        caught: names(caught),
    }
}

/// Runs a program, and compares the states at each moment. Returns the number of moments.
fn compare(
    words: &[&str],
    directory: Option<&Path>,
    drive: impl Fn(&mut Stage<'_>, &Mutex<Vec<Moment>>) + Sync,
) -> usize {
    let strace = Strace::find().unwrap();
    let moments = Mutex::new(Vec::new());
    let request = Request {
        side: "C",
        strace: &strace,
        words: words.iter().map(ToString::to_string).collect(),
        directory,
        input: "",
        output: Output::Pipe,
        stacks: true,
        sleep: Sleep::Real,
        ending: Ending::ParentFirst,
        own_network: true,
        occupies: None,
        needs_free: None,
        timeout: Duration::from_secs(60),
        save: None,
        faults: None,
    };
    let with_moments: &Drive<'_> = &|stage| {
        drive(stage, &moments);
        stage.end_all(Standing::Waiting);
        Ok(())
    };
    let recorded = record(&request, with_moments).unwrap();
    let tree = &recorded.tree;
    let (comparison, sources) = (with_itself(tree), Sources::default());
    let runs = Runs { trees: [tree, tree], comparison: &comparison, sources: &sources, output: Output::Pipe };
    let steps = runs.steps();
    let pids: Vec<u32> = tree.processes.iter().map(|process| process.pid).collect();
    let moments = moments.into_inner().unwrap();
    for (number, moment) in moments.iter().enumerate() {
        let ended = |at: &usize| {
            let step = &steps[*at];
            let trace = runs.trace(step.lane, 0).unwrap();
            trace.span(step.events[0].unwrap()).end <= moment.time
        };
        let last = (0..steps.len()).rev().find(ended).unwrap();
        let kernel = &steps[last].after;
        let alive = |index: &usize| kernel.processes[*index].life == Life::Alive;
        let alive: BTreeSet<u32> = (0..pids.len()).filter(alive).map(|index| pids[index]).collect();
        assert_eq!(alive, moment.processes.keys().copied().collect(), "{words:?}, moment {number}: which live");
        // One object has one name in the kernel, and two objects have two names.
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut objects: BTreeMap<String, String> = BTreeMap::new();
        for (pid, shown) in &moment.processes {
            let index = pids.iter().position(|other| other == pid).unwrap();
            let mut computed = computed(kernel, &pids, index);
            for (fd, object) in &mut computed.descriptors {
                let name = shown.descriptors.get(fd).cloned().unwrap_or_default();
                assert_eq!(
                    *names.entry(object.clone()).or_insert_with(|| name.clone()),
                    name,
                    "{words:?}, moment {number}"
                );
                // Both ends of a pipe have the same name.
                if !name.starts_with("pipe:") && !name.starts_with("/dev/") {
                    assert_eq!(
                        objects.entry(name.clone()).or_insert_with(|| object.clone()),
                        object,
                        "{words:?}, moment {number}"
                    );
                }
                object.clone_from(&name);
            }
            assert_eq!(&computed, shown, "{words:?}, moment {number}, process {pid}");
        }
    }
    moments.len()
}

fn programs() -> &'static Path {
    Path::new(env!("MPSERV_C_DIR"))
}

#[test]
fn a_server_with_three_clients() {
    const PORT: u16 = 9190;
    let count = compare(&["./echo_mpserv", "9190"], Some(programs()), |stage, moments| {
        stage.wait_until_listening(PORT).unwrap();
        look_at_all(stage, moments);
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).unwrap();
            look_at_all(stage, moments);
            client.write_all(b"hello\n").unwrap();
            client.read_exact(&mut [0; 6]).unwrap();
            clients.push(client);
        }
        for client in clients {
            crate::run::close(client);
            look_at_all(stage, moments);
        }
    });
    assert_eq!(count, 7);
}

#[test]
fn a_zombie_of_a_parent_that_sleeps() {
    let count = compare(&["./zombie"], Some(programs()), look_at_all);
    assert_eq!(count, 1);
}

#[test]
fn descriptors_signals_and_children_one_after_another() {
    const PHASES: usize = 12;
    let folder = Directory::new().unwrap();
    folder.compile("phases", include_str!("phases.c"));
    let count = compare(&["./phases"], Some(&folder.path), |stage, moments| {
        for phase in 0..PHASES {
            if phase > 0 {
                stage.signal(Signal::USR2).unwrap();
            }
            look_at_all(stage, moments);
        }
    });
    assert_eq!(count, PHASES);
}
