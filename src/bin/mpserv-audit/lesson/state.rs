//! The kernel's state for the processes of a run, computed from their calls: descriptors, children, signals, the alarm.

mod apply;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::run::output::Output;
use crate::tree::Tree;

/// The object to which a descriptor refers. After a fork, two processes refer to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub name: String,
}

/// A number in a process's table of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub object: usize,
    pub close_on_exec: bool,
}

/// The life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Unborn,
    Alive,
    /// The process has ended, and no process has waited for it.
    Zombie,
    Gone,
}

/// A process's action for a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Ignore,
    Handler {
        /// The signals that are blocked while the handler runs.
        mask: BTreeSet<String>,
        /// Whether the signal itself is unblocked while the handler runs.
        nodefer: bool,
        /// Whether the handler is reset after one signal.
        resets: bool,
    },
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub life: Life,
    pub parent: Option<usize>,
    pub descriptors: BTreeMap<i64, Descriptor>,
    pub actions: BTreeMap<String, Action>,
    /// Whether the children of the process leave no zombies (SA_NOCLDWAIT).
    pub keeps_no_zombies: bool,
    pub blocked: BTreeSet<String>,
    pub pending: BTreeSet<String>,
    /// The seconds for which the alarm is set.
    pub alarm: Option<i64>,
}

/// The state of the kernel for all processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The processes, by their index in the tree.
    pub processes: Vec<Process>,
    pub objects: Vec<Object>,
    connections: usize,
}

/// The number of standard descriptors, which a reader takes for granted.
pub const STANDARD: i64 = 3;

impl Kernel {
    /// Returns the state at the beginning of the first process's main.
    pub fn new(tree: &Tree, output: Output) -> Self {
        let name = |name: &str| Object { name: name.to_owned() };
        let out = match output {
            Output::Pty => "the terminal",
            Output::Pipe => "a pipe",
            Output::File => "a file",
        };
        let objects = vec![name("standard input"), name(out), name("standard error")];
        let unborn = Process {
            life: Life::Unborn,
            parent: None,
            descriptors: BTreeMap::new(),
            actions: BTreeMap::new(),
            keeps_no_zombies: false,
            blocked: BTreeSet::new(),
            pending: BTreeSet::new(),
            alarm: None,
        };
        let mut processes = vec![unborn; tree.processes.len()];
        if let Some(root) = processes.first_mut() {
            root.life = Life::Alive;
            let descriptor = |object| Descriptor { object, close_on_exec: false };
            root.descriptors = (0..STANDARD).zip((0..).map(descriptor)).collect();
        }
        Kernel { processes, objects, connections: 0 }
    }

    /// Returns the children of a process, with their states of life.
    pub fn children(&self, parent: usize) -> impl Iterator<Item = (usize, Life)> {
        let all = self.processes.iter().enumerate();
        all.filter(move |(_, process)| process.parent == Some(parent)).map(|(index, process)| (index, process.life))
    }

    /// Returns the processes that have an object open.
    pub fn holders(&self, object: usize) -> Vec<usize> {
        let holds = |process: &Process| process.descriptors.values().any(|descriptor| descriptor.object == object);
        let all = self.processes.iter().enumerate();
        all.filter(|(_, process)| holds(process)).map(|(index, _)| index).collect()
    }

    /// Returns the name of a descriptor's object.
    pub fn name(&self, descriptor: Descriptor) -> &str {
        self.objects.get(descriptor.object).map_or("?", |object| &object.name)
    }
}

/// Returns the names of signals. A set of all signals that can be blocked has no list.
pub fn list(signals: &BTreeSet<String>) -> String {
    if signals.len() == apply::BLOCKABLE {
        return "all signals".to_owned();
    }
    signals.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// Returns the changes by one step, in words that begin with the process.
pub fn changes(before: &Kernel, after: &Kernel, name: impl Fn(usize) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for (index, (old, new)) in before.processes.iter().zip(&after.processes).enumerate() {
        let who = name(index);
        match (old.life, new.life) {
            (Life::Unborn, Life::Alive) => found.push(format!("{who} begins")),
            (Life::Alive, Life::Zombie) => found.push(format!("{who} is a zombie")),
            (Life::Alive, Life::Gone) => found.push(format!("{who} is gone")),
            (Life::Zombie, Life::Gone) => found.push(format!("{who} is a zombie no more")),
            _ => {}
        }
        if new.life != Life::Alive || old.life != Life::Alive {
            continue;
        }
        let pending: BTreeSet<_> = new.pending.difference(&old.pending).cloned().collect();
        if !pending.is_empty() {
            found.push(format!("{} pending for {who}", list(&pending)));
        }
        let blocked: BTreeSet<_> = new.blocked.difference(&old.blocked).cloned().collect();
        if !blocked.is_empty() {
            found.push(format!("{} blocked in {who}", list(&blocked)));
        }
        let unblocked: BTreeSet<_> = old.blocked.difference(&new.blocked).cloned().collect();
        if !unblocked.is_empty() {
            found.push(format!("{} unblocked in {who}", list(&unblocked)));
        }
        match (old.alarm, new.alarm) {
            (before, Some(seconds)) if before != Some(seconds) => found.push(format!("alarm in {seconds} s for {who}")),
            (Some(_), None) => found.push(format!("no alarm set for {who}")),
            _ => {}
        }
    }
    found
}
