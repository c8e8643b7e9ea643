//! Tests each place to which a normalization applies, and the places beside it.

use super::tests::{compared, differences};
use crate::level::Level;

/// Checks that a line is the same with both values, or not. `#` stands for the value.
#[track_caller]
fn check(line: &str, [one, other]: [&str; 2], is_put_aside: bool) {
    let trace = |value: &str| format!("{}\n", line.replace('#', value));
    assert_eq!(differences(&trace(one), &trace(other)) == 0, is_put_aside, "{one} and {other} in {line}");
}

/// The addresses of a program that is not at a random address.
const FIXED: [&str; 2] = ["0x401000", "0x402000"];

#[test]
fn each_field_that_is_an_address_is_known() {
    for field in [
        "sa_handler",
        "sa_sigaction",
        "sa_restorer",
        "ss_sp",
        "iov_base",
        "child_stack",
        "stack",
        "tls",
        "si_addr",
        "si_ptr",
        "sival_ptr",
        "child_tidptr",
        "parent_tidptr",
    ] {
        check(&format!("call(1, {{{field}=#}}) = 0"), FIXED, true);
    }
    check("call(1, {flags=#}) = 0", FIXED, false);
    check("call(1, #) = 0", FIXED, true);
    check("call(1) = #", FIXED, false);
}

#[test]
fn hexadecimal_numbers_that_are_no_addresses_stay() {
    for line in [
        "mmap(NULL, 8, PROT_READ, MAP_PRIVATE, 3, #) = -1 ENOMEM (x)",
        "rseq(0x7f0000001000, 0x20, 0, #) = 0",
        "ioctl(3, #, 0) = 0",
        "fcntl(3, F_GETFL) = #",
        "call(1, # /* explained */) = 0",
    ] {
        check(line, FIXED, false);
    }
    // A small number is a flag or a size.
    check("call(1, #) = 0", ["0x10000", "0x10001"], true);
    check("call(1, #) = 0", ["0xffff", "0xfffe"], false);
    // Within a structure, only an address of the random range is one.
    check("call({value=#}) = 0", ["0x100000000000", "0xffffffffffff"], true);
    check("call({value=#}) = 0", ["0x0fffffffffff", "0x0ffffffffffe"], false);
    check("call({value=#}) = 0", ["0x1000000000000", "0x1000000000001"], false);
}

#[test]
fn a_pointer_in_decimal_digits_is_known_where_strace_writes_one() {
    let [one, other] = [0x7f00_0000_1000_u64, 0x7e00_0000_2000].map(|address| address.to_string());
    let wide = [one.as_str(), other.as_str()];
    check("rt_sigreturn({mask=[]}) = #", wide, true);
    check("rt_sigreturn({mask=[]}) = #", ["5", "6"], false);
    check("epoll_wait(3, [{events=EPOLLIN, data={u32=65536, u64=0x7f0000001000}}], 8, -1) = #", ["1", "2"], false);
    let epoll = "epoll_ctl(3, EPOLL_CTL_ADD, 4, {events=EPOLLIN, data={u32=5, u64=#}}) = 0";
    check(epoll, wide, true);
    check(epoll, ["5", "6"], false);
    let epoll = "epoll_ctl(3, EPOLL_CTL_ADD, 4, {events=EPOLLIN, data={u32=#, u64=5}}) = 0";
    check(epoll, ["65536", "70000"], true);
    check(epoll, ["65535", "65534"], false);
    check("other(3, {u64=#}) = 0", wide, false);
}

#[test]
fn the_segments_of_the_image_are_those_within_two_gibibytes_before_the_heap() {
    let heap = "brk(NULL) = 0x555580000000\n";
    let line = |start: u64| format!("{heap}mprotect({start:#x}, #, PROT_READ) = 0");
    let sizes = ["4096", "8192"];
    check(&line(0x5555_0000_1000), sizes, true);
    check(&line(0x5555_0000_0000), sizes, false);
    check(&line(0x5555_8000_0000), sizes, false);
    check(&line(0x5555_0000_1000).replace("mprotect", "madvise"), sizes, false);
    let mapped = "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x555500001000\n";
    check(&line(0x5555_0000_1000).replace("mprotect", &format!("{mapped}mprotect")), sizes, false);
}

