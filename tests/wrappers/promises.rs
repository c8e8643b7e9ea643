//! Promises of the wrappers beyond the C functions that they call.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use crate::common::solo::{Channel, reap, spawn};
use crate::common::{TempDir, std_pipe, wait_until, waits_in};
use mpserv::errno::{CReturn, Errno, MESSAGE_MAX, Result, retry_on_intr, strerror};
use mpserv::fd::{
    AsFd, BorrowedFd, OwnedFd, PipeFlags, close, dup, dup2, pipe, pipe2, read, read_all, write, write_all, write_back,
};
use mpserv::ffi;
use mpserv::fs::{OpenFlags, ftruncate};
use mpserv::getopt::{Getopt, LongOption, Opt};
use mpserv::memory::{STACK_MIN, SharedWords, Stack};
use mpserv::net::{
    AddressFamily, AsSockAddr, MsgFlags, Protocol, Shutdown, SockAddr, SocketAddr, SocketFlags, SocketOption,
    SocketType, UNIX_PATH_MAX, UnixAddr, accept, accept4, acceptfrom, acceptfrom_v4, bind, connect, gethostbyname,
    getpeername, getsockname, getsockopt, inet_addr, listen, recv, send, setsockopt, shutdown, socket,
};
use mpserv::poll::PollEvents;
use mpserv::process::{
    Pid, WaitFor, WaitOptions, WaitStatus, environ, fork, getenv, getpid, getppid, has_other_threads, waitpid,
};
use mpserv::program::{Args, Title};
use mpserv::server::{Server, Service};
use mpserv::signal::{
    Disposition, Handler, MaskHow, SaFlags, SigAction, SigSet, Signal, SignalFlag, killpg, raise, sigaction,
    sigaction_get, sigaction_replace, signal, sigpending, sigprocmask, sigprocmask_replace, sigsuspend,
};
use mpserv::stdio::{fgets, stdin, stdout};
use mpserv::time::{Clock, clock_gettime};
use mpserv::{fprintf, printf};

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

/// A server leaves its process as it found it: another one may follow, or children.
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

pub(crate) fn gethostbyname_answers_only_where_no_other_threads_are() {
    assert_eq!(gethostbyname(c"127.0.0.1"), Some(Ipv4Addr::LOCALHOST));
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!(gethostbyname(c"127.0.0.1"), None);
}

pub(crate) fn an_error_has_its_name_number_and_text() {
    for number in 1..=133 {
        let errno = Errno::from_raw(number);
        // 41 and 58 are numbers that Linux does not use.
        assert_eq!(errno.name().is_some(), ![41, 58].contains(&number), "{number}");
        let mut text = [0; MESSAGE_MAX];
        let text = strerror(errno, &mut text).to_str().unwrap();
        assert_eq!(text, errno.to_string());
        // std's text for an error is C's, with its number behind it.
        let std = std::io::Error::from_raw_os_error(number).to_string();
        assert_eq!(format!("{text} (os error {number})"), std);
    }
    assert_eq!(Errno::INTR.raw(), 4);
    assert_eq!(format!("{:?} {}", Errno::INTR, Errno::INTR), "EINTR Interrupted system call");
    Errno::TOO_BIG.set();
    assert_eq!(Errno::last(), Errno::TOO_BIG);
}

pub(crate) fn an_error_without_a_name_is_an_error_all_the_same() {
    let errno = Errno::from_raw(4095);
    assert_eq!(format!("{errno:?} {errno}"), "Errno(4095) Unknown error 4095");
}

pub(crate) fn retry_on_intr_retries_nothing_else() {
    let mut answers = vec![Ok(3), Err(Errno::INTR), Err(Errno::INTR)];
    assert_eq!(retry_on_intr(|| answers.pop().unwrap()), Ok(3));
    let mut answers = vec![Ok(3), Err(Errno::AGAIN), Err(Errno::INTR)];
    assert_eq!(retry_on_intr(|| answers.pop().unwrap()), Err(Errno::AGAIN));
    assert_eq!(answers.len(), 1);
}

