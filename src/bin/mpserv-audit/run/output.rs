//! The kinds of standard output. C's stdio buffers lines on a terminal and full blocks elsewhere, so the calls depend
//! on the kind.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::JoinHandle;

use mpserv::{fd, pty};

use crate::trace::Call;
use crate::trouble::Trouble;

/// A kind of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Pty,
    Pipe,
    File,
}

impl Output {
    pub const ALL: [Output; 3] = [Output::Pty, Output::Pipe, Output::File];

    pub fn name(self) -> &'static str {
        match self {
            Output::Pty => "pty",
            Output::Pipe => "pipe",
            Output::File => "file",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|output| output.name() == name)
    }

    /// Returns the kind of standard output that a call of the program shows. Returns none for /dev/null and for a
    /// socket.
    pub fn asked(call: &Call<'_>) -> Option<Self> {
        let has = |mark: &[u8]| call.arguments.windows(mark.len()).any(|part| part == mark);
        match call.name {
            b"fstat" | b"newfstatat" if call.arguments.starts_with(b"1, ") => {
                let marks: [(&[u8], Self); 3] =
                    [(b"S_IFIFO", Output::Pipe), (b"S_IFREG", Output::File), (b"st_rdev=makedev(0x88,", Output::Pty)];
                marks.into_iter().find(|(mark, _)| has(mark)).map(|(_, kind)| kind)
            }
            b"ioctl" if call.arguments.starts_with(b"1, TCGETS") && call.result == b"0" => Some(Output::Pty),
            _ => None,
        }
    }

    /// Opens an output of this kind, with a thread that reads the output for as long as a process can write.
    pub fn open(self, directory: &Path) -> Result<Opened, Trouble> {
        let reading = |reader: Box<dyn Read + Send>| Printed::Reader(std::thread::spawn(move || read_all(reader)));
        let (stdio, printed) = match self {
            Output::Pty => {
                let (master, slave) = terminal()?;
                (slave.into(), reading(Box::new(master)))
            }
            Output::Pipe => {
                // Another thread may be starting a program, which must not inherit the pipe.
                let pipe = fd::pipe2(fd::PipeFlags::CLOEXEC);
                let (reader, writer) = pipe.map_err(|error| Trouble::of("a pipe", error))?;
                // SAFETY: the descriptor is open, and nothing else owns it after `into_raw`.
                let writer = unsafe { std::os::fd::OwnedFd::from_raw_fd(writer.into_raw()) };
                (writer.into(), reading(Box::new(Reader(reader))))
            }
            Output::File => {
                let path = directory.join("stdout");
                let file = File::create(&path).map_err(|error| Trouble::of(path.display(), error))?;
                (file.into(), Printed::File(path))
            }
        };
        Ok(Opened { stdio, printed })
    }
}

/// An output that is ready for a program.
#[derive(Debug)]
pub struct Opened {
    pub stdio: Stdio,
    pub printed: Printed,
}

/// The source from which the output of the program is read.
#[derive(Debug)]
pub enum Printed {
    /// The thread ends when the last writer has closed.
    Reader(JoinHandle<Vec<u8>>),
    File(PathBuf),
}

impl Printed {
    /// Returns the whole output, once no process can write any more.
    pub fn read(self) -> Result<Vec<u8>, Trouble> {
        match self {
            Printed::Reader(reader) => reader.join().map_err(|_| Trouble::new("a thread ended by a panic")),
            Printed::File(path) => std::fs::read(&path).map_err(|error| Trouble::of(path.display(), error)),
        }
    }
}

fn read_all(mut reader: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    // At its end, a terminal gives an error, so the result is ignored.
    let _ = reader.read_to_end(&mut all);
    all
}

/// The reading end of a pipe, or the master of a pseudoterminal.
#[derive(Debug)]
struct Reader(fd::OwnedFd);

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A terminal gives EIO when the last writer has closed.
        fd::read(&self.0, buffer).map_err(|errno| io::Error::from_raw_os_error(errno.raw()))
    }
}

fn terminal() -> Result<(Reader, File), Trouble> {
    let trouble = |error: mpserv::errno::Errno| {
        Trouble::of("a pseudoterminal (is /dev/pts mounted? --stdout pipe does without)", error)
    };
    let master = pty::open_master().map_err(trouble)?;
    let mut buffer = [0; pty::NAME_MAX];
    let name = pty::slave_name(&master, &mut buffer).map_err(trouble)?;
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = File::options().read(true).write(true).open(path);
    let slave = slave.map_err(|error| Trouble::of(path.display(), error))?;
    Ok((Reader(master), slave))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Line;

    #[test]
    fn a_trace_tells_its_kind_of_output() {
        let kind = |line: &[u8]| match Line::parse(line) {
            Line::Call(call) => Output::asked(&call),
            _ => panic!("a call"),
        };
        assert_eq!(kind(b"fstat(1, {st_mode=S_IFIFO|0600, st_size=0}) = 0"), Some(Output::Pipe));
        assert_eq!(kind(b"newfstatat(1, \"\", {st_mode=S_IFREG|0644}, AT_EMPTY_PATH) = 0"), Some(Output::File));
        let terminal = b"newfstatat(1, \"\", {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x1)}, AT_EMPTY_PATH) = 0";
        assert_eq!(kind(terminal), Some(Output::Pty));
        assert_eq!(kind(b"ioctl(1, TCGETS, {c_iflag=ICRNL}) = 0"), Some(Output::Pty));
        for other in [
            &b"fstat(1, {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3)}) = 0"[..],
            b"fstat(3, {st_mode=S_IFREG|0644}) = 0",
            b"ioctl(1, TCGETS, 0x7ffe) = -1 ENOTTY (Inappropriate ioctl for device)",
        ] {
            assert_eq!(kind(other), None);
        }
    }
}
