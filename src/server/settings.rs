//! The settings of a server, with their defaults, and the check for settings that exclude each other.

use core::ffi::{CStr, c_long};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::error::{Error, Reason, Result};
use super::inherited::Inherited;
use super::limits::{BACKLOG_DEFAULT, GRACE_DEFAULT, MAX_CHILDREN_DEFAULT, MAX_CHILDREN_LIMIT, MODE_MAX, RATE_LIMIT};
use super::listener::SocketSettings;
use super::log::{LogFormat, LogTime, Verbosity};
use super::privileges::{Limits, Privileges};
use super::sandbox::{can_allow, can_change_memory};
use super::scoreboard::ChildAccess;
use super::source::SourcePrefix;
use crate::program::{Args, Title};

/// The number of preforked processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PoolSize {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// The settings. The function of [`Server`](super::Server) with the same name sets a setting.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) max_children: u32,
    pub(crate) max_per_source: Option<(u32, &'a str)>,
    pub(crate) source_prefix: SourcePrefix,
    pub(crate) max_rate: Option<(u32, Duration)>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) pool: Option<PoolSize>,
    pub(crate) max_requests: Option<u64>,
    pub(crate) rules: Option<&'a CStr>,
    pub(crate) proxy_protocol: bool,
    pub(crate) privileges: Privileges<'a>,
    pub(crate) limits: Limits,
    /// The only system calls that the handler may make, if it is sandboxed.
    pub(crate) sandbox: Option<&'a [c_long]>,
    pub(crate) inherited: Option<Inherited>,
    pub(crate) restart: Option<Args>,
    pub(crate) title: Option<Title>,
    pub(crate) notify: bool,
    pub(crate) grace: Duration,
    pub(crate) orphans_end: bool,
    pub(crate) announce: bool,
    pub(crate) pidfile: Option<&'a CStr>,
    pub(crate) restore_signals: bool,
    pub(crate) log_format: LogFormat,
    pub(crate) log_time: LogTime,
    pub(crate) verbosity: Verbosity,
    pub(crate) socket: SocketSettings,
}

impl Settings<'_> {
    /// Returns settings that all have their default.
    pub(crate) const fn new() -> Self {
        Settings {
            max_children: MAX_CHILDREN_DEFAULT,
            max_per_source: None,
            source_prefix: SourcePrefix::DEFAULT,
            max_rate: None,
            idle_timeout: None,
            max_lifetime: None,
            pool: None,
            max_requests: None,
            rules: None,
            proxy_protocol: false,
            privileges: Privileges { identity: None, chroot: None },
            limits: Limits::new(),
            sandbox: None,
            inherited: None,
            restart: None,
            title: None,
            notify: false,
            grace: GRACE_DEFAULT,
            orphans_end: true,
            announce: false,
            pidfile: None,
            restore_signals: true,
            log_format: LogFormat::Text,
            log_time: LogTime::Auto,
            verbosity: Verbosity::Normal,
            socket: SocketSettings {
                backlog: BACKLOG_DEFAULT,
                keepalive: true,
                nodelay: false,
                reuse_port: false,
                defer_accept: None,
                mode: None,
                owner: None,
            },
        }
    }

    /// Whether the children name their clients in their slots, because the parent does not know them.
    pub(super) const fn children_name_clients(&self) -> bool {
        self.pool.is_some() || self.proxy_protocol
    }

    /// Returns the access of children to the scoreboard. A preforked child uses its slot, and so does a child that
    /// reads a PROXY header. A child in the sandbox notes a violation in its slot, and can write to no other slot unless
    /// it can change its memory. If you make another child use its slot, change this function.
    pub(super) fn child_access(&self) -> ChildAccess {
        if self.children_name_clients() || self.sandbox.is_some_and(can_change_memory) {
            ChildAccess::Slot
        } else if self.sandbox.is_some() {
            ChildAccess::Note
        } else {
            ChildAccess::None
        }
    }

    /// Refuses numbers out of range, and settings that exclude each other.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(PoolSize { min, max }) = self.pool {
            check_range("prefork", min, MAX_CHILDREN_LIMIT)?;
            if let Some((reason, hint)) = self.conflict_with_prefork() {
                let reason = Reason::Usage(reason);
                return Err(Error::new(format_args!("prefork {min}-{max}"), reason, hint));
            }
        }
        check_range("max_children", self.max_children, MAX_CHILDREN_LIMIT)?;
        let per_source = self.max_per_source.map_or(1, |(limit, _)| limit);
        check_range("max_per_source", per_source, MAX_CHILDREN_LIMIT)?;
        check_range("source_prefix", self.source_prefix.v4, Ipv4Addr::BITS)?;
        check_range("source_prefix", self.source_prefix.v6, Ipv6Addr::BITS)?;
        check_range("max_rate", self.max_rate.map_or(1, |(limit, _)| limit), RATE_LIMIT)?;
        if let Some(mode) = self.socket.mode.filter(|mode| *mode > MODE_MAX) {
            let reason = Reason::Usage("out of range");
            return Err(Error::new(
                format_args!("mode {mode:#o}, not up to {MODE_MAX:#o}"),
                reason,
                "write 0o before it",
            ));
        }
        if self.sandbox.is_some_and(|calls| !can_allow(calls)) {
            let reason = Reason::Usage("a number that no system call has, or more than a filter has room for");
            return Err(Error::new(
                format_args!("the calls of the sandbox"),
                reason,
                "name those that the handler makes",
            ));
        }
        if self.restart.is_some() && self.inherited.is_none() {
            let reason = Reason::Usage("without inherit, the new process could not take the sockets of this one");
            return Err(Error::new(format_args!("restart"), reason, "set inherit, or leave restart out"));
        }
        if self.max_requests.is_some() && self.pool.is_none() {
            let reason = Reason::Usage("without prefork, a process serves one connection and ends");
            return Err(Error::new(format_args!("max_requests"), reason, "set prefork, or leave max_requests out"));
        }
        let is_none = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        let is_nothing = [
            ("a period of max_rate", is_none(self.max_rate.map(|(_, period)| period))),
            ("idle_timeout", is_none(self.idle_timeout)),
            ("max_lifetime", is_none(self.max_lifetime)),
            ("max_requests", self.max_requests == Some(0)),
        ];
        let hint = "it is more than 0; without the setting there is no limit";
        is_nothing
            .into_iter()
            .filter(|(_, is_nothing)| *is_nothing)
            .try_for_each(|(what, _)| Err(Error::new(format_args!("{what} of 0"), Reason::Usage("out of range"), hint)))
    }

    /// Returns the reason why the other settings exclude preforked processes, and a hint.
    fn conflict_with_prefork(&self) -> Option<(&'static str, &'static str)> {
        if self.pool.is_some_and(|PoolSize { min, max }| max < min) {
            Some(("the highest number is less than the lowest", "name the lowest first"))
        } else if self.max_rate.is_some() {
            let reason = "processes made ahead of time accept by themselves, so there is no max_rate";
            Some((reason, "leave one of them out"))
        } else if self.sandbox.is_some() && self.log_format == LogFormat::Syslog {
            Some(("in the sandbox they cannot log to syslog", "leave one of them out"))
        } else {
            None
        }
    }
}

fn check_range(what: &str, number: u32, limit: u32) -> Result<()> {
    if (1..=limit).contains(&number) {
        return Ok(());
    }
    Err(Error::new(format_args!("{what} {number}, not from 1 to {limit}"), Reason::Usage("out of range"), ""))
}

#[cfg(test)]
mod tests;
