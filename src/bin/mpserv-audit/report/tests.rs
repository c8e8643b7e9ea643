//! Tests of what a terminal shows of a comparison.

use super::style::Style;
use super::{kinds, output, terminal};
use crate::compare::{Side, compare};
use crate::normalize::Run;
use crate::run::output::Output;
use crate::start::From;
use crate::subject::{Case, Printed, Subject};
use crate::trace::Trace;
use crate::tree::Tree;

/// Returns a comparison of two traces and two printed texts.
fn case(output: Output, traces: [&str; 2], texts: [&str; 2]) -> Case {
    let [a, b] = traces.map(|text| Tree::build(vec![(100, Trace::new(text.into(), false).unwrap())], 100));
    let (run_a, run_b) = (Run::new(&a, &[], None), Run::new(&b, &[], None));
    let comparison = compare(&Side { tree: &a, run: &run_a }, &Side { tree: &b, run: &run_b }, From::Execve);
    let printed = texts.map(|text| Printed { text: text.into(), named: text.into() });
    Case { drive: "a drive".to_owned(), output, a, b, printed, comparison }
}

fn subject(name: &str, cases: impl IntoIterator<Item = Case>) -> Subject {
    Subject { name: name.to_owned(), cases: cases.into_iter().collect() }
}

const CLOSE: &str = "close(3) = 0\n";
const OTHER: &str = "close(4) = 0\n";
const PLAIN: Style = Style { colour: false, width: 23 };

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_verdict_stands_below_its_kind_of_output() {
    let subjects = [
        subject("short", [case(Output::Pty, [CLOSE; 2], ["a"; 2]), case(Output::File, [CLOSE; 2], ["a", "b"])]),
        subject(
            "a longer name",
            [case(Output::Pty, [CLOSE, OTHER], ["a", "b"]), case(Output::File, [CLOSE; 2], ["a"; 2])],
        ),
    ];
    let table = text(|out| output::table(out, PLAIN, &subjects, &[Output::Pty, Output::File]));
    let rows = [
        "",
        "program        pty        file       calls",
        "short          same       different  same",
        "a longer name  different  same       same calls, other values",
    ];
    assert_eq!(table.lines().collect::<Vec<_>>(), rows);
    let short = [subject("x", [case(Output::Pty, [CLOSE; 2], ["a"; 2])])];
    let table = text(|out| output::table(out, PLAIN, &short, &[Output::Pty]));
    assert_eq!(table.lines().collect::<Vec<_>>(), ["", "program  pty        calls", "x        same       same"]);
}

