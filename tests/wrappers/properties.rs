//! Properties that hold for any value. A test tries every value if there are few. Otherwise the test tries many random
//! values, which are the same in each run.

use std::collections::BTreeSet;
use std::ffi::{CString, c_int};
use std::fmt::Write;
use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use mpserv::fd::{AsFd, OwnedFd, pipe, write};
use mpserv::net::{
    AddressFamily, AsSockAddr, Protocol, SockAddr, SocketOption, SocketType, UNIX_PATH_MAX, UnixAddr, bind,
    getsockname, inet_addr, setsockopt, socket,
};
use mpserv::poll::{PollEvents, PollFd, poll, ppoll};
use mpserv::process::{_exit, WaitOptions, WaitStatus, no_new_privileges, waitpid};
use mpserv::process::{Limit, Resource, setrlimit};
use mpserv::seccomp::{Notice, listen};
use mpserv::signal::{Disposition, MaskHow, SigSet, Signal, signal, sigprocmask, sigprocmask_replace};
use mpserv::text::Text;
use mpserv::time::{Itimer, setitimer};

use crate::common::network::Network;
use crate::common::random::Random;
use crate::common::solo::{reap, spawn};
use crate::common::{wait_until, waits_in};

/// The number of values that a test tries, if there are too many values to try all.
const MANY: usize = 2000;

fn datagram(family: AddressFamily) -> OwnedFd {
    socket(family, SocketType::DGRAM, Protocol::DEFAULT).unwrap()
}

/// Returns a socket that can be bound to addresses which this machine does not have.
fn free(family: AddressFamily) -> OwnedFd {
    let socket = datagram(family);
    let on: c_int = 1;
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to an int, and the length is that of an int.
    let set =
        unsafe { libc::setsockopt(socket.raw(), libc::IPPROTO_IP, libc::IP_FREEBIND, (&raw const on).cast(), length) };
    assert_eq!(set, 0);
    socket
}

/// Returns the bytes that are passed to C.
fn in_c(address: &impl AsSockAddr) -> Vec<u8> {
    address.with_c(|start, length| {
        // SAFETY: the pointer is to as many bytes, for the time of the call.
        unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length as usize) }.to_vec()
    })
}

pub(crate) fn any_address_comes_back_from_the_kernel() {
    let _network = Network::own();
    let mut random = Random::new(1);
    for _ in 0..MANY {
        let [a, b] = [random.next(), random.next()];
        // The first byte excludes networks for multicast and broadcast.
        let [_, b1, b2, b3] = (a as u32).to_be_bytes();
        let v4 = SocketAddrV4::new(Ipv4Addr::new(1 + b1 % 223, b1, b2, b3.clamp(1, 254)), any_port(b));
        let mut octets = [a.to_be_bytes(), b.to_be_bytes()].concat();
        octets[0] = 0x20;
        let ip = Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap());
        let v6 = SocketAddrV6::new(ip, any_port(a), 0, 0);
        comes_back(AddressFamily::INET, v4.into());
        comes_back(AddressFamily::INET6, v6.into());

        let (flow, scope) = (a as u32, b as u32);
        let bytes = in_c(&v4);
        assert_eq!(bytes[2..8], [&v4.port().to_be_bytes()[..], &v4.ip().octets()].concat());
        assert_eq!((bytes.len(), &bytes[8..]), (16, &[0; 8][..]));
        let bytes = in_c(&SocketAddrV6::new(ip, v6.port(), flow, scope));
        let fields = [&v6.port().to_be_bytes()[..], &flow.to_ne_bytes(), &ip.octets(), &scope.to_ne_bytes()];
        assert_eq!(bytes[2..], fields.concat());
    }
}

/// Returns a port that may be bound, but that the kernel would not choose.
fn any_port(number: u64) -> u16 {
    (number as u16).max(1024)
}

fn comes_back(family: AddressFamily, address: SocketAddr) {
    let socket = free(family);
    bind(&socket, &address).unwrap_or_else(|errno| panic!("{address}: {errno:?}"));
    let SockAddr::Inet(got) = getsockname(&socket).unwrap() else { panic!("{address} is of another family") };
    assert_eq!(got, address);
}

pub(crate) fn any_address_comes_back_from_its_text() {
    let mut random = Random::new(2);
    for _ in 0..MANY {
        let ip = Ipv4Addr::from_bits(random.next() as u32);
        assert_eq!(inet_addr(&CString::new(ip.to_string()).unwrap()), ip);
    }
}

