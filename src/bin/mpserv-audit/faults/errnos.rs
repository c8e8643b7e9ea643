//! The table of the errnos of each system call, from the section ERRORS of its manual page.
//!
//! `pages` names the manual pages in section 2 from which the errnos come (Linux man-pages). A test compares the table
//! with the pages where they are installed. [`BESIDE`] has the errnos that the pages name outside their lists. A call
//! that is missing here is an error of the tool, so that the table stays complete.

/// The errnos of one call.
#[derive(Clone, Copy, Debug)]
pub struct Errors {
    pub call: &'static str,
    /// The manual pages in section 2.
    #[cfg_attr(not(test), allow(dead_code, reason = "it says where the errnos are from, and a test reads it"))]
    pub pages: &'static str,
    errnos: &'static str,
}

impl Errors {
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        let beside = BESIDE.iter().filter(|(calls, _)| calls.contains(&self.call));
        beside.map(|(_, errnos)| *errnos).chain([self.errnos]).flat_map(str::split_ascii_whitespace)
    }
}

/// The errnos that the ERRORS of a call's page do not list. accept(2) names the errors of a network, and those of some
/// kernels, in its text. After a reset or a timeout, the next call that moves bytes returns the error: see tcp(7). The
/// manual has no page of rseq(2), which comes with librseq.
const BESIDE: [(&[&str], &str); 4] = [
    (
        &["accept", "accept4"],
        "EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENONET ENOPROTOOPT ENOSR EPROTONOSUPPORT ESOCKTNOSUPPORT ETIMEDOUT",
    ),
    (&["read", "recvfrom", "recvmsg", "write", "writev"], "ECONNRESET ETIMEDOUT"),
    (&["sendmsg", "sendto"], "ETIMEDOUT"),
    (&["rseq"], "EBUSY EFAULT EINVAL ENOSYS EPERM"),
];

/// The kernel's own sign that a call must be made again. No program ever sees this errno, so a fault cannot have it.
pub const NEVER_SEEN: &str = "ERESTARTNOINTR";

const fn of(call: &'static str, pages: &'static str, errnos: &'static str) -> Errors {
    Errors { call, pages, errnos }
}

/// Returns the errors of a call, if it is known.
pub fn errors_of(call: &str) -> Option<&'static Errors> {
    ERRORS.iter().find(|errors| errors.call == call)
}

