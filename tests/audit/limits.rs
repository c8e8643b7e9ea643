//! Tests how much of a comparison a report shows, and its colours on a terminal.

use std::fs;

use super::*;
use crate::report::keep;

/// Compares two kept traces of one process with these calls.
fn compare(folder: &TempDir, [one, other]: [&str; 2], options: &[&str]) -> Output {
    let (a, b) = (keep(folder, "one", 100, one), keep(folder, "other", 200, other));
    let arguments = ["--from", "execve", "--stdout", "pipe", "--a", &a, "--b", &b];
    let output = run(&[&arguments[..], options].concat());
    assert_ne!(output.status.code(), TROUBLE, "{}", text(&output.stderr));
    output
}

#[test]
fn twenty_kinds_of_differences_are_shown_and_further_ones_counted() {
    let folder = TempDir::new();
    for (kinds, last) in [
        (20, "umask(020) only in B"),
        (21, "and 1 more kind of difference; --json lists all"),
        (23, "and 3 more kinds of differences; --json lists all"),
    ] {
        let calls: String = (1..=kinds).map(|mask| format!("umask({mask:03}) = 022\n")).collect();
        let out = text(&compare(&folder, ["", &calls], &[]).stdout);
        let lines: Vec<&str> = out.lines().skip(2).map(str::trim).collect();
        assert_eq!(lines.len(), kinds.min(21), "{out}");
        assert!(lines.last().unwrap().starts_with(last), "{kinds}: {out}");
        let json = text(&compare(&folder, ["", &calls], &["--json", "-"]).stdout);
        assert_eq!(json.matches("{\"level\":").count(), kinds, "{json}");
    }
}

#[test]
fn a_difference_is_counted_and_named_by_its_process() {
    let folder = TempDir::new();
    let calls = |child: u32| format!("fork() = {child}\nwait4({child}, NULL, 0, NULL) = {child}\n");
    let child = |name: &str, pid: u32, size: u32| {
        let read = format!("read(0, \"\", {size}) = 0\n").repeat(3);
        fs::write(folder.join(&format!("{name}.{pid}")), format!("{read}exit_group(0) = ?\n+++ exited with 0 +++\n"))
            .unwrap();
    };
    child("one", 101, 5);
    child("other", 201, 6);
    let out = text(&compare(&folder, [&calls(101), &calls(201)], &[]).stdout);
    let line = "read: size 5 / 6, 3 times, first in child 1 (run, pipe) at call 1 / 1";
    assert!(out.lines().any(|shown| shown.trim() == line), "{out}");
    let folder = TempDir::new();
    fs::write(folder.join("one.101"), "exit_group(0) = ?\n+++ exited with 0 +++\n").unwrap();
    let out = text(&compare(&folder, [&calls(101), ""], &["--diff"]).stdout);
    assert!(out.contains("child 1 only in A, 2 calls, once, first in child 1 (run, pipe) at call 1"), "{out}");
    assert!(out.contains("B: child 1 (not there)"), "{out}");
}

/// Checks the order of the kinds of differences: the gravest first, whatever the calls' order is.
#[test]
fn the_gravest_difference_comes_first() {
    let folder = TempDir::new();
    let [one, other] = [("a", 5), ("b", 6)].map(|(text, backlog)| {
        format!("write(1, \"{text}\", 1) = 1\nclose(3) = 0\nlisten(3, {backlog}) = 0\nclose(4) = 0\n")
    });
    let out = text(&compare(&folder, [&format!("{one}umask(022) = 022\n"), &other], &[]).stdout);
    let kinds: Vec<&str> = out.lines().skip(2).map(|line| line.split(", ").next().unwrap().trim()).collect();
    assert_eq!(kinds, ["umask(022) only in A", "listen: backlog 5 / 6", "printed: \"a\" / \"b\""], "{out}");
}

