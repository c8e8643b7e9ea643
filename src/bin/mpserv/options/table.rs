//! The options of `mpserv`, in one table. If you add an option, add it to `parse.rs` and to the man page as well.

use core::fmt;

use mpserv::options::{OptionSpec, OptionTable};

/// The options of `mpserv`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    MaxChildren,
    MaxPerSource,
    SourcePrefix,
    MaxRate,
    Rules,
    Prefork,
    MaxRequests,
    Backlog,
    Listen,
    Mode,
    Owner,
    Service,
    IdleTimeout,
    MaxLifetime,
    Grace,
    Orphans,
    User,
    Chroot,
    Rlimit,
    Sandbox,
    ProxyProtocol,
    Nodelay,
    Keepalive,
    ReusePort,
    DeferAccept,
    Pidfile,
    Status,
    Json,
    Watch,
    Log,
    LogTime,
    Announce,
    Verbose,
    Quiet,
    Help,
    Version,
}

use Choice as C;
use OptionSpec as O;

#[rustfmt::skip]
pub(super) static TABLE: OptionTable<Choice> = OptionTable::new(&[
    O::new(C::MaxChildren, b'c', c"max-children", "N", "at most N at once, further clients wait (64)"),
    O::new(C::MaxPerSource, b'C', c"max-per-source", "N[:MSG]", "at most N from a source; MSG to those over it"),
    O::new(C::SourcePrefix, 0, c"source-prefix", "V4[:V6]", "bits of an address that are one source (32:64)"),
    O::new(C::MaxRate, 0, c"max-rate", "N/SECONDS", "at most N connections in any SECONDS"),
    O::new(C::Rules, 0, c"rules", "FILE", "allow, deny, limit by network; read again on HUP"),
    O::new(C::Prefork, 0, c"prefork", "MIN[-MAX]", "processes before clients come, each for many"),
    O::new(C::MaxRequests, 0, c"max-requests", "N", "each of them for N clients"),
    O::new(C::Backlog, b'b', c"backlog", "N", "N clients wait in the kernel (511)"),
    O::new(C::Listen, 0, c"listen", "ADDRESS", "listen there as well; may be repeated"),
    O::new(C::Mode, 0, c"mode", "MODE", "permissions of a Unix socket's file, as 660"),
    O::new(C::Owner, 0, c"owner", "USER[:GROUP]", "owner of a Unix socket's file (that of -u)"),
    O::new(C::Service, 0, c"service", "NAME", "echo (if no PROGRAM is named), discard or rot13"),
    O::new(C::IdleTimeout, b't', c"idle-timeout", "SECONDS", "close a service's client after so long a silence"),
    O::new(C::MaxLifetime, 0, c"max-lifetime", "SECONDS", "end a child after so long"),
    O::new(C::Grace, 0, c"grace", "SECONDS", "let children finish for so long at the end (30)"),
    O::new(C::Orphans, 0, c"orphans", "end|keep", "if the server is killed, its children ... (end)"),
    O::new(C::User, b'u', c"user", "USER[:GROUP]", "become USER once it listens"),
    O::new(C::Chroot, 0, c"chroot", "DIR", "make DIR the root directory once it listens"),
    O::new(C::Rlimit, 0, c"rlimit", "NAME=N", "a limit of each child: nofile, as, cpu, ..."),
    O::new(C::Sandbox, 0, c"sandbox", "", "children can do only what they need"),
    O::new(C::ProxyProtocol, 0, c"proxy-protocol", "", "a proxy names the client (PROXY v1, v2)"),
    O::new(C::Nodelay, 0, c"nodelay", "", "send even a few bytes at once (TCP_NODELAY)"),
    O::new(C::Keepalive, 0, c"keepalive", "on|off", "notice clients that have vanished (on)"),
    O::new(C::ReusePort, 0, c"reuse-port", "", "share the port with other servers (SO_REUSEPORT)"),
    O::new(C::DeferAccept, 0, c"defer-accept", "SECONDS", "accept a client once it has sent something"),
    O::new(C::Pidfile, 0, c"pidfile", "FILE", "keep the process id in FILE, locked"),
    O::new(C::Status, 0, c"status", "PIDFILE", "show what that server's children do"),
    O::new(C::Json, 0, c"json", "", "show it as JSON, one object on one line"),
    O::new(C::Watch, 0, c"watch", "", "show it each second"),
    O::new(C::Log, 0, c"log", "text|json|syslog", "log lines, JSON or to the system's log (text)"),
    O::new(C::LogTime, 0, c"log-time", "auto|yes|no", "a time in text lines; auto: not on a terminal"),
    O::new(C::Announce, b'1', c"", "", "print the port once it serves"),
    O::new(C::Verbose, b'v', c"verbose", "", "log details"),
    O::new(C::Quiet, b'q', c"quiet", "", "log no accept and end of connections"),
    O::new(C::Help, b'h', c"help", "", "show this"),
    O::new(C::Version, b'V', c"version", "", "show the version"),
]);

/// The text of `--help`.
pub(crate) struct Help;

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEFORE}{TABLE}{AFTER}")
    }
}

const BEFORE: &str = "\
usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]
       mpserv --status PIDFILE [--json] [--watch]
Serves each connection to ADDRESS (PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or
inherit) by a process: PROGRAM, on standard input and output, or a service.
";

const AFTER: &str = "\
Signals: TERM and INT stop (a second one skips the wait), QUIT stops without a
wait, HUP reads the rules again, USR2 restarts and refuses nobody, USR1 logs the
status. Exit: 0 told to stop, 100 usage, 111 system trouble.
";
