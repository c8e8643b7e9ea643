//! The cases of the fault injection: each is a fault at one occurrence of a call.

use std::collections::BTreeMap;
use std::fmt;

use mpserv::signal::Signal;

use super::errnos::{NEVER_SEEN, errors_of};
use crate::commands::signal_named;
use crate::options::Extent;
use crate::start::{From, start_of_main};
use crate::trace::{Line, Trace};
use crate::tree::Process;
use crate::trouble::Trouble;

/// The fault that is injected into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The call fails and does nothing.
    Error(&'static str),
    /// The call moves only this many bytes. A read returns the letter x.
    Short(u32),
    /// A signal arrives during the call.
    Signal(&'static str),
}

/// The signals that come at each call.
const SIGNALS: [&str; 9] = ["CHLD", "TERM", "INT", "HUP", "USR1", "USR2", "ALRM", "PIPE", "CONT"];

/// The calls that move bytes, and so may move only a part of them. The flag tells whether the call reads into its
/// second argument.
const PARTIAL: [(&str, bool); 7] = [
    ("read", true),
    ("recvfrom", true),
    ("pread64", true),
    ("write", false),
    ("sendto", false),
    ("sendmsg", false),
    ("writev", false),
];

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Error(errno) => out.write_str(errno),
            Fault::Short(0) => out.write_str("0 bytes"),
            Fault::Short(1) => out.write_str("1 byte"),
            Fault::Short(count) => write!(out, "{count} bytes"),
            Fault::Signal(signal) => write!(out, "SIG{signal}"),
        }
    }
}

/// A fault at a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub call: String,
    pub fault: Fault,
    /// The occurrence of the call in a process, counted from 1.
    pub when: usize,
    /// Whether the fault also comes at each later occurrence.
    pub for_ever: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} at {}{}", self.call, self.fault, self.when, if self.for_ever { "+" } else { "" })
    }
}

impl Case {
    /// Returns the argument of `strace --inject` for the fault.
    pub fn injection(&self) -> String {
        let Case { call, when, .. } = self;
        let reads = PARTIAL.iter().any(|(name, reads)| name == call && *reads);
        let what = match self.fault {
            // The kernel's brk returns the end of the data. An end below the requested end means failure, and 0 is
            // below any end.
            Fault::Error(_) if call == "brk" => "retval=0".to_owned(),
            Fault::Error(errno) => format!("error={errno}"),
            Fault::Short(0) => "retval=0".to_owned(),
            // The kernel has written no result, so the programs would find different bytes there.
            Fault::Short(count) if reads => {
                format!("retval={count}:poke_exit=@arg2={}", "78".repeat(usize::try_from(count).unwrap_or(1)))
            }
            Fault::Short(count) => format!("retval={count}"),
            Fault::Signal(signal) => format!("signal=SIG{signal}"),
        };
        format!("{call}:{what}:when={when}{}", if self.for_ever { "+" } else { "" })
    }

    /// Whether the traces of a run show the fault.
    pub fn happened<'t>(&self, traces: impl IntoIterator<Item = &'t Trace>) -> bool {
        traces.into_iter().any(|trace| match self.fault {
            Fault::Signal(name) => self.signal_came(trace, name),
            _ => (0..trace.len()).any(|event| has(trace.text(event), b"(INJECTED")),
        })
    }

    /// Whether a trace shows the signal after the call. The signal is delivered, or, while it is blocked, read from a
    /// signalfd. A trace shows no signal that was discarded, and no signal after the last read or after a call that
    /// never returned.
    fn signal_came(&self, trace: &Trace, name: &str) -> bool {
        let makes = |event: usize, name: &[u8]| matches!(trace.line(event), Line::Call(call) if call.name == name);
        let mut all = (0..trace.len()).filter(|event| makes(*event, self.call.as_bytes()));
        let Some(made) = all.nth(self.when - 1) else {
            return false;
        };
        if matches!(trace.line(made), Line::Call(call) if matches!(call.result, b"" | b"?")) {
            return true;
        }
        let full = format!("SIG{name}");
        let read = read_from_descriptor(name);
        let came = (made..trace.len()).any(|event| match trace.line(event) {
            Line::Signal { name, info } => name == full.as_bytes() && has(info, b"SI_KERNEL"),
            Line::Call(call) if call.name == b"rt_sigaction" => discards(call.arguments, &full),
            Line::Call(call) => call.name == b"read" && has(call.arguments, read.as_bytes()),
            _ => false,
        });
        let is_end = |event: usize| matches!(trace.line(event), Line::End { .. });
        let last_read = (0..trace.len()).rfind(|event| makes(*event, b"read"));
        // A blocked signal may stay blocked until the process ends.
        came || last_read.is_some_and(|last| last < made) && trace.len().checked_sub(1).is_some_and(is_end)
    }

    /// Returns the case with the fault at each later occurrence, too.
    pub fn for_ever(&self) -> Self {
        Case { for_ever: true, ..self.clone() }
    }
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether an `rt_sigaction()` may discard a pending signal: it does if the new action, possibly the default action,
/// ignores the signal.
fn discards(arguments: &[u8], name: &str) -> bool {
    let is_of_it = arguments.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b", {"));
    is_of_it && (has(arguments, b"{sa_handler=SIG_IGN,") || has(arguments, b"{sa_handler=SIG_DFL,"))
}

