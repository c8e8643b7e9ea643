//! Tests the comparison of long traces, and how long it takes.

use std::time::Instant;

use super::tests::differences;

/// The length of the trace that `cargo test` compares. The benchmark compares the full length.
const LINES: usize = 20_000;
const LINES_OF_BENCHMARK: usize = 1_000_000;

/// Returns a long trace whose lines are not all equal. `seed` makes some lines differ.
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

/// Returns a trace of few calls in random order. Such traces, and traces with nothing in common but names, are the
/// worst cases.
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
    // The test measures processor time, because a busy machine only makes the comparison take longer.
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
