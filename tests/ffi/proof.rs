//! Proves `mpserv::ffi` for one processor: the programs of facts in C and in Rust must print the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use super::cc;
use super::mirror::Mirror;

/// The values of each name, in C or in Rust.
pub(crate) type Facts = BTreeMap<String, Vec<i64>>;

/// A processor, with a C compiler for it.
pub(crate) struct Machine {
    /// The name of the processor, as in `target_arch`.
    pub(crate) processor: &'static str,
    /// The settings for another processor than that of this machine.
    pub(crate) cross: Option<Cross>,
}

pub(crate) struct Cross {
    pub(crate) target: &'static str,
    /// The C compiler, which links as well.
    pub(crate) compiler: &'static str,
    /// The emulator and its arguments.
    pub(crate) emulator: [&'static str; 3],
}

impl Cross {
    /// Returns the name of an environment variable by which cargo learns about the target.
    pub(crate) fn variable(&self, name: &str) -> String {
        format!("CARGO_TARGET_{}_{name}", self.target.to_uppercase().replace('-', "_"))
    }
}

impl Machine {
    fn compiler(&self) -> Command {
        self.cross.as_ref().map_or_else(cc::compiler, |cross| Command::new(cross.compiler))
    }

    /// Returns the command that runs a program.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(cross) = &self.cross else {
            return Command::new(program);
        };
        let mut command = Command::new(cross.emulator[0]);
        command.args(&cross.emulator[1..]).arg(program);
        command
    }
}

/// Compiles both sides, runs them and compares their facts.
pub(crate) fn prove(machine: &Machine) -> Result<(), String> {
    let mirror = Mirror::of_folder(Path::new("src/ffi"), machine.processor)?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ffi-{}", machine.processor));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    compile_texts(machine.compiler(), &mirror.c_files(), &folder, "in_c")?;
    let in_c = facts_of(&mut machine.command(&folder.join("in_c")))?;
    let in_rust = facts_of(&mut dependent(&folder, &mirror.rust(), machine.cross.as_ref())?)?;
    assert!(!folder.join("target/c").exists(), "C programs were compiled for a crate that depends on this one");
    compare(&in_c, &in_rust)
}

/// Makes a crate that depends on this crate. Returns the command that builds and runs the new crate, without a C
/// compiler.
fn dependent(folder: &Path, facts: &str, cross: Option<&Cross>) -> Result<Command, String> {
    let manifest = format!(
        "[package]\nname = \"dependent\"\nedition = \"2024\"\n\n[[bin]]\nname = \"in_rust\"\npath = \"main.rs\"\n\n\
         [dependencies]\nmpserv.path = {:?}\n\n[workspace]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    // A file that has its text already keeps its time, so that cargo does not compile the same again.
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        let is_there = fs::read_to_string(&file).is_ok_and(|old| old == text);
        if is_there { Ok(()) } else { fs::write(file, text).map_err(|error| error.to_string()) }
    };
    write("Cargo.toml", &manifest)?;
    write("Cargo.lock", include_str!("../../Cargo.lock"))?;
    write("main.rs", include_str!("dependent.rs"))?;
    write("facts.rs", facts)?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--offline", "--quiet", "--target-dir", "target"]).current_dir(folder).env("CC", "false");
    if let Some(cross) = cross {
        cargo.args(["--target", cross.target]);
        cargo.env(cross.variable("LINKER"), cross.compiler).env(cross.variable("RUNNER"), cross.emulator.join(" "));
    }
    Ok(cargo)
}

/// Writes `files`, each given as name and text, into `folder`, and compiles them there.
pub(crate) fn compile_texts(
    compiler: Command,
    files: &[(String, String)],
    folder: &Path,
    executable: &str,
) -> Result<(), String> {
    const FLAGS: [&str; 6] = ["-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-to-int-cast"];
    let mut sources = Vec::new();
    for (name, text) in files {
        let source = folder.join(name);
        fs::write(&source, text).map_err(|error| format!("cannot write {}: {error}", source.display()))?;
        sources.push(source);
    }
    cc::compile(compiler, &sources, &FLAGS, &folder.join(executable))
}

/// Returns the facts that a program of either language prints.
pub(crate) fn facts_of(program: &mut Command) -> Result<Facts, String> {
    let fact = |line: &str| {
        let (name, values) = line.split_once(" =").expect("a fact is `name = values`");
        let values = values.split_whitespace().map(|value| value.parse().expect("an integer"));
        (name.to_owned(), values.collect())
    };
    Ok(cc::run(program)?.lines().map(fact).collect())
}

/// Compares the facts. The error names the facts that differ.
pub(crate) fn compare(c: &Facts, rust: &Facts) -> Result<(), String> {
    assert!(!c.is_empty() && c.keys().eq(rust.keys()), "C and Rust do not speak of the same");
    let difference = |(name, c): (&String, &Vec<i64>)| {
        let rust = &rust[name];
        let at = (0..c.len().max(rust.len())).find(|&at| c.get(at) != rust.get(at))?;
        Some(format!("{name}[{at}]: {:?} in C, {:?} in Rust", c.get(at), rust.get(at)))
    };
    let differences: Vec<String> = c.iter().filter_map(difference).collect();
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}
