//! Tests guarantees of wrappers that show in the later behaviour of the kernel, and not in a result.

use std::collections::BTreeSet;
use std::ffi::{CString, c_int};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicU32, Ordering};

use mpserv::errno::Errno;
use mpserv::fd::{
    AsFd, BorrowedFd, OwnedFd, PipeFlags, dup, keep_on_exec, pipe, pipe2, read, read_all, set_blocking,
    set_close_on_exec, set_nonblocking, write, write_all,
};
use mpserv::fs::{OpenFlags, Stat, fchmod, fchownat_fd, fstat, lstat, open, readlink, stat, umask};
use mpserv::memory::{CStrArray, STACK_MIN, SharedWords, Stack};
use mpserv::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket};
use mpserv::printf;
use mpserv::process::{
    _exit, Fork, INFINITY, Limit, Resource, WaitFor, WaitOptions, exit, fork, getrlimit, setrlimit, waitpid,
};
use mpserv::program::{Args, Argument, run};
use mpserv::pty::open_master;
use mpserv::signal::{Disposition, SigAction, SigSet, Signal, SignalFd, SignalFlag, sigaction};
use mpserv::stdio::{fgets, stdin};

use crate::common::solo::{Channel, reap, skip, spawn};
use crate::common::{TempDir, is_pending, is_root, wait_until, waits_in, zombies};
use crate::stdio::{read_text, with_pipes};

/// Returns the open descriptors of this process.
fn descriptors() -> BTreeSet<c_int> {
    let all = fs::read_dir("/proc/self/fd").unwrap();
    let mut all: BTreeSet<c_int> =
        all.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    // The line removes the descriptor that was used for reading the list. SAFETY: the call takes numbers.
    all.retain(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0);
    all
}

fn flags(fd: c_int, command: c_int) -> c_int {
    // SAFETY: the call takes numbers.
    let flags = unsafe { libc::fcntl(fd, command) };
    assert!(flags >= 0, "fcntl: {}", std::io::Error::last_os_error());
    flags
}

