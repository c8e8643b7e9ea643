//! Tests `--user`, `--chroot` and `--rlimit`: rights that were given up do not come back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::{self, Test};
use crate::common::*;
use crate::sandbox::Own;
use crate::tests;
use mpserv::server::{Connection, Identity, Server};
use mpserv::user::{setgid, setgroups, setuid};

pub(crate) const TESTS: &[Test] = tests![
    nobody_becomes_root_again,
    a_caller_that_keeps_its_capabilities_becomes_nobody_else,
    a_server_as_nobody_has_nothing_left,
    groups_are_those_that_are_asked_for,
    the_further_groups_of_a_user_are_joined_unless_a_group_is_named,
    users_are_found_by_the_modules_of_the_system,
    a_child_has_its_limits,
    a_limit_above_the_hard_one_needs_root,
    a_server_that_is_its_user_already_cannot_be_dumped,
    a_server_that_cannot_leave_other_groups_is_told,
    a_root_directory_is_entered,
    a_program_that_the_user_cannot_reach_is_told,
    who_is_not_root_becomes_nobody_else,
    root_alone_is_warned_at_the_start,
    users_and_limits_that_there_are_not_are_told,
    what_the_user_may_not_read_or_write_is_told,
    a_limit_above_the_hard_one_is_that_of_children_alone,
    a_user_who_has_no_rights_can_have_a_sandbox,
];

/// Returns the value of a field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field}: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn nobody_becomes_root_again() {
    needs_root();
    let nobody = Identity::parse("nobody").unwrap();
    let try_to_return = |connection: Connection| {
        assert!(setuid(0).is_err() && setgid(0).is_err() && setgroups(&[0]).is_err());
        assert!(mpserv::fs::chroot(c"/").is_err());
        connection.write_all(b"nobody")
    };
    let server = Own::start(|server| server.user(nobody), try_to_return);
    assert_eq!(server.order(b'.'), b"nobody", "{:?}", server.log());
    server.stop();
    // A setuid program of root does not help, either.
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.join("id");
    copy_to("/usr/bin/id", &program);
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let text = program_output(&["-u", "nobody", "--sandbox", "127.0.0.1:0", program.to_str().unwrap(), "-u"]);
    assert_ne!(text.trim(), "0");
}

/// Checks a caller that has told the kernel to keep its capabilities: by them it could become root again.
fn a_caller_that_keeps_its_capabilities_becomes_nobody_else() {
    needs_root();
    let nobody = Identity::parse("nobody").unwrap();
    for keeps in [0, 1] {
        let mut caller = solo::spawn(|| {
            // SAFETY: the call takes numbers.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, keeps, 0, 0, 0) }, 0);
            let bound = Server::new().listen("127.0.0.1:0").user(nobody).bind();
            let why = bound.err().map_or_else(String::new, |error| error.to_string());
            assert_eq!(why.contains("the system leaves the server a way back to root"), keeps == 1, "{keeps}: {why}");
        });
        assert_eq!(solo::reap(&mut caller).exit_status(), Some(0));
    }
}

fn a_server_as_nobody_has_nothing_left() {
    needs_root();
    let server = Served::start(&["-u", "nobody", "--sandbox", "127.0.0.1:0"]);
    let client = server.client();
    let uid = text_of(Command::new("id").args(["-u", "nobody"]));
    let gid = text_of(Command::new("id").args(["-g", "nobody"]));
    let child = children(server.pid())[0];
    for pid in [server.pid(), child] {
        assert_eq!(status(pid, "Uid"), [&uid[..]; 4].join(" "));
        assert_eq!(status(pid, "Gid"), [&gid[..]; 4].join(" "));
        assert_eq!(status(pid, "Groups"), gid);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set} of {pid}");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        // No other process of that user can look into the server, because its files in /proc belong to root.
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{pid}/environ")).unwrap());
        assert_eq!(owner, 0, "process {pid} can be dumped");
    }
    wait_until("the child is in the sandbox", || status(child, "Seccomp") == "2");
    assert_eq!(status(server.pid(), "Seccomp"), "0");
    drop(client);
    server.stop();
}

fn groups_are_those_that_are_asked_for() {
    needs_root();
    for (user, expected) in [("nobody:daemon", "1 1 1 1 / 1"), ("1234:5678", "5678 5678 5678 5678 / 5678")] {
        let server = Served::start(&["-u", user, "127.0.0.1:0"]);
        assert_eq!(format!("{} / {}", status(server.pid(), "Gid"), status(server.pid(), "Groups")), expected);
        server.stop();
    }
}

