//! Tests of the report.

use super::*;
use crate::compare::{Side, compare};
use crate::faults::case::{Case, Fault, LOADER};
use crate::faults::server::{MODES, Whose};
use crate::normalize::Run;
use crate::run::output::Output;
use crate::start::From;
use crate::subject::{self, Printed};
use crate::trace::Trace;
use crate::tree::Tree;

fn finding(tried: usize, case: (&str, Fault, usize), outcome: &str, verdict: Verdict, tries: usize) -> Finding {
    let case = Case { call: case.0.to_owned(), fault: case.1, when: case.2, for_ever: false };
    Finding { tried, case, outcome: outcome.to_owned(), verdict, tries }
}

/// Returns a verdict about two programs with different calls and texts.
fn different() -> Verdict {
    let [a, b] = ["close(1) = 0\n", "close(2) = 0\n"]
        .map(|text| Tree::build(vec![(100, Trace::new(text.into(), false).unwrap())], 100));
    let (run_a, run_b) = (Run::new(&a, &[], None), Run::new(&b, &[], None));
    let comparison = compare(&Side { tree: &a, run: &run_a }, &Side { tree: &b, run: &run_b }, From::Execve);
    let printed = ["one", "other"].map(|text| Printed { text: text.into(), named: text.into() });
    let drive = "read EINTR at 3".to_owned();
    Verdict::Different(Box::new(subject::Case { drive, output: Output::Pipe, a, b, printed, comparison }))
}

fn report(findings: Vec<Finding>) -> Report {
    let tried = vec![Tried::Pair("a<b : c", Output::Pipe), Tried::Server(MODES[0], Whose::Children)];
    let planned = findings.len();
    Report { tried, findings, impossible: [(LOADER, 2)].into(), seconds: 2.6, planned, sides: ["A", "B"] }
}

fn all() -> Report {
    report(vec![
        finding(0, ("read", Fault::Error("EINTR"), 1), "exited with 0", Verdict::Good, 1),
        finding(0, ("read", Fault::Error("EINTR"), 3), "exited with 1", different(), 3),
        finding(0, ("read", Fault::Error("EINTR"), 5), "exited with 1", Verdict::Good, 2),
        finding(0, ("read", Fault::Error("EINTR"), 5), "exited with 1", Verdict::Good, 1),
        finding(0, ("write", Fault::Short(1), 1), "exited with 0", Verdict::NotMet, 3),
        finding(
            0,
            ("write", Fault::Signal("INT"), 2),
            "could not be tried",
            Verdict::Untried(Trouble::new("no room")),
            3,
        ),
        finding(1, ("poll", Fault::Error("EINTR"), 1), "serves all", Verdict::Violation("it panics".to_owned()), 1),
        finding(1, ("poll", Fault::Error("EFAULT"), 1), "serves all", Verdict::Good, 1),
    ])
}

