//! Tests for other processors under an emulator: the proof of `ffi`, the textbook programs and the server. These tests
//! take minutes, and `make test-cross` runs them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mpserv::signal::Signal;

use crate::common::network::Network;
use crate::common::servers::SERVERS;
use crate::common::solo::{Test, skip};
use crate::common::{Ended, IMPLS, Impl, Output, Running, connect, needs_command};
use crate::proof::{Cross, Machine, prove};
use crate::{cc, tests};

pub(crate) const TESTS: &[Test] = tests![; ignored: aarch64, riscv64];

const AARCH64: Machine = Machine {
    processor: "aarch64",
    cross: Some(Cross {
        target: "aarch64-unknown-linux-gnu",
        compiler: "aarch64-linux-gnu-gcc",
        emulator: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    }),
};

const RISCV64: Machine = Machine {
    processor: "riscv64",
    cross: Some(Cross {
        target: "riscv64gc-unknown-linux-gnu",
        compiler: "riscv64-linux-gnu-gcc",
        emulator: ["qemu-riscv64", "-L", "/usr/riscv64-linux-gnu"],
    }),
};

fn aarch64() {
    check(&AARCH64);
}

fn riscv64() {
    check(&RISCV64);
}

fn check(machine: &Machine) {
    let cross = machine.cross.as_ref().unwrap();
    needs_command(cross.compiler);
    needs_command(cross.emulator[0]);
    let folder = cc::run(Command::new("rustc").args(["--print", "target-libdir", "--target", cross.target])).unwrap();
    if !Path::new(folder.trim_end()).exists() {
        skip(&format!("no Rust for {}", machine.processor));
    }
    assert_eq!(prove(machine), Ok(()));
    let built = Built::new(machine, cross);
    let _network = Network::own();
    built.programs_print_the_same();
    built.servers_answer();
    built.mpserv_serves();
}

/// The programs for another processor.
struct Built<'m> {
    machine: &'m Machine,
    folder: PathBuf,
}

impl<'m> Built<'m> {
    /// Builds all programs. Linking the programs must give no warning.
    fn new(machine: &'m Machine, cross: &Cross) -> Built<'m> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cross");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--offline", "--bins", "--target", cross.target, "--target-dir"]).arg(&folder);
        cargo.env("CC", cross.compiler).env(cross.variable("LINKER"), cross.compiler);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("warning"), "{said}");
        Built { machine, folder: folder.join(cross.target) }
    }

    fn command(&self, language: Impl, program: &str) -> Command {
        let folder = if language == Impl::C { "c" } else { "debug" };
        let mut command = self.machine.command(&self.folder.join(folder).join(program));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the programs that are no servers, all at once, because they sleep for up to half a minute.
    fn programs_print_the_same(&self) {
        const PROGRAMS: [&str; 7] = ["fork", "zombie", "wait", "waitpid", "signal", "sigaction", "remove_zombie"];
        const LIMIT: Duration = Duration::from_secs(120);
        const REMOVED: &str = "Child send: ";
        const ENDED: &str = "child sen ";
        const STATUS_AT: usize = "child sen one: ".len();
        let start = |program| IMPLS.map(|language| Running::start(&mut self.command(language, program), Output::Pipe));
        let running = PROGRAMS.map(start);
        for (program, pair) in PROGRAMS.iter().zip(running) {
            let [c, rust] = pair.map(|running| {
                let (status, mut lines) = printed(&running.wait_within(LIMIT));
                if *program == "remove_zombie" {
                    // Its children end at the same time. If their two signals become one, it removes only one of them.
                    let removed = lines.iter_mut().filter(|line| line.starts_with(REMOVED));
                    removed.for_each(|line| line.truncate(REMOVED.len()));
                    lines.dedup();
                }
                if *program == "wait" {
                    // Its children end in any order.
                    let ends = lines.iter_mut().filter(|line| line.starts_with(ENDED));
                    let mut statuses: Vec<String> = ends.map(|line| line.split_off(STATUS_AT)).collect();
                    statuses.sort();
                    lines.extend(statuses);
                }
                (status, lines)
            });
            assert!(!c.1.is_empty() && c == rust, "{program}: {c:?} in C, {rust:?} in Rust");
        }
    }

    fn servers_answer(&self) {
        for server in SERVERS {
            for language in IMPLS {
                let mut command = self.command(language, server.name);
                let running = Running::start(command.args(server.arguments), Output::Pipe);
                let mut clients = [(); 2].map(|()| connect(running.port()));
                for client in &mut clients {
                    assert_eq!(server.exchange(client), server.answer, "{} in {language:?}", server.name);
                }
                drop(clients);
                running.end(Signal::KILL);
            }
        }
    }

    fn mpserv_serves(&self) {
        let ways: [&[&str]; 4] = [&[], &["--prefork", "2"], &["--", "cat"], &["--proxy-protocol"]];
        for way in ways {
            let (options, program) = way.split_at(way.iter().position(|word| *word == "--").unwrap_or(way.len()));
            let mut command = self.command(Impl::Rust, "mpserv");
            let running = Running::start(command.args(options).arg("127.0.0.1:0").args(program), Output::Pipe);
            let mut client = connect(running.port());
            if way.contains(&"--proxy-protocol") {
                client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").unwrap();
            }
            client.write_all(b"hello").unwrap();
            let mut answer = [0; 5];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello", "{way:?}");
            drop(client);
            let ended = running.end(Signal::TERM);
            assert_eq!(ended.status.code(), Some(0), "{way:?}: {ended:?}");
        }
    }
}

/// Returns the program's exit status and its lines, each once, sorted. The order of processes and the number of a
/// parent's checks differ, because an emulator is slow. Numbers of three and more digits, such as process ids, are left
/// out.
fn printed(ended: &Ended) -> (Option<i32>, Vec<String>) {
    let mut lines: Vec<String> = ended.stdout.lines().map(without_long_numbers).collect();
    lines.sort_unstable();
    lines.dedup();
    (ended.status.code(), lines)
}

fn without_long_numbers(line: &str) -> String {
    let is_short = |word: &&str| word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_digit());
    line.split_inclusive(' ').filter(|word| is_short(&word.trim_end())).collect()
}
