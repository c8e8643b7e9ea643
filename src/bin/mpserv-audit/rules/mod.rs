//! What may differ between two runs of equal programs, as named rules, each with its reason.
//!
//! A rule replaces a value by a name for it; none drops a call, but where calls have no end. Where values stand for
//! things (a mapping, an inode, a port), the comparison also demands that the same thing on one side is the same thing on
//! the other: see [`Name`].

mod memory;
mod ports;
mod strings;
mod values;

use std::collections::{HashMap, HashSet};

use crate::lexer::{Kind, Lexer, Token};
use crate::trace::{Call, Line};
use crate::tree::{Place, Tree};
use memory::Memory;
pub use ports::Ports;
use strings::Text;

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub name: &'static str,
    pub what: &'static str,
    pub reason: &'static str,
}

/// All there are; `--rules` prints them. Only the last drops calls.
pub const RULES: [Rule; 12] = [
    Rule {
        name: "process-id",
        what: "a process id, where a call takes or returns one and in text or binary data that the program made of it, becomes the process's place in the tree",
        reason: "the kernel numbers processes as it likes; which process is meant stays compared",
    },
    Rule {
        name: "pointer",
        what: "an address of the stack or the program becomes <pointer>; one in a mapping or the heap becomes its offset there, and the mapping must be the same on both sides; so does what rt_sigreturn returns and what epoll keeps, which strace shows as decimal numbers",
        reason: "address space layout is random, and compilers lay out frames as they like",
    },
    Rule {
        name: "ephemeral-port",
        what: "a port that the kernel chose becomes <port>, and must be the same port wherever it comes again",
        reason: "clients get any free port; ports that the program or the command names stay as they are",
    },
    Rule {
        name: "own-path",
        what: "the program's own path, as typed or in full, and its last part, becomes <program>, where the two commands differ in it",
        reason: "two programs cannot be the same file",
    },
    Rule {
        name: "random",
        what: "bytes from getrandom, /dev/random and /dev/urandom become <random>; how many were asked for and came stays",
        reason: "they are random",
    },
    Rule {
        name: "time",
        what: "what a clock answers, file times, and what is left of an interrupted sleep become <time>; how long a program asks to sleep stays",
        reason: "two runs happen at two times",
    },
    Rule {
        name: "usage",
        what: "processor time and resource usage in signals, wait4, waitid and getrusage become <usage>",
        reason: "they measure the machine's load",
    },
    Rule {
        name: "inode",
        what: "an inode number becomes <inode>, and must be the same inode wherever it comes again",
        reason: "each run gets new pipes, terminals and files for its input and output",
    },
    Rule {
        name: "terminal",
        what: "the number of a pseudoterminal becomes <n>",
        reason: "each run gets a terminal of its own",
    },
    Rule {
        name: "own-segments",
        what: "in mprotect of the program's own image, the length becomes <size>",
        reason: "it is the size of a segment of the executable file, which a compiler chose",
    },
    Rule {
        name: "length",
        what: "a length becomes <length> where it is that of a string in the same call in which a rule above replaced something",
        reason: "the replaced text, such as a process id, may have another number of digits",
    },
    Rule {
        name: "endless",
        what: "under --faults, where both programs make calls without end and are ended for it, the first 500 events of each process are compared, and of what they print as much as both have printed",
        reason: "how far each had come when it was ended is chance; that both do the same over and over shows in less",
    },
];

/// A thing whose value differs between runs but whose identity must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A mapping's number; the heap's is 0.
    Mapping(u64),
    /// An inode number.
    Inode(u64),
    /// A port that the kernel chose.
    Port(u64),
}

/// What the rules need to know of a whole run.
#[derive(Debug)]
pub struct Run {
    places: HashMap<u32, Place>,
    ports: Ports,
    /// What is taken for the program's own path, longest first.
    paths: Vec<Vec<u8>>,
}

impl Run {
    /// `own_paths` is empty where both commands have the same; `listen` is the port the tool waits
    /// for.
    pub fn new(tree: &Tree, own_paths: &[Vec<u8>], listen: Option<u16>) -> Self {
        let mut paths = own_paths.to_vec();
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        Run { places: tree.places(), ports: Ports::of(tree, listen), paths }
    }

