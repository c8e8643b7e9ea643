//! Tests how the processes of two runs are paired.

use super::tests::compared;

#[test]
fn lost_forks_are_paired_in_the_order_in_which_processes_were_made() {
    // Both children of the root were killed while they forked, so no call returned the ids of their children.
    let root = |first: u32, second: u32| format!("fork() = {first}\nfork() = {second}\n");
    let lost = "fork( <unfinished ...>) = ?\n+++ killed by SIGKILL +++\n";
    let (one, other) = ("close(3) = 0\n", "close(4) = 0\n");
    let (a, b) = (root(101, 102), root(201, 202));
    let run = |base: u32, root: &str, third: &str, fourth: &str| {
        vec![
            (base, root.to_owned()),
            (base + 1, lost.to_owned()),
            (base + 2, lost.to_owned()),
            (base + 3, third.to_owned()),
            (base + 4, fourth.to_owned()),
        ]
    };
    let of = |run: &[(u32, String)], other: &[(u32, String)]| {
        let borrow = |run: &[(u32, String)]| run.iter().map(|(pid, text)| (*pid, text.clone())).collect::<Vec<_>>();
        let (a, b) = (borrow(run), borrow(other));
        let refs =
            |run: &'static [(u32, String)]| run.iter().map(|(pid, text)| (*pid, text.as_str())).collect::<Vec<_>>();
        compared(&refs(a.leak()), &refs(b.leak()))
    };
    let first = run(100, &a, one, other);
    assert_eq!(of(&first, &run(200, &b, one, other)).differences(), 0);
    assert_eq!(of(&first, &run(200, &b, other, one)).differences(), 2);
    let places: Vec<String> = of(&first, &first).pairs.iter().map(|pair| pair.place.to_string()).collect();
    assert_eq!(places, ["root", "child 1", "child 1.1", "child 2", "child 2.1"]);
    // The first child's child was made first.
    let child = |base: u32| -> Vec<(u32, String)> {
        let mut run = run(base, &root(base + 1, base + 2), one, other);
        run[2].1 = "+++ exited with 0 +++\n".to_owned();
        run.pop();
        run
    };
    assert_eq!(of(&child(100), &child(200)).differences(), 0);
}

#[test]
fn a_thread_that_executes_a_program_is_followed() {
    let trace = |base: u32| {
        let root = format!(
            "clone3({{flags=CLONE_THREAD}}) = {0}\npause() = ?\n+++ superseded by execve in pid {0} +++\n\
                            <... execve resumed>) = 0\ngetpid() = {base}\n+++ exited with 0 +++\n",
            base + 1
        );
        let thread = format!("execve(\"/bin/true\", [\"true\"], [] <pid changed to {base} ...>\n");
        (root, thread)
    };
    let ((root_a, thread_a), (root_b, thread_b)) = (trace(100), trace(5000));
    let (a, b) = ([(100, &*root_a), (101, &*thread_a)], [(5000, &*root_b), (5001, &*thread_b)]);
    assert_eq!(compared(&a, &b).differences(), 0);
}
