//! Parses the arguments of options.

use core::ffi::CStr;
use core::fmt::{self, Write as _};
use core::str::FromStr;
use core::time::Duration;

use mpserv::process::{INFINITY, Limit, Resource};
use mpserv::server::limits::{MODE_MAX, SECONDS_LIMIT};
use mpserv::text::Text;

/// The longest line of an error.
pub(crate) const LINE_MAX: usize = 512;
/// The most bytes of a wrong argument that an error shows.
const SHOWN_MAX: usize = 80;
/// The most digits after the decimal point of a time.
const DECIMALS: usize = 3;
/// The base of the digits of a file's permissions.
const OCTAL: u32 = 8;
/// The shortest time above 0.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// The error of a wrong command line: the word, the reason, and a hint.
pub(crate) type Wrong = Text<LINE_MAX>;

/// Returns an error with this text.
pub(super) fn wrong(text: fmt::Arguments<'_>) -> Wrong {
    Text::of(text)
}

/// The word of the command line that holds a value.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    /// A long option.
    Option(&'static CStr),
    /// An operand: `ADDRESS` or `PROGRAM`.
    Operand(&'static str),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Option(name) => write!(f, "--{}", name.to_bytes().escape_ascii()),
            Subject::Operand(name) => f.write_str(name),
        }
    }
}

/// An argument, or a part of an argument.
#[derive(Clone, Copy)]
pub(super) struct Value {
    subject: Subject,
    bytes: &'static [u8],
}

impl Value {
    pub(super) const fn new(subject: Subject, text: &'static CStr) -> Value {
        Value { subject, bytes: text.to_bytes() }
    }

    /// Returns an error about this value. `why` is the reason.
    pub(super) fn wrong(self, why: &str) -> Wrong {
        let shown = Text::<SHOWN_MAX>::of(format_args!("{}", self.bytes.escape_ascii()));
        wrong(format_args!("{} \"{shown}\": {why}", self.subject))
    }

    pub(super) fn str(self) -> Result<&'static str, Wrong> {
        core::str::from_utf8(self.bytes).map_err(|_| self.wrong("this is not UTF-8"))
    }

    pub(super) fn begins_with(self, prefix: &[u8]) -> bool {
        self.bytes.starts_with(prefix)
    }

    /// Whether the value is the address of a Unix socket with a file, and not a name in the abstract namespace.
    pub(super) fn is_socket_file(self) -> bool {
        self.begins_with(b"unix:") && !self.begins_with(b"unix:@")
    }

    /// Splits the value at the first `separator`.
    pub(super) fn split(self, separator: u8) -> (Value, Option<Value>) {
        let part = |bytes| Value { bytes, ..self };
        match self.bytes.iter().position(|&byte| byte == separator) {
            Some(at) => (part(&self.bytes[..at]), Some(part(&self.bytes[at + 1..]))),
            None => (self, None),
        }
    }

    /// Parses a number that has digits only. Rust's own parser would also accept a sign.
    fn digits<N: FromStr>(self) -> Option<N> {
        let is_number = !self.bytes.is_empty() && self.bytes.iter().all(u8::is_ascii_digit);
        core::str::from_utf8(self.bytes).ok().filter(|_| is_number)?.parse().ok()
    }

    /// Parses a number from 1 to `limit`.
    pub(super) fn number(self, limit: u32) -> Result<u32, Wrong> {
        self.digits().filter(|number| (1..=limit).contains(number)).ok_or_else(|| {
            let why = Text::<LINE_MAX>::of(format_args!("it is a number from 1 to {limit}"));
            self.wrong(why.as_str())
        })
    }

    /// Parses the permissions of a file, which are octal digits.
    pub(super) fn mode(self) -> Result<u32, Wrong> {
        let is_octal = !self.bytes.is_empty() && self.bytes.iter().all(|byte| (b'0'..=b'7').contains(byte));
        let mode = core::str::from_utf8(self.bytes).ok().filter(|_| is_octal);
        let mode = mode.and_then(|digits| u32::from_str_radix(digits, OCTAL).ok()).filter(|mode| *mode <= MODE_MAX);
        mode.ok_or_else(|| self.wrong("it is an octal number from 0 to 777, such as 660"))
    }

    /// Parses a word by `find`. `why` names the allowed words.
    pub(super) fn word<T>(self, find: impl FnOnce(&str) -> Option<T>, why: &str) -> Result<T, Wrong> {
        find(self.str()?).ok_or_else(|| self.wrong(why))
    }

    /// Parses one of two words. Returns whether the value is the first word.
    pub(super) fn choice(self, first: &str, second: &str) -> Result<bool, Wrong> {
        match self.bytes {
            word if word == first.as_bytes() => Ok(true),
            word if word == second.as_bytes() => Ok(false),
            _ => {
                let why = Text::<LINE_MAX>::of(format_args!("it is {first} or {second}"));
                Err(self.wrong(why.as_str()))
            }
        }
    }

    /// Parses a limit: `NAME=N` or `NAME=unlimited`.
    pub(super) fn limit(self) -> Result<(Resource, Limit), Wrong> {
        let (name, number) = self.split(b'=');
        let number = number.ok_or_else(|| self.wrong("it is NAME=N"))?;
        let resource = Resource::from_name(name.str()?).ok_or_else(|| {
            let mut names = Text::<LINE_MAX>::of(format_args!("the name is one of"));
            // The text has room for all names.
            let _ = Resource::names().try_for_each(|name| write!(names, " {name}"));
            name.wrong(names.as_str())
        })?;
        let limit = if number.bytes == b"unlimited" { Some(INFINITY) } else { number.digits() };
        let limit = limit.ok_or_else(|| number.wrong("it is a number, or unlimited"))?;
        Ok((resource, Limit { soft: limit, hard: limit }))
    }

    /// Parses a time in seconds, with up to three decimals.
    pub(super) fn seconds(self, shortest: Duration) -> Result<Duration, Wrong> {
        let (whole, decimals) = self.split(b'.');
        let millis = match decimals {
            None => Some(0),
            Some(decimals) if decimals.bytes.len() > DECIMALS => None,
            Some(decimals) => {
                let unit = [100, 10, 1].get(decimals.bytes.len().wrapping_sub(1)).copied().unwrap_or(0);
                decimals.digits::<u64>().map(|number| number * unit)
            }
        };
        let time = whole.digits::<u64>().filter(|seconds| *seconds <= SECONDS_LIMIT).zip(millis);
        let time = time.map(|(seconds, millis)| Duration::from_secs(seconds) + Duration::from_millis(millis));
        time.filter(|time| *time >= shortest).ok_or_else(|| {
            let shortest = shortest.as_secs_f32();
            let why =
                Text::<LINE_MAX>::of(format_args!("it is a number of seconds from {shortest} to {SECONDS_LIMIT}"));
            self.wrong(why.as_str())
        })
    }
}
