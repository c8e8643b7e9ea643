//! Tests that each broken rule of a server is told, with a small server in place of mpserv.

use std::path::{Path, PathBuf};

use super::*;
use crate::run::Directory;
use crate::run::strace::Strace;

/// The time after which the small server counts as hung, once it serves.
const SHORT: Duration = Duration::from_millis(1500);
/// The number of times that the tool may watch a server in a busy loop. On a busy machine, the server may get too little
/// of the processor meanwhile.
const TIMES_WATCHED: usize = 5;

/// The small server, compiled into a folder of its own.
struct Small {
    folder: Directory,
    strace: Strace,
}

impl Small {
    fn new() -> Self {
        // As in the tool, a successor becomes a child of this process.
        mpserv::process::adopt_orphans().unwrap();
        let folder = Directory::new().unwrap();
        folder.compile(NAME, include_str!("wrong.c"));
        Small { folder, strace: Strace::find().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path.join(NAME)
    }

    fn subject<'s>(&'s self, program: &'s Path, mode: Mode, whose: Whose, watchdog: Duration) -> Subject<'s> {
        Subject { program, mode, whose, strace: &self.strace, watchdog }
    }

    /// Checks the violations of a service that breaks the rule of a word when its first accept fails.
    fn tells(&self, word: &'static [&'static str], watchdog: Duration, expected: &[&str]) {
        let program = self.path();
        let subject = self.subject(&program, mode(SERVICE, word), Whose::Parent, watchdog);
        let outcome = subject.try_one(&once("accept", Fault::Error("ECONNABORTED"), 1)).unwrap();
        let found = &outcome.violations;
        let is_told = |expected: &&str| found.iter().any(|found| found.starts_with(expected));
        // On a busy machine, a short watchdog may end before the server has done what it would do.
        let are_all = found.len() == expected.len() || watchdog == SHORT;
        assert!(outcome.happened && expected.iter().all(is_told) && are_all, "{word:?}: {outcome:?}");
    }
}

const SERVICE: &str = "mpserv, a service";
const POOL: &str = "mpserv, prefork";
const RESTART: &str = "mpserv, a restart";

fn once(call: &str, fault: Fault, when: usize) -> Case {
    Case { call: call.to_owned(), fault, when, for_ever: false }
}

fn mode(name: &str, options: &'static [&'static str]) -> Mode {
    Mode { options, ..*MODES.iter().find(|mode| mode.name == name).unwrap() }
}