pub(crate) fn read_all_reads_until_the_end_or_what_there_is_room_for() {
    let piped = |pieces: &[&[u8]]| {
        let (reader, writer) = pipe().unwrap();
        pieces.iter().for_each(|piece| write_all(&writer, piece).unwrap());
        reader
    };
    assert_eq!(read_all(piped(&[b"one", b"two"]), &mut [0; 9]).unwrap(), b"onetwo");
    assert_eq!(read_all(piped(&[b"one"]), &mut [0; 3]).unwrap(), b"one");
    assert_eq!(read_all(piped(&[b"one", b"two"]), &mut [0; 5]).unwrap(), b"onetw");
    assert_eq!(read_all(piped(&[b"one"]), &mut []).unwrap(), b"");
    assert_eq!(read_all(piped(&[]), &mut [0; 3]).unwrap(), b"");
    assert_eq!(read_all(BorrowedFd::NONE, &mut [0; 3]), Err(Errno::BADF));
}

pub(crate) fn a_child_keeps_its_status() {
    let mut child = spawn(|| mpserv::process::_exit(300));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(child.wait().unwrap().exit_status(), Some(300 & 0xff));
    assert_eq!(waitpid(WaitFor::Child(child.pid()), None, WaitOptions::NONE), Err(Errno::CHILD));
}

pub(crate) fn a_child_that_was_waited_for_gets_no_signal() {
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(child.try_wait(), Ok(None));
    child.kill(Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().term_signal(), Some(Signal::TERM));
    assert_eq!(child.kill(Signal::TERM), Err(Errno::SRCH));
}

pub(crate) fn a_failed_call_lends_a_descriptor_that_nothing_accepts() {
    let failed: Result<OwnedFd> = socket(AddressFamily::UNSPEC, SocketType::STREAM, Protocol::DEFAULT);
    assert_eq!(failed.as_ref().unwrap_err(), &Errno::AFNOSUPPORT);
    assert_eq!(failed.as_fd().raw(), -1);
    assert_eq!(listen(&failed, 1), Err(Errno::BADF));
    assert_eq!(read(BorrowedFd::NONE, &mut [0]), Err(Errno::BADF));
    assert_eq!(fork().map(|_| ()).and(Err::<usize, _>(Errno::PERM)).c_return(), -1);
}

fn stream(family: AddressFamily) -> OwnedFd {
    socket(family, SocketType::STREAM, Protocol::DEFAULT).unwrap()
}

fn listening(family: AddressFamily, address: &impl AsSockAddr) -> OwnedFd {
    let listener = stream(family);
    bind(&listener, address).unwrap();
    listen(&listener, 5).unwrap();
    listener
}

fn inet(address: SockAddr) -> SocketAddr {
    let SockAddr::Inet(address) = address else { panic!("{address:?} is of another family") };
    address
}

const ANY_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

/// A client's end and a server's.
fn pair() -> (OwnedFd, OwnedFd) {
    let listener = listening(AddressFamily::INET, &ANY_PORT);
    let client = stream(AddressFamily::INET);
    connect(&client, &inet(getsockname(&listener).unwrap())).unwrap();
    (client, accept(&listener).unwrap())
}

pub(crate) fn write_back_of_a_failed_read_fails() {
    let (client, server) = pair();
    let buffer = *b"buffer";
    assert_eq!(write_back(&client, &buffer, Ok(3)), Ok(3));
    assert_eq!(write_back(&client, &buffer, Err(Errno::CONNRESET)), Err(Errno::FAULT));
    assert_eq!(write_back(&client, &buffer, Ok(7)), Err(Errno::FAULT));
    let mut received = [0; 10];
    assert_eq!(read(&server, &mut received), Ok(3));
    assert_eq!(&received[..3], b"buf");
}

pub(crate) fn a_closed_descriptor_is_closed_once() {
    let (client, server) = pair();
    let _lowest = stream(AddressFamily::INET);
    let number = client.raw();
    close(client).unwrap();
    // The number is free again: the next descriptor gets it, and nothing closes that one.
    let next = stream(AddressFamily::INET);
    assert_eq!(next.raw(), number);
    assert_eq!(read(&server, &mut [0]), Ok(0));
    assert!(getsockopt(&next, SocketOption::TYPE).is_ok());
    // `into_raw` gives the descriptor away, and dropping closes it.
    // SAFETY: the descriptor has just been given away, to this.
    drop(unsafe { File::from_raw_fd(next.into_raw()) });
    let again = stream(AddressFamily::INET);
    assert_eq!(again.raw(), number);
}

/// Numbers that look random and are the same in each run: a linear congruential generator, its high bits.
fn numbers() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1_u64), |state| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|state| (state >> 32) as u32)
}

