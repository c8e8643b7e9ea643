//! The textbook programs and their drives.

use crate::drives::{self, Peer, Server};
use crate::run::Sleep;
use crate::run::stage::Stage;
use crate::trace::Line;
use crate::tree::Tree;
use crate::trouble::Trouble;

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub kind: Kind,
}

/// The kind of the program, which decides how the tool drives it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The program runs and ends by itself. `alarms` means that the program waits for alarms, which need real time.
    Alone {
        alarms: bool,
    },
    Server {
        arguments: &'static [&'static str],
        server: Server,
        /// Further drives with arguments, which the published programs lack.
        variants: &'static [(&'static str, &'static [&'static str])],
    },
    Client {
        arguments: &'static [&'static str],
        input: &'static str,
        port: u16,
        peer: Peer,
    },
}

/// One way to drive a program.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    pub input: &'static str,
    /// A port on which this tool listens from the beginning.
    pub occupies: Option<u16>,
    /// A port on which no other process may listen.
    pub needs_free: Option<u16>,
    pub sleep: Sleep,
    /// Whether the drive tests behaviour that the published programs lack.
    pub is_addition: bool,
    act: Act,
}

/// The steps of the drive.
#[derive(Clone, Copy, Debug)]
enum Act {
    Run,
    Interrupt,
    NoClient(Server),
    OneClient(Server),
    ThreeClients(Server),
    ResetBy(Server),
    Serve(Peer),
    CloseOn(Peer),
    ResetOn(Peer),
}

impl Drive {
    /// Takes the step.
    pub fn act(&self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        match self.act {
            Act::Run => drives::run(stage),
            Act::Interrupt => drives::interrupt(stage),
            Act::NoClient(server) => server.no_client(stage),
            Act::OneClient(server) => server.one_client(stage),
            Act::ThreeClients(server) => server.three_clients(stage),
            Act::ResetBy(server) => server.reset(stage),
            Act::Serve(peer) => peer.serve(stage),
            Act::CloseOn(peer) => peer.close(stage),
            Act::ResetOn(peer) => peer.reset(stage),
        }
    }

    /// Whether the drive acted too late in this run, so that the run does not count.
    pub fn was_late(&self, run: &Tree) -> bool {
        let is_alarm = |line: Line<'_>| matches!(line, Line::Signal { name: b"SIGALRM", .. });
        let mut traces = run.processes.iter().map(|process| &process.trace);
        let mut rang = || traces.any(|trace| (0..trace.len()).any(|event| is_alarm(trace.line(event))));
        matches!(self.act, Act::Interrupt) && rang()
    }
}

impl Program {
    /// Returns the program with this name. The error lists all names.
    pub fn choose(name: &str) -> Result<Self, Trouble> {
        let all = || ALL.map(|program| program.name).join(", ");
        Self::named(name).ok_or_else(|| Trouble::new(format!("{name}: not one of {}", all())))
    }

    /// Returns the program of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|program| program.name == name)
    }

    /// Returns all drives of the program.
    pub fn drives(self) -> Vec<Drive> {
        let base = Drive {
            name: "run",
            arguments: &[],
            input: "",
            occupies: None,
            needs_free: None,
            sleep: Sleep::Skipped,
            is_addition: false,
            act: Act::Run,
        };
        match self.kind {
            Kind::Alone { alarms: false } => vec![base],
            Kind::Alone { alarms: true } => {
                let real = Drive { sleep: Sleep::Alarmed, ..base };
                vec![real, Drive { name: "ctrl-c", act: Act::Interrupt, ..real }]
            }
            Kind::Server { arguments, server, variants } => {
                let usual = Drive { arguments, needs_free: Some(server.port), ..base };
                let mut drives = vec![
                    Drive { name: "no client", act: Act::NoClient(server), ..usual },
                    Drive { name: "one client", act: Act::OneClient(server), ..usual },
                    Drive { name: "three clients", act: Act::ThreeClients(server), ..usual },
                    Drive { name: "reset", act: Act::ResetBy(server), ..usual },
                    Drive { name: "port in use", occupies: Some(server.port), ..usual },
                ];
                for (name, arguments) in variants {
                    let act = Act::ThreeClients(server);
                    drives.push(Drive { name, arguments, is_addition: true, act, ..usual });
                }
                drives.extend(usage_error(arguments, base));
                drives
            }
            Kind::Client { arguments, input, port, peer } => {
                let usual = Drive { arguments, input, needs_free: Some(port), ..base };
                let served = Drive { occupies: Some(port), ..usual };
                let mut drives = vec![
                    Drive { name: "no server", ..usual },
                    Drive { name: "one server", act: Act::Serve(peer), ..served },
                    Drive { name: "closed", act: Act::CloseOn(peer), ..served },
                    Drive { name: "reset", act: Act::ResetOn(peer), ..served },
                ];
                drives.extend(usage_error(arguments, base));
                drives
            }
        }
    }
}

