//! Kept traces: the files of an earlier run in place of a new run. `--save` writes such files, and so does `strace -ff
//! -v -s 65535 -o FILE`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::lexer::{Kind, Lexer};
use crate::run::output::Output;
use crate::run::stage::Standing;
use crate::run::strace::STRING_MAX;
use crate::run::{PRINTED, Recorded};
use crate::trace::{FRAME, Line, Trace, span};
use crate::tree::{self, Tree};
use crate::trouble::Trouble;

/// The hint that shows the command for a trace that can be compared.
const MAKE: &str = "make the trace with: strace -ff -v -s 65535 -o FILE COMMAND";

/// The number of bytes at the beginning of a file that tell whether the file is a trace.
const BEGIN: u64 = 64;

/// The files of one run, by process id.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The path of the files, up to the process id.
    prefix: PathBuf,
    files: Vec<(u32, PathBuf)>,
}

/// The traces that a word of the command line names.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder of `--save`, with traces by name.
    Folder(PathBuf, Vec<Kept>),
    /// One trace.
    Files(Kept),
}

impl Place {
    /// Returns the traces at a path, if there are any. The path is a folder, or the name of files up to the process id.
    pub fn find(word: &str) -> Option<Self> {
        let path = Path::new(word);
        if path.is_dir() {
            return Some(Place::Folder(path.to_owned(), in_folder(path)));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let named = in_folder(folder).into_iter().find(|kept| kept.prefix.file_name() == path.file_name());
        named.map(Place::Files)
    }

    /// Returns the reason why a word cannot name traces, if the word names a file that strace wrote.
    pub fn refusal(word: &str) -> Option<Trouble> {
        let path = Path::new(word);
        let mut begin = Vec::new();
        if path.is_file() {
            File::open(path).ok()?.take(BEGIN).read_to_end(&mut begin).ok()?;
        }
        if !begins_with_call(&begin) {
            return None;
        }
        let extension = path.extension().and_then(|id| id.to_str()?.parse::<u32>().ok());
        Some(Trouble::new(match extension {
            Some(_) => format!("one file of a trace; name them all: {}", path.with_extension("").display()),
            None => format!("a trace in one file, but each process needs its own; {MAKE}"),
        }))
    }

    /// Returns the kinds of standard output of the traces. A trace that does not tell its kind fits any kind.
    pub fn outputs(&self, side: &str) -> Vec<Output> {
        let is_of = |output: &Output| match self.trace(side, *output) {
            Ok(kept) => kept.output().is_none_or(|kind| kind == *output),
            Err(_) => false,
        };
        Output::ALL.into_iter().filter(is_of).collect()
    }

    /// Returns the trace of a side with a kind of standard output.
    ///
    /// # Errors
    /// Fails when there is no such trace, or when there are several and the user named none.
    pub fn trace(&self, side: &str, output: Output) -> Result<Kept, Trouble> {
        let (folder, all) = match self {
            Place::Files(kept) => return Ok(kept.clone()),
            Place::Folder(folder, all) => (folder, all),
        };
        let named = format!("{side}.{}", output.name());
        if let Some(kept) = all.iter().find(|kept| kept.name() == named) {
            return Ok(kept.clone());
        }
        match all.as_slice() {
            [] => Err(Trouble::new(format!("{}: there is no trace in this folder; {MAKE}", folder.display()))),
            [one] if !Output::ALL.iter().any(|other| *other != output && one.name().ends_with(other.name())) => {
                Ok(one.clone())
            }
            several => {
                let names: Vec<String> = several.iter().map(Kept::name).collect();
                let (folder, names) = (folder.display(), names.join(", "));
                Err(Trouble::new(format!("{folder}: no trace is called {named}; name one, as {folder}/NAME: {names}")))
            }
        }
    }
}

/// Whether a line of strace begins here, perhaps behind the process id of `strace -f`.
fn begins_with_call(text: &[u8]) -> bool {
    let id = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let line = text[id..].trim_ascii_start();
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    name > 0 && line.get(name) == Some(&b'(')
}

/// Returns the traces in a folder, by name.
fn in_folder(folder: &Path) -> Vec<Kept> {
    let mut all: Vec<Kept> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.extension().and_then(|id| id.to_str()?.parse().ok());
        let Some(id) = id.filter(|_| path.is_file()) else {
            continue;
        };
        let prefix = path.with_extension("");
        match all.iter_mut().find(|kept| kept.prefix == prefix) {
            Some(kept) => kept.files.push((id, path)),
            None => all.push(Kept { prefix, files: vec![(id, path)] }),
        }
    }
    all.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    all.iter_mut().for_each(|kept| kept.files.sort_unstable());
    all
}