#[test]
fn a_good_server_breaks_no_rule_and_its_end_is_told() {
    use Fault::{Error, Short, Signal};
    let small = Small::new();
    let program = small.path();
    let (parent, children) = (Whose::Parent, Whose::Children);
    let fails = "ends with 111: mpserv: cannot serve:";
    let pool = mode(POOL, &["--prefork"]);
    for (mode, whose, case, happened, text) in [
        (mode(SERVICE, &[]), parent, once("accept", Error("ECONNABORTED"), 1), true, "serves all"),
        (mode(SERVICE, &[]), parent, once("bind", Error("EIO"), 2), false, "serves all"),
        (
            mode(SERVICE, &[]),
            parent,
            once("accept", Error("EFAULT"), 1),
            true,
            &format!("serves 0 of 3; {fails} accept: Bad address"),
        ),
        (
            mode(SERVICE, &[]),
            parent,
            once("bind", Error("EIO"), 1),
            true,
            &format!("does not begin; {fails} bind: Input/output error"),
        ),
        (mode(SERVICE, &[]), parent, once("accept", Error("EMFILE"), 1).for_ever(), true, "serves all"),
        // The loader closes a few files before the server closes its first connection.
        (mode(SERVICE, &[]), parent, once("close", Error("EIO"), 5), true, "serves all"),
        // The child of the first client sends nothing, and the client is cut.
        (mode(SERVICE, &[]), children, once("read", Short(0), 1), true, "serves 0 of 3"),
        (mode("mpserv, a Unix socket", &[]), parent, once("ppoll", Error("EINTR"), 1), true, "serves all"),
        (pool, parent, once("ppoll", Error("EINTR"), 1), true, "serves all"),
        (pool, children, once("accept", Error("EMFILE"), 1).for_ever(), true, "serves all"),
        // Each child that takes another's place meets the fault, too.
        (pool, children, once("accept", Error("EMFILE"), 1), true, "serves all"),
        // Only a server that is told to stop twice kills its children.
        (mode(SERVICE, &[]), parent, once("kill", Error("EPERM"), 1).for_ever(), true, "serves all"),
        (mode(RESTART, &[]), parent, once("accept", Error("EMFILE"), 1), false, "serves all"),
        (mode(RESTART, &[]), children, once("accept", Error("EMFILE"), 1), true, "serves all"),
        (mode(RESTART, &["refuses-usr2"]), parent, once("accept", Error("EMFILE"), 1), true, "serves all"),
        // The signal ends the server before it hands over, and after that its successor.
        (mode(RESTART, &[]), children, once("ppoll", Signal("ALRM"), 1), true, "serves 0 of 3; dies of SIGALRM"),
        (mode(RESTART, &[]), children, once("ppoll", Signal("ALRM"), 2), true, "serves 1 of 3; dies of SIGALRM"),
        // Nobody can write a log.
        (mode(RESTART, &[]), parent, once("write", Error("EIO"), 1).for_ever(), true, "serves all"),
    ] {
        let outcome = small.subject(&program, mode, whose, WATCHDOG).try_one(&case).unwrap();
        let found = (outcome.happened, outcome.text.as_str());
        assert_eq!(found, (happened, text), "{}, {whose:?}: {case}", mode.name);
        assert!(outcome.violations.is_empty(), "{}, {whose:?}: {case}: {outcome:?}", mode.name);
    }
}

#[test]
fn a_server_that_ends_against_the_rules_is_told() {
    let small = Small::new();
    small.tells(&["ends"], WATCHDOG, &["it ends unasked; its last line is \"mpserv: start pid="]);
    small.tells(&["gives-up"], WATCHDOG, &["it ends with 111 and says \"mpserv: start pid="]);
    small.tells(&["aborts"], WATCHDOG, &["it is killed by SIGABRT"]);
    small.tells(&["panics"], WATCHDOG, &["it panics: mpserv: listen address="]);
    small.tells(&["says-no-end"], WATCHDOG, &["it ends without having stopped in order; its last line is"]);
    small.tells(&["leaks"], WATCHDOG, &["descriptors that stay: [\"0 /dev/null\", "]);
    small.tells(&["chatters"], WATCHDOG, &["a busy loop: 8"]);
    small.tells(&["stays"], SHORT, &["SIGTERM does not end it"]);
    small.tells(&["leaves-a-child"], SHORT, &["child "]);
}

#[test]
fn a_client_that_is_left_alone_after_the_fault_is_told() {
    let small = Small::new();
    let nothing = "afterwards a client is not served: Nothing";
    small.tells(&["tires"], SHORT, &[nothing, nothing]);
    small.tells(&["loses-a-slot"], SHORT, &[nothing]);
}

#[test]
fn a_server_that_breaks_a_rule_while_the_fault_lasts_is_told() {
    let small = Small::new();
    let program = small.path();
    for (word, expected) in [
        (&["chatters"], " calls in 500ms"),
        // The server obeys the rules when it goes on.
        (&["stops-ill-without-clients"], "; its last line is \"mpserv: stop signal=SIGTERM\""),
    ] {
        let subject = small.subject(&program, mode(SERVICE, word), Whose::Parent, WATCHDOG);
        let case = once("accept", Fault::Error("EMFILE"), 1).for_ever();
        let is_told = |outcome: &Outcome| outcome.violations.iter().any(|told| told.ends_with(expected));
        let mut outcomes = Vec::new();
        while !outcomes.iter().any(is_told) {
            assert!(outcomes.len() < TIMES_WATCHED, "{word:?}: {outcomes:?}");
            outcomes.push(subject.try_one(&case).unwrap());
        }
    }
}

