//! The command line: options, and what they say.
#![allow(clippy::result_large_err, reason = "an error has its text with it, as there is no allocator")]

use core::ffi::{CStr, c_int, c_long};
use core::fmt::Write as _;
use core::str::FromStr;
use core::time::Duration;

use mpserv::getopt::{Getopt, HasArg, LongOption, Name, Opt};
use mpserv::process::{INFINITY, Limit, Resource};
use mpserv::program::Args;
use mpserv::server::limits::{MAX_CHILDREN_LIMIT, RATE_LIMIT, SECONDS_LIMIT};
use mpserv::server::{Identity, LogFormat, Server, Service, Verbosity, is_successor};
use mpserv::text::Text;

const HELP: &str = "\
usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]
       mpserv --status PIDFILE [--watch]
Serves each connection to ADDRESS (PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or
inherit) by a process: PROGRAM, on standard input and output, or a service.
  -c, --max-children N         at most N at once, further clients wait (64)
  -C, --max-per-source N[:MSG] at most N from an address; MSG to those over it
      --max-rate N/SECONDS     at most N connections in any SECONDS
      --rules FILE             allow, deny, limit by network; read again on HUP
      --prefork MIN[-MAX]      processes ahead of time, each for many clients
      --max-requests N         each of them for N clients
  -b, --backlog N              N clients wait in the kernel (511)
      --listen ADDRESS         listen there, too; may be repeated
      --service NAME           echo (if no PROGRAM is named), discard or rot13
  -t, --idle-timeout SECONDS   close a service's client after so long a silence
      --max-lifetime SECONDS   end a child after so long
      --grace SECONDS          let children finish for so long at the end (30)
      --orphans end|keep       when the server is killed, its children ... (end)
  -u, --user USER[:GROUP]      become USER once it listens
      --chroot DIR             make DIR the root directory once it listens
      --rlimit NAME=N          a limit of each child: nofile, as, cpu, ...
      --sandbox                children may do nothing that they need not
      --proxy-protocol         a balancer says who the client is (PROXY v1, v2)
      --nodelay                send at once even what is little (TCP_NODELAY)
      --keepalive on|off       notice clients that have vanished (on)
      --reuse-port             share the port with other servers (SO_REUSEPORT)
      --defer-accept SECONDS   accept once a client has said something
      --pidfile FILE           keep the process id in FILE, locked
      --status PIDFILE         show what that server's children do
      --watch                  show it each second
      --log text|json|syslog   log lines, JSON or to the system's log (text)
  -1                           print the port once it serves
  -v, --verbose                log details
  -q, --quiet                  log no accept and end of connections
  -h, --help                   show this
  -V, --version                show the version
Signals: TERM and INT stop (a second one skips the wait), QUIT stops without a
wait, HUP starts anew and refuses nobody, USR1 logs the status. Exit: 0 told to
stop, 100 usage, 111 system trouble.
";

const VERSION: &str = concat!("mpserv ", env!("CARGO_PKG_VERSION"), "\n");

const SHORT: &CStr = c"+:c:C:b:t:u:1vqhV";

/// The first value of a long option that no letter stands for.
const LONG: c_int = 256;
const MAX_CHILDREN: c_int = LONG;
const MAX_PER_SOURCE: c_int = LONG + 1;
const MAX_RATE: c_int = LONG + 2;
const BACKLOG: c_int = LONG + 3;
const LISTEN: c_int = LONG + 4;
const SERVICE: c_int = LONG + 5;
const IDLE_TIMEOUT: c_int = LONG + 6;
const MAX_LIFETIME: c_int = LONG + 7;
const GRACE: c_int = LONG + 8;
const ORPHANS: c_int = LONG + 9;
const NODELAY: c_int = LONG + 10;
const KEEPALIVE: c_int = LONG + 11;
const REUSE_PORT: c_int = LONG + 12;
const DEFER_ACCEPT: c_int = LONG + 13;
const PIDFILE: c_int = LONG + 14;
const LOG: c_int = LONG + 15;
const VERBOSE: c_int = LONG + 16;
const QUIET: c_int = LONG + 17;
const SHOW_HELP: c_int = LONG + 18;
const SHOW_VERSION: c_int = LONG + 19;
const PREFORK: c_int = LONG + 20;
const MAX_REQUESTS: c_int = LONG + 21;
const RULES: c_int = LONG + 22;
const PROXY_PROTOCOL: c_int = LONG + 23;
const USER: c_int = LONG + 24;
const CHROOT: c_int = LONG + 25;
const RLIMIT: c_int = LONG + 26;
const SANDBOX: c_int = LONG + 27;
const STATUS: c_int = LONG + 28;
const WATCH: c_int = LONG + 29;

