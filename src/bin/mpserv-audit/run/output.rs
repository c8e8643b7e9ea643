//! What a program's standard output is: C's stdio buffers by line on a terminal and in full elsewhere,
//! so each kind makes other calls.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;

use mpserv::pty;

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

    /// Opens one of this kind, with a thread that reads it empty as long as somebody writes.
    pub fn open(self, directory: &Path) -> Result<Opened, Trouble> {
        let (stdio, reader): (Stdio, Option<Box<dyn Read + Send>>) = match self {
            Output::Pty => {
                let (master, slave) = terminal()?;
                (slave.into(), Some(Box::new(master)))
            }
            Output::Pipe => {
                let (reader, writer) = io::pipe().map_err(|error| Trouble::of("a pipe", error))?;
                (writer.into(), Some(Box::new(reader)))
            }
            Output::File => {
                let path = directory.join("stdout");
                let file = File::create(&path).map_err(|error| Trouble::of(path.display(), error))?;
                (file.into(), None)
            }
        };
        let reader = reader.map(|reader| std::thread::spawn(move || drain(reader)));
        Ok(Opened { stdio, reader })
    }
}

/// An output that is ready for a program.
#[derive(Debug)]
pub struct Opened {
    pub stdio: Stdio,
    /// Ends when the last writer has closed.
    pub reader: Option<JoinHandle<()>>,
}

/// The traces hold what was written; this only keeps the writer from waiting for room.
fn drain(mut reader: impl Read) {
    let mut buffer = [0; 1 << 16];
    while matches!(reader.read(&mut buffer), Ok(1..)) {}
}

/// The master of a pseudoterminal, to be read.
#[derive(Debug)]
struct Master(mpserv::fd::OwnedFd);

impl Read for Master {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // EIO is how a terminal says that the last writer has closed.
        mpserv::fd::read(&self.0, buffer).map_err(|errno| io::Error::from_raw_os_error(errno.raw()))
    }
}

fn terminal() -> Result<(Master, File), Trouble> {
    let trouble = |error: mpserv::errno::Errno| {
        Trouble::of("a pseudoterminal (is /dev/pts mounted? --stdout pipe does without)", error)
    };
    let master = pty::open_master().map_err(trouble)?;
    let mut buffer = [0; pty::NAME_MAX];
    let name = pty::slave_name(&master, &mut buffer).map_err(trouble)?;
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = File::options().read(true).write(true).open(path);
    let slave = slave.map_err(|error| Trouble::of(path.display(), error))?;
    Ok((Master(master), slave))
}
