//! SECURITY.md: the functions that it names as tests are there.

use std::fs;
use std::path::Path;

use crate::common::solo::Test;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![each_promise_names_tests_that_are_there];

/// The code of each test of the folders that SECURITY.md names.
fn code() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/security", "tests/server"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    folders.into_iter().flatten().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

fn each_promise_names_tests_that_are_there() {
    let (code, text) = (code(), file("SECURITY.md"));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    let mut named = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for word in tests.split('`').skip(1).step_by(2) {
            if word.contains('_') && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()) {
                assert!(code.contains(&format!("fn {word}() {{")), "no test {word}");
                named += 1;
            }
        }
    }
    assert!(named >= 30, "{named} tests");
}
