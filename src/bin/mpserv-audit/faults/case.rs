//! One fault: what happens to a call, and the how manieth time that it is made.

use std::collections::BTreeMap;
use std::fmt;

use super::errnos::{NEVER_SEEN, errors_of};
use crate::options::Extent;
use crate::start::{From, start_of_main};
use crate::trace::{Line, Trace};
use crate::tree::Process;
use crate::trouble::Trouble;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It fails, and does nothing.
    Error(&'static str),
    /// It moves only so many bytes: what it says, not what it does. What it reads is the letter x.
    Short(u32),
    /// A signal comes while it is made.
    Signal(&'static str),
}

/// The signals that come at each call.
const SIGNALS: [&str; 8] = ["CHLD", "TERM", "INT", "HUP", "USR1", "ALRM", "PIPE", "CONT"];

/// Which calls move bytes, so that they may move few of them, and whether they read into their second argument.
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
    /// The how manieth time the call is made in a process, from 1.
    pub when: usize,
    /// And every time after that.
    pub for_ever: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} at {}{}", self.call, self.fault, self.when, if self.for_ever { "+" } else { "" })
    }
}

impl Case {
    /// In strace's words.
    pub fn injection(&self) -> String {
        let Case { call, when, .. } = self;
        let reads = PARTIAL.iter().any(|(name, reads)| name == call && *reads);
        let what = match self.fault {
            Fault::Error(errno) => format!("error={errno}"),
            Fault::Short(0) => "retval=0".to_owned(),
            // The kernel has written nothing, so what is there is not what either program would find.
            Fault::Short(count) if reads => {
                format!("retval={count}:poke_exit=@arg2={}", "78".repeat(usize::try_from(count).unwrap_or(1)))
            }
            Fault::Short(count) => format!("retval={count}"),
            Fault::Signal(signal) => format!("signal=SIG{signal}"),
        };
        format!("{call}:{what}:when={when}{}", if self.for_ever { "+" } else { "" })
    }

    /// Whether a run's traces show that it happened.
    pub fn happened<'t>(&self, traces: impl IntoIterator<Item = &'t Trace>) -> bool {
        let mark = b"(INJECTED";
        let is_injected = |line: &[u8]| line.windows(mark.len()).any(|window| window == mark);
        let injected = |trace: &Trace| (0..trace.len()).any(|event| is_injected(trace.text(event)));
        // A call that never came back shows no signal either.
        matches!(self.fault, Fault::Signal(_)) || traces.into_iter().any(injected)
    }

    /// The same, every time from then on.
    pub fn for_ever(&self) -> Self {
        Case { for_ever: true, ..self.clone() }
    }
}

/// How often the processes make a call.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// In the loader, which is the root's.
    loader: usize,
    /// In all, in each process that makes it.
    all: Vec<usize>,
}

/// The cases of a program, and those that cannot be made, with the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cases {
    pub possible: Vec<Case>,
    pub impossible: BTreeMap<&'static str, usize>,
}

pub const LOADER: &str = "the root's loader makes the call as often before main, and would meet the fault instead";
pub const UNSEEN: &str = "ERESTARTNOINTR is the kernel's own: a program never sees it";
pub const AGAIN: &str =
    "EAGAIN and EINTR ask for the call to be made again: no kernel says so for ever of what is ready";
pub const NO_ERRORS: &str = "the manual page documents no error of the call";
pub const ORDER: &str =
    "made by fork() itself at a child's beginning, where the tool decides who runs first; glibc ignores its result";

/// The call that fork() makes in a child.
const BIRTH: &str = "set_robust_list";

impl Cases {
    /// All faults at the calls of these processes in a run without any, whose main is found like this.
    pub fn of<'p>(
        processes: impl IntoIterator<Item = &'p Process>,
        from: From,
        extent: Extent,
    ) -> Result<Self, Trouble> {
        let mut cases = Cases::default();
        for (call, counts) in counts(processes, from) {
            let errors = errors_of(&call).ok_or_else(|| {
                Trouble::new(format!("{call}: not in the table of errnos, src/bin/mpserv-audit/faults/errnos.rs"))
            })?;
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
    /// The first, a middle and the last time that each process makes the call, or only the first.
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

/// How often each call is made, in the loader and in all, by name.
fn counts<'p>(processes: impl IntoIterator<Item = &'p Process>, from: From) -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for process in processes {
        let mut own: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut start = start_of_main(process, from);
        for event in 0..process.trace.len() {
            let before = start.leaves_out(event);
            if let Line::Call(call) = process.trace.line(event) {
                let (loader, all) = own.entry(String::from_utf8_lossy(call.name).into_owned()).or_default();
                *loader += usize::from(before);
                *all += 1;
            }
        }
        for (call, (loader, all)) in own {
            // A call that only the loader makes is not the program's.
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
