//! The compared servers, and the conditions on the ratios of their rates.

use crate::Result;
use crate::options::Options;
use crate::peers::{PEERS, S6, TCPSERVER};
use crate::rates::{Clients, Rates};
use crate::row::{Row, Unit, Wanted};
use crate::statistics::Sample;
use crate::subjects::{
    C_AS_ECHO, C_AS_HANDLER, C_AS_PROGRAM, C_FILTERED, C_FORK, C_PREFORK, C_VFORK, ECHO, HANDLER, ONE_EACH, PREFORK,
    PROGRAM, SANDBOX, Subject, TEXTBOOK,
};

/// A comparison of two servers.
struct Comparison {
    ours: &'static str,
    theirs: &'static str,
    wanted: Wanted,
}

const fn compare(ours: &'static str, theirs: &'static str, wanted: Wanted) -> Comparison {
    Comparison { ours, theirs, wanted }
}

/// The least ratio to each server of another project.
const AHEAD: Wanted = Wanted::AtLeast(1.15);

/// The table "at least". Two servers that make the same calls count as equally fast if 1.00 is in the interval.
const DESIGNS: [Comparison; 12] = [
    compare(PROGRAM, C_VFORK, Wanted::AtLeastWithin(1.00)),
    compare(PROGRAM, S6, AHEAD),
    compare(PROGRAM, TCPSERVER, Wanted::AtLeast(1.20)),
    compare(HANDLER, C_FORK, Wanted::AtLeastWithin(1.00)),
    compare(ECHO, C_FORK, Wanted::AtLeast(1.05)),
    compare(PREFORK, C_PREFORK, Wanted::AtLeastWithin(1.00)),
    compare(SANDBOX, ECHO, Wanted::AtLeast(0.90)),
    // Plain C shows the limits: of servers that make the same calls, of a sandbox in each child, and of vfork().
    compare(HANDLER, C_AS_HANDLER, Wanted::AtLeastWithin(1.00)),
    compare(PROGRAM, C_AS_PROGRAM, Wanted::AtLeastWithin(1.00)),
    compare(ECHO, C_AS_ECHO, Wanted::AtLeastWithin(1.00)),
    compare(C_FILTERED, C_FORK, Wanted::Nothing),
    compare(C_VFORK, TCPSERVER, Wanted::Nothing),
];

/// The rate that must be reached with children that are made ahead of time and serve one client each.
const ONE_EACH_RATE: Wanted = Wanted::AtLeast(2000.0);

/// The subjects whose rates are shown although no comparison has them.
const SHOWN: [(&str, Wanted); 1] = [(ONE_EACH, ONE_EACH_RATE)];

/// The divisor of the number of rounds for the textbook programs. Fewer rounds are enough to see that they are alike, but
/// an interval with a confidence of 95 % needs six.
const TEXTBOOK_SHARE: usize = 2;

/// Measures the requested rates, and compares them.
pub fn measure(subjects: &[Subject], options: &Options) -> Result<(Rates, Vec<Row>)> {
    let is_there = |name: &str| subjects.iter().any(|subject| subject.name == name);
    let peers = PEERS.iter().filter(|_| options.peers).map(|peer| compare(peer.against, peer.name, AHEAD));
    let designs = DESIGNS.into_iter().chain(peers.filter(|peer| ![S6, TCPSERVER].contains(&peer.theirs)));
    let textbook = TEXTBOOK.map(|it| compare(it.rust, it.c, Wanted::AtLeastWithin(1.00)));
    let mut rates = Rates::default();
    let mut rows = Vec::new();
    for (comparisons, rounds) in [
        (designs.collect::<Vec<_>>(), options.rounds),
        (textbook.into_iter().collect(), options.rounds.div_ceil(TEXTBOOK_SHARE)),
    ] {
        let is_asked = |it: &Comparison| options.wants(&name_of(it)) && is_there(it.theirs);
        let asked: Vec<Comparison> = comparisons.into_iter().filter(is_asked).collect();
        let is_part = |name: &str| {
            asked.iter().any(|it| it.ours == name || it.theirs == name)
                || rows.is_empty() && SHOWN.iter().any(|(shown, _)| *shown == name && options.wants(name))
        };
        let measured: Vec<&Subject> = subjects.iter().filter(|subject| is_part(subject.name)).collect();
        rates.measure(&groups(&measured, &asked), rounds, options);
        for it in &asked {
            rows.extend(Clients::ALL.map(|clients| {
                let value = rates.ratio(it.ours, it.theirs, clients);
                Row::new(
                    format!("{}, {}", name_of(it), clients_of(clients, subjects, it.ours)),
                    Unit::Ratio,
                    it.wanted,
                    value,
                )
            }));
        }
        rows.extend(measured.iter().flat_map(|subject| rates_of(subject, subjects, &rates)));
    }
    Ok((rates, rows))
}

/// Returns the subjects in groups. Subjects that are compared with each other, or with the same subject, are in one
/// group.
fn groups<'s>(subjects: &[&'s Subject], comparisons: &[Comparison]) -> Vec<Vec<&'s Subject>> {
    let mut groups: Vec<Vec<&Subject>> = subjects.iter().map(|subject| vec![*subject]).collect();
    for it in comparisons {
        let is_in = |group: &Vec<&Subject>| group.iter().any(|subject| [it.ours, it.theirs].contains(&subject.name));
        let (joined, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_in);
        groups = others;
        groups.push(joined.concat());
    }
    groups
}

fn name_of(comparison: &Comparison) -> String {
    format!("{} / {}", comparison.ours, comparison.theirs)
}

fn clients_of(clients: Clients, subjects: &[Subject], name: &str) -> String {
    let many = subjects.iter().find(|subject| subject.name == name).map_or(0, |subject| subject.many);
    match clients {
        Clients::One => "1 client".to_owned(),
        Clients::Many => format!("{many} clients"),
    }
}

/// Returns the rows with the rates of a subject.
fn rates_of(subject: &Subject, subjects: &[Subject], rates: &Rates) -> [Row; 2] {
    let wanted = SHOWN.iter().find(|(shown, _)| *shown == subject.name).map_or(Wanted::Nothing, |(_, wanted)| *wanted);
    Clients::ALL.map(|clients| {
        let rate = rates.of(subject.name, clients).and_then(|sample| Ok(Sample::median(sample).ok_or("no round")?));
        let name = format!("connections: {}, {}", subject.name, clients_of(clients, subjects, subject.name));
        Row::new(name, Unit::PerSecond, wanted, rate)
    })
}