/// Checks the letters that have a meaning in a page or in JSON.
#[test]
fn letters_with_a_meaning_are_escaped() {
    let folder = TempDir::new();
    let calls = "chdir(\"/<b>&\\n\") = 0\n";
    let html = text(&compare(&folder, [calls, ""], &["--html", "-"]).stdout);
    assert!(html.contains("<td>chdir(&quot;/&lt;b&gt;&amp;\\n&quot;) = 0<td>"), "{html}");
    let json = text(&compare(&folder, [calls, ""], &["--json", "-"]).stdout);
    assert!(json.contains(r#"{"kind":"only a","a":"chdir(\"/<b>&\\n\") = 0","b":null}"#), "{json}");
    // A text may hold a byte that would command a terminal.
    let out = text(&compare(&folder, ["chdir(\"/\u{1b}[31m\") = 0\n", ""], &[]).stdout);
    assert!(!out.contains('\u{1b}') && out.contains("\\u{1b}[31m"), "{out}");
    let json = text(&compare(&folder, ["chdir(\"/\u{1b}\") = 0\n", ""], &["--json", "-"]).stdout);
    assert!(json.contains(r#""chdir(\"/\u001b\") = 0""#), "{json}");
}

#[test]
fn a_page_shows_a_thousand_rows_and_three_hundred_characters() {
    let folder = TempDir::new();
    let page = |calls: &str| text(&compare(&folder, [calls, calls], &["--html", "-"]).stdout);
    // The execve, the exit_group and the end are rows as well.
    for (calls, more) in [(997, None), (998, Some("1 more row (")), (1003, Some("6 more rows ("))] {
        let page = page(&"close(3) = 0\n".repeat(calls));
        let rows: usize =
            ["ex", "close(3)", "+++"].map(|start| page.matches(&format!("<tr><td>{start}")).count()).iter().sum();
        assert_eq!(rows, 1000.min(calls + 3), "{calls}");
        assert_eq!(page.contains("more row"), more.is_some(), "{calls}");
        assert!(
            more.is_none_or(|more| page.contains(&format!("<td colspan=\"3\">{more}--traces shows all)"))),
            "{calls}"
        );
    }
    // The line of 301 characters loses its last one.
    for (length, end) in [(300, "x&quot;) = 0<td>"), (301, "x&quot;) = …<td>")] {
        let line = format!("chdir(\"/{}\") = 0", "x".repeat(length - 14));
        assert_eq!(line.len(), length);
        let page = page(&format!("{line}\n"));
        assert!(page.contains(end), "{length} characters: {end}");
    }
}

#[test]
fn a_picture_has_twelve_processes_at_most() {
    let folder = TempDir::new();
    for (children, has_picture) in [(11, true), (12, false)] {
        let name = format!("many{children}");
        let calls: String = (1..=children).map(|child| format!("fork() = {}\n", 100 + child)).collect();
        for child in 1..=children {
            let end = "exit_group(0) = ?\n+++ exited with 0 +++\n";
            fs::write(folder.join(&format!("{name}.{}", 100 + child)), end).unwrap();
        }
        let trace = keep(&folder, &name, 100, &calls);
        let page = run(&["--from", "execve", "--stdout", "pipe", "--a", &trace, "--b", &trace, "--html", "-"]);
        let page = text(&page.stdout);
        assert_eq!(page.contains("<svg"), has_picture, "{children} children");
        assert_eq!(page.contains("A and B: too many processes for a picture"), !has_picture, "{children} children");
    }
}

/// Compares two traces on a terminal, with this value of `NO_COLOR`.
fn on_terminal(folder: &TempDir, [one, other]: [&str; 2], no_colour: Option<&str>) -> String {
    let (a, b) = (keep(folder, "one", 100, one), keep(folder, "other", 200, other));
    let mut command = audit(&["--from", "execve", "--stdout", "pipe", "--diff", "--a", &a, "--b", &b]);
    command.env_remove("NO_COLOR").envs(no_colour.map(|value| ("NO_COLOR", value)));
    common::run(&mut command, common::Output::Terminal).stdout
}

/// Checks the colour of each level, and of each kind of row.
#[test]
fn a_terminal_gets_colours_unless_they_are_unwanted() {
    let [bold, red, green, yellow, plain] = ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];
    let folder = TempDir::new();
    let write = |text: &str| format!("write(1, \"{text}\", 1) = 1\n");
    for ([one, other], colour, verdict) in [
        (["", ""], green, "same"),
        ([&write("a"), &write("b")], yellow, "same but for the texts"),
        (["listen(3, 5) = 0\n", "listen(3, 6) = 0\n"], yellow, "same calls, other values"),
        (["umask(022) = 022\n", ""], red, "different"),
    ] {
        let out = on_terminal(&folder, [one, other], None);
        assert!(out.starts_with(bold) && out.contains(&format!("{colour}{verdict}{plain}")), "{verdict}: {out:?}");
    }
    let both = ["umask(022) = 022\nlisten(3, 5) = 0\n", "listen(3, 6) = 0\nchdir(\"/\") = 0\n"];
    let out = on_terminal(&folder, both, None);
    for (colour, call, mark) in [(red, "umask", " < "), (yellow, "listen", " | ")] {
        let row = out.lines().find(|line| line.starts_with(&format!("{colour}{call}(")));
        assert!(row.is_some_and(|row| row.contains(mark)), "{call}: {out:?}");
    }
    assert!(out.lines().any(|line| line.starts_with(green) && line.contains(" > chdir")), "{out:?}");
    assert!(!on_terminal(&folder, both, Some("1")).contains('\x1b'));
    assert!(on_terminal(&folder, both, Some("")).contains('\x1b'), "an empty variable counts as none");
}

#[test]
fn without_a_terminal_the_output_has_160_columns_and_never_fewer_than_40() {
    let folder = TempDir::new();
    let long = format!("chdir(\"/{}\") = 0\n", "x".repeat(300));
    let (a, b) = (keep(&folder, "one", 100, &long), keep(&folder, "other", 200, &long));
    for (columns, width) in [(None, 78), (Some("100"), 48), (Some("41"), 19), (Some("40"), 18), (Some("2"), 18)] {
        let mut command = audit(&["--from", "execve", "--stdout", "pipe", "--traces", "--a", &a, "--b", &b]);
        command.env_remove("COLUMNS").envs(columns.map(|columns| ("COLUMNS", columns)));
        let out = text(&finish(&mut command).stdout);
        let row = out.lines().find(|line| line.starts_with("chdir(")).unwrap();
        let (left, right) = row.split_once("…   ").unwrap();
        assert_eq!(
            [left, right].map(|side| side.trim_end_matches('…').chars().count() + 1),
            [width; 2],
            "{columns:?}: {row}"
        );
    }
}

/// Checks the numbers at the bounds, and what is not taken.
#[test]
fn numbers_of_the_command_line_have_bounds() {
    for (arguments, told) in [
        (&["--timeout", "0"][..], "--timeout 0: 1 to 86400 seconds"),
        (&["--timeout", "86401"], "--timeout 86401: 1 to 86400 seconds"),
        (&["--listen", "0"], "--listen 0: 0 is not a port"),
        (&["--listen", "1,65536"], "--listen 1,65536: 65536 is not a port"),
        (&["--stdout", "tty"], "--stdout tty: pty, pipe or file"),
        (&["--from", "exec"], "--from exec: main or execve"),
        (&["--faults", "some"], "--faults some: all or part"),
        (&["--accept", "varies"], "--accept varies: not one of same, texts, values, different"),
        (&["--a", "x"], "--a and --b go together"),
        (&["--b", "x"], "--a and --b go together"),
        (&["--a", "x", "--b", "y", "fork"], "fork: a program is named beside --a and --b"),
        (&["--signal", "INT", "fork"], "--listen and --signal go with --a and --b"),
        (&["--listen", "1", "fork"], "--listen and --signal go with --a and --b"),
        (&["--exercise", "x"], "--exercise: say of which program it is"),
        (&["--save"], "--save needs an argument"),
    ] {
        let err = text(&run(arguments).stderr);
        assert_eq!(err, format!("mpserv-audit: {told}; mpserv-audit --help lists the options\n"), "{arguments:?}");
    }
    for allowed in [&["--timeout", "1"][..], &["--timeout", "86400"], &["--listen", "1,65535"]] {
        assert_output(&[allowed, &["--version"]].concat());
    }
}
