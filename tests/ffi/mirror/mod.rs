//! Makes the proof that `src/ffi` mirrors C, from the docs of its items.
//!
//! `source` reads a module and finds the C forms in the docs of its items. `c` parses a form. `in_c` writes C, which
//! does not compile if a header differs from the form. `in_rust` writes Rust, which does not compile if the item
//! differs from the form. `facts` has numbers that compilers cannot check: both sides print these numbers, and the
//! numbers must be equal.

mod c;
mod facts;
mod in_c;
mod in_rust;
mod source;

use std::fs;
use std::path::Path;

use source::Header;

/// All headers that are mirrored.
pub(crate) struct Mirror {
    headers: Vec<Header>,
}

impl Mirror {
    /// Reads the modules under `root`, the `ffi` folder, in the form for a processor.
    pub(crate) fn of_folder(root: &Path, processor: &str) -> Result<Mirror, String> {
        let mut headers = Vec::new();
        read_folder(root, "", processor, &mut headers)?;
        Ok(Mirror { headers })
    }

    /// Returns the C files, each as name and text. Together the files are a program that prints the facts.
    pub(crate) fn c_files(&self) -> Vec<(String, String)> {
        in_c::files(&self.headers)
    }

    /// Returns the Rust items for a module that has `ffi` in scope. The function `print()` is among them.
    pub(crate) fn rust(&self) -> String {
        in_rust::text(&self.headers)
    }
}

fn read_folder(folder: &Path, prefix: &str, processor: &str, headers: &mut Vec<Header>) -> Result<(), String> {
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?);
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), processor, headers)?;
        } else {
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            headers.extend(source::read(&path, &text, processor)?);
        }
    }
    Ok(())
}
