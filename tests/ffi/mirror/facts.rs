//! The numbers on which C and Rust must agree.

use super::c::{Declaration, Form};

/// The number of arguments with which a macro is tried. The arguments are all statuses with which a child can end.
const ARGUMENTS: u32 = 1 << 16;

/// One or more numbers with a name.
pub(crate) struct Fact {
    pub(crate) name: String,
    /// The C statement that prints the numbers.
    pub(crate) c: String,
    /// The Rust expression for a `Vec` of the numbers.
    pub(crate) rust: String,
}

impl Fact {
    /// Returns a number whose name is its expression in C.
    fn new(c: String, rust: String) -> Fact {
        Fact { c: format!("mirror_value((long long)({c}));"), rust: format!("vec![{rust} as i64]"), name: c }
    }

    /// Returns the address of an item in the C library, which identifies the item.
    fn place(name: &str, rust: &str) -> Fact {
        Fact {
            name: format!("&{name}"),
            c: format!("mirror_place((void *)&{name});"),
            rust: format!("vec![place({rust} as *const ())]"),
        }
    }
}

/// Returns the facts to compare for a form whose item is in `module`.
pub(crate) fn facts(form: &Form, module: &str) -> Vec<Fact> {
    let name = form.name();
    let item = format!("{module}::{name}");
    let size = |c: &str| Fact::new(format!("sizeof({c})"), format!("size_of::<{item}>()"));
    match form {
        Form::Function(_) => vec![Fact::place(name, &item)],
        Form::Variable(_) => vec![Fact::place(name, &format!("&raw const {item}"))],
        Form::Macro(_) => vec![Fact {
            name: format!("{name}(0..{ARGUMENTS})"),
            c: format!("for (int i = 0; i < {ARGUMENTS}; i++) mirror_value(mirror_call_{name}(i));"),
            rust: format!("(0..={}).map(|i| {item}(i) as i64).collect()", ARGUMENTS - 1),
        }],
        Form::Constant { c, .. } => vec![Fact::new(c.clone(), item)],
        Form::Integer(_) => {
            let signed = format!("({name})-1 < ({name})1");
            vec![size(name), Fact::new(signed, format!("({item}::MIN != 0)"))]
        }
        Form::Typedef(_) => vec![size(name)],
        Form::Opaque(_) => Vec::new(),
        Form::Struct { c, fields, .. } => {
            let alignment = format!("_Alignof({c})");
            let mut facts = vec![size(c), Fact::new(alignment, format!("align_of::<{item}>()"))];
            facts.extend(fields.iter().flat_map(|field| field_facts(c, &item, field)));
            facts
        }
    }
}

fn field_facts(c: &str, rust: &str, field: &Declaration) -> [Fact; 2] {
    let Declaration { name, rust: kind, .. } = field;
    let offset = format!("std::mem::offset_of!({rust}, {name})");
    let size = format!("size_of_field::<{rust}, {kind}>(|it| &raw const it.{name})");
    [Fact::new(format!("offsetof({c}, {name})"), offset), Fact::new(format!("sizeof((({c} *)0)->{name})"), size)]
}
