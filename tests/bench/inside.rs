//! Resources of a server, measured from outside: memory, system calls, instructions, size of its file.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

use crate::Result;
use crate::load::{self, Load};
use crate::server::Server;
use crate::subjects::{C_FORK, C_FORK_STATIC, Group, MPSERV_FORK, Subject, Talk};

/// Memory of processes, in kB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// Memory that no other process shares.
    pub private: u64,
    pub anonymous: u64,
    pub resident: u64,
    /// The tables that the kernel keeps of it.
    pub tables: u64,
}

/// Resources of one subject. None if the value was not measured.
pub struct Inside {
    pub name: &'static str,
    /// The size of its file.
    pub file: Option<u64>,
    /// A child with an idle connection.
    pub idle: Option<Memory>,
    /// All processes, with so many idle connections as [`MANY`].
    pub many: Option<Memory>,
    /// System calls for a connection, under load: of the parent, and of all processes.
    pub parent_calls: Option<f64>,
    pub all_calls: Option<f64>,
    /// Instructions for a connection: of the parent, and of the child.
    pub parent_instructions: Option<f64>,
    pub child_instructions: Option<f64>,
}

/// As many idle connections as a server has to hold.
pub const MANY: u32 = 1000;
/// Number of connections counted under strace, and number at once.
const TRACED: u64 = 400;
const TRACED_WORKERS: u32 = 8;
/// Whose instructions are counted besides those of the textbook programs.
const COUNTED: [&str; 3] = [MPSERV_FORK, C_FORK, C_FORK_STATIC];
/// Number of connections counted under callgrind. The cost of the start is in both counts, so their difference does not
/// contain it.
const FEW: u64 = 5;
const MORE: u64 = 25;
/// Makes callgrind start its counters anew at a fork, whichever call makes the fork.
const FORKS: [&str; 4] =
    ["--zero-before=fork", "--zero-before=__libc_fork", "--zero-before=syscall", "--zero-before=clone"];
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);

