//! Every event of the log with its fields, one function each.
//!
//! If you add an event or a field, add it to the table in the documentation of the module `server`. Also add it to the
//! section LOG of the man page. A test compares the functions, the table and the section.

use core::ffi::c_long;
use core::fmt::Display;
use core::time::Duration;

use super::child_end::ChildEnd;
use super::line::Seconds;
use super::writer::{Level, Log};
use crate::server::connection::Peer;
use crate::server::error::shortage_hint;
use crate::server::handler_error::HandlerError;
use crate::server::scoreboard::Slot;
use crate::sys::errno::Errno;
use crate::sys::process::{Pid, WaitStatus};
use crate::sys::signal::{Signal, SignalInfo};
use crate::sys::syscall;

/// The fields of the event `status`.
pub(crate) struct ServerStatus {
    pub(crate) children: u32,
    pub(crate) limit: u32,
    /// The number of preforked children that have a client.
    pub(crate) serving: Option<u32>,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) ended: u64,
    pub(crate) uptime: Duration,
    pub(crate) paused: &'static str,
    pub(crate) is_stopping: bool,
}

/// Events of the server's start and end.
impl Log {
    /// Logs that a socket listens, with its backlog, if that is known, and the requested backlog, if the kernel allows
    /// less.
    pub(crate) fn listen(&self, address: impl Display, backlog: Option<(u32, Option<u32>)>) {
        self.event(Level::Notice, "listen", |line| {
            line.text("address", address);
            let Some((backlog, asked)) = backlog else { return };
            line.number("backlog", backlog);
            if let Some(asked) = asked {
                line.number("asked", asked);
                line.text("hint", "the kernel allows no more: sysctl net.core.somaxconn");
            }
        });
    }

    /// Logs that the server does not listen on an address of a host, because the system does not have it.
    pub(crate) fn skip(&self, address: impl Display, errno: Errno) {
        self.event(Level::Warning, "skip", |line| {
            line.text("address", address);
            line.text("error", errno);
            line.text("hint", "the server listens on the other addresses of this host");
        });
    }

    /// Logs a failure with a hint. `pid` is the process that it is about, if there is one.
    fn failed(&self, call: &str, error: impl Display, hint: &str, pid: Option<Pid>) {
        self.event(Level::Warning, "fail", |line| {
            line.text("call", call);
            line.text("error", error);
            line.text("hint", hint);
            if let Some(pid) = pid {
                line.number("pid", pid);
            }
        });
    }

    /// Logs that the service manager cannot be told the state of the server.
    pub(crate) fn manager_unreachable(&self, errno: Errno) {
        let hint = "the service manager is told nothing, and the server serves";
        self.failed("connect to NOTIFY_SOCKET", errno, hint, None);
    }

    pub(crate) fn start(&self, pid: Pid, limit: u32, is_root: bool) {
        self.event(Level::Notice, "start", |line| {
            line.number("pid", pid);
            line.number("limit", limit);
            if is_root {
                line.text(
                    "warning",
                    "the server and its children run as root: name another user, by Server::user or -u",
                );
            }
        });
    }

    pub(crate) fn stop(&self, info: &SignalInfo, children: u32, grace: Duration) {
        self.event(Level::Notice, "stop", |line| {
            line.text("signal", info.signal);
            if let Some(sender) = info.sender {
                line.number("sender", sender);
                line.number("uid", info.uid);
            }
            line.number("children", children);
            line.number("grace", Seconds(grace));
        });
    }

    /// Logs that an earlier server has not ended in time, so that this server ends before it.
    pub(crate) fn earlier_left(&self) {
        let hint = "if its process is stopped, send it SIGCONT";
        self.failed("wait for an earlier server", Errno::TIMEDOUT, hint, None);
    }

    /// Logs that a child has become another user, so that this server may not end it.
    pub(crate) fn signal_refused(&self, pid: Pid, errno: Errno) {
        let hint = "the program has become another user: let root end it, or run the server as root";
        self.failed("kill", errno, hint, Some(pid));
    }

    /// Logs that the successor, which had taken over, has failed while this server still serves its clients.
    pub(crate) fn successor_lost(&self, pid: Pid, status: WaitStatus) {
        let hint = "if no later server listens, start the server again";
        self.failed("serve as the successor", status, hint, Some(pid));
    }

