//! Refuses systems that are not supported. Also compiles the C programs with which the textbook programs are compared.
//! A crate that depends on this package does not get these programs.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "tests/ffi/cc.rs"]
#[allow(dead_code, reason = "a part is enough here")]
mod cc;

/// The folder of the C programs, which have one file each.
const SOURCES: &str = "src/bin/textbook";

/// The flags for the C programs. The programs are linked as rustc links our programs: position-independent, with every
/// symbol looked up at the start. Tail calls are switched off, so that strace's stacks show the line of each call.
const FLAGS: [&str; 7] =
    ["-std=gnu11", "-O2", "-g", "-fno-optimize-sibling-calls", "-fPIE", "-pie", "-Wl,-z,relro,-z,now,-z,separate-code"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if !is_supported()? {
        let target = env::var("TARGET")?;
        println!(
            "cargo::error={target} is not supported: mpserv needs Linux with glibc 2.34 or later, on x86-64, aarch64 or \
             riscv64"
        );
    } else if option_env!("CARGO_PRIMARY_PACKAGE").is_some() {
        // Every linker must put code into separate pages. strace shows stacks by libunwind, which needs such pages.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,separate-code");
        compile_programs()?;
    }
    Ok(())
}

fn is_supported() -> Result<bool, env::VarError> {
    let system = env::var("CARGO_CFG_TARGET_OS")?;
    let library = env::var("CARGO_CFG_TARGET_ENV")?;
    let processor = env::var("CARGO_CFG_TARGET_ARCH")?;
    let width = env::var("CARGO_CFG_TARGET_POINTER_WIDTH")?;
    Ok(system == "linux"
        && library == "gnu"
        && width == "64"
        && ["x86_64", "aarch64", "riscv64"].contains(&processor.as_str()))
}

/// Compiles each C program. If a program does not compile, only warns, so that nobody needs C to build the server. But
/// the tests fail without the C programs.
fn compile_programs() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=tests/ffi/cc.rs");
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=CC");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let folder = folder_of_profiles(&out)?.join("c");
    println!("cargo::rustc-env=MPSERV_C_DIR={}", folder.display());
    if env::var_os("CC").is_none() && env::var("TARGET")? != env::var("HOST")? {
        println!("cargo::warning=no C programs: set CC to a C compiler for {}", env::var("TARGET")?);
        return Ok(());
    }
    if cc::run(cc::compiler().arg("--version")).is_err() {
        println!("cargo::warning=no C programs: there is no C compiler ($CC, else cc): apt-get install gcc libc6-dev");
        // This file never exists, so cargo runs the script again each time.
        println!("cargo::rerun-if-changed={}", out.join("never").display());
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(SOURCES)? {
        let source = entry?.path();
        if source.extension().is_some_and(|extension| extension == "c") {
            let program = folder.join(source.file_stem().unwrap_or_default());
            if let Err(refusal) = cc::compile(cc::compiler(), &[&source], &FLAGS, &program) {
                let line = refusal.lines().find(|line| line.contains("error")).unwrap_or(&refusal);
                println!("cargo::warning=no C program {}: {line}", program.display());
                println!("cargo::rerun-if-changed={}", program.display());
            }
        }
    }
    Ok(())
}

/// Returns the folder that contains the folders of the profiles, `debug` and `release`. OUT_DIR is
/// PROFILE/build/PACKAGE/out.
fn folder_of_profiles(out: &Path) -> Result<&Path, Box<dyn Error>> {
    let profile = out.ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    Ok(profile.and_then(Path::parent).ok_or("OUT_DIR is not in a target folder")?)
}
