//! Tests of the library's `Server`, with handlers in Rust.

#[path = "../common/mod.rs"]
mod common;
mod handler_errors;
mod orphans;
mod safe_code;
mod sigterm;
#[cfg(feature = "std")]
mod std_types;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use common::server::{Line, parse_log, read_all, signals_in, without_time};
use common::solo::{self, Channel, Test};
use common::*;
use mpserv::errno::Errno;
use mpserv::fd::{BorrowedFd, OwnedFd, pipe, read};
use mpserv::net::{SockAddr, SocketAddr, SocketOption, UnixAddr, getsockopt};
use mpserv::process::{Child, INFINITY, Limit, Pid, Resource, getpgid, getrlimit, setrlimit};
use mpserv::program::{Args, Argument};
use mpserv::server::limits::{LISTENERS_MAX, MAX_CHILDREN_LIMIT};
use mpserv::server::{Bound, Connection, HandlerError, Inherited, Outcome, Peer, Server, Service, Verbosity};
use mpserv::signal::{
    Disposition, MaskHow, SigAction, SigSet, Signal, SignalFlag, raise, sigaction, signal, sigpending, sigprocmask,
    sigprocmask_replace,
};
use mpserv::time::{Itimer, nanosleep, setitimer};

fn main() -> ExitCode {
    solo::main(&[
        TESTS,
        handler_errors::TESTS,
        orphans::TESTS,
        safe_code::TESTS,
        sigterm::TESTS,
        #[cfg(feature = "std")]
        std_types::TESTS,
    ])
}

const TESTS: &[Test] = tests![
    a_handler_serves_in_a_process_of_its_own,
    whatever_a_handler_does_only_its_own_connection_suffers,
    what_a_handler_returns_is_the_status,
    a_status_that_no_process_can_have_is_an_error,
    a_connection_knows_who_is_there,
    a_connection_knows_whom_a_proxy_has_named,
    a_preforked_handler_knows_how_many_connections_its_source_has,
    a_socket_that_listens_is_taken,
    serving_ends_and_leaves_the_process_as_it_was,
    a_handler_finds_the_signals_blocked_that_the_caller_has_blocked,
    with_other_threads_serving_is_refused,
    text_in_a_buffer_is_written_once,
    numbers_that_make_no_sense_are_refused,
    a_descriptor_gets_no_second_owner,
    an_address_with_a_nul_is_refused,
    a_part_of_a_second_defers_an_accept,
    a_long_failure_of_a_successor_is_cut_after_a_character,
    a_successor_has_the_sockets_of_its_predecessor_and_no_other,
    a_listener_too_many_leaves_no_file,
    a_successor_tells_why_it_does_not_take_over,
    a_passed_descriptor_reaches_no_program,
    a_listener_reaches_no_program,
    a_server_that_does_not_restart_takes_nothing_over,
    the_longest_time_is_never,
    a_limit_that_the_server_cannot_set_is_refused,
    a_silent_client_is_closed_although_the_handler_gets_signals,
    a_program_ignores_no_signal_that_its_server_ignores,
    a_server_takes_the_signals_that_would_harm_it,
    a_preforked_handler_in_the_sandbox_may_sleep,
    the_service_of_a_handler_needs_four_calls_in_the_sandbox,
    a_violation_is_logged_although_the_caller_blocks_its_signal,
    a_program_has_no_descriptor_of_its_server,
    a_program_of_a_handler_gets_no_more_descriptors_once_its_process_is_retired,
    a_full_terminal_holds_up_nobody_although_the_caller_blocks_sigalrm,
    a_handler_has_sigalrm_as_it_was_before,
];

/// A server in its own process, its port, and its log.
struct Serving {
    child: Child,
    port: u16,
    log: std::fs::File,
    path: TempDir,
}

