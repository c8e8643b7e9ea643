//! Tests the service manager: the sockets that it passes, and the messages to it.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::fd::BorrowedFd;
use mpserv::net::{SocketOption, getsockopt, setsockopt};
use mpserv::process::{Pid, exists};
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    the_manager_is_told_how_the_server_is,
    a_server_that_has_handed_over_is_silent,
    a_manager_that_does_not_read_is_told_later_who_is_ready,
    a_successor_finds_nothing_of_what_was_passed,
    a_reload_that_fails_ends_in_ready,
    the_watchdog_hears_of_it_twice_as_often_as_need_be,
    a_manager_that_cannot_be_reached_is_told_of_once,
    a_manager_without_a_name_is_none,
    the_manager_is_told_of_preforked_children_with_clients,
    a_successor_that_fails_when_its_predecessor_has_gone_tells_the_operator,
    a_message_that_could_not_be_sent_is_sent_again_to_a_slow_manager,
    the_watchdog_is_that_of_the_process_that_it_names,
    the_watchdog_of_a_server_is_that_of_its_successor,
    a_socket_is_taken_whichever_number_it_has,
    a_socket_that_is_passed_is_served,
    a_socket_that_is_passed_has_the_options_of_the_server,
    a_socket_of_multipath_tcp_is_served,
    no_accept_waits_at_a_passed_socket,
    sockets_without_a_name_are_taken_as_well,
    a_passed_socket_of_another_type_is_refused,
    the_file_of_a_socket_that_is_passed_stays,
    a_program_finds_nothing_of_what_was_passed,
    what_is_not_passed_is_told,
    a_malformed_inheritance_is_refused,
    systemd_socket_activate_starts_it,
];

/// The address of a service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
    _folder: Option<TempDir>,
}

impl Manager {
    fn at_a_path() -> Manager {
        let folder = TempDir::new();
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Manager { socket, name: path.to_str().unwrap().to_owned(), _folder: Some(folder) }
    }

