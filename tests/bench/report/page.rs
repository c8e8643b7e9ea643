//! The report for a browser: one page that needs nothing else.

use std::fmt::Write;

use super::svg::{self, Bar, escaped};
use super::{markdown, thousands};
use crate::Findings;
use crate::ratios::Wanted;
use crate::rounds::{Clients, median};
use crate::subjects::Group;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1917; --paper: #fff; --soft: #d6d3d1; --ours: #c2410c; --theirs: #78716c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e5e4; --paper: #1c1917; --soft: #44403c; --ours: #fb923c; --theirs: #a8a29e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 900px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { padding: 0.2em 0.7em; border-bottom: 1px solid var(--soft); text-align: left; }
svg { width: 100%; } svg text { font-size: 12px; fill: var(--ink); }
.ours { fill: var(--ours); } .theirs { fill: var(--theirs); } .spread { stroke: var(--ink); stroke-width: 1.5; }
.grid { stroke: var(--soft); } .holds { color: #15803d; } .fails { color: #dc2626; font-weight: bold; }
pre { overflow-x: auto; font-size: 12px; }
";

pub fn of(findings: &Findings) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, findings);
    page
}

fn write(to: &mut String, findings: &Findings) -> std::fmt::Result {
    let Findings { machine, seconds, rounds, ratios, growth, .. } = findings;
    writeln!(
        to,
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>mpserv: speed</title><style>{STYLE}</style>\n<h1>mpserv: speed</h1>\n\
         <p>{}. {} shuffled rounds, {seconds:.0} s in all. Bars are medians, lines across them go from the least to the \
         most; what is ours is coloured.</p>",
        escaped(&machine.to_string()),
        rounds.count
    )?;
    writeln!(to, "<table><tr><th>what<th>measured<th>interval<th>wanted<th></tr>")?;
    for ratio in ratios {
        let (value, wanted) = (ratio.value, ratio.wanted);
        let wanted_text = match wanted {
            Wanted::AtLeast(least) | Wanted::AtLeastWithin(least) => format!("≥ {least:.2}"),
            Wanted::AtMost(most) => format!("≤ {most:.2}"),
            Wanted::Nothing => String::new(),
        };
        let verdict = match (wanted, ratio.holds()) {
            (Wanted::Nothing, _) => "",
            (_, true) => "holds",
            (_, false) => "fails",
        };
        writeln!(
            to,
            "<tr><td>{}<td>{:.2}<td>{:.2} to {:.2}<td>{wanted_text}<td class=\"{verdict}\">{verdict}</tr>",
            escaped(&ratio.name),
            value.value,
            value.low,
            value.high
        )?;
    }
    writeln!(to, "</table>")?;
    for (group, title) in Group::ALL {
        for clients in Clients::ALL {
            let best = rounds.best_first(group, clients);
            if best.is_empty() {
                continue;
            }
            writeln!(to, "<h2>{}</h2><p>Connections a second, {}.</p>", escaped(title), clients.name())?;
            let bars: Vec<Bar> =
                best.into_iter().map(|(name, ours, sample)| bar(name, ours, &sample.0, median(sample))).collect();
            writeln!(to, "{}", svg::bars(&bars))?;
        }
    }
    for (title, x, y, curves) in [
        ("Connections a second beside live children", "live children", "connections/s", &growth.children),
        ("Processes made a second, by the parent's memory", "MB in use", "processes/s", &growth.memory),
        ("Time to the first byte at a fixed rate", "connections/s", "ms", &growth.latency),
    ] {
        if !curves.is_empty() {
            writeln!(to, "<h2>{title}</h2>{}", svg::curves(curves, x, y))?;
        }
    }
    if let Some(soak) = &growth.soak {
        let connections = thousands(soak.connections as f64);
        writeln!(
            to,
            "<p>The parent's private memory: {} kB, and {} kB after {connections} connections more.</p>",
            soak.before, soak.after
        )?;
    }
    writeln!(to, "<h2>All figures</h2><pre>{}</pre>", escaped(&markdown::of(findings)))
}

fn bar(name: &str, ours: bool, values: &[f64], value: f64) -> Bar {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    Bar { name: name.to_owned(), ours, value, low, high }
}
