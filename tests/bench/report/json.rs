//! The report for programs.

use crate::Findings;
use crate::growth::Curve;
use crate::inside::{Inside, Memory};
use crate::ratios::{Ratio, Wanted};
use crate::rounds::{Clients, Rounds};
use crate::statistics::Sample;

/// A text in quotes, as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

fn object<const N: usize>(members: [(&str, String); N]) -> String {
    let members = members.map(|(name, value)| format!("{}:{value}", quoted(name)));
    format!("{{{}}}", members.join(","))
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("null".to_owned(), |value| format!("{value:.4}"))
}

fn sample(sample: &Sample) -> String {
    array(sample.0.iter().map(|value| number(Some(*value))))
}

pub fn of(findings: &Findings) -> String {
    let Findings { machine, seconds, rounds, ratios, inside, growth, absent } = findings;
    let curves = |curves: &[Curve]| array(curves.iter().map(curve));
    let soak = growth.soak.as_ref().map_or("null".to_owned(), |soak| {
        object([
            ("connections", soak.connections.to_string()),
            ("before_kb", soak.before.to_string()),
            ("after_kb", soak.after.to_string()),
        ])
    });
    let mut text = object([
        ("date", quoted(&machine.date)),
        ("machine", quoted(&machine.to_string())),
        ("seconds", number(Some(*seconds))),
        ("ratios", array(ratios.iter().map(ratio))),
        ("rates", self::rounds(rounds)),
        ("inside", array(inside.iter().map(self::inside))),
        ("per_second_by_live_children", curves(&growth.children)),
        ("processes_per_second_by_parent_megabytes", curves(&growth.memory)),
        ("first_byte_milliseconds_by_rate", curves(&growth.latency)),
        ("soak", soak),
        ("absent", array(absent.iter().map(|(name, why)| object([("name", quoted(name)), ("why", quoted(why))])))),
    ]);
    text.push('\n');
    text
}

fn rounds(rounds: &Rounds) -> String {
    let subjects = rounds.subjects.iter().flat_map(|&(name, ..)| Clients::ALL.map(|clients| (name, clients)));
    array(subjects.filter_map(|(name, clients)| {
        let measured = rounds.of(name, clients)?;
        Some(object([
            ("server", quoted(name)),
            ("clients", quoted(clients.name())),
            ("connections_per_second", sample(&measured.per_second)),
            ("p50_ns", sample(&measured.p50)),
            ("p99_ns", sample(&measured.p99)),
            ("first_byte_p50_ns", sample(&measured.first_byte_p50)),
            ("first_byte_p99_ns", sample(&measured.first_byte_p99)),
        ]))
    }))
}

fn ratio(ratio: &Ratio) -> String {
    let (least, most) = match ratio.wanted {
        Wanted::AtLeast(least) | Wanted::AtLeastWithin(least) => (Some(least), None),
        Wanted::AtMost(most) => (None, Some(most)),
        Wanted::Nothing => (None, None),
    };
    object([
        ("name", quoted(&ratio.name)),
        ("value", number(Some(ratio.value.value))),
        ("low", number(Some(ratio.value.low))),
        ("high", number(Some(ratio.value.high))),
        ("confidence", number(Some(ratio.value.confidence))),
        ("at_least", number(least)),
        ("at_most", number(most)),
        ("holds", ratio.holds().to_string()),
    ])
}

fn memory(memory: Option<Memory>) -> String {
    memory.map_or("null".to_owned(), |memory| {
        object([
            ("private_kb", memory.private.to_string()),
            ("anonymous_kb", memory.anonymous.to_string()),
            ("resident_kb", memory.resident.to_string()),
            ("page_tables_kb", memory.tables.to_string()),
        ])
    })
}

fn inside(inside: &Inside) -> String {
    object([
        ("server", quoted(inside.name)),
        ("file_bytes", inside.file.map_or("null".to_owned(), |bytes| bytes.to_string())),
        ("idle_child", memory(inside.idle)),
        ("thousand_idle", memory(inside.many)),
        ("parent_system_calls", number(inside.parent_calls)),
        ("all_system_calls", number(inside.all_calls)),
        ("parent_instructions", number(inside.parent_instructions)),
        ("child_instructions", number(inside.child_instructions)),
    ])
}

fn curve(curve: &Curve) -> String {
    let point = |&(x, y): &(f64, f64)| array([number(Some(x)), number(Some(y))]);
    object([("name", quoted(&curve.name)), ("points", array(curve.points.iter().map(point)))])
}
