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
    let last = text.lines().last().unwrap_or_default();
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
