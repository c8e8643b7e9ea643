//! Tests `make compare` and its tool: C and Rust must print the same and make the same calls in every drive.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::cc;
use crate::common::network::Network;
use crate::common::{Impl, TempDir};

/// The longest time of one run of a program, in seconds, on a very busy machine.
const TIMEOUT: &str = "240";

/// Runs `mpserv-audit --output`.
fn compare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-audit"));
    let tool = command.args(["--output", "--timeout", TIMEOUT]).args(arguments).output().unwrap();
    assert!(tool.status.code() < Some(2), "{}", String::from_utf8_lossy(&tool.stderr));
    tool
}

/// Returns the verdicts on a program: on a terminal, on a pipe, in a file, and on its calls.
fn verdicts<'o>(table: &'o str, program: &str) -> Vec<&'o str> {
    let (_, table) = table.rsplit_once("\n\n").unwrap();
    let row = table.lines().find(|line| line.split_whitespace().next() == Some(program));
    row.unwrap_or_else(|| panic!("{program} is not in {table}")).split_whitespace().skip(1).collect()
}

/// Checks that both programs print the same and make the same calls, on each kind of output.
#[track_caller]
fn are_the_same(programs: &[&str]) {
    let _network = Network::own();
    let tool = compare(programs);
    let said = String::from_utf8(tool.stdout).unwrap();
    for program in programs {
        assert_eq!(verdicts(&said, program), ["same"; 4], "{said}");
    }
    assert_eq!(tool.status.code(), Some(0));
}

pub(crate) fn processes_print_the_same_and_make_the_same_calls() {
    are_the_same(&["fork", "zombie", "wait", "waitpid", "signal", "sigaction", "remove_zombie"]);
}

pub(crate) fn echo_mpserv_prints_the_same_and_makes_the_same_calls() {
    are_the_same(&["echo_mpserv"]);
}

pub(crate) fn code05_prints_the_same_and_makes_the_same_calls() {
    are_the_same(&["code05"]);
}

pub(crate) fn socket_serve_prints_the_same_and_makes_the_same_calls() {
    are_the_same(&["socket_serve"]);
}

pub(crate) fn rot13_serv_prints_the_same_and_makes_the_same_calls() {
    are_the_same(&["rot13_serv"]);
}

pub(crate) fn clients_print_the_same_and_make_the_same_calls() {
    are_the_same(&["echo_mpclient", "code04", "socket_client"]);
}

/// Returns the path of one of our C programs.
fn source(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook").join(program).with_extension("c")
}

/// Compares a user's own copy of a C program: unchanged, with another number, and with one more call.
pub(crate) fn a_program_that_does_otherwise_is_found() {
    let source = std::fs::read_to_string(source("fork")).unwrap();
    let rust = Impl::Rust.path("fork");
    let rust = rust.parent().unwrap().to_str().unwrap();
    let own = |change: (&str, &str)| {
        let folder = TempDir::new();
        let changed = source.replace(change.0, change.1);
        std::fs::write(folder.join("fork.c"), changed).unwrap();
        cc::compile(cc::compiler(), &[folder.join("fork.c")], &["-O2"], &folder.join("fork")).unwrap();
        let tool = compare(&["--c", folder.0.to_str().unwrap(), "--rust", rust, "fork"]);
        let said = String::from_utf8(tool.stdout).unwrap();
        (verdicts(&said, "fork").join(" "), tool.status.code())
    };
    assert_eq!(own(("int lval = 20;", "int lval = 20;")), ("same same same same".to_owned(), Some(0)));
    let otherwise = "different different different same but for the texts".to_owned();
    assert_eq!(own(("lval = 20", "lval = 21")), (otherwise, Some(1)));
    assert_eq!(own(("pid_t pid", "getppid(); pid_t pid")), ("same same same different".to_owned(), Some(1)));
}

/// Runs `make compare`, with a tool that has been built already.
fn make_compare(variables: &[&str]) -> Output {
    let mut make = Command::new("make");
    make.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-s", "compare", "--old-file=release"]);
    make.arg(concat!("rust=echo ", env!("CARGO_BIN_EXE_mpserv-audit"))).args(variables).output().unwrap()
}

