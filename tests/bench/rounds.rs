//! The rounds: connections a second, with one client and with several.

use std::collections::BTreeMap;

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::server::Server;
use crate::statistics::{Sample, Shuffle};
use crate::subjects::{Group, Subject};

/// How many clients there are at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clients {
    One,
    /// As many as the subject says: 8, or 6.
    Many,
}

impl Clients {
    pub const ALL: [Clients; 2] = [Clients::One, Clients::Many];

    pub const fn name(self) -> &'static str {
        match self {
            Clients::One => "1 client",
            Clients::Many => "8 clients (6 where the backlog is 5)",
        }
    }
}

/// What was measured of one subject with so many clients: a value for each round.
#[derive(Default)]
pub struct Measured {
    pub per_second: Sample,
    pub p50: Sample,
    pub p99: Sample,
    pub first_byte_p50: Sample,
    pub first_byte_p99: Sample,
}

pub struct Rounds {
    pub count: usize,
    pub subjects: Vec<(&'static str, Group, bool)>,
    measured: BTreeMap<(&'static str, Clients), Measured>,
}

impl Rounds {
    pub fn of(&self, name: &str, clients: Clients) -> Option<&Measured> {
        self.measured.iter().find(|((subject, count), _)| *subject == name && *count == clients).map(|(_, it)| it)
    }

    /// The median rate of each subject of a group, the best first.
    pub fn best_first(&self, group: Group, clients: Clients) -> Vec<(&'static str, bool, &Sample)> {
        let of_group = self.subjects.iter().filter(|subject| subject.1 == group);
        let mut rates: Vec<_> =
            of_group.filter_map(|&(name, _, ours)| Some((name, ours, &self.of(name, clients)?.per_second))).collect();
        rates.sort_by(|a, b| median(b.2).total_cmp(&median(a.2)));
        rates
    }
}

pub fn median(sample: &Sample) -> f64 {
    sample.median().map_or(0.0, |median| median.value)
}

pub fn run(subjects: &[Subject], options: &Options) -> Result<Rounds> {
    let mut shuffle = Shuffle::new();
    let mut measured: BTreeMap<_, Measured> = BTreeMap::new();
    let mut order: Vec<_> =
        subjects.iter().flat_map(|subject| Clients::ALL.map(|clients| (subject, clients))).collect();
    for round in 1..=options.rounds {
        eprintln!("bench: round {round} of {}: {} measurements", options.rounds, order.len());
        shuffle.shuffle(&mut order);
        for &(subject, clients) in &order {
            let server = Server::start(subject)?;
            let workers = if clients == Clients::One { 1 } else { subject.many };
            let load = Load { workers, time: Some(options.time), ..Load::new(subject) };
            let outcome = load::run(&server, &load).map_err(|error| format!("{}: {error}", subject.name))?;
            let measured = measured.entry((subject.name, clients)).or_default();
            for (sample, value) in [
                (&mut measured.per_second, outcome.per_second),
                (&mut measured.p50, outcome.p50),
                (&mut measured.p99, outcome.p99),
                (&mut measured.first_byte_p50, outcome.first_byte_p50),
                (&mut measured.first_byte_p99, outcome.first_byte_p99),
            ] {
                sample.0.push(value);
            }
        }
    }
    let subjects = subjects.iter().map(|subject| (subject.name, subject.group, subject.ours)).collect();
    Ok(Rounds { count: options.rounds, subjects, measured })
}