    /// Logs that the server has stopped. `ended` counts the children that ended by themselves, after SIGTERM, and after
    /// SIGKILL.
    pub(crate) fn stopped(&self, ended: [u64; 3], accepted: u64, time: Duration) {
        self.event(Level::Notice, "stopped", |line| {
            let [drained, terminated, killed] = ended;
            line.number("drained", drained);
            line.number("terminated", terminated);
            line.number("killed", killed);
            line.number("accepted", accepted);
            line.number("seconds", Seconds(time));
        });
    }

    pub(crate) fn status(&self, status: &ServerStatus) {
        self.event(Level::Notice, "status", |line| {
            line.number("children", status.children);
            line.number("limit", status.limit);
            if let Some(serving) = status.serving {
                line.number("serving", serving);
            }
            line.number("accepted", status.accepted);
            line.number("refused", status.refused);
            line.number("ended", status.ended);
            line.number("uptime", Seconds(status.uptime));
            line.text("paused", status.paused);
            line.text("stopping", if status.is_stopping { "yes" } else { "no" });
        });
    }

    pub(crate) fn child(&self, pid: Pid, peer: &Peer, slot: Slot<'_>, now: Duration) {
        self.event(Level::Detail, "child", |line| {
            line.number("pid", pid);
            line.text("state", slot.state().name());
            line.text("from", peer);
            line.number("served", slot.requests());
            line.number("seconds", Seconds(now.saturating_sub(slot.since())));
        });
    }
}

/// Events of connections and children.
impl Log {
    /// Logs that a child serves a client. `pid` is called only if the line is logged: a child needs a system call to
    /// know its own pid.
    pub(crate) fn accept(
        &self,
        pid: impl FnOnce() -> Pid,
        peer: &Peer,
        proxy: Option<&Peer>,
        children: u32,
        limit: u32,
    ) {
        self.event(Level::ConnectionStart, "accept", |line| {
            line.number("pid", pid());
            line.text("from", peer);
            if let Some(proxy) = proxy {
                line.text("by", proxy);
            }
            line.number("children", children);
            line.number("limit", limit);
        });
    }

    /// Logs the end of a child. `error` is the error of a handler. `children` is the number of children left, if known.
    pub(crate) fn end(
        &self,
        pid: Pid,
        peer: &Peer,
        end: ChildEnd,
        error: Option<HandlerError>,
        time: Duration,
        children: Option<u32>,
    ) {
        self.event(Level::Connection, "end", |line| {
            line.number("pid", pid);
            line.text("from", peer);
            match end {
                ChildEnd::Exit(code) => line.number("exit", code),
                ChildEnd::Status(status) | ChildEnd::OfProgram(status) => match status.exit_status() {
                    Some(code) => line.number("exit", code),
                    None => line.text("signal", status),
                },
                ChildEnd::Unknown => line.text("exit", "unknown"),
            }
            if let Some(meaning) = end.meaning() {
                line.text("meaning", meaning);
            }
            if let Some(error) = error {
                line.text("error", error);
            }
            line.number("seconds", Seconds(time));
            if let Some(children) = children {
                line.number("children", children);
            }
        });
    }

    pub(crate) fn refuse(&self, peer: &Peer, why: impl Display, from_source: u32, count: u64) {
        self.event(Level::Warning, "refuse", |line| {
            line.text("from", peer);
            line.text("why", why);
            line.number("from_source", from_source);
            line.number("count", count);
        });
    }

    pub(crate) fn abort(&self, errno: Errno, count: u64) {
        self.event(Level::Detail, "abort", |line| {
            line.text("error", errno);
            line.number("count", count);
        });
    }

    pub(crate) fn lifetime(&self, pid: Pid, peer: &Peer) {
        self.event(Level::Connection, "lifetime", |line| {
            line.number("pid", pid);
            line.text("from", peer);
        });
    }

    pub(crate) fn group(&self, group: Pid, peer: &Peer, signal: Signal) {
        self.event(Level::Warning, "group", |line| {
            line.number("group", group);
            line.text("from", peer);
            line.text("signal", signal);
        });
    }

    pub(crate) fn violation(&self, pid: Pid, peer: &Peer, call: c_long) {
        self.event(Level::Warning, "violation", |line| {
            line.number("pid", pid);
            line.text("from", peer);
            match syscall::name(call) {
                Some(name) => line.text("call", name),
                None => line.number("call", call),
            }
        });
    }