    fn abstract_one() -> Manager {
        let name = format!("mpserv-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Manager { socket, name: format!("@{name}"), _folder: None }
    }

    /// Returns the next message, except status messages and messages for the watchdog.
    #[track_caller]
    fn hear(&self) -> String {
        loop {
            let message = self.hear_any();
            if !message.starts_with("STATUS=") && message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    #[track_caller]
    fn hear_any(&self) -> String {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(WATCHDOG)).unwrap();
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

fn the_manager_is_told_how_the_server_is() {
    for manager in [Manager::at_a_path(), Manager::abstract_one()] {
        let folder = TempDir::new();
        let pidfile = folder.join("pid");
        let mut command = mpserv(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
        let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
        assert_eq!(manager.hear(), format!("READY=1\nMAINPID={}", server.pid()));
        let client = server.client();
        wait_until("the status says so", || manager.hear_any() == "STATUS=1/64 children");
        drop(client);
        // Make a successor take over.
        server.running.signal(Signal::USR2);
        let message = manager.hear();
        let (first, micros) = message.split_once('\n').unwrap();
        let micros: u128 = micros.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        let now = mpserv::time::clock_gettime(mpserv::time::Clock::MONOTONIC).as_micros();
        assert!(first == "RELOADING=1" && now.abs_diff(micros) < WATCHDOG.as_micros(), "{message}");
        let pid = wait_for("another process has the pidfile", || {
            let pid: u32 = fs::read_to_string(&pidfile).ok()?.trim().parse().ok()?;
            (pid != server.pid()).then_some(pid)
        });
        // Both servers send this message: the old server, which the manager trusts, and the new server.
        let ready = format!("READY=1\nMAINPID={pid}");
        assert_eq!([manager.hear(), manager.hear()], [ready.clone(), ready]);
        let pid = Pid::from_raw(pid as i32).unwrap();
        kill(pid, Signal::TERM).unwrap();
        assert_eq!(manager.hear(), "STOPPING=1");
        wait_until("it ends", || !exists(pid) || state(pid.raw() as u32) == Some('Z'));
    }
}

/// Checks that after the handover only the successor sends messages to the manager, though the old server still has
/// clients.
fn a_server_that_has_handed_over_is_silent() {
    let manager = Manager::at_a_path();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let mut command = mpserv(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
    assert_eq!(manager.hear(), format!("READY=1\nMAINPID={}", server.pid()));
    let mut clients = server.clients(2);
    wait_until("the status says so", || manager.hear_any() == "STATUS=2/64 children");
    server.running.signal(Signal::USR2);
    assert!(manager.hear().starts_with("RELOADING=1\n"));
    assert!(manager.hear().starts_with("READY=1\n") && manager.hear().starts_with("READY=1\n"));
    server.wait_events("handover", 1);
    drop(clients.pop());
    server.wait_events("end", 1);
    // A status would come within a second.
    manager.socket.set_read_timeout(Some(STATUS_WITHIN)).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.socket.recv(&mut buffer) {
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), "STATUS=0/64 children", "the successor has no client");
    }
    let successor = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    signal(successor, Signal::TERM);
    drop(clients);
    assert_eq!(manager.hear(), "STOPPING=1");
    wait_until("both have ended", || state(server.pid()) == Some('Z') && !pidfile.exists());
}

/// The time within which a status would come. A server sends at most one status a second.
const STATUS_WITHIN: Duration = Duration::from_millis(1500);

/// Checks a manager whose queue is full when the server starts, and when it hands over.
fn a_manager_that_does_not_read_is_told_later_who_is_ready() {
    let manager = Manager::at_a_path();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let fill = || {
        let other = UnixDatagram::unbound().unwrap();
        other.connect(&manager.name).unwrap();
        other.set_nonblocking(true).unwrap();
        while other.send(b"OTHER=1").is_ok() {}
    };
    let hear_ready = || loop {
        let message = manager.hear();
        if let Some(pid) = message.strip_prefix("READY=1\nMAINPID=") {
            return pid.parse::<u32>().unwrap();
        }
    };
    fill();
    let mut command = mpserv(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
    // The server serves only after its first message.
    assert_eq!(finish(server.client()), b"");
    assert_eq!(hear_ready(), server.pid());
    server.wait_childless();
    fill();
    server.running.signal(Signal::USR2);
    server.wait_events("handover", 1);
    let successor = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    assert_ne!(successor, server.pid());
    // Without clients the server waits for nothing but the manager.
    assert_ne!(state(server.pid()), Some('Z'));
    assert_eq!([hear_ready(), hear_ready()], [successor, successor]);
    wait_until("the old server ends", || state(server.pid()) == Some('Z'));
    signal(successor, Signal::TERM);
    wait_until("the successor ends", || !pidfile.exists());
}

/// Checks that a successor, which gets the sockets by other means, does not take them for sockets of the manager.
fn a_successor_finds_nothing_of_what_was_passed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = TempDir::new();
    let (pidfile, trace) = (folder.join("pid"), folder.join("trace"));
    // With -D strace leaves the started process to the server, so LISTEN_PID names the server.
    let script = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x exec strace -D -f -q -v -s 300 -e trace=execve -o '{}' \
         '{MPSERV}' -1 --pidfile '{}' inherit 3<&0 </dev/null",
        trace.display(),
        pidfile.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Served::start_command(&mut command);
    server.running.signal(Signal::USR2);
    server.wait_events("handover", 1);
    let successor = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    drop(server.client());
    signal(successor, Signal::TERM);
    wait_until("it ends", || !pidfile.exists());
    let trace = fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> = trace.lines().filter(|line| line.contains("execve(")).collect();
    assert!(calls.len() == 2 && calls[0].contains("\"LISTEN_FDS=1\""), "{trace}");
    assert!(calls[1].contains("MPSERV_INHERIT=") && !calls[1].contains("\"LISTEN_"), "{trace}");
}

fn a_reload_that_fails_ends_in_ready() {
    let manager = Manager::at_a_path();
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "allow all\n").unwrap();
    let mut command = mpserv(&["--rules", rules.to_str().unwrap(), "127.0.0.1:0"]);
    let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
    manager.hear();
    fs::write(&rules, "allow\n").unwrap();
    // A restart fails as well, because the successor reads the rules.
    for signal in [Signal::HUP, Signal::USR2] {
        server.running.signal(signal);
        assert!(manager.hear().starts_with("RELOADING=1\n"), "{signal}");
        assert_eq!(manager.hear(), format!("READY=1\nMAINPID={}", server.pid()), "{signal}");
    }
    assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
    assert_eq!(manager.hear(), "STOPPING=1");
}

fn the_watchdog_hears_of_it_twice_as_often_as_need_be() {
    let manager = Manager::at_a_path();
    let mut command = mpserv(&["127.0.0.1:0"]);
    let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name).env("WATCHDOG_USEC", "2000000"));
    let hear = || {
        wait_until("the watchdog hears of it", || manager.hear_any() == "WATCHDOG=1");
        Instant::now()
    };
    // On a busy machine, some periods are longer than a second, and the next periods are shorter.
    let first = hear();
    let (mut last, mut is_short, mut count) = (first, false, 0);
    while count < 3 || !is_short {
        let now = hear();
        is_short |= now - last < Duration::from_millis(1900);
        count += 1;
        last = now;
        assert!(count < 8, "none of {count} periods is shorter than the limit");
    }
    assert!(last - first > Duration::from_millis(700) * count, "{count} periods in {:?}", last - first);
    server.stop();
}

/// Checks that the first message after READY is for the watchdog, if the variables are about this process.
fn the_watchdog_is_that_of_the_process_that_it_names() {
    let manager = Manager::at_a_path();
    for (pid, first) in [
        ("unset WATCHDOG_PID", "WATCHDOG=1"),
        ("export WATCHDOG_PID=$$", "WATCHDOG=1"),
        ("export WATCHDOG_PID=1", "STATUS=0/64 children"),
        ("export WATCHDOG_USEC=0", "STATUS=0/64 children"),
        ("export WATCHDOG_USEC=1s", "STATUS=0/64 children"),
        ("unset WATCHDOG_USEC", "STATUS=0/64 children"),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{pid}; exec '{MPSERV}' -1 127.0.0.1:0")]).stdin(Stdio::null());
        command.env("NOTIFY_SOCKET", &manager.name).env("WATCHDOG_USEC", "600000000");
        let server = Served::start_command(&mut command);
        assert_eq!(manager.hear_any(), format!("READY=1\nMAINPID={}", server.pid()));
        assert_eq!(manager.hear_any(), first, "{pid}");
        server.stop();
        assert_eq!(manager.hear(), "STOPPING=1");
    }
}

/// Checks that a successor reports to the watchdog, although the variable names its predecessor.
fn the_watchdog_of_a_server_is_that_of_its_successor() {
    let manager = Manager::at_a_path();
    let mut command = Command::new("sh");
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let script = format!("export WATCHDOG_PID=$$; exec '{MPSERV}' -1 --pidfile '{}' 127.0.0.1:0", pidfile.display());
    command.args(["-c", &script]).stdin(Stdio::null());
    command.env("NOTIFY_SOCKET", &manager.name).env("WATCHDOG_USEC", "600000000");
    let server = Served::start_command(&mut command);
    server.running.signal(Signal::USR2);
    let successor = server.wait_events("handover", 1)[0].number("by");
    wait_until("the server ends", || state(server.pid()) == Some('Z'));
    // The next message after a long time would be one to the watchdog. Each server sends one when it begins, and one at
    // the handover.
    manager.socket.set_nonblocking(true).unwrap();
    let mut alive = 0;
    wait_until("both have told the watchdog", || {
        let mut buffer = [0; 4096];
        while let Ok(length) = manager.socket.recv(&mut buffer) {
            alive += usize::from(&buffer[..length] == b"WATCHDOG=1");
        }
        alive == 4
    });
    send(successor, Signal::TERM);
    wait_until("the successor ends", || !pidfile.exists());
}

/// Checks after which errors the manager is told again who is ready: those of a manager that is slow, but not those of one
/// that has gone.
fn a_message_that_could_not_be_sent_is_sent_again_to_a_slow_manager() {
    let folder = TempDir::new();
    for (errno, is_told_again) in [("EAGAIN", true), ("ENOBUFS", true), ("ECONNREFUSED", false)] {
        let manager = Manager::at_a_path();
        let fault = format!("inject=sendto:error={errno}:when=1");
        let mut command =
            traced(&["-e", "trace=sendto", "-e", &fault], &folder.join(errno), &["--grace", "0", "127.0.0.1:0"]);
        let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
        let ready = format!("READY=1\nMAINPID={}", server.pid());
        // The first message is lost. The status may come after the retry, if the server is slow.
        let mut expected = vec!["STATUS=0/64 children"];
        expected.extend(is_told_again.then_some(ready.as_str()));
        let mut heard: Vec<String> = expected.iter().map(|_| manager.hear_any()).collect();
        expected.sort_unstable();
        heard.sort_unstable();
        assert_eq!(heard, expected, "{errno}");
        server.running.signal(Signal::TERM);
        assert_eq!(manager.hear_any(), "STOPPING=1", "{errno}");
        server.running.wait();
    }
}

/// Tries a wrong path, a number, and another kind of socket. The server must serve, and warn once.
fn a_manager_that_cannot_be_reached_is_told_of_once() {
    for name in ["/no/such/socket", "5", "vsock:2:1234", "relative", &format!("/{}", "x".repeat(200))] {
        let server = Served::start_command(mpserv(&["127.0.0.1:0"]).env("NOTIFY_SOCKET", name));
        assert_eq!(finish(server.client()), b"");
        server.wait_events("end", 1);
        let log = server.stop();
        let warned: Vec<&Line> = log.iter().filter(|line| line.event == "fail").collect();
        assert_eq!((warned.len(), warned[0].get("call")), (1, "connect to NOTIFY_SOCKET"), "{name}: {log:?}");
    }
}

/// Checks that an empty variable is as none.
fn a_manager_without_a_name_is_none() {
    let server = Served::start_command(mpserv(&["127.0.0.1:0"]).env("NOTIFY_SOCKET", ""));
    let log = server.stop();
    assert!(log.iter().all(|line| line.event != "fail"), "{log:?}");
}

/// Checks that the status counts the preforked children that have a client, and not the others.
fn the_manager_is_told_of_preforked_children_with_clients() {
    let manager = Manager::at_a_path();
    let mut command = mpserv(&["--prefork", "3", "127.0.0.1:0"]);
    let server = Served::start_command(command.env("NOTIFY_SOCKET", &manager.name));
    assert_eq!(manager.hear(), format!("READY=1\nMAINPID={}", server.pid()));
    assert_eq!(manager.hear_any(), "STATUS=0/3 children");
    let client = server.client();
    // A status is sent once another event wakes the server.
    wait_until("the status says so", || {
        server.running.signal(Signal::USR1);
        manager.socket.set_read_timeout(Some(A_WHILE)).unwrap();
        let mut buffer = [0; 512];
        manager.socket.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"STATUS=1/3 children")
    });
    drop(client);
    server.stop();
}

