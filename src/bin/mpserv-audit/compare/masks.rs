//! Tests each normalization: the values that it puts aside, and the values that are still compared.

use super::tests::{compared, differences};
use crate::normalize::list;

/// The name of a normalization, a line, a line that becomes the same, and a line that must stay different.
const MASKS: [(&str, &str, &str, &str); 16] = [
    ("process-id", "kill(100, SIGTERM) = 0", "kill(200, SIGTERM) = 0", "kill(201, SIGTERM) = 0"),
    (
        "pointer",
        "read(3, 0x7ffc00001000, 8) = -1 EAGAIN (x)",
        "read(3, 0x7ffd00002000, 8) = -1 EAGAIN (x)",
        "read(3, NULL, 8) = -1 EAGAIN (x)",
    ),
    (
        "thread-block",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xffff80000000\n\
         set_tid_address(0xffff80000050) = 100\nset_robust_list(0xffff80000060, 24) = 0",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xffff90000000\n\
         set_tid_address(0xffff90000070) = 200\nset_robust_list(0xffff90000080, 24) = 0",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xffff90000000\n\
         set_tid_address(0xffff90000070) = 200\nset_robust_list(0xffff90000088, 24) = 0",
    ),
    (
        "ephemeral-port",
        "accept(3, {sa_family=AF_INET, sin_port=htons(40000)}, [16]) = 4",
        "accept(3, {sa_family=AF_INET, sin_port=htons(50000)}, [16]) = 4",
        "accept(3, {sa_family=AF_INET, sin_port=htons(0)}, [16]) = 4",
    ),
    (
        "environment",
        "getpid() = 1\nexecve(\"/bin/x\", [\"x\"], [\"_=/a\", \"PWD=/b\"]) = -1 ENOENT (x)",
        "getpid() = 1\nexecve(\"/bin/x\", [\"x\"], [\"SHLVL=2\"]) = -1 ENOENT (x)",
        "getpid() = 1\nexecve(\"/bin/x\", [\"x\"], [\"SHLVL=2\", \"SET=1\"]) = -1 ENOENT (x)",
    ),
    (
        "directory",
        "getcwd(\"/one/place\", 4096) = 11\nopen(\"/one/place/file\", O_RDONLY) = 3",
        "getcwd(\"/another\", 4096) = 9\nopen(\"/another/file\", O_RDONLY) = 3",
        "getcwd(\"/another\", 4096) = 9\nopen(\"/another2/file\", O_RDONLY) = 3",
    ),
    ("user", "getuid() = 0\ngeteuid() = 0", "getuid() = 7\ngeteuid() = 7", "getuid() = 7\ngeteuid() = 8"),
    (
        "device",
        "fstat(3, {st_dev=makedev(0, 0xf), st_mode=1}) = 0",
        "fstat(3, {st_dev=makedev(0xfe, 0), st_mode=1}) = 0",
        "fstat(3, {st_dev=makedev(0xfe, 0), st_mode=2}) = 0",
    ),
    (
        "random",
        "getrandom(\"\\x01\", 1, GRND_NONBLOCK) = 1",
        "getrandom(\"\\x02\", 1, GRND_NONBLOCK) = 1",
        "getrandom(\"\\x02\", 2, GRND_NONBLOCK) = 1",
    ),
    (
        "time",
        "nanosleep({tv_sec=100, tv_nsec=0}, {tv_sec=98, tv_nsec=5}) = -1 EINTR (x)",
        "nanosleep({tv_sec=100, tv_nsec=0}, {tv_sec=97, tv_nsec=6}) = -1 EINTR (x)",
        "nanosleep({tv_sec=99, tv_nsec=0}, {tv_sec=98, tv_nsec=5}) = -1 EINTR (x)",
    ),
    (
        "usage",
        "--- SIGCHLD {si_signo=SIGCHLD, si_status=0, si_utime=1, si_stime=2} ---",
        "--- SIGCHLD {si_signo=SIGCHLD, si_status=0, si_utime=3, si_stime=4} ---",
        "--- SIGCHLD {si_signo=SIGCHLD, si_status=1, si_utime=1, si_stime=2} ---",
    ),
    (
        "inode",
        "fstat(3, {st_ino=1, st_nlink=1}) = 0",
        "fstat(3, {st_ino=2, st_nlink=1}) = 0",
        "fstat(3, {st_ino=2, st_nlink=2}) = 0",
    ),
    (
        "terminal",
        "fstat(3, {st_rdev=makedev(0x88, 0x1)}) = 0",
        "fstat(3, {st_rdev=makedev(0x88, 0x2)}) = 0",
        "fstat(3, {st_rdev=makedev(0x4, 0x1)}) = 0",
    ),
    (
        "own-segments",
        "brk(NULL) = 0x555500100000\nmprotect(0x555500000000, 4096, PROT_READ) = 0",
        "brk(NULL) = 0x555600100000\nmprotect(0x555600000000, 8192, PROT_READ) = 0",
        "brk(NULL) = 0x555600100000\nmprotect(0x555600000000, 4096, PROT_NONE) = 0",
    ),
    ("length", "send(3, \"100\", 3) = 3", "send(3, \"200\", 3) = 3", "send(3, \"200\", 4) = 3"),
    (
        "signals without a mask",
        "--- SIGCONT {si_signo=SIGCONT, si_code=SI_USER, si_pid=100, si_uid=0} ---",
        "--- SIGCONT {si_signo=SIGCONT, si_code=SI_USER, si_pid=200, si_uid=0} ---",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=200, si_uid=0} ---",
    ),
];

