//! Tests closes that wait: of a connection with `SO_LINGER`, and of descriptors that a client of a Unix socket has
//! passed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{mem, net};

use mpserv::fd::BorrowedFd;
use mpserv::net::{SocketOption, getsockopt, setsockopt};
use mpserv::server::{Connection, Server};
use mpserv::signal::{MaskHow, SigSet, Signal, sigpending, sigprocmask};
use mpserv::time::{Itimer, setitimer};

use crate::common::network::needs_own_network;
use crate::common::server::*;
use crate::common::solo::{Channel, Test, reap, skip, spawn};
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_client_can_pass_no_descriptor_at_a_path,
    a_client_can_pass_no_descriptor_at_an_abstract_name,
    a_client_can_pass_no_descriptor_by_a_socket_of_the_service_manager,
    on_an_older_kernel_a_refused_client_holds_up_nobody,
    on_an_older_kernel_a_client_that_waits_does_not_hold_up_the_stop,
    a_program_that_leaves_a_connection_that_lingers_holds_up_nobody,
    a_passed_listener_that_lingers_holds_up_nobody,
    the_timer_of_closes_does_not_wake_an_idle_server,
    only_a_server_whose_closes_may_wait_has_the_timer_of_closes,
    a_timer_that_cannot_be_put_back_does_not_end_the_server,
    a_timer_that_cannot_be_set_does_not_end_the_server,
    the_signal_of_a_timer_that_is_due_at_the_start_comes_at_the_end,
];

/// `SCM_RIGHTS` with one descriptor.
#[repr(C)]
struct Rights {
    header: libc::cmsghdr,
    descriptor: libc::c_int,
    padding: libc::c_int,
}

/// Sends a byte, and with it a descriptor.
fn pass(stream: &UnixStream, file: &impl AsRawFd) -> io::Result<()> {
    let mut byte = *b"x";
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let header = libc::cmsghdr {
        cmsg_len: size_of::<libc::cmsghdr>() + size_of::<libc::c_int>(),
        cmsg_level: libc::SOL_SOCKET,
        cmsg_type: libc::SCM_RIGHTS,
    };
    let mut rights = Rights { header, descriptor: file.as_raw_fd(), padding: 0 };
    // SAFETY: any bits are a value of plain integers and pointers.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_control, message.msg_controllen) = ((&raw mut rights).cast(), size_of::<Rights>());
    // SAFETY: the message and all that it points to live here.
    let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Skips the test where the kernel cannot refuse descriptors.
fn needs_refusal() {
    let (one, _other) = UnixStream::pair().unwrap();
    // SAFETY: the stream is open while it is lent.
    let one = unsafe { BorrowedFd::from_raw(one.as_raw_fd()) };
    if getsockopt(one, SocketOption::PASSRIGHTS).is_err() {
        skip("a kernel before Linux 6.16");
    }
}

/// Checks that the client is served but can pass no descriptor, at once or later.
#[track_caller]
fn passes_nothing(mut client: UnixStream) {
    let file = File::open("/dev/null").unwrap();
    let refused = |client: &UnixStream| pass(client, &file).unwrap_err().raw_os_error();
    assert_eq!(refused(&client), Some(libc::EPERM), "the first message");
    let mut echo = [0];
    client.write_all(b"y").unwrap();
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"y");
    assert_eq!(refused(&client), Some(libc::EPERM), "a later message");
    client.shutdown(net::Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut echo).unwrap(), 0);
}