fn bind(change: impl FnOnce(Server<'static>) -> Server<'static>) -> (Bound<'static>, u16) {
    let server = Server::new().listen("127.0.0.1:0").max_children(4).verbosity(Verbosity::Verbose);
    let bound = change(server).bind().unwrap();
    let Some(Ok(SockAddr::Inet(SocketAddr::V4(address)))) = bound.addresses().next() else { panic!("{bound:?}") };
    (bound, address.port())
}

impl Serving {
    /// Starts a server that serves by `handler`.
    fn start<R: Outcome>(handler: impl FnMut(Connection) -> R) -> Serving {
        Serving::start_with(|server| server, handler)
    }

    /// Starts a server that serves by `handler`, with other settings.
    fn start_with<R: Outcome>(
        change: impl FnOnce(Server<'static>) -> Server<'static>,
        handler: impl FnMut(Connection) -> R,
    ) -> Serving {
        let (bound, port) = bind(change);
        let path = TempDir::new();
        let file = path.join("log");
        let log = std::fs::File::create(&file).unwrap();
        let to = log.try_clone().unwrap();
        let child = solo::spawn(move || {
            stderr_to(&to);
            let stopped = bound.serve(handler).unwrap();
            assert_eq!(stopped.signal, Signal::TERM);
        });
        Serving { child, port, log, path }
    }

    fn connect(&self) -> TcpStream {
        connect(self.port)
    }

    /// Waits until this many children have ended, stops the server, and returns the ends of the children.
    fn stop_after(self, ends: usize) -> Vec<String> {
        let ended = self.end_lines(ends).into_iter();
        ended.map(|line| line.fields.get("exit").or(line.fields.get("signal")).cloned().unwrap()).collect()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path.join("log")).unwrap()
    }

    /// Waits until this many children, or clients of preforked children, have ended.
    fn wait_for_ends(&self, ends: usize) {
        let count = |text: &str| text.lines().filter(|line| without_time(line).starts_with("mpserv: end ")).count();
        wait_until("the children have ended", || count(&self.text()) >= ends);
    }

    /// Does the same as `stop_after`, but returns the lines of the log.
    fn end_lines(mut self, ends: usize) -> Vec<Line> {
        self.wait_for_ends(ends);
        self.child.kill(Signal::TERM).unwrap();
        let status = solo::reap(&mut self.child).exit_status();
        let log = self.text();
        assert_eq!(status, Some(0), "{log}");
        drop(self.log);
        let lines: String = log
            .lines()
            .filter(|line| without_time(line).starts_with("mpserv: "))
            .flat_map(|line| [line, "\n"])
            .collect();
        parse_log(&lines).into_iter().filter(|line| line.event == "end").collect()
    }
}

fn stderr_to(file: &dyn std::os::fd::AsRawFd) {
    // SAFETY: both descriptors are open, and nothing owns standard error.
    assert_eq!(unsafe { mpserv::ffi::unistd::dup2(file.as_raw_fd(), 2) }, 2);
}

fn echo_once(connection: &Connection) {
    let mut buffer = [0; 100];
    let length = connection.read(&mut buffer).unwrap();
    connection.write_all(&buffer[..length]).unwrap();
}

fn a_program_ignores_no_signal_that_its_server_ignores() {
    let (bound, port) = bind(|server| server);
    let signals = || (1..=64).filter_map(Signal::from_raw);
    let mut child = solo::spawn(move || {
        for signal in signals() {
            // SIGKILL and SIGSTOP cannot be ignored.
            let _ = sigaction(signal, &SigAction::new(Disposition::Ignore));
        }
        let program = [c"grep", c"SigIgn", c"/proc/self/status"];
        bound.serve_program(program.into_iter()).unwrap();
    });
    let ignored = String::from_utf8(read_all(&mut connect(port))).unwrap();
    child.kill(Signal::TERM).unwrap();
    assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    let bits = u64::from_str_radix(ignored.split_whitespace().last().unwrap(), 16).unwrap();
    let ignored: Vec<Signal> = signals().filter(|signal| bits & 1 << (signal.raw() - 1) != 0).collect();
    assert_eq!(ignored, []);
}

/// Checks the parent and a child whose caller ignores SIGCHLD, and does not ignore what could end or stop them.
fn a_server_takes_the_signals_that_would_harm_it() {
    const IGNORED: u64 = 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGXFSZ - 1) | 1 << (libc::SIGTTOU - 1);
    // A shell starts a command in the background with some signals ignored.
    for own in [Signal::PIPE, Signal::XFSZ, Signal::TTOU, Signal::INT, Signal::QUIT, Signal::HUP] {
        signal(own, Disposition::Default).unwrap();
    }
    signal(Signal::CHLD, Disposition::Ignore).unwrap();
    let serving = Serving::start(|connection| {
        let status = std::fs::read("/proc/self/status").unwrap();
        connection.write_all(&status).unwrap();
    });
    let of_child = String::from_utf8(read_all(&mut serving.connect())).unwrap();
    let of_parent = std::fs::read_to_string(format!("/proc/{}/status", serving.child.pid())).unwrap();
    assert_eq!([of_parent, of_child].map(|status| signals_in(&status, "SigIgn")), [IGNORED; 2]);
    // The status of the child is known, although the caller ignores SIGCHLD.
    signal(Signal::CHLD, Disposition::Default).unwrap();
    assert_eq!(serving.stop_after(1), ["0"]);
}

/// Checks a call that the server itself makes in a preforked child, while another child takes its place in the order.
fn a_preforked_handler_in_the_sandbox_may_sleep() {
    let change = |server: Server<'static>| server.prefork(1, 1).sandbox(&[libc::SYS_sendto]);
    let serving = Serving::start_with(change, |connection| {
        nanosleep(Duration::from_millis(1));
        connection.write_all(b"slept").unwrap();
    });
    assert_eq!(read_all(&mut serving.connect()), b"slept");
    assert_eq!(serving.stop_after(1)[0], "0");
}

