//! Comparisons of traces that are written here.

use std::time::Instant;

use super::*;

fn tree(processes: &[(u32, &str)]) -> Tree {
    let trace = |text: &str| Trace::new(text.as_bytes().to_vec(), false).unwrap();
    Tree::build(processes.iter().map(|(pid, text)| (*pid, trace(text))).collect(), processes[0].0)
}

fn compared(a: &[(u32, &str)], b: &[(u32, &str)]) -> Comparison {
    let (a, b) = (tree(a), tree(b));
    let run = |tree| Run::new(tree, &[], None);
    compare(&Side { tree: &a, run: &run(&a) }, &Side { tree: &b, run: &run(&b) }, From::Execve)
}

fn differences(a: &str, b: &str) -> usize {
    compared(&[(100, a)], &[(200, b)]).differences()
}

#[test]
fn equal_calls_are_equal_and_others_are_not() {
    assert_eq!(differences("close(3) = 0\n", "close(3) = 0\n"), 0);
    assert_eq!(differences("close(3) = 0\n", "close(4) = 0\n"), 1);
    assert_eq!(differences("close(3) = 0\n", "close(3) = -1 EBADF (Bad file descriptor)\n"), 1);
    assert_eq!(differences("close(3) = 0\n", ""), 1);
    assert_eq!(differences("listen(3, 5) = 0\n", "listen(3, 6) = 0\n"), 1);
}

#[test]
fn a_line_that_cannot_be_parsed_is_a_difference_even_to_itself() {
    assert_eq!(differences("nonsense\n", "nonsense\n"), 1);
    assert_eq!(differences("nonsense\n", ""), 1);
}

#[test]
fn processes_are_paired_by_place() {
    let root = |first: u32, second: u32| {
        format!("fork() = {first}\nfork() = {second}\nwait4({second}, NULL, 0, NULL) = {second}\n")
    };
    let (a, b) = (root(101, 102), root(999, 998));
    let first = "close(3) = 0\n";
    let second = "close(4) = 0\n";
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &b), (999, first), (998, second)]).differences(),
        0
    );
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &b), (999, second), (998, first)]).differences(),
        2
    );
    // Waiting for the other child is another call.
    let swapped = b.replace("wait4(998, NULL, 0, NULL) = 998", "wait4(999, NULL, 0, NULL) = 999");
    assert_eq!(
        compared(&[(100, &a), (101, first), (102, second)], &[(1, &swapped), (999, first), (998, second)])
            .differences(),
        1
    );
}

#[test]
fn a_process_that_nobody_forked_is_not_lost() {
    assert_eq!(
        compared(&[(100, "close(3) = 0\n"), (101, "close(4) = 0\n")], &[(7, "close(3) = 0\n")]).differences(),
        1
    );
}

#[test]
fn text_made_of_process_ids_is_equal_and_so_is_its_length() {
    let trace =
        |child: u32, length: usize| format!("fork() = {child}\nwrite(1, \"child {child}\\n\", {length}) = {length}\n");
    let (a, b) = (trace(999, 10), trace(1000, 11));
    assert_eq!(compared(&[(100, &a), (999, "")], &[(200, &b), (1000, "")]).differences(), 0);
    // One byte more is not explained by the id.
    let longer = trace(1000, 12);
    assert_eq!(compared(&[(100, &a), (999, "")], &[(200, &longer), (1000, "")]).differences(), 1);
}

#[test]
fn process_ids_in_binary_data_are_equal() {
    let trace =
        |child: u32, id: &str| format!("fork() = {child}\nsendto(1, \"\\1{id}\\0\\0\\3\", 9, 0, NULL, 0) = 9\n");
    let (a, b) = (trace(0x4fac, "\\254O"), trace(0x0a01, "\\1\\n"));
    assert_eq!(compared(&[(100, &a), (0x4fac, "")], &[(200, &b), (0x0a01, "")]).differences(), 0);
    let wrong = trace(0x0a01, "\\2\\n");
    assert_eq!(compared(&[(100, &a), (0x4fac, "")], &[(200, &wrong), (0x0a01, "")]).differences(), 1);
}

#[test]
fn mappings_are_the_same_by_identity() {
    let trace = |first: &str, second: &str, freed: &str| {
        format!(
            "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = {first}\nmmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = {second}\nmunmap({freed}, 4096) = 0\n"
        )
    };
    let (x, y, p, q) = ("0x7f0000001000", "0x7f0000005000", "0x7e0000001000", "0x7e0000009000");
    assert_eq!(differences(&trace(x, y, x), &trace(p, q, p)), 0);
    assert_eq!(differences(&trace(x, y, x), &trace(p, q, q)), 1);
}

#[test]
fn lengths_of_the_heap_and_of_mappings_count() {
    let heap = |start: u64, size: u64| format!("brk(NULL) = {start:#x}\nbrk({0:#x}) = {0:#x}\n", start + size);
    assert_eq!(differences(&heap(0x5555_0000_0000, 0x21000), &heap(0x5666_0000_0000, 0x21000)), 0);
    assert_eq!(differences(&heap(0x5555_0000_0000, 0x21000), &heap(0x5666_0000_0000, 0x22000)), 1);
    let file = |offset: &str| format!("mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, {offset}) = 0x7f0000001000\n");
    assert_eq!(differences(&file("0x26000"), &file("0x27000")), 1);
}

