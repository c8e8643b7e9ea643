//! Splits strace's lines into their smallest parts: strings, comments, brackets, words.

/// One part of a call's arguments or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string with its quotes.
    String,
    /// A comment `/* ... */`, in which strace explains a decoded value.
    Comment,
    /// An opening bracket: `(`, `[` or `{`.
    Open,
    /// A closing bracket: `)`, `]` or `}`.
    Close,
    /// A word of letters, digits, `_`, `$` and `.`: a name or a number, without its sign.
    Word,
    /// A cut, where strace did not see the end of the call: `<unfinished ...>`, `<detached ...>` or `<pid changed to 7
    /// ...>`.
    Cut,
    /// Any other single byte.
    Other,
}

/// A part and its position.
#[derive(Clone, Copy, Debug)]
pub struct Token<'t> {
    pub kind: Kind,
    pub text: &'t [u8],
    pub end: usize,
}

/// Goes through the parts of `text`. If a string or comment never ends, the lexer stops before the text's end, and
/// [`Lexer::is_broken`] returns true.
#[derive(Debug)]
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    broken: bool,
}

const CUTS: [&[u8]; 2] = [b"<unfinished ...>", b"<detached ...>"];
/// The beginning of strace's note about a thread that executes a program. The thread takes its process's id, which
/// follows.
const PID_CHANGED: &[u8] = b"<pid changed to ";

/// Returns the length of a cut at the beginning of a text.
fn cut_length(text: &[u8]) -> Option<usize> {
    if text.starts_with(PID_CHANGED) {
        return text.iter().position(|byte| *byte == b'>').map(|end| end + 1);
    }
    CUTS.iter().find(|cut| text.starts_with(cut)).map(|cut| cut.len())
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        Lexer { text, at: 0, broken: false }
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    fn string_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            match self.text.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    fn comment_end(&self) -> Option<usize> {
        let body = self.at + 2;
        let close = self.text.get(body..)?.windows(2).position(|w| w == b"*/")?;
        Some(body + close + 2)
    }

    fn word_end(&self) -> usize {
        let rest = &self.text[self.at..];
        self.at + rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = self.text.get(self.at..)?;
        let (kind, end) = match *rest.first()? {
            b'"' => (Kind::String, self.string_end()),
            b'/' if rest.starts_with(b"/*") => (Kind::Comment, self.comment_end()),
            b'(' | b'[' | b'{' => (Kind::Open, Some(self.at + 1)),
            b')' | b']' | b'}' => (Kind::Close, Some(self.at + 1)),
            b'<' => match cut_length(rest) {
                Some(length) => (Kind::Cut, Some(self.at + length)),
                None => (Kind::Other, Some(self.at + 1)),
            },
            byte if is_word(byte) => (Kind::Word, Some(self.word_end())),
            _ => (Kind::Other, Some(self.at + 1)),
        };
        let Some(end) = end else {
            self.broken = true;
            self.at = self.text.len();
            return None;
        };
        let text = &self.text[self.at..end];
        self.at = end;
        Some(Token { kind, text, end })
    }
}

/// Returns the bracket that closes `open`.
pub fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