/// Sends so much that the service makes a larger buffer.
fn the_service_of_a_handler_needs_four_calls_in_the_sandbox() {
    const CALLS: [libc::c_long; 4] = [libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_mmap, libc::SYS_munmap];
    let serving = Serving::start_with(|server| server.sandbox(&CALLS), |client| Service::Echo.serve(&client));
    let mut client = serving.connect();
    let text = [b'x'; 5000];
    client.write_all(&text).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), text);
    assert_eq!(serving.stop_after(1), ["0"]);
}

/// Checks that the log names the call of a violation, although the caller blocks the signal by which a child notes it.
fn a_violation_is_logged_although_the_caller_blocks_its_signal() {
    let changes: [fn(Server<'static>) -> Server<'static>; 2] = [|server| server, |server| server.prefork(1, 1)];
    for change in changes {
        sigprocmask(MaskHow::Block, &SigSet::from([Signal::SYS]));
        let serving = Serving::start_with(|server| change(server.sandbox(&[])), |_: Connection| _ = getpgid(Pid::INIT));
        assert_eq!(read_all(&mut serving.connect()), b"");
        serving.wait_for_ends(1);
        let text = serving.text();
        assert!(text.contains("mpserv: violation ") && text.contains(" call=getpgid\n"), "{text}");
        assert_eq!(serving.stop_after(1), ["SIGSYS"]);
    }
}

/// Tests a descriptor without `FD_CLOEXEC`.
fn a_program_has_no_descriptor_of_its_server() {
    // SAFETY: the call takes numbers, and nothing owns the number.
    assert_eq!(unsafe { mpserv::ffi::unistd::dup2(2, 500) }, 500);
    for root in [None, is_root().then_some(c"/")] {
        let (bound, port) = bind(|server| root.into_iter().fold(server, Server::chroot));
        let mut child = solo::spawn(move || {
            bound.serve_program([c"ls", c"/proc/self/fd"].into_iter()).unwrap();
        });
        let numbers = String::from_utf8(read_all(&mut connect(port))).unwrap();
        child.kill(Signal::TERM).unwrap();
        assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
        // The fourth is that of the directory.
        assert_eq!(numbers.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"], "{root:?}");
    }
}

/// Starts a program in a preforked child before and after the child is retired: other files have then the numbers of the
/// listeners.
fn a_program_of_a_handler_gets_no_more_descriptors_once_its_process_is_retired() {
    let change = |server: Server<'static>| server.listen("127.0.0.1:0").prefork(1, 1);
    let mut serving = Serving::start_with(change, |connection: Connection| {
        let mut byte = [0];
        while connection.read(&mut byte) == Ok(1) {
            let list =
                std::process::Command::new("ls").arg("/proc/self/fd").stdin(std::process::Stdio::null()).output();
            connection.write_all(&[list.unwrap().stdout, b".".to_vec()].concat()).unwrap();
        }
    });
    let mut client = serving.connect();
    let mut numbers = || {
        client.write_all(b"?").unwrap();
        let mut text = Vec::new();
        while text.last() != Some(&b'.') {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            text.extend_from_slice(&byte);
        }
        String::from_utf8(text).unwrap()
    };
    let before = numbers();
    assert!(before.contains("\n2\n"), "{before}");
    let process = children(serving.child.pid().raw() as u32)[0];
    let files = |kind: &str| {
        let entries = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
        let links = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with(kind)).count()
    };
    let [sockets, pipes] = ["socket:", "pipe:"].map(files);
    serving.child.kill(Signal::TERM).unwrap();
    wait_until("pipes have the numbers of both listeners", || {
        (files("socket:"), files("pipe:")) == (sockets - 2, pipes + 2)
    });
    assert_eq!(numbers(), before);
    drop(client);
    assert_eq!(solo::reap(&mut serving.child).exit_status(), Some(0), "{}", serving.text());
}

fn a_handler_serves_in_a_process_of_its_own() {
    let mut served = 0;
    let serving = Serving::start(|connection: Connection| {
        // The addition changes only the child's copy of the variable.
        served += 1;
        connection.write_all(format!("{} {served}", std::process::id()).as_bytes()).unwrap();
    });
    let answers: Vec<String> = (0..2).map(|_| String::from_utf8(read_all(&mut serving.connect())).unwrap()).collect();
    let pids: Vec<&str> = answers.iter().map(|answer| answer.strip_suffix(" 1").unwrap()).collect();
    assert!(pids[0] != pids[1] && pids.iter().all(|pid| *pid != serving.child.pid().to_string()), "{answers:?}");
    assert_eq!(serving.stop_after(2), ["0", "0"]);
}

fn whatever_a_handler_does_only_its_own_connection_suffers() {
    let serving = Serving::start(|connection: Connection| {
        let mut what = [0];
        connection.read(&mut what).unwrap();
        match what[0] {
            b'p' => panic!("a handler panics"),
            b'a' => std::process::abort(),
            b'n' => {
                let null = std::hint::black_box(std::ptr::null_mut::<u8>());
                // SAFETY: the write is invalid on purpose. The write only ends this child, because null is mapped
                // nowhere.
                unsafe { null.write_volatile(1) };
            }
            b'e' => std::process::exit(7),
            _ => echo_once(&connection),
        }
    });
    let mut bystander = serving.connect();
    bystander.write_all(b".").unwrap();
    for what in [b"p", b"a", b"n", b"e"] {
        let mut client = serving.connect();
        client.write_all(what).unwrap();
        assert_eq!(read_all(&mut client), b"");
    }
    assert_eq!(echo(&mut bystander, b"unhurt"), b"unhurt");
    drop(bystander);
    let mut statuses = serving.stop_after(5);
    statuses.sort();
    let statuses: Vec<&str> = statuses.iter().map(|status| status.split(' ').next().unwrap()).collect();
    assert_eq!(statuses, ["0", "101", "7", "SIGABRT", "SIGSEGV"]);
}

fn what_a_handler_returns_is_the_status() {
    let serving = Serving::start(|_| -> Result<i32, HandlerError> { Ok(42) });
    assert_eq!(read_all(&mut serving.connect()), b"");
    assert_eq!(serving.stop_after(1), ["42"]);
    let serving = Serving::start(|_| -> Result<(), HandlerError> { Err(Errno::IO.into()) });
    assert_eq!(read_all(&mut serving.connect()), b"");
    assert_eq!(serving.stop_after(1), ["1"]);
}

/// Checks statuses of which the kernel would keep 8 bits, as of 256, which would become success.
fn a_status_that_no_process_can_have_is_an_error() {
    for change in [|server: Server<'static>| server, |server: Server<'static>| server.prefork(1, 1)] {
        let statuses = [0, 255, 256, -1, i32::MIN];
        let serving = Serving::start_with(change, |connection: Connection| {
            let mut index = [0];
            connection.read(&mut index).unwrap();
            statuses[usize::from(index[0])]
        });
        for index in 0..5 {
            let mut client = serving.connect();
            client.write_all(&[index]).unwrap();
            assert_eq!(read_all(&mut client), b"");
            // One client after another, so that the lines of the log are in this order.
            serving.wait_for_ends(usize::from(index) + 1);
        }
        let lines = serving.end_lines(5);
        let exits: Vec<&str> = lines.iter().map(|line| line.get("exit")).collect();
        assert_eq!(exits, ["0", "255", "1", "1", "1"]);
        for (line, status) in lines[2..].iter().zip(&statuses[2..]) {
            assert_eq!(line.get("error"), format!("the status {status} is not from 0 to 255"));
        }
    }
}

fn a_connection_knows_who_is_there() {
    let serving = Serving::start(|connection: Connection| {
        let (peer, local) = (connection.peer(), connection.local_addr().unwrap());
        assert!(matches!((peer, local), (Peer::Inet(_), SockAddr::Inet(_))));
        let text = format!("{peer} {local} {} {}", connection.number(), connection.from_source());
        connection.write_all(text.as_bytes()).unwrap();
    });
    let mut client = serving.connect();
    let expected = format!("{} {} 1 1", client.local_addr().unwrap(), client.peer_addr().unwrap());
    assert_eq!(read_all(&mut client), expected.as_bytes());
    serving.stop_after(1);
}

/// Checks the addresses that a proxy has named in the form of IPv6, although they are of IPv4.
fn a_connection_knows_whom_a_proxy_has_named() {
    for prefork in [|server| server, |server: Server<'static>| server.prefork(1, 1)] {
        let change = |server: Server<'static>| prefork(server.proxy_protocol(true));
        let serving = Serving::start_with(change, |connection: Connection| {
            let SockAddr::Inet(local) = connection.local_addr().unwrap() else { unreachable!() };
            let told = format!("{} {local} {}", connection.peer(), connection.from_source());
            connection.write_all(told.as_bytes()).unwrap();
        });
        let named = [["192.0.2.1", "198.51.100.2"], ["::ffff:192.0.2.1", "::ffff:198.51.100.2"]];
        for (before, [source, destination]) in named.into_iter().enumerate() {
            let family = if source.contains(':') { 6 } else { 4 };
            let mut client = serving.connect();
            write!(client, "PROXY TCP{family} {source} {destination} 4660 443\r\n").unwrap();
            let told = String::from_utf8(read_all(&mut client)).unwrap();
            assert_eq!(told, "192.0.2.1:4660 198.51.100.2:443 1", "{source}");
            serving.wait_for_ends(before + 1);
        }
        assert_eq!(serving.stop_after(2), ["0", "0"]);
    }
}

/// Checks that a preforked handler finds the number of connections of its client's source, and a number of its own,
/// where no setting needs either.
fn a_preforked_handler_knows_how_many_connections_its_source_has() {
    let counts = |connection: Connection| {
        let text = format!("{} {}\n", connection.from_source(), connection.number());
        connection.write_all(text.as_bytes()).unwrap();
        connection.read(&mut [0]).unwrap();
    };
    let serving = Serving::start_with(|server| server.prefork(3, 3), counts);
    let mut clients = Vec::new();
    let mut numbers = Vec::new();
    for expected in ["1", "2", "3"] {
        let mut client = BufReader::new(serving.connect());
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        let (from_source, number) = line.trim_end().split_once(' ').unwrap();
        assert_eq!(from_source, expected);
        numbers.push(number.parse::<u64>().unwrap());
        clients.push(client);
    }
    drop(clients);
    serving.stop_after(3);
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() == 3 && numbers[0] >= 1, "{numbers:?}");
}

