//! Compares the line `Async-signal-safe: …` in the docs of each public function of `src/sys` with the calls in its
//! source.
//!
//! A `const fn` makes no call, and needs no line. For each other function, the test goes through the body, through the
//! bodies of the functions of `src/sys` that it names, and so on. A function is safe if every reached C function is in
//! one of the lists below. It must also use no part of Rust's library that allocates, locks or prints. So an unsafe
//! call is found at any depth. If a method's type is not known, all methods of that name count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The functions of signal-safety(7), which POSIX requires to be safe. But `setgid` and `setuid` of glibc take a lock.
const POSIX: &str = "_exit abort accept access alarm bind chdir chmod chown clock_gettime close connect dup dup2 execve fchmod \
    fchown fchownat fcntl fstat ftruncate getegid geteuid getgid getgroups getpeername getpid getppid getsockname getsockopt getuid kill \
    listen lseek lstat mkdir mkfifo open pipe poll pthread_sigmask raise read readlink recv send setpgid setsid setsockopt \
    shutdown sigaction sigaddset sigdelset sigemptyset sigfillset sigismember signal sigpending sigprocmask sigsuspend sleep \
    socket stat symlink umask unlink wait waitpid write";
/// Functions that make at most one system call in the C library, even in a process with threads.
const LINUX: &str = "__errno_location __sysv_signal accept4 chroot clone close_range flock getauxval getpgid getrlimit ioctl killpg madvise \
    memfd_create mmap mprotect munmap nanosleep personality pipe2 ppoll prctl setitimer setrlimit signalfd syscall unshare isatty";
/// The names in Rust's library that allocate, lock or print.
const RUST: &str = "std alloc Box Vec String Mutex RwLock OnceLock lock print println eprint eprintln format vec dbg";

/// The beginning of the line in the docs.
const LINE: &str = "Async-signal-safe: ";

/// A function in a source.
struct Function {
    file: String,
    /// The type of which the function is a method.
    owner: Option<String>,
    name: String,
    is_public: bool,
    docs: String,
    body: String,
}

