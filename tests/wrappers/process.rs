//! Tests processes: the condition for a fork, and the ends of children.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_void};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::solo::{Channel, reap, skip, spawn};
use crate::common::{is_root, wait_for};
use crate::errors::{become_nobody, owned};
use crate::stdio::read_text;
use mpserv::errno::Errno;
use mpserv::fd::AsFd;
use mpserv::memory::{CStrArray, STACK_MIN, Stack};
use mpserv::net::AddressFamily;
use mpserv::process::{
    _exit, Child, Limit, Pid, Resource, Spawn, SpawnError, WaitFor, WaitOptions, WaitStatus, abort, adopt_orphans,
    allow_dumps, become_program, clear_inheritable, drop_capability_bounds, executed_path, exists, fix_addresses,
    forbid_dumps, fork, getpgid, getpid, getppid, group_exists, has_capabilities, has_other_threads, no_new_privileges,
    set_pdeathsig, setpgid, setrlimit, wait, waitpid,
};
use mpserv::server::{Server, Service};
use mpserv::signal::{Disposition, MaskHow, SigSet, Signal, killpg, raise, signal, sigprocmask};
use mpserv::time::{Clock, clock_gettime, nanosleep};

pub(crate) fn fork_refuses_where_other_threads_are() {
    assert!(!has_other_threads());
    let channel = Channel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| channel.hear());
        assert!(has_other_threads());
        assert_eq!(fork().unwrap_err(), Errno::DEADLK);
        channel.tell(0);
    });
    assert_eq!(fork().unwrap_err(), Errno::DEADLK, "a process that has had threads is taken to have them");
}

/// Checks that a server restores its process, so that another server, or a fork, may follow.
pub(crate) fn fork_is_allowed_after_a_server() {
    let mut term = SigSet::empty();
    term.add(Signal::TERM);
    for _ in 0..2 {
        sigprocmask(MaskHow::Block, &term);
        raise(Signal::TERM).unwrap();
        let server = Server::new().listen("127.0.0.1:0").bind().unwrap();
        assert_eq!(server.serve_builtin(Service::Echo).unwrap().accepted, 0);
    }
    let status = reap(&mut spawn(|| assert_ne!(clock_gettime(Clock::MONOTONIC), Duration::ZERO)));
    assert_eq!(status.exit_status(), Some(0));
}

