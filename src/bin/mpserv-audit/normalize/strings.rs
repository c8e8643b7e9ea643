//! Normalizes text in quotes: the program's own path, process ids, terminals and inodes in it.

use std::collections::HashMap;

use crate::tree::Place;

/// The beginnings of names of terminals and descriptors that end in a number from the kernel, and the name that
/// replaces the number.
const NUMBERED: [(&[u8], &[u8]); 3] = [(b"/dev/pts/", b"<n>"), (b"pipe:[", b"<inode>"), (b"socket:[", b"<inode>")];

/// The kinds of replacements that were made in a string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    pub(super) any: bool,
    /// Whether a process id was replaced.
    pub(super) ids: bool,
}

/// A path that a name replaces.
#[derive(Clone, Debug)]
pub(super) struct Path {
    text: Vec<u8>,
    name: &'static [u8],
    /// Whether the name also replaces the path at the beginning of a longer path.
    is_directory: bool,
}

impl Path {
    /// Returns the program's own path.
    pub(super) fn program(text: &[u8]) -> Self {
        Path { text: text.to_vec(), name: b"<program>", is_directory: false }
    }

    /// Returns a directory, unless it is the root, with which every path begins.
    pub(super) fn directory(text: &[u8], name: &'static [u8]) -> Option<Self> {
        let text = text.to_vec();
        (text.len() > 1 && text.starts_with(b"/")).then_some(Path { text, name, is_directory: true })
    }

    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// Whether the path here is whole, and not a part of another name.
    fn is_here(&self, before: Option<u8>, rest: &[u8]) -> bool {
        let goes_on = |byte: u8| is_name(byte) && !(self.is_directory && byte == b'/');
        let next = rest.get(self.length()).copied();
        rest.starts_with(&self.text) && !before.is_some_and(is_name) && !next.is_some_and(goes_on)
    }
}

/// A string as strace shows it, with its quotes and escapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    quoted: &'t [u8],
}

impl<'t> Text<'t> {
    pub(super) fn new(quoted: &'t [u8]) -> Self {
        Text { quoted }
    }

    /// Returns the number of bytes in the string that strace shows.
    pub(super) fn length(&self) -> u64 {
        let mut count = 0;
        let mut rest = self.inside();
        while let Some(unit) = unit_length(rest) {
            rest = &rest[unit..];
            count += 1;
        }
        count
    }

    fn inside(&self) -> &'t [u8] {
        let length = self.quoted.len();
        if length < 2 { b"" } else { &self.quoted[1..length - 1] }
    }

    /// Writes the string with names in it, and returns the kinds of replacements. Without `places`, process ids stay.
    pub(super) fn rewrite(&self, paths: &[Path], places: Option<&HashMap<u32, Place>>, out: &mut Vec<u8>) -> Changes {
        let whole = self.inside();
        let mut changes = Changes::default();
        let is_binary = whole.windows(2).any(|pair| pair == b"\\0");
        let mut at = 0;
        out.push(b'"');
        while let Some(unit) = unit_length(&whole[at..]) {
            let rest = &whole[at..];
            let before = whole[..at].last().copied();
            if let Some(path) = paths.iter().find(|path| path.is_here(before, rest)) {
                out.extend_from_slice(path.name);
                at += path.length();
                changes.any = true;
                continue;
            }
            if let Some((place, length)) = places.filter(|_| is_binary).and_then(|places| binary_id(rest, places)) {
                out.extend_from_slice(format!("<process {place}>").as_bytes());
                at += length;
                changes = Changes { any: true, ids: true };
                continue;
            }
            let digits = leading_digits(rest);
            if digits > 0 {
                match name_of_number(&whole[..at], &rest[..digits], places) {
                    Some((name, is_id)) => {
                        out.extend_from_slice(&name);
                        changes.any = true;
                        changes.ids |= is_id;
                    }
                    None => out.extend_from_slice(&rest[..digits]),
                }
                at += digits;
                continue;
            }
            out.extend_from_slice(&rest[..unit]);
            at += unit;
        }
        out.push(b'"');
        changes
    }
}

/// Returns the length of the byte or escape at the beginning: `a`, `\n`, `\33`, `\x1b`.
fn unit_length(text: &[u8]) -> Option<usize> {
    let length = match text {
        [] => return None,
        [b'\\', b'x', ..] => 4,
        [b'\\', digits @ ..] => {
            let octal = digits.iter().take(3).take_while(|b| (b'0'..=b'7').contains(*b)).count();
            1 + octal.max(1)
        }
        _ => 1,
    };
    Some(length.min(text.len()))
}

/// Returns the byte for which one unit stands.
fn unit_value(unit: &[u8]) -> Option<u8> {
    Some(match unit {
        [byte] => *byte,
        b"\\n" => b'\n',
        b"\\t" => b'\t',
        b"\\r" => b'\r',
        b"\\v" => 0x0b,
        b"\\f" => 0x0c,
        [b'\\', b'x', digits @ ..] => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?,
        [b'\\', digits @ ..] if digits[0].is_ascii_digit() => {
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?
        }
        [b'\\', byte] => *byte,
        _ => return None,
    })
}

/// The smallest process id that is recognized in binary. Smaller numbers are too common.
const BINARY_ID_MIN: u32 = 256;

/// Returns the place of a process whose id stands here as an int in binary, and the length of that text.
fn binary_id<'p>(text: &[u8], places: &'p HashMap<u32, Place>) -> Option<(&'p Place, usize)> {
    let mut bytes = [0; size_of::<u32>()];
    let mut length = 0;
    for (at, place) in bytes.iter_mut().enumerate() {
        let unit = unit_length(&text[length..])?;
        let byte = unit_value(&text[length..length + unit])?;
        // Most texts have no byte of an id here.
        if !places.keys().any(|id| id.to_ne_bytes()[at] == byte) {
            return None;
        }
        *place = byte;
        length += unit;
    }
    let id = Some(u32::from_ne_bytes(bytes)).filter(|id| *id >= BINARY_ID_MIN)?;
    places.get(&id).map(|place| (place, length))
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Returns the name for a number in a text, and whether the number is a process id.
fn name_of_number(before: &[u8], digits: &[u8], places: Option<&HashMap<u32, Place>>) -> Option<(Vec<u8>, bool)> {
    if let Some((_, name)) = NUMBERED.iter().find(|(prefix, _)| before.ends_with(prefix)) {
        return Some((name.to_vec(), false));
    }
    if digits.starts_with(b"0") {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let place = places?.get(&number)?;
    Some((format!("<process {place}>").into_bytes(), true))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/')
}
