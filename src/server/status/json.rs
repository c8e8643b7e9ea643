//! The status as JSON: one object on one line.

use super::{ChildStatus, Summary, each_child, earlier, print};
use crate::server::log::Seconds;
use crate::sys::errno::Result;
use crate::sys::fd::OwnedFd;
use crate::sys::process::Pid;

/// Prints the object of a server. The object's array `earlier` has the objects of the earlier servers that have
/// not ended yet.
pub(super) fn print_all(scoreboard: &OwnedFd, pid: Pid) -> Result<()> {
    members("", scoreboard, pid)?;
    print(format_args!(",\"earlier\":["))?;
    let mut comma = "";
    earlier(scoreboard)?.try_for_each(|(scoreboard, pid)| {
        members(comma, &scoreboard, pid)?;
        comma = ",";
        print(format_args!("}}"))
    })?;
    print(format_args!("]}}\n"))
}

/// Prints `before`, and a server's object up to its last member. Prints nothing if the scoreboard cannot be read.
fn members(before: &str, scoreboard: &OwnedFd, pid: Pid) -> Result<()> {
    let Summary { limit, serving, idle, accepted, refused, uptime } = Summary::read(scoreboard)?;
    print(format_args!("{before}{{\"pid\":{pid},\"limit\":{limit},\"serving\":{serving},\"idle\":{idle}"))?;
    print(format_args!(",\"accepted\":{accepted},\"refused\":{refused},\"uptime\":{}", Seconds(uptime)))?;
    print(format_args!(",\"children\":["))?;
    let mut comma = "";
    each_child(scoreboard, |ChildStatus { pid, state, served, time, client }| {
        print(format_args!("{comma}{{\"pid\":{pid},\"state\":\"{state}\",\"served\":{served}"))?;
        comma = ",";
        print(format_args!(",\"seconds\":{},\"client\":", Seconds(time)))?;
        // The text of a client has no character that JSON escapes.
        match client {
            Some(client) => print(format_args!("\"{client}\"}}")),
            None => print(format_args!("null}}")),
        }
    })?;
    print(format_args!("]"))
}