/// Checks a successor that fails once nobody hears its reason any more: it says the reason on standard error.
fn a_successor_that_fails_when_its_predecessor_has_gone_tells_the_operator() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = TempDir::new();
    let pipe = folder.join("pipe");
    let mut command = Command::new("sh");
    let script = format!(
        "mkfifo '{0}' && exec 5<>'{0}' 4>'{0}' && exec 5>&- && MPSERV_INHERIT=$$,4,0,3 exec '{MPSERV}' --rules /no/such \
         127.0.0.1:0 3<&0 </dev/null",
        pipe.display()
    );
    command.args(["-c", &script]).stdin(Stdio::from(OwnedFd::from(listener)));
    let ended = run(&mut command, Output::Pipe);
    is_refusal(&ended, TROUBLE, &["cannot read the rules in /no/such: No such file or directory"]);
}

/// Tries random values of the variable by which a server names the passed descriptors to its successor.
fn a_malformed_inheritance_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for words in ["", ",", ",0", ",1000,0", ",2,0", ",99999999999,0", ",-1,0", ",3,3", ",3,0,3", ",3,0,x"] {
        let ended = run(&mut passing(&listener, &format!("MPSERV_INHERIT=$${words}"), "127.0.0.1:0"), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{words}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("mpserv: MPSERV_INHERIT: Bad file descriptor"), "{words}: {}", ended.stderr);
    }
}

