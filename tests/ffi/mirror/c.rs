//! Parses a C form, and writes it in Rust.

use std::ops::Range;

/// One C form of an item.
pub(crate) enum Form {
    /// A function: `int close(int fd);`
    Function(Function),
    /// A macro that is used like a function: `int WEXITSTATUS(int wstatus); /* macro */`
    Macro(Function),
    /// A variable: `extern char **environ;`
    Variable(Declaration),
    /// A struct, with its name, and the whole type in C: `struct linger { int l_onoff; int l_linger; }` or `typedef
    /// struct { int si_signo; } siginfo_t;`
    Struct { name: String, c: String, fields: Vec<Declaration> },
    /// An integer type: `typedef /* ... */ pid_t;`
    Integer(String),
    /// A name for another type: `typedef void (*sighandler_t)(int);`
    Typedef(Declaration),
    /// A type of unknown size: `typedef struct _IO_FILE FILE;`
    Opaque(Declaration),
    /// A constant: `SOL_SOCKET`, or `(int)SA_RESETHAND` if it is only used as an int
    Constant { name: String, c: String },
}

/// A function, or a macro that is used like a function.
pub(crate) struct Function {
    /// The whole declaration.
    pub(crate) declaration: Declaration,
    /// The names of the parameters.
    pub(crate) parameters: Vec<String>,
    /// Whether the function is `_Noreturn`.
    pub(crate) never_returns: bool,
    /// Whether the header declares POSIX's function in place of GNU's function of the same name.
    pub(crate) xsi: bool,
}

/// A name and its type.
pub(crate) struct Declaration {
    pub(crate) name: String,
    /// The type in Rust.
    pub(crate) rust: String,
    /// The C tokens on either side of the name.
    around: [String; 2],
}

impl Declaration {
    /// Returns the same declaration in C with another name.
    pub(crate) fn c(&self, name: &str) -> String {
        let [before, after] = &self.around;
        format!("{before} {name}{after}")
    }
}

impl Form {
    /// Returns the name of the declared item.
    pub(crate) fn name(&self) -> &str {
        match self {
            Form::Function(function) | Form::Macro(function) => &function.declaration.name,
            Form::Variable(it) | Form::Typedef(it) | Form::Opaque(it) => &it.name,
            Form::Struct { name, .. } | Form::Integer(name) | Form::Constant { name, .. } => name,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Form, String> {
        let name = text.trim_start_matches("(int)");
        if name.chars().all(is_word) {
            return Ok(Form::Constant { name: name.to_owned(), c: text.to_owned() });
        }
        let mut parser = Parser { tokens: tokens(text), next: 0 };
        parser
            .form()
            .and_then(|form| if parser.peek().is_empty() { Ok(form) } else { parser.expected("its end") })
            .map_err(|why| format!("`{text}` is no C form: {why}"))
    }
}

/// Whether a name can contain this character.
pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn tokens(mut text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start();
        let length = match text {
            "" => return tokens,
            _ if text.starts_with("...") => 3,
            _ if text.starts_with("/*") => text.find("*/").map_or(text.len(), |end| end + 2),
            _ => text.find(|c| !is_word(c)).unwrap_or(text.len()).max(1),
        };
        let (token, rest) = text.split_at(length);
        tokens.push(token);
        text = rest;
    }
}

/// The place of a declaration. As a parameter, an array is a pointer. Elsewhere a function's address is an integer, as
/// in the libc crate.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Parameter,
    Elsewhere,
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn form(&mut self) -> Result<Form, String> {
        if self.eat("typedef") {
            if self.tokens.get(self.next + 1) == Some(&"{") {
                return self.nameless_structure();
            }
            let opaque = self.peek() == "struct";
            let form = if self.eat("/* ... */") {
                Form::Integer(self.word()?.to_owned())
            } else if opaque {
                Form::Opaque(self.declaration(Place::Elsewhere)?)
            } else {
                Form::Typedef(self.declaration(Place::Elsewhere)?)
            };
            self.expect(";").map(|()| form)
        } else if self.eat("extern") {
            let variable = self.declaration(Place::Elsewhere)?;
            self.expect(";").map(|()| Form::Variable(variable))
        } else if self.tokens.get(2) == Some(&"{") {
            self.structure()
        } else {
            self.function()
        }
    }

    fn structure(&mut self) -> Result<Form, String> {
        self.expect("struct")?;
        let name = self.word()?.to_owned();
        let fields = self.fields()?;
        Ok(Form::Struct { c: format!("struct {name}"), name, fields })
    }

    fn nameless_structure(&mut self) -> Result<Form, String> {
        self.expect("struct")?;
        let fields = self.fields()?;
        let name = self.word()?.to_owned();
        self.expect(";").map(|()| Form::Struct { c: name.clone(), name, fields })
    }

    fn fields(&mut self) -> Result<Vec<Declaration>, String> {
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.eat("}") {
            fields.push(self.declaration(Place::Elsewhere)?);
            self.expect(";")?;
        }
        Ok(fields)
    }