/// Returns the drive with a wrong usage. Only programs with arguments have such a drive.
fn usage_error(arguments: &[&str], base: Drive) -> Option<Drive> {
    (!arguments.is_empty()).then_some(Drive { name: "usage error", ..base })
}

/// The port for echo_mpserv.
const ECHO_PORT: u16 = 9190;
const ECHO_PORT_TEXT: &str = "9190";
/// The port that is built into the programs for messages.
const MESSAGE_PORT: u16 = 5051;
const ROT13_PORT: u16 = 43211;

const ECHO: Server = Server {
    port: ECHO_PORT,
    exchanges: &[
        (b"hello\n", b"hello\n"),
        (
            b"a line that is longer than the buffer of thirty bytes\n",
            b"a line that is longer than the buffer of thirty bytes\n",
        ),
        (b"\0\xff\x80 no text\n", b"\0\xff\x80 no text\n"),
    ],
    long_exchanges: &[],
    fragment: b"mid-li",
};

const RECEIVED: &[u8] = "成功接收".as_bytes();

const MESSAGES: Server = Server {
    port: MESSAGE_PORT,
    exchanges: &[(b"hello 1", RECEIVED), ("你好".as_bytes(), RECEIVED), (b"\0\xff", RECEIVED)],
    long_exchanges: &[(&[b'm'; 1023], RECEIVED)],
    fragment: b"hel",
};

const OK_MESSAGES: Server = Server {
    port: MESSAGE_PORT,
    exchanges: &[(b"hello 1", b"ok"), ("你好".as_bytes(), b"ok"), (b"\0\xff", b"ok")],
    long_exchanges: &[(&[b'm'; 1024], b"ok")],
    fragment: b"hel",
};

const ROT13: Server = Server {
    port: ROT13_PORT,
    exchanges: &[
        (b"Hello\n", b"Uryyb\n"),
        (b"two lines\nat once\n", b"gjb yvarf\nng bapr\n"),
        (b"\0\xff 123\n", b"\0\xff 123\n"),
    ],
    long_exchanges: &[(&[b'a'; 5000], b""), (b"\n", &[b'n'; 4097])],
    fragment: b"mid-li",
};

const fn alone(name: &'static str) -> Program {
    Program { name, kind: Kind::Alone { alarms: false } }
}

const fn alarms(name: &'static str) -> Program {
    Program { name, kind: Kind::Alone { alarms: true } }
}

const fn server(name: &'static str, arguments: &'static [&'static str], server: Server) -> Program {
    Program { name, kind: Kind::Server { arguments, server, variants: &[] } }
}

const fn client(
    name: &'static str,
    arguments: &'static [&'static str],
    input: &'static str,
    port: u16,
    peer: Peer,
) -> Program {
    Program { name, kind: Kind::Client { arguments, input, port, peer } }
}

