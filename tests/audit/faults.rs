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
