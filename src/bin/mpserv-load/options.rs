//! The command line.

use core::ffi::CStr;
use core::fmt;
use core::time::Duration;

use mpserv::getopt::Name;
use mpserv::options::{OptionSpec, OptionTable, Parsed};
use mpserv::program::Args;

use crate::target::Target;

/// The options.
#[derive(Clone, Copy)]
enum Choice {
    Workers,
    Seconds,
    Count,
    Rate,
    Keep,
    Size,
    Send,
    Expect,
    Idle,
    Timeout,
    Reset,
    Json,
    Quiet,
    Help,
    Version,
}

use Choice as C;
use OptionSpec as O;

const RATE_HELP: &str = "\
begin N connections a second, whether earlier ones are done
or not; each is timed from when it was due. Without this,
each process begins the next when one is done";

#[rustfmt::skip]
static TABLE: OptionTable<Choice> = OptionTable::new(&[
    O::new(C::Workers, b'w', c"workers", "N", "use N processes; each makes one connection at a time (1)"),
    O::new(C::Seconds, b's', c"seconds", "S", "go on for so long (10, unless --count is given)"),
    O::new(C::Count, b'n', c"count", "N", "make N connections in all"),
    O::new(C::Rate, b'r', c"rate", "N", RATE_HELP),
    O::new(C::Keep, b'k', c"keep", "N", "make N requests on each connection (1)"),
    O::new(C::Size, b'z', c"size", "N", "a request has N bytes (64)"),
    O::new(C::Send, 0, c"send", "TEXT", "send this text instead"),
    O::new(C::Expect, 0, c"expect", "TEXT", "expect this answer to it (the text)"),
    O::new(C::Idle, b'i', c"idle", "N", "hold N more connections open; with -w 0, do only that"),
    O::new(C::Timeout, b't', c"timeout", "S", "a connection may take so long (10)"),
    O::new(C::Reset, 0, c"reset", "", "reset connections instead of closing them: no TIME_WAIT"),
    O::new(C::Json, b'j', c"json", "", "print the report as JSON"),
    O::new(C::Quiet, b'q', c"quiet", "", "print no progress"),
    O::new(C::Help, b'h', c"help", "", "print this text"),
    O::new(C::Version, b'V', c"version", "", "print the version"),
]);

/// The text of `--help`.
pub(crate) struct Help;

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEFORE}{TABLE}{AFTER}")
    }
}

const BEFORE: &str = "\
Usage: mpserv-load [OPTION]... ADDRESS
Connects to an echo server, sends, reads the answer, compares every byte and
closes; prints how fast that went.
ADDRESS is PORT (of 127.0.0.1), IPv4:PORT, [IPv6]:PORT or unix:PATH.

";

const AFTER: &str = "
Exit status: 0 all went well, 1 a connection failed, 100 usage, 111 system.
";

/// The exchange on a connection.
#[derive(Clone, Copy)]
pub(crate) enum Talk {
    /// This number of bytes, different each time, which the server must send back unchanged.
    Pattern(u64),
    /// A text and its answer.
    Text { send: &'static [u8], expect: &'static [u8] },
}

/// The run that the user requested.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) workers: u32,
    pub(crate) time: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) rate: Option<f64>,
    pub(crate) keep: u64,
    pub(crate) talk: Talk,
    pub(crate) idle: u32,
    pub(crate) timeout: Duration,
    pub(crate) reset: bool,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

#[expect(clippy::large_enum_variant, reason = "there is one of it, and no allocator")]
pub(crate) enum Task {
    Run(Plan),
    Help,
    Version,
}