/// Checks a server whose caller has blocked the signal that ends the wait for a terminal. A preforked child in the
/// sandbox cannot unblock it for each line.
fn a_full_terminal_holds_up_nobody_although_the_caller_blocks_sigalrm() {
    use std::os::fd::{AsRawFd, IntoRawFd};
    for change in [|server| server, |server: Server<'static>| server.prefork(1, 1).sandbox(&[])] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
        let listener = unsafe { OwnedFd::from_raw(listener.into_raw_fd()) };
        let (master, slave) = terminal();
        let stty =
            std::process::Command::new("stty").args(["opost", "onlcr"]).stdin(slave.try_clone().unwrap()).status();
        assert!(stty.unwrap().success());
        let mut child = solo::spawn(move || {
            let alarm = SigSet::from([Signal::ALRM]);
            sigprocmask(MaskHow::Block, &alarm);
            // SAFETY: the call has no precondition on memory, and this process uses descriptor 2 only as the log.
            assert_eq!(unsafe { libc::dup2(slave.as_raw_fd(), 2) }, 2);
            change(Server::new().listener(listener)).serve(|_: Connection| ()).unwrap();
            let mask = sigprocmask_replace(MaskHow::Block, &alarm).unwrap();
            assert!(mask.contains(Signal::ALRM));
            assert!(!sigpending().contains(Signal::ALRM));
        });
        for _ in 0..600 {
            assert_eq!(finish(connect(port)), b"");
        }
        child.kill(Signal::TERM).unwrap();
        assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
        drop(master);
    }
}

