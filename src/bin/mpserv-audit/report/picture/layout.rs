//! The layout of a picture: the row of each node, and the nodes that are merged or left out.

use std::collections::HashMap;

use super::node::{Lane, Node};

/// The number of nodes that stay at the start of a long lane, which is cut short in the middle.
const LANE_START: usize = 34;
const LANE_END: usize = 16;
/// A sequence of this number of equal calls or more becomes one node.
const RUN: usize = 3;

/// Puts each node below the node before it and below its cause. Returns the number of rows.
pub(super) fn arrange(lanes: &mut [Lane]) -> usize {
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

/// Moves the end of a process down. If a process waited before it ended, it ended right before its parent noticed the
/// end. So the nodes after its last wait move down to that place.
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
            // The child did not wait, so only its exit moves down to the parent's wait.
            None => lane.nodes.iter().position(|node| node.class == "exit").unwrap_or(0),
        };
        let Some(last) = lane.nodes.last().map(|node| node.row) else {
            continue;
        };
        let down = heard.saturating_sub(last + 1);
        lane.nodes.iter_mut().skip(from).for_each(|node| node.row += down);
    }
}

/// Puts equal calls in sequence together, and cuts long lanes.
pub(super) fn shorten(nodes: Vec<Node>) -> Vec<Node> {
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