    fn function(&mut self) -> Result<Form, String> {
        let never_returns = self.eat("_Noreturn");
        let start = self.next;
        let (result, name) = self.declarator(Place::Elsewhere)?;
        self.expect("(")?;
        let parameters = self.parameters()?;
        let result = if never_returns { "!" } else { &result };
        let rust = format!("unsafe {}", function_type(&parameters, result));
        let declaration = self.declared(start, name, rust);
        self.expect(";")?;
        let function = Function {
            declaration,
            parameters: parameters.into_iter().map(|parameter| parameter.name).collect(),
            never_returns,
            xsi: self.eat("/* XSI-compliant */"),
        };
        let is_macro = self.eat("/* macro */");
        Ok(if is_macro { Form::Macro(function) } else { Form::Function(function) })
    }

    /// Parses parameters, from after the `(` to the `)`.
    fn parameters(&mut self) -> Result<Vec<Declaration>, String> {
        let mut parameters = Vec::new();
        if self.tokens[self.next..].starts_with(&["void", ")"]) {
            self.next += 1;
        } else {
            while parameters.is_empty() || self.eat(",") {
                parameters.push(self.declaration(Place::Parameter)?);
            }
        }
        self.expect(")").map(|()| parameters)
    }

    fn declaration(&mut self, place: Place) -> Result<Declaration, String> {
        let start = self.next;
        let (rust, name) = self.declarator(place)?;
        Ok(self.declared(start, name, rust))
    }

    /// Returns the declaration in the tokens from `start` to the current token. `name` is the place of its name.
    fn declared(&self, start: usize, name: Range<usize>, rust: String) -> Declaration {
        Declaration {
            around: [start..name.start, name.end..self.next].map(|part| self.tokens[part].join(" ")),
            name: self.tokens[name].concat(),
            rust,
        }
    }

    /// Parses a type and its name. Returns the type in Rust, and the place of the name, which is empty if there is no
    /// name.
    fn declarator(&mut self, place: Place) -> Result<(String, Range<usize>), String> {
        if self.eat("...") {
            return Ok(("...".to_owned(), self.next..self.next));
        }
        let mut constant = self.eat("const");
        let mut rust = self.base_type()?;
        while self.eat("*") {
            rust = format!("*{} {rust}", if constant { "const" } else { "mut" });
            constant = self.eat("const");
            self.eat("restrict");
        }
        let is_function = self.eat("(");
        if is_function {
            self.expect("*")?;
        }
        let start = self.next;
        self.next += usize::from(self.peek().starts_with(is_word));
        let name = start..self.next;
        if is_function {
            self.expect(")")?;
            self.expect("(")?;
            let pointed = function_type(&self.parameters()?, &rust);
            rust = match place {
                Place::Parameter => pointed,
                Place::Elsewhere => "usize".to_owned(),
            };
        } else if self.eat("[") {
            let length = if self.peek() == "]" { "" } else { self.word()? };
            self.expect("]")?;
            rust = match place {
                Place::Parameter if constant => format!("*const {rust}"),
                Place::Parameter => format!("*mut {rust}"),
                Place::Elsewhere => format!("[{rust}; {length}]"),
            };
        }
        Ok((rust, name))
    }

    /// Parses the name of a type, and returns it in Rust. Types of fixed width are called `uint32_t` in POSIX and
    /// `__u32` in Linux.
    fn base_type(&mut self) -> Result<String, String> {
        self.eat("struct");
        let unsigned = self.eat("unsigned");
        let word = self.word()?;
        let of_width = word.strip_prefix("__").or(word.strip_suffix("_t")).unwrap_or_default();
        let rust = match (word, of_width.trim_end_matches(|c: char| c.is_ascii_digit())) {
            ("char" | "short" | "int" | "long", _) if unsigned => format!("c_u{word}"),
            ("void" | "char" | "short" | "int" | "long", _) => format!("c_{word}"),
            _ if unsigned => return self.expected("an integer type"),
            (_, "u" | "uint") => of_width.replace("int", ""),
            (_, "s" | "int") => of_width.replace("int", "i").replace('s', "i"),
            _ => word.to_owned(),
        };
        Ok(rust)
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.next).copied().unwrap_or_default()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { self.expected(&format!("`{token}`")) }
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let word = self.peek();
        if !word.starts_with(is_word) {
            return self.expected("a name");
        }
        self.next += 1;
        Ok(word)
    }

    fn expected<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("expected {what} before `{}`", self.tokens[self.next..].join(" ")))
    }
}

/// Returns the type of a function in Rust, for a parameter or a prototype.
fn function_type(parameters: &[Declaration], result: &str) -> String {
    let types: Vec<&str> = parameters.iter().map(|parameter| parameter.rust.as_str()).collect();
    let result = if result == "c_void" { "()" } else { result };
    format!("extern \"C\" fn({}) -> {result}", types.join(", "))
}
