//! Common parts of all pages: the head with the style, and lists of links.

use crate::report::html::escape;

const STYLE: &str = include_str!("style.css");

/// A link at the head of a page. The link to the page itself has no address.
#[derive(Clone, Debug)]
pub struct Tab {
    pub text: String,
    pub to: Option<String>,
}

/// Returns the part of the page before its body.
pub fn head(title: &str, more: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}{more}</style>\n</head>\n"
    )
}

/// Returns a list of links. A screen reader reads the list's purpose aloud.
pub fn tabs(label: &str, tabs: &[Tab]) -> String {
    list(label, "", tabs)
}

/// Returns a list of links, with its purpose in front.
pub fn labelled_tabs(label: &str, tabs: &[Tab]) -> String {
    list(label, &format!("<span class=\"soft\" aria-hidden=\"true\">{label}:</span>"), tabs)
}

fn list(label: &str, shown: &str, tabs: &[Tab]) -> String {
    if tabs.is_empty() {
        return String::new();
    }
    let item = |tab: &Tab| match &tab.to {
        Some(to) => format!("<li><a href=\"{}\">{}</a></li>", escape(to), escape(&tab.text)),
        None => format!("<li><span aria-current=\"page\">{}</span></li>", escape(&tab.text)),
    };
    let items: String = tabs.iter().map(item).collect();
    format!("<nav aria-label=\"{label}\">{shown}<ul>{items}</ul></nav>\n")
}