/// The errnos of each call, by strace's name for the call.
pub const ERRORS: [Errors; 108] = [
    of(
        "accept",
        "accept",
        "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO",
    ),
    of(
        "accept4",
        "accept",
        "EAGAIN EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO",
    ),
    of(
        "access",
        "access",
        "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS ETXTBSY",
    ),
    of("alarm", "alarm", ""),
    of(
        "bind",
        "bind",
        "EACCES EADDRINUSE EADDRNOTAVAIL EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ENOTSOCK EROFS",
    ),
    of("brk", "brk", "ENOMEM"),
    of("capget", "capget", "EFAULT EINVAL EPERM ESRCH"),
    of("capset", "capget", "EFAULT EINVAL EPERM ESRCH"),
    of("chdir", "chdir", "EACCES EBADF EFAULT EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"),
    of(
        "chmod",
        "chmod",
        "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOPNOTSUPP EPERM EROFS",
    ),
    of("chroot", "chroot", "EACCES EFAULT EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM"),
    of("clock_gettime", "clock_gettime", "EACCES EFAULT EINVAL ENODEV EOPNOTSUPP EPERM"),
    of("clock_nanosleep", "clock_nanosleep", "EFAULT EINTR EINVAL EOPNOTSUPP"),
    of(
        "clone",
        "clone fork",
        "EACCES EAGAIN EBUSY EEXIST EINVAL ENOMEM ENOSPC ENOSYS EOPNOTSUPP EPERM ERESTARTNOINTR EUSERS",
    ),
    of(
        "clone3",
        "clone fork",
        "EACCES EAGAIN EBUSY EEXIST EINVAL ENOMEM ENOSPC ENOSYS EOPNOTSUPP EPERM ERESTARTNOINTR EUSERS",
    ),
    of("close", "close", "EBADF EDQUOT EINTR EIO ENOSPC"),
    of("close_range", "close_range", "EINVAL EMFILE ENOMEM"),
    of(
        "connect",
        "connect",
        "EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EINPROGRESS EINTR EISCONN ENETUNREACH ENOTSOCK EPERM EPROTOTYPE ETIMEDOUT",
    ),
    of("dup", "dup", "EBADF EBUSY EINTR EINVAL EMFILE"),
    of("dup2", "dup", "EBADF EBUSY EINTR EINVAL EMFILE"),
    of("dup3", "dup", "EBADF EBUSY EINTR EINVAL EMFILE"),
    of("epoll_create1", "epoll_create", "EINVAL EMFILE ENFILE ENOMEM"),
    of("epoll_ctl", "epoll_ctl", "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM"),
    of("epoll_wait", "epoll_wait", "EBADF EFAULT EINTR EINVAL"),
    of("eventfd2", "eventfd", "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    of(
        "execve",
        "execve",
        "E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC ENOMEM ENOTDIR EPERM ETXTBSY",
    ),
    of("exit_group", "exit_group", ""),
    of("fchdir", "chdir", "EACCES EBADF EFAULT EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"),
    of(
        "fchmod",
        "chmod",
        "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOPNOTSUPP EPERM EROFS",
    ),
    of("fcntl", "fcntl", "EACCES EAGAIN EBADF EBUSY EDEADLK EFAULT EINTR EINVAL EMFILE ENOLCK ENOTDIR EPERM"),
    of("flock", "flock", "EAGAIN EBADF EINTR EINVAL ENOLCK"),
    of(
        "ftruncate",
        "truncate",
        "EACCES EBADF EFAULT EFBIG EINTR EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR EPERM EROFS ETXTBSY",
    ),
    of("futex", "futex", "EACCES EAGAIN EDEADLK EFAULT EINTR EINVAL ENFILE ENOMEM ENOSYS EPERM ESRCH ETIMEDOUT"),
    of("getcwd", "getcwd", "EACCES EFAULT EINVAL ENAMETOOLONG ENOENT ENOMEM ERANGE"),
    of("getdents64", "getdents", "EBADF EFAULT EINVAL ENOENT ENOTDIR"),
    of("getegid", "getgid", ""),
    of("geteuid", "getuid", ""),
    of("getgid", "getgid", ""),
    of("getpeername", "getpeername", "EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK"),
    of("getpid", "getpid", ""),
    of("getppid", "getpid", ""),
    of("getrandom", "getrandom", "EAGAIN EFAULT EINTR EINVAL ENOSYS"),
    of("getrlimit", "getrlimit", "EFAULT EINVAL EPERM ESRCH"),
    of("getsockname", "getsockname", "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK"),
    of("getsockopt", "getsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    of("gettid", "gettid", ""),
    of("getuid", "getuid", ""),
    of("ioctl", "ioctl", "EBADF EFAULT EINVAL ENOTTY"),
    of("kill", "kill", "EINVAL EPERM ESRCH"),
    of("listen", "listen", "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP"),
    of("lseek", "lseek", "EBADF EINVAL ENXIO EOVERFLOW ESPIPE"),
    of("madvise", "madvise", "EACCES EAGAIN EBADF EBUSY EFAULT EHWPOISON EINVAL EIO ENOMEM EPERM"),
    of("memfd_create", "memfd_create", "EFAULT EINVAL EMFILE ENFILE ENOMEM"),
    of("mmap", "mmap", "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY"),
    of("mprotect", "mprotect", "EACCES EINVAL ENOMEM"),
    of("munmap", "mmap", "EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY"),
    of("newfstatat", "stat", "EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW"),
    of(
        "openat",
        "open",
        "EACCES EAGAIN EBADF EBUSY EDQUOT EEXIST EFAULT EFBIG EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY",
    ),
    of("pipe2", "pipe", "EFAULT EINVAL EMFILE ENFILE ENOPKG"),
    of("poll", "poll", "EFAULT EINTR EINVAL ENOMEM"),
    of("ppoll", "poll", "EFAULT EINTR EINVAL ENOMEM"),
    of("prctl", "prctl", "EACCES EBADF EBUSY EFAULT EINVAL ENODEV ENXIO EOPNOTSUPP EPERM ERANGE"),
    of("pread64", "pread read lseek", "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR ENXIO EOVERFLOW ESPIPE"),
    of("prlimit64", "getrlimit", "EFAULT EINVAL EPERM ESRCH"),
    of("read", "read", "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR"),
    of("readlink", "readlink", "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"),
    of("readlinkat", "readlink", "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR"),
    of("recvfrom", "recv", "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK"),
    of("recvmsg", "recv", "EAGAIN EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK"),
    of(
        "rename",
        "rename",
        "EACCES EBADF EBUSY EDQUOT EEXIST EFAULT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR ENOTEMPTY EPERM EROFS EXDEV",
    ),
    of("rseq", "", ""),
    of("rt_sigaction", "sigaction", "EFAULT EINVAL"),
    of("rt_sigprocmask", "sigprocmask", "EFAULT EINVAL"),
    of("rt_sigreturn", "sigreturn", ""),
    of("sched_getaffinity", "sched_setaffinity", "EFAULT EINVAL EPERM ESRCH"),
    of("sched_setaffinity", "sched_setaffinity", "EFAULT EINVAL EPERM ESRCH"),
    of("seccomp", "seccomp", "EACCES EBUSY EFAULT EINVAL ENOMEM EOPNOTSUPP ESRCH"),
    of(
        "sendmsg",
        "send",
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE",
    ),
    of(
        "sendto",
        "send",
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE",
    ),
    of("set_robust_list", "get_robust_list", "EFAULT EINVAL EPERM ESRCH"),
    of("setgid", "setgid", "EINVAL EPERM"),
    of("setgroups", "getgroups", "EFAULT EINVAL ENOMEM EPERM"),
    of("setitimer", "getitimer", "EFAULT EINVAL"),
    of("setpgid", "setpgid", "EACCES EINVAL EPERM ESRCH"),
    of("setresgid", "setresuid", "EAGAIN EINVAL EPERM"),
    of("setresuid", "setresuid", "EAGAIN EINVAL EPERM"),
    of("setrlimit", "getrlimit", "EFAULT EINVAL EPERM ESRCH"),
    of("setsid", "setsid", "EPERM"),
    of("setsockopt", "getsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    of("setuid", "setuid", "EAGAIN EINVAL EPERM"),
    of("shutdown", "shutdown", "EBADF EINVAL ENOTCONN ENOTSOCK"),
    of("sigaltstack", "sigaltstack", "EFAULT EINVAL ENOMEM EPERM"),
    of("signalfd4", "signalfd", "EBADF EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    of("socket", "socket", "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT"),
    of("socketpair", "socketpair", "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT"),
    of("tgkill", "tkill", "EAGAIN EINVAL EPERM ESRCH"),
    of("timerfd_create", "timerfd_create", "EBADF ECANCELED EFAULT EINVAL EMFILE ENFILE ENODEV ENOMEM EPERM"),
    of("timerfd_settime", "timerfd_create", "EBADF ECANCELED EFAULT EINVAL EMFILE ENFILE ENODEV ENOMEM EPERM"),
    of("umask", "umask", ""),
    of("uname", "uname", "EFAULT"),
    of(
        "unlink",
        "unlink",
        "EACCES EBADF EBUSY EFAULT EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    of(
        "unlinkat",
        "unlink",
        "EACCES EBADF EBUSY EFAULT EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    of("unshare", "unshare", "EINVAL ENOMEM ENOSPC EPERM EUSERS"),
    of("vfork", "fork", "EAGAIN ENOMEM ENOSYS ERESTARTNOINTR"),
    of("wait4", "wait", "EAGAIN ECHILD EINTR EINVAL ESRCH"),
    of("waitid", "wait", "EAGAIN ECHILD EINTR EINVAL ESRCH"),
    of("write", "write", "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE"),
    of(
        "writev",
        "readv write",
        "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EOPNOTSUPP EPERM EPIPE",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::Command;

    use super::{BESIDE, ERRORS};

    /// Pairs of errnos with the same number.
    const SYNONYMS: [(&str, &str); 2] = [("EWOULDBLOCK", "EAGAIN"), ("ENOTSUP", "EOPNOTSUPP")];

    /// Whether there are manual pages. Prints a message if there are no pages.
    fn are_pages_there() -> bool {
        let there = Path::new("/usr/share/man/man2/accept.2.gz").is_file();
        if !there {
            eprintln!("skipped: there are no manual pages (apt-get install manpages-dev)");
        }
        there
    }

    fn page(name: &str) -> String {
        let path = format!("/usr/share/man/man2/{name}.2.gz");
        let output = Command::new("gzip").args(["-dc", &path]).output().unwrap();
        assert!(output.status.success(), "{path}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the errnos that head the paragraphs of a page's ERRORS.
    fn documented(name: &str) -> BTreeSet<String> {
        let text = page(name);
        let section = |line: &&str| !line.starts_with(".SH ") || line.starts_with(".SH ERRORS");
        let lines = text.lines().skip_while(|line| !line.starts_with(".SH ERRORS")).take_while(section);
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with(".\\\"")).collect();
        let heads = lines.windows(2).filter(|pair| pair[0].starts_with(".TP") || pair[0].starts_with(".TQ"));
        let words = heads.flat_map(|pair| pair[1].split(|letter: char| !letter.is_ascii_alphanumeric()));
        let is_errno = |word: &&str| word.len() > 2 && word.starts_with('E') && *word == word.to_uppercase();
        let one_name =
            |word: &str| SYNONYMS.iter().find(|(other, _)| *other == word).map_or(word, |(_, name)| name).to_owned();
        words.filter(is_errno).map(one_name).collect()
    }

    #[test]
    fn the_table_has_what_the_manual_has() {
        if !are_pages_there() {
            return;
        }
        for errors in ERRORS {
            let manual: BTreeSet<String> = errors.pages.split_ascii_whitespace().flat_map(documented).collect();
            let table: BTreeSet<String> = errors.errnos.split_ascii_whitespace().map(str::to_owned).collect();
            // The page of brk names its errno in the text, not in a list.
            if errors.call != "brk" {
                assert_eq!(table, manual, "{} by {}", errors.call, errors.pages);
            }
        }
    }

    #[test]
    fn what_accept_says_in_its_text_is_in_no_list() {
        if !are_pages_there() {
            return;
        }
        let (_, errnos) = BESIDE.iter().find(|(calls, _)| calls.contains(&"accept4")).unwrap();
        let text = page("accept");
        for errno in errnos.split_ascii_whitespace() {
            assert!(text.contains(&format!("\n.BR {errno}")), "{errno}");
        }
    }

    #[test]
    fn no_call_has_an_errno_twice() {
        for errors in ERRORS {
            let all: Vec<&str> = errors.iter().collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{}", errors.call);
        }
        assert!(BESIDE.iter().all(|(calls, _)| calls.iter().all(|call| super::errors_of(call).is_some())));
    }

    #[test]
    fn the_table_is_sorted_and_each_call_is_there_once() {
        assert!(ERRORS.windows(2).all(|pair| pair[0].call < pair[1].call));
    }
}
