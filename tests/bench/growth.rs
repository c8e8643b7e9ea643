//! Measures the growth of the cost: with living children, with idle connections, and with time.

use std::process::{Child, Command, Stdio};

use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::resources::{memory_of, wait_until};
use crate::row::{Row, Unit, Wanted};
use crate::server::Server;
use crate::statistics::{Median, Sample};
use crate::subjects::{C_FORK, ECHO, HANDLER, PROGRAM, Subject};

const MANY_CHILDREN: u32 = 1000;
const FEW_CHILDREN: u32 = 10;
/// The wanted ratio of the rate with many children to that with few.
const RATE_WITH_MANY: Wanted = Wanted::AtLeast(0.90);
/// The divisor of the number of rounds for these measurements.
const SHARE: usize = 2;
/// The number of clients at once.
const WORKERS: u32 = 8;
/// The number of connections before the first look at memory, so that one-time growth is over.
const WARM: u64 = 1000;
/// The most kB by which the parent may grow after that: four pages, because a page that it had not touched before is no
/// leak. A leak of a single byte for each connection would be 12 pages.
const GROWTH: Wanted = Wanted::AtMost(16.0);
/// The servers whose memory for an idle connection is measured.
const HOLDING: [&str; 4] = [ECHO, HANDLER, PROGRAM, C_FORK];

pub fn measure(subjects: &[Subject], options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name: String, unit, wanted, value: &dyn Fn() -> Result<Median>| {
        if options.wants(&name) {
            eprintln!("bench: {name}");
            rows.push(Row::new(name, unit, wanted, value()));
        }
    };
    for subject in subjects {
        let name = subject.name;
        if name == ECHO {
            let title = format!("rate with {MANY_CHILDREN} live children / with {FEW_CHILDREN}: {name}");
            row(title, Unit::Ratio, RATE_WITH_MANY, &|| with_children(subject, options));
            let title = format!("memory of the parent, growth from {WARM} connections to {}: {name}", options.soak);
            row(title, Unit::Kilobytes, GROWTH, &|| soak(subject, options));
        }
        if HOLDING.contains(&name) {
            let title = format!("memory of each of {} idle connections: {name}", options.idle);
            row(title, Unit::Kilobytes, Wanted::Nothing, &|| idle(subject, options));
        }
    }
    rows
}

/// Returns the ratio of the rate beside many idle connections to that beside a few.
fn with_children(subject: &Subject, options: &Options) -> Result<Median> {
    let rate = |idle| -> Result<f64> {
        let server = Server::start(subject)?;
        let load = Load { workers: WORKERS, time: Some(options.time), idle, ..Load::new(subject) };
        Ok(load::run(&server, &load)?.per_second)
    };
    let mut ratios = Sample::default();
    for round in 0..options.rounds.div_ceil(SHARE) {
        // The two measurements take turns to be the first.
        let many_first = if round % 2 == 0 { Some(rate(MANY_CHILDREN)?) } else { None };
        let few = rate(FEW_CHILDREN)?;
        ratios.0.push(many_first.map_or_else(|| rate(MANY_CHILDREN), Ok)? / few);
    }
    Ok(ratios.median().ok_or("no round")?)
}

/// Returns the growth of the parent's private memory from a few connections to many.
fn soak(subject: &Subject, options: &Options) -> Result<Median> {
    let server = Server::start(subject)?;
    let load = |count| Load { workers: WORKERS, count: Some(count), ..Load::new(subject) };
    load::run(&server, &load(WARM))?;
    let before = memory_of(server.pid())?;
    load::run(&server, &load(options.soak.saturating_sub(WARM)))?;
    Ok(Median::exact((memory_of(server.pid())? - before).max(0.0)))
}

/// Returns the private memory of all processes with idle connections, per connection.
fn idle(subject: &Subject, options: &Options) -> Result<Median> {
    let server = Server::start(subject)?;
    let mut holder = Command::new(env!("CARGO_BIN_EXE_mpserv-load"))
        .args(["--quiet", "--workers", "0", "--seconds", "600", "--idle", &options.idle.to_string()])
        .arg(server.port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let held = wait_until("idle connections (ulimit -u is the most processes)", || {
        server.children().len() >= options.idle as usize
    });
    let all = server.children().into_iter().chain([server.pid()]).map(memory_of).sum::<Result<f64>>();
    interrupt(&holder);
    let status = holder.wait()?;
    held?;
    if !status.success() {
        return Err("idle connections were lost".into());
    }
    Ok(Median::exact(all? / f64::from(options.idle)))
}

/// Ends a process. The process was not reaped, so the id is still its own.
pub fn interrupt(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill(pid, Signal::INT);
    }
}
