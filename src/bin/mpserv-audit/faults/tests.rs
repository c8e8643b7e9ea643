//! Tests of the findings about a run.

use super::*;
use crate::trace::Trace;
use crate::tree::Tree;

fn recorded(traces: &[(u32, String)], printed: &str, standing: Standing) -> Recorded {
    let trace = |(pid, text): &(u32, String)| (*pid, Trace::new(text.as_bytes().to_vec(), false).unwrap());
    let tree = Tree::build(traces.iter().map(trace).collect(), 100);
    Recorded { tree, printed: printed.as_bytes().to_vec(), standing }
}

#[test]
fn an_outcome_is_the_end_of_the_first_process() {
    let child = (101, "+++ exited with 7 +++\n".to_owned());
    for (root, standing, words) in [
        ("clone() = 101\n+++ exited with 3 +++\n", Standing::Ended, "exited with 3"),
        ("clone() = 101\n+++ killed by SIGPIPE +++\n", Standing::Ended, "killed by SIGPIPE"),
        ("clone() = 101\n", Standing::Ended, "ends"),
        ("clone() = 101\n+++ killed by SIGKILL +++\n", Standing::Waiting, "waits for ever"),
        ("clone() = 101\n+++ killed by SIGKILL +++\n", Standing::Endless, "makes calls for ever"),
    ] {
        assert_eq!(outcome(&recorded(&[(100, root.to_owned()), child.clone()], "", standing)), words, "{root}");
    }
}

#[test]
fn of_processes_without_an_end_the_first_500_events_and_as_much_text_are_compared() {
    let calls = |count: usize| "close(1) = -1 EBADF (x)\n".repeat(count);
    let one = recorded(&[(100, format!("clone() = 101\n{}", calls(600))), (101, calls(501))], "abc", Standing::Endless);
    let other =
        recorded(&[(100, format!("clone() = 101\n{}", calls(498))), (101, calls(500))], "abcde", Standing::Endless);
    let mut sides = [one, other];
    cut(&mut sides);
    let lengths = sides.each_ref().map(|side| side.tree.processes.iter().map(|of| of.trace.len()).collect::<Vec<_>>());
    assert_eq!(lengths, [[500, 500], [499, 500]]);
    assert_eq!(sides.map(|side| side.printed), [b"abc", b"abc"]);
}
