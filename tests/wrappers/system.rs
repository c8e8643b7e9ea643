//! Tests what the system's files and daemons say: users, groups, the local time, and the log.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use mpserv::namespace::{own_network, own_users};
use mpserv::process::allow_dumps;
use mpserv::syscall;
use mpserv::syslog::{Priority, openlog, syslog};
use mpserv::time::{Clock, clock_gettime, localtime_r, tzset};
use mpserv::user::{
    NAME_MAX, USER_TEXT_MAX, getegid, geteuid, getgid, getgrnam, getgrouplist, getgroups, getpwnam, getpwuid, getuid,
    setgid, setgroups, setuid,
};

use crate::common::solo::{reap, skip, spawn};
use crate::common::{TempDir, WATCHDOG, needs_root};

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// Returns what a command prints. Reads it without a thread, because the tested functions succeed only where no other
/// thread is or was.
fn text_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns the entries of a database of the system, each with its fields.
fn entries(database: &str) -> Vec<Vec<String>> {
    let all = text_of(Command::new("getent").arg(database));
    all.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

pub(crate) fn a_user_is_the_one_of_the_system() {
    let (users, groups) = (entries("passwd"), entries("group"));
    for fields in &users {
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { panic!("{fields:?}") };
        let user = getpwnam(&c(name)).unwrap();
        assert_eq!([user.uid.to_string(), user.gid.to_string()], [uid.as_str(), gid], "{name}");
        assert_eq!([user.name(), user.home(), user.shell()], [&*c(name), &*c(home), &*c(shell)], "{name}");
        // The first of two users with one id is found.
        let first = users.iter().find(|other| other[2] == *uid).unwrap();
        assert_eq!(getpwuid(user.uid).unwrap().name(), &*c(&first[0]));
        let mut found = getgrouplist(&c(name), user.gid).unwrap()[..].to_vec();
        let is_in = |fields: &&Vec<String>| fields[2] == *gid || fields[3].split(',').any(|member| member == name);
        let mut expected: Vec<u32> = groups.iter().filter(is_in).map(|fields| fields[2].parse().unwrap()).collect();
        expected.push(user.gid);
        for list in [&mut found, &mut expected] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(found, expected, "{name}");
    }
    for fields in &groups {
        assert_eq!(getgrnam(&c(&fields[0])).map(|gid| gid.to_string()), Some(fields[2].clone()), "{fields:?}");
    }
    assert!(users.len() > 1 && groups.len() > 1);
    assert!(getpwnam(c"nobody-has-this-name").is_none() && getgrnam(c"nobody-has-this-name").is_none());
}

pub(crate) fn a_local_time_is_that_of_date() {
    // SAFETY: no other thread reads the environment.
    unsafe { std::env::set_var("TZ", "XYZ-9:30ZYX-10:45,M3.2.0/2,M11.1.0/2") };
    tzset();
    // The last two are a second before and at the beginning of summer time.
    for seconds in [0, 59, 3_599, 951_827_696, 1_700_000_000, 4_102_444_800, 1_710_001_799, 1_710_001_800] {
        let tm = localtime_r(Duration::new(seconds, 999_999_999)).unwrap();
        let found = format!("{} {} {} {} {}", tm.month + 1, tm.day, tm.hour, tm.minute, tm.second);
        let at = format!("@{seconds}");
        assert_eq!(found, text_of(Command::new("date").args(["-d", &at, "+%-m %-d %-H %-M %-S"])), "{seconds}");
    }
    assert_eq!(localtime_r(Duration::MAX), None);
}

/// Gives this process its own mounts, so that no other process sees new mounts.
fn own_mounts() {
    // SAFETY: the call takes a number.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    mount("none", "/", "none", libc::MS_REC | libc::MS_PRIVATE);
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong) {
    let [source, target, kind] = [source, target, kind].map(c);
    // SAFETY: each pointer is to a string.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, c"".as_ptr().cast()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Tests a daemon that this process reads from. In its own mount namespace, the test can have its own `/dev`.
pub(crate) fn a_line_reaches_the_log_with_name_and_process() {
    needs_root();
    let folder = TempDir::new();
    let path = folder.join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(WATCHDOG)).unwrap();
    own_mounts();
    mount("tmpfs", "/dev", "tmpfs", 0);
    std::os::unix::fs::symlink(&path, "/dev/log").unwrap();
    openlog(c"some name");
    // From now on the path leads nowhere, as in another root directory.
    std::fs::remove_file("/dev/log").unwrap();
    let levels = [
        (Priority::ERR, libc::LOG_ERR),
        (Priority::WARNING, libc::LOG_WARNING),
        (Priority::NOTICE, libc::LOG_NOTICE),
        (Priority::INFO, libc::LOG_INFO),
        (Priority::DEBUG, libc::LOG_DEBUG),
    ];
    for (priority, level) in levels {
        syslog(priority, c"a line with %s");
        let mut line = [0; 200];
        let length = daemon.recv(&mut line).expect("the log of the time of openlog() gets each line");
        let line = String::from_utf8_lossy(&line[..length]);
        let number = libc::LOG_DAEMON | level;
        assert_eq!(priority.of_daemon(), number);
        let end = format!(" some name[{}]: a line with %s", std::process::id());
        assert!(line.starts_with(&format!("<{number}>")) && line.ends_with(&end), "{line}");
    }
}

/// Tests names and texts at the limits of their lengths, in files of this process's own.
pub(crate) fn a_user_is_found_up_to_the_longest_name_and_texts() {
    needs_root();
    let folder = TempDir::new();
    let of_length = |letter: &str, length: usize| letter.repeat(length);
    let [just, over] = [NAME_MAX - 1, NAME_MAX].map(|length| of_length("n", length));
    // The three texts, each with its NUL.
    let home = |name: &str, all: usize| format!("/{}", of_length("h", all - "/bin/sh".len() - name.len() - 4));
    let users = [
        (just.as_str(), 1001, "/home".to_owned(), true),
        (over.as_str(), 1002, "/home".to_owned(), false),
        ("full", 1003, home("full", USER_TEXT_MAX), true),
        ("more", 1004, home("more", USER_TEXT_MAX + 1), false),
    ];
    let line = |(name, uid, home, _): &(&str, u32, String, bool)| format!("{name}:x:{uid}:77:words:{home}:/bin/sh\n");
    std::fs::write(folder.join("passwd"), users.iter().map(line).collect::<String>()).unwrap();
    let groups = format!("first:x:77:\n{just}:x:78:full,{over}\n{over}:x:79:{just},{over}\n");
    std::fs::write(folder.join("group"), groups).unwrap();
    own_mounts();
    for file in ["passwd", "group"] {
        mount(folder.join(file).to_str().unwrap(), &format!("/etc/{file}"), "none", libc::MS_BIND);
    }
    for (name, uid, home, is_found) in &users {
        let user = getpwnam(&c(name));
        assert_eq!(user.is_some(), *is_found, "{name}");
        let Some(user) = user else { continue };
        assert_eq!(
            (user.uid, user.gid, user.name(), user.home(), user.shell()),
            (*uid, 77, &*c(name), &*c(home), c"/bin/sh")
        );
        assert_eq!(getpwuid(*uid).unwrap().home(), &*c(home));
        assert_eq!(format!("{user:?}"), format!("User {{ uid: {uid}, gid: 77, name: {:?}, .. }}", c(name)));
    }
    assert!(getpwuid(1002).is_some() && getpwuid(1004).is_none(), "only a text can be too long here");
    assert_eq!([just.as_str(), &over, "first"].map(|name| getgrnam(&c(name))), [Some(78), None, Some(77)]);
    // The group of a login comes first, and it is the only group of a name that is too long.
    for (name, found) in [("full", &[5, 78][..]), (&just, &[5, 79]), (&over, &[5]), ("unknown", &[5])] {
        assert_eq!(&getgrouplist(&c(name), 5).unwrap()[..], found, "{name}");
    }
}

/// Tests ids that all differ.
pub(crate) fn each_id_of_a_process_is_the_one_that_was_asked_for() {
    needs_root();
    let mut child = spawn(|| {
        let all = [7, 300, 2, 65_000];
        for groups in [&all[..], &all[..1], &[], &all[1..]] {
            setgroups(groups).unwrap();
            let mut groups = groups.to_vec();
            groups.sort_unstable();
            assert_eq!(getgroups().unwrap()[..], groups);
        }
        // SAFETY: the call takes numbers.
        assert_eq!(unsafe { libc::setresgid(1, 2, 3) }, 0);
        // SAFETY: the call takes numbers.
        assert_eq!(unsafe { libc::setresuid(4, 0, 6) }, 0);
        assert_eq!((getgid(), getegid(), getuid(), geteuid()), (1, 2, 4, 0));
        setgid(10).unwrap();
        setuid(20).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        for line in ["Uid:\t20\t20\t20\t20\n", "Gid:\t10\t10\t10\t10\n"] {
            assert!(status.contains(line), "{status}");
        }
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// The id that a namespace shows for each id that it does not have.
const UNMAPPED: u32 = 65_534;

/// Tests a user and a group with different ids.
pub(crate) fn a_user_namespace_has_the_user_and_the_group_of_before() {
    needs_root();
    // The real ids are others, as in a program with setuid.
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::setresgid(11, 12, 12) }, 0);
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::setresuid(33, 34, 34) }, 0);
    // Without this, the files of /proc belong to root, because the user has changed.
    allow_dumps().unwrap();
    // SAFETY: the call takes a number.
    let is_allowed = || assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWUSER) }, 0);
    if reap(&mut spawn(is_allowed)).exit_status() != Some(0) {
        skip("no user namespace");
    }
    own_users().unwrap();
    assert_eq!((getuid(), geteuid(), getgid(), getegid()), (UNMAPPED, 0, UNMAPPED, 0));
    let words = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    // In the namespace, the kernel shows the ids as the namespace itself has them.
    assert_eq!(["uid_map", "gid_map", "setgroups"].map(words), ["0 34 1", "0 12 1", "deny"]);
    own_network().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
}

