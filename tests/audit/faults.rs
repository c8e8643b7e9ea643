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
}

#[test]
fn two_careful_programs_are_good_under_every_fault() {
    let folder = TempDir::new();
    let one = reader(&folder, "one", "length < 0 && errno == EINTR");
    let other = reader(&folder, "other", "length == -1 && EINTR == errno");
    let output = run(&["--faults", "part", "--a", &one, "--b", &other]);
    assert_eq!(output.status.code(), SAME, "{}{}", text(&output.stdout), text(&output.stderr));
}
