//! Facts about a whole run that its normalization needs: process ids, ports, paths and the environment.

use std::collections::{HashMap, HashSet};

use super::ports::Ports;
use super::strings::{Path, Text};
use crate::lexer::{Kind, Lexer};
use crate::trace::{Call, Line};
use crate::tree::{Place, Tree};

/// The facts about one run.
#[derive(Debug)]
pub struct Run {
    pub(super) places: HashMap<u32, Place>,
    pub(super) ports: Ports,
    /// Paths that have a name, longest first.
    pub(super) paths: Vec<Path>,
    /// The environment that the command got, as strace shows it.
    pub(super) environment: HashSet<Vec<u8>>,
}

/// The variables that name a directory, and the names that replace it.
const DIRECTORIES: [(&[u8], &[u8]); 2] = [(b"PWD=", b"<directory>"), (b"HOME=", b"<home>")];

impl Run {
    /// Collects the facts about a run. `own_paths` is empty if both commands have the same path. `listen` is the port
    /// for which the tool waits.
    pub fn new(tree: &Tree, own_paths: &[Vec<u8>], listen: Option<u16>) -> Self {
        let environment = environment(tree);
        let mut paths: Vec<Path> = own_paths.iter().map(|path| Path::program(path)).collect();
        for (variable, name) in DIRECTORIES {
            let values = environment.iter().filter_map(|text| inside(text).strip_prefix(variable));
            paths.extend(values.filter_map(|value| Path::directory(value, name)));
        }
        paths.extend(working_directory(tree).and_then(|path| Path::directory(inside(&path), b"<directory>")));
        paths.sort_by_key(|path| std::cmp::Reverse(path.length()));
        Run { places: tree.places(), ports: Ports::of(tree, listen), paths, environment }
    }

    /// Makes the comparison ignore the port for which the tool waits, because the other side has another port.
    pub fn with_listen_aside(mut self) -> Self {
        self.ports.listen_is_aside = true;
        self
    }

    /// Returns a program's text with names in place of process ids and paths.
    pub fn with_names(&self, text: &[u8]) -> Vec<u8> {
        let mut named = Vec::new();
        Text::new(&[b"\"", text, b"\""].concat()).rewrite(&self.paths, Some(&self.places), &mut named);
        // The result has no quotes.
        named[1..named.len() - 1].to_vec()
    }

    pub(super) fn write_place(&self, pid: u64, out: &mut Vec<u8>) {
        let place = u32::try_from(pid).ok().and_then(|pid| self.places.get(&pid));
        match place {
            Some(place) => out.extend_from_slice(format!("<process {place}>").as_bytes()),
            None => out.extend_from_slice(b"<process outside>"),
        }
    }
}

fn inside(quoted: &[u8]) -> &[u8] {
    quoted.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(quoted)
}

/// Returns the strings of the environment in the root's first call, which executes the command.
fn environment(tree: &Tree) -> HashSet<Vec<u8>> {
    let root = tree.processes.first().filter(|root| root.trace.len() > 0);
    match root.map(|root| root.trace.line(0)) {
        Some(Line::Call(call)) if call.name == b"execve" => environment_of(&call),
        _ => HashSet::new(),
    }
}

/// Returns the strings in the third argument of an execve.
fn environment_of(call: &Call<'_>) -> HashSet<Vec<u8>> {
    let mut found = HashSet::new();
    let (mut depth, mut argument) = (0, 0);
    for token in Lexer::new(call.arguments) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Other if token.text == b"," && depth == 0 => argument += 1,
            Kind::String if argument == 2 => {
                found.insert(token.text.to_vec());
            }
            _ => {}
        }
    }
    found
}

/// Returns the result of the root's first getcwd.
fn working_directory(tree: &Tree) -> Option<Vec<u8>> {
    let trace = &tree.processes.first()?.trace;
    let event = (0..trace.len()).find(|event| trace.text(*event).starts_with(b"getcwd(\""))?;
    match trace.line(event) {
        Line::Call(call) => Lexer::new(call.arguments).next().map(|token| token.text.to_vec()),
        _ => None,
    }
}