/// Returns the sources in a folder, each with its path.
fn files_of(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut all) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "tests.rs" {
                all.push((path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// Returns a line without its comment and without texts in quotes.
fn code(line: &str) -> String {
    let line = line.split("//").next().unwrap();
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Returns the functions of a source that rustfmt has formatted. A body ends with a brace that is indented like its
/// first line.
fn functions(file: &str, source: &str) -> Vec<Function> {
    let (mut all, mut docs, mut owner) = (Vec::new(), String::new(), None);
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(doc) = text.strip_prefix("///") {
            docs += &format!("{}\n", doc.trim());
            continue;
        }
        let head = code(line);
        if indent == 0 && ["impl", "pub trait", "trait"].iter().any(|word| head.starts_with(word)) {
            // The line has the form `impl<T> Trait for Type<T> {`.
            let types = head.split(['{', ':']).next().unwrap().replace("impl<", "< ");
            let named = types.split_once(" for ").map_or(types.as_str(), |(_, named)| named);
            let words = named.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let is_name = |word: &&str| word.len() > 1 && word.starts_with(|c: char| c.is_uppercase());
            owner = words.filter(is_name).map(str::to_owned).next();
        } else if line == "}" {
            owner = None;
        }
        let Some((before, after)) = head.split_once("fn ").filter(|(before, _)| is_head(before)) else {
            if !text.starts_with("#[") {
                docs.clear();
            }
            continue;
        };
        let name = after.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap().to_owned();
        let mut body = after.to_owned();
        if !(head.ends_with('}') || head.ends_with(';')) {
            let end = format!("{}}}", " ".repeat(indent));
            for line in lines.by_ref().take_while(|line| *line != end && !line.starts_with(&format!("{end};"))) {
                body += &format!("\n{}", code(line));
            }
        }
        let is_public = before.trim_start().starts_with("pub ") && !before.contains("const ");
        all.push(Function {
            file: file.to_owned(),
            owner: owner.clone(),
            name,
            is_public,
            docs: std::mem::take(&mut docs),
            body,
        });
    }
    all
}

/// Whether a text may stand before `fn`.
fn is_head(before: &str) -> bool {
    before
        .split_whitespace()
        .all(|word| ["const", "unsafe", "extern", "\"\""].contains(&word) || word.starts_with("pub"))
}

/// Returns the names by which a source calls modules of `ffi`.
fn ffi_names(source: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["ffi", "libc"].map(str::to_owned).into();
    for import in source.split("use crate::ffi").skip(1).map(|rest| rest.split(';').next().unwrap()) {
        let words = import.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let is_type = |word: &str| word.ends_with("_t") || word.starts_with("c_");
        names.extend(words.filter(|word| !["", "self", "as", "r"].contains(word) && !is_type(word)).map(str::to_owned));
    }
    names
}

/// Returns the paths in a body: the parts of each, whether a dot stands before it, and the character after it.
fn paths(body: &str) -> Vec<(Vec<String>, bool, char)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut all, mut rest, mut before) = (Vec::new(), body, ' ');
    while let Some(start) = rest.find(is_part) {
        before = rest[..start].chars().next_back().unwrap_or(before);
        rest = &rest[start..];
        let mut parts = Vec::new();
        loop {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            parts.push(rest[..end].to_owned());
            rest = &rest[end..];
            match rest.strip_prefix("::").map(|more| more.strip_prefix("r#").unwrap_or(more)) {
                Some(more) if more.starts_with(is_part) => rest = more,
                _ => break,
            }
        }
        all.push((parts, before == '.', rest.chars().next().unwrap_or(' ')));
        before = ' ';
    }
    all
}

/// The data of the search: the functions by name, the names of `ffi` in each source, and the C functions that `ffi`
/// declares.
struct Walk {
    functions: Vec<Function>,
    by_name: BTreeMap<String, Vec<usize>>,
    ffi: BTreeMap<String, BTreeSet<String>>,
    c_functions: BTreeSet<String>,
}

impl Walk {
    fn new(sources: &[(String, String)]) -> Walk {
        let all: Vec<Function> = sources.iter().flat_map(|(file, source)| functions(file, source)).collect();
        let mut by_name = BTreeMap::<String, Vec<usize>>::new();
        for (index, function) in all.iter().enumerate() {
            by_name.entry(function.name.clone()).or_default().push(index);
        }
        let ffi = sources.iter().map(|(file, source)| (file.clone(), ffi_names(source))).collect();
        let declared = files_of("src/ffi").into_iter().flat_map(|(file, source)| functions(&file, &source));
        let c_functions =
            declared.map(|function| function.name).filter(|name| !name.starts_with(char::is_uppercase)).collect();
        Walk { functions: all, by_name, ffi, c_functions }
    }

    /// Returns the functions of `src/sys` that a path in the body of `function` may mean.
    fn targets(&self, function: &Function, path: &[String], is_method: bool) -> Vec<usize> {
        let (name, owner) = (path.last().unwrap(), path.len().checked_sub(2).map(|index| path[index].as_str()));
        let owner = if owner == Some("Self") { function.owner.as_deref() } else { owner };
        let named = self.by_name.get(name).into_iter().flatten().copied();
        let is_type = |word: &str| word.starts_with(|c: char| c.is_uppercase());
        let all: Vec<usize> = named
            .filter(|index| match (&self.functions[*index].owner, owner) {
                (found, Some(owner)) if is_type(owner) => found.as_deref() == Some(owner),
                (found, _) => found.is_some() == is_method,
            })
            .collect();
        let here: Vec<usize> =
            all.iter().copied().filter(|index| self.functions[*index].file == function.file).collect();
        if here.is_empty() { all } else { here }
    }

    /// Returns the C functions that a function reaches and that are not async-signal-safe.
    fn unsafe_names(&self, index: usize, seen: &mut BTreeSet<usize>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if !seen.insert(index) {
            return found;
        }
        let function = &self.functions[index];
        let is_in = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
        for (path, is_method, next) in paths(&function.body) {
            let name = path.last().unwrap();
            if path[..path.len() - 1].iter().any(|part| self.ffi[&function.file].contains(part)) {
                // A function may be called, or be passed to another function. Macros of C are functions in Rust, and
                // only compute.
                let computes = name.starts_with(char::is_uppercase) || path[path.len() - 2].ends_with("_t");
                let is_function = !computes && next == '(' || self.c_functions.contains(name);
                // `environ` is no function, but a list that setenv() changes and frees.
                let is_environ = name == "environ";
                if is_environ {
                    found.insert(name.clone());
                }
                if is_function && !is_in(POSIX, name) && !is_in(LINUX, name) {
                    found.insert(format!("{name}()"));
                }
            } else if next == '!' || path.len() > 1 || is_method && next == '(' {
                found.extend(path.iter().filter(|part| is_in(RUST, part)).cloned());
            }
            if next == '(' || path.len() > 1 {
                for target in self.targets(function, &path, is_method) {
                    found.append(&mut self.unsafe_names(target, seen));
                }
            }
        }
        found
    }

    /// Returns the public functions whose docs disagree with their source, and the difference.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (index, function) in self.functions.iter().enumerate().filter(|(_, function)| function.is_public) {
            let found = self.unsafe_names(index, &mut BTreeSet::new());
            let said = function.docs.lines().find_map(|line| line.strip_prefix(LINE));
            let is_right = match said {
                Some("yes.") => found.is_empty(),
                Some(said) => said.starts_with("no, because ") && !found.is_empty(),
                None => false,
            };
            if !is_right {
                let owner = function.owner.as_deref().unwrap_or("-");
                wrong.push(format!("{} {owner} {}: says {said:?}, reaches {found:?}", function.file, function.name));
            }
        }
        wrong
    }
}

