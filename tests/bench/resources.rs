//! Measures the resources of a server from outside: memory and system calls.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::growth::interrupt;
use crate::load::{self, Load};
use crate::options::Options;
use crate::row::{Row, Unit, Wanted};
use crate::server::Server;
use crate::statistics::Median;
use crate::subjects::{C_FORK, ECHO, HANDLER, SANDBOX, Subject};

/// The servers whose idle child is measured, and the condition on its memory in relation to that of C.
const LOOKED_AT: [(&str, Wanted); 3] =
    [(ECHO, Wanted::AtMost(1.00)), (SANDBOX, Wanted::Nothing), (HANDLER, Wanted::Nothing)];
/// The most system calls of the parent for a connection.
const CALLS: Wanted = Wanted::AtMost(6.0);
/// The number of connections that are counted under strace.
const TRACED: u64 = 400;
const TRACED_WORKERS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

pub fn measure(subjects: &[Subject], options: &Options) -> Vec<Row> {
    let by_name = |name: &str| subjects.iter().find(|subject| subject.name == name);
    let Some(c) = by_name(C_FORK) else { return Vec::new() };
    let mut rows = Vec::new();
    for (subject, wanted) in LOOKED_AT.into_iter().filter_map(|(name, wanted)| Some((by_name(name)?, wanted))) {
        let name = format!("memory of an idle child, private: {} / {C_FORK}", subject.name);
        if options.wants(&name) {
            let ratio = || Ok(Median::exact(of_idle_child(subject)? / of_idle_child(c)?));
            rows.push(Row::new(name, Unit::Ratio, wanted, ratio()));
        }
    }
    for (subject, wanted) in [(by_name(ECHO), CALLS), (Some(c), Wanted::Nothing)] {
        let Some(subject) = subject else { continue };
        let name = format!("system calls of the parent for a connection: {}", subject.name);
        if options.wants(&name) {
            rows.push(Row::new(name, Unit::Calls, wanted, calls_of_parent(subject).map(Median::exact)));
        }
    }
    rows
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("waited {PATIENCE:?} in vain: {what}").into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Returns the sum of the fields with this name in a file of /proc.
fn field(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

/// Returns the memory that a process shares with no other process, in kB.
pub fn memory_of(pid: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok((field(&rollup, "Private_Clean") + field(&rollup, "Private_Dirty")) as f64)
}

/// Returns the private memory of a child whose connection is idle.
fn of_idle_child(subject: &Subject) -> Result<f64> {
    let server = Server::start(subject)?;
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"hello")?;
    connection.read_exact(&mut [0; b"hello".len()])?;
    // Wait for the end of an earlier child, which served the connection that checked the start.
    wait_until("the end of the first child", || server.children().len() == 1)?;
    memory_of(*server.children().first().ok_or("no child")?)
}

/// Returns the number of the parent's system calls per connection, for many connections at the same time.
fn calls_of_parent(subject: &Subject) -> Result<f64> {
    let server = Server::start(subject)?;
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench/strace");
    let pid = server.pid().to_string();
    let mut strace = Command::new("strace")
        .args(["-c", "-U", "calls,name", "-o", &report.to_string_lossy(), "-p", &pid])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("strace: {error}"))?;
    let status = format!("/proc/{pid}/status");
    let is_traced = || fs::read_to_string(&status).is_ok_and(|text| field(&text, "TracerPid") != 0);
    let traced = wait_until("strace", is_traced);
    let load = Load { workers: TRACED_WORKERS, count: Some(TRACED), ..Load::new(subject) };
    let outcome = traced.and_then(|()| load::run(&server, &load));
    interrupt(&strace);
    strace.wait()?;
    let connections = outcome?.connections;
    let text = fs::read_to_string(&report)?;
    let total = text.lines().find_map(|line| line.trim().strip_suffix(" total")?.trim().parse::<u64>().ok());
    Ok(total.ok_or("strace has counted nothing")? as f64 / connections as f64)
}
