//! Claims about signals, handlers and masks.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::thread;

use mpserv::errno::{Errno, Result};
use mpserv::fd::{self, AsFd};
use mpserv::net::{self, AddressFamily, Ipv4Addr, Protocol, SocketAddrV4, SocketType};
use mpserv::process::{Child, Pid, WaitFor, WaitOptions, getpid, waitpid};
use mpserv::signal::{
    Disposition, Handler, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFlag, kill, raise, sigaction,
    sigaction_get, sigaction_replace, sigpending, sigprocmask, sigprocmask_replace, sysv_signal,
};
use mpserv::time::{alarm, sleep};

use crate::common::network::Network;
use crate::common::servers::{ECHO_MPSERV, ROT13_SERV, Server};
use crate::common::solo::{Channel, child};
use crate::common::*;
use crate::{id, status};

#[path = "../ffi/cc.rs"]
#[allow(dead_code, reason = "a part is enough here")]
mod cc;

/// The flag of a test's signal.
static CAME: SignalFlag = SignalFlag::new();

fn action(sa_handler: Disposition) -> SigAction {
    SigAction { sa_handler, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE }
}

/// Returns the number of times that a program has printed a line.
fn count(running: &Running, line: &str) -> usize {
    running.stdout_so_far().matches(line).count()
}

pub(crate) fn a_signal_wakes_a_sleep_which_is_not_resumed() {
    let by_alarm = |language: Impl, program| {
        // The program sleeps three times for 100 seconds. Only the alarm interrupts a sleep, every 2 seconds.
        let ended = run(&mut Command::new(language.path(program)), Output::Pipe);
        assert_eq!(ended.stdout, "wait...\nTime out!\n".repeat(3), "{program} {language:?}");
        assert_eq!(ended.status.code(), Some(0));
    };
    let by_ctrl_c = |language: Impl| {
        let running = Running::start(&mut Command::new(language.path("signal")), Output::Terminal);
        for sleeps in 1..=3 {
            wait_until("it sleeps (again)", || {
                count(&running, "wait...\n") >= sleeps && waits_in(running.pid(), libc::SYS_clock_nanosleep)
            });
            running.signal(Signal::INT);
            wait_until("the handler has run", || count(&running, "CTRL+C pressed\n") == sleeps);
        }
        let ended = running.wait();
        assert_eq!((ended.stdout.matches("wait...\n").count(), ended.status.code()), (3, Some(0)), "{language:?}");
    };
    thread::scope(|scope| {
        for language in IMPLS {
            scope.spawn(move || by_alarm(language, "signal"));
            scope.spawn(move || by_alarm(language, "sigaction"));
            scope.spawn(move || by_ctrl_c(language));
        }
    });
}

pub(crate) fn sleep_returns_the_seconds_left() {
    let sleeper = child(|| {
        sigaction(Signal::USR1, &action(Disposition::Flag(&CAME))).unwrap();
        sleep(100) as i32
    });
    wait_until("it sleeps", || waits_in(id(&sleeper), libc::SYS_clock_nanosleep));
    sleeper.kill(Signal::USR1).unwrap();
    let left = status(sleeper).unwrap();
    // The rest is 100 if the program was woken at once, because the kernel sleeps a little longer than asked.
    assert!((60..=100).contains(&left), "{left}");
    assert_eq!(sleep(0), 0);
}

pub(crate) fn alarm_returns_the_seconds_that_were_left() {
    assert_eq!(alarm(100), 0, "there was none before");
    let left = alarm(50);
    assert!((60..=100).contains(&left), "{left}");
    assert!((20..=50).contains(&alarm(0)));
}

pub(crate) fn alarm_0_cancels() {
    assert_eq!(alarm(1), 0);
    assert_eq!(alarm(0), 1);
    // An alarm that was not cancelled would end this process, or at least the sleep.
    assert_eq!(sleep(2), 0);
    assert_eq!(alarm(0), 0, "none is left");
}

