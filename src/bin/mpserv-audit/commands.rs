//! Compares any two commands.

use std::path::Path;

use mpserv::signal::Signal;

use crate::command_line::split;
use crate::job::{Job, Origin, run_all, save};
use crate::kept;
use crate::options::{Commands, Options};
use crate::run::output::Output;
use crate::run::stage::Stage;
use crate::run::strace::Strace;
use crate::run::{Ending, Request, Sleep};
use crate::subject::{COMMAND_SIDES, Subject};
use crate::trouble::Trouble;

/// The number of further runs of both commands when they differ. The runs show whether each command differs from
/// itself. If a command takes one of two orders with equal probability, only one comparison in two thousand shows a
/// false difference.
const MORE_RUNS: usize = 5;

/// Compares two commands, or kept traces in their place.
///
/// # Errors
/// Fails when the commands cannot be run, or the traces cannot be read.
pub fn compare(options: &Options, commands: &Commands, strace: &Strace) -> Result<Vec<Subject>, Trouble> {
    let sides = [Side::of("--a", &commands.a)?, Side::of("--b", &commands.b)?];
    let helper = commands.drive.as_ref().map(|drive| split("--drive", drive)).transpose()?.unwrap_or_default();
    let signal = commands.signal.as_deref().map(signal_named).transpose()?;
    let driven = Driven { helper: &helper, signal, listens: commands.listen[0].is_some() };
    let mut jobs = Vec::new();
    for output in outputs(options, &sides) {
        let [a, b] = [0, 1].map(|side| origin(options, commands, strace, &sides[side], side, output));
        let sides = [a?, b?];
        let names = [program_of(&sides[0])?, program_of(&sides[1])?];
        let own_paths =
            if names[0] == names[1] { [Vec::new(), Vec::new()] } else { names.map(|name| own_paths(&name)) };
        jobs.push(Job {
            subject: 0,
            drive_name: commands.drive.clone().unwrap_or_else(|| "run".to_owned()),
            output,
            sides,
            drive: Box::new(move |stage| driven.act(stage)),
            was_late: Box::new(|_| false),
            own_paths,
            listen: commands.listen,
            more_runs: MORE_RUNS,
        });
    }
    let name = if commands.a == commands.b { commands.a.clone() } else { format!("{} : {}", commands.a, commands.b) };
    run_all(options, vec![name], &jobs, 1)
}

/// Two commands to run, and the settings of the drive.
#[derive(Clone, Debug)]
pub struct Pair {
    pub words: [Vec<String>; 2],
    pub listen: [Option<u16>; 2],
    /// The user's client.
    pub helper: Vec<String>,
    pub signal: Option<Signal>,
}

impl Pair {
    /// Returns the commands that the user gave.
    ///
    /// # Errors
    /// Fails when the commands cannot be split into words, or are kept traces.
    pub fn of(commands: &Commands) -> Result<Self, Trouble> {
        let sides = [Side::of("--a", &commands.a)?, Side::of("--b", &commands.b)?];
        let [Side::Words(a), Side::Words(b)] = sides else {
            return Err(Trouble::new("--faults runs both commands: a kept trace cannot meet a fault"));
        };
        let helper = commands.drive.as_ref().map(|drive| split("--drive", drive)).transpose()?.unwrap_or_default();
        let signal = commands.signal.as_deref().map(signal_named).transpose()?;
        Ok(Pair { words: [a, b], listen: commands.listen, helper, signal })
    }

    /// Returns the placeholders for each command's own path, if the two paths differ.
    pub fn own_paths(&self) -> [Vec<Vec<u8>>; 2] {
        let [a, b] = [&self.words[0][0], &self.words[1][0]];
        if a == b { [Vec::new(), Vec::new()] } else { [own_paths(a), own_paths(b)] }
    }
}

/// The input that the user gave for one side.
#[derive(Debug)]
enum Side {
    Words(Vec<String>),
    Kept(kept::Place),
}

impl Side {
    fn of(option: &str, text: &str) -> Result<Self, Trouble> {
        let words = split(option, text)?;
        if let ([_], Some(place)) = (words.as_slice(), kept::Place::find(&words[0])) {
            return Ok(Side::Kept(place));
        }
        match kept::Place::refusal(&words[0]) {
            Some(reason) => Err(Trouble::new(format!("{option} '{text}': {reason}"))),
            None => Ok(Side::Words(words)),
        }
    }
}

