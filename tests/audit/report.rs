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

/// Returns the rows of an output, each with single spaces.
fn rows(out: &[u8]) -> Vec<String> {
    text(out).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn printed_texts_stand_side_by_side() {
    let folder = TempDir::new();
    let (a, b) = (keep(&folder, "one", 100, ""), keep(&folder, "other", 200, ""));
    fs::write(folder.join("one.printed"), "same\none\r\nmore\u{1b}\nlast\n").unwrap();
    fs::write(folder.join("other.printed"), "same\r\nother\n").unwrap();
    let compare = |a: &str, b: &str, more: &[&str]| {
        let arguments = ["--from", "execve", "--stdout", "pipe", "--output", "--a", a, "--b", b];
        run(&[&arguments[..], more].concat())
    };
    let output = compare(&a, &b, &[]);
    assert_eq!(output.status.code(), DIFFERENT);
    let shown = rows(&output.stdout);
    let name = format!("{a} : {b}");
    let expected = [
        "",
        &format!("{name} (run, pipe)"),
        "A B",
        "same same",
        "one | other",
        "more\\u{1b} <",
        "last <",
        "",
        "program pipe calls",
        &format!("{name} different same"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(compare(&a, &b, &["--accept", "texts"]).status.code(), SAME);
    let shown = rows(&compare(&b, &a, &[]).stdout);
    for row in ["other | one", "> more\\u{1b}", "> last"] {
        assert!(shown.iter().any(|line| line == row), "{row}: {shown:?}");
    }
    // Nobody printed into the trace of another strace.
    fs::remove_file(folder.join("other.printed")).unwrap();
    let told = "B: --output needs what was printed, which only --save keeps";
    assert_trouble(&compare(&a, &b, &[]), told);
}

#[test]
fn each_kind_of_output_has_its_verdict_about_the_text() {
    let folder = TempDir::new();
    for output in ["pty", "pipe", "file"] {
        for (side, pid) in [("A", 100), ("B", 200)] {
            let name = format!("{side}.{output}");
            keep(&folder, &name, pid, if output != "pipe" && side == "A" { "chdir(\"/\") = 0\n" } else { "" });
            let printed = if output == "pipe" { side } else { "" };
            fs::write(folder.join(&format!("{name}.printed")), printed).unwrap();
        }
    }
    let path = folder.0.to_str().unwrap();
    let out = run(&["--from", "execve", "--output", "--a", path, "--b", path]).stdout;
    let (shown, lines) = (rows(&out), text(&out));
    let at = shown.iter().position(|row| row == "program pty pipe file calls").unwrap();
    assert_eq!(shown[at + 1], format!("{path} same different same different"));
    assert_eq!(shown[at + 2], "chdir(\"/\") only in A, 2 times, first in the first process (run, pty) at call 2");
    let html = text(&run(&["--from", "execve", "--html", "-", "--a", path, "--b", path]).stdout);
    for part in [
        "driven the same way: 3 pairs of runs.",
        "<details open><summary>run <small>pty, pipe, file</small> <b class=\"different\">different</b></summary>",
        "<details class=\"trace\" open><summary>trace on a pty <b class=\"different\">different</b></summary>",
        "<details class=\"trace\"><summary>trace on a pipe <b class=\"same\">same</b></summary>",
        "<details class=\"trace\" open><summary>trace on a file <b class=\"different\">different</b></summary>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    // Each verdict stands below its head.
    let columns = |line: &str, words: [&str; 4]| {
        let mut from = 0;
        words.map(|word| {
            from += line[from..].find(word).unwrap() + 1;
            from
        })
    };
    let (head, row) = (lines.lines().nth(at).unwrap(), lines.lines().nth(at + 1).unwrap());
    let verdicts = columns(&row.replace(path, &"x".repeat(path.len())), ["same", "different", "same", "different"]);
    assert_eq!(columns(head, ["pty", "pipe", "file", "calls"]), verdicts, "{lines}");
}

#[test]
fn of_several_programs_each_difference_names_its_own() {
    let folder = TempDir::new();
    let textbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook");
    let source = |name: &str| fs::read_to_string(textbook.join(name).with_extension("c")).unwrap();
    for place in ["c", "changed"] {
        fs::create_dir(folder.join(place)).unwrap();
        for name in ["fork", "sigaction"] {
            let call = if place == "changed" { "\tusleep(1);\n\treturn 0;\n" } else { "\treturn 0;\n" };
            assert!(source(name).contains("\treturn 0;\n"));
            compile(&folder.join(place), name, &source(name).replace("\treturn 0;\n", call));
        }
    }
    let path = |place: &str| folder.join(place).to_str().unwrap().to_owned();
    let output = run(&["--c", &path("c"), "--rust", &path("changed"), "-o", "pipe", "fork", "sigaction"]);
    let shown = rows(&output.stdout);
    assert_eq!(output.status.code(), DIFFERENT, "{shown:?}");
    for name in ["fork", "sigaction"] {
        let start = format!("{name}: clock_nanosleep");
        assert!(
            shown.iter().any(|row| row.starts_with(&start) && row.contains(" only in Rust, ")),
            "{name}: {shown:?}"
        );
    }
}

#[test]
fn calls_before_main_are_counted_and_left_out() {
    let folder = TempDir::new();
    let loader = "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY) = 3\nmmap(NULL, 10, PROT_READ, MAP_PRIVATE, 3, 0) = \
                  0x7f0000000000\nclose(3) = 0\nmunmap(0x7f0000000000, 10) = 0\n";
    let a = keep(&folder, "one", 100, &format!("{loader}umask(022) = 022\n"));
    let b = keep(&folder, "other", 200, "umask(020) = 022\n");
    for (from, heads, calls) in [
        ("main", "A: first process (5 calls before main not shown) B: first process", "3 4"),
        ("execve", "A: first process B: first process", "8 4"),
    ] {
        let output = run(&["--from", from, "--diff", "--stdout", "pipe", "--a", &a, "--b", &b]);
        let shown = rows(&output.stdout);
        assert!(shown.iter().any(|row| row == heads), "{heads}: {shown:?}");
        assert!(shown[1].contains(&format!(" 1 {calls} ")), "{calls}: {shown:?}");
    }
}

#[test]
fn a_long_name_takes_forty_columns() {
    let folder = TempDir::new();
    let a = keep(&folder, &"x".repeat(60), 100, "");
    let b = keep(&folder, &"y".repeat(60), 200, "");
    let out = assert_output(&["--from", "execve", "--stdout", "pipe", "--a", &a, "--b", &b]);
    let lines: Vec<Vec<char>> = out.lines().map(|line| line.chars().collect()).collect();
    let first: Vec<String> = lines.iter().map(|line| line[..42].iter().collect()).collect();
    let name: String = a.chars().take(39).collect();
    assert_eq!(first, [format!("{:42}", "program"), format!("{name}…  ")], "{out}");
}