#[test]
fn each_puts_aside_what_it_says_and_no_more() {
    for (name, line, equal, other) in MASKS {
        let [line, equal, other] = [line, equal, other].map(|text| format!("{text}\n"));
        assert_eq!(differences(&line, &equal), 0, "{name}: {line}{equal}");
        assert_ne!(differences(&line, &other), 0, "{name}: {line}{other}");
    }
}

/// Checks each place of a user or a group, with a user and a group of different ids.
#[test]
fn each_place_of_a_user_or_group_is_put_aside() {
    let lines = |user: u32, group: u32| {
        let owner = format!("st_uid={user}, st_gid={group}");
        let of_streams = (0..=2).flat_map(|fd| {
            [format!("fstat({fd}, {{{owner}}}) = 0"), format!("newfstatat({fd}, \"\", {{{owner}}}, AT_EMPTY_PATH) = 0")]
        });
        let others = [
            format!("--- SIGUSR1 {{si_signo=SIGUSR1, si_code=SI_USER, si_uid={user}}} ---"),
            format!("getuid() = {user}"),
            format!("geteuid() = {user}"),
            format!("getgid() = {group}"),
            format!("getegid() = {group}"),
            format!("getresuid([{user}], [{user}], [{user}]) = 0"),
            format!("getresgid([{group}], [{group}], [{group}]) = 0"),
            format!("getgroups(1, [{group}]) = 1"),
        ];
        of_streams.chain(others).collect::<Vec<_>>()
    };
    // The trace first names its user and its group, and then uses them or others.
    let trace = |line: &str, user: u32, group: u32| format!("getuid() = {user}\ngetgid() = {group}\n{line}\n");
    for ((of_root, of_user), of_other) in lines(0, 0).iter().zip(lines(1000, 100)).zip(lines(1001, 101)) {
        assert_eq!(differences(&trace(of_root, 0, 0), &trace(&of_user, 1000, 100)), 0, "{of_user}");
        assert_ne!(differences(&trace(of_root, 0, 0), &trace(&of_other, 1000, 100)), 0, "{of_user}");
    }
    // The owner of another file stays.
    for line in [
        "fstat(3, {st_uid=0}) = 0",
        "newfstatat(3, \"\", {st_gid=0}, AT_EMPTY_PATH) = 0",
        "stat(\"/\", {st_uid=0}) = 0",
    ] {
        assert_ne!(differences(&format!("{line}\n"), &format!("{}\n", line.replace("id=0", "id=7"))), 0, "{line}");
    }
}