pub(crate) fn sigactions_old_action_gives_back_what_signal_had_set() {
    mpserv::signal::signal(Signal::USR1, Disposition::Flag(&CAME)).unwrap();
    let old = sigaction_replace(Signal::USR1, &action(Disposition::Ignore)).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(!CAME.take(), "it is ignored");
    assert!(matches!(old.sa_handler, Disposition::Flag(_)));
    assert!(old.sa_flags.contains(SaFlags::RESTART), "what signal means by itself");
    sigaction(Signal::USR1, &old).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(CAME.take(), "the handler is back");
}

pub(crate) fn sa_mask_must_be_emptied_by_sigemptyset() {
    static USR2_CAME_DURING_USR1: AtomicI32 = AtomicI32::new(-1);
    sigaction(Signal::USR2, &action(Disposition::Flag(&CAME))).unwrap();
    // SAFETY: raise and atomics are async-signal-safe.
    let handler = unsafe {
        Handler::new(|_| {
            let _ = raise(Signal::USR2);
            USR2_CAME_DURING_USR1.store(CAME.is_raised().into(), Ordering::Relaxed);
        })
    };
    // Without sigemptyset, a mask has the bytes that memory held. Here all bits of these bytes are 1.
    for (sa_mask, came) in [(SigSet::full(), 0), (SigSet::empty(), 1)] {
        let action = SigAction { sa_mask, ..action(Disposition::Handler(handler)) };
        sigaction(Signal::USR1, &action).unwrap();
        raise(Signal::USR1).unwrap();
        assert_eq!(USR2_CAME_DURING_USR1.load(Ordering::Relaxed), came, "{sa_mask:?}");
        assert!(CAME.take(), "it has come by now");
    }

    let folder = TempDir::new();
    for language in IMPLS {
        let trace = folder.join(&format!("{language:?}"));
        let mut command = strace(&["trace=rt_sigaction,clock_nanosleep"], &trace, language, "sigaction");
        let _running = Running::start(&mut command, Output::Pipe);
        let call = wait_for("it installs its handler", || {
            let trace = std::fs::read_to_string(&trace).ok()?;
            trace.lines().find(|line| line.contains("rt_sigaction(SIGALRM")).map(str::to_owned)
        });
        assert!(call.contains("sa_mask=[], "), "{language:?}: {call}");
    }
}

type Install = fn(Signal, Disposition) -> Result<Disposition>;

