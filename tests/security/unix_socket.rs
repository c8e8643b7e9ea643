//! Tests two servers that begin to listen at the path of one Unix socket at the same time.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::tests;
use mpserv::net::{AddressFamily, Protocol, SocketType, UnixAddr, bind, open_unix_file, socket};

pub(crate) const TESTS: &[Test] = tests![
    of_two_that_replace_a_stale_socket_one_listens,
    of_two_that_bind_one_listens,
    a_lock_that_was_left_behind_holds_nobody_up,
    a_lock_that_somebody_else_put_there_is_refused,
    a_socket_that_takes_the_place_of_the_servers_keeps_its_owner,
    a_further_name_of_the_socket_keeps_no_server_from_starting,
    a_file_that_may_be_anothers_keeps_its_owner,
    a_file_that_takes_the_place_of_the_socket_late_stays,
];

/// The expression for strace that delays the return of a call.
const SLOW_UNLINK: &str = "inject=unlink:delay_exit=300000";
const SLOW_BIND: &str = "inject=bind:delay_exit=300000";

/// Makes a socket's file without a listener.
fn stale(path: &Path) {
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
}

/// Starts `mpserv` at this path, with one call delayed.
fn slow(expression: &str, path: &Path) -> Running {
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o", NOWHERE, "-e", expression, MPSERV]);
    Running::start(command.arg(format!("unix:{}", path.display())), Output::Pipe)
}

/// Whether the server has logged that it serves.
fn serves(server: &Running) -> bool {
    server.stderr_so_far().contains("mpserv: start ")
}

/// Starts two servers at the same path at once: one server must listen there, and the other server must report the
/// reason why it does not.
#[track_caller]
fn one_of_two(expression: &str, is_stale: bool) {
    for _ in 0..3 {
        let folder = TempDir::new();
        let path = folder.join("socket");
        if is_stale {
            stale(&path);
        }
        let mut both = [slow(expression, &path), slow(expression, &path)];
        wait_until("each serves or has ended", || both.iter_mut().all(|server| serves(server) || server.has_ended()));
        let serving: Vec<bool> = both.iter().map(serves).collect();
        assert_eq!(serving.iter().filter(|serves| **serves).count(), 1, "{serving:?}");
        // A client reaches the server that serves.
        UnixStream::connect(&path).unwrap();
        wait_until("the connection is accepted", || {
            both.iter().any(|server| server.stderr_so_far().contains("mpserv: accept "))
        });
        assert!(!folder.join("socket.lock").exists());
        for (server, serves) in both.into_iter().zip(serving) {
            if serves {
                // Wait, because a server that stopped now would leave the client unaccepted.
                let accepted = || server.stderr_so_far().contains("mpserv: accept ");
                wait_until("the client is accepted", accepted);
                server.end(mpserv::signal::Signal::TERM);
            } else {
                let ended = server.wait();
                assert!(ended.stderr.contains("Address already in use"), "{}", ended.stderr);
            }
        }
    }
}

fn of_two_that_replace_a_stale_socket_one_listens() {
    one_of_two(SLOW_UNLINK, true);
}

fn of_two_that_bind_one_listens() {
    one_of_two(SLOW_BIND, false);
    one_of_two(SLOW_BIND, true);
}

fn a_lock_that_was_left_behind_holds_nobody_up() {
    let folder = TempDir::new();
    let (path, lock) = (folder.join("socket"), folder.join("socket.lock"));
    fs::write(&lock, "").unwrap();
    let server = Served::start_ports(&mut mpserv(&["--listen", "127.0.0.1:0", &format!("unix:{}", path.display())]), 1);
    assert!(!lock.exists());
    server.stop();
}

fn a_lock_that_somebody_else_put_there_is_refused() {
    let folder = TempDir::new();
    let (path, lock) = (folder.join("socket"), folder.join("socket.lock"));
    std::os::unix::fs::symlink("missing", &lock).unwrap();
    let ended = run_mpserv(&[&format!("unix:{}", path.display())]);
    assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
    assert!(!path.exists());
    fs::remove_file(&lock).unwrap();
    // The lock file belongs to another user, who could keep it locked.
    if is_root() {
        fs::write(&lock, "").unwrap();
        let user = user_of_nothing();
        std::os::unix::fs::chown(&lock, Some(user), Some(user)).unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
        let ended = run_mpserv(&[&format!("unix:{}", path.display())]);
        assert!(ended.stderr.contains("this file belongs to another user"), "{}", ended.stderr);
    }
}

/// Lets a server that has stopped itself go on, and returns its end. The server must not serve.
#[track_caller]
fn refused_after(mut server: Running) -> Ended {
    server.signal(mpserv::signal::Signal::CONT);
    wait_until("the server ends or serves", || server.has_ended() || serves(&server));
    assert!(!serves(&server), "{}", server.stderr_so_far());
    server.wait()
}