#[test]
fn a_client_that_is_left_alone_during_the_fault_is_told() {
    let alone = "a client was neither served nor closed: [";
    let nothing = "afterwards a client is not served: Nothing";
    let zombies = "children, when nobody is connected: [";
    Small::new().tells(&["keeps-zombies"], SHORT, &[alone, nothing, nothing, zombies]);
}

#[test]
fn a_server_that_does_not_restart_is_told() {
    let small = Small::new();
    let program = small.path();
    let subject = small.subject(&program, mode(RESTART, &["ignores-usr2"]), Whose::Parent, SHORT);
    let outcome = subject.try_one(&once("ppoll", Fault::Error("EINTR"), 1)).unwrap();
    assert_eq!(outcome.violations, ["SIGUSR2 neither has another server take its place nor is said to fail"]);
}

#[test]
fn a_server_is_busy_above_either_limit() {
    let second = Duration::from_secs(1);
    let told = |calls, took| busy((calls, took), (10, second), " in 1 s").join("; ");
    assert_eq!(told(10, second), "");
    assert_eq!(told(11, second), "a busy loop: 11 calls in 1 s");
    assert_eq!(told(10, 2 * second), "a busy loop: 2s of the processor in 1 s");
    assert_eq!(told(11, 2 * second), "a busy loop: 11 calls in 1 s; a busy loop: 2s of the processor in 1 s");
}

/// Checks the measured activity, which depends on what a busy machine leaves to the server.
#[test]
fn a_server_at_rest_makes_no_call_and_a_busy_server_more_and_more() {
    let small = Small::new();
    let program = small.path();
    let begin =
        |words| Life::begin(small.subject(&program, mode(SERVICE, words), Whose::Parent, WATCHDOG), None).unwrap();
    let resting = begin(&[]);
    let mut violations = Vec::new();
    let before = activity(&resting);
    watch(&resting, &mut violations);
    assert_eq!((activity(&resting), violations), (before, Vec::new()));
    let spinning = begin(&["spins"]);
    let (calls, _) = activity(&spinning);
    waits_until("it makes calls", || activity(&spinning).0 > calls + CALLS_WATCHED);
    let burning = begin(&["burns"]);
    let (_, had) = activity(&burning);
    waits_until("it takes the processor", || activity(&burning).1 > had);
}

fn waits_until(event: &str, mut has_come: impl FnMut() -> bool) {
    let start = Instant::now();
    while !has_come() {
        assert!(start.elapsed() < WATCHDOG, "{event}");
        std::thread::sleep(TICK);
    }
}

#[test]
fn the_cases_are_those_of_a_good_server_that_behaves_alike() {
    let small = Small::new();
    let program = small.path();
    let cases = |word, whose, extent| small.subject(&program, mode(SERVICE, word), whose, SHORT).cases(extent);
    for (whose, own, others) in [(Whose::Parent, "accept", "shutdown"), (Whose::Children, "shutdown", "accept")] {
        let cases = cases(&[], whose, Extent::Part).unwrap().possible;
        let has = |call: &str| cases.iter().any(|case| case.call == call);
        assert!(has(own) && !has(others), "{whose:?}: {cases:?}");
    }
    let told = |word, extent| cases(word, Whose::Parent, extent).unwrap_err().to_string();
    let found = told(&["says-no-end"], Extent::Part);
    assert!(found.starts_with("mpserv, a service without a fault: it ends without having stopped in order"), "{found}");
    assert_eq!(told(&["varies"], Extent::All), "mpserv, a service makes other calls each time without a fault");
}
