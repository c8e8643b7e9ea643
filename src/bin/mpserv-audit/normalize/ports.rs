//! Tells the ports that the kernel chose from those that the program chose.

use std::collections::HashSet;

use super::line::{Name, Normal};
use super::number::leading_number;
use crate::trace::{Call, Line};
use crate::tree::Tree;

/// The ports of one run, by their source.
#[derive(Debug, Default)]
pub struct Ports {
    /// Ports that were passed to bind, or to the tool.
    bound: HashSet<u64>,
    /// Ports that were passed to connect.
    connected: HashSet<u64>,
    /// Ports that the kernel reported for a socket.
    told: HashSet<u64>,
    /// The port for which the tool waits.
    listen: Option<u64>,
    pub(super) listen_is_aside: bool,
}

impl Ports {
    pub(super) fn of(tree: &Tree, listen: Option<u16>) -> Self {
        let mut ports = Ports { listen: listen.map(u64::from), ..Ports::default() };
        ports.bound.extend(ports.listen);
        for process in &tree.processes {
            for event in 0..process.trace.len() {
                let text = process.trace.text(event);
                // Only these calls are parsed here, because a trace may have a million other calls.
                if !matches!(text.first(), Some(b'a' | b'b' | b'c' | b'g')) {
                    continue;
                }
                if let Line::Call(call) = Line::parse(text) {
                    ports.note(&call);
                }
            }
        }
        ports
    }

    fn note(&mut self, call: &Call<'_>) {
        let known = match call.name {
            b"bind" => &mut self.bound,
            b"connect" => &mut self.connected,
            b"accept" | b"accept4" | b"getsockname" => &mut self.told,
            _ => return,
        };
        let mark = b"_port=htons(";
        let Some(at) = call.arguments.windows(mark.len()).position(|window| window == mark) else {
            return;
        };
        if let Some((port, false)) = leading_number(&call.arguments[at + mark.len()..]) {
            known.insert(port);
        }
    }

    fn is_ephemeral(&self, port: u64) -> bool {
        port != 0 && !self.bound.contains(&port) && (self.told.contains(&port) || !self.connected.contains(&port))
    }

    pub(super) fn rewrite(&self, port: u64, normal: &mut Normal) -> bool {
        if self.listen_is_aside && self.listen == Some(port) {
            normal.put(b"<listen>");
            return true;
        }
        let ephemeral = self.is_ephemeral(port);
        if ephemeral {
            normal.put(b"<port>");
            normal.names.push(Name::Port(port));
        }
        ephemeral
    }
}
