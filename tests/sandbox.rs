//! mpserv: what a child may not do, and that nothing brings back what was given up.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::server::{Line, Served, parse_log, read_all, run_mpserv};
use common::solo::{self, Channel, reap, spawn};
use common::{TempDir, WATCHDOG, children, finish, wait_for, wait_until};
use mpserv::ffi;
use mpserv::ffi::sys::syscall as c;
use mpserv::process::{Child, getpid, signal_at_death_of};
use mpserv::server::{Connection, Identity, Server};
use mpserv::signal::Signal;
use mpserv::user::{geteuid, setgid, setgroups_only, setuid};

macro_rules! tests {
    ($($name:ident)+) => {
        fn main() -> ExitCode {
            solo::main(&[$((stringify!($name), $name)),+])
        }
    };
}

tests! {
    a_service_that_opens_a_file_is_ended
    a_service_that_connects_is_ended
    a_service_that_forks_is_ended
    a_service_that_runs_a_program_is_ended
    a_service_that_makes_a_call_without_a_name_is_ended
    a_service_that_does_what_it_may_is_served
    a_child_of_the_pool_that_is_ended_is_replaced
    each_builtin_service_works_in_the_sandbox
    a_program_in_the_sandbox_gains_nothing
    nobody_becomes_root_again
    a_server_as_nobody_has_nothing_left
    groups_are_those_that_are_asked_for
    users_are_found_by_the_modules_of_the_system
    a_child_has_its_limits
    a_root_directory_is_entered
    who_is_not_root_becomes_nobody_else
    users_and_limits_that_there_are_not_are_told
}

/// What a client may have the service do.
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
            // SAFETY: the lists may be null on Linux.
            unsafe { ffi::unistd::execve(c"/bin/true".as_ptr(), null, null) };
        }
        b'n' => {
            // SAFETY: there is no such call.
            unsafe { ffi::unistd::syscall(1000) };
        }
        _ => {}
    }
    connection.write_all(&order)
}

/// A server of this test's own, in a child of the test.
struct Own {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
    _folder: TempDir,
}