    /// Text of a program with names in it, by the rules for process ids and the program's own path.
    pub fn with_names(&self, text: &[u8]) -> Vec<u8> {
        let mut named = Vec::new();
        Text::new(&[b"\"", text, b"\""].concat()).rewrite(&self.paths, Some(&self.places), &mut named);
        // Without the quotes.
        named[1..named.len() - 1].to_vec()
    }

    fn write_place(&self, pid: u64, out: &mut Vec<u8>) {
        let place = u32::try_from(pid).ok().and_then(|pid| self.places.get(&pid));
        match place {
            Some(place) => out.extend_from_slice(format!("<process {place}>").as_bytes()),
            None => out.extend_from_slice(b"<process outside>"),
        }
    }
}

/// Rewrites the lines of one process, in order.
#[derive(Clone, Debug)]
pub struct Normaliser<'r> {
    run: &'r Run,
    memory: Memory,
    /// Descriptors of /dev/random and /dev/urandom.
    random: HashSet<u64>,
    /// Whether the last call returned a process id.
    returned_process_id: bool,
    /// The same for the calls that running signal handlers interrupted, to whose results they return.
    interrupted: Vec<bool>,
}

/// One line, rewritten.
#[derive(Debug, Default)]
pub struct Normal {
    pub text: Vec<u8>,
    pub names: Vec<Name>,
    /// The same with process ids left as they are in text, if there were any: a number in a text may be something else.
    pub plain: Option<Vec<u8>>,
    /// No rule applies to a line that strace's grammar does not cover.
    pub unparsed: bool,
    /// Process ids stay as they are in text.
    keeps_ids: bool,
    has_ids: bool,
}

impl Normal {
    fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
        self.plain = None;
        self.unparsed = false;
        self.has_ids = false;
    }

    fn put(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }
}

/// Where in a call a token stands.
#[derive(Clone, Copy, Debug)]
struct Position<'t> {
    call: &'t [u8],
    /// Which argument, from 0, or none in the result.
    argument: Option<usize>,
    /// How many brackets are open around it.
    depth: usize,
    /// The name before the last `=`, as `si_pid`.
    field: &'t [u8],
    /// A comment explains the token, so it is no address.
    explained: bool,
    features: Features,
}

/// What one call's other arguments say about a number in it.
#[derive(Clone, Copy, Debug, Default)]
struct Features {
    /// A read from a source of random bytes.
    reads_random: bool,
    /// An ioctl or fcntl about a process or process group.
    holds_process_id: bool,
    /// An mprotect of the program's own image.
    protects_image: bool,
    /// The result is a process id.
    returns_process_id: bool,
}

/// The files that random bytes are read from, as strace shows them.
const RANDOM_SOURCES: [&[u8]; 2] = [b"\"/dev/urandom\"", b"\"/dev/random\""];

/// The requests of ioctl and fcntl that take or give a process id.
const PROCESS_REQUESTS: [&[u8]; 5] = [b"TIOCGPGRP", b"TIOCSPGRP", b"TIOCGSID", b"F_SETOWN", b"FIOSETOWN"];

impl<'t> Position<'t> {
    fn at(call: &'t [u8], argument: Option<usize>, features: Features) -> Self {
        Position { call, argument, depth: 0, field: b"", explained: false, features }
    }

    fn is_argument(&self, index: usize) -> bool {
        self.argument == Some(index)
    }

    fn is_result(&self) -> bool {
        self.argument.is_none()
    }
}

impl<'r> Normaliser<'r> {
    pub fn new(run: &'r Run) -> Self {
        Normaliser {
            run,
            memory: Memory::default(),
            random: HashSet::new(),
            returned_process_id: false,
            interrupted: Vec::new(),
        }
    }