/// Starts a process that installs a handler for USR1 and reads. Its status gives the result of the read, and whether
/// the handler is still installed afterwards.
fn reader(install: Install) -> (Child, Channel) {
    let channel = Channel::new();
    let child = child(|| {
        install(Signal::USR1, Disposition::Flag(&CAME)).unwrap();
        // SAFETY: the descriptor is open for as long as the channel is there.
        let reader = unsafe { fd::BorrowedFd::from_raw(std::os::fd::AsRawFd::as_raw_fd(channel.reader())) };
        let result = fd::read(reader, &mut [0]);
        assert!(CAME.take());
        let installed = matches!(sigaction_get(Signal::USR1).unwrap().sa_handler, Disposition::Flag(_));
        outcome(&result, installed)
    });
    wait_until("it reads", || waits_in(id(&child), libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    (child, channel)
}

const INTERRUPTED: i32 = 1;
const INSTALLED: i32 = 2;

fn outcome<T>(result: &Result<T>, installed: bool) -> i32 {
    let interrupted = match result {
        Ok(_) => 0,
        Err(Errno::INTR) => INTERRUPTED,
        Err(errno) => panic!("{errno}"),
    };
    interrupted | if installed { INSTALLED } else { 0 }
}

/// Starts a server that installs a handler for SIGCHLD and accepts one connection while its child ends. The channel
/// tells the server when the child may end.
fn acceptor(install: Install) -> (Child, SocketAddrV4, Channel) {
    let listener = net::socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT).unwrap();
    net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    net::listen(&listener, 1).unwrap();
    let net::SockAddr::Inet(net::SocketAddr::V4(address)) = net::getsockname(&listener).unwrap() else {
        panic!("an IPv4 socket has another address")
    };
    let channel = Channel::new();
    let server = child(|| {
        install(Signal::CHLD, Disposition::Flag(&CAME)).unwrap();
        let _child = child(|| {
            channel.hear();
            0
        });
        let result = net::accept(listener.as_fd());
        assert!(CAME.take());
        outcome(&result, matches!(sigaction_get(Signal::CHLD).unwrap().sa_handler, Disposition::Flag(_)))
    });
    wait_until("it accepts", || waits_in(id(&server), libc::SYS_accept));
    (server, address, channel)
}

pub(crate) fn glibcs_signal_restarts_calls_and_keeps_the_handler() {
    let (reader, channel) = reader(mpserv::signal::signal);
    wait_until("the signal was delivered, and it reads again", || {
        !is_pending(id(&reader), Signal::USR1) && waits_in(id(&reader), libc::SYS_read)
    });
    channel.tell(b'!');
    assert_eq!(status(reader), Some(INSTALLED));

    let (server, address, channel) = acceptor(mpserv::signal::signal);
    channel.tell(b'!');
    wait_until("its child has ended, and it accepts again", || {
        zombies(id(&server)).len() == 1
            && !is_pending(id(&server), Signal::CHLD)
            && waits_in(id(&server), libc::SYS_accept)
    });
    let _client = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(status(server), Some(INSTALLED));

    let _network = Network::own();
    for language in IMPLS {
        let running = ROT13_SERV.start(language, Output::Pipe);
        for _ in 0..3 {
            let mut client = ROT13_SERV.connect(&running);
            assert_eq!(ROT13_SERV.exchange(&mut client), ROT13_SERV.answer, "{language:?}");
            finish(client);
            running.at_rest();
        }
        running.end(Signal::TERM);
    }
}

pub(crate) fn system_vs_signal_does_neither() {
    let (reader, _channel) = reader(sysv_signal);
    assert_eq!(status(reader), Some(INTERRUPTED));

    let (server, _, channel) = acceptor(sysv_signal);
    channel.tell(b'!');
    assert_eq!(status(server), Some(INTERRUPTED));
}

pub(crate) fn accept_fails_with_eintr_in_a_server_built_with_std_c99() {
    let _network = Network::own();
    let folder = TempDir::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/rot13_serv.c");
    let serve_one = |standard: &str| {
        let program = folder.join(standard);
        cc::compile(cc::compiler(), &[&source], &[standard], &program).unwrap();
        let running = Running::start(&mut Command::new(&program), Output::Pipe);
        let mut client = ROT13_SERV.connect(&running);
        assert_eq!(ROT13_SERV.exchange(&mut client), ROT13_SERV.answer, "{standard}");
        wait_until("the server accepts again while its child lives", || waits_in(running.pid(), libc::SYS_accept));
        finish(client);
        running
    };
    let ended = serve_one("-std=c99").wait();
    assert_eq!(ended.stderr, "accept failed: Interrupted system call (4)\n");
    assert_eq!(ended.status.code(), Some(1));

    let running = serve_one("-std=gnu99");
    running.at_rest();
    running.end(Signal::TERM);
}

/// The number of children that end together.
const MANY: usize = 20;

/// Makes many children that end while SIGCHLD is blocked, and then unblocks it.
fn let_many_children_end() {
    let chld = SigSet::from([Signal::CHLD]);
    sigprocmask(MaskHow::Block, &chld);
    for _ in 0..MANY {
        child(|| 0);
    }
    wait_until("all have ended", || zombies(std::process::id()).len() == MANY);
    // The pending signal is delivered before this call returns.
    sigprocmask(MaskHow::Unblock, &chld);
}

pub(crate) fn signals_of_one_kind_do_not_queue() {
    static DELIVERIES: AtomicU32 = AtomicU32::new(0);
    // SAFETY: an atomic is async-signal-safe.
    let handler = unsafe { Handler::new(|_| _ = DELIVERIES.fetch_add(1, Ordering::Relaxed)) };
    sigaction(Signal::CHLD, &action(Disposition::Handler(handler))).unwrap();
    let_many_children_end();
    assert_eq!(DELIVERIES.load(Ordering::Relaxed), 1);
}

fn wait_for_any() -> Result<Option<Pid>> {
    waitpid(WaitFor::AnyChild, None, WaitOptions::NOHANG)
}

pub(crate) fn one_waitpid_leaves_19_zombies_of_20_and_the_loop_none() {
    // SAFETY: waitpid is async-signal-safe.
    let once = unsafe { Handler::new(|_| _ = wait_for_any()) };
    // SAFETY: waitpid is async-signal-safe.
    let loops = unsafe { Handler::new(|_| while let Ok(Some(_)) = wait_for_any() {}) };
    sigaction(Signal::CHLD, &action(Disposition::Handler(once))).unwrap();
    let_many_children_end();
    assert_eq!(zombies(std::process::id()).len(), MANY - 1);
    sigaction(Signal::CHLD, &action(Disposition::Handler(loops))).unwrap();
    raise(Signal::CHLD).unwrap();
    assert_eq!(children(std::process::id()), [0; 0]);
    let_many_children_end();
    assert_eq!(children(std::process::id()), [0; 0]);

    sigaction(Signal::CHLD, &action(Disposition::Default)).unwrap();
    let _network = Network::own();
    for language in IMPLS {
        assert_eq!(zombies_of(ECHO_MPSERV, language), MANY - 1, "{language:?}");
        assert_eq!(zombies_of(ROT13_SERV, language), 0, "{language:?}");
    }
}

/// Returns the number of zombies that a server keeps when many of its children end while it is stopped.
fn zombies_of(server: Server, language: Impl) -> usize {
    let running = server.start(language, Output::Pipe);
    let clients = [(); MANY].map(|()| {
        let mut client = server.connect(&running);
        assert_eq!(server.exchange(&mut client), server.answer);
        client
    });
    wait_until("it has closed its copies of the connections", || waits_in(running.pid(), libc::SYS_accept));
    running.signal(Signal::STOP);
    wait_until("the server is stopped", || state(running.pid()) == Some('T'));
    clients.into_iter().for_each(|client| drop(finish(client)));
    wait_until("all have ended", || zombies(running.pid()).len() == MANY);
    running.signal(Signal::CONT);
    wait_until("its handler has run, and it accepts again", || {
        state(running.pid()) == Some('S')
            && !is_pending(running.pid(), Signal::CHLD)
            && waits_in(running.pid(), libc::SYS_accept)
    });
    let left = zombies(running.pid()).len();
    running.end(Signal::TERM);
    left
}

pub(crate) fn the_handler_runs_in_the_process_itself() {
    static RAN_IN: AtomicI32 = AtomicI32::new(0);
    // SAFETY: getpid and an atomic are async-signal-safe.
    let handler = unsafe { Handler::new(|_| RAN_IN.store(getpid().raw(), Ordering::Relaxed)) };
    let action = SigAction { sa_flags: SaFlags::RESTART, ..action(Disposition::Handler(handler)) };
    sigaction(Signal::USR1, &action).unwrap();
    let own = getpid();
    let sender = child(|| {
        kill(own, Signal::USR1).unwrap();
        RAN_IN.load(Ordering::Relaxed)
    });
    assert_eq!(status(sender), Some(0), "not in the one that sent it");
    assert_eq!(RAN_IN.load(Ordering::Relaxed), own.raw());
}

pub(crate) fn a_signal_set_is_per_process_and_survives_fork() {
    let usr1 = SigSet::from([Signal::USR1]);
    let is_blocked = || sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap().contains(Signal::USR1);
    sigprocmask(MaskHow::Block, &usr1);
    let child = child(|| {
        let inherited = is_blocked();
        sigprocmask(MaskHow::Unblock, &usr1);
        (inherited && !is_blocked()).into()
    });
    assert_eq!(status(child), Some(1), "the child has it from its parent, and may change it");
    assert!(is_blocked(), "which changes nothing here");
}

pub(crate) fn pending_signals_do_not_survive_fork() {
    sigprocmask(MaskHow::Block, &SigSet::from([Signal::USR1]));
    raise(Signal::USR1).unwrap();
    let child = child(|| sigpending().contains(Signal::USR1).into());
    assert_eq!(status(child), Some(0), "none for the child");
    assert!(sigpending().contains(Signal::USR1), "it is still there for the parent");
}