impl Own {
    fn start(
        options: impl FnOnce(Server<'_>) -> Server<'_>,
        handler: impl FnMut(Connection) -> mpserv::errno::Result<()>,
    ) -> Own {
        let (folder, channel) = (TempDir::new(), Channel::new());
        let log = folder.join("log");
        let test = getpid();
        let child = spawn(|| {
            // Whatever becomes of the test.
            signal_at_death_of(test, Signal::KILL).unwrap();
            let file = File::create(&log).unwrap();
            // SAFETY: standard error is this child's own.
            assert_eq!(unsafe { ffi::unistd::dup2(file.as_raw_fd(), 2) }, 2);
            let bound = options(Server::new().listen("127.0.0.1:0")).bind().unwrap();
            let Some(Ok(mpserv::net::SockAddr::Inet(address))) = bound.addresses().next() else { unreachable!() };
            address.port().to_be_bytes().into_iter().for_each(|byte| channel.tell(byte));
            bound.serve(handler).unwrap();
        });
        let port = u16::from_be_bytes([channel.hear(), channel.hear()]);
        Own { child, port, log, _folder: folder }
    }

    fn log(&self) -> Vec<Line> {
        let text = fs::read_to_string(&self.log).unwrap();
        parse_log(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
    }

    fn order(&self, order: u8) -> Vec<u8> {
        let mut client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        client.set_read_timeout(Some(WATCHDOG)).unwrap();
        client.write_all(&[order]).unwrap();
        read_all(&mut client)
    }

    #[track_caller]
    fn wait_line(&self, event: &str) -> Line {
        wait_for(event, || self.log().into_iter().find(|line| line.event == event))
    }

    fn stop(mut self) {
        self.child.kill(Signal::TERM).unwrap();
        assert_eq!(reap(&mut self.child).exit_status(), Some(0), "{:?}", self.log());
    }
}

const CALLS: [std::ffi::c_long; 2] = [c::SYS_recvfrom, c::SYS_sendto];

/// A service that is told to do this is ended for one of these calls, and the server goes on.
#[track_caller]
fn is_ended_for(order: u8, calls: &[&str]) {
    let server = Own::start(|server| server.sandbox(&CALLS), misbehave);
    assert_eq!(server.order(order), b"");
    let violation = server.wait_line("violation");
    assert!(calls.contains(&violation.get("call")), "{violation:?}");
    let end = server.wait_line("end");
    assert_eq!((end.get("signal").split(' ').next(), end.get("pid")), (Some("SIGSYS"), violation.get("pid")));
    assert_eq!(server.order(b'.'), b".", "it goes on");
    server.stop();
}

fn a_service_that_opens_a_file_is_ended() {
    is_ended_for(b'o', &["openat"]);
}

fn a_service_that_connects_is_ended() {
    is_ended_for(b'c', &["socket"]);
}

fn a_service_that_forks_is_ended() {
    is_ended_for(b'f', &["clone", "clone3", "fork"]);
}

fn a_service_that_runs_a_program_is_ended() {
    is_ended_for(b'x', &["execve"]);
}

fn a_service_that_makes_a_call_without_a_name_is_ended() {
    is_ended_for(b'n', &["1000"]);
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
    wait_until("the pool is as large as before", || children(server.child.pid().raw().cast_unsigned()).len() == 2);
    assert_eq!(server.order(b'.'), b".");
    server.stop();
}

fn each_builtin_service_works_in_the_sandbox() {
    for pool in [&[][..], &["--prefork", "2-3"], &["--prefork", "2", "--listen", "127.0.0.1:0"]] {
        for (service, answer) in [("echo", &b"Hello"[..]), ("rot13", b"Uryyb"), ("discard", b"")] {
            let arguments = [&["--sandbox", "--service", service, "-t", "20"], pool, &["127.0.0.1:0"]].concat();
            let ports = 1 + usize::from(pool.contains(&"--listen"));
            let server = Served::start_ports(&mut common::server::mpserv(&arguments), ports);
            for port in &server.ports {
                for _ in 0..5 {
                    let mut client = common::connect(*port);
                    client.write_all(b"Hello").unwrap();
                    assert_eq!(finish(client), answer);
                }
            }
            let log = server.stop();
            let ends = log.iter().filter(|line| line.event == "end");
            assert_eq!(ends.filter(|line| line.get("exit") == "0").count(), 5 * ports, "{log:?}");
        }
    }
}

/// The value of a field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field}: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_root() -> bool {
    let root = geteuid() == 0;
    if !root {
        eprintln!("skipped: only root can become somebody else");
    }
    root
}

/// What a program prints that is run for a client.
fn output_of(arguments: &[&str]) -> String {
    let server = Served::start(arguments);
    let text = String::from_utf8(finish(server.connect())).unwrap();
    server.stop();
    text
}

fn a_program_in_the_sandbox_gains_nothing() {
    let show = "grep -E '^(NoNewPrivs|Cap(Inh|Prm|Eff|Bnd|Amb)):' /proc/self/status";
    let text = output_of(&["--sandbox", "127.0.0.1:0", "sh", "-c", show]);
    assert!(text.contains("NoNewPrivs:\t1\n"), "{text}");
    if is_root() {
        let none = text.lines().filter(|line| line.starts_with("Cap") && line.ends_with("\t0000000000000000"));
        assert_eq!(none.count(), 5, "{text}");
    }
}

fn nobody_becomes_root_again() {
    if !is_root() {
        return;
    }
    let nobody = Identity::parse("nobody").unwrap();
    let try_to_return = |connection: Connection| {
        assert!(setuid(0).is_err() && setgid(0).is_err() && setgroups_only(0).is_err());
        assert!(mpserv::user::chroot(c"/").is_err());
        connection.write_all(b"nobody")
    };
    let server = Own::start(|server| server.user(nobody), try_to_return);
    assert_eq!(server.order(b'.'), b"nobody", "{:?}", server.log());
    server.stop();
    // A program that belongs to root, and says so, does not help either.
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.join("id");
    common::server::copy_to("/usr/bin/id", &program);
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let text = output_of(&["-u", "nobody", "--sandbox", "127.0.0.1:0", program.to_str().unwrap(), "-u"]);
    assert_ne!(text.trim(), "0");
}

fn a_server_as_nobody_has_nothing_left() {
    if !is_root() {
        return;
    }
    let server = Served::start(&["-u", "nobody", "--sandbox", "127.0.0.1:0"]);
    let client = server.client();
    let uid = Command::new("id").args(["-u", "nobody"]).output().unwrap();
    let uid = String::from_utf8(uid.stdout).unwrap().trim().to_owned();
    let gid = Command::new("id").args(["-g", "nobody"]).output().unwrap();
    let gid = String::from_utf8(gid.stdout).unwrap().trim().to_owned();
    let child = children(server.pid())[0];
    for pid in [server.pid(), child] {
        assert_eq!(status(pid, "Uid"), [&uid[..]; 4].join(" "));
        assert_eq!(status(pid, "Gid"), [&gid[..]; 4].join(" "));
        assert_eq!(status(pid, "Groups"), gid);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set} of {pid}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1");
    }
    wait_until("the child is in the sandbox", || status(child, "Seccomp") == "2");
    assert_eq!(status(server.pid(), "Seccomp"), "0");
    drop(client);
    server.stop();
}

fn groups_are_those_that_are_asked_for() {
    if !is_root() {
        return;
    }
    for (user, expected) in [("nobody:daemon", "1 1 1 1 / 1"), ("1234:5678", "5678 5678 5678 5678 / 5678")] {
        let server = Served::start(&["-u", user, "127.0.0.1:0"]);
        assert_eq!(format!("{} / {}", status(server.pid(), "Gid"), status(server.pid(), "Groups")), expected);
        server.stop();
    }
}