static OPTIONS: [LongOption; 31] = [
    LongOption::new(c"max-children", HasArg::Required, MAX_CHILDREN),
    LongOption::new(c"max-per-source", HasArg::Required, MAX_PER_SOURCE),
    LongOption::new(c"max-rate", HasArg::Required, MAX_RATE),
    LongOption::new(c"backlog", HasArg::Required, BACKLOG),
    LongOption::new(c"listen", HasArg::Required, LISTEN),
    LongOption::new(c"service", HasArg::Required, SERVICE),
    LongOption::new(c"idle-timeout", HasArg::Required, IDLE_TIMEOUT),
    LongOption::new(c"max-lifetime", HasArg::Required, MAX_LIFETIME),
    LongOption::new(c"grace", HasArg::Required, GRACE),
    LongOption::new(c"orphans", HasArg::Required, ORPHANS),
    LongOption::new(c"nodelay", HasArg::No, NODELAY),
    LongOption::new(c"keepalive", HasArg::Required, KEEPALIVE),
    LongOption::new(c"reuse-port", HasArg::No, REUSE_PORT),
    LongOption::new(c"defer-accept", HasArg::Required, DEFER_ACCEPT),
    LongOption::new(c"pidfile", HasArg::Required, PIDFILE),
    LongOption::new(c"log", HasArg::Required, LOG),
    LongOption::new(c"verbose", HasArg::No, VERBOSE),
    LongOption::new(c"quiet", HasArg::No, QUIET),
    LongOption::new(c"help", HasArg::No, SHOW_HELP),
    LongOption::new(c"version", HasArg::No, SHOW_VERSION),
    LongOption::new(c"prefork", HasArg::Required, PREFORK),
    LongOption::new(c"max-requests", HasArg::Required, MAX_REQUESTS),
    LongOption::new(c"rules", HasArg::Required, RULES),
    LongOption::new(c"proxy-protocol", HasArg::No, PROXY_PROTOCOL),
    LongOption::new(c"user", HasArg::Required, USER),
    LongOption::new(c"chroot", HasArg::Required, CHROOT),
    LongOption::new(c"rlimit", HasArg::Required, RLIMIT),
    LongOption::new(c"sandbox", HasArg::No, SANDBOX),
    LongOption::new(c"status", HasArg::Required, STATUS),
    LongOption::new(c"watch", HasArg::No, WATCH),
    LongOption::END,
];

/// The longest line of an error.
pub(crate) const LINE_MAX: usize = 512;
/// The longest message to a client over the limit of its source, with its line's end.
pub(crate) const MESSAGE_MAX: usize = 512;

/// The number of bytes that are shown of a wrong argument.
const SHOWN_MAX: usize = 80;

/// The error of a wrong command line: the word, the reason, and what to do.
pub(crate) type Wrong = Text<LINE_MAX>;

/// The command line.
pub(crate) struct Options {
    /// A text to print in place of serving.
    pub(crate) show: Option<&'static str>,
    pub(crate) server: Server<'static>,
    /// The limit of `--max-per-source`, whose message is in a buffer of its own.
    pub(crate) per_source: Option<u32>,
    pub(crate) service: Option<Service>,
    /// The index of the program's name.
    pub(crate) program: Option<usize>,
    /// The pidfile of the server to show, in place of serving.
    pub(crate) status: Option<&'static CStr>,
    /// Whether to show it again and again.
    pub(crate) watch: bool,
}

/// The calls that the sandbox allows besides those of the service.
const NO_CALLS: &[c_long] = &[];

