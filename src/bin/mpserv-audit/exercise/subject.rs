//! Compiles, starts, watches and ends a reader's program.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpserv::process::{Pid, WaitFor, WaitOptions, waitpid};
use mpserv::signal::{self, Signal};

use crate::programs::{Kind, Program};
use crate::run::interrupt::INTERRUPTED;
use crate::run::network;
use crate::run::processes::{Status, children};
use crate::run::strace::Strace;
use crate::trouble::Trouble;

/// The longest time to wait for an expected event.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time between two checks for an expected event.
const TICK: Duration = Duration::from_millis(2);
/// The time after which a process that has not run counts as a process that waits.
const REST: Duration = Duration::from_millis(300);

/// The directory of the textbook programs' own headers.
const HEADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/textbook");

/// Compiles the file into the folder, as the program of this name and with the option for its standard of C.
pub fn compile(file: &Path, name: &str, standard: &str, folder: &Path) -> Result<PathBuf, Trouble> {
    let program = folder.join(name);
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command.args([standard, "-O1", "-g", "-w", "-pthread", "-I", HEADERS, "-o"]).arg(&program).arg(file);
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| Trouble::of(Path::new(&compiler).display(), error))?;
    if status.success() { Ok(program) } else { Err(Trouble::new(format!("{} does not compile", file.display()))) }
}

/// A program that can be started.
#[derive(Debug)]
pub struct Subject<'s> {
    program: &'s Path,
    folder: &'s Path,
    strace: &'s Strace,
    arguments: &'static [&'static str],
    /// The port on which the program listens, or to which it connects.
    pub port: u16,
}

impl<'s> Subject<'s> {
    pub fn new(name: &str, program: &'s Path, folder: &'s Path, strace: &'s Strace) -> Self {
        let (arguments, port) = match Program::named(name).map(|program| program.kind) {
            Some(Kind::Server { arguments, server, .. }) => (arguments, server.port),
            Some(Kind::Client { arguments, port, .. }) => (arguments, port),
            Some(Kind::Alone { .. }) | None => (&[][..], 0),
        };
        Subject { program, folder, strace, arguments, port }
    }

    /// Starts the program.
    pub fn start(&self) -> Result<Running<'_>, Trouble> {
        let mut command = Command::new(self.program);
        command.args(self.arguments);
        self.spawn(command, "", false)
    }

    /// Starts the program with its standard input closed.
    pub fn start_without_input(&self) -> Result<Running<'_>, Trouble> {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(self.program).args(self.arguments);
        self.spawn(command, "", false)
    }

    /// Starts the program under strace, with these expressions (`-e`) and this input.
    pub fn start_traced(&self, expressions: &[&str], input: &str) -> Result<Running<'_>, Trouble> {
        let mut command = Command::new(&self.strace.path);
        command.args(["-f", "-qq", "-o"]).arg(self.folder.join(TRACE));
        expressions.iter().for_each(|expression| _ = command.args(["-e", expression]));
        command.arg("--").arg(self.program).args(self.arguments);
        self.spawn(command, input, true)
    }

    fn spawn(&self, mut command: Command, input: &str, is_traced: bool) -> Result<Running<'_>, Trouble> {
        let trouble = |error| Trouble::of(self.folder.display(), error);
        let (stdin, stdout) = (self.folder.join("stdin"), self.folder.join(STDOUT));
        fs::write(&stdin, input).map_err(trouble)?;
        command.stdin(File::open(&stdin).map_err(trouble)?);
        command.stdout(File::create(&stdout).map_err(trouble)?).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| Trouble::of(self.program.display(), error))?;
        let mut running = Running { subject: self, child, root: 0 };
        let runs_program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.program);
        let own = running.child.id();
        let mut root = None;
        running.wait("the program starts", |running| {
            // The program's children run the same file, so look for the program itself first.
            root = std::iter::once(own).chain(children(own)).find(|pid| runs_program(*pid));
            // If the program has ended already, strace has ended as well.
            root.is_some() || (is_traced && running.has_ended())
        })?;
        running.root = root.unwrap_or(own);
        Ok(running)
    }
}

