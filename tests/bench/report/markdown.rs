//! Tables for the README and the terminal.

use std::fmt::Write;

use super::thousands;
use crate::Findings;
use crate::growth::Curve;
use crate::inside::{Inside, MANY};
use crate::ratios::{Ratio, Wanted};
use crate::rounds::{Clients, median};
use crate::subjects::Group;

pub fn of(findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, findings);
    text
}

fn write(to: &mut String, findings: &Findings) -> std::fmt::Result {
    let Findings { machine, seconds, rounds, ratios, inside, growth, absent } = findings;
    writeln!(to, "Measured {machine}, in {seconds:.0} s. Medians of {} shuffled rounds.\n", rounds.count)?;
    writeln!(to, "| what | measured | interval | wanted | |\n|---|---|---|---|---|")?;
    for ratio in ratios {
        write_ratio(to, ratio)?;
    }
    for (group, title) in Group::ALL {
        let best = rounds.best_first(group, Clients::Many);
        if best.is_empty() {
            continue;
        }
        write!(to, "\n{title}: 64 bytes sent, read back and compared, from connect to close.\n\n| server |")?;
        for clients in Clients::ALL {
            write!(to, " connections/s, {} | spread | p50 ms | p99 ms |", clients.name())?;
        }
        writeln!(to, "\n|---|{}", "---|".repeat(4 * Clients::ALL.len()))?;
        for (name, ours, _) in best {
            write!(to, "| {} |", if ours { format!("**{name}**") } else { name.to_owned() })?;
            for measured in Clients::ALL.into_iter().filter_map(|clients| rounds.of(name, clients)) {
                write!(
                    to,
                    " {} | {:.0} % | {:.2} | {:.2} |",
                    thousands(median(&measured.per_second)),
                    measured.per_second.spread() * 100.0,
                    median(&measured.p50) / 1e6,
                    median(&measured.p99) / 1e6
                )?;
            }
            writeln!(to)?;
        }
    }
    writeln!(
        to,
        "\n| server | file, bytes | idle child, kB private / anonymous / resident | {} idle connections, MB private \
         (and page tables) | system calls per connection, parent / all | instructions per connection, parent / child \
         |\n|---|---|---|---|---|---|",
        thousands(MANY.into())
    )?;
    for inside in inside {
        write_inside(to, inside)?;
    }
    for (title, x, curves) in [
        ("Connections a second beside so many live children", "children", &growth.children),
        ("Processes made a second, by the parent's memory in MB", "MB", &growth.memory),
        ("Milliseconds to the first byte, by connections a second", "rate", &growth.latency),
    ] {
        write_curves(to, title, x, curves)?;
    }
    if let Some(soak) = &growth.soak {
        writeln!(
            to,
            "\nThe parent's private memory: {} kB, and {} kB after {} connections more.",
            soak.before,
            soak.after,
            thousands(soak.connections as f64)
        )?;
    }
    for (name, why) in absent {
        writeln!(to, "\nNot measured: {name} ({why}).")?;
    }
    Ok(())
}

fn write_ratio(to: &mut String, ratio: &Ratio) -> std::fmt::Result {
    let value = ratio.value;
    let wanted = match ratio.wanted {
        Wanted::AtLeast(least) => format!("{least:.2} or more"),
        Wanted::AtLeastWithin(least) => format!("{least:.2} or more, within the interval"),
        Wanted::AtMost(most) => format!("{most:.2} or less"),
        Wanted::Nothing => String::new(),
    };
    let interval = if value.confidence < 1.0 {
        format!("{:.2} to {:.2} ({:.0} %)", value.low, value.high, value.confidence * 100.0)
    } else {
        String::new()
    };
    let verdict = match (ratio.wanted, ratio.holds()) {
        (Wanted::Nothing, _) => "",
        (_, true) => "holds",
        (_, false) => "**fails**",
    };
    writeln!(to, "| {} | {:.2} | {interval} | {wanted} | {verdict} |", ratio.name, value.value)
}

fn write_inside(to: &mut String, inside: &Inside) -> std::fmt::Result {
    let pair = |a: Option<f64>, b: Option<f64>, digits: usize| match (a, b) {
        (None, None) => String::new(),
        _ => {
            let one = |it: Option<f64>| {
                it.map_or("-".to_owned(), |it| if digits == 0 { thousands(it) } else { format!("{it:.digits$}") })
            };
            format!("{} / {}", one(a), one(b))
        }
    };
    let file = inside.file.map_or(String::new(), |bytes| thousands(bytes as f64));
    let idle = inside.idle.map_or(String::new(), |it| format!("{} / {} / {}", it.private, it.anonymous, it.resident));
    let many = inside
        .many
        .map_or(String::new(), |it| format!("{:.1} ({:.1})", it.private as f64 / 1024.0, it.tables as f64 / 1024.0));
    let calls = pair(inside.parent_calls, inside.all_calls, 2);
    let instructions = pair(inside.parent_instructions, inside.child_instructions, 0);
    writeln!(to, "| {} | {file} | {idle} | {many} | {calls} | {instructions} |", inside.name)
}

fn write_curves(to: &mut String, title: &str, x: &str, curves: &[Curve]) -> std::fmt::Result {
    let Some(first) = curves.first() else { return Ok(()) };
    write!(to, "\n{title}:\n\n| {x} |")?;
    for (x, _) in &first.points {
        write!(to, " {} |", thousands(*x))?;
    }
    writeln!(to, "\n|---|{}", "---|".repeat(first.points.len()))?;
    for curve in curves {
        write!(to, "| {} |", curve.name)?;
        for (_, y) in &curve.points {
            write!(to, " {} |", if *y < 100.0 { format!("{y:.2}") } else { thousands(*y) })?;
        }
        writeln!(to)?;
    }
    Ok(())
}
