//! The written reports.

use std::fs;

use super::*;

#[test]
fn reports_are_whole_and_need_nothing_else() {
    let folder = TempDir::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (html, json, save) = (path("page.html"), path("report.json"), path("traces"));
    assert_same(&["--html", &html, "--json", &json, "--save", &save, "--stdout", "pipe", "fork"]);
    let page = fs::read_to_string(html).unwrap();
    assert_eq!(
        (page.matches("<svg").count(), page.matches("class=\"unlike\"").count()),
        (1, 0),
        "one picture for both"
    );
    assert!(!page.contains(">newfstatat</text>"), "the C library's own call in a picture");
    for sign in ["<figcaption>C and Rust</figcaption><svg", "fork: child 1", "prefers-color-scheme: dark", "</html>"] {
        assert!(page.contains(sign), "{sign}");
    }
    for outside in ["http:", "https:", "<script", "@import", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    let report = fs::read_to_string(json).unwrap();
    for sign in ["\"same\":true", "\"name\":\"fork\"", "\"differences\":0", "\"place\":\"child 1\""] {
        assert!(report.contains(sign), "{sign}");
    }
    // Each side has two traces and a file with the printed text.
    assert_eq!(fs::read_dir(save).unwrap().count(), 6);
}

#[test]
fn traces_are_shown_side_by_side_as_wide_as_asked() {
    let arguments = ["--traces", "--stdout", "pipe", "--a", "/bin/true", "--b", "/bin/false"];
    for width in [60, 100, 200] {
        let output = finish(audit(&arguments).env("COLUMNS", width.to_string()));
        let out = text(&output.stdout);
        let traces = out.lines().skip_while(|line| !line.starts_with("A: first process"));
        assert!(traces.clone().count() >= 3);
        assert!(traces.into_iter().all(|line| line.chars().count() <= width), "{out}");
        assert!(out.lines().any(|line| line.contains("exit_group(0)") && line.contains("exit_group(1)")));
        assert!(!out.contains('\x1b'), "colour in a pipe");
    }
}

/// Writes a trace of one process that makes these calls. Returns its path.
pub(crate) fn keep(folder: &TempDir, name: &str, pid: u32, calls: &str) -> String {
    let begin = "execve(\"/bin/x\", [\"x\"], []) = 0\n";
    let trace = format!("{begin}{calls}exit_group(0) = ?\n+++ exited with 0 +++\n");
    fs::write(folder.join(&format!("{name}.{pid}")), trace).unwrap();
    folder.join(name).to_str().unwrap().to_owned()
}

/// Checks each place of a report that is about one of the two sides.
#[test]
fn each_side_stands_at_its_place() {
    let folder = TempDir::new();
    let one = keep(&folder, "one", 100, "close(1) = 0\ngetpid() = 100\nclose(2) = 0\nlisten(3, 5) = 0\nclose(3) = 0\n");
    let other = "close(1) = 0\nclose(2) = 0\nlisten(3, 6) = 0\nclose(3) = 0\numask(022) = 022\nchdir(\"/\") = 0\n";
    let other = keep(&folder, "other", 200, other);
    let arguments = ["--from", "execve", "--stdout", "pipe", "--a", &one, "--b", &other];
    let output = run(&[&arguments[..], &["--diff"]].concat());
    assert_eq!(output.status.code(), DIFFERENT);
    let out = text(&output.stdout);
    let rows: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows[0], "program runs calls in A calls in B differences verdict", "{out}");
    // The end of a process counts as well.
    assert!(rows[1].ends_with(" 1 8 9 4 different"), "{out}");
    for row in [
        "A: first process B: first process",
        "getpid() = 100 <",
        "listen(3, 5) = 0 | listen(3, 6) = 0",
        "> umask(022) = 022",
        "> chdir(\"/\") = 0",
    ] {
        assert!(rows.iter().any(|shown| shown == row), "{row}: {out}");
    }
    for line in [
        "getpid() only in A, once, first in the first process (run, pipe) at call 3",
        "listen: backlog 5 / 6, once, first in the first process (run, pipe) at call 5 / 4",
        "umask(022) only in B, once, first in the first process (run, pipe) at call 6",
    ] {
        assert!(out.lines().any(|shown| shown.trim() == line), "{line}: {out}");
    }
    let json = text(&run(&[&arguments[..], &["--json", "-"]].concat()).stdout);
    for part in [
        "\"from\":\"execve\",\"same\":false,\"verdict\":\"different\",\"a\":\"A\",\"b\":\"B\",",
        "\"calls\":[8,9],\"differences\":4,\"verdict\":\"different\"",
        "\"stdout\":\"pipe\",\"calls\":[8,9],\"differences\":4,",
        "\"pids\":[100,200],\"differences\":",
        "{\"kind\":\"only a\",\"a\":\"getpid() = 100\",\"b\":null}",
        "{\"kind\":\"changed\",\"a\":\"listen(3, 5) = 0\",\"b\":\"listen(3, 6) = 0\"}",
        "{\"kind\":\"only b\",\"a\":null,\"b\":\"umask(022) = 022\"}",
        "{\"level\":\"same calls, other values\",\"count\":1,\"text\":\"listen: backlog 5 / 6, once, first",
        "{\"level\":\"different\",\"count\":1,\"text\":\"getpid() only in A, once, first",
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    let html = text(&run(&[&arguments[..], &["--html", "-"]].concat()).stdout);
    for part in [
        "<title>A and B, system call by system call</title>",
        "<strong>4</strong> differ.",
        "<th class=\"r\">runs<th class=\"r\">A<th class=\"r\">B<th class=\"r\">differ<th>verdict</thead>",
        "<td class=\"r\">1<td class=\"r\">8<td class=\"r\">9<td class=\"r\">4<td><b class=\"different\">different</b>",
        "<li>different: getpid() only in A, once, first ",
        "<thead><tr><th>A<th><th>B</thead>",
        "<tr><td>close(1) = 0<td><td>close(1) = 0\n",
        "<tr class=\"only-a\"><td>getpid() = 100<td>←<td>\n",
        "<tr class=\"changed\"><td>listen(3, 5) = 0<td>≠<td>listen(3, 6) = 0\n",
        "<tr class=\"only-b\"><td><td>→<td>umask(022) = 022\n",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    // Each side has its picture.
    let pictures: Vec<&str> = html.split("<figure><figcaption>").skip(1).collect();
    assert!(pictures.len() == 2 && pictures[0].starts_with("A<") && pictures[1].starts_with("B<"), "{html}");
    let has = |call: &str| [0, 1].map(|side: usize| pictures[side].split("</svg>").next().unwrap().contains(call));
    assert_eq!([has("getpid"), has("umask"), has("listen")], [[true, false], [false, true], [true, true]], "{html}");
}

#[test]
fn a_difference_is_shown_with_three_calls_before_and_behind() {
    let folder = TempDir::new();
    let kept = |name: &str, changed: &str| {
        let calls: String = (1..10).map(|call| format!("close({call}) = 0\n")).collect();
        keep(&folder, name, 100, &calls.replace("close(5)", changed))
    };
    let output = run(&[
        "--diff",
        "--from",
        "execve",
        "--stdout",
        "pipe",
        "--a",
        &kept("one", "close(5)"),
        "--b",
        &kept("other", "close(55)"),
    ]);
    let out = text(&output.stdout);
    let rows = out.lines().skip_while(|line| !line.starts_with("A: first process")).skip(1);
    let rows: Vec<&str> = rows.map(|row| row.split_once(')').map_or(row, |(call, _)| call)).collect();
    let shown = ["...", "close(2", "close(3", "close(4", "close(5", "close(6", "close(7", "close(8", "..."];
    assert_eq!(rows, shown, "{out}");
}

#[test]
fn sources_name_the_line_that_made_each_call() {
    let planted = Planted::new(&[]);
    let (original, changed) = (planted.path("original"), planted.path("changed"));
    let out = assert_same(&[
        "--c",
        &original,
        "--rust",
        &changed,
        "-d",
        "no client",
        "-o",
        "pipe",
        "--sources",
        "echo_mpserv",
    ]);
    let lines: Vec<&str> = out.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("listen(3, 5)")).unwrap();
    assert!(
        lines[at + 1].contains("echo_mpserv.c:") && lines[at + 1].contains("listen(serv_sock, 5)"),
        "{}",
        lines[at + 1]
    );
}

#[test]
fn traces_are_shown_on_request_only() {
    let arguments = ["--stdout", "pipe", "--a", "/bin/true", "--b", "/bin/false"];
    let shows = |more: &[&str]| {
        let out = text(&run(&[&arguments[..], more].concat()).stdout);
        let has = |sign: &str| out.lines().any(|line| line.starts_with(sign));
        (
            has("exit_group(0)"),
            has("A: first process"),
            out.contains("  exit_group: status 0 / 1, once, first in the first process (run, pipe) at call "),
        )
    };
    assert_eq!(shows(&[]), (false, false, true));
    assert_eq!(shows(&["--diff"]), (true, true, true));
    assert_eq!(shows(&["--traces"]), (true, true, true));
}

#[test]
fn a_difference_is_placed_by_lines_of_source_where_they_are_known() {
    let planted = Planted::new(&[("listen(serv_sock, 5)", "listen(serv_sock, 6)")]);
    let (original, changed) = (planted.path("original"), planted.path("changed"));
    let arguments = ["--c", &original, "--rust", &changed, "-d", "no client", "-o", "pipe", "--sources", "echo_mpserv"];
    assert_verdict(&arguments, "same calls, other values", &["listen: backlog 5 / 6, once, first at echo_mpserv.c:"]);
    let page = planted.path("page.html");
    run(&[&arguments[..], &["--html", &page]].concat());
    let page = fs::read_to_string(page).unwrap();
    assert_eq!((page.matches("<svg").count(), page.matches("class=\"unlike\"").count()), (2, 2), "marked on each side");
}

/// A function in a header that comes first in the program.
const HEADER: &str = "\
#include <unistd.h>
static volatile int said;
__attribute__((noinline)) static void say(void)
{
\twrite(1, \"a\", 1);
\tsaid = 1;
}
";
const INCLUDES: &str = "\
#include \"say.h\"
#include <stdio.h>
int main(int argc, char *argv[])
{
\tsay();
\tprintf(\"%s\\n\", argv[0]);
\treturn 0;
}
";

#[test]
fn sources_tell_a_header_from_the_program_and_main_from_exit() {
    let folder = TempDir::new();
    fs::write(folder.join("say.h"), HEADER).unwrap();
    let program = compile(&folder.0, "program", INCLUDES);
    let out = assert_output(&["--sources", "--stdout", "pipe", "--a", &program, "--b", &program]);
    let line_of = |call: &str| out.lines().skip_while(|line| !line.starts_with(call)).nth(1).unwrap();
    assert!(line_of("write(1, \"a\"").contains("program.c:5: say();"), "{out}");
    let rest = out.split_once("write(1, \"a\"").unwrap().1;
    let at_exit = rest.lines().skip_while(|line| !line.starts_with("write(1, ")).nth(1).unwrap();
    assert!(at_exit.contains("(outside main:"), "{at_exit}");
}

#[test]
fn printed_texts_are_shown_as_they_were_printed() {
    let folder = TempDir::new();
    let alone = INCLUDES.replace("say();", "").replace("#include \"say.h\"", "");
    let one = compile(&folder.0, "one", &alone);
    let other = compile(&folder.0, "other", &alone.replace("%s", "is %s"));
    // A long path is cut short.
    let shown: String = format!("printed: \"{one}").chars().take(30).collect();
    assert_verdict(&["--stdout", "pipe", "--a", &one, "--b", &other], "same but for the texts", &[&shown]);
}

#[test]
fn a_report_for_machines_goes_to_standard_output_alone() {
    let out = assert_output(&["--json", "-", "--stdout", "pipe", "--a", "/bin/true", "--b", "/bin/true"]);
    assert!(out.starts_with('{') && out.trim_end().ends_with('}') && out.contains("\"verdict\":\"same\""), "{out}");
}

#[test]
fn progress_ends_at_the_last_run() {
    let output = run(&["fork", "wait"]);
    let err = text(&output.stderr);
    let numbers: Vec<&str> = err.lines().filter_map(|line| line.split(']').next()).collect();
    assert_eq!(numbers, ["[1/6", "[2/6", "[3/6", "[4/6", "[5/6", "[6/6"], "{err}");
}

#[test]
fn one_is_not_many() {
    let folder = TempDir::new();
    let page = folder.join("page.html").to_str().unwrap().to_owned();
    assert_same(&["--html", &page, "--stdout", "pipe", "--a", "/bin/true", "--b", "/bin/true"]);
    assert!(fs::read_to_string(page).unwrap().contains("1 pair of runs."));
}