/// Checks that `make` makes at least one descriptor, and that exec closes all of them, or none.
#[track_caller]
fn assert_closed_by_exec<T>(what: &str, is_closed: bool, make: impl FnOnce() -> T) {
    let before = descriptors();
    let made = make();
    let new: Vec<c_int> = descriptors().difference(&before).copied().collect();
    assert!(!new.is_empty(), "{what} makes no descriptor");
    for fd in new {
        let cloexec = flags(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0;
        assert_eq!(cloexec, is_closed, "a descriptor of {what} has FD_CLOEXEC");
    }
    drop(made);
}

pub(crate) fn new_descriptors_are_closed_by_exec_or_not_as_documented() {
    let any = pipe().unwrap().0;
    assert_closed_by_exec("pipe2", true, || pipe2(PipeFlags::CLOEXEC).unwrap());
    assert_closed_by_exec("pipe2 without flags", false, || pipe2(PipeFlags::NONE).unwrap());
    assert_closed_by_exec("pipe", false, || pipe().unwrap());
    assert_closed_by_exec("dup", false, || dup(&any).unwrap());
    assert_closed_by_exec("fcntl_dupfd_cloexec", true, || mpserv::fd::fcntl_dupfd_cloexec(&any, 0).unwrap());
    assert_closed_by_exec("SignalFd::new", true, || SignalFd::new(&SigSet::from([Signal::USR1])).unwrap());
    assert_closed_by_exec("open_master", true, || open_master().unwrap());
    assert_closed_by_exec("SharedWords::new", true, || SharedWords::new(c"words", 1).unwrap());
    assert_closed_by_exec("open", true, || open(c"/dev/null", OpenFlags::RDONLY | OpenFlags::CLOEXEC, 0).unwrap());
    let kind = SocketType::STREAM | SocketFlags::CLOEXEC;
    assert_closed_by_exec("socket", true, || socket(AddressFamily::INET, kind, Protocol::DEFAULT).unwrap());
}

pub(crate) fn flags_of_a_descriptor_are_what_was_set_last() {
    let (fd, _other) = pipe().unwrap();
    let cloexec = || flags(fd.raw(), libc::F_GETFD) & libc::FD_CLOEXEC != 0;
    let nonblocking = || flags(fd.raw(), libc::F_GETFL) & libc::O_NONBLOCK != 0;
    // Each function is called twice: the second call changes nothing.
    for (set, has_flag, is_set) in [
        (keep_on_exec as fn(_) -> _, &cloexec as &dyn Fn() -> bool, false),
        (set_close_on_exec, &cloexec, true),
        (set_nonblocking, &nonblocking, true),
        (set_blocking, &nonblocking, false),
    ] {
        for time in 1..=2 {
            set(fd.as_fd()).unwrap();
            assert_eq!((time, has_flag()), (time, is_set));
        }
    }
    let other = || flags(fd.raw(), libc::F_GETFL) & !libc::O_NONBLOCK;
    let before = other();
    set_nonblocking(&fd).unwrap();
    assert_eq!(other(), before, "the other flags stay");
}

pub(crate) fn lstat_is_about_the_link_and_stat_about_its_target() {
    let folder = TempDir::new();
    let (file, link) = (folder.join("file"), folder.join("link"));
    fs::write(&file, "").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let path = |path: &std::path::Path| CString::new(path.to_str().unwrap()).unwrap();
    let (file, link) = (path(&file), path(&link));
    let of_file = stat(&file).unwrap().identity();
    assert_eq!(lstat(&file).unwrap().identity(), of_file);
    assert_eq!(stat(&link).unwrap().identity(), of_file);
    let of_link = lstat(&link).unwrap();
    assert!(of_link.identity() != of_file && !of_link.is_regular());
    // A link without a target still exists.
    fs::remove_file(folder.join("file")).unwrap();
    assert_eq!(lstat(&link).unwrap().identity(), of_link.identity());
    assert_eq!(stat(&link).err(), Some(Errno::NOENT));
}

pub(crate) fn a_stat_has_the_facts_of_the_file() {
    let folder = TempDir::new();
    let path = |name: &str| CString::new(folder.join(name).to_str().unwrap()).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    fs::set_permissions(folder.join("folder"), fs::Permissions::from_mode(0o1777)).unwrap();
    std::os::unix::fs::symlink("file", folder.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    // SAFETY: the path ends in a NUL.
    assert_eq!(unsafe { libc::mkfifo(path("fifo").as_ptr(), 0o640) }, 0);
    fs::hard_link(folder.join("file"), folder.join("second")).unwrap();
    // Only root may give a file away.
    let _ = std::os::unix::fs::chown(folder.join("socket"), Some(1), Some(2));
    let same = |what: &str, stat: Stat, std: fs::Metadata| {
        assert_eq!((stat.uid(), stat.gid(), stat.links()), (std.uid(), std.gid(), std.nlink()), "{what}");
        assert_eq!((stat.permissions(), stat.identity()), (std.mode() & 0o7777, (std.dev(), std.ino())), "{what}");
        let kind = (std.file_type().is_socket(), std.is_file());
        assert_eq!((stat.is_socket(), stat.is_regular()), kind, "{what}");
    };
    for name in ["file", "folder", "link", "socket", "fifo"] {
        same(name, lstat(&path(name)).unwrap(), fs::symlink_metadata(folder.join(name)).unwrap());
        same(name, stat(&path(name)).unwrap(), fs::metadata(folder.join(name)).unwrap());
    }
    for name in [c"/dev/null", c"/usr"] {
        same("elsewhere", stat(name).unwrap(), fs::metadata(name.to_str().unwrap()).unwrap());
    }
    if is_root() {
        fchownat_fd(open(&path("fifo"), OpenFlags::PATH, 0).unwrap(), 3, 4).unwrap();
        let fifo = stat(&path("fifo")).unwrap();
        assert_eq!((fifo.uid(), fifo.gid()), (3, 4));
    }
    let mut target = [0; 8];
    assert_eq!(readlink(&path("link"), &mut target).unwrap(), b"file");
    assert_eq!(readlink(&path("link"), &mut target[..3]).unwrap(), b"fil");
    // A new file does not get the permissions of the mask.
    let before = umask(0o027);
    drop(open(&path("new"), OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::EXCL, 0o666).unwrap());
    assert_eq!(stat(&path("new")).unwrap().permissions(), 0o640);
    assert_eq!(umask(before), 0o027);
    // Every permission alone, the three special permissions included.
    let file = open(&path("file"), OpenFlags::RDWR, 0).unwrap();
    for mode in (0..12).map(|bit| 1 << bit).chain([0, 0o7777]) {
        fchmod(&file, mode).unwrap();
        assert_eq!(fstat(&file).unwrap().permissions(), mode, "{mode:o}");
        same("file", fstat(&file).unwrap(), fs::metadata(folder.join("file")).unwrap());
    }
}

/// Checks that a function that `exit` runs may call `exit`.
pub(crate) fn exit_may_be_called_by_what_it_runs() {
    extern "C" fn again() {
        exit(3)
    }
    let mut child = spawn(|| {
        // SAFETY: the function takes nothing, returns nothing, and may run when the process ends.
        assert_eq!(unsafe { libc::atexit(again) }, 0);
        exit(1)
    });
    assert_eq!(reap(&mut child).exit_status(), Some(3));
}

/// Checks that `exit` does not enter C's `exit()` while another thread is in it, and yet writes what was printed. The
/// other thread came in as std comes in.
pub(crate) fn exit_stays_out_of_the_exit_of_another_thread() {
    /// Runs in C's `exit()`, before `never`.
    extern "C" fn end_in_another_thread() {
        std::thread::spawn(|| exit(5)).join().unwrap();
    }
    extern "C" fn never() {
        _exit(9)
    }
    let (_input, output, mut child) = with_pipes(|| {
        for function in [never as extern "C" fn(), end_in_another_thread] {
            // SAFETY: the function takes nothing, returns nothing, and may run when the process ends.
            assert_eq!(unsafe { libc::atexit(function) }, 0);
        }
        printf!("no newline");
        std::process::exit(1);
    });
    assert_eq!(read_text(output), "no newline");
    assert_eq!(reap(&mut child).exit_status(), Some(5));
}

/// Checks that a handler does not enter stdio while `exit` writes the buffers of stdio, also at the end of a main
/// function, and that earlier text stands before the handler's. A function of `atexit` acts as the handler.
pub(crate) fn exit_closes_stdio_to_handlers() {
    extern "C" fn print() {
        // SAFETY: the text ends in a NUL.
        assert!(unsafe { libc::puts(c"held by stdio".as_ptr()) } >= 0);
        printf!("by the handler\n");
    }
    let end_of_main: &dyn Fn() = &|| {
        let status = run(|args| args.len() as c_int + 6, Args::of(&[Argument::END]).unwrap());
        // SAFETY: the call has no precondition.
        unsafe { libc::exit(status + 1) }
    };
    for end in [&|| exit(7), end_of_main] {
        let (_input, output, mut child) = with_pipes(|| {
            // SAFETY: the function takes nothing, returns nothing, and may run when the process ends.
            assert_eq!(unsafe { libc::atexit(print) }, 0);
            printf!("earlier\n");
            end();
        });
        // The handler's line was written directly, before the line in the buffer of stdio.
        assert_eq!(read_text(output), "earlier\nby the handler\nheld by stdio\n");
        assert_eq!(reap(&mut child).exit_status(), Some(7));
    }
}

/// Checks that a fork runs the handlers of `pthread_atfork()` in both processes.
pub(crate) fn handlers_of_pthread_atfork_run() {
    static CALLS: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    extern "C" fn prepare() {
        CALLS[0].fetch_add(1, Ordering::Relaxed);
    }
    extern "C" fn in_parent() {
        CALLS[1].fetch_add(1, Ordering::Relaxed);
    }
    extern "C" fn in_child() {
        CALLS[2].fetch_add(1, Ordering::Relaxed);
    }
    let calls = || CALLS.each_ref().map(|count| count.load(Ordering::Relaxed));
    let mut child = spawn(|| {
        // SAFETY: the functions only count, which a child may do.
        assert_eq!(unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) }, 0);
        match fork().unwrap() {
            Fork::Child => _exit(i32::from(calls() != [1, 0, 1])),
            Fork::Parent(mut child) => assert_eq!(child.wait().unwrap().exit_status(), Some(0)),
        }
        assert_eq!(calls(), [1, 1, 0]);
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_soft_limit_is_no_hard_limit() {
    let mut child = spawn(|| {
        let mut limit = getrlimit(Resource::NOFILE).unwrap();
        (limit.soft, limit.hard) = (50, 60);
        setrlimit(Resource::NOFILE, limit).unwrap();
        let mut kernel = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to room for a limit.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut kernel) }, 0);
        assert_eq!((kernel.rlim_cur, kernel.rlim_max), (50, 60));
        let now = getrlimit(Resource::NOFILE).unwrap();
        assert_eq!((now.soft, now.hard), (50, 60));
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that each name of a limit is that of C's constant. In its own process, the test sets a value of its own for
/// each.
pub(crate) fn a_limit_is_the_one_of_its_name() {
    let all = [
        ("as", libc::RLIMIT_AS),
        ("core", libc::RLIMIT_CORE),
        ("cpu", libc::RLIMIT_CPU),
        ("data", libc::RLIMIT_DATA),
        ("fsize", libc::RLIMIT_FSIZE),
        ("locks", libc::RLIMIT_LOCKS),
        ("memlock", libc::RLIMIT_MEMLOCK),
        ("msgqueue", libc::RLIMIT_MSGQUEUE),
        ("nice", libc::RLIMIT_NICE),
        ("nofile", libc::RLIMIT_NOFILE),
        ("nproc", libc::RLIMIT_NPROC),
        ("rss", libc::RLIMIT_RSS),
        ("rtprio", libc::RLIMIT_RTPRIO),
        ("rttime", libc::RLIMIT_RTTIME),
        ("sigpending", libc::RLIMIT_SIGPENDING),
        ("stack", libc::RLIMIT_STACK),
    ];
    assert!(Resource::names().eq(all.map(|(name, _)| name)));
    assert_eq!((Resource::COUNT, Resource::from_name(""), Resource::from_name("nofiles")), (all.len(), None, None));
    assert_eq!((Resource::NOFILE.name(), Resource::from_name("NOFILE")), ("nofile", None));
    let mut child = spawn(|| {
        for (number, (name, constant)) in (1..).zip(all) {
            let resource = Resource::from_name(name).unwrap();
            assert_eq!((resource.name(), format!("{resource:?}").as_str()), (name, name));
            let mut limit = getrlimit(resource).unwrap();
            // Some hard limits are 0. Only a process with the privilege may raise them.
            if setrlimit(resource, Limit { hard: INFINITY, ..limit }).is_ok() {
                limit.hard = INFINITY;
            }
            limit.soft = limit.hard.min(1 << 40).saturating_sub(number);
            setrlimit(resource, limit).unwrap();
            let mut kernel = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the pointer is to room for a limit.
            assert_eq!(unsafe { libc::getrlimit(constant, &raw mut kernel) }, 0);
            assert_eq!((kernel.rlim_cur, kernel.rlim_max), (limit.soft, limit.hard), "{name}");
        }
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

pub(crate) fn a_dropped_descriptor_is_closed_and_a_borrowed_one_is_not() {
    let (fd, _other): (OwnedFd, OwnedFd) = pipe().unwrap();
    let number = fd.raw();
    // SAFETY: the descriptor is open for as long as it is borrowed.
    let borrowed = unsafe { BorrowedFd::from_raw(number) };
    let _ = borrowed;
    assert!(descriptors().contains(&number));
    drop(fd);
    assert!(!descriptors().contains(&number));
}

/// Checks that a function which needs too much stack ends the process, and writes to no other memory.
pub(crate) fn a_stack_has_a_guard_below_it() {
    let maps = || fs::read_to_string("/proc/self/maps").unwrap();
    let guards = |maps: &str| maps.lines().filter(|line| line.split(' ').nth(1) == Some("---p")).count();
    let before = guards(&maps());
    let stack = Stack::new(STACK_MIN).unwrap();
    assert_eq!(guards(&maps()), before + 1, "{}", maps());
    drop(stack);
    assert_eq!(guards(&maps()), before);
    // The guard is no part of the size.
    const GUARD: usize = 65_536;
    let pages = || fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse::<usize>().unwrap();
    // SAFETY: the call has no precondition.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    for size in [STACK_MIN, GUARD, 1 << 20] {
        let before = pages();
        let stack = Stack::new(size).unwrap();
        assert_eq!((pages() - before) * page, (size + GUARD).next_multiple_of(page), "{size}");
        drop(stack);
        assert_eq!(pages(), before);
    }
}

pub(crate) fn a_line_that_just_fits_is_read_whole() {
    use std::io::Write;
    let (mut input, output, mut child) = with_pipes(|| {
        let mut buffer = [0; 5];
        while let Some(part) = fgets(&mut buffer, stdin()) {
            printf!("[%s]", part);
        }
    });
    input.write_all(b"abc\nabcd\n").unwrap();
    drop(input);
    // There is room for four characters and a NUL.
    assert_eq!(read_text(output), "[abc\n][abcd][\n]");
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks that a signal to a reaped child does not go to another process with the same id.
pub(crate) fn a_child_that_was_reaped_is_no_later_process_of_its_id() {
    // In its own PID namespace, the test can choose ids. SAFETY: the call takes a number.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
        skip("no pid namespace");
    }
    let first = |inside: &dyn Fn()| assert_eq!(reap(&mut spawn(inside)).exit_status(), Some(0));
    first(&|| {
        let mut old = spawn(|| ());
        assert_eq!(reap_here(&mut old), Some(0));
        fs::write("/proc/sys/kernel/ns_last_pid", (old.pid().raw() - 1).to_string()).unwrap();
        let channel = Channel::new();
        let mut new = spawn(|| _ = channel.hear());
        assert_eq!(new.pid(), old.pid());
        assert_eq!(old.kill(Signal::KILL), Err(Errno::SRCH));
        channel.tell(0);
        assert_eq!(reap_here(&mut new), Some(0), "the other process was hit");
    });
}

/// Waits for a child in a process that `/proc` shows with other ids.
fn reap_here(child: &mut mpserv::process::Child) -> Option<c_int> {
    child.wait().unwrap().exit_status()
}

pub(crate) fn a_list_of_strings_ends_where_it_was_truncated() {
    let mut list = CStrArray::with_capacity(4, 40).unwrap();
    list.push(c"first").unwrap();
    let mark = list.mark();
    list.push(c"second").unwrap();
    list.push(c"third").unwrap();
    list.truncate(mark);
    assert_eq!((list.len(), list.get(0), list.get(1)), (1, Some(c"first"), None));
    list.push(c"other").unwrap();
    assert_eq!((list.len(), list.get(1), list.get(2)), (2, Some(c"other"), None));
}

pub(crate) fn a_child_of_another_group_is_not_one_of_the_own_group() {
    let channel = Channel::new();
    let mut child = spawn(|| {
        mpserv::process::setpgid(None, None).unwrap();
        channel.tell(0);
    });
    assert_eq!(channel.hear(), 0);
    let of_own = waitpid(WaitFor::OwnGroup, None, WaitOptions::NOHANG);
    assert_eq!(of_own, Err(Errno::CHILD));
    assert!(matches!(waitpid(WaitFor::Group(child.pid()), None, WaitOptions::NOHANG), Ok(None | Some(_))));
    let _ = child.wait();
    // A process can wait for a child in its own group.
    let mut child = spawn(|| _ = channel.hear());
    assert_eq!(waitpid(WaitFor::OwnGroup, None, WaitOptions::NOHANG), Ok(None));
    channel.tell(0);
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Tests a handler that does not restart calls. The interrupted call has read nothing.
pub(crate) fn read_all_goes_on_after_a_signal() {
    static FLAG: SignalFlag = SignalFlag::new();
    let (reader, writer) = pipe().unwrap();
    let mut child = spawn(|| {
        sigaction(Signal::USR1, &SigAction::new(Disposition::Flag(&FLAG))).unwrap();
        let mut buffer = [0; 3];
        assert_eq!(read_all(&reader, &mut buffer).unwrap(), b"end");
        assert!(FLAG.is_raised());
    });
    let pid = child.pid().raw() as u32;
    wait_until("the child waits in read", || waits_in(pid, libc::SYS_read));
    child.kill(Signal::USR1).unwrap();
    wait_until("the signal is delivered, and the child waits again or has ended", || {
        !is_pending(pid, Signal::USR1) && (waits_in(pid, libc::SYS_read) || zombies(std::process::id()).contains(&pid))
    });
    write_all(&writer, b"end").unwrap();
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Tests a handler that does not restart calls. The interrupted call has written nothing.
pub(crate) fn write_all_goes_on_after_a_signal() {
    static FLAG: SignalFlag = SignalFlag::new();
    let (reader, writer) = pipe().unwrap();
    let mut child = spawn(|| {
        sigaction(Signal::USR1, &SigAction::new(Disposition::Flag(&FLAG))).unwrap();
        set_nonblocking(&writer).unwrap();
        while write(&writer, &[0; 4096]).is_ok() {}
        set_blocking(&writer).unwrap();
        write_all(&writer, b"the end").unwrap();
        assert!(FLAG.is_raised());
    });
    drop(writer);
    let pid = child.pid().raw() as u32;
    wait_until("the child waits in write", || waits_in(pid, libc::SYS_write));
    child.kill(Signal::USR1).unwrap();
    wait_until("the signal is delivered, and the child waits again", || {
        !is_pending(pid, Signal::USR1) && waits_in(pid, libc::SYS_write)
    });
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = read(&reader, &mut buffer) {
        all.extend_from_slice(&buffer[..length]);
    }
    assert!(all.ends_with(b"\0the end"), "{} bytes", all.len());
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}