/// An error in a command line.
pub(crate) enum Mistake {
    Unknown(Name),
    Missing(Name),
    /// The option's name, its argument, and the allowed arguments.
    Value(&'static CStr, &'static CStr, &'static str),
    Address(&'static CStr),
    NoAddress,
    More(&'static CStr),
    ExpectAlone,
    Nothing,
    Internal,
}

const WORKERS_MAX: u32 = 4096;
const IDLE_MAX: u32 = 1_000_000;
const SIZE_MAX: u64 = 1 << 40;
const RATE_MAX: f64 = 1e9;
/// The longest time in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;
const TIME: Duration = Duration::from_secs(10);
const SIZE: u64 = 64;

/// Parses a whole number from `least` to `most`.
fn whole(name: &'static CStr, text: &'static CStr, least: u64, most: u64, range: &'static str) -> Result<u64, Mistake> {
    let number = text.to_str().ok().and_then(|text| text.parse().ok());
    number.filter(|number| (least..=most).contains(number)).ok_or(Mistake::Value(name, text, range))
}

/// Parses a number above 0 and up to `most`. A fraction is allowed.
fn positive(name: &'static CStr, text: &'static CStr, most: f64, range: &'static str) -> Result<f64, Mistake> {
    let number = text.to_str().ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|&number| number > 0.0 && number <= most).ok_or(Mistake::Value(name, text, range))
}

fn seconds(name: &'static CStr, text: &'static CStr) -> Result<Duration, Mistake> {
    positive(name, text, SECONDS_MAX, "seconds, more than 0 and at most 86400").map(Duration::from_secs_f64)
}

fn small(name: &'static CStr, text: &'static CStr, most: u32, range: &'static str) -> Result<u32, Mistake> {
    whole(name, text, 0, most.into(), range).map(|number| number as u32)
}

pub(crate) fn parse(args: Args) -> Result<Task, Mistake> {
    let mut plan = Plan {
        target: Target::parse(c"1").ok_or(Mistake::Internal)?,
        workers: 1,
        time: None,
        count: None,
        rate: None,
        keep: 1,
        talk: Talk::Pattern(SIZE),
        idle: 0,
        timeout: TIME,
        reset: false,
        json: false,
        quiet: false,
    };
    let (mut send, mut expect) = (None, None);
    let mut options = TABLE.parse(args).ok_or(Mistake::Internal)?;
    for found in options.by_ref() {
        let (spec, choice, text) = match found {
            Parsed::Option(spec, choice, text) => (spec, choice, text),
            Parsed::Unknown(name) => return Err(Mistake::Unknown(name)),
            Parsed::Missing(name) => return Err(Mistake::Missing(name)),
        };
        let name = spec.name();
        match choice {
            C::Workers => plan.workers = small(name, text, WORKERS_MAX, "a number of processes, at most 4096")?,
            C::Seconds => plan.time = Some(seconds(name, text)?),
            C::Count => plan.count = Some(whole(name, text, 1, u64::MAX, "a number of connections, at least 1")?),
            C::Rate => plan.rate = Some(positive(name, text, RATE_MAX, "connections a second, more than 0")?),
            C::Keep => plan.keep = whole(name, text, 1, u64::MAX, "a number of requests, at least 1")?,
            C::Size => plan.talk = Talk::Pattern(whole(name, text, 1, SIZE_MAX, "a number of bytes, 1 to 2^40")?),
            C::Send => send = Some(text.to_bytes()),
            C::Expect => expect = Some(text.to_bytes()),
            C::Idle => plan.idle = small(name, text, IDLE_MAX, "a number of connections, at most 1000000")?,
            C::Timeout => plan.timeout = seconds(name, text)?,
            C::Reset => plan.reset = true,
            C::Json => plan.json = true,
            C::Quiet => plan.quiet = true,
            C::Help => return Ok(Task::Help),
            C::Version => return Ok(Task::Version),
        }
    }
    let index = options.index();
    let address = args.get(index).ok_or(Mistake::NoAddress)?;
    plan.target = Target::parse(address).ok_or(Mistake::Address(address))?;
    if let Some(more) = args.get(index + 1) {
        return Err(Mistake::More(more));
    }
    match (send, expect) {
        (Some(send), expect) => plan.talk = Talk::Text { send, expect: expect.unwrap_or(send) },
        (None, Some(_)) => return Err(Mistake::ExpectAlone),
        (None, None) => {}
    }
    if plan.workers == 0 && plan.idle == 0 {
        return Err(Mistake::Nothing);
    }
    if plan.time.is_none() && (plan.count.is_none() || plan.workers == 0) {
        plan.time = Some(TIME);
    }
    Ok(Task::Run(plan))
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Missing(name) => write!(f, "{name} needs a value"),
            Mistake::Unknown(name @ Name::Letter(_)) => write!(f, "there is no option {name}"),
            Mistake::Unknown(name) => {
                write!(f, "{name}: no such option, or not enough of its name, or it takes no value")
            }
            Mistake::Value(name, text, range) => {
                write!(f, "--{} {}: it takes {range}", name.to_bytes().escape_ascii(), text.to_bytes().escape_ascii())
            }
            Mistake::Address(text) => {
                write!(f, "{}: an address is PORT, IPv4:PORT, [IPv6]:PORT or unix:PATH", text.to_bytes().escape_ascii())
            }
            Mistake::NoAddress => f.write_str("no ADDRESS: where is the server?"),
            Mistake::More(text) => {
                write!(f, "{}: options come before the one ADDRESS", text.to_bytes().escape_ascii())
            }
            Mistake::ExpectAlone => f.write_str("--expect goes with --send"),
            Mistake::Nothing => f.write_str("no --workers and nothing --idle: there is nothing to do"),
            Mistake::Internal => f.write_str("the options cannot be read"),
        }
    }
}
