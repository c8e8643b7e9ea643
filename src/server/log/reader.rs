//! `LogReader`: reads the lines of a log, for tests.

use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;
use std::string::{String, ToString};
use std::vec::Vec;

use super::Log;
use crate::sys::fd::OwnedFd;

/// The log daemon of a test.
pub(crate) struct LogReader(UnixDatagram);

impl LogReader {
    /// Returns a log, and the reader of its lines.
    pub(crate) fn new() -> (Log, LogReader) {
        let (writer, reader) = UnixDatagram::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        // SAFETY: the descriptor is open, and nothing else owns it.
        (Log::to(unsafe { OwnedFd::from_raw(writer.into_raw_fd()) }), LogReader(reader))
    }

    /// Returns the lines that have come since the last call. Each line is its priority, the name of its event, and its
    /// fields: `<29>start pid=7`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next = || self.0.recv(&mut buffer).ok().map(|length| String::from_utf8(buffer[..length].to_vec()).unwrap());
        let without_time = |line: String| {
            let (start, event) = line.split_once("]: ").unwrap();
            let (priority, _) = start.split_once('>').unwrap();
            [priority, event].join(">").to_string()
        };
        core::iter::from_fn(next).map(without_time).collect()
    }
}
