//! Finds the line of source that made a call. strace gives the stack (`-k`), and addr2line the lines.

mod line_table;
mod segments;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::subject::Subject;
use crate::trace::{Frame, Line, Trace};
use crate::tree::Tree;
use crate::trouble::Trouble;
use line_table::LineTable;
use segments::Segments;

/// The source of a piece of code.
#[derive(Clone, Debug)]
struct Location {
    function: String,
    /// The file and line, if there is debugging information.
    line: Option<(String, usize)>,
}

impl Location {
    /// Whether the function is C's or Rust's main.
    fn is_main(&self) -> bool {
        self.function == "main" || self.function.ends_with("::main")
    }
}

/// A line of a program's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLine<'s> {
    pub file: &'s str,
    pub number: usize,
}

impl<'s> SourceLine<'s> {
    fn of(location: &'s Location) -> Option<Self> {
        let (file, number) = location.line.as_ref()?;
        Some(SourceLine { file, number: *number })
    }
}

/// Returns the locations in the file of the program's main, from the innermost outwards. All other files count as
/// libraries.
fn in_main_file<'s>(known: &[&'s Location]) -> impl Iterator<Item = &'s Location> {
    let file = |location: &'s Location| location.line.as_ref().map(|(file, _)| file);
    let main = known.iter().find(|location| location.is_main()).and_then(|main| file(main));
    known.iter().copied().filter(move |location| main.is_some() && file(location) == main)
}

/// The function of every program that calls main, by way of the C library.
const START: &str = "_start";

/// An object file's path and an offset in it.
type Address = (String, u64);

/// The lines of source, by the addresses of their code.
#[derive(Debug, Default)]
pub struct Sources {
    /// The locations of each address, from the innermost inlined function outwards.
    locations: HashMap<Address, Vec<Location>>,
    /// The lines of each source, or the reason why it cannot be read.
    texts: HashMap<String, Result<Vec<String>, String>>,
}

/// Whether the code of an object is not the program's own.
fn is_library(object: &str) -> bool {
    let name = Path::new(object).file_name().and_then(|name| name.to_str()).unwrap_or(object);
    name.starts_with("ld-") || name.contains(".so") || name.starts_with('[')
}

/// Returns the address of a frame's call, which is just before the return address that the frame shows.
fn address(frame: &Frame<'_>) -> Option<Address> {
    let object = std::str::from_utf8(frame.object).ok()?;
    let offset = std::str::from_utf8(frame.offset).ok()?.strip_prefix("0x")?;
    let offset = u64::from_str_radix(offset, 16).ok()?.checked_sub(1)?;
    (!is_library(object)).then(|| (object.to_owned(), offset))
}

/// Whether no call of a run has a whole stack. A whole stack begins at the program's `_start`.
pub fn lacks_stacks(run: &Tree) -> bool {
    let starts = |frame: Frame<'_>| frame.function.starts_with(START.as_bytes()) && address(&frame).is_some();
    let has_stack = |trace: &Trace| (0..trace.len()).any(|event| trace.frames(event).any(starts));
    !run.processes.iter().any(|process| has_stack(&process.trace))
}

impl Sources {
    /// Looks up all addresses in the stacks of these traces.
    ///
    /// # Errors
    /// Fails when addr2line is missing or fails.
    pub fn of_all(subjects: &[Subject]) -> Result<Self, Trouble> {
        Self::of_trees(subjects.iter().flat_map(|subject| &subject.cases).flat_map(|case| [&case.a, &case.b]))
    }

