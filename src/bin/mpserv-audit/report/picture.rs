//! A run as a picture: a lane for each process, time downwards, arrows from fork to child and from a child's end to
//! its parent.
//!
//! strace's files, one a process, say nothing about time between processes; the picture shows what follows from what: a
//! child begins below its fork, and what its parent hears of its end is below that. What stands at the same height in two
//! lanes may have happened in either order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use crate::lexer::Lexer;
use crate::trace::{Call, Line};
use crate::tree::{Place, Tree, forked, is_fork};

/// The measures of a picture, in pixels at full size.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    lane: usize,
    row: usize,
    node_width: usize,
    node_height: usize,
    /// As many letters fit into a node.
    label: usize,
    /// A node says what the call was about, not only its name.
    details: bool,
}

/// A picture that is read by itself.
pub const WIDE: Measures = Measures { lane: 116, row: 22, node_width: 108, node_height: 18, label: 17, details: true };
/// A picture beside a text that says what each call was about.
pub const NARROW: Measures = Measures { lane: 74, row: 19, node_width: 68, node_height: 16, label: 10, details: false };

const HEAD: usize = 26;
const MARGIN: usize = 12;
/// Longer lanes are cut short in the middle: that many nodes stay at each end.
const LANE_START: usize = 34;
const LANE_END: usize = 16;
/// From this many on, equal calls in a row become one node.
const RUN: usize = 3;
/// More lanes than this make no picture.
const LANES: usize = 12;

/// A node's place in a text beside the picture.
#[derive(Clone, Debug)]
pub struct Link {
    /// The anchor that the node leads to.
    pub anchor: String,
    /// The classes by which the node can be marked.
    pub classes: String,
}

/// Gives the link of a node, by the index of its process and its events.
pub type Links<'l> = dyn Fn(usize, &[usize]) -> Option<Link> + 'l;

/// One thing that a process did.
#[derive(Debug)]
struct Node {
    /// The events that it stands for.
    events: Vec<usize>,
    label: String,
    class: &'static str,
    row: usize,
    /// The call's name, by which equal ones are put together.
    name: Vec<u8>,
    forks: Option<u32>,
    /// The child whose end the process hears of here.
    hears: Option<u32>,
    /// The child that is a zombie no more from here on.
    reaps: Option<u32>,
    ends: bool,
}

#[derive(Debug)]
struct Lane {
    /// The index of the process.
    process: usize,
    pid: u32,
    place: Place,
    nodes: Vec<Node>,
}

/// A picture of some events of a tree.
#[derive(Debug)]
pub struct Picture {
    measures: Measures,
    lanes: Vec<Lane>,
    rows: usize,
}

impl Picture {
    /// Arranges the events, which are given for each process by its index; none if there are too many processes.
    pub fn of(tree: &Tree, events: &[(usize, Vec<usize>)], measures: Measures) -> Option<Self> {
        if events.len() > LANES {
            return None;
        }
        let places = tree.places();
        let mut lanes: Vec<Lane> = events
            .iter()
            .map(|(index, events)| {
                let process = &tree.processes[*index];
                let node = |event: &usize| Node {
                    events: vec![*event],
                    ..node(&process.trace.line(*event), &places, measures)
                };
                let nodes = shorten(events.iter().map(node).collect());
                Lane { process: *index, pid: process.pid, place: process.place.clone(), nodes }
            })
            .collect();
        let rows = arrange(&mut lanes);
        Some(Picture { measures, lanes, rows })
    }

    /// The picture as SVG; `title` is for who cannot see it.
    pub fn svg(&self, title: &str, links: Option<&Links<'_>>) -> String {
        let Measures { node_width, node_height, .. } = self.measures;
        let width = self.width();
        let height = HEAD + self.rows * self.measures.row + 4;
        let mut out = String::new();
        let mut draw = |text: String| out.push_str(&text);
        // An image has no parts; what has links has.
        let role = if links.is_some() { "group" } else { "img" };
        draw(format!(
            "<svg role=\"{role}\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\">",
            super::escape::escape(title)
        ));
        for (index, lane) in self.lanes.iter().enumerate() {
            draw(self.lane_line(index, lane));
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            draw(self.arrows(index, lane));
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            let x = self.middle(index);
            draw(format!("<text class=\"lane\" x=\"{x}\" y=\"16\">{}</text>", lane.place));
            for node in &lane.nodes {
                let (left, top) = (x - node_width / 2, self.top(node.row));
                let (class, text_y) = (node.class, top + node_height - 5);
                let label = super::escape::escape(&node.label);
                let link = links.and_then(|links| links(lane.process, &node.events));
                if let Some(link) = &link {
                    draw(format!("<a href=\"#{}\" class=\"{}\">", link.anchor, link.classes));
                }
                draw(format!(
                    "<rect class=\"n {class}\" x=\"{left}\" y=\"{top}\" width=\"{node_width}\" height=\"{node_height}\" rx=\"4\"/>"
                ));
                draw(format!("<text x=\"{x}\" y=\"{text_y}\">{label}</text>"));
                if link.is_some() {
                    draw("</a>".to_owned());
                }
            }
        }
        out.push_str("</svg>");
        out
    }

