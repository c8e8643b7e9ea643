//! The system's C compiler: `$CC`, else `cc`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The command of the compiler.
pub(crate) fn compiler() -> Command {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Compiles `sources`. The executable is replaced as a whole or not at all, and an error is what
/// the compiler says.
pub(crate) fn compile<S: AsRef<Path>>(sources: &[S], flags: &[&str], executable: &Path) -> Result<(), String> {
    let new = executable.with_extension("new");
    let mut command = compiler();
    command.args(flags).args(sources.iter().map(AsRef::as_ref)).arg("-o").arg(&new);
    run(&mut command)?;
    fs::rename(&new, executable).map_err(|error| format!("cannot write {}: {error}", executable.display()))
}

/// Runs a compiler; an error is what it says, untranslated.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.env("LC_ALL", "C").output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Writes `files`, name and text each, into `folder`, and compiles them there.
pub(crate) fn compile_texts(files: &[(String, String)], folder: &Path, executable: &str) -> Result<(), String> {
    const FLAGS: [&str; 6] = ["-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-to-int-cast"];
    let mut sources = Vec::new();
    for (name, text) in files {
        let source = folder.join(name);
        fs::write(&source, text).map_err(|error| format!("cannot write {}: {error}", source.display()))?;
        sources.push(source);
    }
    compile(&sources, &FLAGS, &folder.join(executable))
}