pub(crate) fn fork_is_allowed_where_none_are() {
    let parent = getpid();
    let mut child = spawn(|| {
        assert_ne!(getpid(), parent);
        assert_eq!(getppid(), Some(parent));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_child_keeps_its_status() {
    let mut child = spawn(|| _exit(300));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(waitpid(WaitFor::Child(child.pid()), None, WaitOptions::NONE), Err(Errno::CHILD));
}

/// Checks that the stop of a child that this process traces is reported once, and not kept as its end.
pub(crate) fn a_child_that_stops_has_not_ended() {
    let mut child = spawn(|| {
        let nothing = std::ptr::null_mut::<c_void>();
        // SAFETY: the request takes no memory.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) }, 0);
        raise(Signal::STOP).unwrap();
        raise(Signal::STOP).unwrap();
        _exit(3);
    });
    let go_on = |child: &Child| {
        // SAFETY: the request takes numbers.
        let result = unsafe { libc::ptrace(libc::PTRACE_CONT, child.pid().raw(), 0, 0) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    };
    assert_eq!(child.wait().unwrap().stop_signal(), Some(Signal::STOP));
    assert_eq!(child.try_wait(), Ok(None));
    go_on(&child);
    let status = wait_for("the child stops again", || child.try_wait().unwrap());
    assert_eq!(status.stop_signal(), Some(Signal::STOP));
    child.kill(Signal::WINCH).unwrap();
    go_on(&child);
    // The tracer sees the signal as well, before the child goes on.
    let mut status = child.wait().unwrap();
    if status.stop_signal() == Some(Signal::WINCH) {
        go_on(&child);
        status = child.wait().unwrap();
    }
    assert_eq!(status.exit_status(), Some(3), "{status}");
    assert_eq!(child.kill(Signal::WINCH), Err(Errno::SRCH));
    // The stop of a child that is not traced is no news.
    let mut child = spawn(|| {
        raise(Signal::STOP).unwrap();
        _exit(4);
    });
    let stat = format!("/proc/{}/stat", child.pid());
    wait_for("the child stops", || std::fs::read_to_string(&stat).unwrap().contains(") T ").then_some(()));
    assert_eq!(child.try_wait(), Ok(None));
    child.kill(Signal::CONT).unwrap();
    assert_eq!(reap(&mut child).exit_status(), Some(4));
}

pub(crate) fn a_child_that_was_waited_for_gets_no_signal() {
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(child.try_wait(), Ok(None));
    child.kill(Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().term_signal(), Some(Signal::TERM));
    assert_eq!(child.kill(Signal::TERM), Err(Errno::SRCH));
}

pub(crate) fn a_child_that_goes_on_is_reported() {
    let mut child = spawn(|| {
        loop {
            nanosleep(Duration::MAX);
        }
    });
    let one = WaitFor::Child(child.pid());
    let mut status = WaitStatus::default();
    child.kill(Signal::STOP).unwrap();
    waitpid(one, Some(&mut status), WaitOptions::UNTRACED).unwrap();
    assert_eq!((status.stop_signal(), status.is_continued()), (Some(Signal::STOP), false));
    child.kill(Signal::CONT).unwrap();
    waitpid(one, Some(&mut status), WaitOptions::CONTINUED).unwrap();
    assert!(status.is_continued());
    assert_eq!(status.to_string(), "continued");
    assert_eq!((status.exit_status(), status.term_signal(), status.stop_signal()), (None, None, None));
    child.kill(Signal::KILL).unwrap();
    assert_eq!(reap(&mut child).term_signal(), Some(Signal::KILL));
}

pub(crate) fn group_1_is_not_everybody() {
    assert_eq!(killpg(Pid::INIT, Signal::CONT), Err(Errno::INVAL));
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(waitpid(WaitFor::Group(Pid::INIT), None, WaitOptions::NOHANG), Err(Errno::SRCH));
    channel.tell(0);
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_group_is_asked_about_as_a_group() {
    let parent = getpid();
    let channel = Channel::new();
    let waiting = || {
        spawn(|| {
            set_pdeathsig(parent, Signal::KILL).unwrap();
            loop {
                nanosleep(Duration::MAX);
            }
        })
    };
    let [mut leader, mut member, mut alone] = [waiting(), waiting(), waiting()];
    // The second process joins the group that the first leads.
    setpgid(Some(leader.pid()), None).unwrap();
    setpgid(Some(member.pid()), Some(leader.pid())).unwrap();
    let groups = [&leader, &member, &alone].map(|child| getpgid(child.pid()).unwrap().unwrap());
    // SAFETY: the call has no precondition.
    let own = Pid::from_raw(unsafe { libc::getpgrp() }).unwrap();
    assert_eq!(groups, [leader.pid(), leader.pid(), own]);
    assert_eq!(getpgid(parent), Ok(Some(own)));
    // A process is no group, and a group is there without its leader.
    assert_eq!((exists(alone.pid()), group_exists(alone.pid())), (true, false));
    leader.kill(Signal::KILL).unwrap();
    reap(&mut leader);
    assert_eq!((exists(leader.pid()), group_exists(leader.pid())), (false, true));
    // A signal to the group reaches its members, and nobody else.
    killpg(leader.pid(), Signal::TERM).unwrap();
    assert_eq!(reap(&mut member).term_signal(), Some(Signal::TERM));
    assert!(!group_exists(leader.pid()));
    assert_eq!(alone.try_wait(), Ok(None));
    alone.kill(Signal::KILL).unwrap();
    reap(&mut alone);
    // A process of another user is there, though it may not be signalled.
    let mut child = spawn(|| {
        become_nobody();
        assert!(exists(Pid::INIT) && exists(parent));
        // No process of the group is left that may be signalled.
        setpgid(None, None).unwrap();
        assert!(group_exists(own));
        channel.tell(0);
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    assert_eq!(channel.hear(), 0);
}

pub(crate) fn a_number_of_no_process_is_no_id() {
    for number in [c_int::MIN, -1, 0] {
        assert_eq!(Pid::from_raw(number), None, "{number}");
    }
    for number in [1, 2, 32768, c_int::MAX] {
        let pid = Pid::from_raw(number).unwrap();
        assert_eq!((pid.raw(), pid.to_string(), format!("{pid:?}")), (number, number.to_string(), number.to_string()));
    }
    assert_eq!((Pid::INIT.raw(), getpid().raw() as u32), (1, std::process::id()));
    assert_eq!(getppid().unwrap().raw() as u32, std::os::unix::process::parent_id());
}

/// Tests the two functions that wait for any child.
pub(crate) fn a_wait_for_any_child_has_its_status() {
    for wait_for_any in [(|status| wait(Some(status)).unwrap()) as fn(&mut WaitStatus) -> Pid, |status| {
        waitpid(WaitFor::AnyChild, Some(status), WaitOptions::NONE).unwrap().unwrap()
    }] {
        let child = spawn(|| _exit(9));
        let mut status = WaitStatus::default();
        assert_eq!((wait_for_any(&mut status), status.exit_status()), (child.pid(), Some(9)));
    }
    let child = spawn(|| _exit(9));
    assert_eq!(wait(None), Ok(child.pid()));
    let mut child = spawn(|| abort());
    assert_eq!(reap(&mut child).term_signal(), Some(Signal::ABRT));
}

/// Returns the fields of this process's rights in `/proc`.
fn rights() -> BTreeMap<String, String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let fields = status.lines().filter_map(|line| line.split_once(":\t"));
    fields
        .filter(|(name, _)| name.starts_with("Cap") || *name == "NoNewPrivs")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn option_of_process(option: c_int) -> c_int {
    // SAFETY: the call takes numbers.
    unsafe { libc::prctl(option, 0, 0, 0, 0) }
}

/// Tests the functions for rights, each of which changes one thing. The kernel tells what holds.
pub(crate) fn each_right_is_given_up_alone() {
    let changed = |change: &dyn Fn()| {
        let (before, mut after) = (rights(), BTreeMap::new());
        change();
        after.extend(rights().into_iter().filter(|(name, value)| before[name] != *value));
        after
    };
    let parent = getppid().unwrap();
    for signal in [Signal::TERM, Signal::KILL, Signal::USR1] {
        set_pdeathsig(parent, signal).unwrap();
        let mut found: c_int = 0;
        // SAFETY: the call writes the number.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut found) }, 0);
        assert_eq!(found, signal.raw());
    }
    allow_dumps().unwrap();
    assert_eq!(option_of_process(libc::PR_GET_DUMPABLE), 1);
    forbid_dumps().unwrap();
    assert_eq!(option_of_process(libc::PR_GET_DUMPABLE), 0);
    allow_dumps().unwrap();
    assert_eq!(option_of_process(libc::PR_GET_DUMPABLE), 1);
    adopt_orphans().unwrap();
    let mut is_reaper: c_int = 0;
    // SAFETY: the call writes the number.
    assert_eq!(unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut is_reaper) }, 0);
    assert_eq!(is_reaper, 1);
    assert_eq!(has_capabilities(), Ok(rights()["CapPrm"] != "0".repeat(16)));
    if is_root() {
        // Everything that this process may do is inheritable, and the first capability and one of the second half of
        // the bits are ambient.
        let (zero, high) = (0, 38);
        inherit_all();
        for capability in [zero, high] {
            let raise = libc::PR_CAP_AMBIENT_RAISE;
            // SAFETY: the call takes numbers.
            let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, capability, 0, 0) };
            assert_eq!(raised, 0, "{}", std::io::Error::last_os_error());
        }
        let none = "0".repeat(16);
        let nothing = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), none.clone())).collect();
        let now = changed(&|| drop_capability_bounds().unwrap());
        assert_eq!(now, nothing(&["CapAmb", "CapBnd"]));
        assert_eq!(changed(&|| clear_inheritable().unwrap()), nothing(&["CapInh"]));
    }
    let now = changed(&|| no_new_privileges().unwrap());
    assert!(
        now == BTreeMap::from([("NoNewPrivs".to_owned(), "1".to_owned())]) || rights()["NoNewPrivs"] == "1",
        "{now:?}"
    );
}