pub(crate) fn each_clock_is_its_own() {
    let of_kernel = |clock| {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to room for a time.
        assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    // In its own time namespace, a child has clocks that differ by days. SAFETY: the call takes a number.
    let has_own_time = unsafe { libc::unshare(libc::CLONE_NEWTIME) } == 0;
    if has_own_time {
        std::fs::write("/proc/self/timens_offsets", "monotonic 864000 0\nboottime 1728000 0\n").unwrap();
    }
    let mut child = spawn(|| {
        for (clock, number) in [
            (Clock::REALTIME, libc::CLOCK_REALTIME),
            (Clock::MONOTONIC, libc::CLOCK_MONOTONIC),
            (Clock::BOOTTIME, libc::CLOCK_BOOTTIME),
        ] {
            let [before, found, after] = [of_kernel(number), clock_gettime(clock), of_kernel(number)];
            assert!(before <= found && found <= after, "{clock:?}: {found:?} is not from {before:?} to {after:?}");
        }
    });
    assert_eq!(reap(&mut child).exit_status(), Some(0));
}

/// Checks the C library's own variable, because [`localtime_r`] gives nothing where other threads are.
pub(crate) fn the_time_zone_is_read_only_where_no_other_threads_are() {
    unsafe extern "C" {
        static timezone: libc::c_long;
    }
    let west = |zone: &str| {
        // SAFETY: no other thread reads the environment.
        unsafe { std::env::set_var("TZ", zone) };
        tzset();
        // SAFETY: no other thread changes the variable.
        unsafe { timezone }
    };
    assert_eq!((west("ABC3"), west("XYZ-9")), (3 * 3600, -9 * 3600));
    assert!(localtime_r(Duration::ZERO).is_some_and(|tm| tm.hour == 9));
    std::thread::spawn(|| ()).join().unwrap();
    assert_eq!((west("ABC3"), localtime_r(Duration::ZERO)), (-9 * 3600, None));
}

/// Checks that each system call of this machine up to Linux 5.13 has a name of its own.
#[cfg(target_arch = "x86_64")]
pub(crate) fn each_system_call_has_its_name() {
    // The numbers between are not in use, and those behind are of later calls.
    let names: Vec<_> = (0..=334).chain(424..=446).map(|number| (number, syscall::name(number))).collect();
    let unnamed: Vec<_> = names.iter().filter(|(_, name)| name.is_none()).map(|(number, _)| number).collect();
    // Three calls are no longer in the kernel, and the last is io_pgetevents.
    assert_eq!(unnamed, [&174, &177, &178, &333]);
    let unlike: BTreeSet<_> = names.iter().filter_map(|(_, name)| *name).collect();
    assert_eq!(unlike.len(), names.len() - unnamed.len());
    assert!([-1, 335, 423, 1 << 16, libc::c_long::MAX].iter().all(|number| syscall::name(*number).is_none()));
    for (number, name) in [(0, "read"), (56, "clone"), (156, "_sysctl"), (334, "rseq"), (446, "landlock_restrict_self")]
    {
        assert_eq!(syscall::name(number), Some(name));
    }
}

/// Other machines have other numbers.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn each_system_call_has_its_name() {
    assert_eq!(syscall::name(libc::SYS_landlock_restrict_self), Some("landlock_restrict_self"));
}
