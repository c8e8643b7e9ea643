//! Produces each errno that a wrapper documents, by a real call of the wrapper that fails with it.
//!
//! A module of `src` has its table in the module of the same name here: the functions, the errno, and the way to
//! produce it. A second table gives the reason for each errno that cannot be produced. A further test checks that the
//! two tables have exactly the errnos of the docs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::ptr;
use std::time::Duration;

use mpserv::errno::{Errno, Result};
use mpserv::fd::{BorrowedFd, OwnedFd, pipe, set_blocking, set_nonblocking, write};
use mpserv::fs::{chdir, chroot};
use mpserv::namespace::own_users;
use mpserv::net::{AddressFamily, Protocol, SocketType, socket};
use mpserv::process::{_exit, Child, getpid};
use mpserv::process::{Limit, Resource, getrlimit, setrlimit};
use mpserv::signal::{Disposition, SigAction, Signal, SignalFlag, sigaction};
use mpserv::user::{getuid, setgid, setgroups, setuid};

use crate::common::server::user_of_nothing;
use crate::common::solo::{self, child, reap, spawn};
use crate::common::{TempDir, network::Network};
use crate::documented::documented;

/// The names of functions of a module, the errno, and a function that makes each of them fail and returns their common
/// errno. That function runs in its own process, without threads, and in its own folder.
type Case = (&'static str, Errno, fn() -> Errno);
/// The names of functions, the errnos that nothing here can produce, and the reason.
type NotProduced = (&'static str, &'static str, &'static str);

macro_rules! modules {
    ($($module:ident $test:ident,)+) => {
        $(
            mod $module;

            pub(crate) fn $test() {
                produce(stringify!($module), $module::CASES);
            }
        )+

        const MODULES: &[(&str, &[Case], &[NotProduced])] =
            &[$((stringify!($module), $module::CASES, $module::NOT_PRODUCED)),+];
    };
}

modules! {
    fd errnos_of_fd,
    fs errnos_of_fs,
    memory errnos_of_memory,
    namespace errnos_of_namespace,
    net errnos_of_net,
    poll errnos_of_poll,
    process errnos_of_process,
    pty errnos_of_pty,
    seccomp errnos_of_seccomp,
    signal errnos_of_signal,
    time errnos_of_time,
    user errnos_of_user,
}

/// The status of a case that this machine, or this user, cannot produce.
const SKIPPED: i32 = 77;

/// Produces each errno of a table.
fn produce(module: &str, cases: &[Case]) {
    let (mut failed, mut skipped) = (Vec::new(), None);
    for (functions, errno, case) in cases {
        let folder = TempDir::new();
        let mut child = child(|| {
            std::env::set_current_dir(&folder.0).unwrap();
            let got = case();
            if got == *errno {
                return 0;
            }
            println!("{functions}: {got:?}, not {errno:?}");
            1
        });
        match reap(&mut child).exit_status() {
            Some(0) => {}
            Some(SKIPPED) => skipped = std::fs::read_to_string(folder.join(REASON)).ok(),
            _ => failed.push(format!("{functions}: {errno:?}")),
        }
    }
    assert!(failed.is_empty(), "not produced in {module}: {failed:#?}");
    if let Some(reason) = skipped {
        solo::skip(&reason);
    }
}

/// The file in a case's folder with the reason why the case was skipped.
const REASON: &str = "skipped";

/// Ends a case that cannot be produced here. Its test counts as skipped when all other cases are done.
fn skip(why: &str) -> ! {
    std::fs::write(REASON, why).unwrap();
    _exit(SKIPPED)
}

/// Returns the errno of a call that has to fail.
#[track_caller]
fn errno<T>(result: Result<T>) -> Errno {
    result.err().expect("the call fails")
}

/// Returns the common value of these errnos.
#[track_caller]
fn each<const N: usize>(errnos: [Errno; N]) -> Errno {
    assert!(errnos.iter().all(|errno| *errno == errnos[0]), "{errnos:?}");
    errnos[0]
}

/// A descriptor that is not open.
const CLOSED: BorrowedFd<'static> = BorrowedFd::NONE;

/// Makes the call while a signal, which has a handler, comes again and again.
fn interrupted<T>(call: impl FnOnce() -> T) -> T {
    static FLAG: SignalFlag = SignalFlag::new();
    const OFTEN: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 5000 };
    let action = SigAction::new(Disposition::Flag(&FLAG));
    sigaction(Signal::ALRM, &action).unwrap();
    let often = libc::itimerval { it_interval: OFTEN, it_value: OFTEN };
    // SAFETY: the pointer is to a local struct, and null asks for nothing.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const often, ptr::null_mut()) }, 0);
    call()
}

/// Sets a soft limit of this process.
fn limit(resource: &str, soft: u64) {
    let resource = Resource::from_name(resource).unwrap();
    let hard = getrlimit(resource).unwrap().hard;
    setrlimit(resource, Limit { soft, hard }).unwrap();
}

fn no_descriptor_left() {
    limit("nofile", 0);
}

fn no_memory_left() {
    limit("as", 0);
}

/// Keeps all files of this process from becoming longer. A write then fails, and causes no SIGXFSZ.
fn no_longer_file() {
    mpserv::signal::signal(Signal::XFSZ, Disposition::Ignore).unwrap();
    limit("fsize", 0);
}

/// Becomes a user without privileges, even if this process is not root.
pub(crate) fn become_nobody() {
    if getuid() == 0 {
        let user = user_of_nothing();
        setgroups(&[user]).unwrap();
        setgid(user).unwrap();
        setuid(user).unwrap();
    }
}

/// Skips the case unless this process is root.
fn as_root() {
    if getuid() != 0 {
        skip("not root");
    }
}

/// Becomes root of a new user namespace, so that the kernel allows this process further namespaces.
fn become_root_of_own_users() {
    if own_users().is_err() {
        skip("no user namespace");
    }
}

/// Makes this process's folder its root.
fn own_root() {
    if chroot(c".").is_err() {
        become_root_of_own_users();
        chroot(c".").unwrap();
    }
    chdir(c"/").unwrap();
}

/// Mounts a file system on the empty folder `mounted`, for this process only.
fn mount(options: &CStr, flags: libc::c_ulong) {
    own_mounts();
    std::fs::create_dir("mounted").unwrap();
    mount_on(c"tmpfs", c"mounted", c"tmpfs", flags, options);
}

/// Gives this process its own mounts, so that no other process sees new mounts.
fn own_mounts() {
    // SAFETY: the call takes a number.
    let unshare = || unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
    if !unshare() {
        become_root_of_own_users();
        if !unshare() {
            skip("no mount namespace");
        }
    }
    mount_on(c"none", c"/", c"", libc::MS_REC | libc::MS_PRIVATE, c"");
}

fn mount_on(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong, options: &CStr) {
    // SAFETY: each pointer is to a string.
    let mounted =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
    if mounted != 0 {
        skip("no mount");
    }
}

/// Sets a value of the kernel that holds only for this process's namespace.
fn set_of_namespace(path: &str, value: &str) {
    if std::fs::write(path, value).is_err() {
        skip("no sysctl");
    }
}

/// Makes `file`, the folder `folder`, the link `link` to the file, and the link `loop` to itself.
fn files() {
    std::fs::write("file", "text").unwrap();
    std::fs::create_dir("folder").unwrap();
    std::os::unix::fs::symlink("file", "link").unwrap();
    std::os::unix::fs::symlink("loop", "loop").unwrap();
}

/// Makes `locked/file`, and becomes a user that may not search `locked`.
fn locked() {
    std::fs::create_dir("locked").unwrap();
    std::fs::write("locked/file", "").unwrap();
    std::fs::set_permissions("locked", std::fs::Permissions::from_mode(0o000)).unwrap();
    become_nobody();
}

/// A name that is too long.
const LONG: &CStr = {
    const NAME: &[u8] = &{
        let mut name = [b'x'; 257];
        name[256] = 0;
        name
    };
    match CStr::from_bytes_with_nul(NAME) {
        Ok(name) => name,
        Err(_) => panic!("it ends in a NUL"),
    }
};

/// Returns a full pipe.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    set_nonblocking(&writer).unwrap();
    while write(&writer, &[0; 4096]).is_ok() {}
    while write(&writer, &[0]).is_ok() {}
    set_blocking(&writer).unwrap();
    (reader, writer)
}

