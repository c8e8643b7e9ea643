//! Rules: they say which clients may connect, by network, and how many at once.
//!
//! A file has one rule per line, and `#` begins a comment. The first rule that matches a client decides. A client that
//! no rule matches is allowed, unless the file ends in `deny all`.
//!
//! ```text
//! # An office, with one machine that is not welcome, and at most 5 connections for each of the others.
//! deny  192.0.2.7
//! allow 192.0.2.0/24     max-per-source=5
//! allow 2001:db8::/32    max-children=20
//! allow unix
//! deny  all
//! ```
//!
//! | word | matches |
//! |---|---|
//! | `192.0.2.7`, `2001:db8::1` | that address |
//! | `192.0.2.0/24`, `2001:db8::/32` | a network; no bit beyond the length may be set |
//! | `unix` | every client of a Unix socket |
//! | `all` | every client |
//!
//! A client over IPv4 counts as such even if it came to a socket for IPv6. So `0.0.0.0/0` matches every client over
//! IPv4, and `::/0` matches only clients over IPv6. `::ffff:192.0.2.0/120` means `192.0.2.0/24`.
//!
//! | limit, of `allow` | meaning |
//! |---|---|
//! | `max-per-source=N` | at most N connections at once of each source, in place of the server's own limit |
//! | `max-children=N` | at most N connections at once of all clients that this rule allows |
//!
//! # Example
//! ```
//! use mpserv::server::rules::Rules;
//!
//! let rules = Rules::parse(b"allow 192.0.2.0/24 max-per-source=5\ndeny all\n").expect("both lines are rules");
//! assert_eq!(rules.len(), 2);
//! ```

use core::ffi::CStr;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU32;

use super::error::{self, Error, Reason};
use super::source::{mask_v4, mask_v6};
use crate::program::text::Text;
use crate::sys::errno::Errno;
use crate::sys::fd::read_all;
use crate::sys::fs::{OpenFlags, fstat, open};
use crate::sys::memory::MapVec;

/// The highest number of rules. A client is compared with each rule until one matches.
pub const RULES_MAX: usize = 16_384;
/// The longest file of rules.
pub const FILE_MAX: usize = 1 << 20;
/// The number of bytes that are shown of a wrong word.
const WORD_MAX: usize = 64;

/// The action of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The client is served.
    Allow,
    /// The connection is closed.
    Deny,
}

/// The clients that a rule matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Network {
    All,
    Unix,
    V4 { address: u32, mask: u32 },
    V6 { address: u128, mask: u128 },
}

impl Network {
    fn contains(&self, client: Client) -> bool {
        match (*self, client) {
            (Network::All, _) | (Network::Unix, Client::Unix) => true,
            (Network::V4 { address, mask }, Client::Ip(IpAddr::V4(client))) => client.to_bits() & mask == address,
            (Network::V6 { address, mask }, Client::Ip(IpAddr::V6(client))) => client.to_bits() & mask == address,
            _ => false,
        }
    }
}

/// The part of a client's address that rules compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// A client over TCP, from this address. An IPv4 address that is mapped into IPv6 must be given as IPv4.
    Ip(IpAddr),
    /// A client through a Unix socket.
    Unix,
    /// Any other client. Only `all` matches such a client.
    Other,
}

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    network: Network,
    /// The action for the clients that the rule matches.
    pub action: Action,
    /// The highest number of connections at once of each source that the rule allows.
    pub max_per_source: Option<NonZeroU32>,
    /// The highest number of connections at once of all clients that the rule allows.
    pub max_children: Option<NonZeroU32>,
}

/// The rules of a file, in their order.
#[derive(Debug)]
pub struct Rules(MapVec<Rule>);

/// A line that is no rule.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The number of the line, from 1.
    pub line: usize,
    /// The reason why the line is no rule.
    pub reason: &'static str,
    /// A hint for the user.
    pub hint: &'static str,
    word: Text<WORD_MAX>,
}

impl Mistake {
    /// Returns the wrong word, cut to a length that suits a message.
    #[must_use]
    pub fn word(&self) -> &str {
        self.word.as_str()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.line, self.word, self.reason, self.hint)
    }
}

