//! Growth of the cost: with living children, with the parent's memory, with the rate, with time.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::Result;
use crate::inside::parent_memory;
use crate::load::{self, Load};
use crate::options::Options;
use crate::plain::Plain;
use crate::rounds::median;
use crate::server::Server;
use crate::statistics::{Sample, Shuffle};
use crate::subjects::{C_FORK, C_FORK_STATIC, MPSERV_FORK, MPSERV_PROGRAM, Subject};

/// A curve: its name, and its points.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Growth {
    /// Connections a second, by how many children live.
    pub children: Vec<Curve>,
    /// Processes a second, by megabytes that the parent has in use.
    pub memory: Vec<Curve>,
    /// The time from when a connection was due to the first byte of the answer, in milliseconds, by connections a second.
    pub latency: Vec<Curve>,
    /// The parent's private memory in kB, before and after so many connections.
    pub soak: Option<Soak>,
}

pub struct Soak {
    pub connections: u64,
    pub before: u64,
    pub after: u64,
}

const CHILDREN: [u32; 4] = [1, 10, 100, 1000];
const MEGABYTES: [u32; 5] = [0, 1, 10, 100, 400];
const RATES: [u32; 5] = [500, 1000, 2000, 4000, 6000];
/// Clients at once.
const WORKERS: u32 = 8;
/// With a rate, as many as it takes for none to be late for lack of them.
const WORKERS_AT_RATE: u32 = 16;
/// Each point is the median of so many measurements.
const TIMES: usize = 3;
/// Before memory is looked at first, whatever grows once has grown.
const WARM: u64 = 5_000;

pub fn measure(subjects: &[Subject], plain: &Plain, options: &Options) -> Result<Growth> {
    let by_name = |name: &str| subjects.iter().find(|subject| subject.name == name);
    let forking: Vec<&Subject> =
        [MPSERV_FORK, MPSERV_PROGRAM, C_FORK, C_FORK_STATIC].into_iter().filter_map(by_name).collect();
    Ok(Growth {
        children: children(&forking, options)?,
        memory: memory(plain)?,
        latency: latency(&forking, options)?,
        soak: by_name(MPSERV_FORK).map(|subject| soak(subject, options)).transpose()?,
    })
}

fn children(subjects: &[&Subject], options: &Options) -> Result<Vec<Curve>> {
    let mut order: Vec<_> = subjects.iter().flat_map(|subject| CHILDREN.map(|children| (*subject, children))).collect();
    let mut samples: BTreeMap<(&str, u32), Sample> = BTreeMap::new();
    let mut shuffle = Shuffle::new();
    for time in 1..=TIMES {
        eprintln!("bench: connections a second beside idle children, {time} of {TIMES}");
        shuffle.shuffle(&mut order);
        for &(subject, idle) in &order {
            let server = Server::start(subject)?;
            let load = Load { workers: WORKERS, time: Some(options.time), idle, ..Load::new(subject) };
            let outcome = load::run(&server, &load)?;
            samples.entry((subject.name, idle)).or_default().0.push(outcome.per_second);
        }
    }
    let point = |name, idle: u32| (f64::from(idle), samples.get(&(name, idle)).map_or(0.0, median));
    let curve = |subject: &&Subject| Curve {
        name: subject.name.to_owned(),
        points: CHILDREN.map(|idle| point(subject.name, idle)).to_vec(),
    };
    Ok(subjects.iter().map(curve).collect())
}

fn memory(plain: &Plain) -> Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    for megabytes in MEGABYTES {
        eprintln!("bench: processes a second from a parent of {megabytes} MB");
        let output = Command::new(plain.path("cost"))
            .args([&megabytes.to_string(), &plain.path("stdio_echo")])
            .stdin(Stdio::null())
            .output()?;
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, rate) = line.split_once(' ').ok_or("cost prints a name and a rate")?;
            let name = name.replace('_', " and ");
            let point = (f64::from(megabytes), rate.parse()?);
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve { name, points: vec![point] }),
            }
        }
    }
    Ok(curves)
}

fn latency(subjects: &[&Subject], options: &Options) -> Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for subject in subjects {
        eprintln!("bench: latency at fixed rates: {}", subject.name);
        let mut percentiles = [(50, Vec::new()), (99, Vec::new())];
        for rate in RATES.map(f64::from) {
            let server = Server::start(subject)?;
            let load =
                Load { workers: WORKERS_AT_RATE, time: Some(options.time), rate: Some(rate), ..Load::new(subject) };
            let outcome = load::run(&server, &load)?;
            for ((_, points), nanos) in percentiles.iter_mut().zip([outcome.first_byte_p50, outcome.first_byte_p99]) {
                points.push((rate, nanos / 1e6));
            }
        }
        for (percent, points) in percentiles {
            curves.push(Curve { name: format!("{}, p{percent}", subject.name), points });
        }
    }
    Ok(curves)
}

fn soak(subject: &Subject, options: &Options) -> Result<Soak> {
    eprintln!("bench: the parent's memory over {} connections", options.soak);
    let server = Server::start(subject)?;
    let load = |count| Load { workers: WORKERS, count: Some(count), ..Load::new(subject) };
    load::run(&server, &load(WARM))?;
    let before = parent_memory(&server).private;
    let connections = load::run(&server, &load(options.soak))?.connections;
    Ok(Soak { connections, before, after: parent_memory(&server).private })
}
