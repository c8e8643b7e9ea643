//! Arranges the processes of one run as a tree: the parent of each process, and the order of the forks.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::trace::{Call, Line, Trace};

/// The place of a process in the tree: for example the root, its second child, or that child's first child.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The ordinal at each step down from the root, from 1. 0 stands for a process whose fork no trace shows.
    steps: Vec<u32>,
}

impl Place {
    fn child(&self, ordinal: u32) -> Self {
        let mut steps = self.steps.clone();
        steps.push(ordinal);
        Place { steps }
    }

    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the name for a heading, whose reader need not know the word root.
    pub fn title(&self) -> String {
        if self.is_root() { "first process".to_owned() } else { self.to_string() }
    }

    /// Returns the name for use within a sentence.
    pub fn phrase(&self) -> String {
        if self.is_root() { "the first process".to_owned() } else { self.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return out.write_str("root");
        }
        let steps: Vec<String> = self.steps.iter().map(u32::to_string).collect();
        write!(out, "child {}", steps.join("."))
    }
}

/// One process (or thread: strace keeps a file for each) of a run.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    pub place: Place,
    pub parent: Option<usize>,
    /// The event in the parent's trace that made this process.
    pub forked_at: Option<usize>,
    pub trace: Trace,
}

/// All processes of one run. A parent comes before its children.
#[derive(Debug, Default)]
pub struct Tree {
    pub processes: Vec<Process>,
}

/// Whether a call makes a process or a thread.
pub fn is_fork(name: &[u8]) -> bool {
    matches!(name, b"fork" | b"vfork" | b"clone" | b"clone3")
}

/// Returns the id of the child that this call made.
pub fn forked(call: &Call<'_>) -> Option<u32> {
    if !is_fork(call.name) {
        return None;
    }
    let digits = call.result.iter().position(|b| !b.is_ascii_digit());
    let number = &call.result[..digits.unwrap_or(call.result.len())];
    let pid = std::str::from_utf8(number).ok()?.parse().ok()?;
    (pid > 0).then_some(pid)
}

/// Returns the fork calls of a trace: the event and the child, or no child if the call never returned.
fn forks(trace: &Trace) -> Vec<(usize, Option<u32>)> {
    let mut found = Vec::new();
    for event in 0..trace.len() {
        let text = trace.text(event);
        if !matches!(text.first(), Some(b'f' | b'v' | b'c' | b'<')) {
            continue;
        }
        if let Line::Call(call) = Line::parse(text) {
            match forked(&call) {
                Some(child) => found.push((event, Some(child))),
                None if is_fork(call.name) && matches!(call.result, b"" | b"?") => {
                    found.push((event, None));
                }
                None => {}
            }
        }
    }
    found
}

/// The traces that have no place in the tree yet.
#[derive(Debug)]
struct Unplaced {
    traces: HashMap<u32, Trace>,
    /// The processes that were forked, so that a process without a known fork can be reported.
    forked: HashSet<u32>,
}

impl Tree {
    /// Builds the tree from the traces of all processes and the root's id.
    pub fn build(traces: Vec<(u32, Trace)>, root: u32) -> Self {
        let mut forked = HashSet::new();
        for (_, trace) in &traces {
            forked.extend(forks(trace).into_iter().filter_map(|(_, child)| child));
        }
        let mut unplaced = Unplaced { traces: traces.into_iter().collect(), forked };
        let mut tree = Tree::default();
        tree.place(&mut unplaced, root, Place::default(), None);
        // A process without a recorded fork still takes part, as 0.1, 0.2 and so on.
        let mut left: Vec<u32> = unplaced.traces.keys().copied().collect();
        left.sort_unstable();
        for (ordinal, pid) in (1..).zip(left) {
            tree.place(&mut unplaced, pid, Place::default().child(0).child(ordinal), None);
        }
        tree
    }

    /// Moves one process and its descendants from the unplaced processes into the tree. Uses no recursion, because the
    /// traced program determines the depth.
    fn place(&mut self, unplaced: &mut Unplaced, pid: u32, place: Place, from: Option<(usize, usize)>) {
        let mut waiting = vec![(pid, place, from)];
        while let Some((pid, place, from)) = waiting.pop() {
            let Some(trace) = unplaced.traces.remove(&pid) else {
                continue;
            };
            let parent = self.processes.len();
            let mut children = Vec::new();
            for (ordinal, (event, child)) in (1..).zip(forks(&trace)) {
                let child = child.or_else(|| unplaced.orphan_after(pid));
                if let Some(child) = child {
                    children.push((child, place.child(ordinal), Some((parent, event))));
                }
            }
            waiting.extend(children.into_iter().rev());
            self.processes.push(Process {
                pid,
                place,
                parent: from.map(|(parent, _)| parent),
                forked_at: from.map(|(_, event)| event),
                trace,
            });
        }
    }

    /// Returns all process ids with their places.
    pub fn places(&self) -> HashMap<u32, Place> {
        self.processes.iter().map(|p| (p.pid, p.place.clone())).collect()
    }
}

impl Unplaced {
    /// Returns the child of a fork that never returned to its parent, because the parent was killed meanwhile. The
    /// child is the process that no fork call returned.
    fn orphan_after(&self, parent: u32) -> Option<u32> {
        let unknown = self.traces.keys().filter(|pid| !self.forked.contains(pid));
        unknown.copied().filter(|pid| *pid != parent).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_come_in_the_order_of_their_forks() {
        let run = [
            (103, "+++ exited with 0 +++\n"),
            (101, "fork() = 103\n"),
            (100, "fork() = 102\nfork() = 101\n"),
            (102, "+++ exited with 0 +++\n"),
        ];
        let traces = run.map(|(pid, text)| (pid, Trace::new(text.into(), false).unwrap()));
        let tree = Tree::build(traces.into(), 100);
        let order: Vec<(u32, String)> =
            tree.processes.iter().map(|process| (process.pid, process.place.to_string())).collect();
        let expected = [(100, "root"), (102, "child 1"), (101, "child 2"), (103, "child 2.1")];
        assert_eq!(order, expected.map(|(pid, place)| (pid, place.to_owned())));
        let parents = [(None, None), (Some(0), Some(0)), (Some(0), Some(1)), (Some(2), Some(0))];
        assert!(tree.processes.iter().map(|process| (process.parent, process.forked_at)).eq(parents));
    }

    #[test]
    fn processes_without_a_fork_come_last_in_the_order_of_their_ids() {
        let trace = |text: &str| Trace::new(text.into(), false).unwrap();
        // A fork that returns 0 was recorded in the child.
        let mut traces = vec![(100, trace("fork() = 0\nfork() = -1 EAGAIN (x)\nfork() = 109\n")), (109, trace(""))];
        traces.extend((101..=108).rev().map(|pid| (pid, trace("close(3) = 0\n"))));
        let tree = Tree::build(traces, 100);
        let order = tree.processes.iter().map(|process| (process.pid, process.place.title()));
        let mut expected = vec![(100, "first process".to_owned()), (109, "child 1".to_owned())];
        expected.extend((101..=108).zip(1..).map(|(pid, ordinal)| (pid, format!("child 0.{ordinal}"))));
        assert!(order.clone().eq(expected), "{:?}", order.collect::<Vec<_>>());
    }
}