fn start(address: &str) -> Running {
    let server = Running::start(Command::new(MPSERV).arg(address).stdin(Stdio::null()), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    server
}

fn at(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

fn a_client_can_pass_no_descriptor_at_a_path() {
    needs_refusal();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = start(&format!("unix:{}", path.display()));
    passes_nothing(at(&path));
    server.end(Signal::TERM);
}

fn a_client_can_pass_no_descriptor_at_an_abstract_name() {
    needs_refusal();
    let name = format!("mpserv-passed-{}", std::process::id());
    let server = start(&format!("unix:@{name}"));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    passes_nothing(UnixStream::connect_addr(&address).unwrap());
    server.end(Signal::TERM);
}

/// Starts a server with this socket, as a service manager does.
fn start_with(listener: impl Into<OwnedFd>, arguments: &str) -> Running {
    let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec '{MPSERV}' {arguments} inherit 3<&0 </dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::from(listener.into()));
    let server = Running::start(&mut command, Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    server
}

fn a_client_can_pass_no_descriptor_by_a_socket_of_the_service_manager() {
    needs_refusal();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = start_with(UnixListener::bind(&path).unwrap(), "");
    passes_nothing(at(&path));
    server.end(Signal::TERM);
}

/// Returns a TCP connection whose close waits for ten minutes, and its other end, which takes nothing.
fn lingering() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    while (&stream).write(&[0; 65536]).is_ok() {}
    setsockopt(as_fd(&stream), SocketOption::LINGER, Some(600)).unwrap();
    (stream, other)
}

/// Starts `mpserv` at this path, as on a kernel on which clients can pass descriptors.
fn start_as_on_an_older_kernel(path: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o", NOWHERE, "-e", "inject=setsockopt:error=ENOPROTOOPT", MPSERV]).args(arguments);
    let command = command.arg(format!("unix:{}", path.display())).stdin(Stdio::null());
    let server = Running::start(command, Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    server
}

/// Returns a client that has passed a descriptor whose close waits, and the other end of that descriptor.
fn lingering_client(path: &Path) -> (UnixStream, TcpStream) {
    let (client, (stream, other)) = (at(path), lingering());
    pass(&client, &stream).unwrap();
    (client, other)
}

/// Checks a client that is refused by rules which are read only after the client has passed the descriptor.
fn on_an_older_kernel_a_refused_client_holds_up_nobody() {
    let folder = TempDir::new();
    let (path, rules) = (folder.join("socket"), folder.join("rules"));
    fs::write(&rules, "allow all\n").unwrap();
    let server = start_as_on_an_older_kernel(&path, &["-c", "1", "--rules", rules.to_str().unwrap()]);
    let first = at(&path);
    wait_until("the client is accepted", || server.stderr_so_far().contains("mpserv: accept "));
    let second = lingering_client(&path);
    fs::write(&rules, "deny all\n").unwrap();
    server.signal(Signal::HUP);
    wait_until("the rules are read", || server.stderr_so_far().contains("mpserv: rules "));
    drop(first);
    wait_until("the client is refused", || server.stderr_so_far().contains("mpserv: refuse "));
    server.end(Signal::TERM);
    drop(second);
}

fn on_an_older_kernel_a_client_that_waits_does_not_hold_up_the_stop() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = start_as_on_an_older_kernel(&path, &["-c", "1"]);
    let first = at(&path);
    wait_until("the client is accepted", || server.stderr_so_far().contains("mpserv: accept "));
    let second = lingering_client(&path);
    server.end(Signal::QUIT);
    drop((first, second));
}

/// A program that sends more than the client takes, and then ends. The close of its connection would wait.
const LINGERS: &str = "
import socket, struct
client = socket.socket(fileno=0)
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 600))
client.setblocking(False)
try:
    while True:
        client.send(bytes(65536))
except BlockingIOError:
    pass
";

/// Checks a program that ends while the parent is about to close its own copy of the connection.
fn a_program_that_leaves_a_connection_that_lingers_holds_up_nobody() {
    needs_command("python3");
    let folder = TempDir::new();
    let program = ["127.0.0.1:0", "python3", "-c", LINGERS];
    let server = faulty("close:delay_enter=500000", &folder.join("trace"), &program);
    let clients = [server.connect(), server.connect()];
    server.wait_events("end", clients.len());
    server.running.signal(Signal::USR1);
    server.wait_events("status", 1);
    server.stop();
    drop(clients);
}

/// Checks clients that are refused at a socket whose connections linger. The clients have no network any more, so they
/// acknowledge nothing.
fn a_passed_listener_that_lingers_holds_up_nobody() {
    needs_command("ip");
    needs_own_network();
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny all\n").unwrap();
    let lo = |state| assert!(Command::new("ip").args(["link", "set", "lo", state]).status().unwrap().success());
    // There is one child. So all clients are refused only if each connection is closed at once.
    for options in ["", "--prefork 1", "--prefork 1 --sandbox", "--max-children 1 --proxy-protocol"] {
        lo("up");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: the listener is open while it is lent.
        let lent = unsafe { BorrowedFd::from_raw(listener.as_raw_fd()) };
        setsockopt(lent, SocketOption::LINGER, Some(600)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = start_with(listener, &format!("--rules '{}' {options}", rules.display()));
        let group = [vec![server.pid()], children(server.pid())].concat();
        group.iter().for_each(|pid| signal(*pid, Signal::STOP));
        let clients = [(); 3].map(|()| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"PROXY UNKNOWN\r\n").unwrap();
            client
        });
        lo("down");
        group.iter().for_each(|pid| signal(*pid, Signal::CONT));
        wait_until("all clients are refused", || {
            server.signal(Signal::USR1);
            server.stderr_so_far().contains(" refused=3 ")
        });
        server.end(Signal::TERM);
        drop(clients);
    }
}

/// Checks that the signal of the timer stays pending, so that it does not wake an idle server.
fn the_timer_of_closes_does_not_wake_an_idle_server() {
    let server = Served::start(&["127.0.0.1:0", "cat"]);
    assert_eq!(echo(&mut server.connect(), b"served"), b"served");
    let bit = 1 << (Signal::ALRM.raw() - 1);
    let status = format!("/proc/{}/status", server.pid());
    let has = |set: &str| signals_in(&fs::read_to_string(&status).unwrap(), set) & bit != 0;
    wait_until("the signal is pending", || has("ShdPnd") && has("SigBlk"));
    server.stop();
}

