//! Tests the parser with real traces, with each kind of line, and with altered lines.

use std::path::Path;

use super::*;
use crate::normalize::{Normal, Normalizer, Run};
use crate::tree::Tree;

/// The number of altered lines that `cargo test` tries. `AUDIT_FUZZ_LINES` sets another number.
const FUZZ_LINES: u64 = 100_000;

/// The least number of programs with real traces in the corpus.
const PROGRAMS: usize = 20;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/corpus");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_line_of_real_traces_is_parsed() {
    let corpus = corpus();
    assert!(corpus.len() >= PROGRAMS);
    for (name, bytes) in corpus {
        let trace = Trace::new(bytes, false).unwrap();
        assert!(trace.len() > 0, "{name} is empty");
        for event in 0..trace.len() {
            let line = trace.line(event);
            let text = String::from_utf8_lossy(trace.text(event)).into_owned();
            assert!(!matches!(line, Line::Unparsed(_) | Line::Frame(_)), "{name}: {text}");
        }
    }
}

#[test]
fn calls_come_apart() {
    let call = |line: &'static str| match Line::parse(line.as_bytes()) {
        Line::Call(call) => {
            [call.name, call.arguments, call.result].map(|part| String::from_utf8_lossy(part).into_owned())
        }
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(call("close(3)                                = 0"), ["close", "3", "0"]);
    assert_eq!(call(r#"write(1, ")\" = 1", 5) = 5"#), ["write", r#"1, ")\" = 1", 5"#, "5"]);
    assert_eq!(
        call("pause() = ? ERESTARTNOHAND (To be restarted if no handler)")[2],
        "? ERESTARTNOHAND (To be restarted if no handler)"
    );
    assert_eq!(call("read(0,  <unfinished ...>) = ?"), ["read", "0,  <unfinished ...>", "?"]);
    assert_eq!(call("recvmsg(3, {msg_name= <unfinished ...>) = ?")[0], "recvmsg");
    assert_eq!(call("read(0,  <unfinished ...>"), ["read", "0,  <unfinished ...>", ""]);
    assert_eq!(call("<... execve resumed>) = 0"), ["execve", "", "0"]);
    assert_eq!(call("poll([{fd=3}], 1, 5) = 1 ([{fd=3, revents=POLLIN}])")[2], "1 ([{fd=3, revents=POLLIN}])");
    assert_eq!(call("restart_syscall(<... resuming interrupted read ...>) = 1")[0], "restart_syscall");
}

#[test]
fn other_lines_are_told_apart() {
    assert!(matches!(
        Line::parse(b"--- SIGCHLD {si_signo=SIGCHLD, si_pid=3} ---"),
        Line::Signal { name: b"SIGCHLD", .. }
    ));
    assert!(matches!(Line::parse(b"--- stopped by SIGSTOP ---"), Line::Stopped { by: b"SIGSTOP" }));
    assert!(matches!(Line::parse(b"+++ exited with 3 +++"), Line::End { how: b"exited with 3" }));
    assert!(matches!(Line::parse(b"+++ killed by SIGSEGV (core dumped) +++"), Line::End { .. }));
    assert!(matches!(Line::parse(b"[ Process PID=7 runs in 32 bit mode. ]"), Line::Note(_)));
    let frame = Line::parse(b" > /bin/x(f(int)+0x1) [0x11]");
    assert!(matches!(frame, Line::Frame(Frame { object: b"/bin/x", function: b"f(int)", offset: b"0x11" })));
}

#[test]
fn what_is_no_line_of_strace_is_unparsed() {
    let broken = [
        "",
        " ",
        "close(3",
        "close(3) 0",
        "close(3) = ",
        "close(3] = 0",
        "close(\"3) = 0",
        "(3) = 0",
        "close 3 = 0",
        "--- SIGCHLD ---",
        "--- CHLD {si_pid=3} ---",
        "--- SIG+CHLD {si_pid=3} ---",
        "--- SIGCHLD {si_pid=3 ---",
        "+++ exited with x +++",
        "+++ exited +++",
        "hello",
        "close(3) = x",
        "write(1, \"a\", 1) = 1 (",
        "a(/* ) = 0",
    ];
    for line in broken {
        assert_eq!(Line::parse(line.as_bytes()), Line::Unparsed(line.as_bytes()), "{line}");
    }
}

#[test]
fn no_event_is_lost() {
    let lines = "close(1) = 0\n\n > x(f+0x1) [0x2]\nnonsense\n+++ exited with 0 +++";
    assert_eq!(Trace::new(lines.into(), false).unwrap().len(), 5);
    let with_stacks = Trace::new(lines.into(), true).unwrap();
    assert_eq!(with_stacks.len(), 4);
    assert_eq!(with_stacks.frames(1).count(), 1);
    // A line without an event before it is not taken for a frame.
    assert_eq!(Trace::new(b" > x(f+0x1) [0x2]\n".to_vec(), true).unwrap().len(), 1);
}

/// A generator of random numbers, which are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }
}

/// Fragments that are inserted into a line.
const SPLINTERS: [&[u8]; 24] = [
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"\\",
    b"/*",
    b"*/",
    b" = ",
    b"=",
    b",",
    b"<unfinished ...>",
    b" resumed>",
    b"0x7fffffffffff",
    b"18446744073709551616",
    b"0x",
    b"-1",
    b"?",
    b"---",
    b"+++",
    b" > ",
    b"\xff\x00",
];

fn tamper(line: &mut Vec<u8>, others: &[&[u8]], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(line.len() + 1);
        let until = (at + numbers.below(12)).min(line.len());
        match numbers.below(6) {
            0 => drop(line.drain(at..until)),
            1 => drop(line.splice(at..at, SPLINTERS[numbers.below(SPLINTERS.len())].iter().copied())),
            2 => line.truncate(at),
            3 => {
                let other = others[numbers.below(others.len())];
                line.truncate(at);
                line.extend_from_slice(&other[numbers.below(other.len())..]);
            }
            4 => line[at..until].reverse(),
            _ => {
                let part = line[at..until].to_vec();
                drop(line.splice(at..at, part));
            }
        }
    }
}

