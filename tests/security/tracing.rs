//! Tests the users and processes that may look into a server or trace it (`--status`, ptrace). The answer is the same
//! before and after a restart.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_server_that_became_another_user_is_closed_to_that_user_before_a_restart_and_after,
    a_successor_is_closed_to_its_user_before_it_does_anything,
    a_server_that_becomes_another_user_never_allows_dumps,
    a_program_that_its_user_can_read_is_not_restarted,
    a_new_program_that_the_user_cannot_run_is_not_replaced_by_another,
    a_program_that_another_user_can_replace_is_not_restarted,
    a_program_that_was_removed_is_restarted_for_another_user,
    the_children_of_a_service_are_closed_to_each_other,
    a_server_that_is_still_its_user_is_shown_to_that_user_before_a_restart_and_after,
];

/// Returns the output of `--status` for a user.
fn status(program: &Path, user: &str, pidfile: &Path) -> Ended {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups"]).arg(program).arg("--status").arg(pidfile);
    run(&mut command, Output::Pipe)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Copies the server to a file that only root can read, as `make install` does.
fn unreadable_program(folder: &TempDir) -> PathBuf {
    let program = copy_program(MPSERV, folder);
    set_mode(&program, 0o711);
    program
}

/// Returns the owner of the files that a process has in `/proc`. If the process may not be traced, it is root.
fn owner_in_proc(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}/fd")).unwrap().uid()
}