/// Starts a command in which a socket has each of these numbers.
fn with_socket_at(socket: &impl AsFd, numbers: &'static [libc::c_int], script: &str) -> Command {
    use std::os::unix::process::CommandExt;
    const LIMIT: libc::rlim_t = 2048;
    let limit = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
    // SAFETY: the pointer is to a limit.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == -1 {
        solo::skip("the limit of descriptors is too low");
    }
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::from(socket.as_fd().try_clone_to_owned().unwrap()));
    let place = move || {
        // SAFETY: nothing uses these descriptors from now on, unless the program cannot be run.
        if numbers.iter().all(|number| unsafe { libc::dup2(libc::STDIN_FILENO, *number) } != -1) {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: the function makes only calls that are async-signal-safe.
    unsafe { command.pre_exec(place) };
    command
}

/// Checks the bounds of the numbers that a service manager and a predecessor can pass.
fn a_socket_is_taken_whichever_number_it_has() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serves = |mut command: Command, what: &str| {
        let mut server = Running::start(&mut command, Output::Pipe);
        let is_started = |server: &Running| server.stderr_so_far().contains("mpserv: start ");
        wait_until("the server starts or ends", || is_started(&server) || server.has_ended());
        assert!(is_started(&server), "{what}: {}", server.stderr_so_far());
        assert_eq!(finish(connect(listener.local_addr().unwrap().port())), b"", "{what}");
        assert_eq!(server.end(Signal::TERM).status.code(), Some(0), "{what}");
    };
    // The pipe of the predecessor is any file to which a byte can be written.
    const PIPE: &str = "4>/dev/null </dev/null";
    for numbers in [&[3][..], &[5], &[63], &[64], &[127], &[128], &[1022], &[1023], &[1024], &[1025]] {
        let number = numbers[0];
        let script = format!("MPSERV_INHERIT=$$,4,0,{number} exec '{MPSERV}' 127.0.0.1:0 {PIPE}");
        serves(with_socket_at(&listener, numbers, &script), &script);
    }
    // A predecessor passes at most 32 sockets.
    let fail = |command: &mut Command, told: &str| {
        let ended = run(command, Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("mpserv: {told}")), "{told}: {}", ended.stderr);
    };
    let names = |last: usize| "x:".repeat(last - 3) + "last";
    let passed = |count: usize, last: usize| {
        let names = names(last);
        format!("LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names} exec '{MPSERV}' inherit:last </dev/null")
    };
    for (count, last) in [(61, 63), (62, 64), (1021, 1023), (2000, 1023)] {
        let numbers: &[libc::c_int] = match last {
            63 => &[63],
            64 => &[64],
            _ => &[1023],
        };
        serves(with_socket_at(&listener, numbers, &passed(count, last)), &format!("{count} up to {last}"));
    }
    let told = "inherit: no socket that was passed has this name (LISTEN_FDNAMES)";
    fail(&mut with_socket_at(&listener, &[1024], &passed(2000, 1024)), told);
    fail(&mut with_socket_at(&listener, &[63], &passed(60, 63)), told);
    // A name is meant as a whole, and a socket without a name has none.
    for (names, wanted) in [("lastly", "last"), ("las", "last"), ("x", ""), ("", "unknown"), ("x", "unknown")] {
        let script =
            format!("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={names} exec '{MPSERV}' inherit:{wanted} </dev/null");
        fail(&mut with_socket_at(&listener, &[3], &script), told);
    }
    // A predecessor names each socket once.
    for numbers in [&[63][..], &[1500]] {
        let script = format!("MPSERV_INHERIT=$$,4,0,{0},{0} exec '{MPSERV}' 127.0.0.1:0 {PIPE}", numbers[0]);
        fail(&mut with_socket_at(&listener, numbers, &script), "MPSERV_INHERIT: Bad file descriptor");
    }
}

