//! The plain C servers beside this file, compiled.

use std::path::{Path, PathBuf};

use crate::{Result, cc};

/// As our own C programs are compiled: the same optimisation, and every symbol looked up at the start.
const FLAGS: [&str; 7] =
    ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wmissing-prototypes", "-Werror", "-Wl,-z,relro,-z,now"];

/// Where the compiled servers are.
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
    let none: &[&str] = &[];
    for (name, source, flags) in [
        ("iterative", "iterative.c", none),
        ("fork", "fork.c", none),
        ("fork-static", "fork.c", &["-static"]),
        ("prefork", "prefork.c", none),
        ("prefork-static", "prefork.c", &["-static"]),
        ("vfork-static", "vfork.c", &["-static"]),
        ("stdio_echo", "stdio_echo.c", &["-static", "-nostdlib", "-fno-stack-protector"]),
        ("cost", "cost.c", &["-static"]),
    ] {
        let flags: Vec<&str> = FLAGS.iter().chain(flags).copied().collect();
        cc::compile(&[sources.join(source)], &flags, &scratch.join(name))?;
    }
    Ok(plain)
}
