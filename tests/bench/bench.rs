//! `make bench`: measures the speed of the servers in one run, each beside the server that it is compared with.
//!
//! Each measurement starts its server anew. The order is shuffled in every round, so that other work of the machine is
//! spread over all servers. Two servers are compared by the median of their ratios within the rounds, with an interval.
//! See `--help` for the options.
#![allow(unreachable_pub, missing_docs, missing_debug_implementations, reason = "a program, not a library")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[allow(dead_code, reason = "it compiles for others too")]
#[path = "../ffi/cc.rs"]
mod cc;
mod growth;
mod inside;
mod load;
mod machine;
mod options;
mod plain;
mod ratios;
mod report;
mod rounds;
mod server;
mod statistics;
mod subjects;

/// Whatever stops a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Everything that a run has found.
pub struct Findings {
    pub machine: machine::Machine,
    pub seconds: f64,
    pub rounds: rounds::Rounds,
    pub ratios: Vec<ratios::Ratio>,
    pub inside: Vec<inside::Inside>,
    pub growth: growth::Growth,
    pub absent: Vec<(String, String)>,
}

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => match bench(&options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("bench: {error}");
                ExitCode::from(TROUBLE)
            }
        },
        Err(mistake) => {
            eprintln!("bench: {mistake}; see --help");
            ExitCode::from(USAGE)
        }
    }
}

const USAGE: u8 = 100;
const TROUBLE: u8 = 111;

/// Measures and reports; whether every ratio is as it has to be.
fn bench(options: &options::Options) -> Result<bool> {
    let begin = Instant::now();
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&scratch)?;
    let machine = machine::Machine::here()?;
    eprintln!("bench: {machine}");
    let plain = plain::compile(&scratch)?;
    let (subjects, absent) = subjects::present(subjects::all(&plain, &scratch, options)?, options);
    for (name, why) in &absent {
        eprintln!("bench: absent: {name}: {why}");
    }
    let rounds = rounds::run(&subjects, ratios::is_asked_of, options)?;
    let inside = inside::look(&subjects)?;
    let growth = growth::measure(&subjects, &plain, options)?;
    let ratios = ratios::all(&rounds, &inside, &growth);
    let seconds = begin.elapsed().as_secs_f64();
    let findings = Findings { machine, seconds, rounds, ratios, inside, growth, absent };
    report::write(&findings, options)?;
    Ok(findings.ratios.iter().all(ratios::Ratio::holds))
}