/// Checks a user who is in further groups: the server joins them, unless a group was named.
fn the_further_groups_of_a_user_are_joined_unless_a_group_is_named() {
    needs_root();
    let folder = TempDir::new();
    let file = folder.join("group");
    fs::write(&file, "root:x:0:\ndaemon:x:1:\nfurther:x:4242:daemon\nothers:x:4343:bin\n").unwrap();
    for (user, expected) in [
        ("daemon", "1 1 1 1 / 1 4242"),
        ("daemon:daemon", "1 1 1 1 / 1"),
        ("daemon:further", "4242 4242 4242 4242 / 4242"),
        ("1:1", "1 1 1 1 / 1"),
    ] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\""]).arg(&file).arg(MPSERV);
        let server = Served::start_command(command.args(["-1", "-u", user, "127.0.0.1:0"]));
        let ids = format!("{} / {}", status(server.pid(), "Gid"), status(server.pid(), "Groups"));
        assert_eq!(ids, expected, "{user}");
        server.stop();
    }
}

fn a_server_that_cannot_leave_other_groups_is_told() {
    needs_root();
    let as_daemon = |groups: &str, user: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=1", "--regid=1", "--groups", groups, MPSERV, "-1", "-u", user, "127.0.0.1:0"]);
        command
    };
    for user in ["daemon", "daemon:daemon"] {
        let server = Served::start_command(&mut as_daemon("1", user));
        assert_eq!(status(server.pid(), "Groups"), "1");
        server.stop();
        let ended = run_to_end(as_daemon("1,2,42", user).stdin(Stdio::null()));
        let told = "mpserv: cannot become user 1, group 1: setgroups: Operation not permitted; only root can become \
                    another user, or leave a group";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert_eq!(ended.status.code(), Some(TROUBLE));
    }
}

/// Checks that the C library looks up names as `/etc/nsswitch.conf` says: only in files, and with the module that
/// Debian, Fedora and others add.
fn users_are_found_by_the_modules_of_the_system() {
    needs_root();
    let systemd = Command::new("sh").args(["-c", "ldconfig -p | grep -q libnss_systemd"]).status().unwrap();
    if !systemd.success() {
        println!("libnss_systemd is not installed: names are looked up in files alone");
    }
    for modules in ["files", "files systemd"].iter().take(1 + usize::from(systemd.success())) {
        let folder = TempDir::new();
        let file = folder.join("nsswitch.conf");
        fs::write(&file, format!("passwd: {modules}\ngroup: {modules}\n")).unwrap();
        // In its own mount namespace, the server finds this file in place of the system's file.
        let mpserv = |user: &str| {
            let mount = "mount --bind \"$0\" /etc/nsswitch.conf && exec \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", mount]).arg(&file).arg(MPSERV);
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
            let ended = run(mpserv(user).stdin(Stdio::null()), Output::Pipe);
            let text = ended.stderr;
            assert_eq!(ended.status.code(), Some(100), "{user} by {modules}: {text}");
            assert!(text.starts_with(&format!("mpserv: {told}")), "{user} by {modules}: {text}");
        }
    }
}

/// Tests a program in a directory that root may enter, but not the user of the server.
fn a_program_that_the_user_cannot_reach_is_told() {
    needs_root();
    let folder = TempDir::new();
    let program = copy_program("/bin/cat", &folder);
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let arguments = ["-u", "nobody", "127.0.0.1:0", program.to_str().unwrap()];
    refused(&arguments, TROUBLE, &["Permission denied", "enter its directories"]);
}

fn a_child_has_its_limits() {
    let limits = ["--rlimit", "nofile=17", "--rlimit", "core=0", "--rlimit", "nofile=18"];
    let program = ["127.0.0.1:0", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c"];
    assert_eq!(program_output(&[&limits[..], &program].concat()), "18\n18\n0\n");
    let server = Served::start(&[&limits[..], &["127.0.0.1:0"]].concat());
    let client = server.client();
    let limits = fs::read_to_string(format!("/proc/{}/limits", children(server.pid())[0])).unwrap();
    assert!(limits.lines().any(|line| line.split_whitespace().eq("Max open files 18 18 files".split(' '))), "{limits}");
    let own = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    assert!(!own.lines().any(|line| line.split_whitespace().eq("Max open files 18 18 files".split(' '))), "{own}");
    drop(client);
    server.stop();
}

/// Tests a server that is started as the user that it names. The server itself must forbid other processes to look into
/// it, because the kernel does so only when the user changes.
fn a_server_that_is_its_user_already_cannot_be_dumped() {
    needs_root();
    let folder = TempDir::new();
    let program = copy_program(MPSERV, &folder);
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let owner = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).arg("-1");
        let server = Served::start_command(command.args(arguments).arg("127.0.0.1:0").stdin(Stdio::null()));
        let owner =
            std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{}/environ", server.pid())).unwrap());
        server.stop();
        owner
    };
    assert_eq!((owner(&[]), owner(&["-u", "65534:65534"])), (65534, 0));
}

