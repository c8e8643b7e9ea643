//! Runs the programs under checkers of memory. `make memcheck` uses valgrind's memcheck, for the textbook programs in C
//! and in Rust and for the server. `make sanitize` uses the sanitizers of the compiler, for the C programs.
//!
//! Sleeps take their real time, half a minute and more, because strace cannot trace these programs at the same time.

#[path = "../ffi/cc.rs"]
#[allow(dead_code, reason = "a part is enough here")]
mod cc;
#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use common::network::Network;
use common::server::{MPSERV, Served, parse_log};
use common::servers::{CODE05, ECHO_MPSERV, ROT13_SERV, SERVERS, SOCKET_SERVE, Server};
use common::solo::Test;
use common::{
    Ended, Impl, Output, Running, TempDir, children, connect, finish, reset, signal, state, wait_for, wait_until,
    waits_in, zombies,
};
use mpserv::signal::Signal;

/// Tests each program with each checker.
macro_rules! checks {
    ($($program:ident)+; $($mode:ident $arguments:expr,)+) => {
        [
            $(
                Test::new(concat!("memcheck_c_", stringify!($program)), || check(Checker::Memcheck(Impl::C), stringify!($program))),
                Test::new(concat!("memcheck_rust_", stringify!($program)), || {
                    check(Checker::Memcheck(Impl::Rust), stringify!($program));
                }),
                Test::new(concat!("sanitize_", stringify!($program)), || check(Checker::Sanitizers, stringify!($program))),
            )+
            Test::new("memcheck_finds_a_planted_mistake", || finds(Checker::Memcheck(Impl::C))),
            Test::new("sanitize_finds_a_planted_mistake", || finds(Checker::Sanitizers)),
            $(Test::new(concat!("memcheck_mpserv_", stringify!($mode)), || check_mpserv(&$arguments)),)+
            Test::new("memcheck_mpserv_restart", check_restart),
        ]
    };
}

fn main() -> ExitCode {
    common::solo::main(&[&checks! {
        fork zombie wait waitpid signal sigaction remove_zombie echo_mpserv echo_mpclient code05 code04 socket_serve
        socket_client rot13_serv;
        fork ["127.0.0.1:0"],
        prefork ["--prefork", "2-4", "127.0.0.1:0"],
        program ["127.0.0.1:0", "--", "/bin/cat"],
        // No service runs in the sandbox here. valgrind does not know seccomp, and makes calls of its own, for which
        // the filter would end the child.
        sandbox ["--sandbox", "127.0.0.1:0", "--", "/bin/cat"],
    }])
}

/// A checker of memory.
#[derive(Clone, Copy)]
enum Checker {
    Memcheck(Impl),
    /// The compiler's sanitizers, which only C programs have: `-fsanitize=address,undefined`.
    Sanitizers,
}

/// The options of memcheck. There is one report for each process. Leaks are errors, and so are reads of uninitialized
/// memory.
const MEMCHECK: [&str; 8] = [
    "-q",
    "--trace-children=yes",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=99",
    "--vgdb=no",
    "--child-silent-after-fork=no",
    // valgrind does not know the request SIOCUNIXFILE, which has no argument.
    "--sim-hints=lax-ioctls",
];

const SANITIZERS: [&str; 5] = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

impl Checker {
    /// Returns the command that runs the program under the checker. The findings are files in this folder whose names
    /// begin with `found`.
    fn command(self, program: &str, folder: &Path) -> Command {
        match self {
            Checker::Memcheck(language) => memcheck(&language.path(program), folder),
            Checker::Sanitizers => {
                let source =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook").join(program).with_extension("c");
                sanitized(&source, folder)
            }
        }
    }
}

fn sanitized(source: &Path, folder: &Path) -> Command {
    let built = folder.join("sanitized");
    cc::compile(cc::compiler(), &[source], &SANITIZERS, &built).unwrap_or_else(|why| panic!("{why}"));
    Command::new(built)
}

fn memcheck(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(MEMCHECK).arg(format!("--log-file={}/found.%p", folder.display())).arg("--").arg(program);
    command
}

/// Returns the errors that were found in any process, from memcheck's files or from standard error, where the
/// sanitizers write.
fn found(folder: &Path, stderr: &str) -> String {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let found = files.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"found")));
    let found: String = found.map(|path| fs::read_to_string(path).unwrap()).collect();
    found + if ["Sanitizer", "runtime error"].iter().any(|sign| stderr.contains(sign)) { stderr } else { "" }
}

/// Checks that the checker finds a child that reads beyond its allocated memory.
fn finds(checker: Checker) {
    const MISTAKEN: &str = "#include <stdlib.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
                            int main(int argc, char **argv) { (void)argv; char *four = malloc(4); if (fork() == 0) \
                            return four[argc + 3] != 0; wait(NULL); free(four); return 0; }\n";
    let folder = TempDir::new();
    let source = folder.join("mistaken.c");
    fs::write(&source, MISTAKEN).unwrap();
    let mut command = match checker {
        Checker::Memcheck(_) => {
            cc::compile(cc::compiler(), &[&source], &["-g"], &folder.join("mistaken")).unwrap();
            memcheck(&folder.join("mistaken"), &folder.0)
        }
        Checker::Sanitizers => sanitized(&source, &folder.0),
    };
    let ended = common::run(&mut command, Output::Pipe);
    assert_ne!(found(&folder.0, &ended.stderr), "");
}