/// Makes every capability that this process may use inheritable.
fn inherit_all() {
    let mut header = [0x2008_0522_u32, 0];
    let mut halves = [[0_u32; 3]; 2];
    // SAFETY: this version of the call fills in two structs of three numbers.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), halves.as_mut_ptr()) };
    halves.iter_mut().for_each(|[_, permitted, inheritable]| *inheritable = *permitted);
    // SAFETY: the call reads the same structs.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), halves.as_ptr()) };
    assert_eq!((got, set), (0, 0), "{}", std::io::Error::last_os_error());
}

pub(crate) fn fixed_addresses_leave_the_rest_of_the_personality() {
    let ask = 0xffff_ffff;
    // SAFETY: the call takes a number.
    let now = |persona| unsafe { libc::personality(persona) };
    assert!(now(libc::ADDR_COMPAT_LAYOUT as libc::c_ulong) >= 0);
    if fix_addresses().is_err() {
        skip("no personality");
    }
    assert_eq!(now(ask), libc::ADDR_COMPAT_LAYOUT | libc::ADDR_NO_RANDOMIZE);
}

pub(crate) fn the_executed_path_is_that_of_this_program() {
    let path = executed_path().unwrap().to_str().unwrap();
    assert_eq!(std::fs::canonicalize(path).unwrap(), std::env::current_exe().unwrap());
}

