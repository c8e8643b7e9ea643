//! The rounds: connections a second, with one client and with several.

use std::collections::BTreeMap;
use std::iter;

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::server::Server;
use crate::statistics::{Sample, Shuffle};
use crate::subjects::{Group, Subject};

/// Number of clients at once.
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

/// Values of one subject with this number of clients: one for each round.
#[derive(Default)]
pub struct Measured {
    pub per_second: Sample,
    pub p50: Sample,
    pub p99: Sample,
    pub first_byte_p50: Sample,
    pub first_byte_p99: Sample,
}

impl Measured {
    fn samples(&self) -> [&Sample; 5] {
        [&self.per_second, &self.p50, &self.p99, &self.first_byte_p50, &self.first_byte_p99]
    }

    /// Takes in a value for each sample.
    fn push(&mut self, values: [f64; 5]) {
        let Measured { per_second, p50, p99, first_byte_p50, first_byte_p99 } = self;
        for (sample, value) in [per_second, p50, p99, first_byte_p50, first_byte_p99].into_iter().zip(values) {
            sample.0.push(value);
        }
    }
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

/// Number of measurements in a round for a subject that has a target. The round keeps their mean, which is more exact.
const TIMES_WHEN_ASKED: usize = 2;

pub fn run(subjects: &[Subject], is_asked_of: impl Fn(&str) -> bool, options: &Options) -> Result<Rounds> {
    let mut shuffle = Shuffle::new();
    let mut measured: BTreeMap<_, Measured> = BTreeMap::new();
    let times = |subject: &Subject| if is_asked_of(subject.name) { TIMES_WHEN_ASKED } else { 1 };
    let often = subjects.iter().flat_map(|subject| iter::repeat_n(subject, times(subject)));
    let mut order: Vec<_> = often.flat_map(|subject| Clients::ALL.map(|clients| (subject, clients))).collect();
    for round in 1..=options.rounds {
        eprintln!("bench: round {round} of {}: {} measurements", options.rounds, order.len());
        shuffle.shuffle(&mut order);
        let mut in_round: BTreeMap<_, Measured> = BTreeMap::new();
        for &(subject, clients) in &order {
            let server = Server::start(subject)?;
            let workers = if clients == Clients::One { 1 } else { subject.many };
            let load = Load { workers, time: Some(options.time), ..Load::new(subject) };
            let it = load::run(&server, &load).map_err(|error| format!("{}: {error}", subject.name))?;
            let values = [it.per_second, it.p50, it.p99, it.first_byte_p50, it.first_byte_p99];
            in_round.entry((subject.name, clients)).or_default().push(values);
        }
        for (key, round) in in_round {
            measured.entry(key).or_default().push(round.samples().map(Sample::mean));
        }
    }
    let subjects = subjects.iter().map(|subject| (subject.name, subject.group, subject.ours)).collect();
    Ok(Rounds { count: options.rounds, subjects, measured })
}
