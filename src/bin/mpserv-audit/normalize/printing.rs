//! Finds the calls that print: writes to standard output and error, and the calls by which stdio prepares them.
//!
//! The place and the number of a program's writes follow from its texts. A full buffer is written at once. The first
//! use of a stream allocates its buffer. The comparison puts these calls aside for its verdict "same but for the
//! texts".

use super::number::leading_number;
use crate::trace::Call;

/// The standard output and error.
const STANDARD: [u64; 2] = [1, 2];
/// The descriptor of standard error. glibc's perror prints to a copy of it.
const STANDARD_ERROR: u64 = 2;

/// The descriptors of one process that lead to its standard output or error.
#[derive(Clone, Debug)]
pub(super) struct Printing {
    descriptors: Vec<u64>,
    /// Whether the last call asked for the kind of an output, or was one of perror's calls. After such a call, stdio
    /// allocates memory.
    prepares: bool,
}

impl Printing {
    pub(super) fn new() -> Self {
        Printing { descriptors: STANDARD.to_vec(), prepares: false }
    }

    /// Keeps track of the descriptors, and returns whether this call prints.
    pub(super) fn note(&mut self, call: &Call<'_>) -> bool {
        let prepared = std::mem::take(&mut self.prepares);
        let number = |text: &[u8]| leading_number(text).map(|(number, _)| number);
        let descriptor = number(call.arguments);
        let is_printed = descriptor.is_some_and(|descriptor| self.descriptors.contains(&descriptor));
        match call.name {
            b"write" | b"writev" => is_printed,
            b"fstat" | b"newfstatat" | b"ioctl" if is_printed => {
                // If the path of newfstatat is empty, the call is about the descriptor's own file.
                let asks = match call.name {
                    b"newfstatat" => has(call.arguments, b", \"\", "),
                    b"ioctl" => has(call.arguments, b", TCGETS"),
                    _ => true,
                };
                self.prepares = asks;
                asks
            }
            b"getrandom" | b"brk" => {
                self.prepares = prepared;
                prepared
            }
            // fdopen allocates the stream.
            b"fcntl" if is_printed && has(call.arguments, b", F_GETFL") => {
                self.prepares = true;
                true
            }
            b"dup" | b"dup2" | b"dup3" | b"fcntl" => {
                let copies = call.name != b"fcntl" || has(call.arguments, b", F_DUPFD");
                if let (true, Some(copy)) = (copies, number(call.result)) {
                    self.descriptors.retain(|known| *known != copy);
                    if is_printed {
                        self.descriptors.push(copy);
                    }
                }
                call.name == b"dup" && descriptor == Some(STANDARD_ERROR)
            }
            b"close" => {
                self.descriptors.retain(|known| Some(*known) != descriptor);
                // glibc 2.41 allocates perror's text when the copy cannot be used.
                self.prepares = is_printed && descriptor.is_some_and(|descriptor| !STANDARD.contains(&descriptor));
                self.prepares
            }
            _ => false,
        }
    }
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