pub(crate) fn a_duplicate_refers_to_the_same() {
    let (reader, writer) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    assert_eq!(read(&reader, &mut [0]), Err(Errno::AGAIN));
    let copy = dup(&writer).unwrap();
    write_all(&copy, b"a").unwrap();
    // The other pipe's writer becomes one more of the first's, under its old number.
    let (other_reader, mut onto) = pipe().unwrap();
    let number = onto.raw();
    dup2(&writer, &mut onto).unwrap();
    assert_eq!(onto.raw(), number);
    assert_eq!(read(&other_reader, &mut [0]), Ok(0), "it had one writer");
    write_all(&onto, b"b").unwrap();
    let mut text = [0; 2];
    assert_eq!(read_all(&reader, &mut text).unwrap(), b"ab");
    drop((writer, copy));
    assert_eq!(read(&reader, &mut [0]), Err(Errno::AGAIN), "one writer is left");
    drop(onto);
    assert_eq!(read(&reader, &mut [0]), Ok(0));
}

pub(crate) fn a_child_that_goes_on_is_reported() {
    let mut child = spawn(|| {
        loop {
            mpserv::time::nanosleep(Duration::MAX);
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

pub(crate) fn addresses_come_back_as_they_were_given() {
    for number in numbers().take(2_000) {
        // All of 127.0.0.0/8 is ours to bind; port 0 would become another.
        let ip = Ipv4Addr::from_bits(0x7f00_0000 | (number & 0x00ff_ffff).clamp(1, 0x00ff_fffe));
        let address = SocketAddrV4::new(ip, 0);
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, Protocol::DEFAULT).unwrap();
        bind(&socket, &address).unwrap();
        let SocketAddr::V4(got) = inet(getsockname(&socket).unwrap()) else { panic!("not IPv4") };
        assert_eq!(*got.ip(), ip);
        assert_ne!(got.port(), 0);
        // A datagram socket keeps whatever address it is connected to.
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, (number >> 16) as u16 | 1);
        connect(&socket, &peer).unwrap();
        assert_eq!(inet(getpeername(&socket).unwrap()), SocketAddr::V4(peer));
    }
    let Ok(socket) = socket(AddressFamily::INET6, SocketType::DGRAM, Protocol::DEFAULT) else { return };
    for number in numbers().take(100) {
        let peer = SocketAddrV6::new(Ipv6Addr::LOCALHOST, number as u16 | 1, 0, 0);
        if connect(&socket, &peer).is_ok() {
            assert_eq!(inet(getpeername(&socket).unwrap()), SocketAddr::V6(peer));
        }
    }
}

pub(crate) fn unix_addresses_come_back_as_they_were_given() {
    let folder = TempDir::new();
    let path = std::ffi::CString::new(folder.join("socket").to_str().unwrap()).unwrap();
    let address = UnixAddr::new(&path).unwrap();
    assert_eq!(address.path(), Some(path.to_bytes()));
    let listener = listening(AddressFamily::UNIX, &address);
    let SockAddr::Unix(own) = getsockname(&listener).unwrap() else { panic!("of another family") };
    assert_eq!(own.path(), Some(path.to_bytes()));
    let client = stream(AddressFamily::UNIX);
    connect(&client, &address).unwrap();
    let (server, peer) = acceptfrom(&listener).unwrap();
    let SockAddr::Unix(peer) = peer else { panic!("of another family") };
    assert_eq!(peer.path(), None, "a client without a name");
    assert_eq!(write(&client, b"x"), Ok(1));
    assert_eq!(read(&server, &mut [0]), Ok(1));
}

pub(crate) fn an_address_too_long_is_an_error() {
    let path = |length: usize| std::ffi::CString::new(vec![b'x'; length]).unwrap();
    assert!(UnixAddr::new(&path(UNIX_PATH_MAX - 1)).is_ok());
    assert_eq!(UnixAddr::new(&path(UNIX_PATH_MAX)).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(UnixAddr::new(&path(10_000)).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(UnixAddr::new(c"").unwrap_err(), Errno::NOENT);
}

pub(crate) fn each_accept_says_who_came() {
    let listener = listening(AddressFamily::INET, &ANY_PORT);
    let address = inet(getsockname(&listener).unwrap());
    let accepts: [&dyn Fn() -> SockAddr; 3] =
        [&|| acceptfrom(&listener).unwrap().1, &|| acceptfrom_v4(&listener).unwrap().1, &|| {
            accept4(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).unwrap().1
        }];
    for accept in accepts {
        let client = stream(AddressFamily::INET);
        connect(&client, &address).unwrap();
        assert_eq!(inet(accept()), inet(getsockname(&client).unwrap()));
    }
    // A client of another family: what does not fit into the room is not made up.
    let folder = TempDir::new();
    let path = std::ffi::CString::new(folder.join("s").to_str().unwrap()).unwrap();
    let name = UnixAddr::new(&path).unwrap();
    let listener = listening(AddressFamily::UNIX, &name);
    let client = stream(AddressFamily::UNIX);
    let long = std::ffi::CString::new(folder.join("a name longer than sixteen").to_str().unwrap()).unwrap();
    bind(&client, &UnixAddr::new(&long).unwrap()).unwrap();
    connect(&client, &name).unwrap();
    let SockAddr::Unix(peer) = acceptfrom_v4(&listener).unwrap().1 else { panic!("of another family") };
    assert!(peer.path().is_some_and(|path| long.to_bytes().starts_with(path)));
}

pub(crate) fn inet_addr_reads_what_c_reads() {
    let texts = [(c"127.0.0.1", [127, 0, 0, 1]), (c"127.1", [127, 0, 0, 1]), (c"0x7f.1", [127, 0, 0, 1])];
    for (text, octets) in texts.into_iter().chain([(c"nonsense", [255; 4]), (c"", [255; 4]), (c"256.0.0.1", [255; 4])])
    {
        assert_eq!(inet_addr(text).octets(), octets, "{text:?}");
    }
}

pub(crate) fn options_are_set_and_read() {
    let socket = stream(AddressFamily::INET);
    for option in [SocketOption::REUSEADDR, SocketOption::KEEPALIVE, SocketOption::NODELAY, SocketOption::REUSEPORT] {
        for value in [true, false] {
            setsockopt(&socket, option, value).unwrap();
            assert_eq!(getsockopt(&socket, option), Ok(value), "{option:?}");
        }
    }
    for seconds in [None, Some(0), Some(7)] {
        setsockopt(&socket, SocketOption::LINGER, seconds).unwrap();
        assert_eq!(getsockopt(&socket, SocketOption::LINGER), Ok(seconds));
    }
    for option in [SocketOption::RCVTIMEO, SocketOption::SNDTIMEO] {
        setsockopt(&socket, option, Duration::from_secs(5)).unwrap();
        assert_eq!(getsockopt(&socket, option), Ok(Duration::from_secs(5)));
    }
    setsockopt(&socket, SocketOption::DEFER_ACCEPT, 1).unwrap();
    assert_eq!(getsockopt(&socket, SocketOption::DEFER_ACCEPT), Ok(1));
    assert_eq!(setsockopt(&socket, SocketOption::V6ONLY, true), Err(Errno::NOPROTOOPT));
    assert_eq!(getsockopt(&socket, SocketOption::TYPE), Ok(SocketType::STREAM));
    assert_eq!(getsockopt(&socket, SocketOption::ACCEPTCONN), Ok(false));
    assert_eq!(getsockopt(listening(AddressFamily::INET, &ANY_PORT), SocketOption::ACCEPTCONN), Ok(true));
}

pub(crate) fn a_pending_error_is_read_once() {
    let (client, server) = pair();
    setsockopt(&server, SocketOption::LINGER, Some(0)).unwrap();
    close(server).unwrap();
    assert_eq!(getsockopt(&client, SocketOption::ERROR), Ok(Some(Errno::CONNRESET)));
    assert_eq!(getsockopt(&client, SocketOption::ERROR), Ok(None));
}

pub(crate) fn a_unix_socket_knows_who_connected() {
    let (client, _server) = std::os::unix::net::UnixStream::pair().unwrap();
    let client = crate::errors::owned(client.into());
    let found = getsockopt(&client, SocketOption::PEERCRED).unwrap();
    assert_eq!((found.pid, found.uid), (getpid().raw(), mpserv::user::geteuid()));
}

pub(crate) fn flags_are_a_set_and_print_their_names() {
    let mut flags = SaFlags::NONE;
    assert!(flags.is_empty() && flags.contains(SaFlags::NONE));
    flags |= SaFlags::RESTART;
    let both = flags | SaFlags::NOCLDSTOP;
    assert!(both.contains(SaFlags::RESTART) && both.contains(flags) && !flags.contains(both) && !both.is_empty());
    assert_eq!(format!("{both:?}"), "SA_RESTART | SA_NOCLDSTOP");
    assert_eq!(format!("{:?}", SaFlags::NONE), "0x0");
    assert_eq!(format!("{:?}", OpenFlags::RDWR | OpenFlags::CLOEXEC), "O_RDWR | O_CLOEXEC");
    assert_eq!(format!("{:?}", WaitOptions::NOHANG | WaitOptions::CONTINUED), "WNOHANG | WCONTINUED");
    assert_eq!(format!("{:?}", MsgFlags::PEEK | MsgFlags::NOSIGNAL), "MSG_NOSIGNAL | MSG_PEEK");
    assert_eq!(format!("{:?}", PollEvents::IN | PollEvents::HUP), "POLLIN | POLLHUP");
    assert_eq!(format!("{:?}", SocketFlags::NONBLOCK), "SOCK_NONBLOCK");
    let kind = SocketType::DGRAM | SocketFlags::CLOEXEC;
    assert!(socket(AddressFamily::INET, kind, Protocol::DEFAULT).is_ok());
}

pub(crate) fn a_half_of_a_connection_can_be_shut_down() {
    let (client, server) = pair();
    assert_eq!(send(&client, b"last", MsgFlags::NONE), Ok(4));
    shutdown(&client, Shutdown::Write).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(recv(&server, &mut buffer, MsgFlags::NONE), Ok(4));
    assert_eq!(recv(&server, &mut buffer, MsgFlags::NONE), Ok(0));
    assert_eq!(send(&client, b"more", MsgFlags::NOSIGNAL), Err(Errno::PIPE));
    assert_eq!(recv(&client, &mut buffer, MsgFlags::DONTWAIT), Err(Errno::AGAIN));
    assert_eq!(send(&server, b"the other half", MsgFlags::NONE), Ok(14));
    assert_eq!(recv(&client, &mut buffer, MsgFlags::NONE), Ok(10));
}

pub(crate) fn signal_numbers_that_are_not_ours_are_refused() {
    for number in [i32::MIN, -1, 0, 32, 33, 65, i32::MAX] {
        assert_eq!(Signal::from_raw(number), None, "{number}");
    }
    for number in (1..=31).chain(34..=64) {
        let signal = Signal::from_raw(number).unwrap();
        assert_eq!(signal.raw(), number);
        assert_eq!(signal.name().is_some(), number <= 31);
    }
    assert_eq!(Signal::CHLD.to_string(), "SIGCHLD");
    assert_eq!(Signal::from_raw(40).unwrap().to_string(), "signal 40");
}

pub(crate) fn a_set_holds_what_was_put_in() {
    let mut set = SigSet::empty();
    assert!(!set.contains(Signal::CHLD));
    set.add(Signal::CHLD);
    set.add(Signal::INT);
    assert!(set.contains(Signal::CHLD) && set.contains(Signal::INT) && !set.contains(Signal::TERM));
    assert_eq!(format!("{set:?}"), "{SIGINT, SIGCHLD}");
    set.remove(Signal::INT);
    assert_eq!(format!("{set:?}"), format!("{:?}", SigSet::from([Signal::CHLD])));
    assert!((1..=64).filter_map(Signal::from_raw).all(|signal| SigSet::full().contains(signal)));
}

fn act(disposition: Disposition) -> SigAction {
    SigAction { sa_handler: disposition, sa_mask: SigSet::empty(), sa_flags: SaFlags::NONE }
}

pub(crate) fn a_flag_is_raised_by_its_signal() {
    static FIRST: SignalFlag = SignalFlag::new();
    static SECOND: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FIRST))).unwrap();
    sigaction(Signal::USR2, &act(Disposition::Flag(&SECOND))).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(FIRST.is_raised() && !SECOND.is_raised());
    assert!(FIRST.take());
    assert!(!FIRST.take(), "a flag that was taken is down");
    // Two flags for one signal: the last that was installed is raised.
    signal(Signal::USR1, Disposition::Flag(&SECOND)).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(!FIRST.is_raised() && SECOND.take());
    signal(Signal::USR1, Disposition::Ignore).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(!SECOND.is_raised());
    assert_eq!(sigaction(Signal::KILL, &act(Disposition::Ignore)), Err(Errno::INVAL));
}

fn spoil_errno(_signal: Signal) {
    Errno::NOSPC.set();
}

pub(crate) fn a_handler_leaves_errno_as_it_was() {
    // SAFETY: the handler only writes errno, which is restored behind it.
    let handler = unsafe { Handler::new(spoil_errno) };
    sigaction(Signal::USR1, &act(Disposition::Handler(handler))).unwrap();
    Errno::XDEV.set();
    raise(Signal::USR1).unwrap();
    assert_eq!(Errno::last(), Errno::XDEV);
}

pub(crate) fn an_old_action_is_given_back_whole() {
    static FLAG: SignalFlag = SignalFlag::new();
    let flags = SaFlags::RESTART | SaFlags::NOCLDSTOP;
    let mask = SigSet::from([Signal::HUP, Signal::TERM]);
    let action = SigAction { sa_handler: Disposition::Flag(&FLAG), sa_mask: mask, sa_flags: flags };
    let old = sigaction_replace(Signal::CHLD, &action).unwrap();
    assert!(matches!(old.sa_handler, Disposition::Default));
    let now = sigaction_replace(Signal::CHLD, &act(Disposition::Ignore)).unwrap();
    assert!(matches!(now.sa_handler, Disposition::Handler(_)));
    assert!(now.sa_flags.contains(flags));
    assert_eq!(format!("{:?}", now.sa_mask), "{SIGHUP, SIGTERM}");
    assert!(matches!(sigaction_get(Signal::CHLD).unwrap().sa_handler, Disposition::Ignore));
    // A handler that was found installed can be installed again, and works.
    sigaction(Signal::CHLD, &now).unwrap();
    raise(Signal::CHLD).unwrap();
    assert!(FLAG.take());
    // signal() does not know whether its result takes three arguments, so only sigaction restores it.
    let old = signal(Signal::CHLD, Disposition::Default).unwrap();
    assert_eq!(signal(Signal::CHLD, old).unwrap_err(), Errno::INVAL);
    sigaction(Signal::CHLD, &act(old)).unwrap();
    raise(Signal::CHLD).unwrap();
    assert!(FLAG.take());
}

pub(crate) fn a_found_handler_stays_with_its_signal() {
    // std's handler for a stack overflow relies on being SIGSEGV's.
    let found = sigaction_get(Signal::SEGV).unwrap();
    assert!(matches!(found.sa_handler, Disposition::Handler(_)));
    assert_eq!(sigaction(Signal::USR1, &found), Err(Errno::INVAL));
    sigaction(Signal::SEGV, &found).unwrap();
}

pub(crate) fn group_1_is_not_everybody() {
    assert_eq!(killpg(Pid::INIT, Signal::CONT), Err(Errno::INVAL));
    let channel = Channel::new();
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(waitpid(WaitFor::Group(Pid::INIT), None, WaitOptions::NOHANG), Err(Errno::SRCH));
    channel.tell(0);
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// As Linux had it before 5.18: argv begins with the null pointer, and behind it comes the environment.
pub(crate) fn a_program_that_nobody_named_has_no_arguments() {
    let null = std::ptr::null();
    let argv = [null, c"NAME=value".as_ptr(), null];
    let environment = || format!("{:?}", environ().unwrap());
    let before = environment();
    // SAFETY: they are pointers to no strings.
    let nobodys = [0, -1].map(|argc| unsafe { Args::new(argc, argv.as_ptr()) });
    // SAFETY: as above, and no reference to a variable of the environment exists.
    let (moved, mut title) = unsafe { Title::claim(0, argv.as_ptr()) };
    // The arguments leave no room for a title.
    title.set("title");
    assert_eq!(environment(), before);
    for args in nobodys.into_iter().chain([moved]) {
        assert_eq!((args.len(), args.get(0), args.get(1), args.from(0).next()), (0, None, None, None));
        assert_eq!(args.program(), c"");
        assert!(Getopt::new(args, c"+:abc", &[LongOption::END]).unwrap().next().is_none());
    }
}

pub(crate) fn the_environment_is_a_copy() {
    let set = |value: &str| {
        // SAFETY: this process has no other thread.
        unsafe { std::env::set_var("MPSERV_TEST", value) };
    };
    set("one");
    let before = environ().unwrap();
    let mut buffer = [0; 8];
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), Some(c"one"));
    // The C library frees, or writes over, what the variable was.
    set(&"two".repeat(1000));
    assert!(format!("{before:?}").contains("\"MPSERV_TEST=one\""));
    assert_eq!(buffer[..4], *b"one\0");
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), None, "there is no room for it");
    set("1234567");
    assert_eq!(getenv(c"MPSERV_TEST", &mut buffer), Some(c"1234567"));
    assert_eq!(getenv(c"MPSERV_TES", &mut buffer), None);
}

