//! One against another: what was to be reached, and what was.

use crate::growth::Growth;
use crate::inside::Inside;
use crate::rounds::{Clients, Rounds};
use crate::statistics::Median;
use crate::subjects::{
    C_FORK, C_FORK_NOW, C_FORK_STATIC, C_PREFORK, C_VFORK, Group, MPSERV_FORK, MPSERV_PREFORK, MPSERV_PROGRAM,
    MPSERV_SANDBOX, S6,
};

/// Condition that a value must meet.
#[derive(Clone, Copy, PartialEq)]
pub enum Wanted {
    AtLeast(f64),
    /// At least so much as far as the interval tells.
    AtLeastWithin(f64),
    AtMost(f64),
    /// It is shown, and nothing more.
    Nothing,
}

pub struct Ratio {
    pub name: String,
    pub value: Median,
    pub wanted: Wanted,
}

impl Ratio {
    pub fn holds(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.value.value >= least,
            Wanted::AtLeastWithin(least) => self.value.high >= least,
            Wanted::AtMost(most) => self.value.value <= most,
            Wanted::Nothing => true,
        }
    }
}

/// A value that was measured once.
fn exact(value: f64) -> Median {
    Median { value, low: value, high: value, confidence: 1.0 }
}

const SYSTEM_CALLS_MAX: f64 = 6.0;
/// With this many children the rate is to be at least so much of that with a few.
const MANY_CHILDREN: f64 = 1000.0;
const FEW_CHILDREN: f64 = 10.0;
const RATE_WITH_MANY: f64 = 0.8;

/// Which rates are compared, and what has to hold.
const RATES: [(&str, &str, Wanted); 7] = [
    (MPSERV_FORK, C_FORK, Wanted::AtLeast(1.30)),
    (MPSERV_FORK, C_FORK_NOW, Wanted::Nothing),
    (MPSERV_FORK, C_FORK_STATIC, Wanted::AtLeast(1.05)),
    // Both make the same five calls for a connection: as fast is as fast as it gets, and half of what is measured is below.
    (MPSERV_PREFORK, C_PREFORK, Wanted::AtLeastWithin(1.00)),
    (MPSERV_PROGRAM, S6, Wanted::AtLeast(1.15)),
    (MPSERV_PROGRAM, C_VFORK, Wanted::Nothing),
    (MPSERV_SANDBOX, MPSERV_FORK, Wanted::Nothing),
];

/// Whether something has to hold of the rate of this subject.
pub fn is_asked_of(name: &str) -> bool {
    RATES.iter().any(|(ours, theirs, wanted)| *wanted != Wanted::Nothing && (*ours == name || *theirs == name))
}

pub fn all(rounds: &Rounds, inside: &[Inside], growth: &Growth) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for (ours, theirs, wanted) in RATES {
        ratios.extend(rates(rounds, ours, theirs, wanted));
    }
    ratios.extend(memory(inside));
    let calls = inside.iter().find(|it| it.name == MPSERV_FORK).and_then(|it| it.parent_calls);
    let name = format!("system calls of the parent per connection: {MPSERV_FORK}");
    ratios.extend(calls.map(|calls| Ratio { name, value: exact(calls), wanted: Wanted::AtMost(SYSTEM_CALLS_MAX) }));
    ratios.extend(with_many_children(growth));
    ratios.extend(soak(growth));
    for &(ours, group, _) in &rounds.subjects {
        if let (Group::Textbook, Some(program)) = (group, ours.strip_suffix(", Rust")) {
            ratios.extend(rates(rounds, ours, &format!("{program}, C"), Wanted::AtLeastWithin(1.00)));
        }
    }
    ratios
}

/// Connections a second of one over those of the other, for each number of clients.
fn rates(rounds: &Rounds, ours: &str, theirs: &str, wanted: Wanted) -> Vec<Ratio> {
    let ratio = |clients: Clients| {
        let (a, b) = (rounds.of(ours, clients)?, rounds.of(theirs, clients)?);
        let value = a.per_second.ratios(&b.per_second).median()?;
        Some(Ratio { name: format!("{ours} / {theirs}, {}", clients.name()), value, wanted })
    };
    Clients::ALL.into_iter().filter_map(ratio).collect()
}

fn memory(inside: &[Inside]) -> Option<Ratio> {
    let of = |name| inside.iter().find(|it| it.name == name)?.idle;
    let (ours, theirs) = (of(MPSERV_FORK)?, of(C_FORK_STATIC)?);
    let value = exact(ours.private as f64 / theirs.private as f64);
    let name = format!("private memory of an idle child: {MPSERV_FORK} / {C_FORK_STATIC}");
    Some(Ratio { name, value, wanted: Wanted::AtMost(1.00) })
}

fn with_many_children(growth: &Growth) -> Option<Ratio> {
    let curve = growth.children.iter().find(|curve| curve.name == MPSERV_FORK)?;
    let at = |children: f64| curve.points.iter().find(|(x, _)| *x == children).map(|(_, rate)| *rate);
    let value = exact(at(MANY_CHILDREN)? / at(FEW_CHILDREN)?);
    let name = format!("{MPSERV_FORK}: rate with 1,000 live children / with 10");
    Some(Ratio { name, value, wanted: Wanted::AtLeast(RATE_WITH_MANY) })
}

fn soak(growth: &Growth) -> Option<Ratio> {
    let soak = growth.soak.as_ref()?;
    let name = format!("{MPSERV_FORK}: the parent's private memory after {} connections / before", soak.connections);
    Some(Ratio { name, value: exact(soak.after as f64 / soak.before as f64), wanted: Wanted::AtMost(1.00) })
}
