//! Checks the form of every binary by `readelf`, the C programs included.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::IMPLS;
use crate::common::solo::Test;
use crate::{cc, tests};

pub(crate) const TESTS: &[Test] = tests![
    every_binary_is_position_independent_and_relocated_at_the_start,
    no_binary_has_data_in_pages_of_code,
    no_binary_needs_a_newer_glibc_than_is_supported,
];

/// The oldest glibc that is supported: `GLIBC_2.34`.
const OLDEST: (u32, u32) = (2, 34);

/// A developer's tool with std, which chooses its own glibc.
const WITH_STD: &str = "mpserv-audit";

/// Returns all binaries that are built.
fn binaries() -> Vec<PathBuf> {
    let manifest = include_str!("../../Cargo.toml").split("[[bin]]\nname = \"").skip(1);
    let names: Vec<&str> = manifest.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 14 && names.contains(&"mpserv"), "{names:?}");
    let rust = Path::new(env!("CARGO_BIN_EXE_mpserv"));
    let rust = names.iter().map(|name| rust.with_file_name(name));
    let is_textbook = |name: &&&str| Path::new("src/bin/textbook").join(name).with_extension("c").exists();
    let c = names.iter().filter(is_textbook).map(|name| IMPLS[0].path(name));
    rust.chain(c).collect()
}

fn readelf(options: &str, binary: &Path) -> String {
    cc::run(Command::new("readelf").args(["-W", options]).arg(binary)).unwrap()
}

fn every_binary_is_position_independent_and_relocated_at_the_start() {
    for binary in binaries() {
        let header = readelf("-hld", &binary);
        let has = |line: &str, word: &str| header.lines().any(|it| it.contains(line) && it.contains(word));
        assert!(has("Type:", "DYN (Position-Independent Executable"), "{}: {header}", binary.display());
        assert!(has("GNU_RELRO", "R"), "{}: {header}", binary.display());
        assert!(has("(FLAGS)", "BIND_NOW") && has("(FLAGS_1)", "NOW"), "{}: {header}", binary.display());
    }
}

/// The position of a segment's flags: they follow three addresses and two sizes.
const FLAGS: usize = 6;

fn no_binary_has_data_in_pages_of_code() {
    for binary in binaries() {
        let text = readelf("-l", &binary);
        let (headers, sections) = text.split_once("Section to Segment mapping").unwrap();
        let headers: Vec<Vec<&str>> = headers
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.get(1).is_some_and(|word| word.starts_with("0x")))
            .collect();
        let mut pages_of_code = 0;
        for (number, header) in headers.iter().enumerate().filter(|(_, header)| header[0] == "LOAD") {
            let flags = header[FLAGS..header.len() - 1].concat();
            if flags.contains('E') {
                pages_of_code += 1;
                let held =
                    sections.lines().find(|line| line.trim_start().starts_with(&format!("{number:02} "))).unwrap();
                let has_data = [".rodata", ".dynstr", ".data", ".eh_frame "].iter().any(|data| held.contains(data));
                assert!(flags == "RE" && !has_data, "{}: {flags} {held}", binary.display());
            }
        }
        assert_eq!(pages_of_code, 1, "{}: {text}", binary.display());
    }
}

fn no_binary_needs_a_newer_glibc_than_is_supported() {
    for binary in binaries().into_iter().filter(|binary| !binary.ends_with(WITH_STD)) {
        let text = readelf("-V", &binary);
        let mut newest = (0, 0);
        for line in text.lines() {
            let Some((_, version)) = line.split_once("Name: GLIBC_") else { continue };
            let version = version.split_whitespace().next().unwrap();
            let mut numbers = version.split('.').map(|number| number.parse().unwrap());
            let version = (numbers.next().unwrap(), numbers.next().unwrap());
            assert!(version <= OLDEST, "{} needs {line}", binary.display());
            newest = version.max(newest);
        }
        assert!(newest > (2, 0), "{}: {text}", binary.display());
    }
}
