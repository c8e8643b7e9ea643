//! Tests `--sandbox`: the calls that children cannot make.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::{Channel, Test, reap, skip, spawn};
use crate::common::*;
use crate::tests;
use mpserv::fd::AsFd;
use mpserv::ffi;
use mpserv::ffi::sys::syscall as c;
use mpserv::poll::{PollEvents, PollFd, poll};
use mpserv::process::{Child, getpid, set_pdeathsig};
use mpserv::server::limits::LISTENERS_MAX;
use mpserv::server::{Connection, Server};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    a_service_that_opens_a_file_is_ended,
    a_service_that_connects_is_ended,
    a_service_that_forks_is_ended,
    a_service_that_runs_a_program_is_ended,
    a_service_that_makes_a_call_without_a_name_is_ended,
    a_service_that_makes_a_call_of_another_architecture_is_ended,
    a_signal_that_somebody_sends_is_no_violation,
    a_child_that_is_taken_over_names_no_other_client,
    a_service_that_does_what_it_may_is_served,
    a_child_of_the_pool_that_is_ended_is_replaced,
    a_child_of_the_pool_waits_for_the_header_of_a_proxy,
    a_wait_goes_on_after_a_stop,
    a_filter_has_room_for_every_call_that_can_be_named,
    each_builtin_service_works_in_the_sandbox,
    a_program_in_the_sandbox_gains_nothing,
    a_program_in_the_sandbox_inherits_no_capability,
];

/// Makes the forbidden call that the client requests.
fn misbehave(connection: Connection) -> mpserv::errno::Result<()> {
    let mut order = [0];
    connection.read(&mut order)?;
    match order[0] {
        b'o' => drop(File::open("/etc/passwd")),
        b'c' => drop(TcpStream::connect("127.0.0.1:9")),
        // SAFETY: there is no other thread, and the child ends at once.
        b'f' if unsafe { ffi::unistd::fork() } == 0 => mpserv::process::_exit(0),
        b'x' => {
            let null = std::ptr::null();
            // SAFETY: Linux allows null for both lists.
            unsafe { ffi::unistd::execve(c"/bin/true".as_ptr(), null, null) };
        }
        b'n' => {
            // SAFETY: there is no such call.
            unsafe { ffi::unistd::syscall(1000) };
        }
        b'i' => call_as_i386(),
        _ => {}
    }
    connection.write_all(&order)
}