const TRACE: &str = "trace";
const STDOUT: &str = "stdout";

/// A program that runs.
#[derive(Debug)]
pub struct Running<'r> {
    subject: &'r Subject<'r>,
    /// The process of the program, or of the strace that runs it.
    child: Child,
    pub root: u32,
}

impl Running<'_> {
    /// Waits until a condition holds.
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) -> Result<(), Trouble> {
        let start = Instant::now();
        while !is_so(self) {
            if INTERRUPTED.is_raised() {
                return Err(Trouble::new("interrupted"));
            }
            if start.elapsed() > PATIENCE {
                return Err(Trouble::new(format!("waited {} s in vain until {what}", PATIENCE.as_secs())));
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Waits until the server listens.
    pub fn wait_until_listening(&mut self) -> Result<(), Trouble> {
        let port = self.subject.port;
        self.wait("the server listens", |running| network::listens(&[running.root], port) || running.has_ended())
    }

    /// Waits until a condition holds, or until the first process does nothing any more. Returns whether the condition
    /// holds.
    pub fn wait_or_rest(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) -> Result<bool, Trouble> {
        let mut seen = (Instant::now(), Status::of(self.root));
        let mut came = false;
        self.wait("the program comes to rest", |running| {
            came = is_so(running);
            let now = Status::of(running.root);
            if now != seen.1 {
                seen = (Instant::now(), now);
            }
            came || running.has_ended() || (now.is_some_and(|now| now.is_still()) && seen.0.elapsed() > REST)
        })?;
        Ok(came)
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Returns the children of the first process.
    pub fn children(&self) -> Vec<u32> {
        children(self.root)
    }

    /// Returns the number of processes that have ended and were not reaped.
    pub fn zombies(&self) -> usize {
        let is_zombie = |pid: &u32| Status::of(*pid).is_some_and(|status| status.state == b'Z');
        self.children().iter().filter(|pid| is_zombie(pid)).count()
    }

    /// Returns the trace that strace has written until now.
    pub fn trace(&self) -> String {
        fs::read(self.subject.folder.join(TRACE))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Returns the text that the program has printed until now.
    pub fn printed(&self) -> String {
        fs::read(self.subject.folder.join(STDOUT))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    pub fn signal(&self, pid: u32, signal: Signal) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // The process may have ended, so the call may fail.
            let _ = signal::kill(pid, signal);
        }
    }

    /// Connects to the server.
    pub fn connect(&self) -> Result<TcpStream, Trouble> {
        let port = self.subject.port;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let stream = stream.and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream));
        stream.map_err(|error| Trouble::of(format!("a connection to port {port}"), error))
    }

    /// Connects to the server, and returns the client once it has had an answer.
    pub fn client(&self) -> Result<TcpStream, Trouble> {
        let mut client = self.connect()?;
        let exchanged = client.write_all(b"hello\n").and_then(|()| client.read(&mut [0; 64]));
        match exchanged {
            Ok(1..) => Ok(client),
            Ok(_) => Err(Trouble::new("the server ended the connection without an answer")),
            Err(error) => Err(Trouble::of("the server's answer", error)),
        }
    }

    fn kill_all(&mut self) {
        let mut left = vec![self.child.id()];
        while let Some(pid) = left.pop() {
            left.extend(children(pid));
            self.signal(pid, Signal::KILL);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Look again and again, because a process may fork meanwhile.
        while !self.has_ended() {
            self.kill_all();
            std::thread::sleep(TICK);
        }
        // By now, orphaned children are children of this process.
        children(std::process::id()).into_iter().for_each(|pid| self.signal(pid, Signal::KILL));
        while waitpid(WaitFor::AnyChild, None, WaitOptions::NONE).is_ok() {}
    }
}
