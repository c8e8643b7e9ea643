//! Writes the C side: checks that may fail to compile with the headers, and a program that prints the facts.

use super::c::{Declaration, Form, Function};
use super::facts::{Fact, facts};
use super::source::Header;

/// The text that the program's files share.
const SHARED: &str = "\
void mirror_name(const char *fact);
void mirror_value(long long value);
void mirror_place(void *address);
void mirror_end(void);
";

/// Returns the C files, each as name and text.
pub(crate) fn files(headers: &[Header]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut calls = String::new();
    for header in headers {
        let (xsi, gnu): (Vec<_>, Vec<_>) = header.forms.iter().partition(|form| is_xsi(form));
        for (source, suffix, forms) in [("_GNU", "", gnu), ("_XOPEN", "_xsi", xsi)] {
            if !forms.is_empty() {
                let name = header.path.replace(['/', '.'], "_") + suffix;
                calls += &format!("    void {name}(void);\n    {name}();\n");
                let text = file(&header.path, source, &name, &forms);
                files.push((format!("{name}.c"), text));
            }
        }
    }
    files.push(("main.c".to_owned(), main(&calls)));
    files
}

fn is_xsi(form: &Form) -> bool {
    matches!(form, Form::Function(function) if function.xsi)
}

fn main(calls: &str) -> String {
    format!(
        r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

{SHARED}
void mirror_name(const char *fact) {{ printf("%s =", fact); }}
void mirror_value(long long value) {{ printf(" %lld", value); }}
void mirror_end(void) {{ putchar('\n'); }}

void mirror_place(void *address)
{{
    Dl_info library = {{ 0 }};
    dladdr(address, &library);
    mirror_value((char *)address - (char *)library.dli_fbase);
}}

int main(void)
{{
{calls}    return 0;
}}
"#
    )
}

/// Returns the source of the file that checks one header. Each header has its own file, so that no other header can
/// stand in for it. Only `<sys/types.h>` may declare the types in its prototypes.
fn file(header: &str, source: &str, name: &str, forms: &[&Form]) -> String {
    let checks: String = forms.iter().map(|form| check(form)).collect();
    let facts = forms.iter().flat_map(|form| facts(form, ""));
    let prints: String = facts.map(|fact| print(&fact)).collect();
    format!(
        r#"#define {source}_SOURCE 700
#include <{header}>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>

{SHARED}
{checks}
void {name}(void);
void {name}(void)
{{
{prints}}}
"#
    )
}

fn print(fact: &Fact) -> String {
    let Fact { name, c, .. } = fact;
    format!("    mirror_name(\"{name}\");\n    {c}\n    mirror_end();\n")
}

/// Returns C code that does not compile if the header lacks the item, or declares it in another way.
fn check(form: &Form) -> String {
    let name = form.name();
    let is_there = format!("typedef __typeof__({name}) mirror_{name};\n");
    match form {
        Form::Function(function) => {
            let returns = if function.never_returns { call(function) } else { String::new() };
            let redeclared = function.declaration.c(name);
            format!("#undef {name}\n{is_there}{returns}{redeclared};\n")
        }
        Form::Macro(function) => {
            let redeclared = function.declaration.c(name);
            format!("#ifndef {name}\n{is_there}{redeclared};\n#endif\n{}", call(function))
        }
        Form::Variable(it) => format!("{is_there}extern {};\n", it.c(name)),
        Form::Typedef(it) | Form::Opaque(it) => format!("{is_there}typedef {};\n", it.c(name)),
        Form::Struct { c, fields, .. } => {
            let orders = fields.windows(2).map(|pair| check_order(c, &pair[0], &pair[1]));
            fields.iter().map(|field| check_field(name, c, field)).chain(orders).collect()
        }
        // If such an item differs, the code of the facts does not compile.
        Form::Integer(_) | Form::Constant { .. } => String::new(),
    }
}

/// Returns the code of a function that only calls another function or a macro. If a function that must not return does
/// return, the code does not compile.
fn call(function: &Function) -> String {
    let name = &function.declaration.name;
    let declared = function.declaration.c(&format!("mirror_call_{name}"));
    let call = format!("{name}({})", function.parameters.join(", "));
    if function.never_returns {
        format!("_Noreturn {declared} {{ {call}; }}\n")
    } else {
        format!("{declared} {{ return {call}; }}\n")
    }
}

/// Returns a check of the order of two fields. Members of a union have no order.
fn check_order(c: &str, first: &Declaration, second: &Declaration) -> String {
    let (first, second) = (&first.name, &second.name);
    format!(
        "_Static_assert(offsetof({c}, {first}) < offsetof({c}, {second}), \"{c}: {second} comes before {first}\");\n"
    )
}

fn check_field(tag: &str, c: &str, field: &Declaration) -> String {
    let name = &field.name;
    let documented = format!("mirror_{tag}_{name}");
    format!(
        "typedef {};\n_Static_assert(__builtin_types_compatible_p({documented}, \
         __typeof__((({c} *)0)->{name})), \"{c}: {name} has another type\");\n",
        field.c(&documented)
    )
}