#[test]
fn each_line_has_its_mark_and_none_ends_in_spaces() {
    let texts = ["same\r\nleft\na line that is too long\nonly here\n", "same\nright\na line\u{1b}[2J\n"];
    let subjects =
        [subject("x", [case(Output::Pty, [CLOSE; 2], texts), case(Output::Pipe, [CLOSE; 2], ["", "only\nb"])])];
    let shown = text(|out| output::side_by_side(out, PLAIN, &subjects, ["one", "other"]));
    let rows = [
        "",
        "x (a drive, pty)",
        "one          other",
        "same         same",
        "left       | right",
        "a line th… | a line\\u{…",
        "only here  <",
        "",
        "x (a drive, pipe)",
        "one          other",
        "           > only",
        "           > b",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn each_kind_has_a_line_with_its_program_its_number_and_its_place() {
    let list = |subjects: &[Subject]| text(|out| kinds::list(out, PLAIN, subjects, ["one", "other"], None));
    let twice = case(Output::Pty, [&CLOSE.repeat(2), &OTHER.repeat(2)], ["a"; 2]);
    let once = case(Output::Pipe, [CLOSE, ""], ["a"; 2]);
    let lines = list(&[subject("first", [twice]), subject("second", [once]), subject("third", [])]);
    let rows = [
        "  first: close: descriptor 3 / 4, 2 times, first in the first process (a drive, pty) at call 1 / 1",
        "  second: close(3) only in one, once, first in the first process (a drive, pipe) at call 1",
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), rows);
    // Further kinds are counted.
    for (calls, more) in
        [(20, None), (21, Some("1 more kind of difference")), (22, Some("2 more kinds of differences"))]
    {
        let trace: String = (0..calls).map(|call| format!("call{call}() = 0\n")).collect();
        let lines = list(&[subject("x", [case(Output::Pty, [&trace, ""], ["a"; 2])])]);
        assert_eq!(
            lines.lines().nth(19),
            Some("  call19() only in one, once, first in the first process (a drive, pty) at call 20")
        );
        assert_eq!(lines.lines().nth(20), more.map(|more| format!("  and {more}; --json lists all")).as_deref());
    }
}

#[test]
fn calls_stand_side_by_side_and_equal_ones_far_from_a_difference_are_left_out() {
    let equal = |name: &str| (1..=5).map(|at| format!("{name}{at}() = 0\n")).collect::<String>();
    let traces = [
        format!("{}longer(3) = 0\ne() = 0\n{}", equal("c"), equal("f")),
        format!("{}longer(4) = 0\n{}g() = 0\n", equal("c"), equal("f")),
    ];
    let subject = subject("x", [case(Output::Pty, [&traces[0], &traces[1]], ["a"; 2])]);
    let shown = |style, whole| {
        let shown = text(|out| terminal::side_by_side(out, style, &subject, ["one", "other"], whole, None));
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = [
        "",
        "x (a drive, pty)",
        "one: firs…   other: fi…",
        "...",
        "c3() = 0     c3() = 0",
        "c4() = 0     c4() = 0",
        "c5() = 0     c5() = 0",
        "longer(3)  | longer(4)",
        "= 0          = 0",
        "e() = 0    <",
        "f1() = 0     f1() = 0",
        "f2() = 0     f2() = 0",
        "f3() = 0     f3() = 0",
        "f4() = 0     f4() = 0",
        "f5() = 0     f5() = 0",
        "           > g() = 0",
    ];
    assert_eq!(shown(PLAIN, false), rows);
    let all = shown(PLAIN, true);
    assert_eq!((all[3].as_str(), all.len()), ("c1() = 0     c1() = 0", rows.len() + 1), "{all:?}");
    let coloured = shown(Style { colour: true, ..PLAIN }, false);
    for (row, line) in [
        (1, "\x1b[1mx (a drive, pty)\x1b[0m"),
        (3, "\x1b[2m...\x1b[0m"),
        (4, "c3() = 0     c3() = 0"),
        (7, "\x1b[33mlonger(3)  | longer(4) \x1b[0m"),
        (9, "\x1b[31me() = 0    < \x1b[0m"),
        (15, "\x1b[32m           > g() = 0\x1b[0m"),
    ] {
        assert_eq!(coloured[row], line);
    }
}

#[test]
fn a_gap_at_the_end_is_shown_and_a_process_that_is_not_there_is_told() {
    let trace = |text: &str| Trace::new(text.into(), false).unwrap();
    let fork = format!("fork() = 101\n{CLOSE}{CLOSE}{CLOSE}{CLOSE}");
    let a = Tree::build(vec![(100, trace(&format!("a() = 0\n{fork}"))), (101, trace("x() = 0\n"))], 100);
    let b = Tree::build(vec![(100, trace(&fork))], 100);
    let (run_a, run_b) = (Run::new(&a, &[], None), Run::new(&b, &[], None));
    let comparison = compare(&Side { tree: &a, run: &run_a }, &Side { tree: &b, run: &run_b }, From::Execve);
    let printed = [(); 2].map(|()| Printed { text: "".into(), named: "".into() });
    let subject = subject("x", [Case { drive: "d".to_owned(), output: Output::File, a, b, printed, comparison }]);
    let style = Style { colour: false, width: 63 };
    let shown = text(|out| terminal::side_by_side(out, style, &subject, ["one", "other"], false, None));
    let rows = [
        "",
        "x (d, file)",
        "one: first process               other: first process",
        "a() = 0                        <",
        // To the other side, this is the id of no process of its own.
        "fork() = 101                   | fork() = 101",
        "close(3) = 0                     close(3) = 0",
        "close(3) = 0                     close(3) = 0",
        "close(3) = 0                     close(3) = 0",
        "...",
        "one: child 1                     other: child 1 (not there)",
        "x() = 0                        <",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), rows);
}