pub(crate) fn any_unix_name_comes_back() {
    let mut random = Random::new(3);
    let back = |name: &UnixAddr| {
        let socket = datagram(AddressFamily::UNIX);
        bind(&socket, name).unwrap();
        let SockAddr::Unix(got) = getsockname(&socket).unwrap() else { panic!("of another family") };
        assert!(!format!("{got:?} {name:?}").is_empty());
        (in_c(name), got)
    };
    let here = crate::common::TempDir::new();
    std::env::set_current_dir(&here.0).unwrap();
    for length in (1..UNIX_PATH_MAX).chain((0..MANY / 10).map(|index| 1 + index % (UNIX_PATH_MAX - 1))) {
        let mut name: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        let unnamed = UnixAddr::from_abstract(&name).unwrap();
        let (given, got) = back(&unnamed);
        assert_eq!(in_c(&got), given);
        assert_eq!(given[2..], [&[0], &name[..]].concat());
        assert_eq!((got.path(), got.path_c()), (None, None));

        name.iter_mut().filter(|byte| [0, b'/', b'.'].contains(byte)).for_each(|byte| *byte = b'x');
        let path = CString::new(name).unwrap();
        let named = UnixAddr::new(&path).unwrap();
        let (given, got) = back(&named);
        assert_eq!(given[2..], *path.as_bytes_with_nul());
        assert_eq!((got.path(), got.path_c()), (Some(path.as_bytes()), Some(&*path)));
        mpserv::fs::unlink(&path).unwrap();
    }
}

pub(crate) fn a_wait_status_is_what_the_macros_say() {
    for raw in (0..=0xffff).chain((0..MANY as u64).map(|seed| Random::new(seed).next() as c_int)) {
        let status = WaitStatus::from_raw(raw);
        assert_eq!(status.raw(), raw);
        let only = |is: bool, number: c_int| is.then_some(number);
        assert_eq!(status.exit_status(), only(libc::WIFEXITED(raw), libc::WEXITSTATUS(raw)), "{raw:#x}");
        let term_signal = status.term_signal().map(Signal::raw);
        assert_eq!(term_signal, only(libc::WIFSIGNALED(raw), libc::WTERMSIG(raw)), "{raw:#x}");
        let stop_signal = status.stop_signal().map(Signal::raw);
        assert_eq!(stop_signal, only(libc::WIFSTOPPED(raw), libc::WSTOPSIG(raw)), "{raw:#x}");
        assert_eq!(status.core_dumped(), libc::WIFSIGNALED(raw) && libc::WCOREDUMP(raw), "{raw:#x}");
        let things = [status.exit_status().is_some(), term_signal.is_some(), stop_signal.is_some()];
        // 0xffff means that a child was continued, for which no caller here asks. The other such values have no
        // meaning.
        let nothing = raw & 0xff == 0xff;
        assert_eq!(things.into_iter().filter(|thing| *thing).count(), usize::from(!nothing), "{raw:#x}");
        assert!(!status.to_string().is_empty());
    }
    assert_eq!(WaitStatus::from_raw(7 << 8).to_string(), "exit 7");
    assert_eq!(WaitStatus::from_raw(9).to_string(), "SIGKILL");
    assert_eq!(WaitStatus::from_raw(0x80 | 11).to_string(), "SIGSEGV (core dumped)");
    assert_eq!(WaitStatus::from_raw(0x137f).to_string(), "stopped by SIGSTOP");
    assert_eq!(WaitStatus::from_raw(0xff).to_string(), "status 0x00ff");
}

pub(crate) fn a_wait_status_of_a_child_comes_back() {
    let core = Resource::from_name("core").unwrap();
    setrlimit(core, Limit { soft: 0, hard: 0 }).unwrap();
    for status in 0..=255 {
        assert_eq!(reap(&mut spawn(|| _exit(status))).exit_status(), Some(status));
    }
    for number in (1..=31).chain(34..=64).filter_map(Signal::from_raw) {
        let mut child = spawn(|| {
            if ![Signal::KILL, Signal::STOP].contains(&number) {
                signal(number, Disposition::Default).unwrap();
            }
            // Unblock all signals, because this process may have inherited a mask.
            sigprocmask(MaskHow::Set, &SigSet::empty());
            mpserv::signal::raise(number).unwrap();
        });
        let mut status = WaitStatus::default();
        let one = mpserv::process::WaitFor::Child(child.pid());
        waitpid(one, Some(&mut status), WaitOptions::UNTRACED).unwrap();
        match number {
            Signal::CHLD | Signal::CONT | Signal::URG | Signal::WINCH => assert_eq!(status.exit_status(), Some(0)),
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => {
                // Only SIGSTOP stops an orphaned group, which no process could continue.
                if status.exit_status().is_none() || number == Signal::STOP {
                    assert_eq!(status.stop_signal(), Some(number));
                    child.kill(Signal::KILL).unwrap();
                    assert_eq!(reap(&mut child).term_signal(), Some(Signal::KILL));
                }
            }
            _ => assert_eq!((status.term_signal(), status.core_dumped()), (Some(number), false)),
        }
    }
}

