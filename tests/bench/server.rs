//! A server that runs for as long as it is measured.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpserv::process::Pid;
use mpserv::signal::{Signal, killpg};

use crate::Result;
use crate::subjects::{PORT, Port, Subject};

/// After this long it will not listen any more.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(2);

pub struct Server {
    child: Child,
    pub port: u16,
    stderr: File,
    /// The listener that the server inherits, if it was not given a port.
    _passed: Option<TcpListener>,
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a process has this port. Use it only if no process is about to take the port.
fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_err()
}

impl Server {
    pub fn start(subject: &Subject) -> Result<Server> {
        Server::start_under(&[], subject)
    }

    /// Starts it as the argument of another command, such as a tracer.
    pub fn start_under(wrapper: &[String], subject: &Subject) -> Result<Server> {
        let passed = match subject.port {
            Port::Passed => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                listener.set_nonblocking(true)?;
                Some(listener)
            }
            Port::Told | Port::Fixed(_) => None,
        };
        let port = match (&passed, subject.port) {
            (Some(listener), _) => listener.local_addr()?.port(),
            (None, Port::Fixed(port)) if is_taken(port) => return Err(format!("port {port} is in use").into()),
            (None, Port::Fixed(port)) => port,
            (None, _) => free_port()?,
        };
        fill_in_files(subject, port)?;
        let fill_in = |word: &String| word.replace(PORT, &port.to_string());
        let words: Vec<String> = wrapper.iter().cloned().chain(subject.command.iter().map(fill_in)).collect();
        let mut stderr = tempfile()?;
        let stdin = match &passed {
            Some(listener) => OwnedFd::from(listener.try_clone()?).into(),
            None => Stdio::null(),
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(stdin).stdout(Stdio::null()).stderr(stderr.try_clone()?).process_group(0);
        let child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        stderr.seek(SeekFrom::Start(0))?;
        let mut server = Server { child, port, stderr, _passed: passed };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // /proc/net/tcp would tell without a connection, but takes the longer the more were closed lately.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it has ended ({status}): {}", self.complaint()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("it does not listen: {}", self.complaint()).into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server's last line on standard error.
    pub fn complaint(&self) -> String {
        let mut text = Vec::new();
        // The text is for a person; what cannot be read is left out.
        let _ = self.stderr.try_clone().and_then(|mut file| {
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut text)
        });
        String::from_utf8_lossy(&text).lines().last().unwrap_or("it says nothing").to_owned()
    }

    /// The children that it has now; not those that have ended, whether it has waited for them or not.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| is_alive(*pid)).collect()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // No process is left in the group of a server that has ended.
            let _ = killpg(group, signal);
        }
    }

    /// Stops the server with SIGTERM, so that it can write its last lines; kills it with SIGKILL if SIGTERM does not
    /// stop it.
    pub fn end(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        // Its other processes take a moment more, and the next server may want the same port.
        let deadline = Instant::now() + PATIENCE;
        while is_taken(self.port) && self._passed.is_none() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
}

fn is_alive(pid: u32) -> bool {
    // The state follows the name, which ends with the last parenthesis.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A file without a name.
fn tempfile() -> Result<File> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// A file that a command names, and that has a template, is written with the port.
fn fill_in_files(subject: &Subject, port: u16) -> Result<()> {
    for word in &subject.command {
        let template = Path::new(word).with_extension("template");
        if word.ends_with(".conf") && template.exists() {
            fs::write(word, fs::read_to_string(template)?.replace(PORT, &port.to_string()))?;
        }
    }
    Ok(())
}
