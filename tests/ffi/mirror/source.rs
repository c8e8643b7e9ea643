//! Reads a module of `src/ffi`: its items, and the C forms at the beginning of their docs.

use std::mem;

use super::c::{Form, is_word};

/// A header, and its mirrored items.
pub(crate) struct Header {
    /// The path of the header, as in `#include <sys/socket.h>`.
    pub(crate) path: String,
    /// The header's module in Rust.
    pub(crate) module: String,
    pub(crate) forms: Vec<Form>,
}

/// Reads a module. The module is that of a header, unless it only names other modules. `path` is the path of its file
/// in the `ffi` folder.
pub(crate) fn read(path: &str, text: &str, processor: &str) -> Result<Option<Header>, String> {
    let path = path.trim_end_matches(".rs");
    let header = format!("{path}.h");
    let mut forms = Vec::new();
    let mut docs = String::new();
    let mut statement = String::new();
    let mut start = 0;
    let mut is_of_other_machine = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if statement.is_empty() {
            start = index + 1;
        }
        if let Some(doc) = line.strip_prefix("///") {
            docs += doc;
            docs.push('\n');
        } else if line.starts_with("#[cfg(") {
            is_of_other_machine = !line.contains(&format!("target_arch = \"{processor}\""));
        } else if !statement.is_empty() || !is_between_items(line) {
            statement += line;
            let is_whole = if statement.starts_with("#[repr(C)]") { line == "}" } else { line.ends_with(';') };
            if is_whole && mem::take(&mut is_of_other_machine) {
                statement.clear();
                docs.clear();
            } else if is_whole {
                let found = item_forms(&mem::take(&mut statement), &mem::take(&mut docs))
                    .map_err(|why| format!("src/ffi/{path}.rs:{start}: {why}"))?;
                forms.extend(found);
            }
        }
    }
    if !statement.is_empty() {
        return Err(format!("src/ffi/{path}.rs:{start}: `{statement}` has no end"));
    }
    if forms.is_empty() {
        return Ok(None);
    }
    if !text.starts_with(&format!("//! `<{header}>`")) {
        return Err(format!("src/ffi/{path}.rs:1: the docs do not begin with `<{header}>`"));
    }
    let module = format!("ffi::{}", path.replace('/', "::"));
    // The headers whose names are keywords of Rust.
    let module = module.replace("netinet::in", "netinet::r#in").replace("net::if", "net::r#if");
    Ok(Some(Header { path: header, module, forms }))
}

fn is_between_items(line: &str) -> bool {
    matches!(line, "" | "#[doc(inline)]" | "unsafe extern \"C\" {" | "}")
        || line.starts_with("//")
        || line.starts_with("#![")
}

/// Returns the C forms of an item, or none if its `statement` is not public.
fn item_forms(statement: &str, docs: &str) -> Result<Vec<Form>, String> {
    if statement.starts_with("use ") || statement.starts_with("pub mod ") {
        return Ok(Vec::new());
    }
    let names = names(statement)?;
    let mut forms = Vec::new();
    let paragraph = docs.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    for (index, span) in paragraph.split('`').enumerate() {
        if index % 2 == 0 {
            if !span.trim_matches([' ', ',']).is_empty() {
                return Err(format!("`{span}` stands where only C forms may"));
            }
        } else if let Some(prefix) = span.strip_suffix('*') {
            for name in names.iter().filter(|name| name.starts_with(prefix)) {
                forms.push(Form::parse(name)?);
            }
        } else {
            forms.push(Form::parse(span)?);
        }
    }
    if let Some(name) = names.iter().find(|name| !forms.iter().any(|form| form.name() == *name)) {
        return Err(format!("`{name}` has no C form in its docs"));
    }
    if let Some(form) = forms.iter().find(|form| !names.iter().any(|name| name == form.name())) {
        return Err(format!("`{}` is in the docs of another item", form.name()));
    }
    Ok(forms)
}

/// Returns the names that a public statement adds to the module.
fn names(statement: &str) -> Result<Vec<String>, String> {
    const DECLARATIONS: [&str; 4] = ["pub fn ", "pub static mut ", "pub static ", "pub const "];
    let list = if let Some(list) = statement.strip_prefix("pub use libc::") {
        list.trim_matches(['{', '}', ';'])
    } else {
        let declared = DECLARATIONS.iter().find_map(|start| statement.strip_prefix(start));
        let structure = statement.split_once("pub struct ").map(|(_, rest)| rest);
        declared.or(structure).and_then(|rest| rest.split(['(', ':', ' ']).next()).unwrap_or("?")
    };
    let names = list.split_terminator(',').map(str::trim);
    if names.clone().any(|name| !name.chars().all(is_word)) {
        return Err(format!("`{statement}` is no item that can be checked"));
    }
    Ok(names.map(str::to_owned).collect())
}
