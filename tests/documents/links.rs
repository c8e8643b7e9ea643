//! Checks the links, tests and programs that the documents name.

use std::path::Path;

use crate::common::solo::Test;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] =
    tests![links_lead_to_files, files_that_are_named_exist, tests_that_are_named_exist, the_readme_is_short,];

pub(crate) const DOCUMENTS: [&str; 10] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "src/docs/server.md",
    "src/docs/library.md",
    "src/docs/textbook.md",
    "src/docs/audit.md",
    "src/docs/internals.md",
    "src/docs/benchmarks.md",
];

/// The most lines of the README.
const README_MAX: usize = 180;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Checks every `[text](path)` that leads to a file of the repository.
fn links_lead_to_files() {
    let mut count = 0;
    for document in DOCUMENTS {
        let text = file(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(folder.join(path).exists(), "{document} links to {link}, which does not exist");
            count += 1;
        }
    }
    assert!(count >= 10, "{count} links");
}

/// Checks every file of `tests/` and `src/` that stands in backquotes.
fn files_that_are_named_exist() {
    let mut count = 0;
    for document in DOCUMENTS {
        for word in file(document).split('`').skip(1).step_by(2) {
            let is_path =
                (word.starts_with("tests/") || word.starts_with("src/")) && !word.contains(['*', '{', 'N', ' ', ':']);
            if is_path {
                assert!(root().join(word).exists(), "{document} names {word}, which does not exist");
                count += 1;
            }
        }
    }
    assert!(count >= 20, "{count} files");
}

/// Checks every name in backquotes that is long enough to be the name of a test.
fn tests_that_are_named_exist() {
    let (mut folders, mut sources) = (vec![root().join("tests")], String::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let is_test = |word: &&str| {
        !word.starts_with('_')
            && word.matches('_').count() > 3
            && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let mut count = 0;
    for document in DOCUMENTS {
        for word in file(document).split('`').filter(is_test) {
            assert!(sources.contains(&format!("fn {word}(")), "{document} names the test {word}, which does not exist");
            count += 1;
        }
    }
    assert!(count >= 20, "{count} tests");
}

fn the_readme_is_short() {
    let lines = file("README.md").lines().count();
    assert!(lines <= README_MAX, "{lines} lines");
}
