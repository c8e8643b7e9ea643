//! Tests a root directory whose files belong to another user (`--chroot` with `-u`).

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use mpserv::signal::{Disposition, Signal, signal};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    nothing_is_looked_up_in_the_new_root_directory,
    no_file_of_the_system_is_read_in_the_new_root_directory,
    the_groups_are_those_that_the_system_says_although_there_is_a_new_root_directory,
    a_fifo_in_the_new_root_directory_holds_nobody_up,
    a_lease_on_the_program_in_the_new_root_directory_holds_nobody_up,
    a_program_of_the_new_root_directory_does_not_take_over,
    a_socket_in_the_new_root_directory_neither_gets_the_log_nor_holds_anybody_up,
];

/// A group without any user of the system.
const HOSTILE_GROUP: &str = "4321";

/// A module of the C library that leaves a mark in the root directory when it is loaded.
const MODULE: &str = "
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void mark(void) { close(open(\"/loaded\", O_CREAT | O_WRONLY, 0666)); }
";

/// Makes a root directory. Its user database puts `nobody` into a further group, and names a module of the C library.
fn hostile_jail() -> TempDir {
    let jail = TempDir::new();
    fs::set_permissions(&jail.0, fs::Permissions::from_mode(0o777)).unwrap();
    for folder in ["etc", "lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
        fs::create_dir_all(jail.join(folder)).unwrap();
    }
    fs::write(jail.join("etc/passwd"), "nobody:x:0:0::/:/bin/sh\n").unwrap();
    fs::write(jail.join("etc/group"), format!("hostile:x:{HOSTILE_GROUP}:nobody\n")).unwrap();
    let services = ["passwd", "group", "initgroups", "hosts"].map(|base| format!("{base}: mark files\n"));
    fs::write(jail.join("etc/nsswitch.conf"), services.concat()).unwrap();
    let source = jail.join("mark.c");
    fs::write(&source, MODULE).unwrap();
    let module = jail.join("lib/libnss_mark.so.2");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let made = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&module).arg(&source).status().unwrap();
    assert!(made.success());
    for folder in ["lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
        copy_to(module.to_str().unwrap(), &jail.join(folder).join("libnss_mark.so.2"));
    }
    // The module is linked with these libraries.
    for library in ["libc.so.6", "ld-linux-x86-64.so.2"] {
        for folder in ["/lib/x86_64-linux-gnu", "/lib64"] {
            let from = Path::new(folder).join(library);
            if from.exists() {
                copy_to(from.to_str().unwrap(), &jail.0.join(&folder[1..]).join(library));
            }
        }
    }
    jail
}

fn groups_of(pid: u32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

fn nothing_is_looked_up_in_the_new_root_directory() {
    needs_root();
    for log in ["text", "syslog"] {
        let jail = hostile_jail();
        let root = jail.0.to_str().unwrap();
        let server = Served::start(&["-u", "nobody", "--chroot", root, "--log", log, "127.0.0.1:0"]);
        drop(server.client());
        server.wait_childless();
        let groups = groups_of(server.pid());
        assert!(!groups.iter().any(|group| group == HOSTILE_GROUP), "{groups:?}");
        assert!(!jail.join("loaded").exists(), "a module of the new root directory was loaded");
        let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
        assert!(!maps.contains("libnss_mark"), "{maps}");
        server.running.end(Signal::TERM);
        assert!(!jail.join("loaded").exists());
    }
}

fn the_groups_are_those_that_the_system_says_although_there_is_a_new_root_directory() {
    needs_root();
    let jail = hostile_jail();
    let server = Served::start(&["-u", "nobody", "--chroot", jail.0.to_str().unwrap(), "127.0.0.1:0"]);
    let listed = Command::new("id").args(["-G", "nobody"]).output().unwrap();
    let mut listed: Vec<_> = String::from_utf8(listed.stdout).unwrap().split_whitespace().map(str::to_owned).collect();
    let mut groups = groups_of(server.pid());
    listed.sort();
    groups.sort();
    assert_eq!(groups, listed);
    server.stop();
}

/// Checks that SIGUSR2 runs no program of the new root directory, although one stands at the path of the server's own.
fn a_program_of_the_new_root_directory_does_not_take_over() {
    needs_root();
    let jail = TempDir::new();
    fs::set_permissions(&jail.0, fs::Permissions::from_mode(0o777)).unwrap();
    let program = jail.join(MPSERV.strip_prefix('/').unwrap());
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    copy_to(MPSERV, &program);
    for user in [&["-u", "nobody"][..], &[]] {
        let arguments = [user, &["--chroot", jail.0.to_str().unwrap(), "127.0.0.1:0"]].concat();
        let server = Served::start(&arguments);
        server.running.signal(Signal::USR2);
        let restart = server.wait_events("restart", 1);
        assert!(restart[0].get("refused").contains("--chroot"), "{restart:?}");
        drop(server.client());
        server.stop();
    }
}

/// Checks that no file of the system, such as that of the time zone, is looked for once there is a new root directory.
fn no_file_of_the_system_is_read_in_the_new_root_directory() {
    needs_root();
    let (jail, folder) = (TempDir::new(), TempDir::new());
    let trace = folder.join("trace");
    let root = jail.0.to_str().unwrap();
    for log in ["text", "syslog"] {
        // strace injects results, so the test needs no log daemon.
        let options = ["-e", "trace=open,openat,chroot,connect,sendto", "-e", "inject=connect,sendto:retval=0"];
        let mut command = traced(&options, &trace, &["--chroot", root, "--log", log, "127.0.0.1:0"]);
        let server = Served::start_command(command.env_remove("TZ"));
        assert_eq!(finish(server.client()), b"");
        server.wait_childless();
        assert_eq!(server.running.end(Signal::TERM).status.code(), Some(0));
        let trace = fs::read_to_string(&trace).unwrap();
        let (_, inside) = trace.split_once("chroot(").unwrap();
        let opened = inside.lines().filter(|line| line.contains("open") && line.contains('"'));
        let paths: Vec<&str> = opened.filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(paths, ["/proc/sys/net/core/somaxconn"], "{log}: {trace}");
    }
}

/// Checks that a file of the new root directory cannot hold up the server.
fn a_fifo_in_the_new_root_directory_holds_nobody_up() {
    needs_root();
    let jail = TempDir::new();
    fs::create_dir_all(jail.join("proc/sys/net/core")).unwrap();
    fs::create_dir(jail.join("proc/self")).unwrap();
    for path in ["proc/sys/net/core/somaxconn", "proc/self/status", "rules"] {
        assert!(Command::new("mkfifo").arg(jail.join(path)).status().unwrap().success());
    }
    let root = jail.0.to_str().unwrap();
    let arguments = ["-u", "nobody", "--chroot", root, "127.0.0.1:0"];
    // A FIFO is refused as a file of rules. Without a writer the FIFO would be empty, and no client would be denied.
    let ended = run_mpserv(&[&["--rules", "/rules"], &arguments[..]].concat());
    assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
    assert!(ended.stderr.contains("not a regular file"), "{}", ended.stderr);
    let server = Served::start(&arguments);
    drop(server.client());
    server.stop();
    // Without close_range(), a server learns from /proc which descriptors a program must not get.
    write_executable(&jail.join("program"), "");
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o", NOWHERE, "-e", "inject=close_range:error=ENOSYS", MPSERV, "-1"]);
    let server = Served::start_command(command.args(arguments).arg("/program"));
    server.stop();
}

/// Checks that whoever owns the program's file can delay only the processes that become the program.
fn a_lease_on_the_program_in_the_new_root_directory_holds_nobody_up() {
    needs_root();
    let jail = TempDir::new();
    let program = jail.join("program");
    write_executable(&program, "#!/no/such/interpreter\n");
    // The kernel sends SIGIO to the process that has a lease on a file that others want.
    signal(Signal::IO, Disposition::Ignore).unwrap();
    let file = fs::File::open(&program).unwrap();
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) }, 0);
    let server = Served::start(&["--chroot", jail.0.to_str().unwrap(), "127.0.0.1:0", "/program"]);
    let mut client = server.connect();
    let child = wait_for("the child", || children(server.pid()).first().copied());
    wait_until("it waits for the file", || waits_in(child, libc::SYS_execve));
    server.running.signal(Signal::USR1);
    assert_eq!(server.wait_events("status", 1)[0].number("children"), 1);
    drop(file);
    assert_eq!(read_all(&mut client), b"");
    assert_eq!(server.wait_events("fail", 1)[0].get("call"), "execve");
    server.stop();
}