/// Returns a command that passes a socket as the service manager does: as descriptor 3, to the program that replaces
/// the command.
fn passing(socket: &impl AsFd, variables: &str, arguments: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{variables} exec '{MPSERV}' -1 {arguments} 3<&0 </dev/null");
    command.args(["-c", &script]).stdin(Stdio::from(socket.as_fd().try_clone_to_owned().unwrap()));
    command
}

/// Checks that all sockets are taken although not all of them have a name.
fn sockets_without_a_name_are_taken_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (names, address, count) in [
        ("unset LISTEN_FDNAMES", "inherit", 3),
        ("export LISTEN_FDNAMES=", "inherit", 3),
        ("export LISTEN_FDNAMES=a", "inherit", 3),
        ("export LISTEN_FDNAMES=a:b", "inherit", 3),
        ("export LISTEN_FDNAMES=a:b", "inherit:b", 1),
        ("export LISTEN_FDNAMES=a", "inherit:", 2),
    ] {
        let script = format!("{names}; LISTEN_PID=$$ LISTEN_FDS=3 exec '{MPSERV}' -1 {address} </dev/null");
        let server = Served::start_ports(&mut with_socket_at(&listener, &[3, 4, 5], &script), count);
        assert_eq!(server.wait_events("listen", count).len(), count, "{names} {address}");
        server.stop();
    }
}