pub(crate) fn no_time_is_too_long_or_becomes_none() {
    let (reader, writer) = pipe().unwrap();
    write(&writer, b"x").unwrap();
    let mut random = Random::new(4);
    let numbers =
        (0..MANY).map(|_| Duration::new(random.next() >> random.below(64), random.next() as u32 % 1_000_000_000));
    let extremes = [0, 1, 999, 1000, 999_999_999].map(Duration::from_nanos);
    let longest = [Duration::MAX, Duration::from_secs(i64::MAX as u64), Duration::from_secs(u64::MAX)];
    let socket = datagram(AddressFamily::INET);
    sigprocmask(MaskHow::Block, &SigSet::from([Signal::ALRM]));
    for time in extremes.into_iter().chain(longest).chain(numbers) {
        let mut fds = [PollFd::new(reader.as_fd(), PollEvents::IN)];
        assert_eq!((poll(&mut fds, Some(time)), ppoll(&mut fds, Some(time), None)), (Ok(1), Ok(1)), "{time:?}");
        setsockopt(&socket, SocketOption::RCVTIMEO, time).unwrap();
        let got = receive_timeout(&socket);
        if time.as_secs() < LONGEST {
            assert!(got >= time && got <= time + TICK, "{time:?} became {got:?}");
        } else {
            // The kernel uses this value for a limit that is too long.
            assert!(got == Duration::ZERO || got.as_secs() >= LONGEST, "{time:?} became {got:?}");
        }
        setitimer(Itimer { value: time, interval: time }).unwrap();
        let left = setitimer(Itimer::default()).unwrap();
        let least = time.min(CENTURY);
        // A timer of a minute does not end during this test.
        assert!(time < MINUTE || left.value + MINUTE >= least, "{time:?} became {left:?}");
        assert!(left.interval >= least, "{time:?} became {left:?}");
    }
    // A time below C's unit is not 0.
    assert_eq!(poll(&mut [], Some(Duration::from_nanos(1))), Ok(0));
    assert_eq!(ppoll(&mut [], Some(Duration::from_nanos(1)), None), Ok(0));
}

/// Checks a timeout that has a millisecond more than an int has room for, by the time that the kernel got.
pub(crate) fn a_poll_waits_for_as_long_as_it_is_told() {
    let time = Duration::from_millis(u64::try_from(c_int::MAX).unwrap() + 1);
    let mut child = spawn(|| _ = poll(&mut [], Some(time)));
    let pid = child.pid().raw() as u32;
    wait_until("the child waits in ppoll", || waits_in(pid, libc::SYS_ppoll));
    // The words are the number of the call, its arguments, and two registers.
    let words = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
    let timeout = words.split(' ').nth(3).unwrap().strip_prefix("0x").unwrap();
    let timeout = u64::from_str_radix(timeout, 16).unwrap();
    let mut timespec = [0; 16];
    File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut timespec, timeout).unwrap();
    let [seconds, nanoseconds] = [0, 8].map(|at| u64::from_ne_bytes(timespec[at..at + 8].try_into().unwrap()));
    assert_eq!((seconds, nanoseconds), (time.as_secs(), time.subsec_nanos().into()));
    child.kill(Signal::KILL).unwrap();
    assert_eq!(reap(&mut child).term_signal(), Some(Signal::KILL));
}

const MINUTE: Duration = Duration::from_secs(60);
/// The kernel counts the nanoseconds of a timer, for up to 292 years.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(target_arch = "x86_64")]
fn milliseconds_of(poll: &Notice) -> c_int {
    poll.arguments[2] as c_int
}

/// On other machines the C library calls ppoll().
#[cfg(not(target_arch = "x86_64"))]
fn milliseconds_of(ppoll: &Notice) -> c_int {
    // SAFETY: the pointer is null, or to a timespec of this process that stays until the call is answered.
    let time = unsafe { (ppoll.arguments[2] as *const libc::timespec).as_ref() };
    time.map_or(-1, |time| (time.tv_sec * 1000 + time.tv_nsec / 1_000_000) as c_int)
}

