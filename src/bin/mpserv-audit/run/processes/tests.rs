//! Tests the facts that are read from /proc.

use super::*;
use crate::run::Directory;

const STATUS: &str = "Name:\tx\nState:\tS (sleeping)\nTgid:\t7\nPid:\t7\nPPid:\t5\nTracerPid:\t6\nThreads:\t1\n\
                      SigPnd:\t0000000000000001\nShdPnd:\t0000000000000006\nSigBlk:\t0000000000000003\n\
                      SigIgn:\t0000000000000008\nSigCgt:\t0000000000010000\nSpeculation:\tx\n\
                      voluntary_ctxt_switches:\t11\nnonvoluntary_ctxt_switches:\t12\n";

#[test]
fn a_status_is_read_field_by_field() {
    let status = Status { state: b'S', parent: 5, tracer: 6, pending: 4, caught: 1 << 16, switches: (11, 12) };
    assert_eq!(Status::parse(STATUS), Some(status));
    assert!(status.catches_child_signal());
    assert!(!Status { caught: !(1 << 16), ..status }.catches_child_signal());
    assert_eq!(Status::parse(&STATUS.replace("SigBlk", "SigBlock")), None);
}

#[test]
fn a_process_rests_while_it_sleeps_without_a_signal_or_is_a_zombie_that_strace_knows() {
    let status = Status::parse(STATUS).unwrap();
    let rests = |state, tracer, pending| {
        let status = Status { state, tracer, pending, ..status };
        (status.is_still(), status.may_be_still())
    };
    assert_eq!(rests(b'S', 6, 0), (true, true));
    assert_eq!(rests(b'S', 6, 4), (false, false), "a signal will wake it");
    assert_eq!(rests(b'Z', 0, 4), (true, true));
    assert_eq!(rests(b'Z', 6, 0), (false, false), "strace has not heard of its end");
    assert_eq!(rests(b'D', 6, 0), (false, true));
    assert_eq!(rests(b'R', 6, 0), (false, false));
    assert_eq!(rests(b't', 6, 0), (false, false));
}

#[test]
fn processes_are_ordered_by_age_where_ids_start_over() {
    let processes = Processes { id_limit: 100, ..Processes::new(90, Path::new("/nowhere"), "run") };
    assert_eq!([95, 99, 1, 94].map(|pid| processes.age(95, pid)), [0, 4, 6, 99]);
    assert_eq!(processes.root(), None);
}

#[test]
fn the_root_is_the_first_process_also_where_ids_start_over() {
    let root = |strace, names: &[&str], root: Option<u32>| {
        let (_directory, processes) = traces(strace, names);
        let processes = Processes { id_limit: 100, ..processes };
        root.into_iter().fold(processes, Processes::attached_to).root()
    };
    assert_eq!(root(90, &["run.91", "run.93"], None), Some(91));
    assert_eq!(root(90, &["run.5", "run.98", "run.7"], None), Some(98), "the children have smaller ids");
    assert_eq!(root(98, &["run.5", "run.7"], None), Some(5), "all ids are smaller than that of strace");
    // strace was made after the process to which it is attached.
    assert_eq!(root(90, &["run.88", "run.91"], Some(88)), Some(88));
    assert_eq!(root(2, &["run.4", "run.98"], Some(98)), Some(98));
}

#[test]
fn the_processor_time_is_that_of_the_process_or_also_of_its_children() {
    // From utime on: the process's own times, those of its reaped children, and the priority.
    let stat = "7 (a) b) S 5 7 7 0 -1 4194304 90 91 92 93 150 250 1000 2000 20 0 1 0 5000";
    let seconds = |count| times_in(stat, count);
    assert_eq!((seconds(2), seconds(4)), (Some(Duration::from_secs(4)), Some(Duration::from_secs(34))));
    assert_eq!(times_in("7 (x) Z", 2), Some(Duration::ZERO), "no times are shown");
    // A child that this test reaps takes some time.
    let script = "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done";
    std::process::Command::new("sh").args(["-c", script]).status().unwrap();
    let own = std::process::id();
    let shown = |count| times_in(&fs::read_to_string("/proc/self/stat").unwrap(), count).unwrap();
    for (time, count) in [(processor_time as fn(u32) -> _, 2), (processor_time_of_all, 4)] {
        let (before, found, after) = (shown(count), time(own).unwrap(), shown(count));
        assert!(before <= found && found <= after, "{count}: {before:?}, {found:?}, {after:?}");
    }
}

/// Returns a folder of traces with these names, and the processes whose traces begin with `run`.
fn traces(strace: u32, names: &[&str]) -> (Directory, Processes) {
    let directory = Directory::new().unwrap();
    for name in names {
        fs::write(directory.path.join(name), "a line\n").unwrap();
    }
    let processes = Processes::new(strace, &directory.path, "run");
    (directory, processes)
}

#[test]
fn the_processes_are_those_with_a_trace_of_this_run() {
    let (directory, mut processes) = traces(90, &["run.120", "run.7", "run.x", "run7", "other.8", "run.30"]);
    assert_eq!(processes.ids(), [7, 30, 120]);
    assert_eq!(processes.trace_length(), 21);
    let limit = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    assert_eq!((processes.strace, processes.checked, processes.id_limit.to_string()), (90, 90, limit.trim().into()));
    assert!((1..processes.id_limit).contains(&processes.last_id()));
    processes.knows_up_to(120);
    assert_eq!(processes.checked, 120);
    assert_eq!((processes.end_of_trace(7).as_deref(), processes.end_of_trace(8)), (Some("a line\n"), None));
    let long: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    fs::write(directory.path.join("run.7"), &long).unwrap();
    assert_eq!(processes.end_of_trace(7).unwrap(), long[long.len() - END_OF_TRACE..]);
    assert_eq!(Processes::new(90, Path::new("/nowhere"), "run").ids(), [0; 0]);
}

