//! The measured servers.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::plain::Plain;
use crate::server::Server;

/// The way in which a server gets its port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// It is told one, in place of `{port}`.
    Told,
    /// It always has this one.
    Fixed(u16),
    /// It finds a socket that listens as its standard input.
    Passed,
}

/// The exchange with a server.
#[derive(Clone, Copy)]
pub enum Talk {
    /// 64 bytes, which come back.
    Echo,
    /// A text, and its answer.
    Text { send: &'static str, expect: &'static str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The textbook programs.
    Textbook,
    /// mpserv, and plain C of the same design.
    Design,
    /// Other projects.
    Peer,
}

impl Group {
    pub const ALL: [(Group, &str); 3] = [
        (Group::Textbook, "Textbook programs, C and Rust"),
        (Group::Design, "mpserv, and plain C of the same design"),
        (Group::Peer, "Servers of other projects"),
    ];
}

#[derive(Clone)]
pub struct Subject {
    pub name: &'static str,
    pub group: Group,
    pub command: Vec<String>,
    pub port: Port,
    pub talk: Talk,
    /// Whether it is ours, which the pictures show.
    pub ours: bool,
    /// Number of clients at once, in the measurement with many clients.
    pub many: u32,
    /// Whether it starts a process for each connection, from a parent that can be looked at.
    pub forks: bool,
}

/// So many clients at once, where nothing speaks against it.
pub const CLIENTS: u32 = 8;
const SHORT_BACKLOG: u32 = 6;

// The names by which the rest speaks of some of them.
pub const MPSERV_FORK: &str = "mpserv, fork";
pub const MPSERV_PREFORK: &str = "mpserv --prefork 4";
pub const MPSERV_PROGRAM: &str = "mpserv, program";
pub const MPSERV_SANDBOX: &str = "mpserv --sandbox";
pub const C_FORK: &str = "C, fork, dynamic";
pub const C_FORK_NOW: &str = "C, fork, dynamic, -z now";
pub const C_FORK_STATIC: &str = "C, fork, static";
pub const C_PREFORK: &str = "C, prefork 4";
pub const C_PREFORK_STATIC: &str = "C, prefork 4, static";
pub const C_VFORK: &str = "C, vfork and exec";
pub const C_ITERATIVE: &str = "C, iterative (no process per connection)";
pub const S6: &str = "s6-ipcserverd";

/// The folder of this package's programs.
fn ours(name: &str) -> String {
    Path::new(env!("CARGO_BIN_EXE_mpserv-load")).with_file_name(name).to_string_lossy().into_owned()
}

/// Placeholder for the port in a command.
pub const PORT: &str = "{port}";

fn subject(name: &'static str, group: Group, command: &[&str]) -> Subject {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    Subject { name, group, command, port: Port::Told, talk: Talk::Echo, ours: false, many: CLIENTS, forks: false }
}

impl Subject {
    fn ours(self) -> Subject {
        Subject { ours: true, ..self }
    }

    fn forks(self) -> Subject {
        Subject { forks: true, ..self }
    }

    fn on(self, port: Port) -> Subject {
        Subject { port, ..self }
    }

    /// Its backlog is 5, and the kernel holds one more: another client would wait for a second to be heard.
    fn with_short_backlog(self) -> Subject {
        Subject { many: SHORT_BACKLOG, ..self }
    }