pub(crate) fn a_title_waits_until_no_other_thread_is_there() {
    let line = || std::fs::read("/proc/self/cmdline").unwrap();
    let argv = std::env::args().map(|argument| std::ffi::CString::new(argument).unwrap()).collect::<Vec<_>>();
    let before = line();
    let title = |title: &mut Title| {
        title.set("changed");
        line()
    };
    let mut claimed = title_of_this_process();
    let channel = Channel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| channel.hear());
        assert_eq!(title(&mut claimed), before, "std::env::args() may be reading them");
        channel.tell(0);
    });
    assert_eq!(std::env::args().count(), argv.len());
}

/// The memory that the kernel shows, where C's runtime has put the arguments of this process.
fn title_of_this_process() -> Title {
    static ARGV: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
    extern "C" fn note(_: c_int, argv: *mut *const c_char) {
        ARGV.store(argv, Ordering::Relaxed);
    }
    #[used]
    #[unsafe(link_section = ".init_array")]
    static NOTE: extern "C" fn(c_int, *mut *const c_char) = note;
    let argv = ARGV.load(Ordering::Relaxed);
    let argc = c_int::try_from(std::env::args().count()).unwrap();
    // SAFETY: they are the arguments, and no reference to one exists.
    unsafe { Title::claim(argc, argv) }.1
}

