//! Draws a run as a picture, with a lane for each process and time downwards. Arrows lead from a fork to the child and
//! from a child's end to its parent.
//!
//! strace's files, one for each process, say nothing about time between processes. So the picture shows only the order
//! that follows from causes. A child begins below its fork, and the parent's notice of a child's end is below that end.
//! Events at the same height in two lanes may have happened in either order.

mod layout;
mod measures;
mod node;

use std::fmt::Write as _;

use crate::tree::Tree;
use layout::{arrange, shorten};
pub use measures::{Measures, NARROW, WIDE};
use node::{Lane, Node, node};

const HEAD: usize = 26;
const MARGIN: usize = 12;
/// The most lanes of a picture. With more lanes, there is no picture.
const LANES: usize = 12;

/// A link from a node to its place in a text beside the picture.
#[derive(Clone, Debug)]
pub struct Link {
    /// The anchor to which the node leads, if any.
    pub anchor: Option<String>,
    /// The name of the node's target, which precedes the process and the call.
    pub title: String,
    /// The classes by which the node can be marked.
    pub classes: String,
}

/// A function that gives the link of a node, by the index of its process and its events.
pub type Links<'l> = dyn Fn(usize, &[usize]) -> Option<Link> + 'l;

/// A picture of some events of a tree.
#[derive(Debug)]
pub struct Picture {
    measures: Measures,
    lanes: Vec<Lane>,
    rows: usize,
}

impl Picture {
    /// Arranges the events, which are given by the index of each process. Returns none if there are too many processes.
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

    /// Gives each node a row of its own, in a known order of events. `order` gives this order, by the index of the
    /// process.
    pub fn in_order(mut self, order: impl Fn(usize, usize) -> Option<usize>) -> Self {
        let place = |lane: &Lane, node: &Node| order(lane.process, *node.events.first()?);
        let mut all: Vec<usize> = Vec::new();
        for lane in &self.lanes {
            all.extend(lane.nodes.iter().filter_map(|node| place(lane, node)));
        }
        all.sort_unstable();
        for lane in &mut self.lanes {
            for at in 0..lane.nodes.len() {
                if let Some(place) = place(lane, &lane.nodes[at]) {
                    lane.nodes[at].row = all.partition_point(|other| *other < place);
                }
            }
        }
        self.rows = all.len();
        self
    }

    /// Returns the picture as SVG. `title` is for a reader who cannot see the picture.
    pub fn svg(&self, title: &str, links: Option<&Links<'_>>) -> String {
        let Measures { node_width, node_height, .. } = self.measures;
        let width = self.width();
        let height = HEAD + self.rows * self.measures.row + 4;
        let mut out = String::new();
        let mut draw = |text: String| out.push_str(&text);
        // An image has no parts, but a picture with links has parts.
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
            draw(format!("<text class=\"lane\" x=\"{x}\" y=\"16\">{}</text>", lane.place.title()));
            for node in &lane.nodes {
                let (left, top) = (x - node_width / 2, self.top(node.row));
                let (class, text_y) = (node.class, top + node_height - 5);
                let label = super::escape::escape(&node.label);
                let link = links.and_then(|links| links(lane.process, &node.events));
                let element = link.as_ref().map(|link| if link.anchor.is_some() { "a" } else { "g" });
                if let (Some(link), Some(element)) = (&link, element) {
                    let to = link.anchor.as_ref().map_or_else(String::new, |anchor| format!(" href=\"#{anchor}\""));
                    draw(format!(
                        "<{element}{to} class=\"{}\"><title>{}, {}: {label}</title>",
                        link.classes,
                        link.title,
                        lane.place.title()
                    ));
                }
                draw(format!(
                    "<rect class=\"n {class}\" x=\"{left}\" y=\"{top}\" width=\"{node_width}\" height=\"{node_height}\" rx=\"4\"/>"
                ));
                draw(format!("<text x=\"{x}\" y=\"{text_y}\">{label}</text>"));
                if let Some(element) = element {
                    draw(format!("</{element}>"));
                }
            }
        }
        out.push_str("</svg>");
        out
    }

    /// Returns the width at full size. At the right there is room for the text beside the last lane.
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

    /// Returns the lane's line: solid while the process lives, broken while it is a zombie.
    fn lane_line(&self, index: usize, lane: &Lane) -> String {
        let (Some(first), Some(last)) = (lane.nodes.first(), lane.nodes.last()) else {
            return String::new();
        };
        let x = self.middle(index);
        let (from, to) = (self.top(first.row), self.top(last.row) + self.measures.node_height);
        let mut line = format!("<line class=\"life\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\"/>");
        let reaped = self.find(|node| node.reaps == Some(lane.pid)).map(|(_, row)| row);
        let is_child = !lane.place.is_root() && lane.nodes.iter().any(|node| node.ends);
        // When a parent ends, the system becomes the parent of its children at once.
        let parent_end = self.lanes.first().and_then(|root| root.nodes.last()).map_or(0, |node| node.row);
        let until = reaped.unwrap_or(parent_end);
        if is_child && until > last.row {
            let end = self.level(until);
            // A write to a string does not fail.
            let _ = write!(line, "<line class=\"zombie\" x1=\"{x}\" y1=\"{to}\" x2=\"{x}\" y2=\"{end}\"/>");
            if until > last.row + 1 {
                let middle = to + (end - to) / 2 + 4;
                let _ = write!(
                    line,
                    "<text class=\"zombie\" aria-hidden=\"true\" x=\"{}\" y=\"{middle}\">zombie</text>",
                    x + 26
                );
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

    /// Returns the middle of a lane.
    fn middle(&self, lane: usize) -> usize {
        lane * self.measures.lane + self.measures.lane / 2
    }

    /// Returns the side of a node in lane `from` that looks towards lane `to`.
    fn edge(&self, from: usize, to: usize) -> usize {
        let (middle, half) = (self.middle(from), self.measures.node_width / 2);
        if to > from { middle + half } else { middle - half }
    }

    fn top(&self, row: usize) -> usize {
        HEAD + row * self.measures.row
    }

    /// Returns the middle of a node's height.
    fn level(&self, row: usize) -> usize {
        self.top(row) + self.measures.node_height / 2
    }
}

/// Returns a line from a node. The line goes sideways until it is above or beside its end, and then goes down to its
/// end.
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

#[cfg(test)]
mod tests;
