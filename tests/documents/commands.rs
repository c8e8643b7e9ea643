//! Runs the commands in the documents, and compares their output.
//!
//! The word after the fence of a block says how the block is tested:
//!
//! | word | meaning |
//! |---|---|
//! | `sh` | commands, each of which is run alone and succeeds |
//! | `console` | commands, each after `$ ` and with its output; a server runs until the document ends |
//! | `illustration` | text that nothing runs |
//! | `rust`, `c`, `toml` | code: see `excerpts.rs`, and the tests of `cargo test --doc` |
//! | `rust,ignore` | code with std, which `tests/library/std_types.rs` runs |
//! | `haproxy` | a configuration, which `tests/server/haproxy.rs` runs |
//!
//! A command runs in a folder with a few programs, and in its own network. If its exit status is not 0, a comment such
//! as `# exit status 1` follows the command. A server has to start. `make` only prints its commands, and for `cargo
//! test --test TARGET NAME` the test only has to exist, because both would build.
//!
//! In the output that a document shows, `…` stands for any text, and a line `…` for any lines. The fields of the log
//! that name a process, a port or a time have any value.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::network::Network;
use crate::common::server::MPSERV;
use crate::common::solo::Test;
use crate::common::*;
use crate::links::DOCUMENTS;
use crate::{file, tests};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![
    commands_of_the_readme,
    commands_of_the_guide_to_the_server,
    commands_of_the_guide_to_the_library,
    commands_of_the_guide_to_the_textbook_programs,
    commands_of_the_guide_to_the_audit,
    commands_of_the_benchmarks,
    every_block_says_what_is_done_with_it,
    output_that_differs_is_refused,
];

/// The words that may follow a fence outside of recipes.
const WORDS: [&str; 9] =
    ["sh", "console", "illustration", "rust", "rust,no_run", "rust,ignore", "c", "toml", "haproxy"];
/// The parts of the guide to the server that `tests/recipes` runs.
const RECIPES: [&str; 2] = ["## Coming from systemd's", "## Recipes"];
/// Folders of an installed system. For a command these folders are in the folder of the test.
const PLACES: [&str; 2] = ["/run/", "/usr/local/bin/"];
/// Fields of the log whose value differs from run to run.
const FIELDS: [&str; 4] = ["pid", "from", "seconds", "sender"];

/// The longest time of a command that ends by itself.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A block of code.
pub(crate) struct Block {
    pub(crate) word: String,
    pub(crate) text: String,
    /// The line of the block, for messages.
    place: String,
}

/// Returns the blocks of a document that are not recipes.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut is_recipe) = (Vec::<Block>::new(), false, false);
    for (index, line) in file(document).lines().enumerate() {
        match line.strip_prefix("```") {
            Some(word) if !open => {
                open = true;
                let place = format!("{document}:{}", index + 1);
                blocks.push(Block { word: word.to_owned(), text: String::new(), place });
            }
            Some(_) => {
                open = false;
                blocks.truncate(blocks.len() - usize::from(is_recipe));
            }
            None if open => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None if line.starts_with("## ") => is_recipe = RECIPES.iter().any(|heading| line.starts_with(heading)),
            None => {}
        }
    }
    assert!(!open, "{document}: the last block has no end");
    blocks
}

/// A command, and the output that the document shows.
struct Step {
    command: String,
    output: Vec<String>,
    place: String,
}

impl Block {
    /// Returns the commands. A line that ends in a backslash continues on the next line.
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut goes_on = false;
        for line in self.text.lines() {
            let command = if self.word == "sh" { Some(line) } else { line.strip_prefix("$ ") };
            if goes_on {
                steps.last_mut().unwrap().command += &format!("\n{line}");
            } else if let Some(command) = command {
                steps.push(Step { command: command.to_owned(), output: Vec::new(), place: self.place.clone() });
            } else {
                let step = steps.last_mut().unwrap_or_else(|| panic!("{}: output without a command", self.place));
                step.output.push(line.to_owned());
            }
            goes_on = line.ends_with('\\');
        }
        steps
    }
}

