//! Runs the load by mpserv-load, and reads its results.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::server::Server;
use crate::subjects::{Subject, Talk};

/// A run of mpserv-load.
#[derive(Clone, Copy)]
pub struct Load {
    pub workers: u32,
    pub time: Option<Duration>,
    pub count: Option<u64>,
    pub rate: Option<f64>,
    pub idle: u32,
    pub talk: Talk,
}

impl Load {
    pub fn new(subject: &Subject) -> Load {
        Load { workers: 1, time: None, count: None, rate: None, idle: 0, talk: subject.talk }
    }
}

/// The results of a run. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub connections: u64,
    pub per_second: f64,
    pub first_byte_p50: f64,
    pub first_byte_p99: f64,
}

/// The longest time of a connection, in seconds. No server needs that much time.
const TIMEOUT: &str = "5";

/// Puts load on a server. An error on any connection is an error here, because a figure with errors means nothing.
pub fn run(server: &Server, load: &Load) -> Result<Outcome> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpserv-load"));
    command.args(["--json", "--quiet", "--timeout", TIMEOUT, "--workers", &load.workers.to_string()]);
    command.stdin(Stdio::null());
    for (option, value) in [
        ("--seconds", load.time.map(|time| time.as_secs_f64().to_string())),
        ("--count", load.count.map(|count| count.to_string())),
        ("--rate", load.rate.map(|rate| rate.to_string())),
        ("--idle", (load.idle > 0).then(|| load.idle.to_string())),
    ] {
        if let Some(value) = value {
            command.args([option, &value]);
        }
    }
    if let Talk::Text { send, expect } = load.talk {
        command.args(["--send", send, "--expect", expect]);
    }
    let output = command.arg(server.port.to_string()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("mpserv-load: {} {} {}", output.status, why.trim(), text.trim()).into());
    }
    Ok(Outcome {
        connections: number(&text, "", "connections")? as u64,
        per_second: number(&text, "", "connections_per_second")?,
        first_byte_p50: number(&text, "first_byte", "p50")?,
        first_byte_p99: number(&text, "first_byte", "p99")?,
    })
}

/// Returns the number with this name in a JSON text. If `object` is not empty, looks in the object of that name.
fn number(json: &str, object: &str, name: &str) -> Result<f64> {
    let missing = || format!("mpserv-load's report has no {object}.{name}: {json}");
    let rest = match object {
        "" => json,
        object => json.split_once(&format!("\"{object}\":{{")).ok_or_else(missing)?.1,
    };
    let (_, value) = rest.split_once(&format!("\"{name}\":")).ok_or_else(missing)?;
    let end = value.find([',', '}']).ok_or_else(missing)?;
    Ok(value[..end].parse()?)
}