/// Returns the kinds of standard output for the comparison: those that the user named, else those of the kept traces,
/// else all.
fn outputs(options: &Options, sides: &[Side; 2]) -> Vec<Output> {
    let mut outputs = options.outputs.clone();
    if !options.names_outputs {
        for (side, name) in sides.iter().zip(COMMAND_SIDES) {
            if let Side::Kept(place) = side {
                let kept = place.outputs(name);
                outputs.retain(|output| kept.contains(output));
            }
        }
    }
    // A missing output is reported later by its name.
    if outputs.is_empty() { vec![Output::Pty] } else { outputs }
}

fn origin<'j>(
    options: &'j Options,
    commands: &Commands,
    strace: &'j Strace,
    side: &Side,
    index: usize,
    output: Output,
) -> Result<Origin<'j>, Trouble> {
    let name = COMMAND_SIDES[index];
    match side {
        Side::Words(words) => Ok(Origin::Run(Request {
            strace,
            side: name,
            words: words.clone(),
            directory: None,
            input: "",
            output,
            stacks: options.sources,
            sleep: Sleep::Real,
            ending: Ending::ParentFirst,
            own_network: false,
            occupies: None,
            needs_free: commands.listen[index],
            timeout: options.timeout,
            save: save(options, &[name, output.name()]),
            faults: None,
        })),
        Side::Kept(place) => {
            let kept = place.trace(name, output)?;
            if options.show_output && !kept.has_printed() {
                return Err(Trouble::new(format!("{name}: --output needs what was printed, which only --save keeps")));
            }
            Ok(Origin::Kept(kept))
        }
    }
}

/// Returns the program of a side, by the name in its command.
fn program_of(side: &Origin<'_>) -> Result<String, Trouble> {
    match side {
        Origin::Run(request) => Ok(request.words[0].clone()),
        Origin::Kept(kept) => kept.program(),
    }
}

/// Drives any two commands.
#[derive(Clone, Copy, Debug)]
struct Driven<'d> {
    helper: &'d [String],
    signal: Option<Signal>,
    /// Whether both commands are servers.
    listens: bool,
}

impl Driven<'_> {
    /// Waits for a server, runs the user's client, and ends a server that would go on.
    fn act(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if self.listens {
            stage.wait_for_server()?;
        }
        stage.run(self.helper)?;
        if self.signal.is_none() && self.helper.is_empty() && !self.listens {
            return Ok(());
        }
        let runs = stage.settle()?;
        match self.signal {
            Some(signal) => stage.signal(signal),
            None if runs && stage.is_server() => stage.signal(Signal::INT),
            None => Ok(()),
        }
    }
}

pub fn signal_named(name: &str) -> Result<Signal, Trouble> {
    let bare = |name: &str| name.strip_prefix("SIG").unwrap_or(name).to_owned();
    let all = (1..=i32::from(u8::MAX)).filter_map(Signal::from_raw);
    let mut named = all.filter_map(|signal| signal.name().map(|name| (signal, name)));
    let found = named.find(|(_, known)| bare(known) == bare(name));
    found.map(|(signal, _)| signal).ok_or_else(|| Trouble::new(format!("--signal {name}: no such signal")))
}

/// Returns the paths by which a program may name itself: the name in its command, the full path, and the last part of
/// the path.
fn own_paths(program: &str) -> Vec<Vec<u8>> {
    let mut paths = vec![program.as_bytes().to_vec()];
    if let Ok(full) = std::fs::canonicalize(program) {
        paths.push(full.into_os_string().into_encoded_bytes());
    }
    if let Some(last) = Path::new(program).file_name() {
        paths.push(last.as_encoded_bytes().to_vec());
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::own_paths;

    #[test]
    fn a_program_may_name_itself_by_its_path_or_by_the_end_of_it() {
        let paths = |program: &str| own_paths(program).into_iter().map(|path| String::from_utf8(path).unwrap());
        assert!(paths("/proc/../etc/passwd").eq(["/proc/../etc/passwd", "/etc/passwd", "passwd"]));
        assert!(paths("no/such").eq(["no/such", "such"]));
        assert!(paths("..").len() == 2);
    }
}