    /// The width at full size. At the right there is room for what is written beside the last lane.
    pub fn width(&self) -> usize {
        self.lanes.len() * self.measures.lane + MARGIN
    }

    fn find(&self, wanted: impl Fn(&Node) -> bool) -> Option<(usize, usize)> {
        let lanes = self.lanes.iter().enumerate();
        lanes
            .flat_map(|(index, lane)| lane.nodes.iter().map(move |node| (index, node)))
            .find(|(_, node)| wanted(node))
            .map(|(index, node)| (index, node.row))
    }

    /// The lane's line: solid while the process lives, broken while it is a zombie.
    fn lane_line(&self, index: usize, lane: &Lane) -> String {
        let (Some(first), Some(last)) = (lane.nodes.first(), lane.nodes.last()) else {
            return String::new();
        };
        let x = self.middle(index);
        let (from, to) = (self.top(first.row), self.top(last.row) + self.measures.node_height);
        let mut line = format!("<line class=\"life\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\"/>");
        let reaped = self.find(|node| node.reaps == Some(lane.pid)).map(|(_, row)| row);
        let is_child = !lane.place.is_root() && lane.nodes.iter().any(|node| node.ends);
        // A parent that ends leaves its children to the system, which takes them at once.
        let parent_end = self.lanes.first().and_then(|root| root.nodes.last()).map_or(0, |node| node.row);
        let until = reaped.unwrap_or(parent_end);
        if is_child && until > last.row {
            let end = self.level(until);
            // A write to a string does not fail.
            let _ = write!(line, "<line class=\"zombie\" x1=\"{x}\" y1=\"{to}\" x2=\"{x}\" y2=\"{end}\"/>");
            if until > last.row + 1 {
                let middle = to + (end - to) / 2 + 4;
                let _ = write!(line, "<text class=\"zombie\" x=\"{}\" y=\"{middle}\">zombie</text>", x + 26);
            }
        }
        line
    }

    fn arrows(&self, index: usize, lane: &Lane) -> String {
        let mut out = String::new();
        let forked = self.find(|node| node.forks == Some(lane.pid));
        if let (Some((parent, row)), Some(first)) = (forked, lane.nodes.first()) {
            out += &arrow("fork", self.edge(parent, index), self.level(row), self.middle(index), self.top(first.row));
        }
        let end = lane.nodes.last().filter(|node| node.ends);
        let heard = self.find(|node| node.hears == Some(lane.pid));
        if let (Some(end), Some((parent, row))) = (end, heard) {
            let (from, to) = (self.edge(index, parent), self.edge(parent, index));
            out += &arrow("chld", from, self.level(end.row), to, self.level(row));
        }
        out
    }

    /// The middle of a lane.
    fn middle(&self, lane: usize) -> usize {
        lane * self.measures.lane + self.measures.lane / 2
    }

    /// The side of a node in lane `from` that looks towards lane `to`.
    fn edge(&self, from: usize, to: usize) -> usize {
        let (middle, half) = (self.middle(from), self.measures.node_width / 2);
        if to > from { middle + half } else { middle - half }
    }

    fn top(&self, row: usize) -> usize {
        HEAD + row * self.measures.row
    }

    /// The middle of a node's height.
    fn level(&self, row: usize) -> usize {
        self.top(row) + self.measures.node_height / 2
    }
}

/// A line from a node: level to above or beside its end, then down to it.
fn arrow(class: &str, x1: usize, y1: usize, x2: usize, y2: usize) -> String {
    let path = if class == "fork" {
        format!("M{x1} {y1}H{}Q{x2} {y1} {x2} {}V{}", x2.saturating_sub(8).max(x1), y1 + 8, y2.saturating_sub(5))
    } else {
        let turn = x2 + 4;
        let stop = if x2 < x1 { x2 + 6 } else { x2.saturating_sub(6) };
        format!(
            "M{x1} {y1}H{}Q{turn} {y1} {turn} {}V{}Q{turn} {y2} {} {y2}H{stop}",
            turn + 6,
            y1 + 6,
            y2.saturating_sub(6),
            turn + 2
        )
    };
    let head = if class == "fork" {
        format!("M{} {}L{x2} {y2}L{} {}Z", x2.saturating_sub(4), y2.saturating_sub(7), x2 + 4, y2.saturating_sub(7))
    } else {
        let back = x2 + 7;
        format!("M{back} {}L{x2} {y2}L{back} {}Z", y2.saturating_sub(4), y2 + 4)
    };
    format!("<path class=\"{class}\" d=\"{path}\"/><path class=\"{class} head\" d=\"{head}\"/>")
}

