//! Checks the order of the source: an import points down, and no two files import each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each file of `src`, and the files from which it imports.
type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

pub(crate) fn an_import_points_down() {
    let imports = imports();
    // The list has each floor, and the floors below it.
    let floors =
        [("ffi", &[][..]), ("sys", &["ffi"]), ("program", &["ffi", "sys"]), ("server", &["ffi", "sys", "program"])];
    let mut upward = Vec::new();
    for (floor, below) in floors {
        for (file, imported) in imports.iter().filter(|(file, _)| file.starts_with(floor)) {
            let is_allowed = |to: &&PathBuf| to.starts_with(floor) || below.iter().any(|below| to.starts_with(below));
            upward.extend(imported.iter().filter(|to| !is_allowed(to)).map(|to| (file, to)));
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

pub(crate) fn sys_names_neither_server_nor_program() {
    let named = |file: &&PathBuf| {
        let text = fs::read_to_string(source().join(file)).unwrap();
        ["server", "program"].iter().any(|floor| text.contains(&format!("crate::{floor}")))
    };
    let found: Vec<_> = files().into_iter().filter(|file| file.starts_with("sys")).collect();
    assert!(found.len() > 40, "{found:?}");
    assert_eq!(found.iter().filter(named).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

pub(crate) fn no_two_files_import_each_other() {
    let imports = imports();
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 300);
    let mutual = |file: &PathBuf, to: &PathBuf| file < to && imports.get(to).is_some_and(|back| back.contains(file));
    let pairs: Vec<_> = imports
        .iter()
        .flat_map(|(file, all)| all.iter().filter(|to| mutual(file, to)).map(move |to| (file, to)))
        .collect();
    assert!(pairs.is_empty(), "{pairs:#?}");
}

pub(crate) fn no_topic_of_sys_needs_itself() {
    let topic = |file: &Path| {
        file.components().nth(1).map(|name| name.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned())
    };
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, imported) in
        imports().iter().filter(|(file, _)| file.starts_with("sys") && !file.ends_with("sys/mod.rs"))
    {
        let from = topic(file).unwrap();
        let all =
            imported.iter().filter(|to| to.starts_with("sys")).filter_map(|to| topic(to)).filter(|to| *to != from);
        needs.entry(from.clone()).or_default().extend(all);
    }
    // Remove topics that need no other topic, until none is left.
    while let Some(free) = needs.iter().find(|(_, all)| all.iter().all(|other| !needs.contains_key(other))) {
        let free = free.0.clone();
        needs.remove(&free);
    }
    assert!(needs.is_empty(), "these need each other: {needs:#?}");
}

pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the Rust files of `src`, by their paths in it.
pub(crate) fn files() -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![source()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(source()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn imports() -> Imports {
    let files: BTreeSet<PathBuf> = files().into_iter().collect();
    let imports_of = |file: &PathBuf| {
        let text = fs::read_to_string(source().join(file)).unwrap();
        // The tests at the end of a file are a separate module, whose `super` is the file.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let module = module_of(file);
        let mut found = BTreeSet::new();
        for path in paths(&code).into_iter().chain(paths_of_children(&code)) {
            if let Some(to) = resolve(&path, &module, &files).filter(|to| to != file) {
                found.insert(to);
            }
        }
        found
    };
    // A test may stand on more than what it tests.
    let is_test = |file: &Path| file.components().any(|part| part.as_os_str().to_str().unwrap().starts_with("tests"));
    files.iter().filter(|file| !is_test(file)).map(|file| (file.clone(), imports_of(file))).collect()
}

/// A crate's folder in `src`, and the names of a module in it.
type Module = (PathBuf, Vec<String>);

/// Returns the module of a file.
fn module_of(file: &Path) -> Module {
    let mut names: Vec<String> =
        file.iter().map(|name| name.to_str().unwrap().trim_end_matches(".rs").to_owned()).collect();
    let root = match names.as_slice() {
        [bin, program, _, ..] if bin == "bin" && program != "textbook" => 2,
        [bin, ..] if bin == "bin" => names.len() - 1,
        _ => 0,
    };
    let folder: PathBuf = names.drain(..root).collect();
    if names.last().is_some_and(|last| ["mod", "main", "lib"].contains(&last.as_str())) {
        names.pop();
    }
    (folder, names)
}

/// Returns the paths that begin with `crate`, `super` or `self`, with the groups in them written out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            // Skip words within another path, and the `$crate` of a macro.
            if !code[..at].ends_with([':', '$', '_']) && !code[..at].ends_with(char::is_alphanumeric) {
                read_path(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Returns the imports from modules that the code declares, as paths that begin with `self`.
fn paths_of_children(code: &str) -> Vec<Vec<String>> {
    let is_child = |path: &str| {
        path.split_once("::").is_some_and(|(name, _)| code.lines().any(|line| line.ends_with(&format!("mod {name};"))))
    };
    let imports = code.lines().filter_map(|line| line.split_once("use ")).map(|(_, path)| path);
    imports
        .filter(|path| is_child(path))
        .map(|path| vec!["self".to_owned(), path.split("::").next().unwrap().to_owned()])
        .collect()
}

/// Reads one path. Returns the text after the path.
fn read_path<'c>(mut code: &'c str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'c str {
    let depth = prefix.len();
    loop {
        code = code.trim_start();
        if let Some(rest) = code.strip_prefix('{') {
            code = rest;
            while !code.trim_start().starts_with('}') {
                code = read_path(code, prefix, found).trim_start();
                code = code.find([',', '}']).map_or("", |end| code[end..].trim_start_matches(','));
                if code.is_empty() {
                    break;
                }
            }
            code = code.trim_start().strip_prefix('}').unwrap_or_default();
            break;
        }
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '#').unwrap_or(code.len());
        prefix.push(code[..end].trim_start_matches("r#").to_owned());
        code = &code[end..];
        let Some(rest) = code.strip_prefix("::") else {
            found.push(prefix.clone());
            break;
        };
        code = rest;
    }
    prefix.truncate(depth);
    code
}

/// Returns the file of the longest beginning of a path that is a module.
fn resolve(path: &[String], (folder, names): &Module, files: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let mut module = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => names[..names.len().saturating_sub(ups)].to_vec(),
    };
    module.extend(path[ups.max(1)..].iter().cloned());
    while !module.is_empty() {
        let path = folder.join(module.iter().collect::<PathBuf>());
        for file in [path.with_extension("rs"), path.join("mod.rs")] {
            if files.contains(&file) {
                return Some(file);
            }
        }
        module.pop();
    }
    None
}
