//! The servers of other projects.

use crate::plain::Plain;
use crate::subjects::{HANDLER, PORT, PREFORK, PROGRAM, Port, Subject, subject};

pub const S6: &str = "s6-ipcserverd";
pub const TCPSERVER: &str = "tcpserver";

/// A server of another project, and our server that does the same.
pub struct Peer {
    pub name: &'static str,
    pub against: &'static str,
}

const fn peer(name: &'static str, against: &'static str) -> Peer {
    Peer { name, against }
}

const TCPSVD: &str = "tcpsvd (ipsvd)";
const S6_TCP: &str = "s6-tcpserver";
const SOCAT: &str = "socat";
const NCAT: &str = "ncat";
const SYSTEMD: &str = "systemd-socket-activate";
const PYTHON: &str = "Python ForkingTCPServer";
const PERL: &str = "Perl Net::Server::PreFork";

pub const PEERS: [Peer; 9] = [
    peer(TCPSERVER, PROGRAM),
    peer(TCPSVD, PROGRAM),
    peer(S6, PROGRAM),
    peer(S6_TCP, PROGRAM),
    peer(SOCAT, PROGRAM),
    peer(NCAT, PROGRAM),
    peer(SYSTEMD, PROGRAM),
    peer(PYTHON, HANDLER),
    peer(PERL, PREFORK),
];

/// An echo server with Python's own server class.
const PYTHON_ECHO: &str = "
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

/// An echo server with Perl's Net::Server, which makes processes ahead of time.
const PERL_ECHO: &str = "
package Echo;
use base qw(Net::Server::PreFork);
sub process_request {
    my $data;
    syswrite(STDOUT, $data) while sysread(STDIN, $data, 4096);
}
Echo->run(host => '127.0.0.1', port => $ARGV[0], proto => 'tcp', ipv => '4', log_level => 0,
          min_servers => 4, min_spare_servers => 1, max_spare_servers => 4, max_servers => 10, max_requests => 100000000);
";

/// The most children that s6's servers take.
const S6_CHILDREN: &str = "1000";

/// Returns the servers of other projects. Without `is_all`, returns only the servers in the table.
pub fn all(plain: &Plain, children: &str, is_all: bool) -> Vec<Subject> {
    let echo = plain.path("stdio_echo");
    let socat = format!("EXEC:{echo}");
    let all = [
        subject(TCPSERVER, &["tcpserver", "-HRD", "-l", "0", "-c", children, "-b", "511", "127.0.0.1", PORT, &echo]),
        subject(TCPSVD, &["tcpsvd", "-l", "0", "-c", children, "-b", "511", "127.0.0.1", PORT, &echo]),
        Subject { port: Port::Passed, ..subject(S6, &["s6-ipcserverd", "-P", "-c", S6_CHILDREN, "--", &echo]) },
        subject(S6_TCP, &["s6-tcpserver", "-c", S6_CHILDREN, "-b", "511", "127.0.0.1", PORT, &echo]),
        subject(SOCAT, &["socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=511", &socat]),
        subject(NCAT, &["ncat", "-l", "-k", "-m", children, "-e", &echo, "127.0.0.1", PORT]),
        subject(SYSTEMD, &["systemd-socket-activate", "--listen=127.0.0.1:{port}", "--accept", "--inetd", &echo]),
        subject(PYTHON, &["/usr/bin/python3", "-c", PYTHON_ECHO, PORT]),
        subject(PERL, &["perl", "-e", PERL_ECHO, PORT]),
    ];
    all.into_iter().filter(|peer| is_all || [S6, TCPSERVER].contains(&peer.name)).collect()
}
