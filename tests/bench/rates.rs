//! Measures connections a second, with one client and with several, in shuffled rounds.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::server::Server;
use crate::statistics::{Median, Sample, Shuffle};
use crate::subjects::Subject;

/// The number of clients at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clients {
    One,
    /// The number of clients that the subject names: 8, or 6.
    Many,
}

impl Clients {
    pub const ALL: [Clients; 2] = [Clients::One, Clients::Many];

    const fn of(self, subject: &Subject) -> u32 {
        match self {
            Clients::One => 1,
            Clients::Many => subject.many,
        }
    }
}

/// The rates of all subjects: a value for each round.
#[derive(Default)]
pub struct Rates {
    samples: BTreeMap<(&'static str, Clients), Sample>,
    failed: BTreeMap<&'static str, String>,
}

impl Rates {
    pub fn of(&self, name: &str, clients: Clients) -> Result<&Sample> {
        if let Some(why) = self.failed.get(name) {
            return Err(format!("{name}: {why}").into());
        }
        let sample = self.samples.iter().find(|((subject, count), _)| *subject == name && *count == clients);
        Ok(sample.ok_or_else(|| format!("{name}: not measured"))?.1)
    }

    /// Returns the ratio of the connections a second of two servers, round by round.
    pub fn ratio(&self, ours: &str, theirs: &str, clients: Clients) -> Result<Median> {
        let ratios = self.of(ours, clients)?.ratios(self.of(theirs, clients)?);
        Ok(ratios.median().ok_or("no round")?)
    }

    /// Measures all subjects in this many rounds. After a failure a subject is left out.
    pub fn measure(&mut self, subjects: &[&Subject], rounds: usize, options: &Options) {
        let mut shuffle = Shuffle::new();
        let mut order: Vec<_> =
            subjects.iter().flat_map(|subject| Clients::ALL.map(|clients| (*subject, clients))).collect();
        for round in 1..=rounds {
            eprintln!("bench: round {round} of {rounds}: {} measurements", order.len());
            shuffle.shuffle(&mut order);
            for &(subject, clients) in &order {
                match rate(subject, clients, options) {
                    Ok(rate) => self.samples.entry((subject.name, clients)).or_default().0.push(rate),
                    Err(error) => {
                        eprintln!("bench: {}: {error}", subject.name);
                        self.failed.insert(subject.name, error.to_string());
                    }
                }
            }
            let failed: BTreeSet<&str> = self.failed.keys().copied().collect();
            order.retain(|(subject, _)| !failed.contains(subject.name));
        }
    }
}

fn rate(subject: &Subject, clients: Clients, options: &Options) -> Result<f64> {
    let server = Server::start(subject)?;
    let load = Load { workers: clients.of(subject), time: Some(options.time), ..Load::new(subject) };
    Ok(load::run(&server, &load)?.per_second)
}
