//! Reads the errnos that the docs of wrappers name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The `# Errors` section in the docs of each function.
type Docs = BTreeMap<(String, String), String>;

/// Returns the errnos that the docs of wrappers name: for each module, pairs of function and errno.
pub(crate) fn documented() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut docs = Docs::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for floor in ["sys", "program"] {
        for entry in std::fs::read_dir(source.join(floor)).unwrap() {
            let path = entry.unwrap().path();
            let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let files: Vec<_> =
                std::fs::read_dir(&path).map_or(vec![path], |folder| folder.map(|file| file.unwrap().path()).collect());
            // A folder within the folder of a module has only unit tests.
            for file in files.into_iter().filter(|file| file.is_file()) {
                errors_sections(&module, &std::fs::read_to_string(&file).unwrap(), &mut docs);
            }
        }
    }
    assert!(docs.len() > 80, "{}", docs.len());
    let mut documented: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (module, function) in docs.keys() {
        for errno in errnos_named(&docs, module, function) {
            documented.entry(module.clone()).or_default().insert((function.clone(), errno));
        }
    }
    documented
}

/// Collects the text under `# Errors` of each function. The key of a method is `Type::name`.
fn errors_sections(module: &str, source: &str, docs: &mut Docs) {
    let (mut of_type, mut section, mut is_errors) = (String::new(), String::new(), false);
    for line in source.lines() {
        if let Some(text) = line.trim_start().strip_prefix("///") {
            is_errors = text == " # Errors" || is_errors && !text.starts_with(" # ");
            if is_errors {
                section.push_str(text);
            }
            continue;
        }
        if let Some(header) = line.strip_prefix("impl").and_then(|header| header.strip_suffix(" {")) {
            let header = header.rsplit(" for ").next().unwrap();
            let header = if header.starts_with('<') { header.split_once("> ").unwrap().1 } else { header };
            of_type = format!("{}::", header.trim().split('<').next().unwrap());
        } else if line == "}" {
            of_type.clear();
        }
        if let Some((_, name)) = line.split_once("fn ").filter(|_| !section.is_empty()) {
            let end = name.find(['(', '<']).unwrap();
            docs.insert((module.to_owned(), format!("{of_type}{}", &name[..end])), std::mem::take(&mut section));
        }
        if !line.trim_start().starts_with('#') {
            section.clear();
        }
        is_errors = false;
    }
}

/// Returns the errnos that a function documents. For `Fails as [...]`, the errnos of that function are added, except
/// those after `but`.
fn errnos_named(docs: &Docs, module: &str, function: &str) -> BTreeSet<String> {
    let text = &docs[&(module.to_owned(), function.to_owned())];
    let Some((_, rest)) = text.split_once("Fails as [") else { return errnos_in(text) };
    let (link, rest) = rest.split_once(']').unwrap();
    let target = rest.strip_prefix('(').and_then(|rest| rest.split(')').next()).unwrap_or(link);
    let target = target.trim_matches('`').trim_end_matches("()");
    let target = target.strip_prefix("crate::").unwrap_or(target);
    let other = target.split_once("::").filter(|(module, _)| module.starts_with(char::is_lowercase));
    let (of_module, of_function) = other.unwrap_or((module, target));
    let mut errnos = errnos_named(docs, of_module, of_function);
    let (same, more) = rest.split_once(['.', ';']).unwrap_or((rest, ""));
    if let Some((_, but)) = same.split_once("except ") {
        errnos_in(but).iter().for_each(|errno| assert!(errnos.remove(errno), "{module}::{function}: {errno}"));
    }
    errnos.extend(errnos_in(more));
    errnos
}

fn errnos_in(text: &str) -> BTreeSet<String> {
    let is_errno =
        |word: &&str| word.starts_with('E') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let name = |word: &str| if word == "EWOULDBLOCK" { "EAGAIN" } else { word }.to_owned();
    text.split('`').skip(1).step_by(2).filter(is_errno).map(name).collect()
}