#[test]
fn each_way_to_make_a_process_is_known() {
    for fork in ["fork()", "vfork()", "clone(child_stack=NULL, flags=SIGCHLD)", "clone3({flags=0}, 88)"] {
        let run = |base: u32, child: &str, status: u32| {
            let child = base + 1 + u32::from(child.is_empty());
            let root = format!("{fork} = {}\nwait4({child}, NULL, 0, NULL) = {child}\n", base + 1);
            (root, format!("exit_group({status}) = ?\n"))
        };
        let of = |a: &(String, String), b: &(String, String)| {
            compared(&[(100, &a.0), (101, &a.1)], &[(200, &b.0), (201, &b.1)]).differences()
        };
        let first = run(100, "own", 0);
        assert_eq!(of(&first, &run(200, "own", 0)), 0, "{fork}");
        assert_eq!(of(&first, &run(200, "own", 1)), 1, "{fork}: the child's calls");
        assert_eq!(of(&first, &run(200, "", 0)), 1, "{fork}: another process");
    }
}

#[test]
fn each_request_about_a_process_is_known() {
    let ids = ["100", "200"];
    for line in ["ioctl(0, TIOCGSID, [#]) = 0", "ioctl(0, FIOSETOWN, [#]) = 0", "fcntl(3, F_SETOWN, #) = 0"] {
        check(line, ids, true);
        check(line, ["100", "201"], false);
    }
    // After a handler, its return shows the result of the call that it has interrupted.
    let handled = |call: &str| format!("{call}\n--- SIGCHLD {{si_signo=SIGCHLD}} ---\nrt_sigreturn({{mask=[]}}) = #");
    check(&handled("getppid() = #"), ids, true);
    check(&handled("alarm(1) = 5"), ids, false);
}

#[test]
fn each_source_of_random_bytes_is_known_until_it_is_closed() {
    let read = |open: &str| format!("{open} = 3\nread(3, \"#\", 1) = 1");
    for open in ["open(\"/dev/random\", O_RDONLY)", "openat(AT_FDCWD, \"/dev/urandom\", O_RDONLY)"] {
        check(&read(open), ["a", "b"], true);
        check(&format!("{open} = 3\nread(4, \"#\", 1) = 1"), ["a", "b"], false);
        check(&read(&format!("{open} = 3\nclose(3) = 0\nopen(\"/etc/x\", O_RDONLY)")), ["a", "b"], false);
    }
    check(&read("open(\"/dev/zero\", O_RDONLY)"), ["a", "b"], false);
    check("write(3, \"#\", 1) = 1", ["a", "b"], false);
}

#[test]
fn each_variable_that_shells_keep_is_known() {
    let line = |name: &str| format!("getpid() = 1\nexecve(\"/bin/x\", [\"x\"], [\"{name}=#\"]) = -1 ENOENT (x)");
    for name in ["PWD", "OLDPWD", "SHLVL", "_"] {
        check(&line(name), ["1", "2"], true);
    }
    for name in ["HOME", "PWD2", "__"] {
        check(&line(name), ["1", "2"], false);
    }
    // The variables that a program sets have no order.
    let two = |one: &str, other: &str| format!("{}\n", line("A").replace("A=#", &format!("{one}\", \"{other}")));
    assert_eq!(differences(&two("A=1", "B=2"), &two("B=2", "A=1")), 0);
}

#[test]
fn each_number_of_the_kernel_in_a_text_is_known() {
    for name in ["/dev/pts/#", "pipe:[#]", "socket:[#]"] {
        check(&format!("readlink(\"{name}\", 0x7ffc00001000, 8) = -1 EINVAL (x)"), ["7", "8"], true);
    }
    for name in ["/dev/tty#", "file:[#]", "/dev/pts#"] {
        check(&format!("readlink(\"{name}\", 0x7ffc00001000, 8) = -1 EINVAL (x)"), ["7", "8"], false);
    }
    // A number that begins with 0 is no process id.
    check("readlink(\"#\", 0x7ffc00001000, 8) = -1 EINVAL (x)", ["100", "200"], true);
    check("readlink(\"#\", 0x7ffc00001000, 8) = -1 EINVAL (x)", ["0100", "0200"], false);
}