/// Converts a descriptor of std.
pub(crate) fn owned(fd: std::os::fd::OwnedFd) -> OwnedFd {
    // SAFETY: the descriptor is open, and was taken out of its owner.
    unsafe { OwnedFd::from_raw(fd.into_raw_fd()) }
}

fn tcp() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT).unwrap()
}

/// Starts a child that waits until it is ended. The child ends at the latest with this process.
fn waiting_child() -> Child {
    let parent = getpid();
    spawn(|| {
        mpserv::process::set_pdeathsig(parent, Signal::KILL).unwrap();
        loop {
            mpserv::time::nanosleep(Duration::MAX);
        }
    })
}

pub(crate) fn each_documented_errno_is_produced_or_has_its_reason() {
    let documented = documented();
    let mut tabled: BTreeMap<&str, BTreeSet<(String, String)>> = BTreeMap::new();
    for (module, cases, not_produced) in MODULES {
        let produced = cases.iter().map(|(functions, errno, _)| (*functions, errno.name().unwrap()));
        for (functions, errnos) in
            produced.chain(not_produced.iter().map(|(functions, errnos, _)| (*functions, *errnos)))
        {
            for function in functions.split(' ') {
                for errno in errnos.split(' ') {
                    let is_new = tabled.entry(module).or_default().insert((function.to_owned(), errno.to_owned()));
                    assert!(is_new, "{module}::{function}: {errno} is there twice");
                }
            }
        }
    }
    let mut wrong = Vec::new();
    for module in documented.keys().map(String::as_str).chain(tabled.keys().copied()).collect::<BTreeSet<_>>() {
        let documented = documented.get(module).cloned().unwrap_or_default();
        let tabled = tabled.get(module).cloned().unwrap_or_default();
        let line =
            |what: &str, (function, errno): &(String, String)| format!("{module}::{function}: {errno} is {what}");
        wrong.extend(documented.difference(&tabled).map(|pair| line("documented, and in no table", pair)));
        wrong.extend(tabled.difference(&documented).map(|pair| line("in a table, and not documented", pair)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tests `getaddrinfo()`, which has its own errors.
pub(crate) fn a_name_that_nobody_answers_for_is_an_error() {
    let _network = Network::own();
    let error = |host: &CStr| mpserv::net::getaddrinfo(host).unwrap_err();
    // No host in this network answers.
    assert!(!error(c"nobody.invalid").to_string().is_empty());
    assert_ne!(error(c"").to_string(), "");
    assert!(mpserv::net::getaddrinfo(c"127.0.0.1").is_ok());
}