impl Options {
    /// Prints a text and does nothing else.
    const fn showing(text: &'static str) -> Options {
        let server = Server::new();
        let show = Some(text);
        Options { show, server, per_source: None, service: None, program: None, status: None, watch: false }
    }

    pub(crate) fn parse(args: Args, message: &mut Text<MESSAGE_MAX>) -> Result<Options, Wrong> {
        let mut server = Server::new();
        let (mut per_source, mut service, mut has_idle_timeout, mut listens) = (None, None, false, false);
        let (mut has_prefork, mut has_max_requests, mut status, mut watch) = (false, false, None, false);
        let (mut user, mut has_chroot) = (None, false);
        let hint = "mpserv --help shows the options";
        let mut getopt = Getopt::new(args, SHORT, &OPTIONS).ok_or_else(Wrong::new)?;
        for option in getopt.by_ref() {
            let (option, text) = match option {
                Opt::Option(option, argument) => (option, argument.unwrap_or_default()),
                Opt::Unknown(name @ Name::Long(text)) if text.to_bytes().contains(&b'=') => {
                    return Err(Text::of(format_args!("{name}: no such option takes an argument; {hint}")));
                }
                Opt::Unknown(name) => {
                    return Err(Text::of(format_args!("{name}: no option, or more than one, begins so; {hint}")));
                }
                Opt::Missing(name) => return Err(Text::of(format_args!("{name}: its argument is missing; {hint}"))),
            };
            let argument = Value(text.to_bytes());
            server = match short_as_long(option) {
                MAX_CHILDREN => server.max_children(argument.number("--max-children", MAX_CHILDREN_LIMIT)?),
                MAX_PER_SOURCE => {
                    let (limit, line) = argument.split(b':');
                    per_source = Some(limit.number("--max-per-source", MAX_CHILDREN_LIMIT)?);
                    *message = Text::new();
                    let line = line.map(|line| line.str("--max-per-source")).transpose()?.unwrap_or_default();
                    if !line.is_empty() && write!(message, "{line}\r\n").is_err() {
                        return Err(argument.wrong("--max-per-source", "the message is too long"));
                    }
                    server
                }
                MAX_RATE => {
                    let (limit, period) = argument.split(b'/');
                    let period = period.ok_or_else(|| argument.wrong("--max-rate", "it is N/SECONDS"))?;
                    server.max_rate(limit.number("--max-rate", RATE_LIMIT)?, period.seconds("--max-rate", SHORTEST)?)
                }
                BACKLOG => server.backlog(argument.number("--backlog", c_int::MAX as u32)?),
                LISTEN => {
                    listens = true;
                    server.listen(argument.str("--listen")?)
                }
                SERVICE => {
                    let found = Service::from_name(argument.str("--service")?);
                    service = Some(found.ok_or_else(|| argument.wrong("--service", "it is echo, discard or rot13"))?);
                    server
                }
                IDLE_TIMEOUT => {
                    has_idle_timeout = true;
                    server.idle_timeout(argument.seconds("--idle-timeout", SHORTEST)?)
                }
                MAX_LIFETIME => server.max_lifetime(argument.seconds("--max-lifetime", SHORTEST)?),
                GRACE => server.grace(argument.seconds("--grace", Duration::ZERO)?),
                ORPHANS => server.orphans_end(argument.choice("--orphans", "end", "keep")?),
                NODELAY => server.nodelay(true),
                KEEPALIVE => server.keepalive(argument.choice("--keepalive", "on", "off")?),
                REUSE_PORT => server.reuse_port(true),
                DEFER_ACCEPT => server.defer_accept(argument.seconds("--defer-accept", SECOND)?),
                PIDFILE => server.pidfile(text),
                LOG => {
                    let found = LogFormat::from_name(argument.str("--log")?);
                    server.log(found.ok_or_else(|| argument.wrong("--log", "it is text, json or syslog"))?)
                }
                PREFORK => {
                    let (min, max) = argument.split(b'-');
                    let min = min.number("--prefork", MAX_CHILDREN_LIMIT)?;
                    let max = max.map_or(Ok(min), |max| max.number("--prefork", MAX_CHILDREN_LIMIT))?;
                    has_prefork = true;
                    server.prefork(min, max)
                }
                MAX_REQUESTS => {
                    has_max_requests = true;
                    server.max_requests(argument.number("--max-requests", u32::MAX)?.into())
                }
                RULES => server.rules(text),
                PROXY_PROTOCOL => server.proxy_protocol(true),
                USER => {
                    user = Some(argument.str("--user")?);
                    server
                }
                CHROOT => {
                    has_chroot = true;
                    server.chroot(text)
                }
                RLIMIT => {
                    let (resource, limit) = argument.limit()?;
                    server.rlimit(resource, limit)
                }
                SANDBOX => server.sandbox(NO_CALLS),
                STATUS => {
                    status = Some(text);
                    server
                }
                WATCH => {
                    watch = true;
                    server
                }
                ANNOUNCE => server.announce(true),
                VERBOSE => server.verbosity(Verbosity::Verbose),
                QUIET => server.verbosity(Verbosity::Quiet),
                SHOW_HELP => return Ok(Options::showing(HELP)),
                _ => return Ok(Options::showing(VERSION)),
            };
        }
        if let Some(user) = user {
            // The predecessor has looked the user up and has become that user. Inside the root directory, those who can
            // write there decide which user a name means.
            let identity =
                if has_chroot && is_successor() { Ok(Identity::of_this_process()) } else { Identity::parse(user) };
            server = server.user(identity.map_err(|error| Wrong::of(format_args!("--user {error}")))?);
        }
        let mut next = getopt.index();
        if status.is_some() {
            if let Some(address) = args.get(next) {
                return Err(
                    Value(address.to_bytes()).wrong("ADDRESS", "--status shows a server that runs; leave it out")
                );
            }
            return Ok(Options { show: None, status, watch, ..Options::showing("") });
        }
        if watch {
            return Err(Text::of(format_args!("--watch: it is for --status PIDFILE")));
        }
        if has_max_requests && !has_prefork {
            return Err(Text::of(format_args!("--max-requests: it is for --prefork")));
        }
        // With --listen the address may be left out; then -- stands before the program.
        let after_dashes = args.get(next.saturating_sub(1)) == Some(c"--");
        if !(listens && (after_dashes || next == args.len())) {
            let Some(address) = args.get(next) else {
                return Err(Text::of(format_args!(
                    "no ADDRESS is named; it is PORT, HOST:PORT, [IPV6]:PORT or unix:PATH"
                )));
            };
            server = server.listen(Value(address.to_bytes()).str("ADDRESS")?);
            next += 1;
            if args.get(next) == Some(c"--") {
                next += 1;
            }
        }
        let program = args.get(next).map(|_| next);
        if let (Some(program), Some(_)) = (program.and_then(|index| args.get(index)), service) {
            return Err(Value(program.to_bytes()).wrong("PROGRAM", "there is a --service as well; name one of them"));
        }
        if let Some(option) = program.and_then(|index| args.get(index)).filter(|name| name.to_bytes().starts_with(b"-"))
        {
            return Err(Value(option.to_bytes()).wrong("PROGRAM", "options stand before ADDRESS"));
        }
        if program.is_some() && has_idle_timeout {
            return Err(Text::of(format_args!("--idle-timeout: it is for services; for a PROGRAM use --max-lifetime")));
        }
        if program.is_some() && has_prefork {
            return Err(Text::of(format_args!("--prefork: it is for services; a PROGRAM serves one client and ends")));
        }
        Ok(Options { show: None, server, per_source, service, program, status: None, watch: false })
    }
}