pub(crate) fn shared_words_stay_as_long_as_they_are() {
    let shared = SharedWords::new(c"words", 512).unwrap();
    for length in [0, 1 << 20] {
        assert_eq!(ftruncate(&shared, length), Err(Errno::PERM));
    }
    shared.words()[511].store(7, Ordering::Relaxed);
    let mut child = spawn(|| shared.words()[0].store(1, Ordering::Relaxed));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    assert_eq!([0, 511].map(|index| shared.words()[index].load(Ordering::Relaxed)), [1, 7]);
}

pub(crate) fn a_second_command_line_ends_the_first() {
    let argv = [c"program", c"-a", c"-b", c"-c"].map(CStr::as_ptr);
    // SAFETY: the array has as many strings, of which none changes.
    let [long, short] = [4, 1].map(|argc| unsafe { Args::new(argc, argv.as_ptr()) });
    let mut first = Getopt::new(long, c"+:abc", &[LongOption::END]).unwrap();
    assert!(matches!(first.next(), Some(Opt::Option(option, None)) if option == c_int::from(b'a')));
    let mut second = Getopt::new(short, c"+:abc", &[LongOption::END]).unwrap();
    assert!(first.next().is_none() && second.next().is_none() && first.next().is_none());
}

pub(crate) fn a_stack_is_never_too_small_to_start_on() {
    for size in [0, 128, STACK_MIN - 1] {
        assert_eq!(Stack::new(size).unwrap_err(), Errno::INVAL);
    }
    assert!(Stack::new(STACK_MIN).is_ok());
    assert_eq!(Stack::new(usize::MAX).unwrap_err(), Errno::NOMEM);
}