/// The reason why the rules could not be read.
#[derive(Clone, Copy, Debug)]
pub enum RulesError {
    /// The file could not be read, or there was no memory for the rules. The error is `EFBIG` when the file is longer
    /// than [`FILE_MAX`].
    System(Errno),
    /// The file is a FIFO, a device or the like, so nothing tells whether all rules have come.
    NotRegular,
    /// A line of the file is no rule.
    Line(Mistake),
}

impl From<Errno> for RulesError {
    fn from(errno: Errno) -> RulesError {
        RulesError::System(errno)
    }
}

/// The reason why a word is wrong, and a hint for the user.
type Wrong = (&'static str, &'static str);

const NOT_AN_ACTION: Wrong = ("a rule begins with allow or deny", "write one of them, or # for a comment");
const NO_NETWORK: Wrong = ("there is no network", "write an address, a network such as 192.0.2.0/24, unix or all");
const NOT_A_NETWORK: Wrong = ("this is no network", "write an address, a network such as 192.0.2.0/24, unix or all");
const BAD_LENGTH: Wrong = ("the length of this network is no number in range", "0 to 32 for IPv4, 0 to 128 for IPv6");
const HOST_BITS: Wrong = ("bits beyond the network's length are set", "set them to 0, or leave out the length");
const NOT_A_LIMIT: Wrong = ("this is no limit", "write max-per-source=N or max-children=N, with N of 1 or more");
const TWICE: Wrong = ("this limit is here twice", "leave one of them out");
const LIMIT_OF_DENY: Wrong = ("a network that is denied has no limits", "leave it out, or write allow");
const TOO_MANY: Wrong = ("there are more than 16384 rules", "join networks, or leave rules out");

impl Rules {
    /// Reads the rules of a file.
    ///
    /// # Errors
    /// Returns a [`RulesError`] if the file cannot be read, or if a line is no rule.
    pub fn read(path: &CStr) -> Result<Rules, RulesError> {
        // Without NONBLOCK, opening a FIFO would wait for a writer.
        let file = open(path, OpenFlags::RDONLY | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK, 0)?;
        // A FIFO without a writer is at its end at once, and so would give no rules and deny nothing.
        if !fstat(&file)?.is_regular() {
            return Err(RulesError::NotRegular);
        }
        // The buffer has one byte more than a file may have, to notice a longer file.
        let mut text = MapVec::zeroed(FILE_MAX + 1)?;
        let text = read_all(&file, &mut text)?;
        if text.len() > FILE_MAX {
            return Err(RulesError::System(Errno::FBIG));
        }
        Rules::parse(text)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// Returns a [`RulesError`] if a line is no rule, or if there is no memory for the rules.
    pub fn parse(text: &[u8]) -> Result<Rules, RulesError> {
        let lines = || text.split(|&byte| byte == b'\n').map(words);
        let count = lines().filter(|words| words.clone().next().is_some()).count();
        let mut rules = MapVec::with_capacity(count.min(RULES_MAX))?;
        for (index, mut words) in lines().enumerate() {
            let Some(first) = words.next() else { continue };
            let rule = Rule::parse(first, &mut words).and_then(|rule| rules.push(rule).map_err(|_| (first, TOO_MANY)));
            if let Err((word, (reason, hint))) = rule {
                let word = Text::of(format_args!("{}", word.escape_ascii()));
                return Err(RulesError::Line(Mistake { line: index + 1, reason, hint, word }));
            }
        }
        Ok(Rules(rules))
    }

    /// Reads the rules of a file. The error's text is for the operator.
    pub(super) fn load(path: &CStr) -> error::Result<Rules> {
        let file = path.to_bytes().escape_ascii();
        Rules::read(path).map_err(|error| match error {
            RulesError::System(errno) => {
                let hint = match errno {
                    Errno::FBIG => "it is longer than 1 MiB: join networks",
                    Errno::ACCES => "the server's user is to be allowed to read it",
                    _ => "name a file that is there; with --chroot, in there",
                };
                Error::new(format_args!("cannot read the rules in {file}"), Reason::System(errno), hint)
            }
            RulesError::NotRegular => {
                let reason = Reason::State("this is not a regular file");
                Error::new(format_args!("cannot read the rules in {file}"), reason, "name a file")
            }
            RulesError::Line(mistake) => {
                let reason = Reason::Usage(mistake.reason);
                Error::new(format_args!("{file}:{}: {}", mistake.line, mistake.word()), reason, mistake.hint)
            }
        })
    }

    /// Returns the index of the first rule that matches a client, and the rule.
    pub(super) fn position(&self, client: Client) -> Option<(u32, &Rule)> {
        (0..).zip(self.0.iter()).find(|(_, rule)| rule.matches(client))
    }

    /// Returns the first rule that matches a client.
    #[must_use]
    pub fn find(&self, client: Client) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.matches(client))
    }

    /// Returns the number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the words of a line, without its comment.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let text = line.split(|&byte| byte == b'#').next().unwrap_or_default();
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

