//! Normalizes the lines of one process, in order.

use std::collections::HashSet;

use super::line::{Name, Normal};
use super::memory::Memory;
use super::number::{leading_number, parse_number};
use super::position::{Features, Position};
use super::printing::Printing;
use super::run::Run;
use super::strings::Text;
use super::values;
use crate::lexer::{Kind, Lexer, Token};
use crate::trace::{Call, Line};

/// Rewrites the lines of one process, in order.
#[derive(Clone, Debug)]
pub struct Normalizer<'r> {
    run: &'r Run,
    memory: Memory,
    /// The descriptors of /dev/random and /dev/urandom.
    random: HashSet<u64>,
    /// Whether the last call returned a process id.
    returned_process_id: bool,
    /// For each running signal handler: whether the interrupted call returns a process id. The handler's return shows
    /// that result.
    interrupted: Vec<bool>,
    printing: Printing,
}
/// The beginning of strace's text for the end of a process whose other thread executes a program. That thread's id
/// follows.
const SUPERSEDED: &[u8] = b"superseded by execve in pid ";

/// The files of random bytes, as strace shows their names.
const RANDOM_SOURCES: [&[u8]; 2] = [b"\"/dev/urandom\"", b"\"/dev/random\""];

/// The requests of ioctl and fcntl that take or give a process id.
const PROCESS_REQUESTS: [&[u8]; 5] = [b"TIOCGPGRP", b"TIOCSPGRP", b"TIOCGSID", b"F_SETOWN", b"FIOSETOWN"];
impl<'r> Normalizer<'r> {
    pub fn new(run: &'r Run) -> Self {
        Normalizer {
            run,
            memory: Memory::default(),
            random: HashSet::new(),
            returned_process_id: false,
            interrupted: Vec::new(),
            printing: Printing::new(),
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
            Line::End { how } if how.starts_with(SUPERSEDED) => {
                normal.put(b"+++ ");
                normal.put(SUPERSEDED);
                let pid = leading_number(&how[SUPERSEDED.len()..]).map_or(0, |(pid, _)| pid);
                self.run.write_place(pid, &mut normal.text);
                normal.put(b" +++");
            }
            Line::Stopped { .. } | Line::End { .. } | Line::Note(_) => normal.put(line),
            Line::Frame(_) | Line::Unparsed(_) => {
                normal.put(line);
                normal.unparsed = true;
            }
        }
    }

    fn call(&mut self, call: &Call<'_>, normal: &mut Normal) {
        // From here on the program has a new image.
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
        normal.prints = self.printing.note(call);
        self.note_random(call);
        self.returned_process_id = features.returns_process_id;
    }

