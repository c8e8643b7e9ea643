//! Compares any two commands.

use std::path::Path;

use mpserv::signal::Signal;
use mpserv::wordexp::{WordError, wordexp};

use crate::job::{Job, run_all, save};
use crate::options::{Commands, Options};
use crate::run::output::Output;
use crate::run::strace::Strace;
use crate::run::{Request, Sleep};
use crate::subject::{COMMAND_SIDES, Subject};
use crate::trouble::Trouble;

/// How often both are run again where they differ, to see whether each differs from itself. Of two orders that are equally
/// likely, one program then shows only one, and the other only the other, in one of two thousand comparisons.
const MORE_RUNS: usize = 5;

/// Compares two commands.
///
/// # Errors
/// When they cannot be run.
pub fn compare(options: &Options, commands: &Commands, strace: &Strace) -> Result<Vec<Subject>, Trouble> {
    let a = words("--a", &commands.a)?;
    let b = words("--b", &commands.b)?;
    let helper = commands.drive.as_ref().map(|drive| words("--drive", drive)).transpose()?.unwrap_or_default();
    let signal = commands.signal.as_deref().map(signal_named).transpose()?;
    let port = commands.listen;
    let own_paths = if a[0] == b[0] { [Vec::new(), Vec::new()] } else { [own_paths(&a[0]), own_paths(&b[0])] };
    let job = |output: Output| {
        let request = |words: &[String], side: &str| Request {
            strace,
            words: words.to_vec(),
            directory: None,
            input: "",
            output,
            stacks: options.sources,
            sleep: Sleep::Real,
            own_network: false,
            occupies: None,
            needs_free: port,
            timeout: options.timeout,
            save: save(options, &[side, output.name()]),
            faults: None,
        };
        let helper = &helper;
        Job {
            subject: 0,
            drive_name: commands.drive.clone().unwrap_or_else(|| "run".to_owned()),
            output,
            requests: [request(&a, COMMAND_SIDES[0]), request(&b, COMMAND_SIDES[1])],
            drive: Box::new(move |stage| {
                if let Some(port) = port {
                    stage.wait_until_listening(port)?;
                }
                stage.run(helper)?;
                match signal {
                    Some(signal) => stage.settle().and_then(|_| stage.signal(signal)),
                    None => Ok(()),
                }
            }),
            was_late: Box::new(|_| false),
            own_paths: own_paths.clone(),
            listen: port,
            more_runs: MORE_RUNS,
        }
    };
    let jobs: Vec<Job<'_>> = options.outputs.iter().copied().map(job).collect();
    let name = if commands.a == commands.b { commands.a.clone() } else { format!("{} : {}", commands.a, commands.b) };
    run_all(options, vec![name], &jobs, 1)
}

fn words(option: &str, command: &str) -> Result<Vec<String>, Trouble> {
    let line = std::ffi::CString::new(command).map_err(|_| Trouble::new(format!("{option}: a NUL in the command")))?;
    let words = wordexp(&line).map_err(|error| {
        Trouble::new(match error {
            WordError::BadCharacter => {
                format!("{option} '{command}': not one command; for what a shell does, give it to one: sh -c '...'")
            }
            WordError::Command => {
                format!("{option} '{command}': it has a command to run first; give the line to a shell: sh -c '...'")
            }
            WordError::Syntax => format!("{option} '{command}': a quote or bracket does not end"),
            WordError::Other => format!("{option} '{command}': cannot be split into words"),
        })
    })?;
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.is_empty() {
        return Err(Trouble::new(format!("{option}: there is no command in it")));
    }
    Ok(words)
}

pub fn signal_named(name: &str) -> Result<Signal, Trouble> {
    let bare = |name: &str| name.strip_prefix("SIG").unwrap_or(name).to_owned();
    let all = (1..=i32::from(u8::MAX)).filter_map(Signal::from_raw);
    let mut named = all.filter_map(|signal| signal.name().map(|name| (signal, name)));
    let found = named.find(|(_, known)| bare(known) == bare(name));
    found.map(|(signal, _)| signal).ok_or_else(|| Trouble::new(format!("--signal {name}: no such signal")))
}

/// How a program may name itself: as it was called, in full, and by the last part alone.
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