/// Checks limits without the right to raise a hard limit. A child may have any limit up to the hard limit, for any soft
/// limit.
fn a_limit_above_the_hard_one_needs_root() {
    needs_root();
    let folder = TempDir::new();
    let program = copy_program(MPSERV, &folder);
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = |limit: &str| {
        let mut command = Command::new("prlimit");
        command.args(["--nofile=50:100", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(&program).args(["-1", "--rlimit", limit, "127.0.0.1:0", "sh", "-c", "ulimit -n; ulimit -Hn"]);
        command.stdin(Stdio::null());
        command
    };
    for limit in ["80", "100"] {
        let server = Served::start_command(&mut command(&format!("nofile={limit}")));
        assert_eq!(output_of(&server), format!("{limit}\n{limit}\n"));
        server.stop();
    }
    let ended = run(&mut command("nofile=101"), Output::Pipe);
    assert_eq!(ended.status.code(), Some(TROUBLE), "{}", ended.stderr);
    assert!(ended.stderr.contains("101") && ended.stderr.contains("hard limit"), "{}", ended.stderr);
}

fn a_root_directory_is_entered() {
    needs_root();
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
    needs_root();
    // The test uses a copy, because other users may not reach the folder of the build.
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.join("mpserv");
    copy_to(MPSERV, &program);
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).args(arguments);
        run(command.stdin(Stdio::null()), Output::Pipe)
    };
    for arguments in [["-u", "daemon"], ["-u", "root"], ["--chroot", "/tmp"]] {
        let output = as_nobody(&[&arguments[..], &["127.0.0.1:0"]].concat());
        let text = output.stderr;
        assert_eq!(output.status.code(), Some(111), "{text}");
        assert!(text.contains("only root can"), "{text}");
    }
}