/// Names are looked up by the C library, in the way that `/etc/nsswitch.conf` says: with its files alone, and with the
/// module that Debian, Fedora and others add.
fn users_are_found_by_the_modules_of_the_system() {
    if !is_root() {
        return;
    }
    let systemd = Command::new("sh").args(["-c", "ldconfig -p | grep -q libnss_systemd"]).status().unwrap();
    if !systemd.success() {
        println!("libnss_systemd is not installed: names are looked up in files alone");
    }
    for modules in ["files", "files systemd"].iter().take(1 + usize::from(systemd.success())) {
        let folder = TempDir::new();
        let file = folder.join("nsswitch.conf");
        fs::write(&file, format!("passwd: {modules}\ngroup: {modules}\n")).unwrap();
        // In a mount namespace of its own, the server finds this file where the system's is.
        let mpserv = |user: &str| {
            let mount = "mount --bind \"$0\" /etc/nsswitch.conf && exec \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", mount]).arg(&file).arg(common::server::MPSERV);
            command.args(["-1", "-u", user, "127.0.0.1:0"]);
            command
        };
        for (user, expected) in [("daemon", "1 1 1 1 / 1"), ("12345:54321", "54321 54321 54321 54321 / 54321")] {
            let server = Served::start_command(&mut mpserv(user));
            let ids = format!("{} / {}", status(server.pid(), "Gid"), status(server.pid(), "Groups"));
            assert_eq!(ids, expected, "{user} by {modules}");
            server.stop();
        }
        for (user, told) in [
            ("nosuchuser", "--user \"nosuchuser\": there is no such user"),
            ("daemon:nosuchgroup", "--user \"nosuchgroup\": there is no such group"),
            ("12345", "--user \"12345\": no user has this number"),
        ] {
            let output = mpserv(user).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(100), "{user} by {modules}: {text}");
            assert!(text.starts_with(&format!("mpserv: {told}")), "{user} by {modules}: {text}");
        }
    }
}

fn a_child_has_its_limits() {
    let limits = ["--rlimit", "nofile=17", "--rlimit", "core=0", "--rlimit", "nofile=18"];
    let program = ["127.0.0.1:0", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c"];
    assert_eq!(output_of(&[&limits[..], &program].concat()), "18\n18\n0\n");
    let server = Served::start(&[&limits[..], &["127.0.0.1:0"]].concat());
    let client = server.client();
    let limits = fs::read_to_string(format!("/proc/{}/limits", children(server.pid())[0])).unwrap();
    assert!(limits.lines().any(|line| line.split_whitespace().eq("Max open files 18 18 files".split(' '))), "{limits}");
    let own = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    assert!(!own.lines().any(|line| line.split_whitespace().eq("Max open files 18 18 files".split(' '))), "{own}");
    drop(client);
    server.stop();
}

fn a_root_directory_is_entered() {
    if !is_root() {
        return;
    }
    let folder = TempDir::new();
    fs::write(folder.join("rules"), "allow all\n").unwrap();
    let server =
        Served::start(&["--chroot", folder.0.to_str().unwrap(), "--rules", "/rules", "-u", "nobody", "127.0.0.1:0"]);
    for link in ["root", "cwd"] {
        assert_eq!(fs::read_link(format!("/proc/{}/{link}", server.pid())).unwrap(), folder.0);
    }
    drop(server.client());
    server.stop();
}

fn who_is_not_root_becomes_nobody_else() {
    if !is_root() {
        return;
    }
    // A copy, because the folder of the build may be closed to others.
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.join("mpserv");
    common::server::copy_to(common::server::MPSERV, &program);
    let run = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(arguments);
        command.output().unwrap()
    };
    for arguments in [["-u", "daemon"], ["-u", "root"], ["--chroot", "/tmp"]] {
        let output = run(&[&arguments[..], &["127.0.0.1:0"]].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(111), "{text}");
        assert!(text.contains("only root can"), "{text}");
    }
}

fn users_and_limits_that_there_are_not_are_told() {
    for (arguments, told) in [
        (&["-u", "nosuchuser"][..], "--user \"nosuchuser\": there is no such user"),
        (&["-u", ""], "--user \"\": there is no such user"),
        (&["-u", "nobody:nosuchgroup"], "--user \"nosuchgroup\": there is no such group"),
        (&["-u", "nobody:"], "--user \"\": there is no such group"),
        (&["-u", "54321"], "--user \"54321\": no user has this number"),
        (&["-u", "4294967295:0"], "--user \"4294967295\": there is no such user"),
        (&["--rlimit", "nofile"], "--rlimit \"nofile\": it is NAME=N"),
        (&["--rlimit", "files=3"], "--rlimit \"files\": the name is one of as core cpu"),
        (&["--rlimit", "nofile=-1"], "--rlimit \"-1\": it is a number, or unlimited"),
    ] {
        let ended = run_mpserv(&[arguments, &["127.0.0.1:0"]].concat());
        assert_eq!(ended.status.code(), Some(100), "{arguments:?}");
        assert!(ended.stderr.starts_with(&format!("mpserv: {told}")), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    let ended = run_mpserv(&["--chroot", "/no/such", "127.0.0.1:0"]);
    assert_eq!(ended.status.code(), Some(111));
    assert!(ended.stderr.contains("/no/such") && Path::new("/").exists(), "{}", ended.stderr);
}
