//! Tests of the pictures: each line, node and arrow of a small run, and the label of each kind of call.

use std::collections::HashMap;

use super::*;
use crate::trace::{Line, Trace};

const ROOT: &str = "clone() = 101\n--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101} ---\n\
                    wait4(101, NULL, 0, NULL) = 101\nexit_group(0) = ?\n+++ exited with 0 +++\n";
const CHILD: &str = "close(3) = 0\nexit_group(3) = ?\n+++ exited with 3 +++\n";

fn tree(traces: &[(u32, &str)]) -> Tree {
    let trace = |(pid, text): &(u32, &str)| (*pid, Trace::new((*text).into(), false).unwrap());
    Tree::build(traces.iter().map(trace).collect(), traces[0].0)
}

fn picture(tree: &Tree, measures: Measures) -> Picture {
    let events: Vec<(usize, Vec<usize>)> =
        tree.processes.iter().enumerate().map(|(index, process)| (index, (0..process.trace.len()).collect())).collect();
    Picture::of(tree, &events, measures).unwrap()
}

#[test]
fn each_line_node_and_arrow_is_at_its_place() {
    let node = |class: &str, x: usize, y: usize, label: &str| {
        let (middle, base) = (x + 54, y + 13);
        format!(
            "<rect class=\"n {class}\" x=\"{x}\" y=\"{y}\" width=\"108\" height=\"18\" rx=\"4\"/>\
             <text x=\"{middle}\" y=\"{base}\">{label}</text>"
        )
    };
    let expected = [
        "<svg role=\"img\" aria-label=\"a &lt; b\" viewBox=\"0 0 244 206\" style=\"max-width:244px\">".to_owned(),
        "<line class=\"life\" x1=\"58\" y1=\"26\" x2=\"58\" y2=\"198\"/>".to_owned(),
        "<line class=\"life\" x1=\"174\" y1=\"48\" x2=\"174\" y2=\"110\"/>".to_owned(),
        "<line class=\"zombie\" x1=\"174\" y1=\"110\" x2=\"174\" y2=\"145\"/>".to_owned(),
        "<text class=\"zombie\" aria-hidden=\"true\" x=\"200\" y=\"131\">zombie</text>".to_owned(),
        "<path class=\"fork\" d=\"M112 35H166Q174 35 174 43V43\"/>".to_owned(),
        "<path class=\"fork head\" d=\"M170 41L174 48L178 41Z\"/>".to_owned(),
        "<path class=\"chld\" d=\"M120 101H122Q116 101 116 107V117Q116 123 118 123H118\"/>".to_owned(),
        "<path class=\"chld head\" d=\"M119 119L112 123L119 127Z\"/>".to_owned(),
        "<text class=\"lane\" x=\"58\" y=\"16\">first process</text>".to_owned(),
        node("fork", 4, 26, "fork: child 1"),
        node("signal", 4, 114, "SIGCHLD"),
        node("wait", 4, 136, "wait: child 1"),
        node("exit", 4, 158, "exit(0)"),
        node("exit", 4, 180, "exited with 0"),
        "<text class=\"lane\" x=\"174\" y=\"16\">child 1</text>".to_owned(),
        node("close", 120, 48, "close(3)"),
        node("exit", 120, 70, "exit(3)"),
        node("exit", 120, 92, "exited with 3"),
        "</svg>".to_owned(),
    ];
    let svg = picture(&tree(&[(100, ROOT), (101, CHILD)]), WIDE).svg("a < b", None);
    let split = |svg: &str| svg.replace('>', ">\n");
    assert_eq!(split(&svg), split(&expected.concat()));
}

#[test]
fn a_node_may_lead_to_a_place_or_be_marked() {
    let links = |process: usize, events: &[usize]| {
        let anchor = (process == 0).then(|| format!("s{}", events[0]));
        (events[0] == 0).then(|| Link { anchor, title: "step".to_owned(), classes: "mark".to_owned() })
    };
    let svg = picture(&tree(&[(100, ROOT), (101, CHILD)]), WIDE).svg("run", Some(&links));
    assert!(svg.starts_with("<svg role=\"group\" "), "{svg}");
    assert!(
        svg.contains("<a href=\"#s0\" class=\"mark\"><title>step, first process: fork: child 1</title><rect "),
        "{svg}"
    );
    assert!(svg.contains(">fork: child 1</text></a>"), "{svg}");
    assert!(svg.contains("<g class=\"mark\"><title>step, child 1: close(3)</title><rect "), "{svg}");
    assert!(svg.contains(">close(3)</text></g>"), "{svg}");
    assert_eq!(svg.matches("<title>").count(), 2, "{svg}");
}

