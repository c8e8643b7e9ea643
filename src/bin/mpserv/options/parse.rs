//! Parses the command line of `mpserv`.

use core::ffi::{CStr, c_int, c_long};
use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use mpserv::getopt::Name;
use mpserv::options::Parsed;
use mpserv::program::Args;
use mpserv::server::limits::{MAX_CHILDREN_LIMIT, RATE_LIMIT, SOURCE_PREFIX_V6};
use mpserv::server::status::StatusFormat;
use mpserv::server::{Identity, LogFormat, LogTime, Server, Service, Verbosity, is_successor};
use mpserv::text::Text;

use super::table::{Choice, TABLE};
use super::value::{SHORTEST, Subject, Value, Wrong, wrong};

/// The longest message to a client over the limit of its source, with its line's end.
pub(crate) const MESSAGE_MAX: usize = 512;

/// The calls that the sandbox allows in addition to those of the service: none.
const NO_CALLS: &[c_long] = &[];

/// The shortest time that the kernel knows for `--defer-accept`.
const SECOND: Duration = Duration::from_secs(1);

/// The task of a command line.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and no allocator")]
pub(crate) enum Task {
    Serve(Plan),
    /// Show the status of the server with this pidfile, once or each second.
    Status {
        pidfile: &'static CStr,
        format: StatusFormat,
        watch: bool,
    },
    Help,
    Version,
}

/// A server, and the program or service that it runs.
pub(crate) struct Plan {
    pub(crate) server: Server<'static>,
    /// Whether the server becomes another user.
    pub(crate) has_user: bool,
    /// The limit of `--max-per-source`. Its message is in a separate buffer.
    pub(crate) per_source: Option<u32>,
    pub(crate) service: Option<Service>,
    /// The index of the program's name.
    pub(crate) program: Option<usize>,
}

/// The options that were given so far.
struct Given {
    plan: Plan,
    user: Option<&'static str>,
    owner: Option<&'static str>,
    /// The name of a given option that is about the files of Unix sockets.
    of_unix: Option<&'static str>,
    pidfile_of_status: Option<&'static CStr>,
    /// Whether `--idle-timeout` was given. The flags below are for further options that need or exclude other options.
    has_idle_timeout: bool,
    has_json: bool,
    has_listen: bool,
    has_max_requests: bool,
    has_prefork: bool,
    has_unix: bool,
    has_watch: bool,
}

/// Parses a command line. The message of `--max-per-source` is written to `message`.
#[inline(never)]
pub(crate) fn parse(args: Args, message: &mut Text<MESSAGE_MAX>) -> Result<Task, Wrong> {
    let plan = Plan { server: Server::new(), has_user: false, per_source: None, service: None, program: None };
    let mut given = Given {
        plan,
        user: None,
        owner: None,
        of_unix: None,
        pidfile_of_status: None,
        has_idle_timeout: false,
        has_json: false,
        has_listen: false,
        has_max_requests: false,
        has_prefork: false,
        has_unix: false,
        has_watch: false,
    };
    let mut parser = TABLE.parse(args).ok_or_else(Wrong::new)?;
    for option in parser.by_ref() {
        match option {
            Parsed::Option(_, Choice::Help, _) => return Ok(Task::Help),
            Parsed::Option(_, Choice::Version, _) => return Ok(Task::Version),
            Parsed::Option(spec, choice, text) => {
                given = given.set(choice, Value::new(Subject::Option(spec.name()), text), text, message)?;
            }
            Parsed::Unknown(name) => return Err(unknown(name)),
            Parsed::Missing(name) => return Err(wrong(format_args!("{name}: its argument is missing; {HINT}"))),
        }
    }
    given.finish(args, parser.index())
}

const HINT: &str = "mpserv --help shows the options";

fn unknown(name: Name) -> Wrong {
    match name {
        Name::Long(text) if text.to_bytes().contains(&b'=') => {
            wrong(format_args!("{name}: no such option takes an argument; {HINT}"))
        }
        _ => wrong(format_args!("{name}: no option, or more than one, begins so; {HINT}")),
    }
}