pub(crate) fn each_wrapper_says_whether_it_is_async_signal_safe() {
    let walk = Walk::new(&files_of("src/sys"));
    let count = walk.functions.iter().filter(|function| function.is_public).count();
    assert!(count >= 150, "{count} public functions");
    let wrong = walk.wrong();
    assert!(wrong.is_empty(), "of {count} functions:\n{}", wrong.join("\n"));
}

/// Plants each call into a function of a source. The docs of that function, or of a wrapper that calls it, say yes.
pub(crate) fn a_planted_malloc_lock_or_stdio_call_is_found() {
    let sources = files_of("src/sys");
    for (wrapper, file, function, planted) in [
        ("getpid", "process/id.rs", "getpid() -> Pid {", "unsafe { ffi::stdlib::malloc(1) };"),
        ("setsid", "process/id.rs", "setsid() -> Result<Pid> {", "let text = format!(\"{}\", 1);"),
        ("getppid", "process/id.rs", "getppid() -> Option<Pid> {", "static LOCK: Mutex<()> = M; LOCK.lock();"),
        (
            "raise",
            "signal/send.rs",
            "raise(signal: Signal) -> Result<()> {",
            "unsafe { crate::ffi::stdio::puts(text) };",
        ),
        ("raise", "conv.rs", "ret(returned: c_int) -> Result<()> {", "unsafe { libc::pthread_mutex_lock(lock) };"),
        (
            "write_all",
            "fd/io.rs",
            "write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {",
            "unsafe { ffi::stdio::fflush(p) };",
        ),
    ] {
        let mut planted_in = sources.clone();
        let (_, text) = planted_in.iter_mut().find(|(name, _)| name == file).unwrap();
        assert!(text.contains(function), "{file} has no {function}");
        *text = text.replace(function, &format!("{function}\n    {planted}"));
        let walk = Walk::new(&planted_in);
        let index = walk.functions.iter().position(|function| function.name == wrapper).unwrap();
        assert!(walk.functions[index].docs.contains(&format!("{LINE}yes.")), "{wrapper}");
        let found = walk.unsafe_names(index, &mut BTreeSet::new());
        assert_eq!(found.len(), 1, "{planted} in {file}: {found:?}");
    }
}