/// Checks children whose parent has SIGALRM blocked and caught: with a Unix socket also a preforked child.
fn a_handler_has_sigalrm_as_it_was_before() {
    let handler = |_: Connection| raise(Signal::ALRM).unwrap();
    let serving = Serving::start(handler);
    drop(serving.connect());
    assert_eq!(serving.stop_after(1), ["SIGALRM"]);

    let name: &'static str = format!("unix:@mpserv-sigalrm-{}", std::process::id()).leak();
    let change = |server: Server<'static>| server.listen(name).prefork(1, 1);
    let serving = Serving::start_with(change, handler);
    drop(serving.connect());
    assert_eq!(serving.stop_after(1)[0], "SIGALRM");
}

/// Checks a number of descriptors that nobody can allow, and one that this process may be allowed to set. In some
/// containers even root is not. A limit that can be set is not left set.
fn a_limit_that_the_server_cannot_set_is_refused() {
    let with = |hard| {
        let server = Server::new().listen("127.0.0.1:0").rlimit(Resource::NOFILE, Limit { soft: 10, hard });
        server.bind().map(drop).map_err(|error| error.to_string())
    };
    let error = with(INFINITY).unwrap_err();
    assert!(error.contains("nofile"), "{error}");
    let (lower, raised) = (Limit { soft: 100, hard: 200 }, Limit { soft: 100, hard: 201 });
    setrlimit(Resource::NOFILE, lower).unwrap();
    let may_raise = setrlimit(Resource::NOFILE, raised).is_ok();
    setrlimit(Resource::NOFILE, lower).unwrap();
    assert_eq!(with(raised.hard).is_ok(), may_raise);
    assert_eq!(getrlimit(Resource::NOFILE).unwrap(), lower);
}

/// Checks that a wait ends although a signal, and so a new wait, comes more often than the limit.
fn a_silent_client_is_closed_although_the_handler_gets_signals() {
    static TICKS: SignalFlag = SignalFlag::new();
    let limit = |server: Server<'static>| server.idle_timeout(Duration::from_millis(100));
    let serving = Serving::start_with(limit, |connection: Connection| {
        sigaction(Signal::ALRM, &SigAction::new(Disposition::Flag(&TICKS))).unwrap();
        let tick = Duration::from_millis(10);
        setitimer(Itimer { value: tick, interval: tick }).unwrap();
        assert_eq!(connection.read(&mut [0]), Err(Errno::AGAIN));
        let full = loop {
            match connection.write(&[0; 65536]) {
                Ok(_) => {}
                Err(errno) => break errno,
            }
        };
        assert_eq!(full, Errno::AGAIN);
        assert!(TICKS.is_raised());
    });
    let client = serving.connect();
    assert_eq!(serving.stop_after(1), ["0"]);
    drop(client);
}