#[test]
fn tampered_lines_do_no_harm() {
    let count = std::env::var("AUDIT_FUZZ_LINES").ok().map_or(FUZZ_LINES, |count| count.parse().unwrap());
    let corpus = corpus();
    let lines: Vec<&[u8]> =
        corpus.iter().flat_map(|(_, bytes)| bytes.split(|b| *b == b'\n')).filter(|l| !l.is_empty()).collect();
    let tree = Tree::build(vec![(7, Trace::new(corpus[0].1.clone(), false).unwrap())], 7);
    let run = Run::new(&tree, &[b"./a".to_vec()], Some(9190));
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut normaliser, mut normal) = (Normalizer::new(&run), Normal::default());
    let mut unparsed = 0_u64;
    for index in 0..count {
        // The normalizer is replaced now and then, to forget mappings that the lines seem to make.
        if index % 1000 == 0 {
            normaliser = Normalizer::new(&run);
        }
        let mut line = lines[numbers.below(lines.len())].to_vec();
        tamper(&mut line, &lines, &mut numbers);
        normaliser.rewrite(&line, &mut normal);
        let is_unparsed = matches!(Line::parse(&line), Line::Unparsed(_) | Line::Frame(_));
        assert_eq!(normal.unparsed, is_unparsed);
        if is_unparsed {
            assert_eq!(normal.text, line);
            unparsed += 1;
        }
    }
    // Some lines must be broken and some whole. Otherwise the test has tried nothing.
    assert!((count / 20..count / 20 * 19).contains(&unparsed), "{unparsed} of {count} did not parse");
}

#[test]
fn an_event_has_its_own_frames_and_times_also_after_a_cut() {
    let lines = "1.000001 a() = 0 <0.000001>\n > x(f+0x1) [0x2]\n > x(main+0x1) [0x3]\n\
                 1.000009 b() = 0 <0.000002>\n > x(g+0x1) [0x4]\n1.000020 c() = 0 <0.000003>\n";
    let mut trace = Trace::new(lines.into(), true).unwrap();
    let offsets = |trace: &Trace, event| {
        trace.frames(event).map(|frame| String::from_utf8(frame.offset.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    let times = |trace: &Trace, event| (trace.span(event).begin, trace.span(event).end);
    assert_eq!((offsets(&trace, 0), times(&trace, 0)), (vec!["0x2".into(), "0x3".into()], (1_000_001, 1_000_002)));
    assert_eq!((offsets(&trace, 1), times(&trace, 1)), (vec!["0x4".to_owned()], (1_000_009, 1_000_011)));
    assert_eq!((offsets(&trace, 2), trace.text(2)), (vec![], &b"c() = 0"[..]));
    trace.truncate(3);
    assert_eq!(trace.len(), 3);
    trace.truncate(1);
    assert_eq!(
        (trace.len(), offsets(&trace, 0), trace.text(0)),
        (1, vec!["0x2".into(), "0x3".into()], &b"a() = 0"[..])
    );
    assert_eq!((times(&trace, 0), times(&trace, 1)), ((1_000_001, 1_000_002), (0, 0)));
}