    /// Logs that a child has made the server its tracer, and gets SIGKILL.
    pub(crate) fn traced(&self, pid: Pid) {
        self.event(Level::Warning, "traced", |line| line.number("pid", pid));
    }

    /// Logs that a preforked child has ended without a client. `pause` is the time until the next child is made.
    pub(crate) fn leave(&self, is_trouble: bool, pid: Pid, end: ChildEnd, time: Duration, pause: Duration) {
        self.event(if is_trouble { Level::Warning } else { Level::Detail }, "leave", |line| {
            line.number("pid", pid);
            match end.status() {
                Some(status) => line.text("status", status),
                None => line.text("status", "unknown"),
            }
            if let Some(meaning) = end.meaning() {
                line.text("meaning", meaning);
            }
            line.number("seconds", Seconds(time));
            line.number("pause", Seconds(pause));
        });
    }

    pub(crate) fn orphan(&self, pid: Pid) {
        self.event(Level::Detail, "orphan", |line| line.number("pid", pid));
    }
}

/// Events of limits and trouble.
impl Log {
    pub(crate) fn limit_reached(&self, why: &str, children: u32, count: u64) {
        self.event(Level::Notice, "pause", |line| {
            line.text("why", why);
            line.number("children", children);
            line.number("count", count);
        });
    }

    pub(crate) fn shortage(&self, call: &str, errno: Errno, count: u64) {
        let hint = match shortage_hint(errno) {
            "" => "it is tried again until it works",
            hint => hint,
        };
        self.event(Level::Warning, "pause", |line| {
            line.text("why", call);
            line.text("error", errno);
            line.text("hint", hint);
            line.number("count", count);
        });
    }

    pub(crate) fn resume(&self, why: &str, time: Duration) {
        self.event(Level::Notice, "resume", |line| {
            line.text("why", why);
            line.number("seconds", Seconds(time));
        });
    }

    /// Logs an unexpected failure of a call, in `child` or in the parent.
    pub(crate) fn call_failed(&self, call: &str, errno: Errno, child: Option<Pid>, count: u64) {
        self.event(Level::Warning, "fail", |line| {
            line.text("call", call);
            line.text("error", errno);
            if let Some(pid) = child {
                line.number("pid", pid);
            }
            line.number("count", count);
        });
    }

    /// Logs that a child could not be set up.
    pub(crate) fn set_up_failed(&self, call: &str, errno: Errno, pid: Pid) {
        self.event(Level::Warning, "fail", |line| {
            line.text("call", call);
            line.text("error", errno);
            line.number("pid", pid);
        });
    }

    /// Logs that a program could not be run for a client.
    pub(crate) fn exec_failed(&self, call: &str, errno: Errno, peer: &Peer, count: u64) {
        self.event(Level::Warning, "fail", |line| {
            line.text("call", call);
            line.text("error", errno);
            line.text("from", peer);
            line.number("count", count);
        });
    }
}

/// Events of reload and handover.
impl Log {
    /// Logs that SIGHUP came, and that there was nothing to do.
    pub(crate) fn reload_ignored(&self, why: &str) {
        self.event(Level::Notice, "reload", |line| line.text("why", why));
    }

    pub(crate) fn rules_read(&self, count: usize) {
        self.event(Level::Notice, "rules", |line| line.number("rules", count));
    }

    pub(crate) fn rules_failed(&self, error: impl Display) {
        self.event(Level::Warning, "rules", |line| {
            line.text("error", error);
            line.text("hint", "the rules are as before, and the server goes on");
        });
    }

    pub(crate) fn restart(&self, pid: Pid, program: impl Display) {
        self.event(Level::Notice, "restart", |line| {
            line.number("pid", pid);
            line.text("program", program);
        });
    }

    /// Logs that SIGUSR2 came, but no successor is started.
    pub(crate) fn restart_refused(&self, why: impl Display) {
        self.event(Level::Warning, "restart", |line| line.text("refused", why));
    }

    pub(crate) fn restart_failed(&self, error: impl Display) {
        self.event(Level::Warning, "restart", |line| {
            line.text("error", error);
            line.text("hint", "the server goes on as it is");
        });
    }

    pub(crate) fn handover(&self, by: Pid, children: u32) {
        self.event(Level::Notice, "handover", |line| {
            line.number("by", by);
            line.number("children", children);
        });
    }
}
