//! The table of the options, which parses the command line and prints the text for `--help`. If you add an option, add
//! it to `Given::take` as well.

use mpserv::options::{OptionSpec, OptionTable};

/// The options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    A,
    B,
    Listen,
    Drive,
    Signal,
    C,
    Rust,
    Faults,
    Stdout,
    From,
    Normalizations,
    Accept,
    Output,
    Diff,
    Traces,
    Sources,
    Html,
    Json,
    Save,
    Lesson,
    Exercise,
    Timeout,
    Help,
    Version,
}

pub(super) static TABLE: OptionTable<Choice> = OptionTable::new(&[
    OptionSpec::new(Choice::A, b'a', c"a", "COMMAND", "one command; or a kept trace, see --save"),
    OptionSpec::new(Choice::B, b'b', c"b", "COMMAND", "the other"),
    OptionSpec::new(
        Choice::Listen,
        b'l',
        c"listen",
        "PORT[,PORT]",
        "both are servers: wait until they listen on PORT,\nor each on its own",
    ),
    OptionSpec::new(
        Choice::Drive,
        b'd',
        c"drive",
        "COMMAND",
        "run this client, with $PORT set; for PROGRAM, only\nthe drive COMMAND",
    ),
    OptionSpec::new(Choice::Signal, b's', c"signal", "NAME", "then send this signal (INT, if a server serves on)"),
    OptionSpec::new(Choice::C, 0, c"c", "PATH", "the folder of the C programs, or the C or C++ source\nof one PROGRAM"),
    OptionSpec::new(Choice::Rust, 0, c"rust", "DIR", "the folder of the Rust programs (this program's)"),
    OptionSpec::new(
        Choice::Faults,
        0,
        c"faults",
        "EXTENT",
        "with faults at every call, all or part; PROGRAM may\nbe mpserv, too",
    ),
    OptionSpec::new(Choice::Stdout, b'o', c"stdout", "KIND", "standard output is a pty, pipe or file (each)"),
    OptionSpec::new(Choice::From, b'f', c"from", "POINT", "compare from main or from execve on (main)"),
    OptionSpec::new(Choice::Normalizations, 0, c"normalizations", "", "list what may differ, and why"),
    OptionSpec::new(
        Choice::Accept,
        0,
        c"accept",
        "LEVEL",
        "exit with 0 up to LEVEL: same, texts, values or\ndifferent (same)",
    ),
    OptionSpec::new(Choice::Output, 0, c"output", "", "show and compare what the programs print"),
    OptionSpec::new(Choice::Diff, 0, c"diff", "", "show the traces side by side, where they differ"),
    OptionSpec::new(Choice::Traces, 0, c"traces", "", "show the whole traces side by side"),
    OptionSpec::new(Choice::Sources, 0, c"sources", "", "name the line of source that made each call"),
    OptionSpec::new(Choice::Html, 0, c"html", "FILE", "write a page with pictures; - is standard output"),
    OptionSpec::new(Choice::Json, 0, c"json", "FILE", "write a report as JSON; - is standard output"),
    OptionSpec::new(Choice::Save, 0, c"save", "DIR", "keep the traces, which --a DIR compares later"),
    OptionSpec::new(
        Choice::Lesson,
        0,
        c"lesson",
        "PLACE",
        "write sources with their calls: a folder; with --a\nalone, a page",
    ),
    OptionSpec::new(Choice::Exercise, 0, c"exercise", "FILE", "grade FILE, a mended copy of PROGRAM"),
    OptionSpec::new(Choice::Timeout, b't', c"timeout", "SECONDS", "one run may take so long (60)"),
    OptionSpec::new(Choice::Help, b'h', c"help", "", "print this text"),
    OptionSpec::new(Choice::Version, b'V', c"version", "", "print the version"),
]);

const HEAD: &str = "\
Usage: mpserv-audit [OPTION]... --a 'COMMAND' --b 'COMMAND'
       mpserv-audit [OPTION]... [PROGRAM]...
       mpserv-audit --exercise FILE PROGRAM [EXERCISE]
Shows that two programs make the same system calls, process by process, or where
they do not. A PROGRAM is a textbook program, which is compared in C and Rust.

";

const TAIL: &str = "
A kept trace is a folder of --save, or the files of
  strace -ff -v -s 65535 -o FILE COMMAND
Exit status: 0 the same, 1 different, 2 trouble.
";

/// Returns the text that `--help` prints.
pub fn help() -> String {
    format!("{HEAD}{TABLE}{TAIL}")
}
