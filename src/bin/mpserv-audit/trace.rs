//! Parses the lines that strace wrote about one process.
//!
//! No line is left out. A line that cannot be parsed is a [`Line::Unparsed`], which the comparison shows and counts as
//! a difference.

pub mod span;

pub use span::FRAME;

use crate::lexer::{Kind, Lexer, closing};
use span::Span;

/// One line of a trace, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'t> {
    /// A system call.
    Call(Call<'t>),
    /// The delivery of a signal, with its information, braces included.
    Signal { name: &'t [u8], info: &'t [u8] },
    /// A stop that is no delivery, such as by SIGSTOP.
    Stopped { by: &'t [u8] },
    /// The end of the process: `exited with 0`, `killed by SIGINT`.
    End { how: &'t [u8] },
    /// One frame of the stack of the call above it (`strace -k`).
    Frame(Frame<'t>),
    /// A remark of strace, such as about a change to 32-bit mode.
    Note(&'t [u8]),
    /// Any other line.
    Unparsed(&'t [u8]),
}

/// A system call as strace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'t> {
    pub name: &'t [u8],
    /// The text between the call's parentheses.
    pub arguments: &'t [u8],
    /// The text after `= `, which is empty if the call never returned.
    pub result: &'t [u8],
}

/// One frame of a call's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'t> {
    /// The file from which the code was loaded.
    pub object: &'t [u8],
    /// The function, if the object names it.
    pub function: &'t [u8],
    /// The offset in the object, such as `0x1142`.
    pub offset: &'t [u8],
}

impl<'t> Line<'t> {
    /// Parses a line without its newline.
    pub fn parse(line: &'t [u8]) -> Self {
        Self::parse_known(line).unwrap_or(Line::Unparsed(line))
    }

    fn parse_known(line: &'t [u8]) -> Option<Self> {
        if let Some(rest) = line.strip_prefix(FRAME) {
            return Some(Line::Frame(Frame::parse(rest)));
        }
        if let Some(rest) = line.strip_prefix(b"--- ") {
            return Self::parse_signal(rest.strip_suffix(b" ---")?);
        }
        if let Some(rest) = line.strip_prefix(b"+++ ") {
            let how = rest.strip_suffix(b" +++")?;
            return is_end(how).then_some(Line::End { how });
        }
        let remark = line.strip_prefix(b"strace: ").unwrap_or(line);
        if remark.starts_with(b"[ Process PID=") && remark.ends_with(b" ]") {
            return Some(Line::Note(line));
        }
        Call::parse(line).map(Line::Call)
    }

    fn parse_signal(body: &'t [u8]) -> Option<Self> {
        if let Some(by) = body.strip_prefix(b"stopped by ") {
            return is_signal(by).then_some(Line::Stopped { by });
        }
        let space = body.iter().position(|b| *b == b' ')?;
        let (name, info) = (&body[..space], &body[space + 1..]);
        let whole = info.starts_with(b"{") && balanced(info) == Some(info.len());
        (is_signal(name) && whole).then_some(Line::Signal { name, info })
    }
}

fn is_signal(name: &[u8]) -> bool {
    name.starts_with(b"SIG") && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_end(how: &[u8]) -> bool {
    if let Some(status) = how.strip_prefix(b"exited with ") {
        return !status.is_empty() && status.iter().all(u8::is_ascii_digit);
    }
    if let Some(signal) = how.strip_prefix(b"killed by ") {
        return is_signal(signal.strip_suffix(b" (core dumped)").unwrap_or(signal));
    }
    how.starts_with(b"superseded by execve in pid ")
}

/// Returns the length of `text` up to the end of its first bracket, if all brackets in between are closed as well.
fn balanced(text: &[u8]) -> Option<usize> {
    let mut open = Vec::new();
    for token in Lexer::new(text) {
        match token.kind {
            Kind::Open => open.push(closing(token.text[0])),
            // Brackets that strace had opened before the call was cut off stay open.
            Kind::Cut => open.truncate(1),
            Kind::Close => {
                if open.pop() != Some(token.text[0]) {
                    return None;
                }
                if open.is_empty() {
                    return Some(token.end);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether all strings end and all brackets match in a call's result, which has no outer bracket.
fn is_result(text: &[u8]) -> bool {
    let mut open = Vec::new();
    let mut lexer = Lexer::new(text);
    for token in lexer.by_ref() {
        match token.kind {
            Kind::Open => open.push(closing(token.text[0])),
            Kind::Close if open.pop() != Some(token.text[0]) => return false,
            _ => {}
        }
    }
    let starts_well = matches!(text, [b'?' | b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..]);
    starts_well && open.is_empty() && !lexer.is_broken()
}

impl<'t> Call<'t> {
    fn parse(line: &'t [u8]) -> Option<Self> {
        if let Some(call) = Self::parse_resumed(line) {
            return Some(call);
        }
        let paren = line.iter().position(|b| *b == b'(')?;
        let name = &line[..paren];
        if !is_call_name(name) {
            return None;
        }
        let Some(length) = balanced(&line[paren..]) else {
            // The process died in the call, and strace did not write the rest.
            let arguments = &line[paren + 1..];
            return is_cut(arguments).then_some(Call { name, arguments, result: b"" });
        };
        let arguments = &line[paren + 1..paren + length - 1];
        let result = parse_result(&line[paren + length..])?;
        Some(Call { name, arguments, result })
    }

    /// Parses `<... execve resumed>) = 0`, the end of a call that began under another process id.
    fn parse_resumed(line: &'t [u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"<... ")?;
        let mark = b" resumed>";
        let end = rest.windows(mark.len()).position(|w| w == mark)?;
        let name = &rest[..end];
        let after = &rest[end + mark.len()..];
        // The bracket of the arguments was opened in the other process's file.
        let mut depth = 0_usize;
        let close = Lexer::new(after).find(|token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close if depth == 0 => return true,
                Kind::Close => depth -= 1,
                _ => {}
            }
            false
        })?;
        let result = parse_result(&after[close.end..])?;
        let arguments = &after[..close.end - 1];
        is_call_name(name).then_some(Call { name, arguments, result })
    }
}

fn is_call_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'?'))
}

fn is_cut(arguments: &[u8]) -> bool {
    let mut lexer = Lexer::new(arguments);
    lexer.by_ref().last().is_some_and(|token| token.kind == Kind::Cut) && !lexer.is_broken()
}

/// Removes the blanks and the `= ` after a call's parenthesis.
fn parse_result(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii_start();
    if rest == b"<unfinished ...>" || rest == b"<detached ...>" {
        return Some(b"");
    }
    let result = rest.strip_prefix(b"= ")?;
    is_result(result).then_some(result)
}

impl<'t> Frame<'t> {
    /// Parses the text after ` > `, such as `/usr/lib/libc.so.6(getppid+0x7) [0xd54f7]`. If strace gives a reason why
    /// there is no frame, the reason becomes the object.
    fn parse(text: &'t [u8]) -> Self {
        Self::parse_full(text).unwrap_or(Frame { object: text, function: b"", offset: b"" })
    }

    fn parse_full(text: &'t [u8]) -> Option<Self> {
        let body = text.strip_suffix(b"]")?;
        let bracket = body.iter().rposition(|b| *b == b'[')?;
        let offset = &body[bracket + 1..];
        let place = body[..bracket].strip_suffix(b" ")?;
        // The name of a C++ or Rust function may contain brackets, but the object's path rarely does.
        let open = place.iter().position(|b| *b == b'(')?;
        let symbol = place[open + 1..].strip_suffix(b")")?;
        let plus = symbol.iter().rposition(|b| *b == b'+').unwrap_or(symbol.len());
        Some(Frame { object: &place[..open], function: &symbol[..plus], offset })
    }
}

/// A whole trace file: its bytes and the beginnings of its events.
#[derive(Debug, Default)]
pub struct Trace {
    bytes: Vec<u8>,
    /// The start of each event's line. The frames of its stack follow.
    starts: Vec<u32>,
    /// The beginning and end of each event, if strace was asked for stacks.
    spans: Vec<Span>,
}

/// The longest trace of one process, in bytes. Every position in it fits into 32 bits.
pub const MAX_TRACE: usize = u32::MAX as usize;

impl Trace {
    /// Takes a file's content. If strace was asked for stacks, lines of frames belong to the event above them, and
    /// times are removed from the events. Otherwise a line of a frame counts as an event that cannot be parsed.
    ///
    /// # Errors
    /// Returns the content when it is longer than [`MAX_TRACE`].
    pub fn new(bytes: Vec<u8>, stacks: bool) -> Result<Self, Vec<u8>> {
        if bytes.len() > MAX_TRACE {
            return Err(bytes);
        }
        let (bytes, spans) = if stacks { span::take(&bytes) } else { (bytes, Vec::new()) };
        let mut starts = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = line_length(&bytes[at..]);
            let is_frame = stacks && !starts.is_empty() && bytes[at..].starts_with(FRAME);
            if !is_frame {
                starts.push(u32::try_from(at).unwrap_or(u32::MAX));
            }
            at += length + 1;
        }
        Ok(Trace { bytes, starts, spans })
    }

    /// Forgets all events except this many at the beginning.
    pub fn truncate(&mut self, events: usize) {
        if let Some(end) = self.starts.get(events) {
            self.bytes.truncate(*end as usize);
            self.starts.truncate(events);
            self.spans.truncate(events);
        }
    }

    /// Returns the number of events.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns one event's line, without its newline.
    pub fn text(&self, event: usize) -> &[u8] {
        let rest = &self.bytes[self.starts[event] as usize..];
        &rest[..line_length(rest)]
    }

    /// Returns one event, parsed.
    pub fn line(&self, event: usize) -> Line<'_> {
        Line::parse(self.text(event))
    }

    /// Returns the beginning and end of an event, if strace was asked for stacks.
    pub fn span(&self, event: usize) -> Span {
        self.spans.get(event).copied().unwrap_or_default()
    }

    /// Returns the frames of the stack that strace wrote under an event.
    pub fn frames(&self, event: usize) -> impl Iterator<Item = Frame<'_>> {
        let start = self.starts[event] as usize;
        let end = self.starts.get(event + 1).map_or(self.bytes.len(), |next| *next as usize);
        let lines = self.bytes[start..end].split(|b| *b == b'\n').skip(1);
        lines.filter_map(|line| match Line::parse(line) {
            Line::Frame(frame) => Some(frame),
            _ => None,
        })
    }
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