    /// Looks up all addresses in the stacks of these trees of processes.
    ///
    /// # Errors
    /// Fails when addr2line is missing or fails.
    pub fn of_trees<'t>(trees: impl Iterator<Item = &'t Tree>) -> Result<Self, Trouble> {
        let mut wanted: HashMap<String, BTreeSet<u64>> = HashMap::new();
        for trace in trees.flat_map(|tree| &tree.processes).map(|process| &process.trace) {
            let frames = (0..trace.len()).flat_map(|event| trace.frames(event));
            for (object, offset) in frames.filter_map(|frame| address(&frame)) {
                wanted.entry(object).or_default().insert(offset);
            }
        }
        let all: Vec<Result<Sources, Trouble>> = thread::scope(|scope| {
            let askers: Vec<_> =
                wanted.iter().map(|(object, offsets)| scope.spawn(|| Sources::of_object(object, offsets))).collect();
            let panicked = |_| Err(Trouble::new("a look for lines of source ended by a panic"));
            askers.into_iter().map(|asker| asker.join().unwrap_or_else(panicked)).collect()
        });
        let mut sources = Sources::default();
        for of_object in all {
            let Sources { locations, texts } = of_object?;
            sources.locations.extend(locations);
            sources.texts.extend(texts);
        }
        Ok(sources)
    }

    fn of_object(object: &str, offsets: &BTreeSet<u64>) -> Result<Self, Trouble> {
        let segments = Segments::of(Path::new(object)).unwrap_or_default();
        let by_address: HashMap<u64, u64> =
            offsets.iter().filter_map(|offset| Some((segments.address(*offset)?, *offset))).collect();
        let trouble = |error: std::io::Error| {
            Trouble::of("addr2line, which --sources needs (install it with: apt-get install binutils)", error)
        };
        let mut command = Command::new("addr2line");
        command.args(["-a", "-f", "-i", "-C", "-e", object]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().map_err(trouble)?;
        let questions: String = by_address.keys().map(|address| format!("{address:#x}\n")).collect();
        let mut input = child.stdin.take();
        // addr2line answers while it still reads, so another thread writes the questions.
        let asker = thread::spawn(move || input.as_mut().map_or(Ok(()), |input| input.write_all(questions.as_bytes())));
        let output = child.wait_with_output().map_err(trouble)?;
        // An object that is no file, such as a deleted file, has no lines. The frames of such an object show this.
        let _ = asker.join();
        if output.status.code().is_none() {
            return Err(Trouble::of("addr2line", output.status));
        }
        let table = LineTable::of(object, by_address.keys().copied());
        let mut sources = Sources::default();
        sources.read_answers(object, &by_address, &table, &String::from_utf8_lossy(&output.stdout));
        Ok(sources)
    }

    /// Reads the answers: an address, followed by two lines for each function that was inlined there.
    fn read_answers(&mut self, object: &str, by_address: &HashMap<u64, u64>, table: &LineTable, answers: &str) {
        let mut current: Option<Address> = None;
        // The innermost function at an address comes first. For the other functions, addr2line knows the right file.
        let mut innermost = None;
        let mut lines = answers.lines();
        while let Some(line) = lines.next() {
            if let Some(offset) = line.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
                current = by_address.get(&offset).map(|offset| (object.to_owned(), *offset));
                innermost = Some(offset);
                continue;
            }
            let place = lines.next().unwrap_or_default();
            let found = parse_place(place);
            let found = match innermost.take() {
                Some(address) => found.map(|(file, line)| (table.file_at(address, line, file), line)),
                None => found,
            };
            let location = Location { function: line.to_owned(), line: found };
            if let Some(file) = location.line.as_ref().map(|(file, _)| file) {
                self.texts.entry(file.clone()).or_insert_with(|| {
                    // Not every source is in UTF-8.
                    let text = fs::read(file).map_err(|error| error.to_string())?;
                    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
                });
            }
            if let Some(address) = &current {
                self.locations.entry(address.clone()).or_default().push(location);
            }
        }
    }

    /// Returns the source line of an event, or the reason why it is unknown. Returns none if the event is not a call.
    pub fn of(&self, trace: &Trace, event: usize) -> Option<String> {
        if !matches!(Line::parse(trace.text(event)), Line::Call(_)) {
            return None;
        }
        let frames: Vec<Frame<'_>> = trace.frames(event).collect();
        if frames.is_empty() {
            return Some("(no stack: strace could not unwind it)".to_owned());
        }
        let own: Vec<Address> = frames.iter().filter_map(address).collect();
        if own.is_empty() {
            return Some("(not called from the program: the loader's or the C library's own)".to_owned());
        }
        let known = self.known(&own);
        if let Some(location) = in_main_file(&known).next() {
            return self.show(location);
        }
        let nearest = known.iter().find(|location| location.line.is_some());
        let (object, _) = &own[0];
        let name = Path::new(object).file_name().unwrap_or_default().to_string_lossy();
        match nearest.and_then(|location| self.show(location)) {
            Some(line) => {
                Some(format!("{line} (the stack ends before main: {name} was built without -C force-unwind-tables)"))
            }
            None if !known.is_empty() && known.iter().all(|location| location.function == START) => {
                Some("(outside main: the C library's own, such as what exit writes)".to_owned())
            }
            None => Some(format!("(compile {name} with -g)")),
        }
    }

    fn known(&self, addresses: &[Address]) -> Vec<&Location> {
        addresses.iter().filter_map(|address| self.locations.get(address)).flatten().collect()
    }

    /// Returns the lines of the program's own file that made a call: the innermost first, then the lines that called
    /// its function.
    pub fn lines(&self, trace: &Trace, event: usize) -> Vec<SourceLine<'_>> {
        let own: Vec<Address> = trace.frames(event).filter_map(|frame| address(&frame)).collect();
        let known = self.known(&own);
        in_main_file(&known).filter_map(SourceLine::of).collect()
    }

    /// Returns all lines of a source.
    ///
    /// # Errors
    /// Fails when the source cannot be read, for example because it was moved after the program was compiled.
    pub fn text(&self, file: &str) -> Result<&[String], Trouble> {
        let text = self.texts.get(file).map_or(Ok(&[][..]), |text| text.as_deref());
        text.map_err(|error| {
            let remedy = "put the source there, or compile the program again from the source as it is now";
            Trouble::of(format_args!("its source {file} cannot be read"), format_args!("{error}: {remedy}"))
        })
    }

    fn show(&self, location: &Location) -> Option<String> {
        let (file, number) = location.line.as_ref()?;
        let lines = self.texts.get(file).and_then(|lines| lines.as_ref().ok());
        let text = lines.and_then(|lines| lines.get(number.checked_sub(1)?));
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        Some(format!("{name}:{number}: {}", text.map_or("", |text| text.trim())))
    }
}

