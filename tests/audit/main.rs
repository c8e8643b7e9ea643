//! Tests of mpserv-audit. The tool must find planted differences, report equal runs as equal, and report an obstacle
//! clearly.
//!
//! - `planted`: single changes of a program, and the verdict and the line that each must give
//! - `equal`: compares programs with themselves
//! - `faults`: any two programs under faults
//! - `kept`: kept traces
//! - `servers`: any two servers
//! - `ordinary`: programs of the system
//! - `report`: the written reports
//! - `limits`: how much of a comparison a report shows, and its colours
//! - `usage`: the command line
//! - `failure`: errors that keep the tool from comparing

#[path = "../common/mod.rs"]
mod common;

mod equal;
mod failure;
mod faults;
mod kept;
mod limits;
mod ordinary;
mod planted;
mod report;
mod servers;
mod usage;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{TempDir, signal};
use mpserv::signal::Signal;

const SAME: Option<i32> = Some(0);
const DIFFERENT: Option<i32> = Some(1);
const TROUBLE: Option<i32> = Some(2);

/// The longest time of an audit, which makes many runs. After that time the audit is ended, and its test fails. If a
/// single run does not end, the tool itself reports after a minute the event for which the program waits.
const WATCHDOG: Duration = Duration::from_secs(300);
/// The time between two checks whether the tool has ended.
const TICK: Duration = Duration::from_millis(5);

fn audit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-audit"));
    // The loader of each program would seek its libraries in the folders that cargo sets.
    command.args(arguments).stdin(Stdio::null()).env_remove("LD_LIBRARY_PATH");
    command
}

/// Runs an audit to its end, under a watchdog. On SIGTERM the audit first ends its programs.
#[track_caller]
fn finish(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read_all = |reader: &mut dyn Read| {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    };
    let out = std::thread::spawn(move || read_all(&mut out));
    let err = std::thread::spawn(move || read_all(&mut err));
    let start = Instant::now();
    let mut late = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if !late && start.elapsed() > WATCHDOG {
            late = true;
            signal(child.id(), Signal::TERM);
        }
        std::thread::sleep(TICK);
    };
    let output = Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() };
    assert!(!late, "{command:?} had not ended after {WATCHDOG:?}: {}", text(&output.stderr));
    output
}

#[track_caller]
fn run(arguments: &[&str]) -> Output {
    finish(&mut audit(arguments))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts that the audit finds no difference.
#[track_caller]
fn assert_same(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), SAME, "{arguments:?}\n{out}\n{err}");
    assert!(out.contains("  same"), "{out}");
    out
}

/// Asserts this verdict, and that the line of the first kind of difference has all of these signs.
#[track_caller]
fn assert_verdict(arguments: &[&str], verdict: &str, signs: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), DIFFERENT, "{arguments:?}\n{out}\n{err}");
    let mut lines = out.lines();
    let row = lines.nth(1).unwrap_or_default();
    assert!(row.ends_with(&format!("  {verdict}")), "the verdict is not '{verdict}':\n{out}");
    let kind = lines.next().unwrap_or_default();
    assert!(
        signs.iter().all(|sign| kind.contains(sign)),
        "the first kind of difference does not have {signs:?}:\n{out}"
    );
    out
}

/// Asserts that the audit cannot compare, and gives the reason.
#[track_caller]
fn assert_trouble(output: &Output, sign: &str) {
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), TROUBLE, "{}\n{err}", text(&output.stdout));
    assert!(
        err.lines().any(|line| line.starts_with("mpserv-audit: ") && line.contains(sign)),
        "{sign} is not in: {err}"
    );
}

/// Asserts that the audit succeeds, and returns its output.
#[track_caller]
fn assert_output(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), SAME, "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Returns a free port. This thread, and the programs that it starts from now on, get a network of their own, if that is
/// allowed. In the network of the machine, another program may take the port in the meantime.
fn free_port() -> u16 {
    // Without an own network, the port was free a moment ago.
    let _ = mpserv::namespace::own_network();
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Compiles a C program of this name into a folder. Returns its path.
fn compile(folder: &Path, name: &str, source: &str) -> String {
    let (program, file) = (folder.join(name), folder.join(name).with_extension("c"));
    std::fs::write(&file, source).unwrap();
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    compiler.args(["-O2", "-g", "-I"]).arg(headers).arg("-o").arg(&program).arg(file);
    assert!(compiler.status().unwrap().success());
    program.to_str().unwrap().to_owned()
}

/// Folders with echo_mpserv, unchanged and with changes.
struct Planted {
    folder: TempDir,
}

impl Planted {
    /// Makes each change. Fails if a change does not apply.
    fn new(changes: &[(&str, &str)]) -> Planted {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/echo_mpserv.c");
        let original = std::fs::read_to_string(source).unwrap();
        let mut changed = original.clone();
        for (from, to) in changes {
            assert!(changed.contains(from), "{from} is not in echo_mpserv.c");
            changed = changed.replacen(from, to, 1);
        }
        let planted = Planted { folder: TempDir::new() };
        planted.compile("original", &original);
        planted.compile("changed", &changed);
        planted
    }

    fn compile(&self, name: &str, source: &str) {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        compile(&folder, "echo_mpserv", source);
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Compares the two programs with one of the drives.
    #[track_caller]
    fn gives(&self, drive: &str, verdict: &str, signs: &[&str]) -> String {
        let (original, changed) = (self.path("original"), self.path("changed"));
        let arguments = ["--c", &original, "--rust", &changed, "--drive", drive, "--stdout", "pipe", "echo_mpserv"];
        assert_verdict(&arguments, verdict, signs)
    }
}
