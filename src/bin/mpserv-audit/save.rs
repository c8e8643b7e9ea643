//! Writes reports into files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::trouble::Trouble;

/// The path that stands for standard output.
const STDOUT: &str = "-";

/// Whether a report goes to standard output, instead of the table.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// Writes a file as a whole.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn save(path: &Path, write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>) -> Result<(), Trouble> {
    let out: io::Result<Box<dyn Write>> = match is_stdout(path) {
        true => Ok(Box::new(io::stdout().lock())),
        false => File::create(path).map(|file| Box::new(file) as Box<dyn Write>),
    };
    let written = out.map(BufWriter::new).and_then(|mut out| write(&mut out).and_then(|()| out.flush()));
    written.map_err(|error| Trouble::of(path.display(), error))
}
