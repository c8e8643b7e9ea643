//! Printed reports.

use core::fmt::{self, Write};
use core::time::Duration;

use mpserv::fd::{STDERR, STDOUT, write_all};
use mpserv::text::Text;

use crate::error::{Error, FAULTS, error};
use crate::histogram::Summary;
use crate::options::{Plan, Talk};
use crate::stats::{AllStats, Count, Span};

/// The beginning and the end of the work.
pub(crate) struct Run {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

/// The most bytes of a report, and of the help.
const TEXT_MAX: usize = 4096;

/// Prints to standard output.
pub(crate) fn out(arguments: fmt::Arguments<'_>) -> Result<(), Error> {
    write_all(STDOUT, Text::<TEXT_MAX>::of(arguments).as_bytes()).map_err(error("standard output"))
}

/// Prints to standard error. A failure is ignored, because it could not be reported.
pub(crate) fn progress(arguments: fmt::Arguments<'_>) {
    let _ = write_all(STDERR, Text::<TEXT_MAX>::of(arguments).as_bytes());
}

const SPANS: [(Span, &str, &str); 3] = [
    (Span::Connection, "connection", "connection"),
    (Span::FirstByte, "first byte", "first_byte"),
    (Span::Request, "request", "request"),
];

/// Prints the report.
pub(crate) fn print(plan: &Plan, all: &AllStats, run: &Run) -> Result<(), Error> {
    let report = Report { plan, all, seconds: run.end.saturating_sub(run.start).as_secs_f64() };
    if plan.json { out(format_args!("{}", Json(report))) } else { out(format_args!("{report}")) }
}

struct Report<'r> {
    plan: &'r Plan,
    all: &'r AllStats,
    seconds: f64,
}

impl Report<'_> {
    fn per_second(&self, count: Count) -> f64 {
        if self.seconds > 0.0 { self.all.sum(count) as f64 / self.seconds } else { 0.0 }
    }
}

/// A time in milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text::<24>::of(format_args!("{:.3}", self.0 as f64 / 1e6));
        f.pad(text.as_str())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { plan, all, seconds } = self;
        write!(f, "{}: {} processes, ", plan.target, plan.workers)?;
        match plan.talk {
            Talk::Pattern(size) => write!(f, "{size} bytes")?,
            Talk::Text { send, expect } => write!(f, "{} bytes for {}", send.len(), expect.len())?,
        }
        write!(f, ", {} a connection, {seconds:.3} s\n\n", plan.keep)?;
        for (name, count) in [("connections", Count::Connections), ("requests", Count::Requests)] {
            writeln!(f, "{name:<12}{:>12}{:>12.0}/s", all.sum(count), self.per_second(count))?;
        }
        writeln!(f, "{:<12}{:>12}{:>12.1} MB/s", "bytes", all.sum(Count::Bytes), self.per_second(Count::Bytes) / 1e6)?;
        for (name, count) in [("idle", Count::Idle), ("late", Count::Late), ("unfinished", Count::Unfinished)] {
            if all.sum(count) > 0 {
                writeln!(f, "{name:<12}{:>12}", all.sum(count))?;
            }
        }
        write!(f, "\n{:<12}", "ms")?;
        for column in ["mean", "p50", "p99", "p99.9", "max"] {
            write!(f, "{column:>10}")?;
        }
        f.write_char('\n')?;
        for (span, name, _) in SPANS {
            let Summary { mean, p50, p99, p999, max, .. } = all.summary(span);
            write!(f, "{name:<12}")?;
            for time in [mean, p50, p99, p999, max] {
                write!(f, "{:>10}", Millis(time))?;
            }
            f.write_char('\n')?;
        }
        writeln!(f, "\n{:<12}{:>12}", "errors", all.all_faults())?;
        for (fault, name) in FAULTS {
            match all.faults(fault) {
                (0, _) => {}
                (count, None) => writeln!(f, "  {name:<10}{count:>12}")?,
                (count, Some(errno)) => writeln!(f, "  {name:<10}{count:>12}  {errno}")?,
            }
        }
        Ok(())
    }
}

struct Json<'r>(Report<'r>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Json(report) = self;
        let Report { plan, all, seconds } = report;
        write!(
            f,
            "{{\"processes\":{},\"keep\":{},\"idle\":{},\"seconds\":{seconds:.6}",
            plan.workers,
            plan.keep,
            all.sum(Count::Idle)
        )?;
        for (name, count) in [
            ("connections", Count::Connections),
            ("requests", Count::Requests),
            ("bytes", Count::Bytes),
            ("late", Count::Late),
            ("unfinished", Count::Unfinished),
        ] {
            write!(f, ",\"{name}\":{}", all.sum(count))?;
        }
        write!(
            f,
            ",\"connections_per_second\":{:.2},\"requests_per_second\":{:.2},\"nanoseconds\":{{",
            report.per_second(Count::Connections),
            report.per_second(Count::Requests)
        )?;
        for (index, (span, _, name)) in SPANS.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let Summary { count, mean, p50, p99, p999, max } = all.summary(span);
            write!(
                f,
                "{comma}\"{name}\":{{\"count\":{count},\"mean\":{mean},\"p50\":{p50},\"p99\":{p99},\"p999\":{p999},\"max\":{max}}}"
            )?;
        }
        write!(f, "}},\"errors\":{{\"all\":{}", all.all_faults())?;
        for (fault, name) in FAULTS {
            write!(f, ",\"{name}\":{}", all.faults(fault).0)?;
        }
        f.write_str("}}\n")
    }
}
