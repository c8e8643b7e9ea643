//! Tests each drive with small programs, in a run without a fault.

use std::net::TcpListener;
use std::time::Duration;

use mpserv::signal::Signal;

use super::*;
use crate::drives::{self, Peer};
use crate::run::Directory;

/// Compiles the small programs into a folder, one file for each name.
fn small() -> Directory {
    let folder = Directory::new().unwrap();
    let first = folder.compile("ends", include_str!("runs.c"));
    for name in ["waits", "calls", "alarms", "serves", "talks", "asks"] {
        std::fs::hard_link(&first, folder.path.join(name)).unwrap();
    }
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Calls `test` with a bench for these subjects.
fn on_bench<T>(subjects: Subjects<'_>, test: impl FnOnce(&Bench<'_>) -> T) -> T {
    let options = Options {
        task: Task::Version,
        outputs: vec![Output::Pipe],
        names_outputs: false,
        from: From::Main,
        show_output: false,
        diff: false,
        traces: false,
        accept: Level::Same,
        sources: false,
        html: None,
        json: None,
        save: None,
        lesson: None,
        timeout: Duration::from_secs(15),
        faults: Some(Extent::Part),
    };
    let strace = Strace::find().unwrap();
    test(&Bench { options: &options, subjects, sides: PROGRAM_SIDES, strace: &strace })
}

/// Runs a pair of the same command. Returns the end of the first process, and the printed text.
fn pair(folder: &Directory, words: [&str; 2], helper: &[&str], signal: Option<Signal>) -> (String, String) {
    let [program, port] = words;
    let path = |name: &str| folder.path.join(name).to_str().unwrap().to_owned();
    let mut helper: Vec<String> = helper.iter().map(ToString::to_string).collect();
    helper.first_mut().into_iter().for_each(|name| *name = path(name));
    let listen = port.parse().ok();
    let words = vec![path(program), port.to_owned()];
    let pair = Pair { words: [words.clone(), words], listen: [listen; 2], helper, signal };
    on_bench(Subjects::Pair(pair), |bench| said(&bench.record(&Tried::Pair("pair", Output::Pipe), 1, None).unwrap()))
}

fn said(recorded: &Recorded) -> (String, String) {
    (outcome(recorded), String::from_utf8_lossy(&recorded.printed).into_owned())
}

fn strings((outcome, printed): &(String, String)) -> (&str, &str) {
    (outcome, printed)
}

#[test]
fn a_pair_is_driven_to_its_end() {
    let folder = small();
    let (port, signal) = (free_port().to_string(), Some(Signal::TERM));
    let serves = ["serves", &port];
    let served = "0one\ntwo\n0.";
    for (words, helper, signal, expected) in [
        (["ends", ""], &[][..], signal, ("exited with 3", "")),
        (["waits", ""], &[], None, ("waits for ever", "")),
        (["waits", ""], &[], signal, ("killed by SIGTERM", "")),
        (["calls", ""], &[], signal, ("makes calls for ever", "")),
        // A server is interrupted, unless another signal is wanted.
        (serves, &[], None, ("killed by SIGINT", "")),
        (serves, &["asks"], None, ("killed by SIGINT", served)),
        (serves, &["asks"], signal, ("killed by SIGTERM", served)),
        // The client waits in vain for more, and is killed.
        (serves, &["talks"], None, ("killed by SIGINT", served)),
        // A program that should listen, but does not, is waited for.
        (["waits", &port], &["asks"], None, ("waits for ever", "")),
    ] {
        assert_eq!(strings(&pair(&folder, words, helper, signal)), expected, "{words:?}, {helper:?}, {signal:?}");
    }
}

#[test]
fn two_programs_without_an_end_are_the_same_if_they_repeat_the_same_calls() {
    let folder = small();
    let words = vec![folder.path.join("calls").to_str().unwrap().to_owned()];
    let pair = Pair { words: [words.clone(), words], listen: [None; 2], helper: Vec::new(), signal: None };
    on_bench(Subjects::Pair(pair), |bench| {
        let (verdict, _, outcome) = bench.compare(&Tried::Pair("pair", Output::Pipe), None).unwrap();
        assert!(matches!(verdict, Verdict::Good), "{verdict:?}");
        assert_eq!(outcome, "makes calls for ever");
    });
}

/// Runs a textbook program of this kind.
fn textbook(folder: &Directory, name: &'static str, kind: Kind, drive: &run::Drive<'_>) -> (String, String) {
    let c = folder.path.clone();
    let programs = Programs { names: Vec::new(), drive: None, rust: c.clone(), c, is_foreign: true };
    on_bench(Subjects::Programs(&programs), |bench| {
        let program = Program { name, kind };
        let request = bench.request(program, Output::Pipe, (0, &programs.c), None);
        said(&run::record(&request, drive).unwrap())
    })
}

#[test]
fn a_textbook_program_is_driven_to_its_end() {
    let folder = small();
    let port = free_port();
    let arguments: &'static [&'static str] = vec![&*port.to_string().leak()].leak();
    let alone = |alarms| Kind::Alone { alarms };
    let exchanges: &[drives::Exchange] = &[(b"x", b"x"), (b"y", b"y"), (b"z", b"z")];
    let server = drives::Server { port, exchanges, long_exchanges: &[], fragment: b"" };
    let server = Kind::Server { arguments, server, variants: &[] };
    let client = |peer| Kind::Client { arguments, input: "", port, peer };
    for (name, kind, expected) in [
        ("ends", alone(false), ("exited with 3", "")),
        ("waits", alone(false), ("waits for ever", "")),
        ("alarms", alone(true), ("waits for ever", "aaaaa")),
        // The second client leaves first.
        ("serves", server, ("killed by SIGINT", "0x0x1x1x0y0y1y1y1.0.")),
        ("talks", client(Peer::Echo), ("exited with 0", "[one\n][two\n]end")),
        ("talks", client(Peer::Always(b"yes")), ("exited with 0", "[yes]end")),
        // A program that connects to nobody is waited for.
        ("waits", client(Peer::Echo), ("waits for ever", "")),
    ] {
        let found = textbook(&folder, name, kind, &|stage| drive::act(kind, stage));
        assert_eq!(strings(&found), expected, "{name}, {kind:?}");
    }
    let kind = client(Peer::Echo);
    let closed = textbook(&folder, "talks", kind, &|stage| Peer::Echo.close(stage));
    assert_eq!(strings(&closed), ("exited with 0", "end"));
    let reset = textbook(&folder, "talks", kind, &|stage| Peer::Echo.reset(stage));
    assert_eq!(strings(&reset), ("exited with 0", "reset"));
}