fn a_socket_that_listens_is_taken() {
    use std::os::fd::IntoRawFd;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
    let listener = unsafe { OwnedFd::from_raw(listener.into_raw_fd()) };
    let mut child = solo::spawn(move || {
        let stopped = Server::new().listener(listener).serve(|connection: Connection| echo_once(&connection));
        assert_eq!(stopped.unwrap().accepted, 1);
    });
    let mut client = connect(port);
    assert_eq!(echo(&mut client, b"taken"), b"taken");
    assert_eq!(read_all(&mut client), b"");
    child.kill(Signal::TERM).unwrap();
    assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    // A socket that does not listen is refused.
    let stream = std::os::unix::net::UnixStream::pair().unwrap().0;
    // SAFETY: the reason above holds here as well.
    let stream = unsafe { OwnedFd::from_raw(stream.into_raw_fd()) };
    let error = Server::new().listener(stream).bind().unwrap_err();
    assert!(error.to_string().contains("does not listen"), "{error}");
    // A good socket before or after that socket changes nothing.
    for wrong in 0..3 {
        let server = (0..3).fold(Server::new(), |server, index| {
            let listens = TcpListener::bind("127.0.0.1:0").unwrap();
            let connected = std::os::unix::net::UnixStream::pair().unwrap().0;
            let fd = if index == wrong { connected.into_raw_fd() } else { listens.into_raw_fd() };
            // SAFETY: the reason above holds here as well.
            server.listener(unsafe { OwnedFd::from_raw(fd) })
        });
        let error = server.bind().unwrap_err();
        assert!(error.to_string().contains("does not listen"), "{wrong}: {error}");
    }
}

/// Checks the mask of a child. A preforked child unblocks SIGUSR2, which tells the child that it is no longer needed.
fn a_handler_finds_the_signals_blocked_that_the_caller_has_blocked() {
    const SIGNALS: [Signal; 3] = [Signal::USR2, Signal::WINCH, Signal::TERM];
    sigprocmask(MaskHow::Set, &SigSet::from([Signal::USR2, Signal::WINCH]));
    for (pool, expected) in [(None, [1, 1, 0]), (Some(1), [0, 1, 0])] {
        let prefork = |server: Server<'static>| if let Some(size) = pool { server.prefork(size, size) } else { server };
        let serving = Serving::start_with(prefork, |connection: Connection| {
            let mask = sigprocmask_replace(MaskHow::Block, &SigSet::empty()).unwrap();
            connection.write_all(&SIGNALS.map(|signal| u8::from(mask.contains(signal)))).unwrap();
        });
        assert_eq!(read_all(&mut serving.connect()), expected, "{SIGNALS:?} with {pool:?}");
        serving.stop_after(1);
    }
}

fn serving_ends_and_leaves_the_process_as_it_was() {
    use mpserv::signal::{MaskHow, SigSet, sigprocmask, sigprocmask_replace};
    let (bound, port) = bind(|server| server);
    let ready = Channel::new();
    let mut child = solo::spawn(|| {
        let mut before = SigSet::empty();
        before.add(Signal::USR2);
        sigprocmask(MaskHow::Set, &before);
        bound.serve(|connection: Connection| echo_once(&connection)).unwrap();
        let after = sigprocmask_replace(MaskHow::Set, &SigSet::empty()).unwrap();
        assert_eq!(format!("{after:?}"), format!("{before:?}"));
        ready.tell(b'!');
    });
    let mut client = connect(port);
    assert_eq!(echo(&mut client, b"first"), b"first");
    child.kill(Signal::TERM).unwrap();
    assert_eq!(ready.hear(), b'!');
    assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

fn with_other_threads_serving_is_refused() {
    let (bound, _) = bind(|server| server);
    std::thread::spawn(|| ()).join().unwrap();
    let error = bound.serve(|_| ()).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::DEADLK));
    assert!(error.to_string().contains("other threads"), "{error}");
}

/// Checks that a child, which inherits the buffer of stdio, ends without writing it.
fn text_in_a_buffer_is_written_once() {
    use std::os::fd::AsRawFd;
    let (bound, port) = bind(|server| server);
    let folder = TempDir::new();
    let file = std::fs::File::create(folder.join("stdout")).unwrap();
    let mut child = solo::spawn(|| {
        // SAFETY: both descriptors are open, and nothing owns standard output.
        assert_eq!(unsafe { mpserv::ffi::unistd::dup2(file.as_raw_fd(), 1) }, 1);
        mpserv::printf!("held by stdio\n");
        bound.serve(|_| ()).unwrap();
        assert_eq!(mpserv::stdio::fflush(mpserv::stdio::stdout()), 0);
    });
    for _ in 0..2 {
        assert_eq!(read_all(&mut connect(port)), b"");
    }
    child.kill(Signal::TERM).unwrap();
    assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    assert_eq!(std::fs::read_to_string(folder.join("stdout")).unwrap(), "held by stdio\n");
}

