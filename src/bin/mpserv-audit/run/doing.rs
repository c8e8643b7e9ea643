//! Describes the present calls of a run's processes, for messages about a run that does not go on.

use super::processes::Processes;

/// The most processes in a message. Further processes are only counted.
const SHOWN: usize = 3;
/// The most characters of a call. A longer call is cut short.
const CALL_MAX: usize = 80;

/// Returns one clause about each process that strace traces: its present call, or the last call that it made.
pub(super) fn describe(processes: &Processes) -> String {
    let running = processes.traced();
    let mut clauses: Vec<String> = running.iter().take(SHOWN).map(|pid| clause(processes, *pid)).collect();
    match running.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => clauses.push(format!("{more} more run")),
        _ => {}
    }
    if clauses.is_empty() { "none of its processes is left".to_owned() } else { clauses.join(", ") }
}

fn clause(processes: &Processes, pid: u32) -> String {
    let text = processes.end_of_trace(pid).unwrap_or_default();
    words(pid, text.lines().last().unwrap_or_default())
}

/// Returns the clause about a process whose trace ends with this line.
fn words(pid: u32, last: &str) -> String {
    // strace writes the arguments when a call begins, and the bracket and the result when it ends.
    match last.contains(" = ") || last.ends_with("---") || last.is_empty() {
        true if last.is_empty() => format!("process {pid} has made no call yet"),
        true => format!("process {pid} runs after {}", shorten(last)),
        // strace writes the comma after an argument together with the argument, and newer versions write it with the
        // next argument.
        false => format!("process {pid} is in {}, …)", shorten(last.trim_end_matches([',', ' ']))),
    }
}

fn shorten(call: &str) -> String {
    let call = call.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = call.chars().take(CALL_MAX).collect();
    if cut.len() < call.len() { cut + "…" } else { cut }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::run::Directory;

    /// Nobody traces the processes of this test, so their tracer has the number 0.
    #[test]
    fn three_processes_are_described_and_further_ones_counted() {
        let start = |_| Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut all: Vec<Child> = (0..5).map(start).collect();
        all.sort_by_key(Child::id);
        for (count, more) in [(0, ""), (1, ""), (3, ""), (4, ", 1 more run"), (5, ", 2 more run")] {
            let directory = Directory::new().unwrap();
            for child in &all[..count] {
                std::fs::write(directory.path.join(format!("run.{}", child.id())), "pause(\n").unwrap();
            }
            let each: Vec<String> =
                all[..count.min(3)].iter().map(|child| format!("process {} is in pause(, …)", child.id())).collect();
            let expected = if count == 0 { "none of its processes is left".to_owned() } else { each.join(", ") + more };
            assert_eq!(describe(&Processes::new(0, &directory.path, "run")), expected);
        }
        for mut child in all {
            child.kill().and_then(|()| child.wait()).unwrap();
        }
    }

    #[test]
    fn a_process_is_in_its_last_call_or_runs_after_it() {
        let x = "x".repeat(77);
        for (last, clause) in [
            ("", "process 7 has made no call yet".to_owned()),
            ("accept(3, ", "process 7 is in accept(3, …)".to_owned()),
            ("accept(3,", "process 7 is in accept(3, …)".to_owned()),
            ("pause(", "process 7 is in pause(, …)".to_owned()),
            ("close(3)      = 0", "process 7 runs after close(3) = 0".to_owned()),
            ("--- SIGINT {si_signo=SIGINT} ---", "process 7 runs after --- SIGINT {si_signo=SIGINT} ---".to_owned()),
            // A call has 80 characters at most.
            (&format!("a({x}"), format!("process 7 is in a({x}, …)")),
            (&format!("ab({x}"), format!("process 7 is in ab({x}, …)")),
            (&format!("abc({x}"), format!("process 7 is in abc({}…, …)", &x[1..])),
        ] {
            assert_eq!(words(7, last), clause);
        }
    }
}
