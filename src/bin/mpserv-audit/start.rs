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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const LOADER: &str = "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3\n\
                          mmap(NULL, 99, PROT_READ, MAP_PRIVATE, 4, 0) = 0x7f0000001000\n\
                          mmap(NULL, 77, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000002000\n\
                          mprotect(0x7f0000002000, 77, PROT_READ) = 0\n\
                          munmap(0x7f0000002000, 78) = 0\n\
                          munmap(0x7f0000002000, 77) = 0\n";
    const EXECUTES: &str = "execve(\"/bin/x\", [\"x\"], []) = 0\n";
    const FAILS: &str = "execve(\"/bin/y\", [\"y\"], []) = -1 ENOENT (x)\n";
    const CALL: &str = "close(9) = 0\n";

    /// Returns the events of a process that the comparison has.
    fn compared(root: &str, child: &str, of_child: bool, from: From) -> Vec<usize> {
        let traces = [(100, root), (101, child)].map(|(pid, text)| (pid, Trace::new(text.into(), false).unwrap()));
        let tree = Tree::build(traces.into(), 100);
        let process = &tree.processes[usize::from(of_child)];
        let mut start = start_of_main(process, from);
        (0..process.trace.len()).filter(|event| !start.leaves_out(*event)).collect()
    }

    #[test]
    fn main_begins_after_the_loader_of_each_program() {
        let of = |root: &str, from| compared(root, "", false, from);
        let twice = [EXECUTES, LOADER, CALL, FAILS, EXECUTES, LOADER, CALL, CALL].concat();
        // The first execve is the tool's, and the second the program's own.
        assert_eq!(of(&twice, From::Main), [7, 8, 9, 16, 17]);
        assert_eq!(of(&twice, From::Execve), (0..18).collect::<Vec<_>>());
        let cut = [EXECUTES, &LOADER[..LOADER.len() - "munmap(0x7f0000002000, 77) = 0\n".len()]].concat();
        assert_eq!(of(&cut, From::Main), [0, 1, 2, 3, 4, 5]);
        assert_eq!(of(&[&cut, EXECUTES, LOADER, CALL].concat(), From::Main), [0, 1, 2, 3, 4, 5, 6, 13]);
        let fails = LOADER.replacen("= 3", "= -1 ENOENT (x)", 1);
        assert_eq!(of(&[EXECUTES, &fails].concat(), From::Main).len(), 7);
        // The calls of libraries end at the mark.
        let marked =
            [EXECUTES, LOADER, CALL, "access(\"//mpserv-audit: main//\", F_OK) = -1 ENOENT (x)\n", CALL].concat();
        assert_eq!(of(&marked, From::Main), [9]);
        for (calls, first) in [(99, 107), (100, 7)] {
            let late = marked.replacen(CALL, &CALL.repeat(calls), 1);
            assert_eq!(of(&late, From::Main)[0], first, "{calls} calls before the mark");
        }
        // A child executes a program by its own call.
        let child = [CALL, EXECUTES, LOADER, CALL].concat();
        assert_eq!(compared("fork() = 101\n", &child, true, From::Main), [0, 1, 8]);
        assert_eq!(compared("fork() = 101\n", &child[CALL.len()..], true, From::Main), [0, 7]);
    }

    #[test]
    fn main_of_a_static_or_an_attached_program_begins_after_its_last_call_before() {
        let of = |root: &str, from| compared(root, "", false, from);
        let fixed = [EXECUTES, CALL, "mprotect(0x400000, 4096, PROT_READ) = 0\n", CALL].concat();
        assert_eq!((of(&fixed, From::Main), of(&fixed, From::AnyMain)), (vec![0, 1, 2, 3], vec![3]));
        let loaded = [EXECUTES, LOADER, CALL].concat();
        assert_eq!(of(&loaded, From::AnyMain), [7]);
        let attached = [CALL, "munmap(0x7f0000002000, 77) = 0\n", CALL, "munmap(0x1, 7) = 0\n"].concat();
        assert_eq!((of(&attached, From::Attached), of(CALL, From::Attached)), (vec![2, 3], vec![]));
        assert_eq!(compared("fork() = 101\n", &attached, true, From::Attached), [0, 1, 2, 3]);
    }
}
