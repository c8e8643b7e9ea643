//! `make bench`: measures the speed of the servers in one run, each beside the server with which it is compared.
//!
//! | file | content |
//! |---|---|
//! | `options` | the command line |
//! | `subjects`, `peers`, `handler`, `plain` | the measured servers: ours and plain C, other projects', a handler of the library, the C compiler |
//! | `server`, `load` | a server that runs for as long as it is measured; the clients |
//! | `rates`, `comparisons` | connections a second, in shuffled rounds; the compared servers, and the wanted ratios |
//! | `latency`, `growth`, `resources` | time to the first byte; many children and connections; memory and system calls |
//! | `row`, `statistics`, `machine`, `report` | a row of the table; medians; the machine; the table, as Markdown and JSON |
//!
//! Each measurement starts its server anew. Servers that are compared are measured one after another, and the order is
//! shuffled in every round. So other work of the machine concerns all of them. Two servers are compared by the median of
//! their ratios within the rounds, with an interval.
//! If a server fails, its rows are missing, and the other servers are still measured.
#![allow(unreachable_pub, missing_docs, missing_debug_implementations, reason = "a program, not a library")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

#[allow(dead_code, reason = "it compiles for others too")]
#[path = "../ffi/cc.rs"]
mod cc;
mod comparisons;
mod growth;
mod handler;
mod latency;
mod load;
mod machine;
mod options;
mod peers;
mod plain;
mod rates;
mod report;
mod resources;
mod row;
mod server;
mod statistics;
mod subjects;

use options::{Options, Task};
use row::Row;

/// A result with any error that stops a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = match options::parse(std::env::args().skip(1)) {
        Ok(Task::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Task::Serve(port, children)) => handler::serve(port, children).map(|()| true),
        Ok(Task::Measure(options)) => bench(&options),
        Err(mistake) => {
            eprintln!("bench: {mistake}; see --help");
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(TROUBLE)
        }
    }
}

const USAGE: u8 = 100;
const TROUBLE: u8 = 111;

/// Measures and reports. Returns whether every row was measured and meets its condition.
fn bench(options: &Options) -> Result<bool> {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&scratch)?;
    let report = report::Report::begin(options)?;
    let (subjects, missing) = subjects::all(&plain::compile(&scratch)?, options)?;
    let (rates, mut rows) = comparisons::measure(&subjects, options)?;
    rows.extend(latency::measure(&subjects, &rates, options));
    rows.extend(growth::measure(&subjects, options));
    rows.extend(resources::measure(&subjects, options));
    rows.extend(missing.into_iter().map(|(name, why)| Row::missing(name, &why)));
    report.write(&rows, options)?;
    Ok(rows.iter().all(Row::holds))
}