/// Checks process ids whose bytes strace shows by each of its escapes. The least id has a higher byte that is not 0.
#[test]
fn a_process_id_in_binary_is_known_by_each_escape() {
    let trace = |id: u32, shown: &str| (id, format!("getpid() = {id}\nsend(3, \"{shown}\\0\\0\", 4, 0) = 4\n"));
    let plain = trace(0x4141, "AA");
    for (low, shown) in [
        (0x0a, "\\n"),
        (0x09, "\\t"),
        (0x0d, "\\r"),
        (0x0b, "\\v"),
        (0x0c, "\\f"),
        (0x22, "\\\""),
        (0x5c, "\\\\"),
        (0x1b, "\\33"),
        (0x1c, "\\x1c"),
        (0x41, "A"),
    ] {
        let of = |id: u32| {
            let (_, text) = trace(0x0100 | id, &format!("{shown}\\1"));
            compared(&[(plain.0, &plain.1)], &[(0x0100 | low, &text)]).differences()
        };
        assert_eq!(of(low), 0, "{shown}");
    }
    let least = trace(0x0100, "\\0\\1");
    assert_eq!(compared(&[(plain.0, &plain.1)], &[(least.0, &least.1)]).differences(), 0);
    let below = trace(0xff, "\\377\\0");
    assert_eq!(compared(&[(plain.0, &plain.1)], &[(below.0, &below.1)]).differences(), 1, "too common a number");
}

#[test]
fn each_call_that_tells_a_port_is_known() {
    let ports = ["40000", "50000"];
    for told in ["accept(3, A, [16]) = 4", "accept4(3, A, [16], 0) = 4", "getsockname(3, A, [16]) = 0"] {
        for (family, field) in [("AF_INET", "sin_port"), ("AF_INET6", "sin6_port")] {
            let address = format!("{{sa_family={family}, {field}=htons(#)}}");
            let told = told.replace('A', &address);
            check(&told, ports, true);
            // The port stays if the program has named it itself, even later or in a child.
            check(&format!("{told}\nbind(5, {address}, 16) = 0"), ports, false);
            check(&format!("{told}\nconnect(5, {address}, 16) = 0"), ports, true);
            check(&format!("{told}\nconnect(5, {address}, 16) = 0").replacen('#', "7", 1), ports, false);
        }
    }
    check("getpeername(3, {sa_family=AF_INET, sin_port=htons(#)}, [16]) = 0", ports, true);
}

#[test]
fn of_two_directories_the_longer_path_has_its_name() {
    let trace = |home: &str, work: &str, file: &str| {
        format!(
            "execve(\"/bin/x\", [\"x\"], [\"HOME={home}\", \"PWD={home}{work}\"]) = 0\nopen(\"{file}\", O_RDONLY) = 3\n"
        )
    };
    let one = trace("/home/one", "/job", "/home/one/job/file");
    assert_eq!(differences(&one, &trace("/other", "/elsewhere/deep", "/other/elsewhere/deep/file")), 0);
    assert_eq!(differences(&one, &trace("/other", "/elsewhere", "/other/job/file")), 1, "a file of the home");
    let home = trace("/home/one", "/job", "/home/one/file");
    assert_eq!(differences(&home, &trace("/other", "/job", "/other/file")), 0);
    assert_eq!(differences(&home, &trace("/other", "/job", "/other/job/file")), 1);
}

