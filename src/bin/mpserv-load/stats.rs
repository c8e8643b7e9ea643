//! Counts, errors and times of each process, in memory that all processes share.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use mpserv::errno::Errno;
use mpserv::memory::SharedNumbers;

use crate::error::{FAULTS, Failure, Fault};
use crate::histogram::{self, Histogram, Summary};

/// The kinds of counts.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    /// Connections without a failure from beginning to end.
    Connections,
    /// Requests that were answered in full.
    Requests,
    /// Bytes of requests that were answered.
    Bytes,
    /// Connections that the end of the run cut off.
    Unfinished,
    /// Idle connections that are open.
    Idle,
    /// Connections that were due while an earlier connection still ran.
    Late,
    /// The time at which the process began its last connection, in nanoseconds. 0 between two connections.
    Begun,
    /// The time at which the process finished, in nanoseconds.
    Ended,
    /// The process's id, until it has ended.
    Pid,
}

const COUNTS: usize = Count::Pid as usize + 1;

/// The span of time that is measured.
#[derive(Clone, Copy)]
pub(crate) enum Span {
    /// The span from the moment when the connection was due until its close.
    Connection,
    /// The span from the moment when the connection was due until the first byte of the answer.
    FirstByte,
    /// The span from the send until the last byte of the answer.
    Request,
}

const SPANS: usize = Span::Request as usize + 1;

/// The index of the first fault. Each fault has two numbers: its count, and the last errno.
const FAULTS_AT: usize = COUNTS;
const SPANS_AT: usize = FAULTS_AT + 2 * FAULTS.len();
/// The number of values of one process.
const NUMBERS: usize = SPANS_AT + SPANS * histogram::NUMBERS;

/// The stats of all processes, and the flag that tells them to stop.
pub(crate) struct AllStats(SharedNumbers);

impl AllStats {
    /// Returns stats for this many processes.
    pub(crate) fn new(processes: usize) -> mpserv::errno::Result<AllStats> {
        let count = processes.checked_mul(NUMBERS).and_then(|count| count.checked_add(1));
        Ok(AllStats(SharedNumbers::new(count.ok_or(Errno::NOMEM)?)?))
    }

    fn stop_word(&self) -> Option<&AtomicU64> {
        self.0.last()
    }

    /// Tells every process to stop.
    pub(crate) fn stop(&self) {
        self.stop_word().inspect(|word| word.store(1, Ordering::Relaxed));
    }

    /// Whether every process was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_word().is_none_or(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Returns the stats of each process.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stats<'_>> + Clone {
        self.0.chunks_exact(NUMBERS).map(|numbers| Stats { numbers, all: self })
    }

    /// Returns the sum of a count over all processes.
    pub(crate) fn sum(&self, count: Count) -> u64 {
        self.iter().map(|stats| stats.get(count)).sum()
    }

    /// Returns the number of faults of this kind, and the last errno.
    pub(crate) fn faults(&self, fault: Fault) -> (u64, Option<Errno>) {
        let count = self.iter().map(|stats| stats.fault_count(fault)).sum();
        (count, self.iter().find_map(|stats| stats.fault_errno(fault)))
    }

    /// Returns the number of all faults.
    pub(crate) fn all_faults(&self) -> u64 {
        FAULTS.iter().map(|&(fault, _)| self.faults(fault).0).sum()
    }

    /// Returns a summary of the times of all processes.
    pub(crate) fn summary(&self, span: Span) -> Summary {
        Summary::of(self.iter().map(|stats| stats.histogram(span)))
    }
}

/// The stats of one process.
#[derive(Clone, Copy)]
pub(crate) struct Stats<'b> {
    numbers: &'b [AtomicU64],
    all: &'b AllStats,
}

impl<'b> Stats<'b> {
    fn number(self, index: usize) -> Option<&'b AtomicU64> {
        self.numbers.get(index)
    }

    pub(crate) fn get(self, count: Count) -> u64 {
        self.number(count as usize).map_or(0, |number| number.load(Ordering::Relaxed))
    }

    pub(crate) fn set(self, count: Count, value: u64) {
        self.number(count as usize).inspect(|number| number.store(value, Ordering::Relaxed));
    }

    pub(crate) fn add(self, count: Count, value: u64) {
        self.number(count as usize).inspect(|number| {
            number.fetch_add(value, Ordering::Relaxed);
        });
    }

    pub(crate) fn add_fault(self, fault: Fault, errno: Option<Errno>) {
        let at = FAULTS_AT + 2 * fault as usize;
        self.number(at).inspect(|number| {
            number.fetch_add(1, Ordering::Relaxed);
        });
        if let (Some(number), Some(errno)) = (self.number(at + 1), errno) {
            number.store(errno.raw().unsigned_abs().into(), Ordering::Relaxed);
        }
    }

    /// Counts a connection that failed. An interrupted call counts as a timeout, because only slow calls are
    /// interrupted.
    pub(crate) fn note(self, failure: &Failure) {
        match failure.errno {
            Some(Errno::INTR) => self.add_fault(Fault::Timeout, None),
            errno => self.add_fault(failure.fault, errno),
        }
    }

    fn fault_count(self, fault: Fault) -> u64 {
        self.number(FAULTS_AT + 2 * fault as usize).map_or(0, |number| number.load(Ordering::Relaxed))
    }

    fn fault_errno(self, fault: Fault) -> Option<Errno> {
        let number = self.number(FAULTS_AT + 2 * fault as usize + 1)?.load(Ordering::Relaxed);
        i32::try_from(number).ok().filter(|&number| number != 0).map(Errno::from_raw)
    }

    fn histogram(self, span: Span) -> Histogram<'b> {
        let start = SPANS_AT + span as usize * histogram::NUMBERS;
        Histogram::new(self.numbers.get(start..start + histogram::NUMBERS).unwrap_or_default())
    }

    /// Counts a time.
    pub(crate) fn took(self, span: Span, time: Duration) {
        self.histogram(span).add(nanos(time));
    }

    pub(crate) fn is_stopping(self) -> bool {
        self.all.is_stopping()
    }
}

/// Returns a time in nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