pub(crate) fn what_is_blocked_is_pending() {
    static FLAG: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FLAG))).unwrap();
    let old = sigprocmask_replace(MaskHow::Block, &SigSet::from([Signal::USR1])).unwrap();
    assert!(!old.contains(Signal::USR1));
    raise(Signal::USR1).unwrap();
    raise(Signal::USR1).unwrap();
    assert!(sigpending().contains(Signal::USR1) && !FLAG.is_raised());
    sigprocmask(MaskHow::Set, &old);
    assert!(FLAG.take());
    assert!(!sigpending().contains(Signal::USR1));
    sigprocmask(MaskHow::Unblock, &SigSet::full());
    assert!(!sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap().contains(Signal::USR1));
}

pub(crate) fn sigsuspend_misses_no_signal() {
    static FLAG: SignalFlag = SignalFlag::new();
    sigaction(Signal::USR1, &act(Disposition::Flag(&FLAG))).unwrap();
    let old = sigprocmask_replace(MaskHow::Block, &SigSet::from([Signal::USR1])).unwrap();
    // The signal comes before the wait, and the wait ends all the same.
    raise(Signal::USR1).unwrap();
    sigsuspend(&old);
    assert!(FLAG.take());
}

/// Runs `function` in a child whose standard input and output are pipes; the ends of ours, and the child.
pub(crate) fn with_pipes(function: impl FnOnce()) -> (File, File, mpserv::process::Child) {
    let (input, our_input) = std_pipe();
    let (our_output, output) = std_pipe();
    let (input, output) = (input.into_raw_fd(), output.into_raw_fd());
    let (ours_in, ours_out) =
        (std::os::fd::AsRawFd::as_raw_fd(&our_input), std::os::fd::AsRawFd::as_raw_fd(&our_output));
    let child = spawn(|| {
        for (from, to) in [(input, 0), (output, 1)] {
            // SAFETY: the descriptor is open, and nothing else uses the numbers 0 and 1 in this process.
            assert_eq!(unsafe { ffi::unistd::dup2(from, to) }, to);
        }
        for fd in [input, output, ours_in, ours_out] {
            // SAFETY: the descriptor is this process's copy, and its owner does not come to drop it: _exit is next.
            unsafe { ffi::unistd::close(fd) };
        }
        function();
        mpserv::process::exit(0);
    });
    for fd in [input, output] {
        // SAFETY: the descriptor was taken out of its owner above.
        drop(unsafe { OwnedFd::from_raw(fd) });
    }
    (our_input, our_output, child)
}