/// Checks the calls by which stdio prepares to print. They may differ as the printed texts do. The calls beside them
/// may not.
#[test]
fn each_call_that_prints_or_prepares_is_put_aside() {
    let texts = |lines: &str| compared(&[(100, lines)], &[(200, "close(9) = 0\n")]).level() == Level::Texts;
    let asks = "fstat(1, {st_mode=S_IFIFO|0600}) = 0\n";
    let brk = "brk(NULL) = 0x555500000000\n";
    let close = "close(9) = 0\n";
    for (lines, is_put_aside) in [
        ("write(1, \"a\", 1) = 1\n".to_owned(), true),
        ("write(2, \"a\", 1) = 1\n".to_owned(), true),
        ("writev(2, [{iov_base=\"a\", iov_len=1}], 1) = 1\n".to_owned(), true),
        ("write(3, \"a\", 1) = 1\n".to_owned(), false),
        ("read(0, \"a\", 1) = 1\n".to_owned(), false),
        (asks.to_owned(), true),
        ("fstat(0, {st_mode=S_IFIFO|0600}) = 0\n".to_owned(), false),
        ("newfstatat(1, \"\", {}, AT_EMPTY_PATH) = 0\n".to_owned(), true),
        ("newfstatat(1, \"x\", {}, 0) = 0\n".to_owned(), false),
        ("ioctl(1, TCGETS, {}) = 0\n".to_owned(), true),
        ("ioctl(1, TIOCGWINSZ, {}) = 0\n".to_owned(), false),
        ([asks, "getrandom(\"a\", 8, GRND_NONBLOCK) = 8\n", brk, brk].concat(), true),
        ([asks, "getpid() = 100\n", brk].concat(), false),
        (brk.to_owned(), false),
        // A copy of an output prints as well, until it is closed or becomes something else.
        ("dup(2) = 4\nfcntl(4, F_GETFL) = 0x1\nwrite(4, \"a\", 1) = 1\nclose(4) = 0\n".to_owned(), true),
        ("dup(1) = 4\n".to_owned(), false),
        ("fcntl(3, F_GETFL) = 0x1\n".to_owned(), false),
    ] {
        assert_eq!(texts(&(lines.clone() + close)), is_put_aside, "{lines}");
    }
    let write = |fd: u32, text: &str| format!("write({fd}, \"{text}\", 1) = 1\n");
    for (before, fd, prints) in [
        ("dup2(1, 5) = 5\n", 5, true),
        ("dup3(2, 5, O_CLOEXEC) = 5\n", 5, true),
        ("fcntl(1, F_DUPFD, 5) = 5\n", 5, true),
        ("fcntl(1, F_DUPFD_CLOEXEC, 5) = 5\n", 5, true),
        ("dup2(1, 5) = 5\nclose(5) = 0\n", 5, false),
        ("dup2(1, 5) = 5\ndup2(0, 5) = 5\n", 5, false),
        ("dup2(3, 1) = 1\n", 1, false),
        ("close(2) = 0\n", 2, false),
    ] {
        let [a, b] = ["a", "b"].map(|text| format!("{before}{}", write(fd, text)));
        let level = compared(&[(100, &a)], &[(200, &b)]).level();
        assert_eq!(level, if prints { Level::Texts } else { Level::Values }, "{before}");
    }
}

#[test]
fn a_child_knows_the_mappings_of_its_parent_up_to_its_fork() {
    let map = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0)";
    let of = |pid: u32, base: u64, freed: u64| {
        let (first, second) = (base, base + 0x10000);
        let root = format!("{map} = {first:#x}\nfork() = {pid}\n{map} = {second:#x}\n");
        (root, format!("munmap({:#x}, 4096) = 0\n", base + freed))
    };
    let compare = |freed: [u64; 2]| {
        let (root_a, child_a) = of(101, 0x7f00_0000_1000, freed[0]);
        let (root_b, child_b) = of(201, 0x7e00_0000_1000, freed[1]);
        compared(&[(100, &root_a), (101, &child_a)], &[(200, &root_b), (201, &child_b)]).differences()
    };
    assert_eq!(compare([0, 0]), 0);
    // To the child, the second mapping is any address.
    assert_eq!(compare([0, 0x10000]), 1);
    assert_eq!(compare([0x10000, 0x20000]), 0);
}