/// Checks the results and the fields that are process ids. `#` stands for the id.
#[test]
fn each_result_and_field_that_is_a_process_id_is_known() {
    let trace = |line: &str, id: &str| format!("{}\n", line.replace('#', id));
    for line in [
        "getpid() = #",
        "gettid() = #",
        "getppid() = #",
        "getpgrp() = #",
        "getpgid(0) = #",
        "getsid(0) = #",
        "setsid() = #",
        "set_tid_address(0x7f0000001000) = #",
        "wait4(-1, NULL, 0, NULL) = #",
        "waitpid(-1, NULL, 0) = #",
        "waitpid(#, NULL, 0) = -1 ECHILD (No child processes)",
        "fcntl(3, F_GETLK, {l_type=F_UNLCK, l_pid=#}) = 0",
        "ioctl(0, TIOCSPGRP, [#]) = 0",
        "ioctl(0, TIOCGPGRP, [#]) = 0",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=#} ---",
        "clone3({flags=CLONE_PARENT_SETTID, parent_tid=[#]}, 88) = -1 EAGAIN (x)",
        "rt_sigtimedwait([USR1], {si_signo=SIGUSR1, si_pid=#}, NULL, 8) = 10 (SIGUSR1)",
    ] {
        assert_eq!(differences(&trace(line, "100"), &trace(line, "200")), 0, "{line}");
        assert_eq!(differences(&trace(line, "100"), &trace(line, "201")), 1, "{line}");
    }
    // Other numbers of such calls stay.
    for line in [
        "fcntl(3, F_SETFD, #) = 0",
        "fcntl(#, F_SETFD, 0) = 0",
        "getpriority(PRIO_PROCESS, 0) = #",
        "ioctl(0, TIOCSWINSZ, {ws_row=#}) = 0",
        "kill(5, #) = 0",
        "sched_getaffinity(0, #, [0]) = 8",
        "setpriority(PRIO_PROCESS, 0, #) = 0",
        "waitid(P_PID, 5, NULL, #, NULL) = 0",
    ] {
        assert_eq!(differences(&trace(line, "100"), &trace(line, "200")), 1, "{line}");
    }
}

/// Checks each place of a measured number. `#` stands for the number.
#[test]
fn each_measured_number_is_put_aside() {
    let lines = [
        "wait4(-1, NULL, 0, {ru_utime={tv_sec=#, tv_usec=#}, ru_maxrss=#}) = -1 ECHILD (x)",
        "waitid(P_ALL, 0, NULL, WEXITED, {ru_nswap=#}) = 0",
        "getrusage(RUSAGE_SELF, {ru_utime={tv_sec=#, tv_usec=#}, ru_minflt=#}) = 0",
        "times({tms_utime=#, tms_stime=#}) = 5",
        "times(NULL) = #",
        "--- SIGCHLD {si_signo=SIGCHLD, si_status=0, si_utime=#, si_stime=#} ---",
        "clock_gettime(CLOCK_REALTIME, {tv_sec=#, tv_nsec=#}) = 0",
        "clock_getres(CLOCK_REALTIME, {tv_sec=#, tv_nsec=#}) = 0",
        "timer_gettime(0, {it_interval={tv_sec=#, tv_nsec=#}}) = 0",
        "getitimer(ITIMER_REAL, {it_value={tv_sec=#, tv_usec=#}}) = 0",
        "gettimeofday({tv_sec=#, tv_usec=#}, NULL) = 0",
        "sysinfo({uptime=#, loads=[#]}) = 0",
        "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=5, tv_nsec=0}, {tv_sec=#, tv_nsec=#}) = -1 EINTR (x)",
        "nanosleep({tv_sec=5, tv_nsec=0}, {tv_sec=#, tv_nsec=#}) = -1 EINTR (x)",
        "setitimer(ITIMER_REAL, NULL, {it_value={tv_sec=#, tv_usec=#}}) = 0",
        "timer_settime(0, 0, NULL, {it_value={tv_sec=#, tv_nsec=#}}) = 0",
        "time(NULL) = #",
        "fstat(3, {st_atime=#, st_atime_nsec=#, st_mtime=#, st_mtime_nsec=#, st_ctime=#, st_ctime_nsec=#}) = 0",
        "statx(3, \"\", 0, STATX_ALL, {stx_mtime={tv_sec=#, tv_nsec=#}}) = 0",
        "select(4, [3], NULL, NULL, {tv_sec=5, tv_usec=0}) = 1 (in [3], left {tv_sec=#, tv_usec=#})",
        "ppoll([{fd=3}], 1, {tv_sec=5, tv_nsec=0}, NULL, 8) = 1 ([{fd=3}], left {tv_sec=#, tv_nsec=#})",
        "pselect6(4, [3], NULL, NULL, {tv_sec=5, tv_nsec=0}, NULL) = 1 (in [3], left {tv_sec=#, tv_nsec=#})",
    ];
    let trace = |line: &str, number: &str| format!("{}\n", line.replace('#', number));
    for line in lines {
        assert_eq!(differences(&trace(line, "3"), &trace(line, "4")), 0, "{line}");
        // A time that the program asks for stays.
        if line.contains("tv_sec=5") {
            let other = line.replace("tv_sec=5", "tv_sec=6");
            assert_ne!(differences(&trace(line, "3"), &trace(&other, "3")), 0, "{line}");
        }
    }
    for line in [
        "setitimer(ITIMER_REAL, {it_value={tv_sec=#, tv_usec=0}}, NULL) = 0",
        "timer_settime(0, 0, {it_value={tv_sec=#, tv_nsec=0}}, NULL) = 0",
        "alarm(#) = 0",
        "clock_gettime(#, {}) = 0",
        "clock_settime(CLOCK_REALTIME, {tv_sec=#, tv_nsec=0}) = 0",
        "fstat(3, {st_size=#}) = 0",
    ] {
        assert_ne!(differences(&trace(line, "3"), &trace(line, "4")), 0, "{line}");
    }
}