impl Rule {
    /// Whether the rule matches a client. An earlier rule may match the same client.
    pub(super) fn matches(&self, client: Client) -> bool {
        self.network.contains(client)
    }

    fn parse<'w>(first: &'w [u8], words: &mut impl Iterator<Item = &'w [u8]>) -> Result<Rule, (&'w [u8], Wrong)> {
        let action = match first {
            b"allow" => Action::Allow,
            b"deny" => Action::Deny,
            _ => return Err((first, NOT_AN_ACTION)),
        };
        let word = words.next().ok_or((first, NO_NETWORK))?;
        let network = parse_network(word).map_err(|wrong| (word, wrong))?;
        let mut rule = Rule { network, action, max_per_source: None, max_children: None };
        for word in words {
            rule.add_limit(word).map_err(|wrong| (word, wrong))?;
        }
        Ok(rule)
    }

    fn add_limit(&mut self, word: &[u8]) -> Result<(), Wrong> {
        let word = core::str::from_utf8(word).map_err(|_| NOT_A_LIMIT)?;
        let (name, number) = word.split_once('=').ok_or(NOT_A_LIMIT)?;
        let limit = match name {
            "max-per-source" => &mut self.max_per_source,
            "max-children" => &mut self.max_children,
            _ => return Err(NOT_A_LIMIT),
        };
        let number = decimal(number).and_then(NonZeroU32::new).ok_or(NOT_A_LIMIT)?;
        if self.action == Action::Deny {
            return Err(LIMIT_OF_DENY);
        }
        if limit.replace(number).is_some() { Err(TWICE) } else { Ok(()) }
    }
}

/// Parses a number that has digits only. Rust's own parser would also accept a plus sign.
fn decimal(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn parse_network(word: &[u8]) -> Result<Network, Wrong> {
    let word = core::str::from_utf8(word).map_err(|_| NOT_A_NETWORK)?;
    match word {
        "all" => return Ok(Network::All),
        "unix" => return Ok(Network::Unix),
        _ => {}
    }
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| NOT_A_NETWORK)?;
    let most = match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    };
    let length = match length {
        Some(digits) => decimal(digits).filter(|length| *length <= most).ok_or(BAD_LENGTH)?,
        None => most,
    };
    let network = match address {
        IpAddr::V4(address) => v4(address.to_bits(), length),
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), length.checked_sub(MAPPED_PREFIX)) {
            (Some(address), Some(length)) => v4(address.to_bits(), length),
            _ => v6(address.to_bits(), length),
        },
    };
    network.ok_or(HOST_BITS)
}

/// The bits before an IPv4 address that is mapped into IPv6.
const MAPPED_PREFIX: u32 = Ipv6Addr::BITS - Ipv4Addr::BITS;

/// Returns an IPv4 network. Returns `None` if the address has bits beyond the length.
fn v4(address: u32, length: u32) -> Option<Network> {
    let mask = mask_v4(length);
    (address & !mask == 0).then_some(Network::V4 { address, mask })
}

/// Returns an IPv6 network. Returns `None` if the address has bits beyond the length.
fn v6(address: u128, length: u32) -> Option<Network> {
    let mask = mask_v6(length);
    (address & !mask == 0).then_some(Network::V6 { address, mask })
}

#[cfg(test)]
mod tests;
