//! Facts about a whole run that its normalization needs: process ids, ports, the program's own path.

use std::collections::HashMap;

use super::ports::Ports;
use super::strings::Text;
use crate::tree::{Place, Tree};

/// The facts about one run.
#[derive(Debug)]
pub struct Run {
    pub(super) places: HashMap<u32, Place>,
    pub(super) ports: Ports,
    /// What is taken for the program's own path, longest first.
    pub(super) paths: Vec<Vec<u8>>,
}

impl Run {
    /// `own_paths` is empty where both commands have the same; `listen` is the port the tool waits
    /// for.
    pub fn new(tree: &Tree, own_paths: &[Vec<u8>], listen: Option<u16>) -> Self {
        let mut paths = own_paths.to_vec();
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        Run { places: tree.places(), ports: Ports::of(tree, listen), paths }
    }

    /// Text of a program with names in it, by the normalizations of process ids and the program's own path.
    pub fn with_names(&self, text: &[u8]) -> Vec<u8> {
        let mut named = Vec::new();
        Text::new(&[b"\"", text, b"\""].concat()).rewrite(&self.paths, Some(&self.places), &mut named);
        // Without the quotes.
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
