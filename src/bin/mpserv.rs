//! `mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]`: serves each connection by a process of its own, a program's or
//! a built-in service's.
//!
//! From: tcpserver, and what its successors have added. Shows: all that the library's `Server` can do. Look next at
//! `src/server/parent.rs`, the loop.
#![no_std]
#![no_main]
#![allow(clippy::result_large_err, reason = "an error has its text with it, as there is no allocator")]

use core::ffi::{CStr, c_int};
use core::fmt::Write as _;
use core::str::FromStr;
use core::time::Duration;

use mpserv::fd::{self, BorrowedFd, STDERR, STDOUT};
use mpserv::file::{OpenFlags, open};
use mpserv::getopt::{Getopt, HasArg, LongOption, Name, Opt};
use mpserv::program::Args;
use mpserv::server::limits::{MAX_CHILDREN_LIMIT, RATE_LIMIT, SECONDS_LIMIT};
use mpserv::server::{LogFormat, Server, Service, Verbosity};
use mpserv::signal::default_all;
use mpserv::text::Text;

mpserv::main!(main);

/// Exit codes, as tcpserver has them.
const DONE: c_int = 0;
const USAGE: c_int = 100;
const TROUBLE: c_int = 111;

const SHORT_USAGE: &str = "\
mpserv: usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]
ADDRESS is PORT, HOST:PORT, [IPV6]:PORT or unix:PATH. mpserv --help shows the options.
";

const HELP: &str = "\
usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]
Serves each connection to ADDRESS (PORT, HOST:PORT, [IPV6]:PORT or unix:PATH) by
a process of its own: PROGRAM, on standard input and output, or a service.
  -c, --max-children N         at most N at once, further clients wait (64)
  -C, --max-per-source N[:MSG] at most N from an address; MSG to those over it
      --max-rate N/SECONDS     at most N connections in any SECONDS
  -b, --backlog N              N clients wait in the kernel (511)
      --listen ADDRESS         listen there, too; may be repeated
      --service NAME           echo (if no PROGRAM is named), discard or rot13
  -t, --idle-timeout SECONDS   close a service's client after so long a silence
      --max-lifetime SECONDS   end a child after so long
      --grace SECONDS          let children finish for so long at the end (30)
      --orphans end|keep       when the server is killed, its children ... (end)
      --nodelay                send at once even what is little (TCP_NODELAY)
      --keepalive on|off       notice clients that have vanished (on)
      --reuse-port             share the port with other servers (SO_REUSEPORT)
      --defer-accept SECONDS   accept once a client has said something
      --pidfile FILE           keep the process id in FILE, locked
      --log text|json|syslog   log lines, JSON or to the system's log (text)
  -1                           print the port once it serves
  -v, --verbose                log details
  -q, --quiet                  log no accept and end of connections
  -h, --help                   show this
  -V, --version                show the version
Signals: TERM and INT stop (a second one skips the wait), QUIT stops without a
wait, USR1 logs the status. Exit: 0 told to stop, 100 usage, 111 system trouble.
";

const VERSION: &str = concat!("mpserv ", env!("CARGO_PKG_VERSION"), "\n");

const SHORT: &CStr = c"+:c:C:b:t:1vqhV";

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

static OPTIONS: [LongOption; 21] = [
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
    LongOption::END,
];

/// The longest line of an error.
const LINE_MAX: usize = 512;
/// The longest message to a client over the limit of its source, with its line's end.
const MESSAGE_MAX: usize = 512;

/// How much of an argument is shown when it is wrong.
const SHOWN_MAX: usize = 80;

/// Why the command line is wrong: what is, why, and what to do.
type Wrong = Text<LINE_MAX>;

fn main(args: Args) -> c_int {
    if args.len() <= 1 {
        return print(STDERR, SHORT_USAGE, USAGE);
    }
    own_the_process();
    let mut message = Text::new();
    match serve(args, &mut message) {
        Ok(status) => status,
        Err((line, status)) => print(STDERR, Text::<LINE_MAX>::of(format_args!("mpserv: {line}\n")).as_str(), status),
    }
}