pub(crate) fn read_text(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn what_stdio_holds_is_written_when_c_writes_it() {
    let (_input, output, mut child) = with_pipes(|| {
        printf!("%s holds %d and %03d, 100%%\n", c"stdio", -12, 7);
        // The child's exit writes its copy of the line; ours writes another.
        reap(&mut spawn(|| mpserv::process::exit(0)));
        assert_eq!(fprintf!(stdout(), "%d\n", getpid()), getpid().to_string().len() as i32 + 1);
    });
    let text = read_text(output);
    let line = "stdio holds -12 and 007, 100%\n";
    assert_eq!(text, format!("{line}{line}{}\n", child.pid()));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

fn print_in_handler(signal: Signal) {
    printf!("%s %d %05d %% ", c"handler", signal.raw(), 42);
    printf!("%05d %d %d\n", -42, i32::MIN, 0);
}

fn install_printing_handler() {
    // SAFETY: the handler only uses the library's stdio.
    let handler = unsafe { Handler::new(print_in_handler) };
    // The read that the handler interrupts goes on.
    signal(Signal::USR1, Disposition::Handler(handler)).unwrap();
}

const HANDLER_LINE: &str = "handler 10 00042 % -0042 -2147483648 0\n";

pub(crate) fn a_handler_outside_stdio_prints_by_stdio() {
    let (_input, output, mut child) = with_pipes(|| {
        install_printing_handler();
        printf!("before\n");
        raise(Signal::USR1).unwrap();
        printf!("behind\n");
    });
    assert_eq!(read_text(output), format!("before\n{HANDLER_LINE}behind\n"));
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_handler_inside_stdio_writes_directly() {
    let (mut input, mut output, mut child) = with_pipes(|| {
        install_printing_handler();
        printf!("held by stdio\n");
        let mut line = [0; 10];
        assert_eq!(fgets(&mut line, stdin()), Some(c"a line\n"));
        printf!("behind\n");
    });
    wait_until("the child waits for its line, inside stdio", || waits_in(child.pid().raw() as u32, libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    // The handler's line is there at once, though what was printed before it is still held.
    let mut line = vec![0; HANDLER_LINE.len()];
    output.read_exact(&mut line).unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), HANDLER_LINE);
    input.write_all(b"a line\n").unwrap();
    assert_eq!(read_text(output), "held by stdio\nbehind\n");
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn what_a_handler_writes_directly_is_what_printf_prints() {
    // The two tests above expect one text of both ways; here is C's own word for it.
    let printed = std::process::Command::new("printf")
        .args(["%s %d %05d %% %05d %d %d\n", "handler", "10", "42", "-42", "-2147483648", "0"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), HANDLER_LINE);
}
