//! The options by name, and what `--help` says of them.

use std::ffi::CStr;

use mpserv::getopt::{HasArg, LongOption};

pub const HELP: &str = "\
Usage: mpserv-audit [OPTION]... --a 'COMMAND' --b 'COMMAND'   any two commands
       mpserv-audit [OPTION]... [PROGRAM]...                  the textbook programs, C against Rust
       mpserv-audit --exercise FILE PROGRAM [EXERCISE]        grade FILE, a mended copy of PROGRAM
Shows that two programs make the same system calls, process by process, or where they do not.

Commands:
  -a, --a COMMAND        the one, in words as a shell splits them
  -b, --b COMMAND        the other
  -l, --listen PORT      they are servers: wait until they listen on PORT
  -d, --drive COMMAND    run this, such as a client, once they listen (or run)
  -s, --signal NAME      then, when all is at rest, send this signal to their first process (INT)
Textbook programs:
  -d, --drive NAME       only this drive
      --c PATH           where the C programs are (../c beside this program's directory),
                         or the C or C++ source of the one PROGRAM
      --rust DIR         where the Rust programs are (this program's directory)
      --faults EXTENT    with every fault that its calls may meet: all, or part of them;
                         PROGRAM may then be mpserv, too
What to compare:
  -o, --stdout KIND      standard output: pty, pipe or file (each in turn)
  -f, --from POINT       begin at main or at execve (main)
      --normalizations   list what may differ, and why
Report:
      --output           what the programs print side by side, and a verdict on it
      --accept LEVEL     exit with 0 up to this level: same, texts, values or different (same)
      --diff             the traces side by side, where they differ
      --traces           the whole traces side by side
      --sources          with each call, the line of source that made it
      --html FILE        a page with pictures
      --json FILE        for machines
      --save DIR         keep strace's files
      --lesson PLACE     sources, system calls and the kernel's state as pages in the folder PLACE;
                         with --a alone, any C program with debugging information as one page
  -t, --timeout SECONDS  how long one run may take (60)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 the same, 1 different, 2 trouble.
";

/// What each option is known by here; letters are below these.
pub(super) mod value {
    pub const A: i32 = 256;
    pub const B: i32 = 257;
    pub const LISTEN: i32 = 258;
    pub const DRIVE: i32 = 259;
    pub const SIGNAL: i32 = 260;
    pub const STDOUT: i32 = 261;
    pub const FROM: i32 = 262;
    pub const TIMEOUT: i32 = 263;
    pub const HELP: i32 = 264;
    pub const VERSION: i32 = 265;
    pub const C: i32 = 266;
    pub const RUST: i32 = 267;
    pub const NORMALIZATIONS: i32 = 268;
    pub const DIFF: i32 = 269;
    pub const SOURCES: i32 = 270;
    pub const HTML: i32 = 271;
    pub const JSON: i32 = 272;
    pub const SAVE: i32 = 273;
    pub const OUTPUT: i32 = 274;
    pub const FAULTS: i32 = 275;
    pub const LESSON: i32 = 278;
    pub const EXERCISE: i32 = 279;
    pub const TRACES: i32 = 276;
    pub const ACCEPT: i32 = 277;

    /// The option that a letter stands for.
    pub fn of_letter(letter: u8) -> Option<i32> {
        Some(match letter {
            b'a' => A,
            b'b' => B,
            b'l' => LISTEN,
            b'd' => DRIVE,
            b's' => SIGNAL,
            b'o' => STDOUT,
            b'f' => FROM,
            b't' => TIMEOUT,
            b'h' => HELP,
            b'V' => VERSION,
            _ => return None,
        })
    }
}

pub(super) const LETTERS: &CStr = c"+:a:b:l:d:s:o:f:t:hV";

pub(super) const LONG: [LongOption; 25] = [
    LongOption::new(c"a", HasArg::Required, value::A),
    LongOption::new(c"b", HasArg::Required, value::B),
    LongOption::new(c"listen", HasArg::Required, value::LISTEN),
    LongOption::new(c"drive", HasArg::Required, value::DRIVE),
    LongOption::new(c"signal", HasArg::Required, value::SIGNAL),
    LongOption::new(c"stdout", HasArg::Required, value::STDOUT),
    LongOption::new(c"from", HasArg::Required, value::FROM),
    LongOption::new(c"timeout", HasArg::Required, value::TIMEOUT),
    LongOption::new(c"help", HasArg::No, value::HELP),
    LongOption::new(c"version", HasArg::No, value::VERSION),
    LongOption::new(c"c", HasArg::Required, value::C),
    LongOption::new(c"rust", HasArg::Required, value::RUST),
    LongOption::new(c"normalizations", HasArg::No, value::NORMALIZATIONS),
    LongOption::new(c"output", HasArg::No, value::OUTPUT),
    LongOption::new(c"diff", HasArg::No, value::DIFF),
    LongOption::new(c"sources", HasArg::No, value::SOURCES),
    LongOption::new(c"html", HasArg::Required, value::HTML),
    LongOption::new(c"json", HasArg::Required, value::JSON),
    LongOption::new(c"save", HasArg::Required, value::SAVE),
    LongOption::new(c"traces", HasArg::No, value::TRACES),
    LongOption::new(c"accept", HasArg::Required, value::ACCEPT),
    LongOption::new(c"faults", HasArg::Required, value::FAULTS),
    LongOption::new(c"lesson", HasArg::Required, value::LESSON),
    LongOption::new(c"exercise", HasArg::Required, value::EXERCISE),
    LongOption::END,
];