/// Undoes what whoever started this process has left in it, and programs that it runs are not to find.
fn own_the_process() {
    // A connection is not to become descriptor 0, 1 or 2, where a program's own are, and the log goes.
    for standard in [fd::STDIN, STDOUT, STDERR] {
        if !fd::is_open(standard) {
            // Where there is no /dev/null, a connection may come there: such a program is refused to run.
            if let Ok(null) = open(c"/dev/null", OpenFlags::RDWR, 0) {
                let _ = null.into_raw();
            }
        }
    }
    // A kernel that cannot do that leaves programs what this one was given.
    let _ = fd::close_range_on_exec(FIRST_NOT_STANDARD);
    default_all();
}

/// The first descriptor after standard error.
const FIRST_NOT_STANDARD: core::ffi::c_uint = 3;

/// Prints and returns `status`, or [`TROUBLE`] where it could not be printed.
fn print(to: BorrowedFd<'_>, text: &str, status: c_int) -> c_int {
    if fd::write_all(to, text.as_bytes()).is_ok() { status } else { TROUBLE }
}

/// Serves as the command line says, and returns the status to exit with.
fn serve(args: Args, message: &mut Text<MESSAGE_MAX>) -> Result<c_int, (Wrong, c_int)> {
    let usage = |wrong: Wrong| (wrong, USAGE);
    let options = Options::parse(args, message).map_err(usage)?;
    if let Some(text) = options.show {
        return Ok(print(STDOUT, text, DONE));
    }
    let mut server = options.server;
    if let Some(limit) = options.per_source {
        server = server.max_per_source(limit, message.as_str());
    }
    let error = |error: mpserv::server::Error| {
        (Text::of(format_args!("{error}")), if error.is_usage() { USAGE } else { TROUBLE })
    };
    let bound = server.bind().map_err(error)?;
    let stopped = match options.program {
        Some(first) => bound.serve_program(args.from(first)),
        None => bound.serve_builtin(options.service.unwrap_or(Service::Echo)),
    };
    stopped.map(|_| DONE).map_err(error)
}

/// What the command line says.
struct Options {
    /// A text to print in place of serving.
    show: Option<&'static str>,
    server: Server<'static>,
    /// The limit of `--max-per-source`, whose message is in a buffer of its own.
    per_source: Option<u32>,
    service: Option<Service>,
    /// The index of the program's name.
    program: Option<usize>,
}

impl Options {
    fn parse(args: Args, message: &mut Text<MESSAGE_MAX>) -> Result<Options, Wrong> {
        let mut server = Server::new().last_act(true);
        let (mut per_source, mut service, mut has_idle_timeout, mut listens) = (None, None, false, false);
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
                BACKLOG => server.backlog(argument.number("--backlog", c_int::MAX.cast_unsigned())?),
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
                ANNOUNCE => server.announce(true),
                VERBOSE => server.verbosity(Verbosity::Verbose),
                QUIET => server.verbosity(Verbosity::Quiet),
                SHOW_HELP => return Ok(Options { show: Some(HELP), server, per_source, service, program: None }),
                _ => return Ok(Options { show: Some(VERSION), server, per_source, service, program: None }),
            };
        }
        let mut next = getopt.index();
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
        Ok(Options { show: None, server, per_source, service, program })
    }
}

/// What only a letter stands for.
const ANNOUNCE: c_int = b'1' as c_int;

/// The long option's value for a letter.
fn short_as_long(option: c_int) -> c_int {
    match u8::try_from(option) {
        Ok(b'c') => MAX_CHILDREN,
        Ok(b'C') => MAX_PER_SOURCE,
        Ok(b'b') => BACKLOG,
        Ok(b't') => IDLE_TIMEOUT,
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
/// How many digits a time has after its point.
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

    /// What stands before `separator`, and what stands after it.
    fn split(self, separator: u8) -> (Value, Option<Value>) {
        match self.0.iter().position(|&byte| byte == separator) {
            Some(at) => (Value(&self.0[..at]), Some(Value(&self.0[at + 1..]))),
            None => (self, None),
        }
    }

    /// A number in digits and nothing else, which the standard library would also take a sign before.
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
