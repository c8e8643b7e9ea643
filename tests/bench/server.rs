//! A server that runs for as long as it is measured.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use mpserv::net::{AddressFamily, Protocol, SocketAddrV4, SocketType, bind, socket};
use mpserv::process::Pid;
use mpserv::signal::{Signal, killpg};

use crate::Result;
use crate::subjects::{PORT, Port, Subject};

/// The longest time until a server listens, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest time for which a closed connection keeps a port.
const TIME_WAIT: Duration = Duration::from_secs(70);
const LOOK: Duration = Duration::from_millis(2);

pub struct Server {
    child: Child,
    pub port: u16,
    stderr: File,
    /// The listener that the server inherits, if it was not given a port.
    _passed: Option<TcpListener>,
}

/// The first of the ports for servers. These ports are below the ports that the kernel chooses for clients, so a server
/// without SO_REUSEADDR can bind them.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;
/// The number of ports that were given out.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// Returns a port that is free now. Each call returns another port.
fn free_port() -> Result<u16> {
    let first = std::process::id() as u16 % PORTS;
    for _ in 0..PORTS {
        let next = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (first + next % PORTS) % PORTS;
        if is_free(port) {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

/// Whether a server can bind a port without SO_REUSEADDR. A connection that the server closed first keeps the port for
/// a minute (TIME_WAIT). std's listener asks for SO_REUSEADDR, and so would not notice such a connection.
fn is_free(port: u16) -> bool {
    socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)
        .is_ok_and(|fd| bind(&fd, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)).is_ok())
}

/// Waits until a server can bind its fixed port.
fn wait_until_free(port: u16) -> Result<()> {
    let deadline = Instant::now() + TIME_WAIT;
    while !is_free(port) {
        if Instant::now() > deadline {
            return Err(format!("port {port} is in use").into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

impl Server {
    pub fn start(subject: &Subject) -> Result<Server> {
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
            (None, Port::Fixed(port)) => {
                wait_until_free(port)?;
                port
            }
            (None, _) => free_port()?,
        };
        let fill_in = |word: &String| word.replace(PORT, &port.to_string());
        let words: Vec<String> = subject.command.iter().map(fill_in).collect();
        let mut stderr = tempfile()?;
        let stdin = match &passed {
            Some(listener) => OwnedFd::from(listener.try_clone()?).into(),
            None => Stdio::null(),
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(stdin).stdout(Stdio::null()).stderr(stderr.try_clone()?).process_group(0);
        let child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{} is not installed", words[0]),
            _ => format!("{}: {error}", words[0]),
        })?;
        stderr.seek(SeekFrom::Start(0))?;
        let mut server = Server { child, port, stderr, _passed: passed };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // /proc/net/tcp would show the listener without a connection. But a read of that file takes longer the more
        // connections were closed lately.
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

    /// Returns the server's last line on standard error.
    pub fn complaint(&self) -> String {
        let mut text = Vec::new();
        // The text is for a person, so an error while reading it is ignored.
        let _ = self.stderr.try_clone().and_then(|mut file| {
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut text)
        });
        String::from_utf8_lossy(&text).lines().last().unwrap_or("it says nothing").to_owned()
    }

    /// Returns the server's present children, without zombies.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| is_alive(*pid)).collect()
    }

    fn group(&self) -> Option<Pid> {
        i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // No process is left in the group of a server that has ended.
        let _ = self.group().map(|group| killpg(group, Signal::KILL));
        let _ = self.child.wait();
    }
}

fn is_alive(pid: u32) -> bool {
    // The state follows the name, which ends with the last parenthesis.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Returns a file without a name.
fn tempfile() -> Result<File> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}