impl Given {
    /// Applies one option. `value` is its argument, and `text` is the same argument as a C string.
    fn set(
        mut self,
        choice: Choice,
        value: Value,
        text: &'static CStr,
        message: &mut Text<MESSAGE_MAX>,
    ) -> Result<Given, Wrong> {
        let server = self.plan.server;
        self.plan.server = match choice {
            Choice::MaxChildren => server.max_children(value.number(MAX_CHILDREN_LIMIT)?),
            Choice::MaxPerSource => {
                let (limit, line) = value.split(b':');
                self.plan.per_source = Some(limit.number(MAX_CHILDREN_LIMIT)?);
                *message = Text::new();
                let line = line.map(Value::str).transpose()?.unwrap_or_default();
                if !line.is_empty() && write!(message, "{line}\r\n").is_err() {
                    return Err(value.wrong("the message is too long"));
                }
                server
            }
            Choice::SourcePrefix => {
                let (v4, v6) = value.split(b':');
                let v6 = v6.map_or(Ok(SOURCE_PREFIX_V6), |v6| v6.number(Ipv6Addr::BITS))?;
                server.source_prefix(v4.number(Ipv4Addr::BITS)?, v6)
            }
            Choice::MaxRate => {
                let (limit, period) = value.split(b'/');
                let period = period.ok_or_else(|| value.wrong("it is N/SECONDS"))?;
                server.max_rate(limit.number(RATE_LIMIT)?, period.seconds(SHORTEST)?)
            }
            Choice::Rules => server.rules(text),
            Choice::Prefork => {
                self.has_prefork = true;
                let (min, max) = value.split(b'-');
                let min = min.number(MAX_CHILDREN_LIMIT)?;
                server.prefork(min, max.map_or(Ok(min), |max| max.number(MAX_CHILDREN_LIMIT))?)
            }
            Choice::MaxRequests => {
                self.has_max_requests = true;
                server.max_requests(value.number(u32::MAX)?.into())
            }
            Choice::Backlog => server.backlog(value.number(c_int::MAX as u32)?),
            Choice::Listen => {
                self.has_listen = true;
                self.has_unix |= value.is_socket_file();
                server.listen(value.str()?)
            }
            Choice::Mode => {
                self.of_unix = Some("--mode");
                server.mode(value.mode()?)
            }
            Choice::Owner => {
                self.of_unix = Some("--owner");
                self.owner = Some(value.str()?);
                server
            }
            Choice::Service => {
                self.plan.service = Some(value.word(Service::from_name, "it is echo, discard or rot13")?);
                server
            }
            Choice::IdleTimeout => {
                self.has_idle_timeout = true;
                server.idle_timeout(value.seconds(SHORTEST)?)
            }
            Choice::MaxLifetime => server.max_lifetime(value.seconds(SHORTEST)?),
            Choice::Grace => server.grace(value.seconds(Duration::ZERO)?),
            Choice::Orphans => server.orphans_end(value.choice("end", "keep")?),
            Choice::User => {
                self.user = Some(value.str()?);
                server
            }
            Choice::Chroot => server.chroot(text),
            Choice::Rlimit => {
                let (resource, limit) = value.limit()?;
                server.rlimit(resource, limit)
            }
            Choice::Sandbox => server.sandbox(NO_CALLS),
            Choice::ProxyProtocol => server.proxy_protocol(true),
            Choice::Nodelay => server.nodelay(true),
            Choice::Keepalive => server.keepalive(value.choice("on", "off")?),
            Choice::ReusePort => server.reuse_port(true),
            Choice::DeferAccept => server.defer_accept(value.seconds(SECOND)?),
            Choice::Pidfile => server.pidfile(text),
            Choice::Status => {
                self.pidfile_of_status = Some(text);
                server
            }
            Choice::Json => {
                self.has_json = true;
                server
            }
            Choice::Watch => {
                self.has_watch = true;
                server
            }
            Choice::Log => server.log(value.word(LogFormat::from_name, "it is text, json or syslog")?),
            Choice::LogTime => server.log_time(value.word(LogTime::from_name, "it is auto, yes or no")?),
            Choice::Announce => server.announce(true),
            Choice::Verbose => server.verbosity(Verbosity::Verbose),
            Choice::Quiet => server.verbosity(Verbosity::Quiet),
            // The caller has already handled these options.
            Choice::Help | Choice::Version => server,
        };
        Ok(self)
    }