    /// Rewrites one line into `normal`.
    pub fn rewrite(&mut self, line: &[u8], normal: &mut Normal) {
        normal.clear();
        match Line::parse(line) {
            Line::Call(call) => self.call(&call, normal),
            Line::Signal { name, info } => {
                self.interrupted.push(self.returned_process_id);
                normal.put(b"--- ");
                normal.put(name);
                normal.put(b" ");
                let at = Position::at(name, None, Features::default());
                self.part(at, info, &mut Vec::new(), normal);
                normal.put(b" ---");
            }
            Line::Stopped { .. } | Line::End { .. } | Line::Note(_) => normal.put(line),
            Line::Frame(_) | Line::Unparsed(_) => {
                normal.put(line);
                normal.unparsed = true;
            }
        }
    }

    fn call(&mut self, call: &Call<'_>, normal: &mut Normal) {
        // The image is a new one from here on.
        if call.name == b"execve" && call.result.starts_with(b"0") {
            self.memory = Memory::default();
        }
        self.memory.before(call);
        let features = self.features(call);
        self.parts(call, features, normal);
        if normal.has_ids {
            let mut plain = Normal { keeps_ids: true, ..Normal::default() };
            self.parts(call, features, &mut plain);
            normal.plain = Some(plain.text);
        }
        self.memory.after(call);
        self.note_random(call);
        self.returned_process_id = features.returns_process_id;
    }

    fn parts(&self, call: &Call<'_>, features: Features, normal: &mut Normal) {
        // The lengths of strings in which a rule replaced something.
        let mut lengths = Vec::new();
        normal.put(call.name);
        normal.put(b"(");
        self.part(Position::at(call.name, Some(0), features), call.arguments, &mut lengths, normal);
        normal.put(b") = ");
        self.part(Position::at(call.name, None, features), call.result, &mut lengths, normal);
    }