/// Tries a path with a space and a quote, a C++ program, and options of the tool beside the program, in any order.
pub(crate) fn make_compare_takes_any_path_and_c_plus_plus() {
    let _network = Network::own();
    let folder = TempDir::new();
    let text = std::fs::read_to_string(source("echo_mpserv")).unwrap();
    std::fs::write(folder.join("it's mine.c"), text).unwrap();
    // Without the header, only the library's output is missing.
    let with_library = "#include <iostream>\n#include <string>\n#include <unistd.h>\n\
        int main() { int a = 11, b = 25; pid_t pid = fork(); int n = pid == 0 ? 2 : -2; a += n; b += n;\n\
        std::string who = pid == 0 ? \"Child\" : \"parent\";\n\
        std::cout << who << \" proc: [\" << a << \" \" << b << \"] \\n\"; }\n";
    std::fs::write(folder.join("fork.cpp"), with_library).unwrap();
    let without_library = "#include <iostream>\n#include <cstdio>\n#include <unistd.h>\nusing namespace std;\n\
        struct Child { pid_t pid = fork(); virtual ~Child() { puts(pid == 0 ? \"END child process\" : \"END parent process\"); } };\n\
        int main() { Child child; if (child.pid == 0) printf(\"Hi, I am a child process\");\n\
        else { printf(\"child process ID: %d\\n\", child.pid); sleep(30); } }\n";
    std::fs::write(folder.join("zombie.cc"), without_library).unwrap();
    for (file, program, says_so) in
        [("it's mine.c", "echo_mpserv", false), ("fork.cpp", "fork", true), ("zombie.cc", "zombie", false)]
    {
        let path = format!("C={}", folder.join(file).display());
        let program_variable = format!("PROGRAM={program}");
        let make = make_compare(&[&path, "ARGS=--timeout 400 --stdout pipe", &program_variable]);
        let (said, error) = (String::from_utf8(make.stdout).unwrap(), String::from_utf8(make.stderr).unwrap());
        assert_eq!(verdicts(&said, program), ["same"; 2], "{said}{error}");
        assert_eq!(error.contains("uses the C++ library: compared from main on"), says_so, "{file}: {error}");
    }
}

/// Checks that `make lesson` refuses a user's own source, because it shows our programs only.
pub(crate) fn make_lesson_refuses_a_users_own_source() {
    let mut make = Command::new("make");
    let make = make.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-n", "lesson", "C=mine.c"]).output().unwrap();
    let error = String::from_utf8(make.stderr).unwrap();
    assert!(!make.status.success() && error.contains("for yours: mpserv-audit --lesson"), "{error}");
}

/// Checks that each refusal is one line.
pub(crate) fn what_is_no_source_of_one_program_is_refused_in_one_line() {
    let folder = TempDir::new();
    let wrong = folder.join("fork.c");
    std::fs::write(&wrong, "int main(void) { return no_such_variable; }\n").unwrap();
    let text = folder.join("notes.txt");
    std::fs::write(&text, "").unwrap();
    let none = folder.join("none.c");
    let (folder, fork) = (folder.0.as_path(), source("fork"));
    let cases: [(&Path, &[&str], &str); 6] = [
        (&none, &["fork"], "No such file or directory"),
        (folder, &["fork"], "fork is not there: name a folder that has it, or its source"),
        (&text, &["fork"], "notes.txt: not a folder, .c, .cc, .cpp or .cxx"),
        (&fork, &[], "name the one program that it is"),
        (&fork, &["fork", "wait"], "name the one program that it is"),
        (&fork, &["spoon"], "spoon: not one of fork, zombie"),
    ];
    let refusal = |source: &Path, programs: &[&str]| {
        let tool = Command::new(env!("CARGO_BIN_EXE_mpserv-audit")).arg("--c").arg(source).args(programs).output();
        let tool = tool.unwrap();
        assert_eq!((tool.status.code(), tool.stdout.as_slice()), (Some(2), &b""[..]), "{}", source.display());
        String::from_utf8(tool.stderr).unwrap()
    };
    for (source, programs, why) in cases {
        let refusal = refusal(source, programs);
        assert!(refusal.starts_with("mpserv-audit: ") && refusal.contains(why), "{refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
    let refusal = refusal(&wrong, &["fork"]);
    assert!(refusal.contains("does not compile") && refusal.contains("no_such_variable"), "{refusal}");
}

/// Checks that a foreign program need not know `code05 ignore`, which is our addition, or its drives.
pub(crate) fn our_addition_is_not_asked_of_a_foreign_program() {
    let _network = Network::own();
    let text = std::fs::read_to_string(source("code05")).unwrap();
    let addition = "\tif (argc == 2 && strcmp(argv[1], \"ignore\") == 0)\n\t\tsignal(SIGCHLD, SIG_IGN);\n";
    assert!(text.contains(addition));
    let folder = TempDir::new();
    let published = folder.join("code05.c");
    std::fs::write(&published, text.replace(addition, "")).unwrap();
    let tool = compare(&["--c", published.to_str().unwrap(), "--stdout", "pipe", "code05"]);
    assert_eq!(verdicts(&String::from_utf8(tool.stdout).unwrap(), "code05"), ["same"; 2]);
}