fn users_and_limits_that_there_are_not_are_told() {
    for (arguments, told) in [
        (
            &["-u", "nosuchuser"][..],
            "--user \"nosuchuser\": there is no such user; getent passwd shows all; a number needs no name",
        ),
        (&["-u", ""], "--user \"\": there is no such user"),
        (&["-u", "nobody:nosuchgroup"], "--user \"nosuchgroup\": there is no such group; getent group shows all"),
        (&["-u", "nobody:"], "--user \"\": there is no such group"),
        (&["-u", "54321"], "--user \"54321\": no user has this number; name a group, too: USER:GROUP"),
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
    let told = "cannot make /no/such the root directory: No such file or directory; make it first\n";
    assert!(ended.stderr.ends_with(told) && Path::new("/").exists(), "{}", ended.stderr);
}

/// Checks the hints to a user who may not read or write a file, though root may.
fn what_the_user_may_not_read_or_write_is_told() {
    needs_root();
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let [rules, pidfile, program] = ["rules", "pid", "mpserv"].map(|name| folder.join(name));
    copy_to(MPSERV, &program);
    fs::write(&rules, "allow all\n").unwrap();
    fs::set_permissions(&rules, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (rules, pidfile) = (rules.to_str().unwrap(), pidfile.to_str().unwrap());
    let user = user_of_nothing();
    let as_user = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt;
        run(Command::new(&program).args(arguments).uid(user).gid(user).stdin(Stdio::null()), Output::Pipe)
    };
    let of_rules = format!("{rules}: Permission denied; the server's user is to be allowed to read it\n");
    let of_pidfile =
        format!("{pidfile}: Permission denied; choose a file in a directory that the server may write to\n");
    is_refusal(&as_user(&["--rules", rules, "127.0.0.1:0"]), TROUBLE, &["cannot read the rules in ", &of_rules]);
    is_refusal(&as_user(&["--pidfile", pidfile, "127.0.0.1:0"]), TROUBLE, &["pidfile ", &of_pidfile]);
    // A server that becomes the user reads the rules afterwards, and has made its pidfile before.
    let becomes = format!("{user}:{user}");
    let ended = run_mpserv(&["-u", &becomes, "--rules", rules, "--pidfile", pidfile, "127.0.0.1:0"]);
    is_refusal(&ended, TROUBLE, &[&of_rules]);
    // Another user can neither read the pidfile of a server, nor look into the server.
    let server = Served::start(&["--pidfile", pidfile, "127.0.0.1:0"]);
    let hint = "Permission denied; look as root, or as the server's user\n";
    is_refusal(&as_user(&["--status", pidfile]), TROUBLE, &["pidfile ", hint]);
    fs::set_permissions(pidfile, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let looked = format!("cannot look into process {}: {hint}", server.pid());
    is_refusal(&as_user(&["--status", pidfile]), TROUBLE, &[&looked]);
    server.stop();
}

/// Checks that the server puts its own limit back after it has tried a higher one, which only children are to have. Not
/// each root may raise a limit, so strace lets the calls succeed.
fn a_limit_above_the_hard_one_is_that_of_children_alone() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let arguments = ["--rlimit", "nofile=80", "127.0.0.1:0"];
    let command = |fault: &str| {
        let strace = traced(&["-e", "trace=prlimit64", "-e", fault], &trace, &arguments);
        let mut command = Command::new("prlimit");
        command.arg("--nofile=60:70").arg(strace.get_program()).args(strace.get_args()).stdin(Stdio::null());
        command
    };
    let calls = || -> Vec<String> {
        let text = fs::read_to_string(&trace).unwrap();
        text.lines().filter(|line| line.contains("prlimit64(")).map(str::to_owned).collect()
    };
    let raises = |line: &String| line.contains("RLIMIT_NOFILE, {rlim_cur=60, rlim_max=80}, NULL) = ");
    let puts_back = |line: &String| line.contains("RLIMIT_NOFILE, {rlim_cur=60, rlim_max=70}, NULL) = ");
    let ended = run(&mut command("inject=prlimit64:error=EPERM:when=65535"), Output::Pipe);
    let first = calls().iter().position(raises).unwrap_or_else(|| panic!("{:?}{}", calls(), ended.stderr)) + 1;
    let server = Served::start_command(&mut command(&format!("inject=prlimit64:retval=0:when={first}..{}", first + 1)));
    let calls = calls();
    assert!(raises(&calls[first - 1]) && calls.get(first).is_some_and(puts_back), "{calls:#?}");
    server.stop();
}

/// Checks a user who has no capability that could be given up.
fn a_user_who_has_no_rights_can_have_a_sandbox() {
    needs_root();
    use std::os::unix::process::CommandExt;
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.join("mpserv");
    copy_to(MPSERV, &program);
    let user = user_of_nothing();
    for pool in [&[][..], &["--prefork", "1"]] {
        let mut command = Command::new(&program);
        command.arg("-1").args(pool).args(["--sandbox", "127.0.0.1:0"]).uid(user).gid(user).stdin(Stdio::null());
        let server = Served::start_command(&mut command);
        let mut client = server.client();
        let child = children(server.pid())[0];
        wait_until("the child is in the sandbox", || status(child, "Seccomp") == "2");
        for pid in [server.pid(), child] {
            assert_eq!((status(pid, "NoNewPrivs").as_str(), status(pid, "CapEff").as_str()), ("1", "0000000000000000"));
        }
        assert_eq!(echo(&mut client, b"served"), b"served", "{pool:?}");
        drop(client);
        server.stop();
    }
}

/// Checks who is told to name another user: root, and nobody who is or becomes another user.
fn root_alone_is_warned_at_the_start() {
    needs_root();
    let folder = TempDir::new();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = copy_program(MPSERV, &folder);
    for (user, options, is_warned) in [
        (0, &[][..], true),
        (0, &["-u", "nobody"], false),
        (0, &["-u", "root"], false),
        (user_of_nothing(), &[], false),
    ] {
        let mut command = Command::new(&program);
        command.arg("-1").args(options).arg("127.0.0.1:0").stdin(Stdio::null());
        std::os::unix::process::CommandExt::uid(&mut command, user);
        let server = Served::start_command(&mut command);
        let start = server.wait_events("start", 1).remove(0);
        assert_eq!(start.fields.contains_key("warning"), is_warned, "{user} {options:?}: {start:?}");
        server.running.end(mpserv::signal::Signal::TERM);
    }
}
