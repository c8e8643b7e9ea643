//! Numbers of things in words.

/// Returns a number with the word for one or for many: `1 call`, `2 calls`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
