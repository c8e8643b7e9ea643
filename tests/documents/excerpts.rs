//! Checks the code in the documents: excerpts must be in the sources, and every example must be compiled.

use std::path::Path;

use crate::commands::{Block, blocks};
use crate::common::solo::Test;
use crate::links::DOCUMENTS;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![
    code_in_the_readme_is_in_a_source_or_in_a_guide,
    code_in_the_guides_is_compiled,
    code_with_std_is_that_of_a_test,
    the_version_to_depend_on_is_this_one,
    each_public_module_has_an_example,
];

/// Returns a text without comment lines and white space.
fn statements(text: &str) -> String {
    let is_code = |line: &&str| !["//", "/*"].iter().any(|comment| line.trim_start().starts_with(comment));
    text.lines().filter(is_code).flat_map(str::split_whitespace).collect()
}

fn code(document: &str, words: &[&str]) -> Vec<Block> {
    blocks(document).into_iter().filter(|block| words.contains(&block.word.as_str())).collect()
}

fn code_in_the_readme_is_in_a_source_or_in_a_guide() {
    let sources = ["src/bin/textbook/echo_mpserv.c", "src/bin/textbook/echo_mpserv.rs", "src/docs/library.md"];
    let sources = sources.map(|name| statements(&file(name)));
    let excerpts = code("README.md", &["c", "rust"]);
    for Block { text, .. } in &excerpts {
        assert!(sources.iter().any(|source| source.contains(&statements(text))), "no source has\n{text}");
    }
    assert_eq!(excerpts.len(), 3);
}

/// Checks that `cargo doc` shows the guides, and that `cargo test --doc` compiles their examples.
fn code_in_the_guides_is_compiled() {
    let shown = file("src/lib.rs");
    for document in DOCUMENTS {
        let is_shown =
            document.strip_prefix("src/").is_some_and(|name| shown.contains(&format!("include_str!(\"{name}\")")));
        assert!(
            is_shown || document == "README.md" || code(document, &["rust", "rust,no_run"]).is_empty(),
            "{document}"
        );
    }
}

/// Checks that each example with std is in a test, because `cargo test --doc` runs without the feature `std`.
fn code_with_std_is_that_of_a_test() {
    let source = statements(&file("tests/library/std_types.rs"));
    let examples: Vec<Block> = DOCUMENTS.iter().flat_map(|document| code(document, &["rust,ignore"])).collect();
    for Block { text, .. } in &examples {
        assert!(source.contains(&statements(text)), "no test has\n{text}");
    }
    assert_eq!(examples.len(), 1);
}

fn the_version_to_depend_on_is_this_one() {
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    let mut count = 0;
    for document in DOCUMENTS {
        for Block { text, .. } in code(document, &["toml"]) {
            count += 1;
            assert!(text.contains(&format!("mpserv = {{ version = \"{version}\"")), "{document}: {text}");
        }
    }
    assert!(count >= 2);
}

/// Checks that each module has an example. `cargo test --doc` compiles the examples.
fn each_public_module_has_an_example() {
    let library = file("src/lib.rs");
    let (_, wrappers) = library.split_once("pub use sys::{").unwrap();
    let names = wrappers.split('}').next().unwrap().split(',').map(|name| format!("sys/{}", name.trim()));
    let mut modules: Vec<String> = names.filter(|name| name != "sys/").collect();
    for folder in ["ffi", "program", "server"] {
        modules.push(folder.to_owned());
    }
    for folder in ["program", "server"] {
        let source = file(&format!("src/{folder}/mod.rs"));
        let public = source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        modules.extend(public.map(|name| format!("{folder}/{name}")));
    }
    assert!(modules.len() >= 25, "{modules:?}");
    for module in modules {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let name =
            [format!("{module}.rs"), format!("{module}/mod.rs")].into_iter().find(|name| root.join(name).exists());
        let source = file(&format!("src/{}", name.unwrap()));
        let docs: Vec<&str> = source.lines().take_while(|line| line.starts_with("//!")).collect();
        let example = docs.iter().skip_while(|line| !["//! ```", "//! ```no_run"].contains(line));
        let example: Vec<&&str> = example.collect();
        assert!(!example.is_empty(), "{module} has no example");
        let is_whole = example.iter().any(|line| line.starts_with("//! fn main()"));
        let must_be_whole = ["sys/fd", "sys/net", "sys/process", "sys/signal"].contains(&module.as_str());
        assert!(is_whole || !must_be_whole, "the example of {module} is no whole program");
    }
}