/// All fourteen programs, in the order in which they are learnt.
pub const ALL: [Program; 14] = [
    alone("fork"),
    alone("zombie"),
    alone("wait"),
    alone("waitpid"),
    alarms("signal"),
    alarms("sigaction"),
    alone("remove_zombie"),
    server("echo_mpserv", &[ECHO_PORT_TEXT], ECHO),
    client("echo_mpclient", &["127.0.0.1", ECHO_PORT_TEXT], "hello\nworld\nq\n", ECHO_PORT, Peer::Echo),
    Program {
        name: "code05",
        kind: Kind::Server { arguments: &[], server: MESSAGES, variants: &[("children ignored", &["ignore"])] },
    },
    client("code04", &[], "", MESSAGE_PORT, Peer::Always(RECEIVED)),
    server("socket_serve", &[], OK_MESSAGES),
    client("socket_client", &[], "", MESSAGE_PORT, Peer::Always(b"ok")),
    server("rot13_serv", &[], ROT13),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    #[test]
    fn a_ctrl_c_is_late_when_the_alarm_was_first() {
        let run = |text: &str| Tree::build(vec![(100, Trace::new(text.into(), false).unwrap())], 100);
        let ctrl_c = "pause() = ?\n--- SIGINT {si_signo=SIGINT} ---\n+++ killed by SIGINT +++\n";
        let alarmed = format!("pause() = ?\n--- SIGALRM {{si_signo=SIGALRM}} ---\n{ctrl_c}");
        let drives = Program::named("sigaction").unwrap().drives();
        let drive = |name: &str| drives.iter().find(|drive| drive.name == name).unwrap();
        assert!(!drive("ctrl-c").was_late(&run(ctrl_c)));
        assert!(drive("ctrl-c").was_late(&run(&alarmed)));
        // This drive is about the alarms of the program.
        assert!(!drive("run").was_late(&run(&alarmed)));
    }

    /// Checks each drive: its name, its arguments, the ports that this tool occupies and that must be free, and its
    /// sleeps.
    #[test]
    fn each_program_has_its_drives() {
        let shown = |name: &str| -> Vec<String> {
            let drives = Program::named(name).unwrap().drives();
            let port = |port: Option<u16>| port.map_or("-".to_owned(), |port| port.to_string());
            let one = |drive: Drive| {
                let words =
                    [drive.name.to_owned(), drive.arguments.join(" "), port(drive.occupies), port(drive.needs_free)];
                let added = if drive.is_addition { ", added" } else { "" };
                format!("{}{added}", words.join(", "))
            };
            drives.into_iter().map(one).collect()
        };
        let server = |name: &str, argument: &str, port: &str| -> Vec<String> {
            let free = ["no client", "one client", "three clients", "reset"];
            let mut all: Vec<String> = free.iter().map(|drive| format!("{drive}, {argument}, -, {port}")).collect();
            all.push(format!("port in use, {argument}, {port}, {port}"));
            all.extend((name == "code05").then(|| format!("children ignored, ignore, -, {port}, added")));
            all.extend((!argument.is_empty()).then(|| "usage error, , -, -".to_owned()));
            all
        };
        let client = |arguments: &str, port: &str| -> Vec<String> {
            let mut all = vec![format!("no server, {arguments}, -, {port}")];
            all.extend(["one server", "closed", "reset"].map(|drive| format!("{drive}, {arguments}, {port}, {port}")));
            all.extend((!arguments.is_empty()).then(|| "usage error, , -, -".to_owned()));
            all
        };
        for name in ["fork", "zombie", "wait", "waitpid", "remove_zombie"] {
            assert_eq!(shown(name), ["run, , -, -"], "{name}");
        }
        for name in ["signal", "sigaction"] {
            assert_eq!(shown(name), ["run, , -, -", "ctrl-c, , -, -"], "{name}");
        }
        for (name, argument, port) in [
            ("echo_mpserv", "9190", "9190"),
            ("code05", "", "5051"),
            ("socket_serve", "", "5051"),
            ("rot13_serv", "", "43211"),
        ] {
            assert_eq!(shown(name), server(name, argument, port), "{name}");
        }
        for (name, arguments, port) in
            [("echo_mpclient", "127.0.0.1 9190", "9190"), ("code04", "", "5051"), ("socket_client", "", "5051")]
        {
            assert_eq!(shown(name), client(arguments, port), "{name}");
        }
        for program in ALL {
            let alarms = matches!(program.name, "signal" | "sigaction");
            let sleep = if alarms { Sleep::Alarmed } else { Sleep::Skipped };
            assert!(program.drives().iter().all(|drive| drive.sleep == sleep), "{}", program.name);
            let input = if program.name == "echo_mpclient" { "hello\nworld\nq\n" } else { "" };
            let asks = program.drives().into_iter().filter(|drive| drive.name != "usage error");
            assert!(asks.into_iter().all(|drive| drive.input == input), "{}", program.name);
        }
    }
}
