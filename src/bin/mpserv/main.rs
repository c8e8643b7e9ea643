//! `mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]`: serves each connection in a process of its own, which runs a
//! program or a built-in service.
//!
//! From: tcpserver, with the options of its successors. Shows: all features of the library's `Server`. Next:
//! `src/server/parent/event_loop.rs`.
#![no_std]
#![no_main]
#![allow(clippy::result_large_err, reason = "an error has its text with it, as there is no allocator")]

use core::ffi::c_int;

use mpserv::errno::Errno;
use mpserv::fd::{self, BorrowedFd, STDERR, STDOUT};
use mpserv::process::allow_dumps;
use mpserv::program::{Args, Title};
use mpserv::server::{Bound, Inherited, Service, keep_from_programs, status};
use mpserv::signal::{Disposition, MaskHow, SigSet, Signal, default_all, signal, sigprocmask};
use mpserv::text::Text;

use options::{Help, LINE_MAX, MESSAGE_MAX, Plan, Task, Wrong};

mod options;

mpserv::server_main!(main);

/// The exit codes, which are those of tcpserver.
const DONE: c_int = 0;
const USAGE: c_int = 100;
const TROUBLE: c_int = 111;

const SHORT_USAGE: &str = "\
mpserv: usage: mpserv [OPTION]... ADDRESS [--] [PROGRAM [ARG]...]
ADDRESS is PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit. mpserv --help shows the options.
";

const VERSION: &str = concat!("mpserv ", env!("CARGO_PKG_VERSION"), "\n");

/// The longest text of `--help`.
const HELP_MAX: usize = 4096;

/// The hint if the descriptors cannot be put in order.
const DESCRIPTORS_HINT: &str = "start it where /proc is mounted or close_range is allowed";
/// The hint if the signals cannot be put in order.
const FILTERED_HINT: &str = "allow it where system calls are filtered";

fn main(args: Args, title: Title, inherited: Inherited) -> c_int {
    if args.len() <= 1 {
        return print(STDERR, SHORT_USAGE, USAGE);
    }
    if let Err((call, errno, hint)) = own_the_process() {
        let line = Text::<LINE_MAX>::of(format_args!("mpserv: cannot serve: {call}: {errno}; {hint}\n"));
        return print(STDERR, line.as_str(), TROUBLE);
    }
    let mut message = Text::new();
    match serve(args, title, inherited, &mut message) {
        Ok(status) => status,
        Err((line, status)) => print(STDERR, Text::<LINE_MAX>::of(format_args!("mpserv: {line}\n")).as_str(), status),
    }
}

/// Undoes settings that this process has inherited: open files, ignored and blocked signals. An error names the call
/// that failed, and what to do.
fn own_the_process() -> Result<(), (&'static str, Errno, &'static str)> {
    keep_from_programs().map_err(|errno| ("close_range", errno, DESCRIPTORS_HINT))?;
    // The server itself handles SIGHUP, which stays ignored under nohup.
    default_all(&SigSet::from([Signal::HUP]));
    // A write beyond the limit of a file's size fails, so that it can be told. The pidfile and the log may be such files.
    signal(Signal::XFSZ, Disposition::Ignore).map_err(|errno| ("signal", errno, FILTERED_HINT))?;
    // A child with SIGTERM blocked would outlive `--max-lifetime` and the server.
    sigprocmask(MaskHow::Set, &SigSet::empty());
    Ok(())
}

/// Prints a text. Returns `status`, or [`TROUBLE`] if the text could not be printed.
fn print(to: BorrowedFd<'_>, text: &str, status: c_int) -> c_int {
    if fd::write_all(to, text.as_bytes()).is_ok() { status } else { TROUBLE }
}

/// Carries out the command line, and returns the exit status.
fn serve(
    args: Args,
    title: Title,
    mut inherited: Inherited,
    message: &mut Text<MESSAGE_MAX>,
) -> Result<c_int, (Wrong, c_int)> {
    let usage = |wrong: Wrong| (wrong, USAGE);
    let task = options::parse(args, message).map_err(|wrong| {
        inherited.report_failure(wrong.as_str());
        usage(wrong)
    })?;
    let error = |error: mpserv::server::Error| {
        (Text::of(format_args!("{error}")), if error.is_usage() { USAGE } else { TROUBLE })
    };
    let plan = match task {
        Task::Serve(plan) => plan,
        Task::Status { pidfile, format, watch } => {
            return status::show(pidfile, format, watch).map(|()| DONE).map_err(error);
        }
        Task::Help => return Ok(print(STDOUT, Text::<HELP_MAX>::of(format_args!("{Help}")).as_str(), DONE)),
        Task::Version => return Ok(print(STDOUT, VERSION, DONE)),
    };
    if !plan.has_user {
        // `make install` lets only root read the file of this program, so that a server with `--user` can be restarted.
        // Without `--user`, the user that starts the server may look into it all the same (`--status`).
        let _ = allow_dumps();
    }
    let (program, service) = (plan.program, plan.service);
    let bound = bind(plan, args, title, inherited, message.as_str()).map_err(error)?;
    let stopped = match program {
        Some(first) => bound.serve_program(args.from(first)),
        None => bound.serve_builtin(service.unwrap_or(Service::Echo)),
    };
    stopped.map(|_| DONE).map_err(error)
}

/// Binds the server of a plan. `message` is for clients over the limit of their source.
#[inline(never)]
fn bind<'m>(
    plan: Plan,
    args: Args,
    title: Title,
    inherited: Inherited,
    message: &'m str,
) -> Result<Bound<'m>, mpserv::server::Error> {
    let mut server = plan.server.inherit(inherited).restart(args).notify(true).title(title).restore_signals(false);
    if let Some(limit) = plan.per_source {
        server = server.max_per_source(limit, message);
    }
    server.bind()
}
