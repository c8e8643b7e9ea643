//! Measures the time from the moment when a connection was due to the first byte of its answer. Connections come at a
//! fixed rate, even if earlier connections still run.

use crate::Result;
use crate::load::{self, Load};
use crate::options::Options;
use crate::rates::{Clients, Rates};
use crate::row::{Row, Unit, Wanted};
use crate::server::Server;
use crate::statistics::{Sample, Shuffle};
use crate::subjects::{ECHO, ONE_EACH, PREFORK, Subject};

/// The number of measurements of a value. Their median is the value.
const TIMES: usize = 5;
/// The number of clients, which is so high that no connection is late for lack of clients.
const WORKERS: u32 = 16;
/// The measured share of the highest rate.
const SHARE: f64 = 0.5;
/// The rate for the comparison of preforked children with children that are made for each client.
const FIXED_RATE: f64 = 2000.0;
const COMPARED: [&str; 3] = [ECHO, PREFORK, ONE_EACH];
/// The factor by which a measurement takes longer than that of a rate, so that percentiles are meaningful.
const LONGER: u32 = 2;
const NANOS_PER_MILLISECOND: f64 = 1e6;

/// A subject, and the rate at which its latency is measured.
struct Point<'s> {
    subject: &'s Subject,
    rate: f64,
    name: String,
    p50: Sample,
    p99: Sample,
    failed: Option<String>,
}

pub fn measure(subjects: &[Subject], rates: &Rates, options: &Options) -> Vec<Row> {
    let mut points = Vec::new();
    for subject in subjects.iter().filter(|subject| !subject.is_textbook) {
        let highest = rates.of(subject.name, Clients::Many).ok().and_then(Sample::median);
        points.extend(highest.map(|it| (subject, SHARE * it.value, "half of the highest rate")));
        points.extend(COMPARED.contains(&subject.name).then_some((subject, FIXED_RATE, "this rate")));
    }
    let name = |rate: f64, what| format!("at {rate:.0}/s, {what}");
    let mut points: Vec<Point<'_>> = points
        .into_iter()
        .map(|(subject, rate, what)| Point {
            subject,
            rate,
            name: format!("first byte {}: {}", name(rate, what), subject.name),
            p50: Sample::default(),
            p99: Sample::default(),
            failed: None,
        })
        .filter(|point| options.wants(&point.name))
        .collect();
    let mut shuffle = Shuffle::new();
    for time in 1..=TIMES {
        eprintln!("bench: time to the first byte, {time} of {TIMES}");
        shuffle.shuffle(&mut points);
        for point in points.iter_mut().filter(|point| point.failed.is_none()) {
            point.failed = once(point, options).err().map(|error| error.to_string());
        }
    }
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    points.iter().flat_map(rows).collect()
}

fn once(point: &mut Point<'_>, options: &Options) -> Result<()> {
    let server = Server::start(point.subject)?;
    let time = Some(options.time * LONGER);
    let load = Load { workers: WORKERS, time, rate: Some(point.rate), ..Load::new(point.subject) };
    let outcome = load::run(&server, &load)?;
    point.p50.0.push(outcome.first_byte_p50 / NANOS_PER_MILLISECOND);
    point.p99.0.push(outcome.first_byte_p99 / NANOS_PER_MILLISECOND);
    Ok(())
}

fn rows(point: &Point<'_>) -> [Row; 2] {
    [("p50", &point.p50), ("p99", &point.p99)].map(|(percentile, sample)| {
        let value = match &point.failed {
            Some(why) => Err(why.clone().into()),
            None => sample.median().ok_or_else(|| "not measured".into()),
        };
        Row::new(format!("{}, {percentile}", point.name), Unit::Milliseconds, Wanted::Nothing, value)
    })
}
