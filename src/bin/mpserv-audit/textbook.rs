//! Compares textbook programs, C against Rust.

use std::path::Path;

use crate::job::{Job, Origin, parallelism, run_all, save};
use crate::options::{Options, Programs};
use crate::programs::{self, Program};
use crate::run::network;
use crate::run::output::Output;
use crate::run::strace::Strace;
use crate::run::{Ending, Request};
use crate::subject::{PROGRAM_SIDES, Subject};
use crate::trouble::Trouble;

/// Compares textbook programs.
///
/// # Errors
/// Fails when a program is missing, or cannot be run.
pub fn compare(options: &Options, places: &Programs, strace: &Strace) -> Result<Vec<Subject>, Trouble> {
    let chosen = choose(places)?;
    let mut jobs = Vec::new();
    for (subject, program) in chosen.iter().enumerate() {
        let wanted = |drive: &programs::Drive| match &places.drive {
            Some(name) => drive.name == name,
            None => !(places.is_foreign && drive.is_addition),
        };
        for drive in program.drives().into_iter().filter(wanted) {
            let of_output = |output| program_job(options, strace, places, *program, drive, output, subject);
            jobs.extend(options.outputs.iter().copied().map(of_output));
        }
    }
    if jobs.is_empty() {
        let name = places.drive.as_deref().unwrap_or_default();
        let mut all: Vec<_> = chosen.iter().flat_map(|program| program.drives()).map(|drive| drive.name).collect();
        all.sort_unstable();
        all.dedup();
        return Err(Trouble::new(format!("--drive {name}: not one of {}", all.join(", "))));
    }
    let names = chosen.iter().map(|program| program.name.to_owned()).collect();
    // Each run has its own network, so runs do not disturb each other. If no run may have its own network, only one run
    // is possible at a time.
    let workers = if network::is_own_possible() { parallelism() } else { 1 };
    run_all(options, names, &jobs, workers)
}

pub fn choose(places: &Programs) -> Result<Vec<Program>, Trouble> {
    let chosen = if places.names.is_empty() {
        programs::ALL.to_vec()
    } else {
        places.names.iter().map(|name| Program::choose(name)).collect::<Result<_, _>>()?
    };
    for program in &chosen {
        for (directory, how) in [(&places.c, "make c"), (&places.rust, "cargo build")] {
            let path = directory.join(program.name);
            if !path.is_file() && places.is_foreign {
                let path = path.display();
                return Err(Trouble::new(format!("{path} is not there: name a folder that has it, or its source")));
            }
            if !path.is_file() {
                return Err(Trouble::new(format!("{} is not there; '{how}' makes it", path.display())));
            }
        }
    }
    Ok(chosen)
}

fn program_job<'j>(
    options: &'j Options,
    strace: &'j Strace,
    places: &'j Programs,
    program: Program,
    drive: programs::Drive,
    output: Output,
    subject: usize,
) -> Job<'j> {
    let words: Vec<String> =
        std::iter::once(format!("./{}", program.name)).chain(drive.arguments.iter().map(ToString::to_string)).collect();
    let request = |directory: &'j Path, side: &'static str| Request {
        strace,
        side,
        words: words.clone(),
        directory: Some(directory),
        input: drive.input,
        output,
        stacks: options.sources,
        sleep: drive.sleep,
        ending: Ending::ParentFirst,
        own_network: true,
        occupies: drive.occupies,
        needs_free: drive.needs_free,
        timeout: options.timeout,
        save: save(options, &[program.name, drive.name, output.name(), side]),
        faults: None,
    };
    Job {
        subject,
        drive_name: drive.name.to_owned(),
        output,
        sides: [request(&places.c, PROGRAM_SIDES[0]), request(&places.rust, PROGRAM_SIDES[1])].map(Origin::Run),
        drive: Box::new(move |stage| drive.act(stage)),
        was_late: Box::new(move |run| drive.was_late(run)),
        // Both programs run by the same name, each in its own directory.
        own_paths: [Vec::new(), Vec::new()],
        listen: [None, None],
        more_runs: 1,
    }
}
