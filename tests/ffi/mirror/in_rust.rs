//! Writes the Rust side: checks that rustc may refuse, and a function that prints the facts.

use super::c::Form;
use super::facts::{Fact, facts};
use super::source::Header;

/// Returns the Rust text for a module that has `ffi` in scope. In that module, types have the same names as in C.
pub(crate) fn text(headers: &[Header]) -> String {
    let mut types = String::new();
    let mut checks = String::new();
    let mut list = String::new();
    for Header { module, forms, .. } in headers {
        types += &format!("use {module}::*;\n");
        for form in forms {
            checks += &check(form, module);
            for Fact { name, rust, .. } in facts(form, module) {
                list += &format!("        (\"{name}\", {rust}),\n");
            }
        }
    }
    format!(
        r#"use core::ffi::*;
{types}
{checks}
fn size_of_field<S, F>(_: fn(&S) -> *const F) -> usize {{
    size_of::<F>()
}}

/// The result of `dladdr` for an address.
#[repr(C)]
struct Library {{
    name: *const c_char,
    base: *const (),
    symbol_name: *const c_char,
    symbol: *const (),
}}

unsafe extern "C" {{
    safe fn dladdr(address: *const (), library: &mut Library) -> c_int;
}}

fn place(address: *const ()) -> i64 {{
    let null = core::ptr::null();
    let mut library = Library {{ name: null, base: null.cast(), symbol_name: null, symbol: null.cast() }};
    dladdr(address, &mut library);
    address as i64 - library.base as i64
}}

pub fn print() {{
    let facts: Vec<(&str, Vec<i64>)> = vec![
{list}    ];
    for (name, values) in facts {{
        let values: String = values.iter().map(|value| format!(" {{value}}")).collect();
        println!("{{name}} ={{values}}");
    }}
}}
"#
    )
}

/// Returns Rust code that does not compile if the item's type differs from its form.
fn check(form: &Form, module: &str) -> String {
    let item = format!("{module}::{}", form.name());
    match form {
        Form::Function(it) | Form::Macro(it) => {
            format!("const _: {} = {item};\n", it.declaration.rust)
        }
        Form::Variable(it) => {
            format!("const _: fn() -> *const {} = || &raw const {item};\n", it.rust)
        }
        Form::Opaque(_) => format!("const _: Option<&{item}> = None;\n"),
        // If such an item differs, the code of the facts does not compile.
        Form::Typedef(_) | Form::Integer(_) | Form::Struct { .. } | Form::Constant { .. } => String::new(),
    }
}