fn numbers_that_make_no_sense_are_refused() {
    let second = Duration::from_secs(1);
    let nothing = Duration::ZERO;
    let args = || Args::of(vec![Argument::from(c"program"), Argument::END].leak()).unwrap();
    for server in [
        Server::new().max_children(0),
        Server::new().max_per_source(0, ""),
        Server::new().max_rate(0, second),
        Server::new().max_rate(1, nothing),
        Server::new().idle_timeout(nothing),
        Server::new().max_lifetime(nothing),
        Server::new().prefork(1, 1).max_requests(0),
        Server::new().max_requests(1),
        Server::new().restart(args()),
        Server::new().sandbox(&[-1]),
        Server::new().sandbox(&[0; 64]),
        Server::new().rlimit(Resource::NOFILE, Limit { soft: 2, hard: 1 }),
        // These numbers are 0o1224 and 0o1000.
        Server::new().mode(660),
        Server::new().mode(0o1000),
    ] {
        let error = server.listen("127.0.0.1:0").bind().unwrap_err();
        assert!(error.is_usage(), "{error}");
    }
    let error = Server::new().listen("127.0.0.1:0").max_children(0).bind().unwrap_err();
    assert_eq!(error.to_string(), format!("max_children 0, not from 1 to {MAX_CHILDREN_LIMIT}: out of range"));
    assert!(Server::new().bind().unwrap_err().is_usage());
    assert!(Server::new().listen("nonsense").bind().unwrap_err().is_usage());
}

fn an_address_with_a_nul_is_refused() {
    for address in
        ["127.0.0.1\0:0", "localhost\0.example:0", "[fe80::1%lo\0x]:0", "unix:/tmp/\0mpserv", "inherit:\0", "0\0"]
    {
        let error = Server::new().listen(address).bind().unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("\\0"), "{error}");
        assert!(error.to_string().contains("there is a NUL in it"), "{error}");
    }
    // An abstract name has a length, and so may have any byte.
    let name = format!("unix:@mpserv-{}\0x", std::process::id());
    let bound = Server::new().listen(&name).bind().unwrap();
    let Some(Ok(SockAddr::Unix(address))) = bound.addresses().next() else { panic!("{bound:?}") };
    let expected = UnixAddr::from_abstract(name.strip_prefix("unix:@").unwrap().as_bytes()).unwrap();
    assert_eq!(SockAddr::Unix(address).to_string(), SockAddr::Unix(expected).to_string());
}

/// Checks that a part of a second does not turn the option off.
fn a_part_of_a_second_defers_an_accept() {
    for (millis, is_on) in [(1, true), (999, true), (1000, true), (0, false)] {
        let (bound, _) = bind(|server| server.defer_accept(Duration::from_millis(millis)));
        // SAFETY: the descriptors are only asked for options.
        let mut fds = (3..16).map(|number| unsafe { BorrowedFd::from_raw(number) });
        let listener = fds.find(|fd| getsockopt(fd, SocketOption::ACCEPTCONN) == Ok(true)).unwrap();
        assert_eq!(getsockopt(listener, SocketOption::DEFER_ACCEPT).unwrap() > 0, is_on, "{millis} ms");
        drop(bound);
    }
}

fn a_long_failure_of_a_successor_is_cut_after_a_character() {
    let (reader, writer) = pipe().unwrap();
    let mut child = solo::spawn(|| {
        // The predecessor would name the pipe, and no pidfile.
        let passed = format!("{},{},0", std::process::id(), writer.into_raw());
        // SAFETY: this process has no other thread.
        unsafe { std::env::set_var("MPSERV_INHERIT", passed) };
        // SAFETY: nothing owns the descriptor that the variable names.
        let mut inherited = unsafe { Inherited::claim() };
        inherited.report_failure(&("x".to_owned() + &"\u{e9}".repeat(1000)));
    });
    assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
    let mut text = [0; 2000];
    let text = read(&reader, &mut text).map(|length| std::str::from_utf8(&text[..length]).unwrap()).unwrap();
    assert_eq!(text, "x".to_owned() + &"\u{e9}".repeat(255));
}

/// Makes this process the successor of one that passes it a pipe and the sockets, and no pidfile.
fn become_successor(ready: OwnedFd, sockets: Vec<TcpListener>) -> Inherited {
    use std::os::fd::IntoRawFd;
    let mut passed = format!("{},{},0", std::process::id(), ready.into_raw());
    for socket in sockets {
        passed += &format!(",{}", socket.into_raw_fd());
    }
    // SAFETY: this process has no other thread.
    unsafe { std::env::set_var("MPSERV_INHERIT", passed) };
    // SAFETY: nothing owns the descriptors that the variable names.
    unsafe { Inherited::claim() }
}

/// Returns any arguments of a program.
fn some_args() -> Args {
    let line: &'static [Argument] = vec![Argument::from(c"server"), Argument::END].leak();
    Args::of(line).unwrap()
}