/// Checks that a log daemon of the new root directory is not the server's, whether the system's daemon has gone or never
/// was.
fn a_socket_in_the_new_root_directory_neither_gets_the_log_nor_holds_anybody_up() {
    needs_root();
    needs_command("unshare");
    let room = fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let room: usize = room.trim().parse().unwrap();
    for has_daemon in [true, false] {
        let folder = TempDir::new();
        let daemon = has_daemon.then(|| UnixDatagram::bind(folder.join("log")).unwrap());
        let jail = TempDir::new();
        fs::create_dir(jail.join("dev")).unwrap();
        let theirs = UnixDatagram::bind(jail.join("dev/log")).unwrap();
        fs::set_permissions(jail.join("dev/log"), fs::Permissions::from_mode(0o777)).unwrap();
        let root = jail.0.to_str().unwrap();
        let arguments = ["--log", "syslog", "-u", "nobody", "--chroot", root, "127.0.0.1:0"];
        let server = Served::start_command(&mut with_log_daemon(&folder.join("log"), &arguments));
        drop(daemon);
        // Each client makes at least one line.
        for _ in 0..=room {
            assert_eq!(finish(server.client()), b"");
        }
        let ended = server.running.end(Signal::TERM);
        assert_eq!(ended.status.code(), Some(0));
        let advice = if has_daemon { "start this server again" } else { "start a log daemon" };
        assert!(ended.stderr.contains("nothing is logged") && ended.stderr.contains(advice), "{}", ended.stderr);
        theirs.set_nonblocking(true).unwrap();
        assert_eq!(theirs.recv(&mut [0; 2048]).map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
    }
}