#[test]
fn all_are_tested() {
    // These two normalizations need a real run: see tests/audit.
    let elsewhere = ["own-path", "endless"];
    for one in list::ALL {
        let here = MASKS.iter().any(|(name, ..)| *name == one.name);
        assert!(here || elsewhere.contains(&one.name), "{} has no test", one.name);
    }
}

#[test]
fn an_identity_holds_in_both_directions() {
    let stat =
        |first: u32, second: u32| format!("fstat(3, {{st_ino={first}}}) = 0\nfstat(4, {{st_ino={second}}}) = 0\n");
    assert_eq!(differences(&stat(1, 2), &stat(8, 9)), 0);
    assert_eq!(differences(&stat(1, 1), &stat(8, 8)), 0);
    assert_eq!(differences(&stat(1, 2), &stat(8, 8)), 1, "two files of A are one of B");
    assert_eq!(differences(&stat(1, 1), &stat(8, 9)), 1, "one file of A is two of B");
}

/// Lists a directory, and asks for two files of different devices. A number that two devices have by chance is no
/// identity. For example, the inode number of a terminal follows from its number.
#[test]
fn an_inode_is_one_of_its_device() {
    let listed = |listed: u32| format!("getdents64(3, [{{d_ino={listed}, d_off=1}}], 32768) = 24\n");
    let stat = |device: u32, inode: u32| format!("fstat(1, {{st_dev=makedev(0, {device}), st_ino={inode}}}) = 0\n");
    let statx = |device: u32, inode: u32| {
        let device = format!("stx_dev_major=0, stx_dev_minor={device}");
        format!("statx(1, \"\", AT_EMPTY_PATH, STATX_INO, {{stx_ino={inode}, {device}}}) = 0\n")
    };
    for of_file in [&stat as &dyn Fn(u32, u32) -> String, &statx] {
        let both = |first: u32, second: u32| [listed(14), of_file(26, first), of_file(27, second)].concat();
        assert_eq!(differences(&both(14, 14), &both(8, 14)), 0, "{}", both(14, 14));
        assert_eq!(differences(&both(14, 14), &both(8, 9)), 0, "{}", both(14, 14));
        let one = |first: u32, second: u32| [listed(14), of_file(26, first), of_file(26, second)].concat();
        assert_eq!(differences(&one(14, 14), &one(8, 8)), 0, "{}", one(14, 14));
        assert_eq!(differences(&one(14, 14), &one(8, 9)), 1, "{}", one(14, 14));
        assert_eq!(differences(&one(14, 15), &one(8, 8)), 1, "{}", one(14, 15));
    }
}

#[test]
fn each_argument_that_is_a_process_id_is_known() {
    let trace = |child: u32, line: &str| format!("fork() = {child}\n{line}\n");
    for line in [
        "fcntl(3, F_SETOWN, C) = 0",
        "getpgid(C) = 0",
        "getpriority(PRIO_PROCESS, C) = 20",
        "getsid(C) = 0",
        "kill(C, SIGTERM) = 0",
        "pidfd_open(C, 0) = 3",
        "prlimit64(C, RLIMIT_NOFILE, NULL, NULL) = 0",
        "process_vm_readv(C, [], 0, [], 0, 0) = 0",
        "process_vm_writev(C, [], 0, [], 0, 0) = 0",
        "ptrace(PTRACE_ATTACH, C) = 0",
        "rt_sigqueueinfo(C, SIGUSR1, {}) = 0",
        "rt_tgsigqueueinfo(C, P, SIGUSR1, {}) = 0",
        "rt_tgsigqueueinfo(P, C, SIGUSR1, {}) = 0",
        "sched_getaffinity(C, 8, [0]) = 8",
        "sched_getparam(C, [0]) = 0",
        "sched_getscheduler(C) = 0",
        "sched_setaffinity(C, 8, [0]) = 0",
        "sched_setparam(C, [0]) = 0",
        "sched_setscheduler(C, SCHED_OTHER, [0]) = 0",
        "setpgid(C, P) = 0",
        "setpgid(P, C) = 0",
        "setpriority(PRIO_PROCESS, C, 1) = 0",
        "tgkill(C, P, SIGTERM) = 0",
        "tgkill(P, C, SIGTERM) = 0",
        "tkill(C, SIGTERM) = 0",
        "wait4(C, NULL, 0, NULL) = 0",
        "waitid(P_PID, C, NULL, WEXITED, NULL) = 0",
    ] {
        let with = |parent: u32, child: u32| {
            let line = line.replace("(C", &format!("({child}")).replace("(P,", &format!("({parent},"));
            line.replace(", C", &format!(", {child}")).replace(", P,", &format!(", {parent},"))
        };
        let found = |other: &str| {
            let (a, b) = (trace(101, &with(100, 101)), trace(201, other));
            compared(&[(100, &a), (101, "")], &[(200, &b), (201, "")]).differences()
        };
        assert_eq!(found(&with(200, 201)), 0, "{line}");
        assert_eq!(found(&with(200, 200)), 1, "{line}: the parent's id in place of the child's");
    }
}