pub fn look(subjects: &[Subject]) -> Result<Vec<Inside>> {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind {
        eprintln!("bench: no instructions are counted without valgrind");
    }
    let inspect = |subject: &Subject| -> Result<Inside> {
        eprintln!("bench: memory, system calls and instructions: {}", subject.name);
        let is_design = subject.group == Group::Design;
        let counted = has_valgrind && (subject.group == Group::Textbook || COUNTED.contains(&subject.name));
        let instructions = if counted { instructions(subject).map(Some)? } else { None };
        Ok(Inside {
            name: subject.name,
            file: fs::metadata(&subject.command[0]).ok().map(|metadata| metadata.len()),
            idle: idle(subject)?,
            many: if is_design && subject.forks { Some(many(subject)?) } else { None },
            parent_calls: if subject.forks { Some(calls(subject, false)?) } else { None },
            all_calls: Some(calls(subject, true)?),
            parent_instructions: instructions.map(|(parent, _)| parent),
            child_instructions: instructions.map(|(_, child)| child),
        })
    };
    subjects.iter().map(inspect).collect()
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("waited {PATIENCE:?} in vain: {what}").into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// The field of a file in /proc that begins with `name`, in kB.
fn kilobytes(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

/// The memory of a process; of one that has ended, none.
fn memory_of(pid: u32) -> Memory {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Memory {
        private: kilobytes(&rollup, "Private_Clean") + kilobytes(&rollup, "Private_Dirty"),
        anonymous: kilobytes(&rollup, "Anonymous"),
        resident: kilobytes(&rollup, "Rss"),
        tables: kilobytes(&status, "VmPTE"),
    }
}

/// The memory of the parent alone.
pub fn parent_memory(server: &Server) -> Memory {
    memory_of(server.pid())
}

/// The memory of the one child that has a connection, which is idle. None where there is no child.
fn idle(subject: &Subject) -> Result<Option<Memory>> {
    let server = Server::start(subject)?;
    let before = server.children();
    let (send, expect) = match subject.talk {
        Talk::Echo => ("hello", "hello"),
        Talk::Text { send, expect } => (send, expect),
    };
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(send.as_bytes())?;
    connection.read_exact(&mut vec![0; expect.len()])?;
    // One that was made for it, or, where all were there before, one of these. A child that has just ended has no memory.
    let children = server.children();
    let (new, old): (Vec<u32>, Vec<u32>) = children.into_iter().partition(|child| !before.contains(child));
    Ok(new.into_iter().chain(old).map(memory_of).find(|memory| memory.resident > 0))
}

/// The memory of all processes that hold [`MANY`] idle connections.
fn many(subject: &Subject) -> Result<Memory> {
    let server = Server::start(subject)?;
    let mut holder = Command::new(env!("CARGO_BIN_EXE_mpserv-load"))
        .args(["--quiet", "--workers", "0", "--seconds", "60", "--idle", &MANY.to_string(), &server.port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let held = wait_until("idle connections", || server.children().len() >= MANY as usize);
    let sum = server.children().into_iter().map(memory_of).fold(memory_of(server.pid()), |sum, memory| Memory {
        private: sum.private + memory.private,
        anonymous: sum.anonymous + memory.anonymous,
        resident: sum.resident + memory.resident,
        tables: sum.tables + memory.tables,
    });
    interrupt(&holder);
    let status = holder.wait()?;
    held?;
    if status.success() { Ok(sum) } else { Err(format!("{}: idle connections were lost", subject.name).into()) }
}

fn interrupt(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It is a child that was not waited for, so the id is its own.
        let _ = kill(pid, Signal::INT);
    }
}

/// System calls for one of many connections that come at the same time: of the parent, or of all processes.
fn calls(subject: &Subject, all: bool) -> Result<f64> {
    let server = Server::start(subject)?;
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench/strace");
    let pid = server.pid().to_string();
    let follow: &[&str] = if all { &["-f"] } else { &[] };
    let mut strace = Command::new("strace")
        .args(["-c", "-U", "calls,name", "-o", &report.to_string_lossy(), "-p", &pid])
        .args(follow)
        .args(server.children().iter().filter(|_| all).map(|child| format!("-p{child}")))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("strace: {error}"))?;
    let status = format!("/proc/{pid}/status");
    let is_traced = || fs::read_to_string(&status).is_ok_and(|text| kilobytes(&text, "TracerPid") != 0);
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

/// Instructions for a connection, of the parent and of the child.
fn instructions(subject: &Subject) -> Result<(f64, f64)> {
    let (few, _) = counted(subject, FEW, &[])?;
    let (more, _) = counted(subject, MORE, &[])?;
    // A child's count begins with its parent's, unless it is begun anew when the parent comes to the fork.
    let (_, child) = counted(subject, FEW, &FORKS)?;
    Ok(((more - few) / (MORE - FEW) as f64, child))
}

/// Instructions that callgrind counted for this number of connections: for the parent, and on average for its children.
fn counted(subject: &Subject, connections: u64, options: &[&str]) -> Result<(f64, f64)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench/callgrind");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let file = format!("--callgrind-out-file={}/%p", folder.display());
    let words = ["valgrind", "--quiet", "--tool=callgrind", &file].into_iter().chain(options.iter().copied());
    let wrapper: Vec<String> = words.map(str::to_owned).collect();
    let server = Server::start_under(&wrapper, subject)?;
    load::run(&server, &Load { count: Some(connections), ..Load::new(subject) })?;
    wait_until("the last child", || server.children().is_empty())?;
    let parent = server.pid().to_string();
    server.end()?;
    let mut of_parent = None;
    let mut of_children = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<f64>().ok());
        match total {
            Some(total) if entry.file_name().to_string_lossy() == parent => of_parent = Some(total),
            Some(total) => of_children.push(total),
            None => {}
        }
    }
    let children = of_children.iter().sum::<f64>() / of_children.len().max(1) as f64;
    Ok((of_parent.ok_or("callgrind has counted nothing")?, children))
}
