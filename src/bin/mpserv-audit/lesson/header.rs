//! The header that a program includes to replace printf.

use super::page::Page;
use crate::report::html::escape;

const NAME: &str = "handler_printf.h";
const TEXT: &str = include_str!("../../textbook/handler_printf.h");

/// Whether the program includes the header.
pub fn is_included(page: &Page<'_>) -> bool {
    let include = format!("#include \"{NAME}\"");
    page.columns.first().is_some_and(|column| column.lines.contains(&include))
}

/// Returns the text of the header, folded.
pub fn html(page: &Page<'_>) -> String {
    if !is_included(page) {
        return String::new();
    }
    format!(
        "<h2 id=\"header\">{NAME}</h2>\n<p class=\"text\">C does not define what happens when a handler calls printf while it interrupts \
         printf. With this header the handler’s line then goes directly to standard output. Otherwise it goes into the buffer as \
         usual.</p>\n<details class=\"header\"><summary>The lines of \
         {NAME}</summary><pre class=\"out\">{}</pre></details>\n",
        lines()
    )
}

/// Returns the lines of the header, with spaces for tabs.
fn lines() -> String {
    TEXT.lines().map(|line| escape(&line.replace('\t', "    "))).collect::<Vec<_>>().join("\n")
}

/// Returns a text in which the name of the header is a link to it.
pub fn link(page: &Page<'_>, html: &str) -> String {
    if is_included(page) { html.replace(NAME, &format!("<a href=\"#header\">{NAME}</a>")) } else { html.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_indents() {
        let lines = lines();
        assert!(lines.contains("\n        char line[128];\n"), "{lines}");
        assert!(!lines.contains(char::REPLACEMENT_CHARACTER));
    }
}