/// Asks for the process id as a program for i386 does. On x86-64 the same number is another call.
fn call_as_i386() {
    #[cfg(target_arch = "x86_64")]
    {
        const GETPID: i64 = 20;
        let mut number = GETPID;
        // SAFETY: the call takes no argument, and changes no register but that of its result.
        unsafe {
            std::arch::asm!("int 0x80", inout("rax") number, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        };
        std::hint::black_box(number);
    }
}

/// A server in a child of this test.
pub(crate) struct Own {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
    _folder: TempDir,
}

impl Own {
    pub(crate) fn start(
        options: impl FnOnce(Server<'static>) -> Server<'static>,
        mut handler: impl FnMut(Connection) -> mpserv::errno::Result<()>,
    ) -> Own {
        let (folder, channel) = (TempDir::new(), Channel::new());
        let log = folder.join("log");
        let test = getpid();
        let child = spawn(|| {
            // The server must end even if the test fails.
            set_pdeathsig(test, Signal::KILL).unwrap();
            let file = File::create(&log).unwrap();
            // SAFETY: standard error is this child's own.
            assert_eq!(unsafe { ffi::unistd::dup2(file.as_raw_fd(), 2) }, 2);
            let bound = options(Server::new().listen("127.0.0.1:0")).bind().unwrap();
            let Some(Ok(mpserv::net::SockAddr::Inet(address))) = bound.addresses().next() else { unreachable!() };
            address.port().to_be_bytes().into_iter().for_each(|byte| channel.tell(byte));
            bound.serve(|connection| Ok(handler(connection)?)).unwrap();
        });
        let port = u16::from_be_bytes([channel.hear(), channel.hear()]);
        Own { child, port, log, _folder: folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn log(&self) -> Vec<Line> {
        let text = fs::read_to_string(&self.log).unwrap();
        parse_log(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    pub(crate) fn order(&self, order: u8) -> Vec<u8> {
        let mut client = connect(self.port);
        client.write_all(&[order]).unwrap();
        read_all(&mut client)
    }

    /// Waits until the server has a child, and returns the child.
    #[track_caller]
    fn wait_child(&self) -> u32 {
        wait_for("a child", || children(self.child.pid().raw() as u32).first().copied())
    }

    #[track_caller]
    pub(crate) fn wait_line(&self, event: &str) -> Line {
        wait_for(event, || self.log().into_iter().find(|line| line.event == event))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        mpserv::signal::kill(self.child.pid(), signal).unwrap();
    }

    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        self.wait();
    }

    /// Waits for the end of a server that stops. It gets no second signal: once the first is obeyed, SIGTERM has its
    /// default action again, and would kill the server's process.
    pub(crate) fn wait(mut self) {
        assert_eq!(reap(&mut self.child).exit_status(), Some(0), "{:?}", self.log());
    }
}

const CALLS: [std::ffi::c_long; 2] = [c::SYS_recvfrom, c::SYS_sendto];

/// Checks that a service which obeys this order is ended for this call, and that the server goes on. `None` is for an
/// order for which the C library chooses the call.
#[track_caller]
fn is_ended_for(order: u8, call: Option<&str>) {
    let server = Own::start(|server| server.sandbox(&CALLS), misbehave);
    assert_eq!(server.order(order), b"");
    let violation = server.wait_line("violation");
    assert!(call.is_none_or(|call| violation.get("call") == call), "{violation:?}");
    let end = server.wait_line("end");
    assert_eq!((end.get("signal").split(' ').next(), end.get("pid")), (Some("SIGSYS"), violation.get("pid")));
    assert_eq!(server.order(b'.'), b".", "it goes on");
    server.stop();
}

fn a_service_that_opens_a_file_is_ended() {
    is_ended_for(b'o', Some("openat"));
}

fn a_service_that_connects_is_ended() {
    is_ended_for(b'c', Some("socket"));
}

fn a_service_that_forks_is_ended() {
    is_ended_for(b'f', None);
}

fn a_service_that_runs_a_program_is_ended() {
    is_ended_for(b'x', Some("execve"));
}

fn a_service_that_makes_a_call_without_a_name_is_ended() {
    is_ended_for(b'n', Some("1000"));
}

/// Tests calls of another architecture. The filter looks at the numbers of calls, which mean other calls there.
fn a_service_that_makes_a_call_of_another_architecture_is_ended() {
    if !cfg!(target_arch = "x86_64") {
        skip("no second architecture");
    }
    let mut run = spawn(call_as_i386);
    if reap(&mut run).exit_status() != Some(0) {
        skip("no calls of i386");
    }
    let server = Own::start(|server| server.sandbox(&CALLS), misbehave);
    assert_eq!(server.order(b'i'), b"", "it is ended before it can answer");
    assert_eq!(server.wait_line("end").get("signal").split(' ').next(), Some("SIGSYS"));
    assert_eq!(server.order(b'.'), b".", "it goes on");
    server.stop();
}

fn a_signal_that_somebody_sends_is_no_violation() {
    let server = Served::start(&["--sandbox", "127.0.0.1:0"]);
    let mut client = server.client();
    send(server.wait_events("accept", 1)[0].number("pid"), Signal::SYS);
    assert_eq!(read_all(&mut client), b"");
    let end = server.wait_events("end", 1);
    assert!(end[0].get("signal").starts_with("SIGSYS"), "{end:?}");
    assert_eq!(server.events("violation").len(), 0);
    server.stop();
}

/// Tests a child that makes its slot writable, as the filter allows, and puts another client there.
fn a_child_that_is_taken_over_names_no_other_client() {
    // The words of a slot up to the note, and those of its client.
    const NOTED: usize = 8;
    const PEER: std::ops::Range<usize> = 4..7;
    // 203.0.113.66:4242
    const OTHER: [u64; 3] = [1 << 48 | 4242, 0, 0xffff_cb00_7142];
    let server = Own::start(
        |server| server.sandbox(&CALLS).verbosity(mpserv::server::Verbosity::Verbose),
        |connection| {
            let mut start = [0; size_of::<usize>()];
            assert_eq!(connection.read(&mut start)?, start.len());
            let slot = std::ptr::with_exposed_provenance_mut::<u64>(usize::from_ne_bytes(start));
            // SAFETY: the page is the child's own slot, which nothing else in the child uses.
            unsafe { libc::mprotect(slot.cast(), NOTED * size_of::<u64>(), libc::PROT_READ | libc::PROT_WRITE) };
            for (word, value) in PEER.zip(OTHER) {
                // SAFETY: the words are in the page, to which this child may write now.
                unsafe { slot.wrapping_add(word).write_volatile(value) };
            }
            connection.write_all(b".")?;
            connection.read(&mut [0])?;
            misbehave(connection)
        },
    );
    let mut client = connect(server.port);
    let child = server.wait_child();
    wait_until("the child waits for the address", || waits_in(child, c::SYS_recvfrom));
    let maps = fs::read_to_string(format!("/proc/{child}/maps")).unwrap();
    let view = maps.lines().find(|line| line.contains("mpserv-scoreboard")).unwrap();
    // SAFETY: the call has no precondition.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    // The head has the first page.
    let slot = usize::from_str_radix(view.split('-').next().unwrap(), 16).unwrap() + page;
    client.write_all(&slot.to_ne_bytes()).unwrap();
    let mut answer = [0];
    std::io::Read::read_exact(&mut client, &mut answer).unwrap();
    server.child.kill(Signal::USR1).unwrap();
    let own = client.local_addr().unwrap().to_string();
    assert_eq!(server.wait_line("child").get("from"), own);
    client.write_all(b".o").unwrap();
    assert_eq!(read_all(&mut client), b"");
    for event in ["violation", "end"] {
        assert_eq!(server.wait_line(event).get("from"), own);
    }
    server.stop();
}

fn a_service_that_does_what_it_may_is_served() {
    let server = Own::start(|server| server.sandbox(&CALLS), misbehave);
    for order in b"abc".iter().filter(|order| **order != b'c') {
        assert_eq!(server.order(*order), [*order]);
    }
    assert!(server.log().iter().all(|line| line.event != "violation"));
    server.stop();
}

fn a_child_of_the_pool_that_is_ended_is_replaced() {
    let server = Own::start(|server| server.sandbox(&CALLS).prefork(2, 2), misbehave);
    for count in 1..=5 {
        assert_eq!(server.order(b'.'), b".");
        assert_eq!(server.order(b'o'), b"");
        wait_until("the violation is logged", || {
            server.log().iter().filter(|line| line.event == "violation" && line.get("call") == "openat").count()
                == count
        });
    }
    wait_until("the pool is as large as before", || children(server.child.pid().raw() as u32).len() == 2);
    assert_eq!(server.order(b'.'), b".");
    server.stop();
}

fn a_child_of_the_pool_waits_for_the_header_of_a_proxy() {
    let server = Own::start(|server| server.sandbox(&CALLS).prefork(1, 1).proxy_protocol(true), misbehave);
    for start in ["", "PROXY TCP4 192.0.2.1 "] {
        let mut client = connect(server.port);
        client.write_all(start.as_bytes()).unwrap();
        let child = server.wait_child();
        wait_until("the child waits for the rest of the header", || waits_in(child, c::SYS_ppoll));
        let header = "PROXY TCP4 192.0.2.1 192.0.2.9 40000 80\r\n.";
        client.write_all(&header.as_bytes()[start.len()..]).unwrap();
        assert_eq!(read_all(&mut client), b".", "{start:?}");
    }
    server.stop();
}

/// Tests a wait with a time limit. After a stop, the kernel goes on with such a wait by a call of its own.
fn a_wait_goes_on_after_a_stop() {
    if !cfg!(target_arch = "x86_64") {
        skip("there is no poll() in this kernel");
    }
    #[cfg(target_arch = "x86_64")]
    {
        const WITH_POLL: [std::ffi::c_long; 3] = [c::SYS_recvfrom, c::SYS_sendto, c::SYS_poll];
        let server = Own::start(
            |server| server.sandbox(&WITH_POLL),
            |connection| {
                poll(&mut [PollFd::new(connection.as_fd(), PollEvents::IN)], Some(WATCHDOG))?;
                misbehave(connection)
            },
        );
        let mut client = connect(server.port);
        let child = server.wait_child();
        wait_until("the child waits", || waits_in(child, c::SYS_poll));
        signal(child, Signal::STOP);
        wait_until("the child is stopped", || state(child) == Some('T'));
        signal(child, Signal::CONT);
        wait_until("the child waits again", || waits_in(child, c::SYS_restart_syscall));
        client.write_all(b".").unwrap();
        assert_eq!(read_all(&mut client), b".");
        server.stop();
    }
}

/// Tests the longest filter: the most calls, each with all checks, and the most listeners.
fn a_filter_has_room_for_every_call_that_can_be_named() {
    const MOST: usize = 46;
    const TOO_MANY: [std::ffi::c_long; MOST + 1] = [c::SYS_sendto; MOST + 1];
    static CALLS: [std::ffi::c_long; MOST] = {
        let mut calls = [c::SYS_sendto; MOST];
        (calls[MOST - 1], calls[MOST - 2]) = (c::SYS_recvfrom, c::SYS_mprotect);
        calls
    };
    let listen = |server: Server<'static>| (1..LISTENERS_MAX).fold(server, |server, _| server.listen("127.0.0.1:0"));
    for is_pool in [false, true] {
        let pool = |server: Server<'static>| if is_pool { server.prefork(1, 1) } else { server };
        let server = Own::start(|server| pool(listen(server)).sandbox(&CALLS), misbehave);
        assert_eq!(server.order(b'.'), b".");
        server.stop();
        let error = pool(Server::new().listen("127.0.0.1:0")).sandbox(&TOO_MANY).bind().unwrap_err();
        assert!(error.is_usage(), "{error}");
    }
}

fn each_builtin_service_works_in_the_sandbox() {
    for pool in [&[][..], &["--prefork", "2-3"], &["--prefork", "2", "--listen", "127.0.0.1:0"]] {
        for (service, answer) in [("echo", &b"Hello"[..]), ("rot13", b"Uryyb"), ("discard", b"")] {
            let arguments = [&["--sandbox", "--service", service, "-t", "20"], pool, &["127.0.0.1:0"]].concat();
            let ports = 1 + usize::from(pool.contains(&"--listen"));
            let server = Served::start_ports(&mut mpserv(&arguments), ports);
            // More than the first buffer of a service holds, which then goes on with a larger one.
            const MANY: usize = 1_000;
            for port in &server.ports {
                for count in [1, 1, 1, 1, MANY] {
                    let mut client = connect(*port);
                    client.write_all(&b"Hello".repeat(count)).unwrap();
                    assert!(finish(client) == answer.repeat(count), "{service}: {:?}", server.log());
                }
            }
            let log = server.stop();
            let ends = log.iter().filter(|line| line.event == "end");
            assert_eq!(ends.filter(|line| line.get("exit") == "0").count(), 5 * ports, "{log:?}");
        }
    }
}

fn a_program_in_the_sandbox_gains_nothing() {
    let text = program_output(&["--sandbox", "127.0.0.1:0", "sh", "-c", SHOW_RIGHTS]);
    assert!(text.contains("NoNewPrivs:\t1\n"), "{text}");
    if is_root() {
        assert_eq!(empty_sets(&text), 5, "{text}");
    }
}

/// Shows the rights of the process that runs this command.
const SHOW_RIGHTS: &str = "grep -E '^(NoNewPrivs|Cap(Inh|Prm|Eff|Bnd|Amb)):' /proc/self/status";

/// Counts the sets of capabilities that are empty.
fn empty_sets(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("Cap") && line.ends_with("\t0000000000000000")).count()
}

/// Checks a server whose starter lets programs inherit a capability.
fn a_program_in_the_sandbox_inherits_no_capability() {
    needs_root();
    needs_command("setpriv");
    let server = mpserv(&["--sandbox", "127.0.0.1:0", "sh", "-c", SHOW_RIGHTS]);
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"]);
    command.arg(server.get_program()).args(server.get_args());
    let server = Served::start_command(&mut command);
    let text = String::from_utf8(read_all(&mut server.connect())).unwrap();
    assert_eq!(empty_sets(&text), 5, "{text}");
    server.stop();
}