/// Tests a directory to which another user can write. That user puts another socket of root's at the path, after the
/// server has made its socket and before it gives the socket to its owner.
fn a_socket_that_takes_the_place_of_the_servers_keeps_its_owner() {
    needs_root();
    let folder = TempDir::new();
    let [path, victim] = ["socket", "victim"].map(|name| folder.join(name));
    let made = socket(AddressFamily::UNIX, SocketType::STREAM, Protocol::DEFAULT).unwrap();
    let victim_c = std::ffi::CString::new(victim.to_str().unwrap()).unwrap();
    bind(&made, &UnixAddr::new(&victim_c).unwrap()).unwrap();
    if open_unix_file(&made).is_err() {
        skip("no CAP_NET_ADMIN");
    }
    let owner = user_of_nothing();
    let (owner, address) = (format!("{owner}:{owner}"), format!("unix:{}", path.display()));
    let server = stopped_after("bind", &folder.join("trace"), &["--owner", &owner, &address]);
    fs::rename(&victim, &path).unwrap();
    let ended = refused_after(server);
    assert!(ended.stderr.contains("Address already in use"), "{}", ended.stderr);
    let left = fs::symlink_metadata(&path).unwrap();
    assert_eq!((left.uid(), left.gid()), (0, 0));
}

/// Checks a further name that another user makes after the server has made its socket, and before it gives the socket to
/// its owner.
fn a_further_name_of_the_socket_keeps_no_server_from_starting() {
    needs_root();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let owner = user_of_nothing();
    let (given, address) = (format!("{owner}:{owner}"), format!("unix:{}", path.display()));
    let server = stopped_after("bind", &folder.join("trace"), &["--owner", &given, &address]);
    fs::hard_link(&path, folder.join("further")).unwrap();
    server.signal(mpserv::signal::Signal::CONT);
    wait_until("the server serves", || serves(&server));
    assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), owner);
    assert_eq!(server.end(mpserv::signal::Signal::TERM).status.code(), Some(0));
}

/// Starts a server that may not ask the kernel for the file of its socket, and that stops after this call.
fn without_the_kernels_word(call: &str, trace: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new("strace");
    command.args(["-D", "-q", "-o"]).arg(trace).args(["-e", &format!("trace={call},ioctl")]);
    command.args(["-e", &format!("inject={call}:signal=STOP:when=1"), "-e", "inject=ioctl:error=EPERM"]);
    let running = Running::start(command.arg(MPSERV).args(arguments), Output::Pipe);
    wait_until(&format!("mpserv stops after {call}"), || {
        fs::read_to_string(trace).is_ok_and(|text| text.contains("stopped by SIGSTOP"))
    });
    running
}

/// Tests a directory to which another user can write, and a server that has only the path to find its file. The file
/// gets its owner only if nobody else can have put it there.
fn a_file_that_may_be_anothers_keeps_its_owner() {
    needs_root();
    let folder = TempDir::new();
    let [path, other] = ["socket", "other"].map(|name| folder.join(name));
    let (owner, stranger) = (user_of_nothing(), 1);
    let (given, address) = (format!("{owner}:{owner}"), format!("unix:{}", path.display()));
    let linked = || fs::hard_link(&path, &other).unwrap();
    let of_another = || {
        stale(&other);
        std::os::unix::fs::chown(&other, Some(stranger), Some(stranger)).unwrap();
        fs::rename(&other, &path).unwrap();
    };
    let no_socket = || {
        fs::write(&other, "precious").unwrap();
        fs::rename(&other, &path).unwrap();
    };
    let untouched = || {};
    for (what, change, is_refused, left) in [
        ("a further name", &linked as &dyn Fn(), true, Some((&other, 0))),
        ("the socket of another user", &of_another, true, None),
        ("another kind of file", &no_socket, true, None),
        ("its own file", &untouched, false, Some((&path, owner))),
    ] {
        let server = without_the_kernels_word("bind", &folder.join(what), &["--owner", &given, &address]);
        change();
        if is_refused {
            let ended = refused_after(server);
            assert!(ended.stderr.contains("Address already in use"), "{what}: {}", ended.stderr);
        } else {
            server.signal(mpserv::signal::Signal::CONT);
            wait_until("the server serves", || serves(&server));
        }
        if let Some((path, uid)) = left {
            assert_eq!(fs::symlink_metadata(path).unwrap().uid(), uid, "{what}");
        }
        let _ = (fs::remove_file(&path), fs::remove_file(&other));
    }
}

/// Tests a file that takes the place of the socket just before the server looks at it for the last time: no client could
/// reach the server, which must not remove the file.
fn a_file_that_takes_the_place_of_the_socket_late_stays() {
    let folder = TempDir::new();
    let [path, other] = ["socket", "other"].map(|name| folder.join(name));
    let server = stopped_after("listen", &folder.join("trace"), &[&format!("unix:{}", path.display())]);
    stale(&other);
    let file = fs::symlink_metadata(&other).unwrap().ino();
    fs::rename(&other, &path).unwrap();
    let ended = refused_after(server);
    assert!(ended.stderr.contains("Address already in use"), "{}", ended.stderr);
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), file);
}