/// Returns the signals that this process ignores, as bits.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    u64::from_str_radix(bits, 16).unwrap()
}

/// Checks that an error says at which step it came, and that the process of a program that was not run is gone.
pub(crate) fn a_program_that_is_not_run_leaves_no_process() {
    let none = CStrArray::with_capacity(0, 0).unwrap();
    let socket = crate::net::stream(AddressFamily::INET);
    let program = Spawn {
        path: c"/no/such/program",
        argv: &none,
        envp: &none,
        connection: socket.as_fd(),
        mask: SigSet::empty(),
        default: &[],
        handled: None,
        parent: None,
        limits: &[],
    };
    // SAFETY: no signal has a handler that changes memory.
    let spawned = || unsafe { mpserv::process::spawn(&mut Stack::new(STACK_MIN).unwrap(), &program) };
    assert_eq!(spawned(), Err(SpawnError::Exec(Errno::NOENT)));
    assert_eq!(waitpid(WaitFor::AnyChild, None, WaitOptions::NOHANG), Err(Errno::CHILD));
    let mut child = spawn(|| {
        become_nobody();
        setrlimit(Resource::from_name("nproc").unwrap(), Limit { soft: 0, hard: 0 }).unwrap();
        assert_eq!(spawned(), Err(SpawnError::Clone(Errno::AGAIN)));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_program_gets_what_its_fields_say() {
    sigprocmask(MaskHow::Block, &SigSet::from([Signal::USR1]));
    for ignored in [Signal::USR1, Signal::URG, Signal::WINCH] {
        signal(ignored, Disposition::Ignore).unwrap();
    }
    let bit = |signal: Signal| 1 << (signal.raw() - 1);
    let signals = format!(
        "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\n",
        bit(Signal::USR2) | bit(Signal::HUP),
        ignored() & !(bit(Signal::USR1) | bit(Signal::WINCH))
    );
    // SAFETY: the call has no precondition.
    let own_group = unsafe { libc::getpgrp() };
    let script = c"echo $0 $1 $NAME $(ulimit -Sc) $(ulimit -Hc) $(cut -d' ' -f5 /proc/$$/stat); cat";
    for is_spawned in [true, false] {
        let (pid, told) = told_by(is_spawned, &[c"sh", c"-c", script, c"zero", c"one"], c"/bin/sh");
        let group = if is_spawned { pid.raw() } else { own_group };
        assert_eq!(told, format!("zero one value 0 1 {group}\nby standard input"), "by spawn: {is_spawned}");
        // A shell would change its mask.
        let (_, told) = told_by(is_spawned, &[c"grep", c"^Sig[BI]", c"/proc/self/status"], c"/bin/grep");
        assert_eq!(told, signals, "by spawn: {is_spawned}");
    }
}

/// Checks the signal that a program gets at the end of the process that spawned it. The program tells of it.
pub(crate) fn a_program_gets_sigterm_at_the_end_of_its_parent() {
    let script = c"trap 'kill $!; echo SIGTERM; exit' TERM; sleep 20 >/dev/null & echo ready; wait; echo no signal";
    let argv = CStrArray::copy([c"sh", c"-c", script].into_iter()).unwrap();
    let envp = CStrArray::copy([c"PATH=/usr/bin:/bin"].into_iter()).unwrap();
    let (ours, its) = UnixStream::pair().unwrap();
    let its = owned(its.into());
    let channel = Channel::new();
    let mut parent = spawn(|| {
        let program = Spawn {
            path: c"/bin/sh",
            argv: &argv,
            envp: &envp,
            connection: its.as_fd(),
            mask: SigSet::empty(),
            default: &[Signal::TERM],
            handled: None,
            parent: Some(getpid()),
            limits: &[],
        };
        // SAFETY: no signal has a handler that changes memory.
        unsafe { mpserv::process::spawn(&mut Stack::new(STACK_MIN).unwrap(), &program) }.unwrap();
        channel.hear();
    });
    drop(its);
    let mut lines = BufReader::new(&ours).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("ready"));
    channel.tell(0);
    reap(&mut parent);
    assert_eq!(lines.next().as_deref(), Some("SIGTERM"));
}

/// Runs a program with a value of its own for each field. Returns its id and its output.
fn told_by(is_spawned: bool, arguments: &[&CStr], path: &CStr) -> (Pid, String) {
    let copy = |strings: &[&CStr]| CStrArray::copy(strings.iter().copied()).unwrap();
    let (argv, envp) = (copy(arguments), copy(&[c"NAME=value", c"PATH=/usr/bin:/bin"]));
    let (ours, its) = UnixStream::pair().unwrap();
    let its = owned(its.into());
    let program = Spawn {
        path,
        argv: &argv,
        envp: &envp,
        connection: its.as_fd(),
        mask: SigSet::from([Signal::USR2, Signal::HUP]),
        default: &[Signal::USR1, Signal::WINCH],
        handled: None,
        parent: Some(getpid()),
        limits: &[(Resource::from_name("core").unwrap(), Limit { soft: 0, hard: 512 })],
    };
    let pid = if is_spawned {
        // SAFETY: no signal has a handler that changes memory.
        unsafe { mpserv::process::spawn(&mut Stack::new(STACK_MIN).unwrap(), &program) }.unwrap()
    } else {
        // SAFETY: the child uses descriptors 0 and 1 no more.
        spawn(|| _ = unsafe { become_program(&program) }).pid()
    };
    drop(its);
    if path == c"/bin/sh" {
        (&ours).write_all(b"by standard input").unwrap();
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let told = read_text(&ours);
    waitpid(WaitFor::Child(pid), None, WaitOptions::NONE).unwrap();
    (pid, told)
}