    fn parts(&self, call: &Call<'_>, features: Features, normal: &mut Normal) {
        // The lengths of strings in which a normalization replaced something.
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
                Kind::Open if at.call == b"execve" && at.is_argument(2) && at.depth == 0 => {
                    self.environment(&mut tokens, normal);
                    continue;
                }
                Kind::Open => at.depth += 1,
                Kind::Close => {
                    at.depth = at.depth.saturating_sub(1);
                    normal.put(token.text);
                    // A comment after a `timespec` is its date.
                    if at.explained && normal.text.ends_with(b"<time>}") {
                        skip_explanation(&mut tokens);
                    }
                    continue;
                }
                Kind::Other if token.text == b"," => {
                    if at.depth == 0 {
                        at.argument = at.argument.map(|index| index + 1);
                    }
                    // In `{tv_sec=1, tv_nsec=2}`, names of fields hold only within these brackets.
                    at.field = b"";
                }
                Kind::Other if token.text == b"=" => at.field = last_word,
                Kind::Word if token.text == b"makedev" && at.field == b"st_dev" => {
                    device(&mut tokens, normal);
                    continue;
                }
                Kind::Word => {
                    last_word = token.text;
                    if token.text[0].is_ascii_digit() && self.number(&at, &token, lengths, normal) {
                        // The comment that explains a replaced value, such as a date, is dropped as well.
                        if at.explained {
                            skip_explanation(&mut tokens);
                        }
                        continue;
                    }
                }
                // The text of a cut may contain the new id of a thread, so replace the whole text.
                Kind::Cut => {
                    normal.put(b"<cut>");
                    continue;
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

    /// Writes the environment that a call passes on. The opening bracket has already been read. Writes one name for the
    /// variables that the command got from outside, and then the variables that a program has set, sorted by text.
    fn environment(&self, tokens: &mut Lexer<'_>, normal: &mut Normal) {
        let mut set = Vec::new();
        for token in tokens.by_ref() {
            match token.kind {
                Kind::String if !is_kept_by_shell(token.text) && !self.run.environment.contains(token.text) => {
                    let mut text = Vec::new();
                    Text::new(token.text).rewrite(&self.run.paths, None, &mut text);
                    set.push(text);
                }
                Kind::Close => break,
                _ => {}
            }
        }
        set.sort_unstable();
        normal.put(b"[<inherited>");
        for text in set {
            normal.put(b", ");
            normal.put(&text);
        }
        normal.put(b"]");
    }

    /// Writes a name for a number, if a normalization has such a name. Returns whether the number was replaced.
    fn number(&self, at: &Position<'_>, token: &Token<'_>, lengths: &[u64], normal: &mut Normal) -> bool {
        let Some((value, hexadecimal)) = parse_number(token.text) else {
            return false;
        };
        // The terminal's number is decimal if it is 0.
        if values::terminal(at, normal) {
            return true;
        }
        if values::is_device_part(at.field) {
            normal.put(b"<device>");
            return true;
        }
        if hexadecimal {
            return self.memory.rewrite(at, value, normal);
        }
        if value > 1 && values::is_process_id(at) {
            self.run.write_place(value, &mut normal.text);
            return true;
        }
        if let Some(person) = values::person(at, value) {
            normal.put(if matches!(person, Name::User(_)) { b"<user>" } else { b"<group>" });
            normal.names.push(person);
            return true;
        }
        if let Some(name) = values::measured(at) {
            normal.put(name);
            return true;
        }
        if values::is_inode(at.field) {
            normal.put(b"<inode>");
            // A stat gives the device just before the inode, and statx after it.
            let device = match normal.names.last() {
                Some(Name::Device(device)) => Some(*device),
                _ => at.features.device,
            };
            normal.names.push(Name::Inode { device, number: value });
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
        // The tool itself has set the command line and the environment.
        let places = (at.call != b"execve" && !normal.keeps_ids).then_some(&self.run.places);
        let changes = text.rewrite(&self.run.paths, places, &mut normal.text);
        normal.has_ids |= changes.ids;
        if changes.any {
            // getcwd counts the NUL after the path.
            lengths.push(text.length() + u64::from(at.call == b"getcwd"));
        }
    }

    fn features(&mut self, call: &Call<'_>) -> Features {
        // A signal without a handler leaves an entry behind. The entry does no harm, because the signal interrupted the
        // same call.
        let interrupted = call.name == b"rt_sigreturn" && self.interrupted.pop().unwrap_or_default();
        let descriptor = || leading_number(call.arguments).map(|(descriptor, _)| descriptor);
        let asks_for_process = || PROCESS_REQUESTS.iter().any(|name| contains(call.arguments, name));
        Features {
            reads_random: call.name == b"read"
                && !self.random.is_empty()
                && descriptor().is_some_and(|descriptor| self.random.contains(&descriptor)),
            holds_process_id: matches!(call.name, b"ioctl" | b"fcntl") && asks_for_process(),
            of_standard_stream: matches!(call.name, b"fstat" | b"newfstatat") && descriptor().is_some_and(|fd| fd <= 2),
            protects_image: self.memory.protects_image(call),
            device: if call.name == b"statx" { values::device_of_statx(call.arguments) } else { None },
            returns_process_id: values::returns_process_id(call.name) || (call.name == b"rt_sigreturn" && interrupted),
        }
    }

    /// Keeps track of the descriptors that give random bytes.
    fn note_random(&mut self, call: &Call<'_>) {
        let opens = matches!(call.name, b"open" | b"openat");
        let is_source = || RANDOM_SOURCES.iter().any(|path| contains(call.arguments, path));
        if opens && is_source() {
            if let Some((descriptor, false)) = leading_number(call.result) {
                self.random.insert(descriptor);
            }
        } else if call.name == b"close" {
            if let Some((descriptor, _)) = leading_number(call.arguments) {
                self.random.remove(&descriptor);
            }
        }
    }
}

/// Whether shells keep a variable of the environment for themselves.
fn is_kept_by_shell(quoted: &[u8]) -> bool {
    [&b"\"PWD="[..], b"\"OLDPWD=", b"\"SHLVL=", b"\"_="].iter().any(|name| quoted.starts_with(name))
}

/// Writes a name for a device, such as `makedev(0, 0xf)`. The first word has already been read.
fn device(tokens: &mut Lexer<'_>, normal: &mut Normal) {
    let mut number = 0;
    for token in tokens.by_ref() {
        match token.kind {
            Kind::Close => break,
            Kind::Word => number = number << u32::BITS | parse_number(token.text).map_or(0, |(part, _)| part),
            _ => {}
        }
    }
    normal.put(b"<device>");
    normal.names.push(Name::Device(number));
}

/// Skips the space and the comment that come next.
fn skip_explanation(tokens: &mut Lexer<'_>) {
    tokens.next();
    tokens.next();
}

/// Whether a number may be the length of a string in the same call. A descriptor is never such a length.
fn is_length(at: &Position<'_>) -> bool {
    at.field == b"iov_len" || at.is_result() || (at.depth == 0 && !at.is_argument(0))
}
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