impl Kept {
    fn name(&self) -> String {
        self.prefix.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads the trace.
    ///
    /// # Errors
    /// Fails when the trace lacks something that the comparison needs.
    pub fn read(&self) -> Result<Recorded, Trouble> {
        let mut traces = Vec::new();
        for (id, path) in &self.files {
            let bytes = fs::read(path).map_err(|error| Trouble::of(path.display(), error))?;
            let has_stacks = bytes
                .split(|byte| *byte == b'\n')
                .any(|line| line.starts_with(FRAME) || span::split(line).1.len() < line.len());
            let too_long = |_| Trouble::new(format!("{}: a trace longer than 4 GiB", path.display()));
            let trace = Trace::new(bytes, has_stacks).map_err(too_long)?;
            if let Some((event, lack)) = lack(&trace) {
                return Err(Trouble::new(format!("{} line {}: {lack}; {MAKE}", path.display(), event + 1)));
            }
            traces.push((*id, trace));
        }
        let root = self.root(&traces)?;
        let tree = Tree::build(traces, root);
        let printed = fs::read(PathBuf::from(format!("{}.{PRINTED}", self.prefix.display()))).ok();
        Ok(Recorded { tree, printed: printed.unwrap_or_default(), standing: Standing::Ended })
    }

    /// Returns the kind of standard output, from the program's own call that asks for it.
    fn output(&self) -> Option<Output> {
        let tree = self.read().ok()?.tree;
        let mut calls = tree.processes.iter().flat_map(|process| {
            (0..process.trace.len()).filter_map(|event| match process.trace.line(event) {
                Line::Call(call) => Some(call),
                _ => None,
            })
        });
        calls.find_map(|call| Output::asked(&call))
    }

    /// Returns the path of the program that was run.
    ///
    /// # Errors
    /// Fails when the trace cannot be read.
    pub fn program(&self) -> Result<String, Trouble> {
        let tree = self.read()?.tree;
        let root = tree.processes.first().map(|root| root.trace.text(0)).unwrap_or_default();
        let path = root.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
        Ok(String::from_utf8_lossy(path).into_owned())
    }

    /// Whether the trace has the text that the program printed.
    pub fn has_printed(&self) -> bool {
        PathBuf::from(format!("{}.{PRINTED}", self.prefix.display())).is_file()
    }

    /// Returns the process that no other process has forked. The traces of all forked processes must be there.
    fn root(&self, traces: &[(u32, Trace)]) -> Result<u32, Trouble> {
        let prefix = self.prefix.display();
        let ids: HashSet<u32> = traces.iter().map(|(id, _)| *id).collect();
        let mut forked = HashSet::new();
        for (id, trace) in traces {
            for event in 0..trace.len() {
                let child = match trace.line(event) {
                    Line::Call(call) => tree::forked(&call),
                    _ => None,
                };
                let Some(child) = child else {
                    continue;
                };
                if !ids.contains(&child) {
                    return Err(Trouble::new(format!(
                        "{prefix}.{id} line {}: it forked process {child}, but {prefix}.{child} is missing, which the \
                         normalization process-id needs; {MAKE}",
                        event + 1
                    )));
                }
                forked.insert(child);
            }
        }
        let roots: Vec<u32> = ids.difference(&forked).copied().collect();
        match roots.as_slice() {
            [root] => self.must_begin_with_execve(*root, traces).map(|()| *root),
            _ => Err(Trouble::new(format!(
                "{prefix}: {} processes that no other has forked; one trace is of one command; {MAKE}",
                roots.len()
            ))),
        }
    }

    fn must_begin_with_execve(&self, root: u32, traces: &[(u32, Trace)]) -> Result<(), Trouble> {
        let trace = traces.iter().find(|(id, _)| *id == root).map(|(_, trace)| trace);
        let begins = trace.is_some_and(|trace| trace.len() > 0 && trace.text(0).starts_with(b"execve("));
        if begins {
            return Ok(());
        }
        let prefix = self.prefix.display();
        Err(Trouble::new(format!("{prefix}.{root} does not begin with execve, which --from main needs; {MAKE}")))
    }
}

/// Returns the first event without something that a normalization needs, and the name of the missing thing.
fn lack(trace: &Trace) -> Option<(usize, String)> {
    for event in 0..trace.len() {
        let found = match trace.line(event) {
            Line::Call(call) => lack_of(call.arguments).or_else(|| lack_of_result(call.result)),
            Line::Signal { info, .. } => lack_of(info),
            Line::Unparsed(text) => Some(unreadable(text)),
            _ => None,
        };
        if let Some(lack) = found {
            return Some((event, lack));
        }
    }
    let last = trace.len().checked_sub(1);
    match last.map(|last| trace.line(last)) {
        Some(Line::End { .. }) => None,
        // If a thread executes a program, its trace goes on in the process's file.
        Some(Line::Call(call)) if call.arguments.windows(PID_CHANGED.len()).any(|part| part == PID_CHANGED) => None,
        _ => Some((last.unwrap_or_default(), "the trace stops before the process has ended".to_owned())),
    }
}

fn unreadable(text: &[u8]) -> String {
    let begins_with_id = text.starts_with(b"[pid ") || text.first().is_some_and(u8::is_ascii_digit);
    let why = if begins_with_id { "a process id or a time before the call" } else { "not a line of strace" };
    format!("{why}: '{}'", String::from_utf8_lossy(&text[..text.len().min(SHOWN)]))
}

const PID_CHANGED: &[u8] = b"<pid changed to ";

/// The number of bytes of an unreadable line that are shown.
const SHOWN: usize = 60;

fn lack_of_result(result: &[u8]) -> Option<String> {
    let is_timed = result.ends_with(b">") && result.windows(2).any(|pair| pair == b" <");
    is_timed.then(|| "the duration of calls without the time of day (strace -T without -ttt)".to_owned())
}

fn lack_of(arguments: &[u8]) -> Option<String> {
    // A descriptor such as `3</etc/hosts>` comes from the option -y.
    let digits = arguments.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && arguments.get(digits) == Some(&b'<') {
        return Some("paths beside descriptors (strace -y), which other runs do not have".to_owned());
    }
    let mut string = 0;
    for token in Lexer::new(arguments) {
        match token.kind {
            Kind::String => string = token.text.len(),
            Kind::Word if token.text == b"..." && string == 0 => {
                return Some(
                    "a structure is cut short, of which the normalizations inode, time and usage need all".into(),
                );
            }
            Kind::Word if token.text == b"..." && string < STRING_MAX => {
                return Some(
                    "a string is cut short, of which the normalizations process-id and length need all".into(),
                );
            }
            Kind::Comment if token.text.ends_with(b" vars */") => {
                return Some("the environment is left out, which the normalization environment needs".into());
            }
            Kind::Comment => {}
            _ => string = 0,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack_in(text: &str) -> Option<String> {
        lack(&Trace::new(text.into(), false).unwrap()).map(|(event, lack)| format!("{event}: {lack}"))
    }

    #[test]
    fn a_whole_trace_lacks_nothing() {
        assert_eq!(lack_in("execve(\"/bin/true\", [\"true\"], [\"A=b\"]) = 0\n+++ exited with 0 +++\n"), None);
        assert_eq!(lack_in("write(1, \"...\", 3) = 3\n+++ exited with 0 +++\n"), None);
        // A thread has executed a program.
        let executes = "execve(\"/bin/true\", [\"true\"], [\"A=b\"]";
        assert_eq!(lack_in(&format!("{executes} <pid changed to 7 ...>\n")), None);
        let stops = "0: the trace stops before the process has ended";
        assert_eq!(lack_in(&format!("{executes} <unfinished ...>\n")).as_deref(), Some(stops));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let end = "\n+++ exited with 0 +++\n";
        for (line, sign) in [
            ("execve(\"/bin/true\", [\"true\"], 0x7ffe /* 20 vars */) = 0", "normalization environment"),
            ("write(1, \"text\"..., 300) = 300", "normalizations process-id and length"),
            ("newfstatat(1, \"\", {st_mode=S_IFIFO|0600, st_size=0, ...}, AT_EMPTY_PATH) = 0", "inode, time and usage"),
            ("read(3</etc/hosts>, \"\", 9) = 0", "strace -y"),
            ("close(3) = 0 <0.000021>", "strace -T"),
            ("12:00:01 close(3) = 0", "a time before the call"),
            ("[pid 12] close(3) = 0", "a process id"),
            ("nonsense", "not a line of strace"),
        ] {
            let found = lack_in(&format!("{line}{end}")).unwrap_or_default();
            assert!(found.starts_with("0: ") && found.contains(sign), "{line}: {found}");
        }
        assert!(lack_in("close(3) = 0\n").unwrap().contains("stops before"));
    }
}
