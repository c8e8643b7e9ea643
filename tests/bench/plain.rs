//! Compiles the plain C servers beside this file.

use std::path::{Path, PathBuf};

use crate::{Result, cc};

/// The compiler flags of all plain servers.
const FLAGS: [&str; 6] = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wmissing-prototypes", "-Werror"];
/// The flags that link the servers as rustc links ours: position-independent, with every symbol looked up at the start.
const LINKED: &[&str] = &["-fPIE", "-pie", "-Wl,-z,relro,-z,now"];
/// The flags for the program that the servers start. The program has no library, because its own start must not count.
const ALONE: &[&str] = &["-static", "-nostdlib", "-fno-stack-protector"];

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
    let servers = ["fork", "calls", "filtered", "prefork", "vfork"].map(|name| (name, LINKED));
    for (name, flags) in servers.into_iter().chain([("stdio_echo", ALONE)]) {
        let flags: Vec<&str> = FLAGS.iter().chain(flags).copied().collect();
        cc::compile(cc::compiler(), &[sources.join(name).with_extension("c")], &flags, &scratch.join(name))?;
    }
    Ok(Plain { folder: scratch.to_owned() })
}