/// Checks which servers have the timer of closes: those whose children, or whose clients, can make a close wait.
fn only_a_server_whose_closes_may_wait_has_the_timer_of_closes() {
    let alarm = 1 << (Signal::ALRM.raw() - 1);
    // A handler can start processes, but the parent closes no connection of a preforked child.
    for (pool, has_timer) in [(false, true), (true, false)] {
        let served = |connection: Connection| connection.write_all(b"served");
        let pool = |server: Server<'static>| if pool { server.prefork(1, 1) } else { server };
        let (channel, test) = (Channel::new(), mpserv::process::getpid());
        let mut server = spawn(|| {
            // The server must end even if the test fails.
            mpserv::process::set_pdeathsig(test, Signal::KILL).unwrap();
            let bound = pool(Server::new().listen("127.0.0.1:0")).bind().unwrap();
            let Some(Ok(mpserv::net::SockAddr::Inet(address))) = bound.addresses().next() else { unreachable!() };
            address.port().to_be_bytes().into_iter().for_each(|byte| channel.tell(byte));
            bound.serve(|connection| Ok(served(connection)?)).unwrap();
        });
        let port = u16::from_be_bytes([channel.hear(), channel.hear()]);
        assert_eq!(read_all(&mut connect(port)), b"served");
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        assert_eq!(signals_in(&status, "SigCgt") & alarm != 0, has_timer, "{status}");
        server.kill(Signal::TERM).unwrap();
        assert_eq!(reap(&mut server).exit_status(), Some(0));
    }
    let folder = TempDir::new();
    let address = format!("unix:{}", folder.join("socket").display());
    for (arguments, has_timer) in [
        (&["127.0.0.1:0"][..], false),
        (&["--prefork", "1", "127.0.0.1:0"], false),
        (&["127.0.0.1:0", "cat"], true),
        (&["--listen", &address, "127.0.0.1:0"], true),
        (&["--prefork", "1", "--listen", &address, "127.0.0.1:0"], true),
    ] {
        let server = Served::start(arguments);
        // Once a client is served, the server has taken its signals.
        drop(server.client());
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let has = |set: &str| signals_in(&status, set) & alarm != 0;
        assert_eq!((has("SigCgt"), has("SigBlk")), (has_timer, has_timer), "{arguments:?}: {status}");
        server.stop();
    }
}

/// Checks a server that cannot cancel the timer of a write to a terminal, once or ever. The timer's signal comes again
/// and again.
fn a_timer_that_cannot_be_put_back_does_not_end_the_server() {
    let folder = TempDir::new();
    for when in ["2", "2+", "3", "3+"] {
        let (master, slave) = terminal();
        let inject = format!("inject=setitimer:error=EINVAL:when={when}");
        let options = ["-e", "trace=setitimer", "-e", &inject];
        let strace = traced(&options, &folder.join(when), &["127.0.0.1:0"]);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&0"]).arg(strace.get_program()).args(strace.get_args());
        let server = Served::start_command(command.stdin(slave));
        for _ in 0..3 {
            assert_eq!(echo(&mut server.connect(), b"served"), b"served", "{when}");
        }
        server.running.end(Signal::TERM);
        drop(master);
    }
}

/// Starts a server whose caller has SIGALRM blocked, and a timer that is due while the server sets its own: the server's
/// first call for that begins late. Checks that the signal is pending afterwards, as it would be without the server.
fn the_signal_of_a_timer_that_is_due_at_the_start_comes_at_the_end() {
    let (go, folder) = (Channel::new(), TempDir::new());
    let name = format!("mpserv-timer-{}", std::process::id());
    let mut child = spawn(|| {
        go.hear();
        sigprocmask(MaskHow::Block, &SigSet::from([Signal::ALRM]));
        setitimer(Itimer { value: Duration::from_millis(300), interval: Duration::ZERO }).unwrap();
        let address = format!("unix:@{name}");
        Server::new().listen(&address).serve(|_: Connection| ()).unwrap();
        assert!(sigpending().contains(Signal::ALRM));
    });
    let options = ["-e", "trace=setitimer", "-e", "inject=setitimer:delay_enter=600000:when=2"];
    let strace = attach(&options, &folder.join("trace"), child.pid().raw() as u32);
    go.tell(b'!');
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let mut client = wait_for("the server listens", || UnixStream::connect_addr(&address).ok());
    // Once a client is served, the server has taken its signals.
    assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0);
    child.kill(Signal::TERM).unwrap();
    assert_eq!(reap(&mut child).exit_status(), Some(0));
    strace.wait();
}

/// Checks a server that cannot set the timer of its closes.
fn a_timer_that_cannot_be_set_does_not_end_the_server() {
    let folder = TempDir::new();
    for when in ["1", "1+"] {
        let fault = format!("setitimer:error=EINVAL:when={when}");
        let server = faulty(&fault, &folder.join(when), &["127.0.0.1:0", "cat"]);
        for _ in 0..3 {
            assert_eq!(echo(&mut server.connect(), b"served"), b"served", "{fault}");
        }
        server.stop();
    }
}
