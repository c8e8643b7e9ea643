//! mpserv-load ADDRESS: puts load on a server. The chosen number of processes connect, send, read the answers, compare
//! every byte and close. At the end, a report gives the speed and the number of failed connections.
//!
//! | file | content |
//! |---|---|
//! | `options` | the command line |
//! | `supervisor` | the first process: starts the other processes, watches them, and reports |
//! | `worker`, `idle` | a process that makes one connection after another; a process that keeps idle connections open |
//! | `error` | the errors |
//! | `exchange`, `target` | one request and its answer; the server's address, and how to connect to it |
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

/// The exit status when every connection succeeded.
const SUCCESS: c_int = 0;
/// The exit status when a connection failed, or when an answer was wrong.
const ERRORS: c_int = 1;
/// The exit status for a wrong command line.
const USAGE: c_int = 100;
/// The exit status when a necessary call failed.
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
