//! The results of a fault injection: a finding for each case, and a report with all findings.

use std::collections::BTreeMap;

use super::case::Case;
use super::server::{Mode, Whose};
use crate::programs::Program;
use crate::run::output::Output;
use crate::subject;
use crate::trouble::Trouble;

/// A subject of the fault injection.
#[derive(Clone, Copy, Debug)]
pub enum Tried {
    /// A textbook program, in C and in Rust, with this standard output.
    Program(Program, Output),
    /// Any two commands by this name, with this standard output.
    Pair(&'static str, Output),
    Server(Mode, Whose),
}

impl Tried {
    pub fn name(&self) -> String {
        match self {
            Tried::Program(program, _) => program.name.to_owned(),
            Tried::Pair(name, _) => (*name).to_owned(),
            Tried::Server(mode, whose) => format!("{}: {}", mode.name, whose.name()),
        }
    }
}

/// The result of one case.
#[derive(Debug)]
pub struct Finding {
    /// The index of the subject.
    pub tried: usize,
    pub case: Case,
    /// The end of the first process, in words.
    pub outcome: String,
    pub verdict: Verdict,
    /// The number of tries.
    pub tries: usize,
}

#[derive(Debug)]
pub enum Verdict {
    /// The programs do the same, or the server keeps its rules.
    Good,
    /// The differences between the programs, for a person to judge.
    Different(Box<subject::Case>),
    /// The server's behaviour that breaks a rule.
    Violation(String),
    /// The program made the call too rarely to meet the fault.
    NotMet,
    /// The case could not be tried, for this reason.
    Untried(Trouble),
}

/// The results of all cases.
#[derive(Debug)]
pub struct Report {
    pub tried: Vec<Tried>,
    pub findings: Vec<Finding>,
    pub impossible: BTreeMap<&'static str, usize>,
    pub seconds: f64,
    /// The number of planned cases.
    pub planned: usize,
    /// The names of the two sides.
    pub sides: [&'static str; 2],
}
