//! The rounds: connections a second, with one client and with several.

use std::collections::BTreeMap;
use std::iter;

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::server::Server;
use crate::statistics::{Sample, Shuffle};
use crate::subjects::{
    C_FORK, C_FORK_STATIC, C_PREFORK, Group, MPSERV_FORK, MPSERV_PREFORK, MPSERV_PROGRAM, S6, Subject,
};

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

/// Those of which a ratio is asked are measured so often in a round, which has their mean: so the ratio is surer.
const COMPARED: [&str; 7] = [MPSERV_FORK, C_FORK, C_FORK_STATIC, MPSERV_PREFORK, C_PREFORK, MPSERV_PROGRAM, S6];
const COMPARED_TIMES: usize = 2;

pub fn run(subjects: &[Subject], options: &Options) -> Result<Rounds> {
    let mut shuffle = Shuffle::new();
    let mut measured: BTreeMap<_, Measured> = BTreeMap::new();
    let times = |subject: &Subject| if COMPARED.contains(&subject.name) { COMPARED_TIMES } else { 1 };
    let often = subjects.iter().flat_map(|subject| iter::repeat_n(subject, times(subject)));
    let mut order: Vec<_> = often.flat_map(|subject| Clients::ALL.map(|clients| (subject, clients))).collect();
    for round in 1..=options.rounds {
        eprintln!("bench: round {round} of {}: {} measurements", options.rounds, order.len());
        shuffle.shuffle(&mut order);
        let mut in_round: BTreeMap<_, Vec<[f64; 5]>> = BTreeMap::new();
        for &(subject, clients) in &order {
            let server = Server::start(subject)?;
            let workers = if clients == Clients::One { 1 } else { subject.many };
            let load = Load { workers, time: Some(options.time), ..Load::new(subject) };
            let it = load::run(&server, &load).map_err(|error| format!("{}: {error}", subject.name))?;
            let values = [it.per_second, it.p50, it.p99, it.first_byte_p50, it.first_byte_p99];
            in_round.entry((subject.name, clients)).or_default().push(values);
        }
        for (key, all) in in_round {
            let measured = measured.entry(key).or_default();
            let mean = |index: usize| all.iter().map(|values| values[index]).sum::<f64>() / all.len() as f64;
            let samples = [
                &mut measured.per_second,
                &mut measured.p50,
                &mut measured.p99,
                &mut measured.first_byte_p50,
                &mut measured.first_byte_p99,
            ];
            for (index, sample) in samples.into_iter().enumerate() {
                sample.0.push(mean(index));
            }
        }
    }
    let subjects = subjects.iter().map(|subject| (subject.name, subject.group, subject.ours)).collect();
    Ok(Rounds { count: options.rounds, subjects, measured })
}