/// Checks which processes count as new, among them this process: nobody traces it, so its tracer has the number 0.
#[test]
fn a_newborn_is_traced_and_has_no_trace() {
    let own = std::process::id();
    let name = format!("run.{own}");
    let has_newborn = |strace, names: &[&str], checked, last, id_limit| {
        let (_directory, processes) = traces(strace, names);
        Processes { checked, id_limit, ..processes }.has_newborn(last)
    };
    assert!(has_newborn(0, &[], own - 1, own, u32::MAX));
    assert!(!has_newborn(0, &[&name], own - 1, own, u32::MAX), "it has a trace");
    assert!(!has_newborn(0, &[], own, own, u32::MAX), "it was known before");
    assert!(!has_newborn(1, &[], own - 1, own, u32::MAX), "another process traces it");
    // The first process of the machine was made after the ids started over.
    assert!(has_newborn(0, &[], 99, 1, 100));
    assert!(!has_newborn(0, &["run.1"], 99, 1, 100));
    assert!(!has_newborn(0, &[], 99, 0, 100));
    let traced = |strace| traces(strace, &[&name, "run.0"]).1.traced();
    assert_eq!((traced(0), traced(1)), (vec![own], vec![]));
}

#[test]
fn processes_are_seen_only_while_all_of_them_are_still() {
    let kill = |mut child: std::process::Child| child.kill().and_then(|()| child.wait()).unwrap();
    let start = |script: &str| std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
    let until = |what: &str, pid, is: fn(&Status) -> bool| {
        let end = std::time::Instant::now() + Duration::from_secs(120);
        while !Status::of(pid).is_some_and(|status| is(&status)) {
            assert!(std::time::Instant::now() < end, "never seen: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let (sleeper, mut ended) = (start("exec sleep 1000"), start("exit"));
    let [first, second] = [&sleeper, &ended].map(std::process::Child::id);
    // The program sleeps in a call of its own once it has run for the last time.
    until("a sleep", first, |status| status.is_still());
    until("a zombie", second, |status| status.state == b'Z');
    let children = children(std::process::id());
    assert!(children.contains(&first) && children.contains(&second), "{children:?}");
    let names = [first, second, 5_000_000].map(|pid| format!("run.{pid}"));
    let (_directory, processes) = traces(first, &[&names[0], &names[1], &names[2]]);
    let seen = || processes.look().map(|seen| seen.iter().map(|(pid, status)| (*pid, status.is_some())).collect());
    let mut expected = vec![(first, true), (first, true), (second, true), (5_000_000, false)];
    expected[1..].sort_unstable();
    let end = std::time::Instant::now() + Duration::from_secs(120);
    let mut found: Option<Vec<_>> = None;
    while found.is_none() && std::time::Instant::now() < end {
        found = seen();
    }
    assert_eq!(found, Some(expected));
    assert!(!waits_for_vfork(first));
    // A process that runs is never still.
    let runs = start("while :; do :; done");
    until("a loop", runs.id(), |status| status.state == b'R');
    let (_other, with_running) = traces(first, &[&names[0], &format!("run.{}", runs.id())]);
    assert!((0..20).all(|_| with_running.look().is_none()));
    let (_other, gone) = traces(5_000_000, &[&names[0]]);
    assert_eq!(gone.look(), None, "there is no strace");
    kill(sleeper);
    kill(runs);
    ended.wait().unwrap();
}

#[test]
fn the_memory_of_a_process_is_read_from_its_address_on() {
    let bytes = *b"0123456789abcdef";
    let from = |offset: u64| memory::<4>(std::process::id(), bytes.as_ptr().addr() as u64 + offset);
    assert_eq!((from(0), from(12)), (Some(*b"0123"), Some(*b"cdef")));
    assert_eq!(memory::<4>(std::process::id(), 8), None);
}

#[test]
fn a_vfork_is_known_by_its_flags() {
    const SIGCHLD: u64 = 17;
    let own = std::process::id();
    let (with, without) = ((libc::CLONE_VM | CLONE_VFORK) as u64, libc::CLONE_VM as u64);
    let structs = [[with | SIGCHLD, 0], [without | SIGCHLD, with]];
    let at = structs.each_ref().map(|fields| fields.as_ptr().addr() as u64);
    for (number, argument, expected) in [
        (libc::SYS_clone, with | SIGCHLD, true),
        (libc::SYS_clone, without | SIGCHLD, false),
        (libc::SYS_clone3, at[0], true),
        (libc::SYS_clone3, at[1], false),
        (libc::SYS_clone3, 8, false),
        (libc::SYS_read, with, false),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_vfork, 0, true),
    ] {
        let call = format!("{number} {argument:#x} 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f00\n");
        assert_eq!(is_vfork(own, &call), expected, "{call}");
    }
    assert!(!is_vfork(own, "running\n") && !is_vfork(own, ""));
}
