//! The measured servers: the textbook programs, mpserv and the library, and plain C of the same design.

use std::path::Path;

use crate::Result;
use crate::load::{self, Load};
use crate::options::{Options, SERVE};
use crate::peers;
use crate::plain::Plain;
use crate::server::Server;

/// The way in which a server gets its port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The server gets a port in place of `{port}`.
    Told,
    /// The server always has this port.
    Fixed(u16),
    /// The server gets a listening socket as its standard input.
    Passed,
}

/// The exchange with a server.
#[derive(Clone, Copy)]
pub enum Talk {
    /// The client sends 64 bytes, which come back.
    Echo,
    /// The client sends a text, and expects an answer.
    Text { send: &'static str, expect: &'static str },
}

#[derive(Clone)]
pub struct Subject {
    pub name: &'static str,
    pub command: Vec<String>,
    pub port: Port,
    pub talk: Talk,
    /// The number of clients at once, in the measurement with many clients.
    pub many: u32,
    /// Whether the server is a textbook program, of which only the rate is measured.
    pub is_textbook: bool,
}

/// The usual number of clients at once.
const CLIENTS: u32 = 8;
/// The number of clients for a server with a backlog of 5. The kernel holds one more connection, and a further client
/// would wait for a second.
const CLIENTS_OF_SHORT_BACKLOG: u32 = 6;

// The names of some subjects, for other modules.
pub const ECHO: &str = "mpserv";
pub const HANDLER: &str = "handler of the library, with std";
pub const PROGRAM: &str = "mpserv, program";
pub const PREFORK: &str = "mpserv --prefork 4";
pub const ONE_EACH: &str = "mpserv --prefork 16 --max-requests 1";
pub const SANDBOX: &str = "mpserv --sandbox";
pub const C_FORK: &str = "C, fork";
/// Servers in C, with the calls and the memory of ECHO, of HANDLER and of PROGRAM.
pub const C_AS_ECHO: &str = "C, fork, calls of mpserv";
pub const C_AS_HANDLER: &str = "C, fork, calls of a handler";
pub const C_AS_PROGRAM: &str = "C, vfork, calls of a program";
/// A server like C_FORK, with a filter of a few instructions in each child.
pub const C_FILTERED: &str = "C, fork, least sandbox";
pub const C_PREFORK: &str = "C, prefork 4";
pub const C_VFORK: &str = "C, vfork and exec";

/// A textbook program: the names of its two forms, its arguments, and the exchange with it.
pub struct Textbook {
    pub rust: &'static str,
    pub c: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    port: Port,
    talk: Talk,
    many: u32,
}

const fn says(send: &'static str, expect: &'static str) -> Talk {
    Talk::Text { send, expect }
}

pub const TEXTBOOK: [Textbook; 4] = [
    Textbook {
        rust: "echo_mpserv, Rust",
        c: "echo_mpserv, C",
        program: "echo_mpserv",
        arguments: &[PORT],
        port: Port::Told,
        talk: Talk::Echo,
        many: CLIENTS_OF_SHORT_BACKLOG,
    },
    Textbook {
        rust: "rot13_serv, Rust",
        c: "rot13_serv, C",
        program: "rot13_serv",
        arguments: &[],
        port: Port::Fixed(43211),
        talk: says("Hello\n", "Uryyb\n"),
        many: CLIENTS,
    },
    Textbook {
        rust: "code05, Rust",
        c: "code05, C",
        program: "code05",
        arguments: &["ignore"],
        port: Port::Fixed(5051),
        talk: says("hello", "成功接收"),
        many: CLIENTS_OF_SHORT_BACKLOG,
    },
    Textbook {
        rust: "socket_serve, Rust",
        c: "socket_serve, C",
        program: "socket_serve",
        arguments: &[],
        port: Port::Fixed(5051),
        talk: says("hello", "ok"),
        many: CLIENTS_OF_SHORT_BACKLOG,
    },
];

/// The placeholder for the port in a command.
pub const PORT: &str = "{port}";
const ADDRESS: &str = "127.0.0.1:{port}";
/// The most children of a server, besides those of idle connections: more than any measurement needs.
const CHILDREN: u32 = 1200;

/// Returns the path of one of this package's programs.
fn ours(name: &str) -> String {
    Path::new(env!("CARGO_BIN_EXE_mpserv-load")).with_file_name(name).to_string_lossy().into_owned()
}

pub fn subject(name: &'static str, command: &[&str]) -> Subject {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Subject { name, command, port: Port::Told, talk: Talk::Echo, many: CLIENTS, is_textbook: false }
}

/// A missing subject: its name, and the reason.
pub type Missing = (&'static str, String);

/// Returns every server of a requested comparison. Servers of other projects must be installed and answer.
pub fn all(plain: &Plain, options: &Options) -> Result<(Vec<Subject>, Vec<Missing>)> {
    let children = (CHILDREN + options.idle).to_string();
    let mut all = designs(plain, &children)?;
    all.extend(TEXTBOOK.iter().flat_map(textbook));
    let mut missing = Vec::new();
    for peer in peers::all(plain, &children, options.peers).into_iter().filter(|peer| options.wants(peer.name)) {
        match answers(&peer) {
            Ok(()) => all.push(peer),
            Err(why) => missing.push((peer.name, why.to_string())),
        }
    }
    Ok((all, missing))
}

fn textbook(it: &Textbook) -> [Subject; 2] {
    let c = Path::new(env!("MPSERV_C_DIR")).join(it.program).to_string_lossy().into_owned();
    [(it.rust, ours(it.program)), (it.c, c)].map(|(name, path)| {
        let words: Vec<&str> = [path.as_str()].into_iter().chain(it.arguments.iter().copied()).collect();
        Subject { port: it.port, talk: it.talk, many: it.many, is_textbook: true, ..subject(name, &words) }
    })
}

fn designs(plain: &Plain, children: &str) -> Result<Vec<Subject>> {
    let bench = std::env::current_exe()?.to_string_lossy().into_owned();
    let (mpserv, program) = (ours("mpserv"), plain.path("stdio_echo"));
    Ok(vec![
        subject(ECHO, &[&mpserv, "-q", "-c", children, ADDRESS]),
        subject(HANDLER, &[&bench, SERVE, PORT, children]),
        subject(PROGRAM, &[&mpserv, "-q", "-c", children, ADDRESS, "--", &program]),
        subject(PREFORK, &[&mpserv, "-q", "--prefork", "4", ADDRESS]),
        subject(ONE_EACH, &[&mpserv, "-q", "--prefork", "16", "--max-requests", "1", ADDRESS]),
        subject(SANDBOX, &[&mpserv, "-q", "-c", children, "--sandbox", ADDRESS]),
        subject(C_FORK, &[&plain.path("fork"), PORT]),
        subject(C_AS_ECHO, &[&plain.path("calls"), PORT, "service"]),
        subject(C_AS_HANDLER, &[&plain.path("calls"), PORT, "handler"]),
        subject(C_AS_PROGRAM, &[&plain.path("calls"), PORT, "program", &program]),
        subject(C_FILTERED, &[&plain.path("filtered"), PORT]),
        subject(C_PREFORK, &[&plain.path("prefork"), PORT, "4"]),
        subject(C_VFORK, &[&plain.path("vfork"), PORT, &program]),
    ])
}

fn answers(subject: &Subject) -> Result<()> {
    let server = Server::start(subject)?;
    let outcome = load::run(&server, &Load { count: Some(1), ..Load::new(subject) })?;
    if outcome.connections == 1 { Ok(()) } else { Err(format!("it does not answer: {}", server.complaint()).into()) }
}