/// Checks that with `-u` only root can look into the server, before and after a restart.
fn a_server_that_became_another_user_is_closed_to_that_user_before_a_restart_and_after() {
    needs_root();
    let (of_root, folder) = (TempDir::new(), TempDir::new());
    set_mode(&of_root.0, 0o755);
    set_mode(&folder.0, 0o777);
    let (program, pidfile, known) = (unreadable_program(&of_root), folder.join("pid"), folder.join("known"));
    let mut command = Command::new(&program);
    command.args(["-1", "-u", "nobody", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    let is_closed = |pid: u32| {
        assert_eq!(owner_in_proc(pid), 0);
        // The user cannot read the pidfile, but can find the id otherwise.
        fs::write(&known, format!("{pid}\n")).unwrap();
        let refused = status(&program, "nobody", &known);
        assert_eq!(refused.status.code(), Some(111), "{refused:?}");
        assert!(refused.stderr.contains("cannot look into process"), "{refused:?}");
        let shown = status(&program, "root", &pidfile);
        assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{shown:?}");
    };
    is_closed(server.pid());
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    is_closed(successor);
    signal(successor, Signal::TERM);
    wait_until("both have ended", || is_gone(successor));
}

/// A program that does nothing. Like a successor at its start, it has not forbidden anybody to trace it.
const IDLE: &str = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";

/// Checks that the kernel closes a successor from the start. A process that does nothing stands in for a successor
/// before its first step.
fn a_successor_is_closed_to_its_user_before_it_does_anything() {
    needs_root();
    let folder = TempDir::new();
    set_mode(&folder.0, 0o755);
    let (program, source, idle) = (unreadable_program(&folder), folder.join("idle.c"), folder.join("idle"));
    fs::write(&source, IDLE).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    assert!(Command::new(compiler).arg("-o").arg(&idle).arg(&source).status().unwrap().success());
    set_mode(&idle, 0o711);
    let server = Served::start_command(Command::new(&program).args(["-1", "-u", "nobody", "127.0.0.1:0"]));
    fs::rename(&idle, &program).unwrap();
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("restart", 1)[0].number("pid")).unwrap();
    wait_until("it runs the program", || {
        fs::read_link(format!("/proc/{successor}/exe")).is_ok_and(|exe| exe == program)
    });
    assert_eq!(owner_in_proc(successor), 0);
    server.running.end(Signal::TERM);
}

/// Checks that neither a server that becomes another user nor its successor lets others trace it for a moment.
fn a_server_that_becomes_another_user_never_allows_dumps() {
    needs_root();
    let folder = TempDir::new();
    set_mode(&folder.0, 0o755);
    let (program, trace) = (unreadable_program(&folder), folder.join("trace"));
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-q", "-e", "trace=prctl", "-o"]).arg(&trace).arg(&program);
    let server = Served::start_command(command.args(["-1", "-u", "nobody", "127.0.0.1:0"]).stdin(Stdio::null()));
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    signal(successor, Signal::TERM);
    wait_until("both have ended", || [server.pid(), successor].iter().all(|pid| is_gone(*pid)));
    let calls = fs::read_to_string(&trace).unwrap();
    assert!(calls.matches("PR_SET_DUMPABLE, SUID_DUMP_DISABLE").count() >= 2, "{calls}");
    assert!(!calls.contains("PR_SET_DUMPABLE, SUID_DUMP_USER"), "{calls}");
}

/// Checks that SIGUSR2 is refused while the user of `-u` can read the program's file, or can make it readable. The log
/// tells what to do, and that helps.
fn a_program_that_its_user_can_read_is_not_restarted() {
    needs_root();
    let folder = TempDir::new();
    set_mode(&folder.0, 0o755);
    let program = unreadable_program(&folder);
    let server = Served::start_command(Command::new(&program).args(["-1", "-u", "nobody", "127.0.0.1:0"]));
    let (root, nobody) = (Some(0), Some(65534));
    let modes = [(root, 0o755), (root, 0o715), (nobody, 0o711), (nobody, 0o111), (Some(1), 0o711), (root, 0o733)];
    for (count, (owner, mode)) in modes.into_iter().enumerate() {
        chown(&program, owner, None).unwrap();
        set_mode(&program, mode);
        server.running.signal(Signal::USR2);
        let refused = &server.wait_events("restart", count + 1)[count];
        let advice = format!("chown root and chmod 711 {}", program.display());
        assert!(refused.get("refused").ends_with(&advice), "{owner:?} {mode:o}: {refused:?}");
    }
    drop(server.client());
    chown(&program, root, None).unwrap();
    set_mode(&program, 0o711);
    server.running.signal(Signal::USR2);
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    signal(successor, Signal::TERM);
    wait_until("both have ended", || is_gone(successor));
}

/// Checks that SIGUSR2 starts no other program, neither the old file nor one in PATH, where the new file is there and the
/// server's user cannot run it.
fn a_new_program_that_the_user_cannot_run_is_not_replaced_by_another() {
    needs_root();
    let (folder, other) = (TempDir::new(), TempDir::new());
    [&folder, &other].iter().for_each(|folder| set_mode(&folder.0, 0o755));
    let (program, new) = (unreadable_program(&folder), folder.join("new"));
    let in_path = unreadable_program(&other);
    assert_eq!(in_path.file_name(), program.file_name());
    let mut command = Command::new(&program);
    command.arg0(program.file_name().unwrap()).env("PATH", &other.0).args(["-1", "-u", "nobody", "127.0.0.1:0"]);
    let server = Served::start_command(&mut command);
    for (count, (of_file, of_folder)) in [(0o711, 0o700), (0o700, 0o755)].into_iter().enumerate() {
        copy_to(MPSERV, &new);
        set_mode(&new, of_file);
        fs::rename(&new, &program).unwrap();
        set_mode(&folder.0, of_folder);
        server.running.signal(Signal::USR2);
        let restart = &server.wait_events("restart", count + 1)[count];
        let told =
            "Permission denied: let the server's user enter the directories of its program, and run it: chmod 711";
        assert_eq!(restart.get("error"), told, "{of_file:o} {of_folder:o}");
    }
    assert!(server.stop().iter().all(|line| line.event != "handover"));
}

/// Checks that SIGUSR2 is refused while a user other than root can make the path of the program lead to another file.
/// Such a user could do so after the server has looked at the file.
fn a_program_that_another_user_can_replace_is_not_restarted() {
    needs_root();
    let (safe, folder) = (TempDir::new(), TempDir::new());
    set_mode(&safe.0, 0o755);
    set_mode(&folder.0, 0o755);
    let program = unreadable_program(&safe);
    let (link, through) = (folder.join("link"), folder.join("through"));
    std::os::unix::fs::symlink(&program, &link).unwrap();
    std::os::unix::fs::symlink(&safe.0, &through).unwrap();
    let by_folder = through.join(program.file_name().unwrap());
    for (path, replaceable) in [(&program, None), (&link, Some(&link)), (&by_folder, Some(&through))] {
        let server = Served::start_command(Command::new(path).args(["-1", "-u", "nobody", "127.0.0.1:0"]));
        let mut count = 0;
        let mut restart = || {
            server.running.signal(Signal::USR2);
            count += 1;
            server.wait_events("restart", count).remove(count - 1)
        };
        // The folder of `program` is that of the file itself.
        let (of_entry, replaceable) = replaceable.map_or((&safe.0, &program), |entry| (&folder.0, entry));
        for (owner, mode) in [(0, 0o777), (0, 0o775), (65534, 0o755)] {
            chown(of_entry, Some(owner), None).unwrap();
            set_mode(of_entry, mode);
            let refused = restart();
            // The owner of a folder in /tmp can replace the folder itself.
            let replaceable = if owner == 0 { replaceable } else { of_entry };
            let expected = format!("a user other than root can replace {}, and so", replaceable.display());
            assert!(refused.get("refused").starts_with(&expected), "{path:?} {owner} {mode:o}: {refused:?}");
        }
        chown(of_entry, Some(0), None).unwrap();
        // In a sticky folder, nobody can replace what is root's.
        set_mode(of_entry, 0o1777);
        assert!(restart().fields.contains_key("pid"), "{path:?}");
        let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
        signal(successor, Signal::TERM);
        wait_until("both have ended", || is_gone(successor));
        set_mode(of_entry, 0o755);
    }
}

/// Checks that a program whose file was removed is restarted from the running one, whose path in /proc nobody can replace.
fn a_program_that_was_removed_is_restarted_for_another_user() {
    needs_root();
    let folder = TempDir::new();
    set_mode(&folder.0, 0o755);
    let program = unreadable_program(&folder);
    let server = Served::start_command(Command::new(&program).args(["-1", "-u", "nobody", "127.0.0.1:0"]));
    fs::remove_file(&program).unwrap();
    server.running.signal(Signal::USR2);
    let restart = &server.wait_events("restart", 1)[0];
    assert_eq!(restart.fields.get("program").map(String::as_str), Some("/proc/self/exe"), "{restart:?}");
    let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
    drop(server.client());
    signal(successor, Signal::TERM);
    wait_until("both have ended", || is_gone(successor));
}

/// Checks that a child of a service cannot trace its neighbours, even if a client has taken the child over.
fn the_children_of_a_service_are_closed_to_each_other() {
    needs_root();
    let server = Served::start(&["-u", "nobody", "127.0.0.1:0"]);
    let _client = server.client();
    assert_eq!(owner_in_proc(children(server.pid())[0]), 0);
    server.running.end(Signal::QUIT);
}

/// Checks that without `-u` the user that has started the server can look into it, before and after a restart. That user
/// need not be able to read the program's file.
fn a_server_that_is_still_its_user_is_shown_to_that_user_before_a_restart_and_after() {
    for mode in [0o755, 0o711] {
        let folder = TempDir::new();
        set_mode(&folder.0, 0o777);
        let (program, pidfile) = (copy_program(MPSERV, &folder), folder.join("pid"));
        set_mode(&program, mode);
        let mut command = Command::new(&program);
        command.args(["-1", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
        if is_root() {
            command.uid(65534);
        }
        let server = Served::start_command(&mut command);
        let user = if is_root() { "nobody".to_owned() } else { text_of(Command::new("id").arg("-un")) };
        let is_shown = |pid: u32| {
            let shown = status(&program, &user, &pidfile);
            assert!(shown.stdout.starts_with(&format!("mpserv {pid}: ")), "{mode:o}: {shown:?}");
        };
        is_shown(server.pid());
        server.running.signal(Signal::USR2);
        let successor = u32::try_from(server.wait_events("handover", 1)[0].number("by")).unwrap();
        is_shown(successor);
        signal(successor, Signal::TERM);
        wait_until("both have ended", || is_gone(successor));
    }
}
