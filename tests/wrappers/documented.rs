//! Reads the errnos that the docs of wrappers name. Also checks the manual pages to which docs refer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::common::text_of;
use crate::floors::{files, source};

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

/// Returns each item of a file, by its names in C, with its docs.
fn items(source: &str) -> Vec<(Vec<String>, String)> {
    let (mut found, mut docs) = (Vec::new(), String::new());
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("///") {
            docs += &format!("{text}\n");
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        let mut names = Vec::new();
        if let Some(list) = line.strip_prefix("pub use libc::") {
            let mut list = list.to_owned();
            while !list.ends_with(';') {
                list += lines.next().unwrap();
            }
            let words = list.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        } else if line.starts_with("pub") && !docs.is_empty() {
            // The item is of Rust, and its docs name it in C: "`open()`: ..." or "`int open(...);`".
            let form = docs.trim_start().split('`').nth(1).unwrap_or_default();
            let name = form.split('(').next().unwrap_or_default().rsplit([' ', '*']).next().unwrap_or_default();
            names.extend(Some(name.to_owned()).filter(|name| form.contains('(') && !name.is_empty()));
        }
        found.push((names, std::mem::take(&mut docs)));
    }
    found.retain(|(names, docs)| !names.is_empty() && !docs.is_empty());
    found
}

/// Returns the manual pages that a text names, as `open(2)`: the name and the section of each.
fn pages(text: &str) -> Vec<(&str, &str)> {
    let words = text.split_whitespace().map(|word| word.trim_end_matches([',', '.', ';']));
    let pages = words.filter_map(|word| word.strip_suffix(')')?.split_once('('));
    pages.filter(|(_, section)| section.starts_with(|letter: char| letter.is_ascii_digit())).collect()
}

/// Returns the text of a manual page, with its escapes taken out, or `None` if this system does not have the page.
fn text_of_page(name: &str, section: &str) -> Option<String> {
    let path = |page: &str| format!("/usr/share/man/{page}.gz");
    let read = |path: String| Path::new(&path).exists().then(|| text_of(Command::new("zcat").arg(path)));
    let text = read(path(&format!("man{}/{name}.{section}", &section[..1])))?;
    let text = match text.strip_prefix(".so ") {
        Some(other) => read(path(other.lines().next()?))?,
        None => text,
    };
    Some(text.replace("\\-", "-"))
}

/// Checks that each manual page to which docs refer has the item. A mistaken name or section is another page, or none.
pub(crate) fn a_manual_page_has_the_item_that_refers_to_it() {
    if text_of_page("open", "2").is_none() {
        println!("no manual pages (apt-get install manpages-dev)");
        return;
    }
    let mut texts: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files().into_iter().filter(|file| file.starts_with("ffi") || file.starts_with("sys")) {
        let text = std::fs::read_to_string(source().join(&file)).unwrap();
        for (names, docs) in items(&text) {
            let is_ffi = file.starts_with("ffi");
            // A function is in the heading of its page.
            let is_function = is_ffi
                && !names[0].contains(char::is_uppercase)
                && docs.split('`').nth(1).is_some_and(|form| form.contains('('));
            let docs = if is_ffi { docs.split_once("`\n") } else { docs.split_once("# References\n") };
            let Some((_, docs)) = docs else { continue };
            let all = pages(docs);
            let Some((page, section)) = all.first().copied() else {
                if is_ffi && names != ["SIOCPROTOPRIVATE"] {
                    wrong.push(format!("{}: {names:?} refers to no page", file.display()));
                }
                continue;
            };
            let place = (page.to_owned(), section.to_owned());
            let text = texts.entry(place).or_insert_with(|| text_of_page(page, section));
            let has = |name: &String| {
                // The names that differ from those in the pages: of system calls, of processors, and of the C library.
                let name = name.strip_prefix("SYS_").unwrap_or(name);
                let name = name.strip_prefix("__").unwrap_or(name).trim_end_matches("_location");
                let is_known = name.starts_with("AUDIT_ARCH_") || name == "rlimit_resource_t";
                let part = |text: &String| {
                    let head = text.split(".SH DESCRIPTION").next().unwrap_or_default();
                    if is_function { head.contains(name) } else { text.contains(name) }
                };
                is_known || text.as_ref().is_some_and(part)
            };
            // Pages of types came later than the others.
            let is_right = names.iter().any(has) || (section == "3type" && text.is_none());
            if !is_right {
                wrong.push(format!("{}: {page}({section}) is no page, or does not speak of {names:?}", file.display()));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 300, "{count}");
}