impl Step {
    fn is_server(&self) -> bool {
        let ends = ["--status", "--help", "--version"];
        self.command.starts_with("mpserv ") && !ends.iter().any(|option| self.command.contains(option))
    }

    /// Returns the exit status that a comment announces.
    fn status(&self) -> i32 {
        let said = self.command.split_once("# exit status ");
        said.map_or(0, |(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
    }

    /// Returns the command for a shell in this folder.
    fn shell(&self, folder: &Path) -> Command {
        let inside = |line: String, place: &&str| line.replace(place, &format!("{}{place}", folder.display()));
        let mut line = PLACES.iter().fold(self.command.clone(), inside);
        if let Some(goal) = line.strip_prefix("make ") {
            line = format!("make -n -f '{}/Makefile' {goal}", env!("CARGO_MANIFEST_DIR"));
        }
        let mut shell = Command::new("sh");
        let path = format!("{}:{}:{}", folder.display(), programs().display(), std::env::var("PATH").unwrap());
        shell.current_dir(folder).env("PATH", path).env("NO_COLOR", "1").stdin(Stdio::null());
        shell.args(["-c", &format!("{}{line}", if self.is_server() { "exec 2>&1; exec " } else { "exec 2>&1; " })]);
        shell
    }

    /// Starts a server, and waits until it serves.
    fn start(&self, folder: &Path) -> Running {
        let mut server = Running::start(&mut self.shell(folder), Output::Terminal);
        wait_until(&format!("{}: {} serves", self.place, self.command), || {
            let has_ended = server.has_ended() && server.stdout_is_complete();
            let text = server.stdout_so_far();
            assert!(!has_ended, "{}: {} has ended: {text}", self.place, self.command);
            text.contains("mpserv: start ")
        });
        server
    }

    /// Runs a command that ends by itself.
    fn run(&self, folder: &Path) {
        if let Some(words) = self.command.strip_prefix("cargo test --test ") {
            let mut words = words.split_whitespace();
            let test = format!("tests/{}/{}.rs", words.next().unwrap(), words.next().unwrap());
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&test).exists(), "{}: there is no {test}", self.place);
            return;
        }
        let ended = Running::start(&mut self.shell(folder), Output::Pipe).wait_within(COMMAND_LIMIT);
        let Step { command, place, .. } = self;
        assert_eq!(ended.status.code(), Some(self.status()), "{place}: {command}\n{}", ended.stdout);
        let found: Vec<&str> = ended.stdout.lines().collect();
        let is_shown = self.output.is_empty() || agree(&self.output, &found, true);
        assert!(is_shown, "{place}: {command}\nprints {found:#?}\nand not {:#?}", self.output);
    }
}

/// Returns the folder of the programs under test.
fn programs() -> &'static Path {
    Path::new(MPSERV).parent().unwrap()
}

