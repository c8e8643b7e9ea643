//! Ordinary programs of a system. Each program equals itself, and differs from other programs.

use super::*;

/// Commands whose runs may vary, but never count as different.
const ALONE: [&str; 40] = [
    "/bin/true",
    "/bin/ls /",
    "/bin/ls -l /etc",
    "/bin/cat /etc/passwd",
    "/usr/bin/head -n 3 /etc/group",
    "/usr/bin/tail -n 3 /etc/group",
    "/usr/bin/wc /etc/services",
    "/usr/bin/sort /etc/passwd",
    "/usr/bin/uniq /etc/group",
    "/usr/bin/cut -d: -f1 /etc/passwd",
    "/usr/bin/tr a b",
    "/bin/grep root /etc/passwd",
    "/bin/sed -n 1,3p /etc/passwd",
    "/usr/bin/awk 'BEGIN { print 1 + 2 }'",
    "/usr/bin/find /etc/apt",
    "/usr/bin/xargs --version",
    "/bin/date",
    "/bin/date +%N",
    "/usr/bin/id",
    "/usr/bin/env",
    "/bin/uname -a",
    "/usr/bin/nproc",
    "/usr/bin/md5sum /etc/passwd",
    "/usr/bin/sha256sum /etc/group",
    "/usr/bin/base64 /etc/hostname",
    "/bin/mktemp -u",
    "/usr/bin/shuf -i 1-100",
    "/usr/bin/od -N 8 /dev/urandom",
    "/bin/df /",
    "/usr/bin/stat /etc/passwd",
    "/bin/dash -c 'echo one; (echo two); exit 3'",
    "/bin/dash -c 'for i in 1 2 3; do true & done; wait'",
    "/bin/bash -c 'ls / | wc -l; true'",
    "/bin/bash -c 'sleep 0.01 & sleep 0.01 & wait'",
    "/bin/bash -c 'trap : CHLD; true | true | cat; :'",
    "/usr/bin/perl -e 'fork; fork; print $$'",
    "/usr/bin/tar -cf /dev/null /etc/apt",
    "/bin/gzip -c /etc/services",
    "/usr/bin/xz -T2 -c /etc/services",
    "/usr/bin/getent passwd root",
];

/// Two commands, and the beginning of the line that names their difference.
const PAIRS: [(&str, &str, &str); 10] = [
    ("/bin/true", "/bin/false", "exit_group: status 0 / 1"),
    ("/bin/cat /etc/passwd", "/bin/cat /etc/group", "openat: path \"/etc/passwd\" / \"/etc/group\""),
    // coreutils 9.7 sleeps for a nanosecond more.
    (
        "/bin/sleep 0.01",
        "/bin/sleep 0.02",
        "clock_nanosleep: tv_nsec 10000000 / 20000000|clock_nanosleep: tv_nsec 10000001 / 20000001",
    ),
    ("/bin/dash -c 'exit 3'", "/bin/dash -c 'exit 4'", "exit_group: status 3 / 4"),
    ("/bin/dash -c 'echo one'", "/bin/dash -c 'echo two'", "printed: \"one\\n\" / \"two\\n\""),
    ("/bin/dash -c 'kill -0 $$'", "/bin/dash -c 'kill -CONT $$'", "SIGCONT only in B"),
    ("/usr/bin/head -c 10 /dev/zero", "/usr/bin/head -c 20 /dev/zero", "read: size 10 / 20"),
    ("/bin/dash -c true", "/bin/dash -c '/bin/true & wait'", "fork|clone|vfork|rt_sigprocmask"),
    ("/bin/mkdir -m 700 /proc/x", "/bin/mkdir -m 755 /proc/x", "mkdir: mode 0700 / 0755"),
    ("/bin/dash -c 'umask 022'", "/bin/dash -c 'umask 027'", "umask: mask 022 / 027"),
];

/// The number of comparisons of each command with itself.
const RUNS: usize = 20;

#[test]
#[ignore = "takes long: cargo test --test audit -- --ignored ordinary"]
fn ordinary_programs_are_not_different_from_themselves() {
    let mut verdicts = std::collections::BTreeMap::new();
    for command in ALONE {
        for time in 1..=RUNS {
            let output = run(&["--a", command, "--b", command, "--stdout", "pipe"]);
            let out = text(&output.stdout);
            let verdict = out.lines().nth(1).and_then(|row| row.rsplit("  ").next()).unwrap_or_default().to_owned();
            assert_eq!(output.status.code(), SAME, "{command}, run {time} of {RUNS}\n{out}{}", text(&output.stderr));
            *verdicts.entry(verdict).or_insert(0) += 1;
        }
    }
    println!("{verdicts:?}");
}

#[test]
fn programs_that_differ_are_found_and_the_first_line_names_the_difference() {
    for (a, b, signs) in PAIRS {
        let output = run(&["--a", a, "--b", b, "--stdout", "pipe"]);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), DIFFERENT, "{a} : {b}\n{out}{}", text(&output.stderr));
        let line = out.lines().nth(2).unwrap_or_default().trim_start();
        assert!(
            signs.split('|').any(|sign| line.starts_with(sign)),
            "{a} : {b}: the first line is not about {signs}:\n{out}"
        );
    }
}
