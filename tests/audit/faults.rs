//! Compares any two programs under faults.

use std::fs;

use super::*;

/// Compiles a program that reads one byte, and reads again on the condition `again`.
fn reader(folder: &TempDir, name: &str, again: &str) -> String {
    let (source, program) = (folder.join(&format!("{name}.c")), folder.join(name));
    let text = format!(
        "#include <errno.h>\n#include <unistd.h>\nint main(void)\n{{\n\tchar byte;\n\tssize_t length;\n\
         \tdo\n\t\tlength = read(0, &byte, 1);\n\twhile ({again});\n\treturn length < 0;\n}}\n"
    );
    fs::write(&source, text).unwrap();
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    assert!(compiler.arg("-o").arg(&program).arg(&source).status().unwrap().success());
    program.to_str().unwrap().to_owned()
}

#[test]
fn an_ignored_eintr_in_one_of_two_programs_is_found() {
    let folder = TempDir::new();
    let careful = reader(&folder, "careful", "length < 0 && errno == EINTR");
    let careless = reader(&folder, "careless", "0");
    assert_same(&["--a", &careful, "--b", &careless, "--stdout", "pipe"]);
    let output = run(&["--faults", "part", "--a", &careful, "--b", &careless]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), DIFFERENT, "{out}{}", text(&output.stderr));
    let bad: Vec<&str> = out.lines().filter(|line| line.contains("  bad  ")).collect();
    let is_found = |line: &&str| line.contains("  read  ") && line.contains("  EINTR  ");
    // The heading of the second table also has the word.
    assert!(bad.iter().any(is_found) && bad.iter().filter(|line| line.contains("  read")).count() == 1, "{out}");
    // The sums are those of the rows above them, whose cases stand behind the fault.
    let (table, sums) = out.split_once("\n\n").unwrap();
    let cases = |verdict: &str| -> usize {
        let rows = table.lines().skip(1).map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()));
        let rows = rows.map(Iterator::collect::<Vec<_>>).filter(|row| verdict.is_empty() || row[4] == verdict);
        rows.map(|row| row[3].parse::<usize>().unwrap()).sum()
    };
    let (all, bad, not_met) = (cases(""), cases("bad"), cases("not met"));
    assert!(bad > 0 && all > bad, "{out}");
    let row: Vec<&str> = sums.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[row.len() - 3..], [all, bad, not_met].map(|count| count.to_string()), "{out}");
    let summary = sums.lines().nth(3).unwrap();
    assert!(summary.starts_with(&format!("{all} cases in ")), "{out}");
    assert!(summary.ends_with(&format!(" s: {bad} are bad, {not_met} were not met")), "{out}");
}

#[test]
fn two_careful_programs_are_good_under_every_fault() {
    let folder = TempDir::new();
    let one = reader(&folder, "one", "length < 0 && errno == EINTR");
    let other = reader(&folder, "other", "length == -1 && EINTR == errno");
    let output = run(&["--faults", "part", "--a", &one, "--b", &other]);
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Checks two programs that print different texts by the same call: the difference is behind the bytes that a trace
/// shows.
#[test]
fn texts_that_differ_only_where_no_trace_shows_them_are_told() {
    let folder = TempDir::new();
    let writer = |name: &str, last: char| {
        let source = format!(
            "#include <string.h>\n#include <unistd.h>\nstatic char text[100000];\nint main(void)\n{{\n\
             \tmemset(text, 'x', sizeof text);\n\ttext[sizeof text - 1] = '{last}';\n\
             \treturn write(1, text, sizeof text) < 0;\n}}\n"
        );
        compile(&folder.0, name, &source);
        folder.join(name).to_str().unwrap().to_owned()
    };
    let (a, b) = (writer("a", 'a'), writer("b", 'b'));
    let arguments = ["--faults", "part", "--a", &a, "--b", &b, "--stdout", "file"];
    let told = format!("{a} : {b}, without a fault: same but for the texts; --accept LEVEL takes less for good");
    assert_trouble(&run(&arguments), &told);
    let output = run(&[&arguments[..], &["--accept", "texts"]].concat());
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Checks a textbook program: its two sides, the page, and the names of the kept traces.
#[test]
fn a_textbook_program_is_good_under_every_fault_and_its_traces_are_kept() {
    let folder = TempDir::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let output = run(&["--faults", "part", "--save", &path("kept"), "--html", &path("page"), "fork"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), SAME, "{out}{}", text(&output.stderr));
    assert!(out.lines().any(|line| line.starts_with("fork  ") && line.contains("  write  ")), "{out}");
    let page = fs::read_to_string(path("page")).unwrap();
    assert!(page.contains("<summary>fork <small>") && page.ends_with("</main>\n</html>\n"), "{page}");
    let names: Vec<String> =
        fs::read_dir(path("kept")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for start in ["fork.none.pipe", "fork.write-1-byte-at-1.pipe", "fork.exit_group-SIGCHLD-at-1.pipe"] {
        for side in ["C", "Rust"] {
            let start = format!("{start}.{side}.");
            // The root, its child, and what both have printed.
            let count = names.iter().filter(|name| name.starts_with(&start)).count();
            assert!((2..=3).contains(&count), "{start}: {count} of {names:?}");
        }
    }
}

#[test]
fn sides_that_differ_without_a_fault_are_told() {
    let folder = TempDir::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/fork.c");
    let source = fs::read_to_string(source).unwrap().replace("\treturn 0;\n", "\tusleep(1);\n\treturn 0;\n");
    compile(&folder.0, "fork", &source);
    for side in ["--c", "--rust"] {
        let output = run(&["--faults", "part", side, folder.0.to_str().unwrap(), "fork"]);
        assert_trouble(&output, "fork, without a fault: different; --accept LEVEL takes less for good");
    }
    assert_trouble(&run(&["--faults", "part", "none"]), "none: not one of fork, zombie, ");
}