/// The longest time of a program that sleeps for up to half a minute.
const SLEEPS: Duration = Duration::from_secs(60);

/// Drives a textbook program. The checker must find nothing.
fn check(checker: Checker, program: &str) {
    let folder = TempDir::new();
    let _network = Network::own();
    let mut command = checker.command(program, &folder.0);
    command.stdin(Stdio::null());
    let ended = match (SERVERS.into_iter().find(|server| server.name == program), program) {
        (Some(server), _) => drive_server(server, command.args(server.arguments)),
        (None, "echo_mpclient") => drive_client(ECHO_MPSERV, &mut command),
        (None, "code04") => drive_client(CODE05, &mut command),
        (None, "socket_client") => drive_client(SOCKET_SERVE, &mut command),
        (None, _) => {
            let ended = Running::start(&mut command, Output::Pipe).wait_within(SLEEPS);
            assert_eq!((ended.stderr.as_str(), ended.status.code()), ("", Some(0)));
            ended
        }
    };
    assert_eq!(found(&folder.0, &ended.stderr), "", "{program}");
}

/// Runs a client that sends and closes properly, a silent client, a client that resets, and a client that sends more
/// than a buffer.
fn drive_server(server: Server, command: &mut Command) -> Ended {
    let running = Running::start(command, Output::Pipe);
    let rests = || {
        wait_until("that client's child has ended, and the server accepts again", || {
            children(running.pid()) == zombies(running.pid()) && waits_in(running.pid(), libc::SYS_accept)
        });
    };
    let mut client = server.connect(&running);
    assert_eq!(server.exchange(&mut client), server.answer);
    finish(client);
    rests();
    finish(server.connect(&running));
    rests();
    // After a failed read, echo_mpserv writes -1 bytes, as the original does. The kernel refuses such a write, and
    // checkers report it.
    if server != ECHO_MPSERV {
        let mut client = server.connect(&running);
        server.exchange(&mut client);
        reset(client);
        rests();
    }
    let mut client = server.connect(&running);
    let long: &[u8] = if server == ROT13_SERV { &[b'a'; 5000] } else { &[b'a'; 1023] };
    client.write_all(long).unwrap();
    finish(client);
    rests();
    running.end(Signal::TERM)
}

/// Acts as the server of a client: answers two messages, and closes. A client that reads from its user gets one message
/// there.
fn drive_client(server: Server, command: &mut Command) -> Ended {
    const PORT: u16 = 5051;
    let is_told = server == ECHO_MPSERV;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, if is_told { 0 } else { PORT })).unwrap();
    if is_told {
        command.args(["127.0.0.1", &listener.local_addr().unwrap().port().to_string()]).stdin(Stdio::piped());
    }
    let mut running = Running::start(command, Output::Pipe);
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(common::WATCHDOG)).unwrap();
    if is_told {
        running.input(b"hello\nq\n");
    }
    for _ in 0..2 {
        let length = peer.read(&mut [0; 1024]).unwrap();
        if length > 0 {
            peer.write_all(server.answer.as_bytes()).unwrap();
        }
    }
    drop(peer);
    running.wait()
}

/// Drives the server in one of its modes. The checker must find nothing.
fn check_mpserv(arguments: &[&str]) {
    let folder = TempDir::new();
    let mut command = memcheck(&PathBuf::from(MPSERV), &folder.0);
    command.args(["-1"]).args(arguments).stdin(Stdio::null());
    let server = Served::start_command(&mut command);
    for _ in 0..3 {
        finish(server.client());
    }
    // A program's own messages would stand in the middle of the log.
    if !arguments.contains(&"--") {
        reset(server.client());
    }
    finish(connect(server.port()));
    finish(server.client());
    drop(server.client());
    server.stop();
    assert_eq!(found(&folder.0, ""), "");
}

/// Makes the server start itself anew, on a port and on a Unix socket, and checks that neither process has an error.
fn check_restart() {
    let folder = TempDir::new();
    let (path, pidfile) = (folder.join("socket"), folder.join("pid"));
    let mut command = memcheck(&PathBuf::from(MPSERV), &folder.0);
    command.args(["-1", "--pidfile"]).arg(&pidfile).arg("--listen").arg(format!("unix:{}", path.display()));
    let first = Served::start_command(command.arg("127.0.0.1:0").stdin(Stdio::null()));
    let exchange = || {
        finish(first.client());
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"local").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(std::io::read_to_string(client).unwrap(), "local");
    };
    exchange();
    first.running.signal(Signal::USR2);
    let second = wait_for("another process has the pidfile", || {
        fs::read_to_string(&pidfile).ok()?.trim().parse().ok().filter(|pid| *pid != first.pid())
    });
    wait_until("the first one ends", || state(first.pid()) == Some('Z'));
    exchange();
    signal(second, Signal::TERM);
    let ended = first.running.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(parse_log(&ended.stderr).iter().filter(|line| line.event == "stopped").count(), 2, "{}", ended.stderr);
    assert_eq!(found(&folder.0, ""), "");
}