/// Tries a socket for datagrams, and one that listens but keeps the bounds of messages.
fn a_passed_socket_of_another_type_is_refused() {
    // SAFETY: the call takes numbers.
    let seqpacket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    assert!(seqpacket >= 0);
    // SAFETY: the descriptor was made just now.
    let seqpacket = unsafe { OwnedFd::from_raw_fd(seqpacket) };
    let family = libc::AF_UNIX as libc::sa_family_t;
    let length = size_of_val(&family) as libc::socklen_t;
    // With the family alone, the kernel chooses a name. SAFETY: the pointer is to as many bytes.
    assert_eq!(unsafe { libc::bind(seqpacket.as_raw_fd(), (&raw const family).cast(), length) }, 0);
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::listen(seqpacket.as_raw_fd(), 1) }, 0);
    let variables = "LISTEN_PID=$$ LISTEN_FDS=1";
    for socket in [seqpacket, UnixDatagram::unbound().unwrap().into()] {
        let ended = run(&mut passing(&socket, variables, "inherit"), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
        assert!(ended.stderr.starts_with("mpserv: descriptor 3: this is no stream socket; "), "{}", ended.stderr);
    }
}

fn a_socket_that_is_passed_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let variables = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=echo.socket";
    for arguments in ["inherit", "inherit:echo.socket", "--prefork 2 inherit", "inherit cat"] {
        let server = Served::start_command(&mut passing(&listener, variables, arguments));
        assert_eq!(server.port(), port);
        drop(server.client());
        let mut client = server.client();
        server.running.signal(Signal::TERM);
        server.wait_events("stop", 1);
        // All children of the pool that waited for a client have ended.
        wait_until("there is one child", || children(server.pid()).len() == 1);
        // The socket belongs to the manager and stays open, so a client that connects now waits for the next server.
        let mut next = connect(port);
        assert_eq!(echo(&mut client, b"still"), b"still");
        assert_eq!(finish(client), b"");
        assert_eq!(server.running.wait().status.code(), Some(0));
        let server = Served::start_command(&mut passing(&listener, variables, arguments));
        assert_eq!(echo(&mut next, b"and now"), b"and now");
        drop(next);
        server.stop();
    }
}