#[test]
fn sleeps_are_compared_and_what_is_left_of_them_is_not() {
    let sleep = |seconds: u64, left: u64| {
        format!(
            "clock_nanosleep(CLOCK_REALTIME, 0, {{tv_sec={seconds}, tv_nsec=0}}, {{tv_sec={left}, tv_nsec=1}}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)\n"
        )
    };
    assert_eq!(differences(&sleep(100, 98), &sleep(100, 97)), 0);
    assert_eq!(differences(&sleep(100, 98), &sleep(99, 98)), 1);
}

#[test]
fn file_times_are_not_compared_in_number_or_date() {
    let stat = |seconds: u32, date: &str| {
        format!(
            "newfstatat(3, \"\", {{st_size=5, st_atime={seconds} /* {date} */, st_atime_nsec=7}}, AT_EMPTY_PATH) = 0\n"
        )
    };
    assert_eq!(differences(&stat(1, "1970-01-01T00:00:01"), &stat(2, "1970-01-01T00:00:02")), 0);
    let statx = |seconds: u32, date: &str, size: u32| {
        let time = format!("stx_atime={{tv_sec={seconds}, tv_nsec=0}} /* {date} */");
        format!("statx(AT_FDCWD, \"/\", 0, STATX_MODE, {{{time}, stx_size={size}}}) = 0\n")
    };
    assert_eq!(differences(&statx(1, "1970-01-01T00:00:01", 5), &statx(2, "1970-01-01T00:00:02", 5)), 0);
    assert_eq!(differences(&statx(1, "1970-01-01T00:00:01", 5), &statx(1, "1970-01-01T00:00:01", 6)), 1);
}

#[test]
fn ports_that_the_program_names_count() {
    let server = |port: u16, client: u16| {
        format!(
            "bind(3, {{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"0.0.0.0\")}}, 16) = 0\naccept(3, {{sa_family=AF_INET, sin_port=htons({client}), sin_addr=inet_addr(\"127.0.0.1\")}}, [16]) = 4\n"
        )
    };
    assert_eq!(differences(&server(9190, 40000), &server(9190, 50000)), 0);
    assert_eq!(differences(&server(9190, 40000), &server(9191, 40000)), 1);
}

/// How long a trace is compared here in `cargo test`, and at full length in the benchmark.
const LINES: usize = 20_000;
const LINES_OF_BENCHMARK: usize = 1_000_000;

/// A long trace whose lines are not all equal; `seed` makes some of them differ.
fn long(lines: usize, seed: usize) -> String {
    let line = |index: usize| {
        let odd = if index % 1000 == 5 { seed } else { 0 };
        match index % 5 {
            0 => format!("read(4, \"line {index} of many\\n\", 30) = {}\n", 12 + odd),
            1 => format!("write(4, \"line {index} of many\\n\", 20) = 20\n"),
            2 => format!("clock_gettime(CLOCK_REALTIME, {{tv_sec={index}, tv_nsec={seed}}}) = 0\n"),
            3 => format!(
                "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f{:08x}000\n",
                index * 4 + seed
            ),
            _ => format!("close({}) = 0\n", index % 97 + odd),
        }
    };
    (0..lines).map(line).collect()
}

#[test]
fn a_long_trace_differs_only_where_it_does() {
    let (a, b) = (long(LINES, 0), long(LINES, 1));
    assert_eq!(differences(&a, &a), 0);
    assert_eq!(differences(&a, &b), LINES / 1000);
}

/// Traces with nothing in common but names, and traces of few calls in random order, are the worst cases.
fn shuffled(lines: usize, mut state: u64) -> String {
    let mut line = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("close({}) = 0\n", (state >> 40) % 40)
    };
    (0..lines).map(|_| line()).collect()
}

#[test]
#[ignore = "a benchmark: cargo test --release --bin mpserv-audit -- --ignored --nocapture million"]
fn a_million_lines_are_compared_in_ten_seconds_and_a_gibibyte() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let cases = [
        ("equal", long(LINES_OF_BENCHMARK, 0), long(LINES_OF_BENCHMARK, 0)),
        ("one in a thousand differs", long(LINES_OF_BENCHMARK, 0), long(LINES_OF_BENCHMARK, 1)),
        ("shuffled", shuffled(LINES_OF_BENCHMARK, 1), shuffled(LINES_OF_BENCHMARK, 2)),
    ];
    // A busy machine makes it take longer, not do more.
    let processor_seconds = || {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        times.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    for (name, a, b) in cases {
        let (start, worked) = (Instant::now(), processor_seconds());
        let found = differences(&a, &b);
        let (wall, seconds, mebibytes) = (start.elapsed().as_secs_f64(), processor_seconds() - worked, peak());
        println!(
            "{LINES_OF_BENCHMARK} lines, {name}: {found} differences, {seconds:.2} s of a processor, {wall:.2} s in all, \
             at most {mebibytes} MiB so far"
        );
        assert!(seconds < 10.0 && mebibytes < 1024);
    }
}
