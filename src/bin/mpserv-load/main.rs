//! mpserv-load ADDRESS: what a server does under load. Connects, sends, reads back, compares every byte and closes, in
//! as many processes as asked; then says how fast that went, and what went wrong.
//!
//! One process makes one connection after another, and nothing else. What it has seen it notes in memory that all of
//! them share (`board`), where the first process reads it for its progress and its report.
#![no_std]
#![no_main]

use core::ffi::c_int;

use mpserv::program::Args;
use mpserv::{eprint, print};

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

/// Everything went well.
const SUCCESS: c_int = 0;
/// A connection failed, or its bytes came back changed.
const ERRORS: c_int = 1;
/// The command line is wrong.
const USAGE: c_int = 100;
/// The system refused something without which there is no load.
const TROUBLE: c_int = 111;

mpserv::main!(main);

fn main(args: Args) -> c_int {
    let plan = match options::parse(args) {
        Ok(Task::Run(plan)) => plan,
        Ok(Task::Help) => {
            print!("{}", options::HELP);
            return SUCCESS;
        }
        Ok(Task::Version) => {
            print!("mpserv-load {}\n", env!("CARGO_PKG_VERSION"));
            return SUCCESS;
        }
        Err(mistake) => {
            eprint!("mpserv-load: {mistake}; see mpserv-load --help\n");
            return USAGE;
        }
    };
    match crew::run(&plan) {
        Ok(status) => status,
        Err(trouble) => {
            eprint!("mpserv-load: {trouble}\n");
            TROUBLE
        }
    }
}