    fn says(self, send: &'static str, expect: &'static str) -> Subject {
        Subject { talk: Talk::Text { send, expect }, ..self }
    }
}

/// All that there might be.
pub fn all(plain: &Plain, scratch: &Path, options: &Options) -> Result<Vec<Subject>> {
    let mut all = textbook();
    all.extend(designs(plain));
    // The one that a ratio is to is measured in any case, where it is installed.
    all.extend(peers(plain, scratch)?.into_iter().filter(|peer| options.peers || peer.name == S6));
    Ok(all)
}

fn textbook() -> Vec<Subject> {
    let program = |name: &'static str, program: &str, is_rust: bool, arguments: &[&str]| {
        let c = Path::new(env!("MPSERV_C_DIR")).join(program).to_string_lossy().into_owned();
        let path = if is_rust { ours(program) } else { c };
        let words: Vec<&str> = [path.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        let subject = subject(name, Group::Textbook, &words).forks();
        Subject { ours: is_rust, ..subject }
    };
    vec![
        program("echo_mpserv, C", "echo_mpserv", false, &[PORT]).with_short_backlog(),
        program("echo_mpserv, Rust", "echo_mpserv", true, &[PORT]).with_short_backlog(),
        program("rot13_serv, C", "rot13_serv", false, &[]).on(Port::Fixed(43211)).says("Hello\n", "Uryyb\n"),
        program("rot13_serv, Rust", "rot13_serv", true, &[]).on(Port::Fixed(43211)).says("Hello\n", "Uryyb\n"),
        program("code05, C", "code05", false, &["ignore"])
            .with_short_backlog()
            .on(Port::Fixed(5051))
            .says("hello", "成功接收"),
        program("code05, Rust", "code05", true, &["ignore"])
            .with_short_backlog()
            .on(Port::Fixed(5051))
            .says("hello", "成功接收"),
        program("socket_serve, C", "socket_serve", false, &[])
            .with_short_backlog()
            .on(Port::Fixed(5051))
            .says("hello", "ok"),
        program("socket_serve, Rust", "socket_serve", true, &[])
            .with_short_backlog()
            .on(Port::Fixed(5051))
            .says("hello", "ok"),
    ]
}

/// More children than any measurement asks for.
const CHILDREN: &str = "2000";
const ADDRESS: &str = "127.0.0.1:{port}";

fn designs(plain: &Plain) -> Vec<Subject> {
    let mpserv = ours("mpserv");
    let echo = plain.path("stdio_echo");
    let c = |name, file: &str, arguments: &[&str]| {
        let path = plain.path(file);
        let words: Vec<&str> = [path.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        subject(name, Group::Design, &words)
    };
    vec![
        subject(MPSERV_FORK, Group::Design, &[&mpserv, "-q", "-c", CHILDREN, ADDRESS]).ours().forks(),
        subject("mpserv, fork, with its log", Group::Design, &[&mpserv, "-c", CHILDREN, ADDRESS]).ours().forks(),
        subject(MPSERV_PREFORK, Group::Design, &[&mpserv, "-q", "--prefork", "4", ADDRESS]).ours(),
        subject(MPSERV_PROGRAM, Group::Design, &[&mpserv, "-q", "-c", CHILDREN, ADDRESS, "--", &echo]).ours().forks(),
        subject(MPSERV_SANDBOX, Group::Design, &[&mpserv, "-q", "-c", CHILDREN, "--sandbox", ADDRESS]).ours().forks(),
        c(C_FORK, "fork", &[PORT]).forks(),
        c(C_FORK_NOW, "fork-now", &[PORT]).forks(),
        c(C_FORK_STATIC, "fork-static", &[PORT]).forks(),
        c(C_PREFORK, "prefork", &[PORT, "4"]),
        c(C_PREFORK_STATIC, "prefork-static", &[PORT, "4"]),
        c(C_VFORK, "vfork-static", &[PORT, &echo]).forks(),
        c(C_ITERATIVE, "iterative", &[PORT]),
    ]
}

/// An echo by Python's own server.
const PYTHON: &str = "
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(4096)
            if not data:
                return
            self.request.sendall(data)
class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 511
    max_children = 2000
Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

/// An echo by Perl's Net::Server with processes ahead of time.
const PERL: &str = "
package Echo;
use base qw(Net::Server::PreFork);
sub process_request {
    my $data;
    syswrite(STDOUT, $data) while sysread(STDIN, $data, 4096);
}
Echo->run(host => '127.0.0.1', port => $ARGV[0], proto => 'tcp', ipv => '4', log_level => 0,
          min_servers => 4, min_spare_servers => 1, max_spare_servers => 4, max_servers => 10, max_requests => 100000000);
";

fn peers(plain: &Plain, scratch: &Path) -> Result<Vec<Subject>> {
    let echo = plain.path("stdio_echo");
    let xinetd = scratch.join("xinetd.conf");
    let xinetd_conf = xinetd.to_string_lossy().into_owned();
    let peer = |name, words: &[&str]| subject(name, Group::Peer, words);
    std::fs::write(scratch.join("xinetd.template"), xinetd_template(&echo))?;
    let socat = format!("EXEC:{echo}");
    Ok(vec![
        peer("tcpserver", &["tcpserver", "-HRD", "-l", "0", "-c", CHILDREN, "-b", "511", "127.0.0.1", PORT, &echo]),
        peer("tcpsvd (ipsvd)", &["tcpsvd", "-l", "0", "-c", CHILDREN, "-b", "511", "127.0.0.1", PORT, &echo]),
        peer(S6, &["s6-ipcserverd", "-P", "-c", "1000", "--", &echo]).on(Port::Passed),
        peer("xinetd", &["xinetd", "-dontfork", "-f", &xinetd_conf]),
        peer("socat", &["socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=511", &socat]),
        peer("ncat", &["ncat", "-l", "-k", "-m", CHILDREN, "-e", &echo, "127.0.0.1", PORT]),
        peer("Python ForkingTCPServer", &["/usr/bin/python3", "-c", PYTHON, PORT]),
        peer("Perl Net::Server::PreFork", &["perl", "-e", PERL, PORT]),
    ])
}

/// xinetd's configuration; it can be told a port by nothing else.
fn xinetd_template(echo: &str) -> String {
    format!(
        "defaults\n{{\n instances = UNLIMITED\n cps = 1000000 1\n per_source = UNLIMITED\n log_type = FILE /dev/null\n}}\n\
         service echo-bench\n{{\n type = UNLISTED\n port = {PORT}\n bind = 127.0.0.1\n socket_type = stream\n \
         protocol = tcp\n wait = no\n user = root\n server = {echo}\n}}\n"
    )
}

/// Those that are there and answer, and of the others why not.
pub fn present(subjects: Vec<Subject>, options: &Options) -> (Vec<Subject>, Vec<(String, String)>) {
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for subject in subjects {
        if options.only.as_ref().is_some_and(|only| !subject.name.contains(only.as_str())) {
            continue;
        }
        match answers(&subject) {
            Ok(()) => present.push(subject),
            Err(why) => absent.push((subject.name.to_owned(), why.to_string())),
        }
    }
    (present, absent)
}

fn answers(subject: &Subject) -> Result<()> {
    let path = PathBuf::from(&subject.command[0]);
    if path.is_absolute() && !path.exists() {
        return Err("it is not built, or not installed".into());
    }
    let server = Server::start(subject)?;
    let outcome = load::run(&server, &Load { count: Some(1), ..Load::new(subject) })?;
    if outcome.connections == 1 { Ok(()) } else { Err(format!("it does not answer: {}", server.complaint()).into()) }
}
