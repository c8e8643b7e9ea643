//! Compiles a user's own C or C++ source of a textbook program, for a comparison with the Rust program.
//!
//! A C++ program that does not need the C++ library is linked with `without_library.c` instead of that library. Any
//! other C++ program is linked with `with_library.c`, which marks the beginning of main, because the library makes
//! calls before main.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Programs;
use crate::programs::Program;
use crate::run::Directory;
use crate::trouble::Trouble;

#[path = "../../../../tests/ffi/cc.rs"]
#[allow(dead_code, reason = "a part is enough here")]
mod cc;

/// The directory of the textbook programs' own headers, for a source that was made from one of them.
const HEADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/textbook");
const WITHOUT_LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/mpserv-audit/foreign/without_library.c");
const WITH_LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/mpserv-audit/foreign/with_library.c");

/// The flags of our own C programs, without the errors that newer compilers report for old sources.
const C_FLAGS: [&str; 6] = ["-std=gnu11", "-O2", "-g", "-fPIE", "-w", "-Wno-error=implicit-function-declaration"];
const CXX_FLAGS: [&str; 4] = ["-O2", "-g", "-fPIE", "-w"];
/// The flags that keep references to the C++ library out of a program that does not need it.
const PLAIN_CXX_FLAGS: [&str; 3] = ["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"];
const LINK_FLAGS: [&str; 2] = ["-pie", "-Wl,-z,relro,-z,now"];
const WRAPPED: &str = "-Wl,--wrap=main,--wrap=malloc,--wrap=free";
/// The flags for a static C++ library. The tool can tell its calls of malloc from the program's calls. If a static
/// library does not link, the library is shared.
const LIBRARIES: [&[&str]; 2] = [&["-static-libstdc++", "-static-libgcc"], &[]];

/// A compiled source. A drop removes its folder.
#[derive(Debug)]
pub struct Compiled(Directory);

impl Compiled {
    /// Compiles the file that `--c` names, if it is a file, and makes it the C program of `programs`.
    ///
    /// # Errors
    /// Fails when there is no file of that name, or it does not compile.
    pub fn of(programs: &mut Programs) -> Result<Option<Self>, Trouble> {
        let source = &programs.c;
        let kind = fs::metadata(source).map_err(|error| Trouble::of(format!("--c {}", source.display()), error))?;
        if kind.is_dir() {
            return Ok(None);
        }
        let [name] = programs.names.as_slice() else {
            return Err(Trouble::new(format!("--c {}: name the one program that it is", source.display())));
        };
        // The name of the program becomes the name of a file.
        let program = Program::choose(name)?;
        let compiled = Compiled(Directory::new()?);
        compiled.compile(source, program.name)?;
        programs.c.clone_from(&compiled.0.path);
        Ok(Some(compiled))
    }

    fn compile(&self, source: &Path, name: &str) -> Result<(), Trouble> {
        let executable = self.0.path.join(name);
        let compiled = match source.extension().and_then(OsStr::to_str) {
            Some("c") => self
                .object(&mut cc::compiler(), source, &C_FLAGS)
                .and_then(|object| link(&mut cc::compiler(), &[object], &[], &executable)),
            Some("cc" | "cpp" | "cxx") => self.without_library(source, &executable).or_else(|_| {
                self.with_library(source, &executable)?;
                eprintln!("mpserv-audit: {} uses the C++ library: compared from main on", source.display());
                Ok(())
            }),
            _ => {
                let path = source.display();
                return Err(Trouble::new(format!("--c {path}: not a folder, .c, .cc, .cpp or .cxx")));
            }
        };
        compiled.map_err(|refusal| Trouble::new(format!("{} does not compile:\n{refusal}", source.display())))
    }

    /// Compiles one file.
    fn object(&self, compiler: &mut Command, source: &Path, flags: &[&str]) -> Result<PathBuf, String> {
        let object = self.0.path.join(source.file_stem().unwrap_or_default()).with_extension("o");
        compiler.args(flags).args(["-I", HEADERS, "-c"]).arg(source).arg("-o").arg(&object);
        cc::run(compiler).map(|_| object)
    }

    fn without_library(&self, source: &Path, executable: &Path) -> Result<(), String> {
        let flags = [&CXX_FLAGS[..], &PLAIN_CXX_FLAGS].concat();
        let own = self.object(&mut cxx_compiler(), source, &flags)?;
        let plain = self.object(&mut cc::compiler(), Path::new(WITHOUT_LIBRARY), &C_FLAGS)?;
        link(&mut cc::compiler(), &[own, plain], &[], executable)
    }

    fn with_library(&self, source: &Path, executable: &Path) -> Result<(), String> {
        let own = self.object(&mut cxx_compiler(), source, &CXX_FLAGS)?;
        let marked = self.object(&mut cc::compiler(), Path::new(WITH_LIBRARY), &C_FLAGS)?;
        let objects = [own, marked];
        let links = LIBRARIES.map(|library| {
            let flags = [library, &[WRAPPED]].concat();
            move |objects: &[PathBuf]| link(&mut cxx_compiler(), objects, &flags, executable)
        });
        links[0](&objects).or_else(|_| links[1](&objects))
    }
}

/// Returns the C++ compiler: `$CXX`, or `c++` if that is not set.
fn cxx_compiler() -> Command {
    cc::named("CXX", "c++")
}

fn link(linker: &mut Command, objects: &[PathBuf], flags: &[&str], executable: &Path) -> Result<(), String> {
    linker.args(LINK_FLAGS).args(flags).args(objects).arg("-pthread").arg("-o").arg(executable);
    cc::run(linker).map(|_| ())
}
