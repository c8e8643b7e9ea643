//! mpserv-load ADDRESS: loads a server. As many processes as asked for connect, send, read back, compare every byte
//! and close; then a report says how fast that went, and how many connections failed.
//!
//! | file | job |
//! |---|---|
//! | `options` | the command line |
//! | `supervisor` | the first process: starts the others, watches them, and reports |
//! | `worker`, `idle` | a process that makes one connection after another; one that keeps idle connections open |
//! | `error` | what can fail |
//! | `exchange`, `target` | one request and its answer; the server's address, and connecting to it |
//! | `stats`, `histogram` | counts, errors and times, in memory that all processes share |
//! | `report` | the texts that are printed |
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::program::Args;

mod error;
mod exchange;
mod histogram;
mod idle;
mod options;
mod report;
mod stats;
mod supervisor;
mod target;
mod worker;

use options::Task;

/// Every connection went well.
const SUCCESS: c_int = 0;
/// A connection failed, or its bytes came back changed.
const ERRORS: c_int = 1;
/// The command line is wrong.
const USAGE: c_int = 100;
/// A call failed without which there is no load.
const SYSTEM_ERROR: c_int = 111;

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let done = match options::parse(args) {
        Ok(Task::Run(plan)) => supervisor::run(&plan),
        Ok(Task::Help) => report::out(format_args!("{}", options::Help)).map(|()| SUCCESS),
        Ok(Task::Version) => report::out(format_args!("mpserv-load {}\n", env!("CARGO_PKG_VERSION"))).map(|()| SUCCESS),
        Err(mistake) => {
            report::progress(format_args!("mpserv-load: {mistake}; see mpserv-load --help\n"));
            Ok(USAGE)
        }
    };
    done.unwrap_or_else(|error| {
        report::progress(format_args!("mpserv-load: {error}\n"));
        SYSTEM_ERROR
    })
}
