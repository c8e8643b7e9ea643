//! Tests what the system's files and daemons say: users, groups, the local time, and the log.

use std::ffi::CString;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use mpserv::syslog::{Priority, openlog, syslog};
use mpserv::time::{localtime_r, tzset};
use mpserv::user::{getgrnam, getgrouplist, getpwnam, getpwuid};

use crate::common::{TempDir, WATCHDOG, needs_root};

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// Returns what a command prints. Reads it without a thread, because the tested functions succeed only where no other
/// thread is or was.
fn text_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns the entries of a database of the system, each with its fields.
fn entries(database: &str) -> Vec<Vec<String>> {
    let all = text_of(Command::new("getent").arg(database));
    all.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

pub(crate) fn a_user_is_the_one_of_the_system() {
    let (users, groups) = (entries("passwd"), entries("group"));
    for fields in &users {
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { panic!("{fields:?}") };
        let user = getpwnam(&c(name)).unwrap();
        assert_eq!([user.uid.to_string(), user.gid.to_string()], [uid.as_str(), gid], "{name}");
        assert_eq!([user.name(), user.home(), user.shell()], [&*c(name), &*c(home), &*c(shell)], "{name}");
        // The first of two users with one id is found.
        let first = users.iter().find(|other| other[2] == *uid).unwrap();
        assert_eq!(getpwuid(user.uid).unwrap().name(), &*c(&first[0]));
        let mut found = getgrouplist(&c(name), user.gid).unwrap()[..].to_vec();
        let is_in = |fields: &&Vec<String>| fields[2] == *gid || fields[3].split(',').any(|member| member == name);
        let mut expected: Vec<u32> = groups.iter().filter(is_in).map(|fields| fields[2].parse().unwrap()).collect();
        expected.push(user.gid);
        for list in [&mut found, &mut expected] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(found, expected, "{name}");
    }
    for fields in &groups {
        assert_eq!(getgrnam(&c(&fields[0])).map(|gid| gid.to_string()), Some(fields[2].clone()), "{fields:?}");
    }
    assert!(users.len() > 1 && groups.len() > 1);
    assert!(getpwnam(c"nobody-has-this-name").is_none() && getgrnam(c"nobody-has-this-name").is_none());
}

pub(crate) fn a_local_time_is_that_of_date() {
    // SAFETY: no other thread reads the environment.
    unsafe { std::env::set_var("TZ", "XYZ-9:30ZYX-10:45,M3.2.0/2,M11.1.0/2") };
    tzset();
    // The last two are a second before and at the beginning of summer time.
    for seconds in [0, 59, 3_599, 951_827_696, 1_700_000_000, 4_102_444_800, 1_710_001_799, 1_710_001_800] {
        let tm = localtime_r(Duration::new(seconds, 999_999_999)).unwrap();
        let found = format!("{} {} {} {} {}", tm.month + 1, tm.day, tm.hour, tm.minute, tm.second);
        let at = format!("@{seconds}");
        assert_eq!(found, text_of(Command::new("date").args(["-d", &at, "+%-m %-d %-H %-M %-S"])), "{seconds}");
    }
    assert_eq!(localtime_r(Duration::MAX), None);
}

/// Tests a daemon that this process reads from. In its own mount namespace, the test can have its own `/dev`.
pub(crate) fn a_line_reaches_the_log_with_name_and_process() {
    needs_root();
    let folder = TempDir::new();
    let path = folder.join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(WATCHDOG)).unwrap();
    // SAFETY: the call takes a number.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    let mount = |kind: &str, target: &str, flags| {
        let (kind, target) = (c(kind), c(target));
        // SAFETY: each pointer is to a string.
        let result = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, c"".as_ptr().cast()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    };
    mount("none", "/", libc::MS_REC | libc::MS_PRIVATE);
    mount("tmpfs", "/dev", 0);
    std::os::unix::fs::symlink(&path, "/dev/log").unwrap();
    openlog(c"some name");
    let levels = [
        (Priority::ERR, libc::LOG_ERR),
        (Priority::WARNING, libc::LOG_WARNING),
        (Priority::NOTICE, libc::LOG_NOTICE),
        (Priority::INFO, libc::LOG_INFO),
        (Priority::DEBUG, libc::LOG_DEBUG),
    ];
    for (priority, level) in levels {
        syslog(priority, c"a line with %s");
        let mut line = [0; 200];
        let length = daemon.recv(&mut line).unwrap();
        let line = String::from_utf8_lossy(&line[..length]);
        let number = libc::LOG_DAEMON | level;
        assert_eq!(priority.of_daemon(), number);
        let end = format!(" some name[{}]: a line with %s", std::process::id());
        assert!(line.starts_with(&format!("<{number}>")) && line.ends_with(&end), "{line}");
    }
}