/// Checks the timeout that the kernel gets. A filter makes the call wait, and a thread looks at its arguments.
pub(crate) fn a_wait_is_no_shorter_than_asked() {
    #[cfg(target_arch = "x86_64")]
    const CALL: libc::c_long = libc::SYS_poll;
    #[cfg(not(target_arch = "x86_64"))]
    const CALL: libc::c_long = libc::SYS_ppoll;
    for (timeout, milliseconds) in [
        (None, -1),
        (Some(Duration::ZERO), 0),
        (Some(Duration::from_nanos(1)), 1),
        (Some(Duration::from_millis(1)), 1),
        (Some(Duration::from_nanos(1_000_001)), 2),
        (Some(Duration::from_nanos(1_999_999)), 2),
        (Some(Duration::from_millis(c_int::MAX as u64)), c_int::MAX),
    ] {
        let mut child = spawn(|| {
            no_new_privileges().unwrap();
            // SAFETY: a caller of `poll()` must take any error.
            let listener = unsafe { listen(&[CALL]) }.unwrap();
            std::thread::scope(|scope| {
                let asked = scope.spawn(|| {
                    let notice = listener.receive().unwrap();
                    let asked = milliseconds_of(&notice);
                    // SAFETY: without descriptors, the call writes nothing.
                    unsafe { listener.answer(notice, 0) }.unwrap();
                    asked
                });
                assert_eq!(poll(&mut [], timeout), Ok(0));
                assert_eq!(asked.join().unwrap(), milliseconds, "{timeout:?}");
            });
        });
        assert_eq!(reap(&mut child).exit_status(), Some(0), "{timeout:?}");
    }
}

/// The kernel may treat a time of this number of seconds as no limit. The number is above the number of ticks in the
/// kernel's longest time.
const LONGEST: u64 = 1 << 50;
/// The most by which the kernel rounds up: a hundredth of a second and a microsecond.
const TICK: Duration = Duration::from_micros(10_001);

/// Returns the timeout as the kernel stores it.
fn receive_timeout(socket: &OwnedFd) -> Duration {
    let mut time = libc::timeval { tv_sec: -1, tv_usec: -1 };
    let mut length = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the pointers are to a timeval and its length.
    let got = unsafe {
        libc::getsockopt(socket.raw(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw mut time).cast(), &raw mut length)
    };
    assert_eq!(got, 0);
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

pub(crate) fn a_set_of_signals_is_a_set() {
    let all: Vec<Signal> = (1..=64).filter_map(Signal::from_raw).collect();
    assert!(all.iter().all(|signal| SigSet::full().contains(*signal) && !SigSet::empty().contains(*signal)));
    let mut random = Random::new(5);
    let (mut set, mut model) = (SigSet::empty(), BTreeSet::new());
    for step in 0..MANY {
        let signal = *random.pick(&all);
        if random.below(2) == 0 {
            set.add(signal);
            model.insert(signal.raw());
        } else {
            set.remove(signal);
            model.remove(&signal.raw());
        }
        let held =
            |set: &SigSet| all.iter().filter(|signal| set.contains(**signal)).map(|signal| signal.raw()).collect();
        assert_eq!(held(&set), model, "after {step}");
        let text = all.iter().filter(|signal| model.contains(&signal.raw())).map(Signal::to_string);
        assert_eq!(format!("{set:?}"), format!("{{{}}}", text.collect::<Vec<_>>().join(", ")));
        // The kernel blocks all these signals, except the two that cannot be blocked.
        let before = sigprocmask_replace(MaskHow::Set, &set).unwrap();
        let mut blocked: BTreeSet<c_int> = held(&sigprocmask_replace(MaskHow::Set, &before).unwrap());
        blocked.extend(model.intersection(&[Signal::KILL.raw(), Signal::STOP.raw()].into()));
        assert_eq!(blocked, model);
    }
}

pub(crate) fn a_text_is_the_longest_prefix_that_fits() {
    fn run<const N: usize>(random: &mut Random) {
        const PIECES: [&str; 8] = ["", "a", "bc", "é", "中", "🐚", "long ascii text", "é中🐚a"];
        let (mut text, mut model) = (Text::<N>::new(), String::new());
        for _ in 0..MANY / 10 {
            let piece = *random.pick(&PIECES);
            if random.below(8) == 0 {
                let length = random.below(N + 2);
                text.truncate(length);
                if model.is_char_boundary(length) {
                    model.truncate(length);
                }
            } else {
                let room = N - model.len();
                let fits = (0..=piece.len().min(room)).rev().find(|end| piece.is_char_boundary(*end)).unwrap();
                model.push_str(&piece[..fits]);
                assert_eq!(text.write_str(piece).is_ok(), fits == piece.len());
            }
            assert_eq!((text.as_str(), text.as_bytes()), (model.as_str(), model.as_bytes()));
            assert_eq!((text.len(), text.is_empty()), (model.len(), model.is_empty()));
            assert_eq!((text.to_string(), format!("{text:?}")), (model.clone(), format!("{model:?}")));
        }
        let whole = Text::<N>::of(format_args!("{model}{model}"));
        assert!(format!("{model}{model}").starts_with(whole.as_str()) && whole.len() + 4 > (2 * model.len()).min(N));
    }
    let mut random = Random::new(6);
    run::<0>(&mut random);
    run::<1>(&mut random);
    run::<3>(&mut random);
    run::<7>(&mut random);
    run::<64>(&mut random);
}