/// Returns a line without values that differ from run to run, and with single spaces. In a row of the audit's table,
/// the numbers of calls are such values, because they include calls of the C library.
fn plain(line: &str) -> String {
    let is_row = line.ends_with(" same");
    let is_count = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = line.split_whitespace().map(|word| match word.split_once('=') {
        Some((name, _)) if FIELDS.contains(&name) => format!("{name}="),
        None if is_row && is_count(word) => "calls".to_owned(),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a line equals the line in the document.
fn line_agrees(shown: &str, found: &str) -> bool {
    let (shown, found) = (plain(shown), plain(found));
    let mut parts = shown.split('…');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut is_open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        is_open = part.is_empty();
    }
    is_open || rest.is_empty()
}

/// Whether these lines equal the lines in the document: all lines, or only the first lines.
fn agree(shown: &[String], found: &[&str], are_all: bool) -> bool {
    match shown.split_first() {
        None => found.is_empty() || !are_all,
        Some((line, rest)) if line == "…" => (0..=found.len()).any(|from| agree(rest, &found[from..], are_all)),
        Some((line, rest)) => {
            found.first().is_some_and(|first| line_agrees(line, first)) && agree(rest, &found[1..], are_all)
        }
    }
}

/// Makes a folder with the programs that documents name: small services, and programs to compare.
fn folder() -> TempDir {
    let folder = TempDir::new();
    for place in PLACES.map(|place| &place[1..]).into_iter().chain(["target"]) {
        fs::create_dir_all(folder.join(place)).unwrap();
    }
    for name in ["service", "usr/local/bin/hello"] {
        fs::write(folder.join(name), "#!/bin/sh\nexec cat\n").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(programs(), folder.join("target/release")).unwrap();
    symlink(Impl::C.path("echo_mpserv"), folder.join("my_serv")).unwrap();
    symlink(Impl::C.path("fork"), folder.join("original")).unwrap();
    symlink(Impl::Rust.path("fork"), folder.join("port")).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook/echo_mpserv.c"), folder.join("mine.c"))
        .unwrap();
    folder
}

/// Runs the commands of a document, and checks their number.
#[track_caller]
fn run_document(document: &str, expected: usize) {
    let _network = Network::own();
    let folder = folder();
    let mut servers: Vec<(Step, Running)> = Vec::new();
    let mut count = 0;
    for block in blocks(document).into_iter().filter(|block| ["sh", "console"].contains(&block.word.as_str())) {
        for step in block.steps() {
            count += 1;
            if !step.is_server() {
                step.run(&folder.0);
            } else if block.word == "sh" {
                step.start(&folder.0).end(Signal::TERM);
            } else {
                let server = step.start(&folder.0);
                servers.push((step, server));
            }
        }
    }
    for (step, server) in servers {
        let mut text = String::new();
        let shown = wait_within(WATCHDOG, || {
            text = server.stdout_so_far();
            agree(&step.output, &text.lines().collect::<Vec<_>>(), false).then_some(())
        });
        assert!(shown.is_some(), "{}: {}\nprints {text}\nand not {:#?}", step.place, step.command, step.output);
        server.end(Signal::TERM);
    }
    assert_eq!(count, expected, "the number of commands in {document}");
}

fn commands_of_the_readme() {
    // The first commands need root.
    needs_root();
    needs_command("nc");
    run_document("README.md", 10);
}

fn commands_of_the_guide_to_the_server() {
    needs_ipv6();
    needs_command("git");
    run_document("src/docs/server.md", 7);
}

fn commands_of_the_guide_to_the_library() {
    run_document("src/docs/library.md", 0);
}

fn commands_of_the_guide_to_the_textbook_programs() {
    run_document("src/docs/textbook.md", 8);
}

fn commands_of_the_guide_to_the_audit() {
    needs_command("nc");
    run_document("src/docs/audit.md", 11);
}

fn commands_of_the_benchmarks() {
    run_document("src/docs/benchmarks.md", 2);
}

fn every_block_says_what_is_done_with_it() {
    for document in DOCUMENTS {
        for block in blocks(document) {
            assert!(WORDS.contains(&block.word.as_str()), "{}: the fence has {:?}", block.place, block.word);
        }
    }
}

fn output_that_differs_is_refused() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let shown = lines("mpserv: end pid=1 exit=0\n…\nlast … word");
    for (found, is_same) in [
        ("mpserv: end pid=22 exit=0\nlast a word", true),
        ("mpserv: end pid=22 exit=0\nmore\nmore\nlast or first word", true),
        ("mpserv: end pid=22 exit=1\nlast a word", false),
        ("mpserv: end pid=22 exit=0\nlast a word, and more", false),
        ("mpserv: end pid=22 exit=0\nlast a word\nmore", false),
        ("mpserv: end pid=22 exit=0", false),
        ("last a word", false),
    ] {
        assert_eq!(agree(&shown, &found.lines().collect::<Vec<_>>(), true), is_same, "{found}");
    }
}