/// Puts each node below the one before it and below what it follows from; returns how many rows there are.
fn arrange(lanes: &mut [Lane]) -> usize {
    // Every pass settles at least one more link between lanes.
    let links: usize = lanes.iter().map(|lane| lane.nodes.len()).sum();
    for _ in 0..=links {
        let mut forks = HashMap::new();
        let mut ends = HashMap::new();
        for lane in lanes.iter() {
            forks.extend(lane.nodes.iter().filter_map(|node| Some((node.forks?, node.row))));
            ends.extend(lane.nodes.iter().filter(|node| node.ends).map(|node| (lane.pid, node.row)));
        }
        let mut moved = false;
        for lane in lanes.iter_mut() {
            let mut next = forks.get(&lane.pid).map_or(0, |row| row + 1);
            for node in &mut lane.nodes {
                let cause = node.hears.or(node.reaps).and_then(|pid| ends.get(&pid)).map_or(0, |row| row + 1);
                let row = next.max(cause);
                moved |= std::mem::replace(&mut node.row, row) != row;
                next = row + 1;
            }
        }
        if !moved {
            break;
        }
    }
    lower_ends(lanes);
    lanes.iter().flat_map(|lane| &lane.nodes).map(|node| node.row + 1).max().unwrap_or(0)
}

/// A process that waited for something, and then ended, did so right before its parent heard of it: what follows its
/// last wait is moved down to there.
fn lower_ends(lanes: &mut [Lane]) {
    let mut heard: HashMap<u32, usize> = HashMap::new();
    for node in lanes.iter().flat_map(|lane| &lane.nodes) {
        if let Some(child) = node.hears.or(node.reaps) {
            let first = heard.entry(child).or_insert(node.row);
            *first = node.row.min(*first);
        }
    }
    for lane in lanes.iter_mut() {
        let Some(heard) = heard.get(&lane.pid) else {
            continue;
        };
        let waits = |node: &Node| matches!(node.class, "read" | "net" | "wait") || node.links();
        let last_wait = lane.nodes.iter().rposition(waits);
        let from = match last_wait {
            Some(at) => at + usize::from(lane.nodes[at].links()),
            // It did not wait; then only its end does, for the parent to come to rest.
            None => lane.nodes.iter().position(|node| node.class == "exit").unwrap_or(0),
        };
        let Some(last) = lane.nodes.last().map(|node| node.row) else {
            continue;
        };
        let down = heard.saturating_sub(last + 1);
        lane.nodes.iter_mut().skip(from).for_each(|node| node.row += down);
    }
}

/// Puts equal calls in a row together, and cuts what is too long.
fn shorten(nodes: Vec<Node>) -> Vec<Node> {
    let mut short: Vec<Node> = Vec::new();
    let mut run = 1;
    let mut nodes = nodes.into_iter().peekable();
    while let Some(mut node) = nodes.next() {
        let plain = |node: &Node| !node.links() && !node.ends;
        let goes_on = nodes.peek().is_some_and(|next| plain(&node) && plain(next) && next.name == node.name);
        short.push(node_clone(&mut node));
        if goes_on {
            run += 1;
            continue;
        }
        if run >= RUN {
            let merged = short.split_off(short.len() - run);
            node.events = merged.into_iter().flat_map(|node| node.events).collect();
            node.label = format!("{} × {run}", String::from_utf8_lossy(&node.name));
            short.push(node);
        }
        run = 1;
    }
    if short.len() > LANE_START + LANE_END + 1 {
        let tail = short.split_off(short.len() - LANE_END);
        let left_out = short.split_off(LANE_START);
        let label = format!("{} more", left_out.len());
        let events = left_out.into_iter().flat_map(|node| node.events).collect();
        short.push(Node { events, label, class: "cut", ..Node::plain(b"") });
        short.extend(tail);
    }
    short
}

fn node_clone(node: &mut Node) -> Node {
    Node { events: node.events.clone(), label: node.label.clone(), name: node.name.clone(), ..*node }
}

impl Node {
    /// Whether something in another lane follows from it, or it from something there.
    fn links(&self) -> bool {
        self.forks.is_some() || self.hears.is_some() || self.reaps.is_some()
    }

    fn plain(name: &[u8]) -> Self {
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

fn node(line: &Line<'_>, places: &HashMap<u32, Place>, measures: Measures) -> Node {
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
        node.label = name.replace("exited with", "exit").replace("killed by", "killed").trim().to_owned();
    }
    if node.label.chars().count() > measures.label {
        node.label = node.label.chars().take(measures.label - 1).chain(['…']).collect();
    }
    node
}

fn of_call(call: &Call<'_>, places: &HashMap<u32, Place>) -> Node {
    let name = String::from_utf8_lossy(call.name);
    let place = |pid: u32| places.get(&pid).map_or("?".to_owned(), Place::to_string);
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

/// A call's result in a word.
fn outcome(call: &Call<'_>) -> String {
    let text = String::from_utf8_lossy(call.result);
    let mut words = text.split_whitespace();
    match (words.next().unwrap_or_default(), words.next()) {
        ("-1", Some(error)) => error.to_owned(),
        // The call was interrupted, and is made again or returns EINTR.
        ("?", _) => "…".to_owned(),
        (value, _) => value.to_owned(),
    }
}

fn number_after(text: &[u8], mark: &[u8]) -> Option<u32> {
    let at = text.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits: String = text[at..].iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
    digits.parse().ok()
}