#[test]
fn in_a_known_order_each_node_has_its_own_row() {
    let tree = tree(&[(100, ROOT), (101, CHILD)]);
    // The child runs first of all, and then its parent.
    let order = |process: usize, event: usize| Some(if process == 1 { event } else { 10 * (event + 1) });
    let picture = picture(&tree, NARROW).in_order(order);
    let rows = |lane: usize| picture.lanes[lane].nodes.iter().map(|node| node.row).collect::<Vec<_>>();
    assert_eq!((rows(1), rows(0), picture.rows), (vec![0, 1, 2], vec![3, 4, 5, 6, 7], 8));
    assert_eq!(picture.width(), 2 * 80 + 12);
}

#[test]
fn each_kind_of_call_has_its_label_and_its_class() {
    for (line, wide, narrow, class) in [
        ("accept(3, NULL, NULL) = 4", "accept(3): 4", "accept", "net"),
        ("connect(3, {}, 16) = -1 ECONNREFUSED (x)", "connect(3): ECON…", "connect", "net"),
        ("recvfrom(4, \"\", 9, 0, NULL, NULL) = 0", "recv(4): 0", "recv", "read"),
        ("read(0, \"\", 9) = ? ERESTARTSYS (x)", "read(0): …", "read", "read"),
        ("sendto(4, \"\", 9, 0, NULL, 0) = -1 EPIPE (x)", "send(4): EPIPE", "send", "write"),
        ("write(1, \"a\", 1) = 1", "write(1): 1", "write", "write"),
        ("shutdown(4, SHUT_WR) = 0", "shutdown(4)", "shutdown", "close"),
        ("wait4(-1, NULL, 0, NULL) = -1 ECHILD (x)", "wait: ECHILD", "wait", "wait"),
        ("wait4(-1, NULL, 0, NULL) = 7", "wait: ?", "wait", "wait"),
        ("clock_nanosleep(CLOCK_REALTIME, 0, {}, NULL) = 0", "nanosleep", "sleep", "wait"),
        ("alarm(1) = 0", "alarm", "alarm", "wait"),
        ("rt_sigaction(SIGINT, {}, NULL, 8) = 0", "sigaction", "sigaction", "signal"),
        ("exit_group(0) = ?", "exit(0)", "exit_group", "exit"),
        ("fork() = -1 EAGAIN (x)", "fork", "fork", "fork"),
        ("clone() = 7", "fork: ?", "fork", "fork"),
        ("brk(NULL) = 0x1", "brk", "brk", "other"),
        ("--- SIGINT {si_signo=SIGINT} ---", "SIGINT", "SIGINT", "signal"),
        ("+++ exited with 0 +++", "exited with 0", "ended, 0", "exit"),
        ("+++ killed by SIGINT +++", "killed by SIGINT", "killed", "exit"),
    ] {
        let [shown, short] =
            [WIDE, NARROW].map(|measures| node(&Line::parse(line.as_bytes()), &HashMap::new(), measures));
        assert_eq!((shown.label.as_str(), short.label.as_str(), shown.class), (wide, narrow, class), "{line}");
    }
}

#[test]
fn equal_calls_become_one_node_and_a_long_lane_is_cut_in_its_middle() {
    let labels = |calls: &str| -> Vec<String> {
        picture(&tree(&[(100, calls)]), WIDE).lanes.remove(0).nodes.into_iter().map(|node| node.label).collect()
    };
    let read = "read(0, \"\", 1) = 0\n";
    assert_eq!(labels(&format!("{}close(0) = 0\n", read.repeat(3))), ["read × 3", "close(0)"]);
    assert_eq!(labels(&read.repeat(2)), ["read(0): 0", "read(0): 0"]);
    let long =
        |calls: usize| (0..calls).map(|at| format!("{}({at}) = 0\n", ["close", "umask"][at % 2])).collect::<String>();
    assert_eq!(labels(&long(51)).len(), 51);
    let cut = labels(&long(52));
    assert_eq!(
        (cut.len(), cut[34].as_str(), cut[32].as_str(), cut[35].as_str()),
        (51, "2 more", "close(32)", "close(36)")
    );
}

/// Checks that a child's end moves down to where its parent notices it, from the call in which the child waited.
#[test]
fn a_child_that_waited_ends_right_before_its_parent_notices_it() {
    let calls = "umask(1) = 0\nclose(1) = 0\n".repeat(3);
    let root = format!("clone() = 101\n{calls}--- SIGCHLD {{si_signo=SIGCHLD, si_pid=101}} ---\n");
    for (call, rows) in [
        ("read(0, \"\", 9) = 0", [3, 4, 5, 6]),
        ("accept(3, NULL, NULL) = 4", [3, 4, 5, 6]),
        ("pause() = ?", [3, 4, 5, 6]),
        ("umask(1) = 0", [1, 2, 5, 6]),
    ] {
        let child = format!("{call}\nclose(4) = 0\nexit_group(0) = ?\n+++ exited with 0 +++\n");
        let picture = picture(&tree(&[(100, &root), (101, &child)]), WIDE);
        let found: Vec<usize> = picture.lanes[1].nodes.iter().map(|node| node.row).collect();
        assert_eq!(found, rows, "{call}");
    }
}