/// Parses a place such as `/src/echo.c:42 (discriminator 1)`. Returns none for `??:0` and `??:?`, which name no place.
fn parse_place(place: &str) -> Option<(String, usize)> {
    let place = place.split(" (").next()?;
    let (file, line) = place.rsplit_once(':')?;
    let line = line.parse().ok().filter(|line| *line > 0)?;
    (file != "??").then(|| (file.to_owned(), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_file_and_a_line_or_is_none() {
        let place = |file: &str, line| Some((file.to_owned(), line));
        assert_eq!(parse_place("/src/echo.c:42"), place("/src/echo.c", 42));
        assert_eq!(parse_place("/src/a:b.c:1 (discriminator 3)"), place("/src/a:b.c", 1));
        for none in ["??:0", "??:?", "/src/echo.c:0", "/src/echo.c:?", "", "??:7"] {
            assert_eq!(parse_place(none), None, "{none}");
        }
    }

    #[test]
    fn each_answer_belongs_to_its_address_and_the_innermost_line_to_its_own_file() {
        // addr2line names the program's file for a line of a header, and the right file for what calls it.
        let shown = "include/h.h:\nh.h  1  0x10  x\np.c  -  0x18\n";
        let table = LineTable::read(shown.lines().map(str::to_owned), &BTreeSet::from([0x10]));
        let answers = "0x0010\nsay\n/src/p.c:1\nmain\n/src/p.c:1\n0x0020\nother\n??:0\n0x0030\nunasked\n??:0\n";
        let mut sources = Sources::default();
        sources.read_answers("/bin/x", &HashMap::from([(0x10, 0x1), (0x20, 0x2)]), &table, answers);
        let at = |offset| {
            let locations = &sources.locations[&("/bin/x".to_owned(), offset)];
            locations.iter().map(|of| (of.function.clone(), of.line.clone())).collect::<Vec<_>>()
        };
        let found = |function: &str, file: &str| (function.to_owned(), Some((file.to_owned(), 1)));
        assert_eq!(at(0x1), [found("say", "/src/include/h.h"), found("main", "/src/p.c")]);
        assert_eq!((at(0x2), sources.locations.len()), (vec![("other".to_owned(), None)], 2));
        assert!(sources.texts.contains_key("/src/include/h.h") && sources.texts.contains_key("/src/p.c"));
    }

    /// The addresses that the stacks of these tests have: one in a function of a header, which main called, one in
    /// exit, and one in main of a program without lines.
    fn sources() -> Sources {
        let location = |function: &str, line: Option<(&str, usize)>| Location {
            function: function.to_owned(),
            line: line.map(|(file, line)| (file.to_owned(), line)),
        };
        let at = |offset, locations: Vec<Location>| (("/bin/x".to_owned(), offset), locations);
        let texts = ["/src/x.c", "/src/x.h"]
            .map(|file| (file.to_owned(), Ok(vec!["\tone();".to_owned(), "\ttwo(); ".to_owned()])));
        let locations = [
            at(0xf, vec![location("say", Some(("/src/x.h", 1)))]),
            at(0x1f, vec![location("main", Some(("/src/x.c", 2)))]),
            at(0x2f, vec![location("_start", None)]),
            at(0x3f, vec![location("main", None)]),
            at(0x4f, vec![location("f", Some(("/src/x.c", 1)))]),
            at(0x6f, vec![location("x::main", Some(("/src/x.c", 1)))]),
            at(0x7f, vec![location("start", None), location("f", Some(("/src/x.c", 2)))]),
            at(0x8f, vec![location("mainly", Some(("/src/gone.c", 1)))]),
        ];
        Sources { locations: locations.into(), texts: texts.into() }
    }

    #[test]
    fn a_run_lacks_stacks_if_none_reaches_the_start_of_the_program() {
        let lacks = |stack: &str| {
            let trace = |stack: &str| Trace::new(format!("write(1, \"a\", 1) = 1\n{stack}").into(), true).unwrap();
            lacks_stacks(&Tree::build(vec![(7, trace("")), (8, trace(stack))], 7))
        };
        assert!(lacks(""));
        assert!(lacks(" > /lib/libc.so.6(write+0x10) [0x10]\n"));
        assert!(lacks(" > /lib/libc.so.6(write+0x10) [0x10]\n > /bin/x(say+0x10) [0x20]\n"));
        assert!(lacks(" > /lib/ld-linux-x86-64.so.2(_start+0x8) [0x10]\n"));
        assert!(!lacks(" > /lib/libc.so.6(write+0x10) [0x10]\n > /bin/x(_start+0x21) [0x20]\n"));
    }

    #[test]
    fn each_call_has_its_line_or_the_reason_why_there_is_none() {
        let frame = |object: &str, offset: u64| format!(" > {object}() [{offset:#x}]\n");
        let library = frame("/lib/libc.so.6", 0x10);
        let own = |offset| frame("/bin/x", offset);
        for (stack, shown, lines) in [
            (String::new(), "(no stack: strace could not unwind it)", &[][..]),
            (library.clone(), "(not called from the program: the loader's or the C library's own)", &[]),
            ([library.clone(), own(0x10), own(0x20)].concat(), "x.c:2: two();", &[2]),
            ([library.clone(), own(0x50), own(0x20)].concat(), "x.c:1: one();", &[1, 2]),
            (
                [library.clone(), own(0x30)].concat(),
                "(outside main: the C library's own, such as what exit writes)",
                &[],
            ),
            ([library.clone(), own(0x40)].concat(), "(compile x with -g)", &[]),
            (own(0x60), "(compile x with -g)", &[]),
            (own(0x70), "x.c:1: one();", &[1]),
            (own(0x80), "x.c:2: two(); (the stack ends before main: x was built without -C force-unwind-tables)", &[]),
            (own(0x90), "gone.c:1:  (the stack ends before main: x was built without -C force-unwind-tables)", &[]),
            (frame("[vdso]", 0x20), "(not called from the program: the loader's or the C library's own)", &[]),
            (frame("/lib/ld-2.36", 0x20), "(not called from the program: the loader's or the C library's own)", &[]),
            (own(0x10), "x.h:1: one(); (the stack ends before main: x was built without -C force-unwind-tables)", &[]),
        ] {
            let trace = Trace::new(format!("write(1, \"a\", 1) = 1\n{stack}").into(), true).unwrap();
            let sources = sources();
            assert_eq!(sources.of(&trace, 0).as_deref(), Some(shown), "{stack}");
            let found: Vec<usize> = sources.lines(&trace, 0).iter().map(|line| line.number).collect();
            assert_eq!(found, lines, "{stack}");
        }
        let end = Trace::new(b"+++ exited with 0 +++\n".to_vec(), true).unwrap();
        assert_eq!(sources().of(&end, 0), None);
    }
}