/// Returns the text by which strace shows a signal from the kernel at the beginning of a read from a signalfd. The text
/// has the signal's number, no errno, and the code SI_KERNEL.
fn read_from_descriptor(name: &str) -> String {
    let number = match signal_named(name).map_or(0, Signal::raw) {
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        other => format!("\\{other:o}"),
    };
    format!("{number}\\0\\0\\0\\0\\0\\0\\0\\200\\0\\0\\0")
}

/// The number of times that the processes make a call.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// The number of calls in the loader, which runs in the root.
    loader: usize,
    /// The number of all calls, for each process that makes the call.
    all: Vec<usize>,
}

/// The cases of a program, and the cases that cannot be made, with the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cases {
    pub possible: Vec<Case>,
    pub impossible: BTreeMap<&'static str, usize>,
}

pub const LOADER: &str = "the root's loader makes the call as often before main, and would meet the fault instead";
pub const UNSEEN: &str = "ERESTARTNOINTR is the kernel's own: a program never sees it";
pub const AGAIN: &str =
    "EAGAIN and EINTR ask for the call to be made again: no kernel says so for ever of what is ready";
pub const CHAIN: &str = "each server that takes another's place would be told by it to make place for the next";
pub const UNLISTED: &str = "the call is not in the table of errnos, src/bin/mpserv-audit/faults/errnos.rs";
pub const NO_ERRORS: &str = "the manual page documents no error of the call";
pub const ORDER: &str =
    "made by fork() itself at a child's beginning, where the tool decides who runs first; glibc ignores its result";

/// The call that fork() makes in a child.
const BIRTH: &str = "set_robust_list";

impl Cases {
    /// Returns all faults at the calls that these processes made in a run without faults. `from` finds main.
    pub fn of<'p>(
        processes: impl IntoIterator<Item = &'p Process>,
        from: From,
        extent: Extent,
    ) -> Result<Self, Trouble> {
        let mut cases = Cases::default();
        for (call, counts) in counts(processes, from) {
            let Some(errors) = errors_of(&call) else {
                *cases.impossible.entry(UNLISTED).or_default() += 1;
                continue;
            };
            let mut faults: Vec<Fault> = errors.iter().map(Fault::Error).collect();
            if PARTIAL.iter().any(|(name, _)| *name == call) {
                faults.extend([Fault::Short(0), Fault::Short(1)]);
            }
            if faults.is_empty() {
                *cases.impossible.entry(NO_ERRORS).or_default() += 1;
            }
            faults.extend(SIGNALS.map(Fault::Signal));
            for fault in faults {
                cases.at_each_occurrence(&call, fault, &counts, extent);
            }
        }
        Ok(cases)
    }

    fn at_each_occurrence(&mut self, call: &str, fault: Fault, counts: &Counts, extent: Extent) {
        for when in counts.occurrences(extent) {
            let impossible = match fault {
                Fault::Error(NEVER_SEEN) => Some(UNSEEN),
                Fault::Error(_) if call == BIRTH => Some(ORDER),
                _ if when <= counts.loader => Some(LOADER),
                _ => None,
            };
            match impossible {
                Some(reason) => *self.impossible.entry(reason).or_default() += 1,
                None => self.possible.push(Case { call: call.to_owned(), fault, when, for_ever: false }),
            }
        }
    }
}

impl Counts {
    /// Returns the occurrences to try: for each process the first, a middle and the last occurrence, or only the first.
    fn occurrences(&self, extent: Extent) -> Vec<usize> {
        let first = |count: usize| if count > self.loader { self.loader + 1 } else { 1 };
        let of_process = |count: &usize| {
            let (first, last) = (first(*count), *count);
            match extent {
                Extent::All => vec![first, first.midpoint(last), last],
                Extent::Part => vec![first],
            }
        };
        let mut all: Vec<usize> = self.all.iter().flat_map(of_process).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The call by which the kernel resumes a waiting call that strace interrupted to attach.
const RESUMED: &[u8] = b"restart_syscall";

/// Counts each call by name: in the loader, and in the whole process.
fn counts<'p>(processes: impl IntoIterator<Item = &'p Process>, from: From) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for process in processes {
        let mut own: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut start = start_of_main(process, from);
        for event in 0..process.trace.len() {
            let before = start.leaves_out(event);
            match process.trace.line(event) {
                Line::Call(call) if call.name != RESUMED => {
                    let (loader, all) = own.entry(String::from_utf8_lossy(call.name).into_owned()).or_default();
                    *loader += usize::from(before);
                    *all += 1;
                }
                _ => {}
            }
        }
        for (call, (loader, all)) in own {
            // A call that only the loader makes does not belong to the program.
            let known = counts.contains_key(&call);
            if all > loader || known {
                let entry = counts.entry(call).or_default();
                entry.loader = entry.loader.max(loader);
                entry.all.push(all);
            } else {
                counts.entry(call).or_default().loader = loader;
            }
        }
    }
    counts.retain(|_, counts| !counts.all.is_empty());
    counts
}

#[cfg(test)]
mod tests;
