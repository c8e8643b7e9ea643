//! Runs a program, collects its output, and ends it with its test.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{
    Output, TempDir, WATCHDOG, children, listening_port, state, terminal, wait_for, wait_until, wait_within, waits_in,
};

/// A program that runs, with everything that it prints.
pub struct Running {
    /// The command, for messages.
    name: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

/// Output that is read from a descriptor, or written to a file.
enum Collected {
    Reader(JoinHandle<()>, Arc<Mutex<Vec<u8>>>),
    File(PathBuf, TempDir),
}

/// The end of a program, with its output.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

fn collect(mut from: impl Read + Send + 'static) -> Collected {
    let text = Arc::new(Mutex::new(Vec::new()));
    let shared = text.clone();
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // A terminal gives EIO when no process has its other end any more.
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            shared.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    });
    Collected::Reader(reader, text)
}

impl Collected {
    fn so_far(&self) -> String {
        let bytes = match self {
            Collected::Reader(_, text) => text.lock().unwrap().clone(),
            Collected::File(path, _) => fs::read(path).unwrap(),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the whole output, up to the moment when no process has the other end any more.
    #[track_caller]
    fn all(&self) -> String {
        if let Collected::Reader(reader, _) = self {
            wait_until("nobody holds the output any more", || reader.is_finished());
        }
        self.so_far()
    }
}

impl Running {
    /// Starts a command. Standard output goes to `output`, and standard error to a pipe. Standard input is set by the
    /// command, or empty.
    pub fn start(command: &mut Command, output: Output) -> Running {
        command.stderr(Stdio::piped());
        let (mut child, stdout) = match output {
            Output::Pipe => {
                let mut child = spawn(command.stdout(Stdio::piped()));
                let stdout = collect(child.stdout.take().unwrap());
                (child, stdout)
            }
            Output::File => {
                let folder = TempDir::new();
                let path = folder.join("stdout");
                let child = spawn(command.stdout(File::create(&path).unwrap()));
                (child, Collected::File(path, folder))
            }
            Output::Terminal => {
                let (master, slave) = terminal();
                let child = spawn(command.stdout(slave));
                // The line makes the command give up its copy of the other end.
                command.stdout(Stdio::null());
                (child, collect(File::from(master)))
            }
        };
        let stderr = collect(child.stderr.take().unwrap());
        Running { name: format!("{command:?}"), child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Writes to the program's standard input, which must be a pipe, and closes it.
    pub fn input(&mut self, text: &[u8]) {
        self.child.stdin.take().expect("standard input is a pipe").write_all(text).unwrap();
    }

    /// Returns the program's standard output until now.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.so_far()
    }

    /// Whether no process can print anything more on its standard output, and all of it has been read.
    pub fn stdout_is_complete(&self) -> bool {
        matches!(&self.stdout, Collected::Reader(reader, _) if reader.is_finished())
    }

    /// Returns the program's standard error until now.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until the program listens, and returns its port.
    #[track_caller]
    pub fn port(&self) -> u16 {
        let port = wait_for(&format!("{} listens", self.name), || {
            let has_ended = state(self.pid()) == Some('Z');
            let port = listening_port(self.pid());
            (port.is_some() || has_ended).then_some(port)
        });
        port.unwrap_or_else(|| panic!("{} ended without listening: {}", self.name, self.stderr_so_far()))
    }

    /// Waits until a server has no child any more and is back in accept.
    #[track_caller]
    pub fn at_rest(&self) {
        wait_until("the server is back in accept, without children", || {
            children(self.pid()).is_empty() && waits_in(self.pid(), libc::SYS_accept)
        });
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: mpserv::signal::Signal) {
        super::signal(self.pid(), signal);
    }

    /// Waits until the program ends by itself.
    #[track_caller]
    pub fn wait(self) -> Ended {
        self.wait_within(WATCHDOG)
    }

    /// Waits until the program ends by itself, at most for `limit`.
    #[track_caller]
    pub fn wait_within(mut self, limit: Duration) -> Ended {
        let Some(status) = wait_within(limit, || self.child.try_wait().unwrap()) else {
            let (stdout, stderr) = (self.stdout_so_far(), self.stderr_so_far());
            panic!("{} has not ended after {limit:?}; it printed {stdout:?}, and as errors {stderr:?}", self.name);
        };
        // Standard error is never a file. When nobody holds it any more, a file of the output is complete as well.
        let stderr = self.stderr.all();
        Ended { status, stdout: self.stdout.all(), stderr }
    }

    /// Ends the program with a signal.
    #[track_caller]
    pub fn end(self, signal: mpserv::signal::Signal) -> Ended {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            for pid in children(self.pid()) {
                if let Some(pid) = mpserv::process::Pid::from_raw(pid as i32) {
                    let _ = mpserv::signal::kill(pid, mpserv::signal::Signal::KILL);
                }
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}