/// Checks the options that connections take from their listener. The test has the same open socket as the server.
fn a_socket_that_is_passed_has_the_options_of_the_server() {
    for (arguments, keepalive, nodelay) in [
        ("inherit", true, false),
        ("--keepalive off inherit", false, false),
        ("--nodelay --defer-accept 1 inherit", true, true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: the listener stays open.
        let fd = unsafe { BorrowedFd::from_raw(listener.as_raw_fd()) };
        setsockopt(fd, SocketOption::KEEPALIVE, !keepalive).unwrap();
        let server = Served::start_command(&mut passing(&listener, "LISTEN_PID=$$ LISTEN_FDS=1", arguments));
        assert_eq!(getsockopt(fd, SocketOption::KEEPALIVE), Ok(keepalive), "{arguments}");
        assert_eq!(getsockopt(fd, SocketOption::NODELAY), Ok(nodelay), "{arguments}");
        assert_eq!(getsockopt(fd, SocketOption::DEFER_ACCEPT).unwrap() > 0, nodelay, "{arguments}");
        server.stop();
    }
}

/// Checks that the children of a pool do not make accept4() wait at a socket that other servers may have.
fn no_accept_waits_at_a_passed_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = passing(&listener, "LISTEN_PID=$$ LISTEN_FDS=1", "--prefork 2 inherit");
    let server = Running::start(&mut command, Output::Pipe);
    let mut client = connect_to("127.0.0.1".parse().unwrap(), listener.local_addr().unwrap().port());
    assert_eq!(echo(&mut client, b"served"), b"served");
    // SAFETY: the call takes numbers.
    let flags = unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_GETFL) };
    assert_eq!(flags & libc::O_NONBLOCK, libc::O_NONBLOCK);
    drop(client);
    server.end(Signal::TERM);
}

/// Checks a listener that takes no filter of packets.
fn a_socket_of_multipath_tcp_is_served() {
    // SAFETY: the call has no precondition on memory.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::IPPROTO_MPTCP) };
    if fd < 0 {
        solo::skip("no Multipath TCP");
    }
    // SAFETY: the descriptor was made just now.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    // SAFETY: the call has no precondition on memory. A socket without an address gets a port of the kernel's choice.
    assert_eq!(unsafe { libc::listen(fd, 5) }, 0);
    for arguments in ["inherit", "--prefork 2 inherit", "inherit cat"] {
        let variables = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=echo.socket";
        let server = Served::start_command(&mut passing(&listener, variables, arguments));
        assert_eq!(finish(server.client()), b"");
        server.running.end(Signal::TERM);
    }
}

/// Checks that the file of a Unix socket, which belongs to the manager, is there for the next server.
fn the_file_of_a_socket_that_is_passed_stays() {
    let folder = TempDir::new();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    for options in ["", "--prefork 2"] {
        let mut command = Command::new("sh");
        let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec '{MPSERV}' {options} inherit 3<&0 </dev/null");
        command.args(["-c", &script]).stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        let server = Running::start(&mut command, Output::Pipe);
        wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
        assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
        assert!(path.exists(), "{options}");
    }
}

