//! Finds the beginning of a program's own code in a trace.
//!
//! A dynamically linked program is started by the loader, which runs in the same process before `main`. The loader maps
//! its cache, /etc/ld.so.cache, once, and looks up all libraries in it. Its last action before the program begins is to
//! unmap the cache. So the first munmap of exactly that address and length ends the loader's part. No other call can be
//! taken for that munmap, because only the loader knew the address until then. A statically linked program has no such
//! call, and is compared from execve on.

use crate::trace::{Call, Line, Trace};
use crate::tree::Process;

/// The beginning of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The comparison begins at main, in each program that a process executes.
    Main,
    /// The comparison begins at execve, and includes the loader's calls.
    Execve,
    /// The comparison begins at main, and strace was attached during the loader's last calls. The last of these calls
    /// is an munmap.
    Attached,
    /// The comparison begins at main of a program that is linked dynamically, or statically with the GNU C library. The
    /// last call of a static program before main is an mprotect of the relocated data.
    AnyMain,
}

/// The events of a process that come before main.
#[derive(Debug, Default)]
pub struct Start {
    /// The ranges of events that are left out, each from its first event to one after its last.
    left_out: Vec<(usize, usize)>,
}

impl Start {
    /// Whether an event comes before main. Call this function for events in ascending order.
    pub fn leaves_out(&mut self, event: usize) -> bool {
        while self.left_out.first().is_some_and(|(_, end)| *end <= event) {
            self.left_out.remove(0);
        }
        self.left_out.first().is_some_and(|(start, end)| (*start..*end).contains(&event))
    }
}

/// Finds main in each program that a process executes.
pub fn start_of_main(process: &Process, from: From) -> Start {
    let mut start = Start::default();
    if from == From::Execve {
        return start;
    }
    let trace = &process.trace;
    if from == From::Attached {
        if process.place.is_root() {
            let is_last = |event: &usize| trace.text(*event).starts_with(b"munmap(");
            start.left_out.push((0, (0..trace.len()).find(is_last).map_or(trace.len(), |last| last + 1)));
        }
        return start;
    }
    for event in 0..trace.len() {
        if !is_executed(trace.text(event)) {
            continue;
        }
        // The tool makes the root's first execve. The program's own code makes any other execve.
        let own = usize::from(!(process.place.is_root() && event == 0));
        let end = end_of_loader(trace, event + 1)
            .or_else(|| if from == From::AnyMain { end_of_static_start(trace, event + 1) } else { None });
        if let Some(end) = end {
            start.left_out.push((event + own, mark(trace, end).unwrap_or(end)));
        }
    }
    start
}

fn is_executed(line: &[u8]) -> bool {
    let is_call = line.starts_with(b"execve") || line.starts_with(b"<... execve");
    is_call && matches!(Line::parse(line), Line::Call(call) if call.result == b"0")
}

const CACHE: &[u8] = b"\"/etc/ld.so.cache\"";

/// The number of events after execve among which the loader's calls are searched. Even hundreds of libraries, with
/// about ten calls each, need fewer events.
const MAX_LOADER: usize = 20_000;

/// Returns the event after the loader's last event, if a loader ran.
fn end_of_loader(trace: &Trace, first: usize) -> Option<usize> {
    let mut cache = Cache::Unopened;
    for event in first..trace.len().min(first.saturating_add(MAX_LOADER)) {
        let line = trace.text(event);
        if is_executed(line) {
            return None;
        }
        let Line::Call(call) = Line::parse(line) else {
            continue;
        };
        cache = match cache {
            Cache::Unopened if opens_cache(&call) => Cache::Opened(call.result.to_vec()),
            Cache::Opened(descriptor) => match mapped(&call, &descriptor) {
                Some(mapping) => Cache::Mapped(mapping),
                None => Cache::Opened(descriptor),
            },
            Cache::Mapped(mapping) if call.name == b"munmap" && call.arguments == mapping => {
                return Some(event + 1);
            }
            other => other,
        };
    }
    None
}

/// The text in the call that marks the beginning of main, in a program whose libraries make calls before main: see
/// foreign/with_library.c.
const MARK: &[u8] = b"\"//mpserv-audit: main//\"";

/// The most calls of libraries between the loader's last call and main.
const MAX_INITIALIZERS: usize = 100;

/// Returns the event after the mark, if there is one.
fn mark(trace: &Trace, first: usize) -> Option<usize> {
    let is_mark = |event: &usize| trace.text(*event).windows(MARK.len()).any(|window| window == MARK);
    (first..trace.len().min(first + MAX_INITIALIZERS)).find(is_mark).map(|mark| mark + 1)
}

/// Returns the event after the first mprotect.
fn end_of_static_start(trace: &Trace, first: usize) -> Option<usize> {
    (first..trace.len()).find(|event| trace.text(*event).starts_with(b"mprotect(")).map(|last| last + 1)
}

/// The progress of the loader with its cache.
#[derive(Debug)]
enum Cache {
    Unopened,
    /// The cache is open, with this descriptor.
    Opened(Vec<u8>),
    /// The cache is mapped, and will be unmapped with these arguments.
    Mapped(Vec<u8>),
}

fn opens_cache(call: &Call<'_>) -> bool {
    let opens = matches!(call.name, b"open" | b"openat");
    opens && !call.result.starts_with(b"-") && call.arguments.windows(CACHE.len()).any(|window| window == CACHE)
}

/// Returns the address and length of a mapping of `descriptor`.
fn mapped(call: &Call<'_>, descriptor: &[u8]) -> Option<Vec<u8>> {
    if call.name != b"mmap" || !call.result.starts_with(b"0x") {
        return None;
    }
    let arguments: Vec<&[u8]> = call.arguments.split(|b| *b == b',').map(<[u8]>::trim_ascii).collect();
    let (length, from) = (arguments.get(1)?, arguments.get(4)?);
    (*from == descriptor).then(|| [call.result, b", ", length].concat())
}