#[test]
fn a_port_from_the_kernel_is_one_wherever_it_comes() {
    let address =
        |port: u32| format!("{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"127.0.0.1\")}}");
    let connects = |port: u32| format!("connect(4, {}, 16) = 0\n", address(port));
    let told = |port: u32, to: u32| {
        format!("bind(3, {}, 16) = 0\ngetsockname(3, {}, [16]) = 0\n{}", address(0), address(port), connects(to))
    };
    assert_eq!(differences(&told(40000, 40000), &told(50000, 50000)), 0);
    assert_eq!(differences(&told(40000, 40000), &told(50000, 50001)), 1, "it connects to another port");
    assert_eq!(differences(&connects(40000), &connects(50000)), 1, "the program chose the port");
}

#[test]
fn a_mapping_is_as_long_as_its_last_call_made_it() {
    let trace = |base: u64, moved: u64, offset: u64| {
        format!(
            "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) = {base:#x}\n\
             mremap({base:#x}, 4096, 12288, MREMAP_MAYMOVE) = {moved:#x}\n\
             madvise({:#x}, 4096, MADV_DONTNEED) = 0\n",
            moved + offset
        )
    };
    let one = trace(0x7f00_0000_0000, 0x7f00_0010_0000, 0x2000);
    assert_eq!(differences(&one, &trace(0x7e00_0000_0000, 0x7e00_0070_0000, 0x2000)), 0);
    assert_eq!(differences(&one, &trace(0x7e00_0000_0000, 0x7e00_0070_0000, 0x1000)), 1);
}

#[test]
fn what_is_left_of_a_mapping_is_known() {
    let trace = |base: u64, unmapped: u64, protected: u64| {
        format!(
            "mmap(NULL, 12288, PROT_READ, MAP_PRIVATE, -1, 0) = {base:#x}\nmunmap({unmapped:#x}, 4096) = 0\n\
             mprotect({protected:#x}, 4096, PROT_NONE) = 0\n"
        )
    };
    let (a, b) = (0x7f00_0000_0000, 0x7e00_0000_0000);
    let (page, stack) = (0x1000, 0x7ffc_0000_0000);
    // The first, the last or the middle page is unmapped. Each time, another page is protected.
    for (gone, left) in [(0, page), (0, 2 * page), (2 * page, 0), (2 * page, page), (page, 0), (page, 2 * page)] {
        let one = trace(a, a + gone, a + left);
        assert_eq!(differences(&one, &trace(b, b + gone, b + left)), 0, "{gone:#x} {left:#x}");
        assert_eq!(differences(&one, &trace(b, b + gone, stack)), 1, "{gone:#x} {left:#x}");
    }
    // An unmapped range is no longer a part of the mapping.
    assert_eq!(differences(&trace(a, a, a), &trace(b, b, stack)), 0);
}

#[test]
fn no_line_about_a_signal_is_dropped() {
    for line in [
        "--- SIGCONT {si_signo=SIGCONT, si_code=SI_USER, si_pid=1, si_uid=0} ---\n",
        "--- stopped by SIGSTOP ---\n",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_CONTINUED, si_pid=1, si_uid=0, si_status=SIGCONT} ---\n",
    ] {
        assert_eq!(differences(&format!("pause() = ?\n{line}"), "pause() = ?\n"), 1, "{line}");
    }
}
