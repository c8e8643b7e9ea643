//! Reads numbers in the text of a call.

use crate::lexer::{Kind, Lexer};

/// Parses a number. Returns its value, and whether its digits are hexadecimal.
pub(super) fn parse_number(word: &[u8]) -> Option<(u64, bool)> {
    let text = std::str::from_utf8(word).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => Some((u64::from_str_radix(digits, 16).ok()?, true)),
        None => Some((text.parse().ok()?, false)),
    }
}

/// Returns the number at the beginning of a text.
pub(super) fn leading_number(text: &[u8]) -> Option<(u64, bool)> {
    let token = Lexer::new(text).next()?;
    parse_number(token.text)
}

/// Returns the numbers of a call's plain arguments, by index. An argument that is no plain number gives `None`.
pub(super) fn plain_arguments(text: &[u8]) -> Vec<Option<(u64, bool)>> {
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
