//! Runs the system's C compiler: `$CC`, or `cc` if that is not set.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Returns the command of the C compiler.
pub(crate) fn compiler() -> Command {
    named("CC", "cc")
}

/// Returns the command in a variable of the environment: its program and first arguments.
pub(crate) fn named(variable: &str, default: &str) -> Command {
    let compiler = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Compiles `sources` with a compiler. The executable is replaced as a whole. If the sources do not compile, the
/// executable is removed, and the error is the compiler's message.
pub(crate) fn compile<S: AsRef<Path>>(
    mut compiler: Command,
    sources: &[S],
    flags: &[&str],
    executable: &Path,
) -> Result<(), String> {
    let new = executable.with_extension("new");
    compiler.args(flags).args(sources.iter().map(AsRef::as_ref)).arg("-o").arg(&new);
    if let Err(refusal) = run(&mut compiler) {
        // The result is ignored, because the compiler may have left no file.
        let _ = fs::remove_file(executable);
        return Err(refusal);
    }
    fs::rename(&new, executable).map_err(|error| format!("cannot write {}: {error}", executable.display()))
}

/// Runs a compiler or a program, and returns its output. The error is its messages, untranslated.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.env("LC_ALL", "C").output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}{command:?}: {}", text(&output.stderr), output.status))
    }
}
