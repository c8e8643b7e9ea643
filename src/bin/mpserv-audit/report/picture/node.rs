//! The nodes of a picture: one for each event, with its label and its links to other lanes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::measures::Measures;
use crate::lexer::Lexer;
use crate::trace::{Call, Line};
use crate::tree::{Place, forked, is_fork};

/// One action of a process.
#[derive(Debug)]
pub(super) struct Node {
    /// The events that the node represents.
    pub(super) events: Vec<usize>,
    pub(super) label: String,
    pub(super) class: &'static str,
    pub(super) row: usize,
    /// The call's name. Consecutive calls of one name may become one node.
    pub(super) name: Vec<u8>,
    pub(super) forks: Option<u32>,
    /// The child whose end the process notices at this node.
    pub(super) hears: Option<u32>,
    /// The child that is no longer a zombie from here on.
    pub(super) reaps: Option<u32>,
    pub(super) ends: bool,
}

#[derive(Debug)]
pub(super) struct Lane {
    /// The index of the process.
    pub(super) process: usize,
    pub(super) pid: u32,
    pub(super) place: Place,
    pub(super) nodes: Vec<Node>,
}

impl Node {
    /// Whether the node is the cause or the effect of a node in another lane.
    pub(super) fn links(&self) -> bool {
        self.forks.is_some() || self.hears.is_some() || self.reaps.is_some()
    }

    pub(super) fn plain(name: &[u8]) -> Self {
        Node {
            events: Vec::new(),
            label: String::new(),
            class: "other",
            row: 0,
            name: name.to_vec(),
            forks: None,
            hears: None,
            reaps: None,
            ends: false,
        }
    }
}

pub(super) fn node(line: &Line<'_>, places: &HashMap<u32, Place>, measures: Measures) -> Node {
    let mut node = match line {
        Line::Call(call) => of_call(call, places),
        Line::Signal { name, info } => {
            let child = (*name == b"SIGCHLD").then(|| number_after(info, b"si_pid=")).flatten();
            let label = String::from_utf8_lossy(name).into_owned();
            Node { label, class: "signal", hears: child, ..Node::plain(name) }
        }
        Line::End { how } => {
            Node { label: String::from_utf8_lossy(how).into_owned(), class: "exit", ends: true, ..Node::plain(b"") }
        }
        Line::Stopped { by } => Node { label: "stopped".to_owned(), class: "signal", ..Node::plain(by) },
        Line::Frame(_) | Line::Note(_) | Line::Unparsed(_) => Node { label: "?".to_owned(), ..Node::plain(b"") },
    };
    if !measures.details {
        let name = node.label.split(['(', ':']).next().unwrap_or_default();
        node.label = match line {
            Line::End { how } if how.starts_with(b"killed") => "killed".to_owned(),
            Line::Call(call) if call.name == b"exit_group" => "exit_group".to_owned(),
            _ => name.replace("exited with", "ended,").replace("nanosleep", "sleep").trim().to_owned(),
        };
    }
    if node.label.chars().count() > measures.label {
        node.label = node.label.chars().take(measures.label - 1).chain(['…']).collect();
    }
    node
}

fn of_call(call: &Call<'_>, places: &HashMap<u32, Place>) -> Node {
    let name = String::from_utf8_lossy(call.name);
    let place = |pid: u32| places.get(&pid).map_or("?".to_owned(), Place::title);
    let plain = Node::plain(call.name);
    if is_fork(call.name) {
        let child = forked(call);
        let label = child.map_or("fork".to_owned(), |child| format!("fork: {}", place(child)));
        return Node { label, class: "fork", forks: child, ..plain };
    }
    let first = Lexer::new(call.arguments).next().map_or(&b""[..], |token| token.text);
    let is_number = first.iter().all(u8::is_ascii_digit);
    let descriptor = if is_number { String::from_utf8_lossy(first) } else { Cow::Borrowed("") };
    let class = match call.name {
        b"accept" | b"accept4" | b"connect" | b"listen" | b"bind" | b"socket" => "net",
        b"read" | b"recvfrom" | b"recvmsg" | b"recv" | b"readv" => "read",
        b"write" | b"sendto" | b"sendmsg" | b"send" | b"writev" => "write",
        b"close" | b"shutdown" => "close",
        b"wait4" | b"waitid" => {
            let child = forked(&Call { name: b"fork", ..*call });
            let result = child.map_or_else(|| outcome(call), place);
            return Node { label: format!("wait: {result}"), class: "wait", reaps: child, ..plain };
        }
        b"exit_group" | b"exit" => {
            let label = format!("exit({})", String::from_utf8_lossy(call.arguments));
            return Node { label, class: "exit", ..plain };
        }
        b"clock_nanosleep" | b"nanosleep" | b"pause" | b"alarm" => "wait",
        b"rt_sigaction" | b"rt_sigreturn" | b"rt_sigprocmask" | b"kill" => "signal",
        _ => "other",
    };
    let short = name.strip_prefix("rt_").or_else(|| name.strip_prefix("clock_")).unwrap_or(&name);
    let short = short.strip_suffix("from").or_else(|| short.strip_suffix("to")).unwrap_or(short);
    let label = match class {
        "net" | "read" | "write" => format!("{short}({descriptor}): {}", outcome(call)),
        "close" => format!("{short}({descriptor})"),
        _ => short.to_owned(),
    };
    Node { label, class, ..plain }
}

/// Returns a call's result in a word.
fn outcome(call: &Call<'_>) -> String {
    let text = String::from_utf8_lossy(call.result);
    let mut words = text.split_whitespace();
    match (words.next().unwrap_or_default(), words.next()) {
        ("-1", Some(error)) => error.to_owned(),
        // A signal interrupted the call, which is made again or returns EINTR.
        ("?", _) => "…".to_owned(),
        (value, _) => value.to_owned(),
    }
}

fn number_after(text: &[u8], mark: &[u8]) -> Option<u32> {
    let at = text.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits: String = text[at..].iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
    digits.parse().ok()
}