    /// Takes the operands, and refuses options that exclude each other. `next` is the index of the first operand.
    fn finish(mut self, args: Args, next: usize) -> Result<Task, Wrong> {
        if let Some(user) = self.user {
            let identity = Identity::parse(user).map_err(|error| wrong(format_args!("--user {error}")))?;
            self.plan.server = self.plan.server.user(identity);
            self.plan.has_user = true;
        }
        // A successor has the sockets of its predecessor, and their files already have their owner.
        if let Some(owner) = self.owner.filter(|_| !is_successor()) {
            let identity = Identity::parse(owner).map_err(|error| wrong(format_args!("--owner {error}")))?;
            self.plan.server = self.plan.server.owner(identity);
        }
        if let Some(pidfile) = self.pidfile_of_status {
            return match args.get(next) {
                Some(address) => Err(Value::new(Subject::Operand("ADDRESS"), address)
                    .wrong("--status shows a server that runs; leave it out")),
                None => {
                    let format = if self.has_json { StatusFormat::Json } else { StatusFormat::Table };
                    Ok(Task::Status { pidfile, format, watch: self.has_watch })
                }
            };
        }
        for (option, is_given) in [("--watch", self.has_watch), ("--json", self.has_json)] {
            if is_given {
                return Err(wrong(format_args!("{option}: it is for --status PIDFILE")));
            }
        }
        if self.has_max_requests && !self.has_prefork {
            return Err(wrong(format_args!("--max-requests: it is for --prefork")));
        }
        let next = self.take_address(args, next)?;
        if let Some(option) = self.of_unix.filter(|_| !self.has_unix) {
            return Err(wrong(format_args!("{option}: it is for the file of an ADDRESS unix:PATH")));
        }
        if let Some(name) = args.get(next) {
            self.check_program(name)?;
            self.plan.program = Some(next);
        }
        Ok(Task::Serve(self.plan))
    }

    /// Takes ADDRESS, and returns the index of the program's name. With `--listen` ADDRESS may be left out. Then `--`
    /// must stand before the program.
    fn take_address(&mut self, args: Args, next: usize) -> Result<usize, Wrong> {
        let after_dashes = args.get(next.saturating_sub(1)) == Some(c"--");
        if self.has_listen && (after_dashes || next == args.len()) {
            return Ok(next);
        }
        let Some(address) = args.get(next) else {
            let forms = "PORT, HOST:PORT, [IPV6]:PORT or unix:PATH";
            return Err(wrong(format_args!("no ADDRESS is named; it is {forms}")));
        };
        let value = Value::new(Subject::Operand("ADDRESS"), address);
        self.has_unix |= value.is_socket_file();
        let address = value.str()?;
        let server = core::mem::take(&mut self.plan.server);
        self.plan.server = server.listen(address);
        let has_dashes = args.get(next + 1) == Some(c"--");
        Ok(next + 1 + usize::from(has_dashes))
    }

    fn check_program(&self, name: &'static CStr) -> Result<(), Wrong> {
        let name = Value::new(Subject::Operand("PROGRAM"), name);
        if self.plan.service.is_some() {
            return Err(name.wrong("there is a --service as well; name one of them"));
        }
        if name.begins_with(b"-") {
            return Err(name.wrong("options stand before ADDRESS"));
        }
        if self.has_idle_timeout {
            return Err(wrong(format_args!("--idle-timeout: it is for services; for a PROGRAM use --max-lifetime")));
        }
        if self.has_prefork {
            return Err(wrong(format_args!("--prefork: it is for services; a PROGRAM serves one client and ends")));
        }
        Ok(())
    }
}