fn a_program_finds_nothing_of_what_was_passed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let show = "inherit sh -c 'env; ls /proc/$$/fd | sort -n | tr \"\\n\" \" \"'";
    let mut command = passing(&listener, "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=x WATCHDOG_USEC=0 A_THING=1", show);
    let server = Served::start_command(&mut command);
    let text = String::from_utf8(finish(server.connect())).unwrap();
    assert!(text.contains("A_THING=1") && !text.contains("LISTEN_") && !text.contains("WATCHDOG_"), "{text}");
    server.stop();
}

fn what_is_not_passed_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for (variables, address, told) in [
        ("", "inherit", "inherit: no socket was passed to this process (LISTEN_PID, LISTEN_FDS)"),
        ("LISTEN_PID=1 LISTEN_FDS=1", "inherit", "inherit: no socket was passed to this process"),
        ("LISTEN_PID=$$ LISTEN_FDS=x", "inherit", "inherit: no socket was passed to this process"),
        ("LISTEN_PID=$$ LISTEN_FDS=0", "inherit", "inherit: no socket that was passed has this name"),
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a",
            "inherit:b",
            "inherit: no socket that was passed has this name",
        ),
        // Another listener does not make up for the one that is missing.
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a",
            "--listen 127.0.0.1:0 inherit:b",
            "inherit: no socket that was passed has this name",
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a",
            "--listen inherit:b 127.0.0.1:0",
            "inherit: no socket that was passed has this name",
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a",
            "--listen inherit:a inherit:b",
            "inherit: no socket that was passed has this name",
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a",
            "--listen inherit:b inherit:a",
            "inherit: no socket that was passed has this name",
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDS=0",
            "--listen 127.0.0.1:0 inherit",
            "inherit: no socket that was passed has this name",
        ),
        ("", "--listen 127.0.0.1:0 inherit", "inherit: no socket was passed to this process"),
        ("LISTEN_PID=$$ LISTEN_FDS=2", "inherit", "inherit: Bad file descriptor"),
        ("LISTEN_PID=$$ LISTEN_FDS=1", "--listen inherit inherit", "inherit: Bad file descriptor"),
    ] {
        let ended = run(&mut passing(&listener, variables, address), Output::Pipe);
        assert_eq!(ended.status.code(), Some(111), "{variables} {address}: {}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("mpserv: {told}")), "{variables} {address}: {}", ended.stderr);
    }
}

fn systemd_socket_activate_starts_it() {
    needs_command("systemd-socket-activate");
    needs_ipv6();
    let manager = Manager::at_a_path();
    // systemd takes no port 0, so try ports that were free just now.
    let (running, port) = wait_for("it listens", || {
        let free = ["127.0.0.1:0", "[::1]:0"].map(|any| TcpListener::bind(any).unwrap().local_addr().unwrap());
        let mut command = Command::new("systemd-socket-activate");
        command.args(free.iter().flat_map(|address| ["-l".to_owned(), address.to_string()]));
        command.args(["--fdname=four:six", "-E", &format!("NOTIFY_SOCKET={}", manager.name)]);
        command.args([MPSERV, "--listen", "inherit:six", "inherit:four"]);
        let mut running = Running::start(command.stdin(Stdio::null()), Output::Pipe);
        wait_until("it listens or ends", || {
            running.stderr_so_far().matches("Listening on").count() == 2 || running.has_ended()
        });
        (!running.has_ended()).then(|| (running, free[0].port()))
    });
    // The first client makes systemd start the server.
    let mut client = connect(port);
    assert_eq!(echo(&mut client, b"Hello"), b"Hello");
    assert_eq!(manager.hear(), format!("READY=1\nMAINPID={}", running.pid()));
    drop(client);
    let ended = running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(manager.hear(), "STOPPING=1");
    let addresses = ended.stderr.lines().filter_map(|line| without_time(line).strip_prefix("mpserv: listen address="));
    let addresses: Vec<&str> = addresses.filter_map(|rest| rest.split(' ').next()).collect();
    assert!(addresses.len() == 2 && addresses.contains(&format!("127.0.0.1:{port}").as_str()), "{addresses:?}");
}
