//! Makes the proof that `src/ffi` mirrors C, and compiles the C programs beside ours.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use mirror::Mirror;

#[path = "tests/ffi/cc.rs"]
mod cc;
#[path = "tests/ffi/mirror/mod.rs"]
mod mirror;

/// The flags that our C programs compile with, without a warning. They are linked as rustc links ours, so that what is
/// compared is the programs: every symbol is looked up at the start.
const PROGRAM_FLAGS: [&str; 10] = [
    "-std=gnu11",
    "-O2",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Werror",
    "-Wl,-z,relro,-z,now",
];

const NO_COMPILER: &str = "no C compiler with headers ($CC, else cc), so no C programs and no check \
                           of src/ffi: apt-get install gcc libc6-dev";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    for input in ["src/bin/textbook", "src/ffi", "tests/ffi/cc.rs", "tests/ffi/mirror"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=CC");
    // The linker that cc uses for the C programs, in place of rustc's own: one linker, one layout to load.
    println!("cargo::rustc-link-arg-bins=-fuse-ld=bfd");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let programs = target_folder(&out)?.join("c");
    println!("cargo::rustc-env=MPSERV_C_DIR={}", programs.display());

    if env::var("PROFILE")? == "release" {
        link_server_statically(&out)?;
    }

    let mirror = Mirror::of_folder(Path::new("src/ffi"))?;
    let proof = out.join("ffi");
    fs::create_dir_all(&proof)?;
    fs::write(proof.join("facts.rs"), mirror.rust())?;
    let refusal = if has_compiler(&proof) {
        compile_programs(&programs)?;
        cc::compile_texts(&mirror.c_files(), &proof, "facts").err()
    } else {
        // A file that never exists has cargo try again next time.
        println!("cargo::rerun-if-changed={}", proof.join("never").display());
        Some(NO_COMPILER.to_owned())
    };
    let refusal = refusal.unwrap_or_default();
    if let Some(line) = refusal.lines().find(|line| line.contains("error") || *line == NO_COMPILER) {
        println!("cargo::warning={line}");
    }
    // For the tests, of which one fails unless it is empty.
    fs::write(proof.join("refusal.txt"), refusal)?;
    Ok(())
}

/// The libraries that rustc names for a program without std.
const LIBRARIES: [&str; 4] = ["libc.a", "libm.a", "librt.a", "libpthread.a"];

/// Places the code that serves a connection, ours and the C library's, next to each other, before all other code. A child
/// gets its code page by page, as it comes to it, and the kernel maps 64 kB around each: so all of it comes at once.
///
/// Data that is 0 at the start is in the file behind the data that is not, because one byte at its end counts as data: both
/// are one mapping then, where a fork would copy two.
const ORDER: &str = "\
SECTIONS {
  .text.serving : {
    *(.text._ZN6mpserv6server6parent*)
    *(.text._ZN6mpserv6server6worker*)
    *(.text._ZN6mpserv6server7service*)
    *(.text._ZN6mpserv6server8children*)
    *(.text._ZN6mpserv6server10connection*)
    *(.text._ZN6mpserv7process*)
    *libc.a:_exit.o(.text) *libc.a:accept4.o(.text) *libc.a:close.o(.text) *libc.a:errno-loc.o(.text)
    *libc.a:getppid.o(.text) *libc.a:poll.o(.text) *libc.a:prctl.o(.text) *libc.a:pthread_sigmask.o(.text)
    *libc.a:read.o(.text) *libc.a:recv.o(.text) *libc.a:send.o(.text) *libc.a:setpgid.o(.text)
    *libc.a:sigprocmask.o(.text) *libc.a:syscall.o(.text) *libc.a:wait4.o(.text) *libc.a:waitpid.o(.text)
  }
}
INSERT BEFORE .text;
SECTIONS {
  .data.zero : { *(.bss .bss.* COMMON) BYTE(0) }
}
INSERT AFTER .data;
";

/// Has `mpserv` linked with the C library in it, so that a fork copies fewer mappings and no page is changed by the
/// loader. rustc asks for shared libraries, so the linker is shown a folder that has none, before its own.
fn link_server_statically(out: &Path) -> Result<(), Box<dyn Error>> {
    let folder = out.join("static");
    fs::create_dir_all(&folder)?;
    for library in LIBRARIES {
        let Some(path) = find_library(library) else {
            println!("cargo::warning=mpserv is linked dynamically, as there is no {library}: it is slower");
            return Ok(());
        };
        let link = folder.join(library);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(path, link)?;
    }
    let search = format!("-L{}", folder.display());
    let order = folder.join("order.ld");
    fs::write(&order, ORDER)?;
    let order = format!("-Wl,-T,{}", order.display());
    // The C library and the compiler's own need each other. What rustc names comes before, and stays what it is.
    // Code and what is only read are one mapping.
    for argument in [
        "-static",
        "-Wl,-z,noseparate-code",
        &order,
        &search,
        "-Wl,--start-group",
        "-lgcc",
        "-lgcc_eh",
        "-lc",
        "-Wl,--end-group",
    ] {
        println!("cargo::rustc-link-arg-bin=mpserv={argument}");
    }
    Ok(())
}

/// The path of a library of the system, if there is one by this name.
fn find_library(name: &str) -> Option<PathBuf> {
    let output = cc::compiler().arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    // What it does not find it prints as it was asked.
    path.is_absolute().then_some(path)
}

/// Whether there is a C compiler, with headers.
fn has_compiler(scratch: &Path) -> bool {
    let probe = "#include <stdio.h>\nint main(void) { return puts(\"\") == EOF; }\n";
    let files = [("probe.c".to_owned(), probe.to_owned())];
    cc::compile_texts(&files, scratch, "probe").is_ok()
}

/// Compiles each C program on its own, to `folder`.
fn compile_programs(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir("src/bin/textbook")? {
        let source = entry?.path();
        if source.extension().is_some_and(|extension| extension == "c") {
            let name = source.file_stem().unwrap_or_default();
            cc::compile(&[&source], &PROGRAM_FLAGS, &folder.join(name))?;
        }
    }
    Ok(())
}

/// Cargo's target folder: the one that has PROFILE/build/PACKAGE/out, or TARGET/PROFILE/build/….
fn target_folder(out: &Path) -> Result<&Path, Box<dyn Error>> {
    let profile = out.ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    let folder = profile.and_then(Path::parent).ok_or("OUT_DIR is not in a target folder")?;
    let is_triple = folder.ends_with(env::var("TARGET")?);
    Ok(folder.parent().filter(|_| is_triple).unwrap_or(folder))
}
