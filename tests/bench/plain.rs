//! The plain C servers beside this file, compiled.

use std::path::{Path, PathBuf};

use crate::{Result, cc};

/// Compiler flags of all plain servers.
const FLAGS: [&str; 6] = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wmissing-prototypes", "-Werror"];

/// As `cc` links by itself on Debian: a symbol is looked up when it is first called, and so in each child anew. Said,
/// because other systems' `cc` does otherwise.
const LAZY: &[&str] = &["-Wl,-z,lazy"];
/// Every symbol is looked up at the start, as rustc has it.
const NOW: &[&str] = &["-Wl,-z,relro,-z,now"];
const STATIC: &[&str] = &["-static"];

/// The folder of the compiled servers.
pub struct Plain {
    folder: PathBuf,
}

impl Plain {
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

pub fn compile(scratch: &Path) -> Result<Plain> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/c");
    let plain = Plain { folder: scratch.to_owned() };
    for (name, source, flags) in [
        ("iterative", "iterative.c", LAZY),
        ("fork", "fork.c", LAZY),
        ("fork-now", "fork.c", NOW),
        ("fork-static", "fork.c", STATIC),
        ("prefork", "prefork.c", LAZY),
        ("prefork-static", "prefork.c", STATIC),
        ("vfork-static", "vfork.c", STATIC),
        ("stdio_echo", "stdio_echo.c", &["-static", "-nostdlib", "-fno-stack-protector"]),
        ("cost", "cost.c", STATIC),
    ] {
        let flags: Vec<&str> = FLAGS.iter().chain(flags).copied().collect();
        cc::compile(cc::compiler(), &[sources.join(source)], &flags, &scratch.join(name))?;
    }
    Ok(plain)
}
