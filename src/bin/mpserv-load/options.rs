//! The command line.

use core::ffi::{CStr, c_int};
use core::fmt;
use core::time::Duration;

use mpserv::getopt::{Getopt, HasArg, LongOption, Name, Opt};
use mpserv::program::Args;

use crate::target::Target;

pub(crate) const HELP: &str = "\
Usage: mpserv-load [OPTION]... ADDRESS
Connects to an echo server, sends, reads back, compares every byte and closes; says how fast that went.
ADDRESS is PORT (of 127.0.0.1), IPv4:PORT, [IPv6]:PORT or unix:PATH.

  -w, --workers N     processes, each of which makes one connection after another (1)
  -s, --seconds S     for how long (10, unless --count is given)
  -n, --count N       how many connections in all
  -r, --rate N        begin so many connections a second, whether earlier ones are done or not; each is timed from
                      when it was due. Without, each process begins the next when one is done
  -k, --keep N        requests on each connection (1)
  -z, --size N        bytes of a request (64)
      --send TEXT     send this instead, as it stands
      --expect TEXT   and expect this answer (the same)
  -i, --idle N        hold so many more connections open meanwhile; with --workers 0, do only that
  -t, --timeout S     how long a connection may take (10)
      --reset         reset connections when they are closed (SO_LINGER 0): no TIME_WAIT, not even for the client
  -j, --json          the report for machines
  -q, --quiet         no progress
  -h, --help          this text
  -V, --version       the version

Exit status: 0 all went well, 1 some connection did not, 100 wrong usage, 111 system error.
";

/// What is said on a connection.
#[derive(Clone, Copy)]
pub(crate) enum Talk {
    /// So many bytes, different each time, that come back as they are.
    Pattern(u64),
    /// A text and its answer.
    Text { send: &'static [u8], expect: &'static [u8] },
}

/// What the user asked for.
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

/// What is wrong with a command line.
pub(crate) enum Mistake {
    Option(Opt),
    Value(&'static str, &'static CStr, &'static str),
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
/// A day.
const SECONDS_MAX: f64 = 86_400.0;
const TIME: Duration = Duration::from_secs(10);
const SIZE: u64 = 64;

const LETTERS: &CStr = c"+:w:s:n:r:k:z:i:t:jqhV";

/// What [`Getopt`] gives for a long option: its letter, where it has one, and this.
const LONG: c_int = 0x100;

const fn long(name: &'static CStr, has_arg: HasArg, letter: u8) -> LongOption {
    LongOption::new(name, has_arg, LONG | letter as c_int)
}

static OPTIONS: [LongOption; 16] = [
    long(c"workers", HasArg::Required, b'w'),
    long(c"seconds", HasArg::Required, b's'),
    long(c"count", HasArg::Required, b'n'),
    long(c"rate", HasArg::Required, b'r'),
    long(c"keep", HasArg::Required, b'k'),
    long(c"size", HasArg::Required, b'z'),
    long(c"send", HasArg::Required, b'S'),
    long(c"expect", HasArg::Required, b'E'),
    long(c"idle", HasArg::Required, b'i'),
    long(c"timeout", HasArg::Required, b't'),
    long(c"reset", HasArg::No, b'R'),
    long(c"json", HasArg::No, b'j'),
    long(c"quiet", HasArg::No, b'q'),
    long(c"help", HasArg::No, b'h'),
    long(c"version", HasArg::No, b'V'),
    LongOption::END,
];

/// A whole number from `least` to `most`.
fn whole(name: &'static str, text: &'static CStr, least: u64, most: u64, range: &'static str) -> Result<u64, Mistake> {
    let number = text.to_str().ok().and_then(|text| text.parse().ok());
    number.filter(|number| (least..=most).contains(number)).ok_or(Mistake::Value(name, text, range))
}

/// A number above 0 and up to `most`, which may have a fraction.
fn positive(name: &'static str, text: &'static CStr, most: f64, range: &'static str) -> Result<f64, Mistake> {
    let number = text.to_str().ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|&number| number > 0.0 && number <= most).ok_or(Mistake::Value(name, text, range))
}

fn seconds(name: &'static str, text: &'static CStr) -> Result<Duration, Mistake> {
    positive(name, text, SECONDS_MAX, "seconds, more than 0 and at most 86400").map(Duration::from_secs_f64)
}

fn small(name: &'static str, text: &'static CStr, most: u32, range: &'static str) -> Result<u32, Mistake> {
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
    let mut options = Getopt::new(args, LETTERS, &OPTIONS).ok_or(Mistake::Internal)?;
    for found in options.by_ref() {
        let Opt::Option(value, argument) = found else { return Err(Mistake::Option(found)) };
        let text = argument.unwrap_or_default();
        match (value & !LONG) as u8 {
            b'w' => plan.workers = small("workers", text, WORKERS_MAX, "a number of processes, at most 4096")?,
            b's' => plan.time = Some(seconds("seconds", text)?),
            b'n' => plan.count = Some(whole("count", text, 1, u64::MAX, "a number of connections, at least 1")?),
            b'r' => plan.rate = Some(positive("rate", text, RATE_MAX, "connections a second, more than 0")?),
            b'k' => plan.keep = whole("keep", text, 1, u64::MAX, "a number of requests, at least 1")?,
            b'z' => plan.talk = Talk::Pattern(whole("size", text, 1, SIZE_MAX, "a number of bytes, 1 to 2^40")?),
            b'S' => send = Some(text.to_bytes()),
            b'E' => expect = Some(text.to_bytes()),
            b'i' => plan.idle = small("idle", text, IDLE_MAX, "a number of connections, at most 1000000")?,
            b't' => plan.timeout = seconds("timeout", text)?,
            b'R' => plan.reset = true,
            b'j' => plan.json = true,
            b'q' => plan.quiet = true,
            b'h' => return Ok(Task::Help),
            b'V' => return Ok(Task::Version),
            _ => return Err(Mistake::Internal),
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
            Mistake::Option(Opt::Missing(name)) => write!(f, "{name} needs a value"),
            Mistake::Option(Opt::Unknown(name @ Name::Letter(_))) => write!(f, "there is no option {name}"),
            Mistake::Option(Opt::Unknown(name)) => {
                write!(f, "{name}: no such option, or not enough of its name, or it takes no value")
            }
            Mistake::Value(name, text, range) => {
                write!(f, "--{name} {}: it takes {range}", text.to_bytes().escape_ascii())
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
            Mistake::Option(Opt::Option(..)) | Mistake::Internal => f.write_str("the options cannot be read"),
        }
    }
}