/// The option that has only a letter.
const ANNOUNCE: c_int = b'1' as c_int;

/// The long option's value for a letter.
fn short_as_long(option: c_int) -> c_int {
    match u8::try_from(option) {
        Ok(b'c') => MAX_CHILDREN,
        Ok(b'C') => MAX_PER_SOURCE,
        Ok(b'b') => BACKLOG,
        Ok(b't') => IDLE_TIMEOUT,
        Ok(b'u') => USER,
        Ok(b'v') => VERBOSE,
        Ok(b'q') => QUIET,
        Ok(b'h') => SHOW_HELP,
        Ok(b'V') => SHOW_VERSION,
        _ => option,
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// The shortest time that is one.
const SHORTEST: Duration = Duration::from_millis(1);
/// The most digits of a time after its point.
const DECIMALS: usize = 3;

/// An argument, or a part of one.
#[derive(Clone, Copy)]
struct Value(&'static [u8]);

impl Value {
    fn wrong(self, option: &str, why: &str) -> Wrong {
        let shown = Text::<SHOWN_MAX>::of(format_args!("{}", self.0.escape_ascii()));
        Text::of(format_args!("{option} \"{shown}\": {why}"))
    }

    fn str(self, option: &str) -> Result<&'static str, Wrong> {
        core::str::from_utf8(self.0).map_err(|_| self.wrong(option, "this is not UTF-8"))
    }

    /// Splits at the first `separator`.
    fn split(self, separator: u8) -> (Value, Option<Value>) {
        match self.0.iter().position(|&byte| byte == separator) {
            Some(at) => (Value(&self.0[..at]), Some(Value(&self.0[at + 1..]))),
            None => (self, None),
        }
    }

    /// Parses a number of digits alone. Rust's own parser would take a sign as well.
    fn digits<N: FromStr>(self) -> Option<N> {
        let is_number = !self.0.is_empty() && self.0.iter().all(u8::is_ascii_digit);
        core::str::from_utf8(self.0).ok().filter(|_| is_number)?.parse().ok()
    }

    /// A number from 1 to `limit`.
    fn number(self, option: &str, limit: u32) -> Result<u32, Wrong> {
        self.digits().filter(|number| (1..=limit).contains(number)).ok_or_else(|| {
            let why = Text::<LINE_MAX>::of(format_args!("it is a number from 1 to {limit}"));
            self.wrong(option, why.as_str())
        })
    }

    /// `NAME=N`, `NAME=unlimited`
    fn limit(self) -> Result<(Resource, Limit), Wrong> {
        let (name, number) = self.split(b'=');
        let number = number.ok_or_else(|| self.wrong("--rlimit", "it is NAME=N"))?;
        let resource = Resource::from_name(name.str("--rlimit")?).ok_or_else(|| {
            let mut names = Text::<LINE_MAX>::of(format_args!("the name is one of"));
            // They fit.
            let _ = Resource::names().try_for_each(|name| write!(names, " {name}"));
            name.wrong("--rlimit", names.as_str())
        })?;
        let limit = if number.0 == b"unlimited" { Some(INFINITY) } else { number.digits() };
        let limit = limit.ok_or_else(|| number.wrong("--rlimit", "it is a number, or unlimited"))?;
        Ok((resource, Limit { soft: limit, hard: limit }))
    }

    /// A time in seconds, with up to three decimals.
    fn seconds(self, option: &str, shortest: Duration) -> Result<Duration, Wrong> {
        let (whole, decimals) = self.split(b'.');
        let millis = match decimals {
            None => Some(0),
            Some(Value(digits)) if digits.len() > DECIMALS => None,
            Some(decimals) => {
                let unit = [100, 10, 1].get(decimals.0.len().wrapping_sub(1)).copied().unwrap_or(0);
                decimals.digits::<u64>().map(|number| number * unit)
            }
        };
        let time = whole.digits::<u64>().filter(|seconds| *seconds <= SECONDS_LIMIT).zip(millis);
        let time = time.map(|(seconds, millis)| Duration::from_secs(seconds) + Duration::from_millis(millis));
        time.filter(|time| *time >= shortest).ok_or_else(|| {
            let shortest = shortest.as_secs_f32();
            let why =
                Text::<LINE_MAX>::of(format_args!("it is a number of seconds from {shortest} to {SECONDS_LIMIT}"));
            self.wrong(option, why.as_str())
        })
    }

    /// Whether it is the first of two words.
    fn choice(self, option: &str, first: &str, second: &str) -> Result<bool, Wrong> {
        match self.0 {
            word if word == first.as_bytes() => Ok(true),
            word if word == second.as_bytes() => Ok(false),
            _ => {
                let why = Text::<LINE_MAX>::of(format_args!("it is {first} or {second}"));
                Err(self.wrong(option, why.as_str()))
            }
        }
    }
}
