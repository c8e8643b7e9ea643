//! Measures connections a second, with one client and with several, in shuffled rounds.

use std::collections::BTreeMap;

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

    /// Measures all groups of subjects in this many rounds. The subjects of a group are compared with each other, so
    /// they are measured one after another: what disturbs the machine then disturbs all of them. After a failure a
    /// subject is left out.
    pub fn measure(&mut self, groups: &[Vec<&Subject>], rounds: usize, options: &Options) {
        let mut shuffle = Shuffle::new();
        let mut groups: Vec<_> =
            groups.iter().flat_map(|group| Clients::ALL.map(|clients| (group.clone(), clients))).collect();
        for round in 1..=rounds {
            let measurements: usize = groups.iter().map(|(group, _)| group.len()).sum();
            eprintln!("bench: round {round} of {rounds}: {measurements} measurements");
            shuffle.shuffle(&mut groups);
            for (group, clients) in &mut groups {
                shuffle.shuffle(group);
                for subject in group.iter() {
                    match rate(subject, *clients, options) {
                        Ok(rate) => self.samples.entry((subject.name, *clients)).or_default().0.push(rate),
                        Err(error) => {
                            eprintln!("bench: {}: {error}", subject.name);
                            self.failed.insert(subject.name, error.to_string());
                        }
                    }
                }
            }
            for (group, _) in &mut groups {
                group.retain(|subject| !self.failed.contains_key(subject.name));
            }
        }
    }
}

fn rate(subject: &Subject, clients: Clients, options: &Options) -> Result<f64> {
    let server = Server::start(subject)?;
    let load = Load { workers: clients.of(subject), time: Some(options.time), ..Load::new(subject) };
    Ok(load::run(&server, &load)?.per_second)
}