/// Checks that a socket by `listener()`, which the program makes in its successor as well, is not added to those of the
/// predecessor.
fn a_successor_has_the_sockets_of_its_predecessor_and_no_other() {
    let [passed, own] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [passed_address, own_address] = [&passed, &own].map(|socket| socket.local_addr().unwrap());
    let (_reader, writer) = pipe().unwrap();
    let inherited = become_successor(writer, vec![passed]);
    // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
    let own = unsafe { OwnedFd::from_raw(std::os::fd::IntoRawFd::into_raw_fd(own)) };
    let bound = Server::new().listener(own).restart(some_args()).inherit(inherited).bind().unwrap();
    assert_eq!(format!("{bound:?}"), format!("[Ok(Inet({passed_address}))]"));
    assert_eq!(TcpStream::connect(own_address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Checks that a server with as many listeners as it can have makes no file for one more.
fn a_listener_too_many_leaves_no_file() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = (0..LISTENERS_MAX).fold(Server::new(), |server, _| {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
        server.listener(unsafe { OwnedFd::from_raw(std::os::fd::IntoRawFd::into_raw_fd(socket)) })
    });
    let address = format!("unix:{}", path.display());
    let error = server.listen(&address).bind().unwrap_err().to_string();
    assert!(error.starts_with("more than 32 addresses"), "{error}");
    assert!(!path.exists());
}

fn a_successor_tells_why_it_does_not_take_over() {
    let why = |count: usize, change: fn(Server<'static>) -> Server<'static>| {
        let (reader, writer) = pipe().unwrap();
        let mut child = solo::spawn(|| {
            let sockets = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
            let inherited = become_successor(writer, sockets);
            change(Server::new().restart(some_args()).inherit(inherited)).bind().unwrap_err();
        });
        assert_eq!(solo::reap(&mut child).exit_status(), Some(0));
        let mut text = [0; 2000];
        read(&reader, &mut text).map(|length| String::from_utf8(text[..length].into()).unwrap()).unwrap()
    };
    let too_many = why(33, |server| server);
    assert!(too_many.starts_with("more than 32 addresses"), "{too_many}");
    let wrong = why(1, |server| server.max_children(0));
    assert!(wrong.starts_with("max_children 0"), "{wrong}");
}

/// Checks a program that runs before the server binds.
fn a_passed_descriptor_reaches_no_program() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&passed);
    // SAFETY: the call has no precondition on memory.
    assert_eq!(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }, 0);
    let (_reader, writer) = pipe().unwrap();
    let _ = become_successor(writer, vec![passed]);
    let has = std::process::Command::new("test").args(["-e", &format!("/proc/self/fd/{number}")]).status().unwrap();
    assert_eq!(has.code(), Some(1));
}

/// Checks a listener of the server, and one that the program has made and would pass to other programs.
fn a_listener_reaches_no_program() {
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the call has no precondition on memory.
    assert_eq!(unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&own), libc::F_SETFD, 0) }, 0);
    let sockets = || {
        let command = ["-c", "ls -l /proc/self/fd | grep -c socket:"];
        let output =
            std::process::Command::new("sh").args(command).stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    let before = sockets();
    // SAFETY: the descriptor is open, and nothing else owns it after `into_raw_fd`.
    let own = unsafe { OwnedFd::from_raw(std::os::fd::IntoRawFd::into_raw_fd(own)) };
    let bound = Server::new().listener(own).listen("127.0.0.1:0").bind().unwrap();
    let after = sockets();
    assert_eq!(bound.addresses().count(), 2);
    assert_eq!(after, before - 1, "the program's own is closed as well");
}

/// Checks that a server without `restart` listens where its own settings say.
fn a_server_that_does_not_restart_takes_nothing_over() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let passed_address = passed.local_addr().unwrap();
    let (_reader, writer) = pipe().unwrap();
    let inherited = become_successor(writer, vec![passed]);
    let bound = Server::new().listen("127.0.0.1:0").inherit(inherited).bind().unwrap();
    let Some(Ok(SockAddr::Inet(own))) = bound.addresses().next() else { panic!("{bound:?}") };
    assert_ne!(own, passed_address);
}

fn the_longest_time_is_never() {
    let change = |server: Server<'static>| {
        let server = server.max_lifetime(Duration::MAX).grace(Duration::MAX).idle_timeout(Duration::MAX);
        server.max_rate(1, Duration::MAX).defer_accept(Duration::MAX)
    };
    let serving = Serving::start_with(change, |connection: Connection| echo_once(&connection));
    let mut client = serving.connect();
    client.write_all(b"a").unwrap();
    assert_eq!(read_all(&mut client), b"a");
    // The next connection exceeds the rate, and waits in the kernel.
    let next = serving.connect();
    assert_eq!(serving.stop_after(1), ["0"]);
    drop(next);
}

/// Checks that a descriptor has no second owner, even if safe code names it in the variables.
fn a_descriptor_gets_no_second_owner() {
    let owned = TcpListener::bind("127.0.0.1:0").unwrap();
    for (name, value) in [("LISTEN_PID", std::process::id()), ("LISTEN_FDS", 100)] {
        // SAFETY: this process has no other thread.
        unsafe { std::env::set_var(name, value.to_string()) };
    }
    let error = Server::new().listen("inherit").bind().unwrap_err().to_string();
    assert!(error.contains("has not claimed"), "{error}");
    assert!(owned.local_addr().is_ok());
}
