//! Tests the pidfile (`--pidfile`) in directories where other users can also put files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    the_file_of_another_server_is_left_alone,
    the_same_path_inside_a_root_directory_is_another_file,
    a_hard_link_is_not_written_through,
    a_further_name_of_the_file_of_a_killed_server_keeps_nobody_from_starting,
    a_file_that_is_there_is_replaced_and_not_written_to,
    a_file_of_another_user_is_not_taken,
    a_directory_that_another_user_can_replace_is_refused,
    a_link_that_another_user_can_replace_is_refused,
    a_directory_that_nobody_else_can_replace_is_taken,
    a_server_that_became_another_user_leaves_the_file_empty_and_the_next_one_takes_it,
    a_server_whose_successor_is_killed_before_it_takes_over_goes_on_and_has_its_file,
];

/// Starts a server with this pidfile, and returns the message of its refusal.
#[track_caller]
fn refused(pidfile: &Path) -> String {
    let ended = run_mpserv(&["--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    assert_eq!(ended.status.code(), Some(111), "{}", ended.stderr);
    assert!(ended.stderr.contains(pidfile.to_str().unwrap()), "{}", ended.stderr);
    ended.stderr
}

fn the_file_of_another_server_is_left_alone() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let server = Served::start(&["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"]);
    // The name now belongs to another file.
    fs::rename(&path, folder.join("ours")).unwrap();
    let other = Served::start(&["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"]);
    server.stop();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", other.pid()));
    assert_eq!(fs::read_to_string(folder.join("ours")).unwrap(), "", "what the server cannot remove is left empty");
    other.stop();
    assert!(!path.exists());
}

fn the_same_path_inside_a_root_directory_is_another_file() {
    needs_root();
    let (folder, jail) = (TempDir::new(), TempDir::new());
    let path = folder.join("pid");
    let inside = jail.0.join(path.strip_prefix("/").unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::write(&inside, "precious").unwrap();
    let root = jail.0.to_str().unwrap();
    let server = Served::start(&["--pidfile", path.to_str().unwrap(), "--chroot", root, "127.0.0.1:0"]);
    server.stop();
    assert_eq!(fs::read_to_string(&inside).unwrap(), "precious");
    assert_eq!(fs::read_to_string(&path).unwrap(), "", "it cannot be reached, and is left empty");
}

fn a_hard_link_is_not_written_through() {
    let folder = TempDir::new();
    let precious = folder.join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::hard_link(&precious, folder.join("pid")).unwrap();
    assert!(refused(&folder.join("pid")).contains("there is something else than a process id in this file"));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

/// Checks a further name that another user has made in a directory of its own (`fs.protected_hardlinks=0`). The file of
/// that name stays as it is.
fn a_further_name_of_the_file_of_a_killed_server_keeps_nobody_from_starting() {
    let folder = TempDir::new();
    let (path, further) = (folder.join("pid"), folder.join("further"));
    let arguments = ["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"];
    let killed = Served::start(&arguments);
    let text = format!("{}\n", killed.pid());
    fs::hard_link(&path, &further).unwrap();
    killed.running.end(Signal::KILL);
    let server = Served::start(&arguments);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    server.stop();
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(&further).unwrap(), text);
}

/// Checks that a file of another program, which another user has linked to the path for a moment, stays as it is.
fn a_file_that_is_there_is_replaced_and_not_written_to() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    fs::write(&path, "4242\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut found = fs::File::open(&path).unwrap();
    let server = Served::start(&["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    server.stop();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut found, &mut text).unwrap();
    assert_eq!((text.as_str(), found.metadata().unwrap().mode() & 0o7777), ("4242\n", 0o644));
}

fn a_file_of_another_user_is_not_taken() {
    needs_root();
    let folder = TempDir::new();
    // The folder is not sticky, because in a sticky folder the kernel itself may refuse (fs.protected_regular).
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.join("pid");
    fs::write(&path, "theirs").unwrap();
    let user = user_of_nothing();
    chown(&path, Some(user), Some(user)).unwrap();
    assert!(refused(&path).contains("this file belongs to another user"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
}

fn a_server_that_became_another_user_leaves_the_file_empty_and_the_next_one_takes_it() {
    needs_root();
    let folder = TempDir::new();
    let path = folder.join("pid");
    for _ in 0..2 {
        let server = Served::start(&["--pidfile", path.to_str().unwrap(), "-u", "nobody", "127.0.0.1:0"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
        assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
        server.running.end(Signal::TERM);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}

/// Stops the server while its successor becomes ready. So the server learns at the same time that the successor was
/// ready and that it has ended.
fn a_server_whose_successor_is_killed_before_it_takes_over_goes_on_and_has_its_file() {
    let folder = TempDir::new();
    let [pidfile, program, new, go] = ["pid", "mpserv", "new", "go"].map(|name| folder.join(name));
    std::os::unix::fs::symlink(MPSERV, &program).unwrap();
    let mut command = Command::new(&program);
    let server = Served::start_command(command.args(["-1", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]));
    let script = format!("#!/bin/sh\nuntil [ -e {} ]; do sleep 0.01; done\nexec '{MPSERV}' \"$@\"\n", go.display());
    fs::write(&new, script).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, &program).unwrap();
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("restart", 1)[0].number("pid")).unwrap();
    server.running.signal(Signal::STOP);
    wait_until("the server is stopped", || state(server.pid()) == Some('T'));
    fs::write(&go, "").unwrap();
    wait_until("the successor has the pidfile", || {
        fs::read_to_string(&pidfile).is_ok_and(|text| text == format!("{successor}\n"))
    });
    // The successor serves, so it has said that it is ready.
    drop(server.client());
    signal(successor, Signal::KILL);
    wait_until("the successor has ended", || state(successor) == Some('Z'));
    server.running.signal(Signal::CONT);
    assert!(server.wait_events("restart", 2)[1].get("error").contains("ended"));
    wait_until("the pidfile names the server", || {
        fs::read_to_string(&pidfile).is_ok_and(|text| text == format!("{}\n", server.pid()))
    });
    drop(server.client());
    server.stop();
    assert!(!pidfile.exists());
}

/// Makes a folder with this owner and mode.
fn make(path: &Path, owner: u32, mode: u32) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
}

/// Checks that a server with a pidfile or a socket in this folder is refused, and names the folder `unsafe_one`.
#[track_caller]
fn is_refused_in(folder: &Path, unsafe_one: &Path) {
    let hint =
        "choose a path on which only root, or the user of this server, can write to the directories above the last";
    let words = format!("{}: another user can replace this directory; {hint}\n", unsafe_one.display());
    let message = refused(&folder.join("pid"));
    assert!(message.contains(&words), "{message}");
    let ended = run_mpserv(&[&format!("unix:{}", folder.join("socket").display())]);
    assert!(ended.stderr.contains(&words), "{}", ended.stderr);
}

/// Checks that a server has its pidfile and its socket in this folder.
#[track_caller]
fn serves_in(folder: &Path) {
    let (pidfile, socket) = (folder.join("pid"), format!("unix:{}", folder.join("socket").display()));
    let server = Served::start(&["--pidfile", pidfile.to_str().unwrap(), "--listen", &socket, "127.0.0.1:0"]);
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{}\n", server.pid()));
    server.stop();
    assert!(!pidfile.exists());
}

fn a_directory_that_another_user_can_replace_is_refused() {
    needs_root();
    let (folder, user) = (TempDir::new(), user_of_nothing());
    for (name, owner, mode) in [("home", user, 0o755), ("shared", 0, 0o775), ("open", 0, 0o757)] {
        let outer = folder.join(name);
        make(&outer, owner, mode);
        make(&outer.join("inner"), 0, 0o755);
        is_refused_in(&outer.join("inner"), &outer.join("inner"));
        // In a folder of another user, that user can do no more than keep the server from starting.
        serves_in(&outer);
        // A path may begin in the working directory.
        let mut command = mpserv(&["--pidfile", "inner/pid", "127.0.0.1:0"]);
        let ended = run_to_end(command.current_dir(&outer));
        is_refusal(&ended, TROUBLE, &["pidfile inner/pid: inner: another user can replace this directory"]);
        let mut command = mpserv(&["--pidfile", "pid", "127.0.0.1:0"]);
        Served::start_command(command.current_dir(outer.join("inner"))).stop();
    }
    make(&folder.join("safe"), 0, 0o755);
    make(&folder.join("safe/inner"), 0, 0o755);
    let mut command = mpserv(&["--pidfile", "inner/pid", "127.0.0.1:0"]);
    Served::start_command(command.current_dir(folder.join("safe"))).stop();
    // In a sticky folder, users can replace what is their own.
    make(&folder.join("sticky"), 0, 0o1777);
    make(&folder.join("sticky/theirs"), user, 0o755);
    is_refused_in(&folder.join("sticky/theirs"), &folder.join("sticky/theirs"));
}

/// Tests a symbolic link that leads to a file of another program.
fn a_link_that_another_user_can_replace_is_refused() {
    needs_root();
    let (folder, user) = (TempDir::new(), user_of_nothing());
    make(&folder.join("home"), user, 0o755);
    make(&folder.join("system"), 0, 0o755);
    let precious = folder.join("system/pid");
    fs::write(&precious, "4242\n").unwrap();
    std::os::unix::fs::symlink("../system", folder.join("home/run")).unwrap();
    std::os::unix::fs::symlink("home/run", folder.join("run")).unwrap();
    for (way, found) in [
        ("home/run", "home/run"),
        ("run", "home/run"),
        ("home/../home/./run", "home/../home/./run"),
        ("system/../run", "system/../home/run"),
    ] {
        is_refused_in(&folder.join(way), &folder.join(found));
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "4242\n");
}

fn a_directory_that_nobody_else_can_replace_is_taken() {
    let folder = TempDir::new();
    let own = folder.join("own");
    fs::create_dir(&own).unwrap();
    serves_in(&own);
    std::os::unix::fs::symlink("own", folder.join("relative")).unwrap();
    serves_in(&folder.join("relative"));
    std::os::unix::fs::symlink(folder.join("relative/"), folder.join("absolute")).unwrap();
    serves_in(&folder.join("absolute"));
    serves_in(&folder.join("absolute/../own//./"));
    std::os::unix::fs::symlink("loop", folder.join("loop")).unwrap();
    assert!(refused(&folder.join("loop/pid")).contains("symbolic links"));
}