    /// Rewrites arguments or a result, which begin at `at`.
    fn part<'t>(&self, mut at: Position<'t>, text: &'t [u8], lengths: &mut Vec<u64>, normal: &mut Normal) {
        let mut last_word: &[u8] = b"";
        let mut tokens = Lexer::new(text);
        while let Some(token) = tokens.next() {
            let next = text.get(token.end..).unwrap_or_default();
            at.explained = next.starts_with(b" /*");
            match token.kind {
                Kind::Open => at.depth += 1,
                Kind::Close => {
                    at.depth = at.depth.saturating_sub(1);
                    normal.put(token.text);
                    // The date after a `timespec`.
                    if at.explained && normal.text.ends_with(b"<time>}") {
                        skip_explanation(&mut tokens);
                    }
                    continue;
                }
                Kind::Other if token.text == b"," => {
                    if at.depth == 0 {
                        at.argument = at.argument.map(|index| index + 1);
                    }
                    // `{tv_sec=1, tv_nsec=2}` belongs to its own fields, the list above to its.
                    at.field = b"";
                }
                Kind::Other if token.text == b"=" => at.field = last_word,
                Kind::Word => {
                    last_word = token.text;
                    if token.text[0].is_ascii_digit() && self.number(&at, &token, lengths, normal) {
                        // What explains a replaced value, such as a date, goes with it.
                        if at.explained {
                            skip_explanation(&mut tokens);
                        }
                        continue;
                    }
                }
                Kind::String => {
                    self.string(&at, token.text, lengths, normal);
                    continue;
                }
                _ => {}
            }
            normal.put(token.text);
        }
    }

    /// Writes a name for a number, if a rule has one; or tells that it stays.
    fn number(&self, at: &Position<'_>, token: &Token<'_>, lengths: &[u64], normal: &mut Normal) -> bool {
        let Some((value, hexadecimal)) = parse_number(token.text) else {
            return false;
        };
        // Its number is decimal where it is 0.
        if values::terminal(at, normal) {
            return true;
        }
        if hexadecimal {
            return self.memory.rewrite(at, value, normal);
        }
        if value > 1 && values::is_process_id(at) {
            self.run.write_place(value, &mut normal.text);
            return true;
        }
        if let Some(name) = values::measured(at) {
            normal.put(name);
            return true;
        }
        if values::is_inode(at.field) {
            normal.put(b"<inode>");
            normal.names.push(Name::Inode(value));
            return true;
        }
        if at.field == b"sin_port" || at.field == b"sin6_port" {
            return self.run.ports.rewrite(value, normal);
        }
        if self.memory.rewrite_decimal(at, value, normal) {
            return true;
        }
        if at.depth <= 1 && lengths.contains(&value) && is_length(at) {
            normal.put(b"<length>");
            return true;
        }
        false
    }

    fn string(&self, at: &Position<'_>, quoted: &[u8], lengths: &mut Vec<u64>, normal: &mut Normal) {
        let is_random =
            (at.call == b"getrandom" && at.is_argument(0)) || (at.features.reads_random && at.is_argument(1));
        if is_random {
            normal.put(b"<random>");
            return;
        }
        let text = Text::new(quoted);
        // The command line and the environment are what the tool itself gave.
        let places = (at.call != b"execve" && !normal.keeps_ids).then_some(&self.run.places);
        let changes = text.rewrite(&self.run.paths, places, &mut normal.text);
        normal.has_ids |= changes.ids;
        if changes.any {
            lengths.push(text.length());
        }
    }

    fn features(&mut self, call: &Call<'_>) -> Features {
        // A signal without a handler leaves an entry behind, which is the same: it interrupted the same call.
        let interrupted = call.name == b"rt_sigreturn" && self.interrupted.pop().unwrap_or_default();
        let descriptor = || leading_number(call.arguments).map(|(descriptor, _)| descriptor);
        let asks_for_process = || PROCESS_REQUESTS.iter().any(|name| contains(call.arguments, name));
        Features {
            reads_random: call.name == b"read"
                && !self.random.is_empty()
                && descriptor().is_some_and(|descriptor| self.random.contains(&descriptor)),
            holds_process_id: matches!(call.name, b"ioctl" | b"fcntl") && asks_for_process(),
            protects_image: self.memory.protects_image(call),
            returns_process_id: values::returns_process_id(call.name) || (call.name == b"rt_sigreturn" && interrupted),
        }
    }

    /// Keeps track of which descriptors give random bytes.
    fn note_random(&mut self, call: &Call<'_>) {
        let opens = matches!(call.name, b"open" | b"openat");
        let is_source = || RANDOM_SOURCES.iter().any(|path| contains(call.arguments, path));
        if opens
            && is_source()
            && let Some((descriptor, false)) = leading_number(call.result)
        {
            self.random.insert(descriptor);
        }
        if call.name == b"close"
            && let Some((descriptor, _)) = leading_number(call.arguments)
        {
            self.random.remove(&descriptor);
        }
    }
}

/// Skips the space and the comment that stand next.
fn skip_explanation(tokens: &mut Lexer<'_>) {
    tokens.next();
    tokens.next();
}

/// Whether a number may be the length of a string in the same call: never a descriptor.
fn is_length(at: &Position<'_>) -> bool {
    at.field == b"iov_len" || at.is_result() || (at.depth == 0 && !at.is_argument(0))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A decimal or hexadecimal number and whether it is the latter.
fn parse_number(word: &[u8]) -> Option<(u64, bool)> {
    let text = std::str::from_utf8(word).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => Some((u64::from_str_radix(digits, 16).ok()?, true)),
        None => Some((text.parse().ok()?, false)),
    }
}

/// The number at the beginning of a text.
fn leading_number(text: &[u8]) -> Option<(u64, bool)> {
    let token = Lexer::new(text).next()?;
    parse_number(token.text)
}

/// The numbers of a call's plain arguments, by index; `None` for one that is no plain number.
fn plain_arguments(text: &[u8]) -> Vec<Option<(u64, bool)>> {
    let mut found = vec![];
    let mut depth = 0_usize;
    let mut first = true;
    for token in Lexer::new(text) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Other if token.text == b"," && depth == 0 => {
                first = true;
                continue;
            }
            Kind::Other if token.text == b" " => continue,
            _ => {}
        }
        if first {
            found.push(parse_number(token.text).filter(|_| depth == 0));
            first = false;
        }
    }
    found
}
