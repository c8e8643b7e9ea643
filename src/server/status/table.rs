//! The status as a table.

use super::{ChildStatus, PATH_MAX, Summary, each_child, earlier, print};
use crate::program::text::Text;
use crate::server::log::Seconds;
use crate::sys::errno::Result;
use crate::sys::fd::OwnedFd;
use crate::sys::process::Pid;

/// Prints the table of a server, and that of each earlier server that has not ended yet.
pub(super) fn print_all(scoreboard: &OwnedFd, pid: Pid) -> Result<()> {
    table(scoreboard, pid)?;
    earlier(scoreboard)?.try_for_each(|(scoreboard, pid)| {
        print(format_args!("\nBefore the restart, for its last clients:\n"))?;
        table(&scoreboard, pid)
    })
}

fn table(scoreboard: &OwnedFd, pid: Pid) -> Result<()> {
    let Summary { limit, serving, idle, accepted, refused, uptime } = Summary::read(scoreboard)?;
    print(format_args!(
        "mpserv {pid}: {serving} of {limit} serving, {idle} idle, {accepted} accepted, {refused} refused, up {} s\n",
        Seconds(uptime)
    ))?;
    print(format_args!("{:>8}  {:<8} {:>10} {:>12}  CLIENT\n", "PID", "STATE", "SERVED", "SECONDS"))?;
    each_child(scoreboard, |ChildStatus { pid, state, served, time, client }| {
        let seconds = Text::<PATH_MAX>::of(format_args!("{}", Seconds(time)));
        print(format_args!("{:>8}  {state:<8} {served:>10} {:>12}  ", pid.raw(), seconds.as_str()))?;
        match client {
            Some(client) => print(format_args!("{client}\n")),
            None => print(format_args!("\n")),
        }
    })
}