#[test]
fn the_text_has_each_row_each_sum_and_each_finding() {
    let mut text = Vec::new();
    all().text(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let expected = format!(
        "\
program                     call   fault   cases  verdict    outcome
a<b : c                     read   EINTR       4  bad        exited with 0 (at 1); exited with 1 (at 3, 5)
a<b : c                     write  1 byte      1  not met    exited with 0
a<b : c                     write  SIGINT      1  not met    could not be tried
mpserv, a service: children  poll   EINTR       1  bad        serves all
mpserv, a service: children  poll   EFAULT      1  good       serves all

program                     cases        bad  not met
a<b : c                         6          1        2
mpserv, a service: children      2          1        0

8 cases in 3 s: 2 are bad, 2 were not met
1 were good only when they were tried again
2 not possible: {LOADER}
a<b : c (write 1 byte at 1): was not met
a<b : c (write SIGINT at 2): no room
mpserv, a service: children (poll EINTR at 1): it panics

a<b : c (read EINTR at 3): prints \"one\" in A and \"other\" in B
"
    );
    let squeeze =
        |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    let (shown, expected) = (squeeze(&text), squeeze(&expected));
    assert_eq!(shown[..expected.len()], expected[..], "{text}");
    // The columns stand below their heads.
    let lines: Vec<&str> = text.lines().collect();
    for (head, row, word) in [(0, 1, "read"), (0, 1, "EINTR"), (0, 1, "bad"), (0, 1, "exited")] {
        let column = ["call", "fault", "verdict", "outcome"]
            [["read", "EINTR", "bad", "exited"].iter().position(|w| *w == word).unwrap()];
        assert_eq!(lines[head].find(column), lines[row].find(word), "{text}");
    }
    // The calls of the case that differs follow.
    let rest = &shown[expected.len()..];
    assert!(rest.iter().any(|line| line.contains("close(1) = 0 | close(2) = 0")), "{text}");
}

#[test]
fn twenty_cases_that_differ_are_shown_call_by_call() {
    for (count, expected) in [(20, 20), (21, 20)] {
        let findings = (1..=count).map(|when| finding(0, ("read", Fault::Short(0), when), "ends", different(), 3));
        let mut text = Vec::new();
        report(findings.collect()).text(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap().matches("prints \"one\" in A").count(), expected);
    }
}

#[test]
fn the_page_has_each_row_and_each_sum() {
    let strace = Strace { path: "/strace".into(), version: "strace <6>".to_owned(), has_stacks: true };
    let mut page = Vec::new();
    all().page(&mut page, &strace).unwrap();
    let page = String::from_utf8(page).unwrap();
    for part in [
        "8 cases, of which <strong>2</strong> are bad and 2 were not met. <small>strace &lt;6&gt;</small></p>",
        &format!("<ul><li>2 not possible: {LOADER}</ul>"),
        "<summary>a&lt;b : c <small>6 cases</small> 1 bad</summary>",
        "<summary>mpserv, a service: children <small>2 cases</small> 1 bad</summary>",
        "<tr><td>read <small>read</small><td>EINTR<td class=\"r\">4<td><b class=\"different\">bad</b><td>exited with 0 (at 1); \
         exited with 1 (at 3, 5)\n",
        "<tr><td>write <small>write</small><td>1 byte<td class=\"r\">1<td><b class=\"different\">not met</b><td>exited with 0\n",
        "<tr><td>poll <small>poll</small><td>EFAULT<td class=\"r\">1<td><b class=\"same\">good</b><td>serves all\n",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(page.matches("<details>").count(), 2, "one for each subject");
}

#[test]
fn the_exit_status_is_that_of_the_worst_finding() {
    let case = ("read", Fault::Short(0), 1);
    let untried = || Verdict::Untried(Trouble::new("no room"));
    let violation = || Verdict::Violation("it panics".to_owned());
    for (name, tried, verdict, expected) in [
        ("good", 0, Verdict::Good, SAME),
        ("a good server", 1, Verdict::Good, SAME),
        ("different", 0, different(), DIFFERENT),
        ("a program that did not meet the fault", 0, Verdict::NotMet, DIFFERENT),
        ("a server that did not meet the fault", 1, Verdict::NotMet, SAME),
        ("an untried program", 0, untried(), DIFFERENT),
        ("an untried server", 1, untried(), DIFFERENT),
        ("a violation", 1, violation(), DIFFERENT),
    ] {
        let good = finding(0, case, "ends", Verdict::Good, 1);
        let report = report(vec![good, finding(tried, case, "ends", verdict, 1)]);
        assert_eq!(report.status().unwrap(), expected, "{name}");
    }
    for (left, told) in [(1, "interrupted: 1 case was not tried"), (2, "interrupted: 2 cases were not tried")] {
        let report = Report { planned: 8 + left, ..all() };
        assert_eq!(report.status().unwrap_err().to_string(), told);
    }
}
