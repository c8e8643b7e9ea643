//! mpserv-load ADDRESS: what a server does under load. Connects, sends, reads back, compares every byte and closes, in
//! as many processes as asked; then says how fast that went, and what went wrong.
//!
//! A process makes one connection after another, and nothing else. What it sees it notes in memory that all of them
//! share (`board`), where the first process reads it for the progress and for the report.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::program::Args;

mod board;
mod crew;
mod exchange;
mod histogram;
mod holder;
mod options;
mod report;
mod target;
mod worker;

use options::Task;

/// All went well.
const SUCCESS: c_int = 0;
/// Some connection failed, or its bytes came back changed.
const ERRORS: c_int = 1;
/// The command line is wrong.
const USAGE: c_int = 100;
/// The system has refused something without which there is no load.
const TROUBLE: c_int = 111;

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let done = match options::parse(args) {
        Ok(Task::Run(plan)) => crew::run(&plan),
        Ok(Task::Help) => report::out(format_args!("{}", options::HELP)).map(|()| SUCCESS),
        Ok(Task::Version) => report::out(format_args!("mpserv-load {}\n", env!("CARGO_PKG_VERSION"))).map(|()| SUCCESS),
        Err(mistake) => {
            report::progress(format_args!("mpserv-load: {mistake}; see mpserv-load --help\n"));
            Ok(USAGE)
        }
    };
    done.unwrap_or_else(|trouble| {
        report::progress(format_args!("mpserv-load: {trouble}\n"));
        TROUBLE
    })
}
