//! Starts a server, waits until it serves, and attaches strace to it.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{ENDING, Life, WATCHDOG};
use crate::faults::case::Case;
use crate::faults::server::client::Address;
use crate::faults::server::ending::is_mute;
use crate::faults::server::mode::{SLOTS, Subject, Whose};
use crate::faults::server::process::TICK;
use crate::run::Directory;
use crate::run::processes::Status;
use crate::trouble::Trouble;

/// The trace of the server alone.
const OWN_TRACE: &str = "trace.1";
/// The file of the Unix socket.
const SOCKET: &str = "socket";
/// The number of bytes that strace shows of reads and writes: enough for the signals that the server reads at once.
const SHOWN: &str = "512";
/// An address with a port that the kernel chooses.
const ANY_PORT: &str = "127.0.0.1:0";

impl Life {
    pub fn begin(subject: Subject<'_>, case: Option<&Case>) -> Result<Self, Trouble> {
        let Subject { program, mode, whose, strace, watchdog } = subject;
        let directory = Directory::new()?;
        let file = |name: &str| {
            File::create(directory.path.join(name)).map_err(|error| Trouble::of(directory.path.display(), error))
        };
        let (port, log) = (file("port")?, file("log")?);
        let injection = case.map(|case| format!("inject={}", case.injection()));
        let injection: Vec<&str> = injection.iter().flat_map(|injection| ["-e", injection.as_str()]).collect();
        let attaches = whose == Whose::Children || mode.begins_alike;
        let mut command = if attaches {
            Command::new(program)
        } else {
            let mut command = Command::new(&strace.path);
            // The option -D makes the server this process's child, and -I2 lets a signal end strace.
            command.args(["-D", "-I2", "-q", "-s", SHOWN, "-o"]).arg(directory.path.join(OWN_TRACE));
            command.args(&injection).arg(program);
            command
        };
        let address = match mode.is_unix {
            true => format!("unix:{}", directory.path.join(SOCKET).display()),
            false => ANY_PORT.to_owned(),
        };
        (1..mode.sockets).for_each(|_| _ = command.args(["--listen", ANY_PORT]));
        command
            .args(mode.options)
            .args(["--log-time", "no", "-1", "-c", &SLOTS.to_string(), &address])
            .args(mode.program);
        command.stdin(Stdio::null()).stdout(port).stderr(log);
        let server = command.spawn().map_err(|error| Trouble::of(program.display(), error))?.id();
        let mut life = Life {
            directory,
            server,
            before: Vec::new(),
            mode,
            whose,
            watchdog,
            addresses: Vec::new(),
            tracer: None,
            status: None,
            told: None,
            killed: false,
            is_mute: case.is_some_and(is_mute),
            processor: [Duration::ZERO; 2],
            descriptors: 0,
        };
        life.wait_until_ready(!attaches);
        let start = Instant::now();
        while life.serves() && life.runs() && life.children().len() < mode.idle && start.elapsed() < ENDING {
            std::thread::sleep(TICK);
        }
        life.rest();
        life.descriptors = life.open_descriptors().len();
        if attaches && life.serves() {
            let mut command = Command::new(&strace.path);
            command.args(["-q", "-s", SHOWN, "-o"]);
            match whose {
                Whose::Parent => command.arg(life.directory.path.join(OWN_TRACE)),
                Whose::Children => command.arg(life.directory.path.join("trace")).arg("-ff"),
            };
            if whose == Whose::Children && !mode.restarts {
                command.args(["-b", "execve"]);
            }
            command.args(&injection);
            life.attach(command)?;
            life.rest();
        }
        Ok(life)
    }

    /// Waits until the server serves or has ended. The log, the printed port or the socket file shows that the server
    /// serves.
    fn wait_until_ready(&mut self, is_traced: bool) {
        let start = Instant::now();
        while !self.serves() && self.runs() && start.elapsed() < WATCHDOG {
            if is_traced {
                let tracer = Status::of(self.server).map(|status| status.tracer).filter(|tracer| *tracer != 0);
                self.tracer = self.tracer.or(tracer);
            }
            let addresses = self.find_addresses();
            if addresses.len() == self.mode.sockets {
                self.addresses = addresses;
            }
            std::thread::sleep(TICK);
        }
        self.rest();
    }

    fn find_addresses(&self) -> Vec<Address> {
        if self.mode.is_unix {
            let socket = self.directory.path.join(SOCKET);
            return socket.exists().then_some(Address::Path(socket)).into_iter().collect();
        }
        let port = |text: &str| text.parse().ok().map(Address::Port);
        let log = self.log();
        if log.contains("mpserv: start ") {
            // Under a fault, a port may be printed in pieces, so the log is checked first.
            let lines = log.split("listen address=127.0.0.1:").skip(1);
            let logged: Vec<Address> = lines.filter_map(|rest| port(rest.split_once([' ', '\n'])?.0)).collect();
            if logged.len() == self.mode.sockets {
                return logged;
            }
        }
        let printed = fs::read_to_string(self.directory.path.join("port")).unwrap_or_default();
        printed.split_inclusive('\n').filter_map(|line| port(line.strip_suffix('\n')?)).collect()
    }

    /// Attaches strace to the server, and to its children if faults are to hit them.
    fn attach(&mut self, mut strace: Command) -> Result<(), Trouble> {
        let mut all = vec![self.server];
        if self.whose == Whose::Children {
            all.extend(self.children());
        }
        for pid in &all {
            strace.args(["-p", &pid.to_string()]);
        }
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tracer = strace.spawn().map_err(|error| Trouble::of("strace", error))?;
        self.tracer = Some(tracer.id());
        // A server that has already met its fault has ended, or is a zombie.
        let traced = |status: Status| status.tracer != 0 || status.state == b'Z';
        let start = Instant::now();
        while !all.iter().all(|pid| Status::of(*pid).is_none_or(traced)) {
            if start.elapsed() > WATCHDOG {
                return Err(Trouble::new("strace did not attach to the server"));
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}
