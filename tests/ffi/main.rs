//! Proves that `mpserv::ffi` agrees with C. The headers and the Rust items must both agree with the docs. Both sides
//! are written from the docs (`mirror`), compiled and compared (`proof`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, process, thread};

use mirror::Mirror;

#[allow(dead_code, reason = "a part is enough here")]
mod cc;
mod mirror;
mod proof;

#[test]
fn ffi_is_as_the_headers_have_it() {
    assert_eq!(proof::prove(&proof::Machine { processor: env::consts::ARCH, cross: None }), Ok(()));
}

/// Returns the Rust files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Checks that the docs of an item count time only in units that its C form names.
#[test]
fn docs_count_time_in_the_units_of_their_form() {
    const UNITS: [(&str, &str); 7] = [
        ("seconds", "seconds"),
        ("time_t", "seconds"),
        ("tv_sec", "seconds"),
        ("timeout", "milliseconds"),
        ("tv_usec", "microseconds"),
        ("suseconds_t", "microseconds"),
        ("tv_nsec", "nanoseconds"),
    ];
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_lowercase).collect()
    };
    let mut count = 0;
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi")) {
        let text = fs::read_to_string(&file).unwrap();
        let docs = text.split("\n\n").flat_map(|part| part.split_once("/// `"));
        for (form, docs) in docs.filter_map(|(_, docs)| docs.split_once("`\n")) {
            let docs: String = docs.lines().map_while(|line| line.strip_prefix("///")).collect();
            let form = words(form);
            for unit in words(&docs).iter().filter(|word| UNITS.iter().any(|(_, unit)| word == unit)) {
                let is_named = UNITS.iter().any(|(name, named)| unit == named && form.iter().any(|word| word == name));
                assert!(is_named, "{}: {form:?} has no {unit}", file.display());
                count += 1;
            }
        }
    }
    assert!(count >= 8, "{count}");
}

/// A small correct mirror, into which mistakes are planted: the names and texts of its files.
const SMALL: [(&str, &str); 4] = [
    ("main.rs", include_str!("planted/main.rs")),
    ("libc.rs", include_str!("planted/libc.rs")),
    ("ffi/poll.rs", include_str!("planted/ffi/poll.rs")),
    ("ffi/sys/wait.rs", include_str!("planted/ffi/sys/wait.rs")),
];

/// Proves the small mirror in the same way as the mirror of `src/ffi`, with `right` replaced by `wrong` in one file.
fn prove(file: &str, right: &str, wrong: &str) -> Result<(), String> {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let folder = PathBuf::from(format!("{}/{test}.{}", env!("CARGO_TARGET_TMPDIR"), process::id()));
    fs::create_dir_all(folder.join("ffi/sys")).expect("a folder for the test");
    for (name, text) in SMALL {
        assert!(name != file || text.matches(right).count() == 1, "`{right}` is not once in {file}");
        let text = if name == file { text.replace(right, wrong) } else { text.to_owned() };
        fs::write(folder.join(name), text).expect("a file for the test");
    }
    let proof = prove_in(&folder);
    fs::remove_dir_all(&folder).expect("the test's folder can be removed");
    proof
}

fn prove_in(folder: &Path) -> Result<(), String> {
    let mirror = Mirror::of_folder(&folder.join("ffi"), env::consts::ARCH)?;
    proof::compile_texts(cc::compiler(), &mirror.c_files(), folder, "in_c")?;
    fs::write(folder.join("facts.rs"), mirror.rust()).map_err(|error| error.to_string())?;
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let programs = [folder.join("in_c"), folder.join("in_rust")];
    cc::run(Command::new(rustc).args(["--edition=2024", "-o"]).args([&programs[1], &folder.join("main.rs")]))?;
    let [in_c, in_rust] = programs.map(|program| proof::facts_of(&mut Command::new(program)));
    proof::compare(&in_c?, &in_rust?)
}

/// Asserts that the small mirror is refused, and only for its mistake.
#[track_caller]
fn assert_refused(file: &str, right: &str, wrong: &str, why: &str) {
    static CORRECT: OnceLock<Result<(), String>> = OnceLock::new();
    assert_eq!(*CORRECT.get_or_init(|| prove(file, right, right)), Ok(()));
    let refusal = prove(file, right, wrong).expect_err("the mistake is not seen");
    assert!(refusal.contains(why), "refused, but not for `{why}`:\n{refusal}");
}

#[test]
fn c_refuses_another_prototype() {
    assert_refused("ffi/poll.rs", "int timeout", "long timeout", "conflicting types for 'poll'");
}

#[test]
fn c_refuses_what_another_header_has() {
    let wait = "`pid_t wait(int *wstatus);`\npub use libc::wait;\n\n/// `POLL*`";
    assert_refused("ffi/poll.rs", "`POLL*`", wait, "undeclared");
}

#[test]
fn c_refuses_a_promise_not_to_return() {
    assert_refused("ffi/poll.rs", "`int poll", "`_Noreturn int poll", "'noreturn'");
}

#[test]
fn c_refuses_another_field_type() {
    assert_refused("ffi/poll.rs", "short events", "int events", "struct pollfd: events has another type");
}

#[test]
fn c_refuses_another_order_of_fields() {
    let swapped = "int fd; short revents; short events";
    assert_refused("ffi/poll.rs", "int fd; short events; short revents", swapped, "events comes before revents");
}

#[test]
fn rust_refuses_another_signature() {
    assert_refused("libc.rs", "timeout: c_int", "timeout: c_long", "mismatched types");
}

#[test]
fn rust_refuses_another_field_type() {
    assert_refused("libc.rs", "pub events: c_short", "pub events: c_ushort", "mismatched types");
}

#[test]
fn another_function_of_that_type_is_seen() {
    assert_refused("libc.rs", "pub fn wait", "#[link_name = \"pipe\"]\npub fn wait", "&wait[0]: ");
}

#[test]
fn another_constant_is_seen() {
    assert_refused("libc.rs", "POLLIN: c_short = 1", "POLLIN: c_short = 2", "POLLIN[0]: Some(1) in C, Some(2) in Rust");
}

#[test]
fn another_offset_is_seen() {
    let why = "offsetof(struct pollfd, events)[0]: Some(4) in C, Some(6) in Rust";
    let fields = "pub events: c_short,\n    pub revents: c_short,";
    assert_refused("libc.rs", fields, "pub revents: c_short,\n    pub events: c_short,", why);
}

#[test]
fn another_struct_size_is_seen() {
    assert_refused(
        "libc.rs",
        "pub revents: c_short,",
        "pub revents: c_short,\n    pub more: c_int,",
        "sizeof(struct pollfd)",
    );
}

#[test]
fn another_alignment_is_seen() {
    assert_refused("libc.rs", "#[repr(C)]", "#[repr(C, align(8))]", "_Alignof(struct pollfd)");
}

#[test]
fn another_type_size_is_seen() {
    assert_refused("libc.rs", "nfds_t = c_ulong", "nfds_t = c_uint", "sizeof(nfds_t)");
}

#[test]
fn another_type_sign_is_seen() {
    assert_refused("libc.rs", "nfds_t = c_ulong", "nfds_t = c_long", "(nfds_t)-1 < (nfds_t)1");
}

#[test]
fn another_macro_is_seen() {
    let why = "WEXITSTATUS(0..65536)[32768]: Some(128) in C, Some(0) in Rust";
    assert_refused("libc.rs", "wstatus >> 8 & 0xff", "wstatus >> 8 & 0x7f", why);
}

#[test]
fn another_macro_that_is_true_or_false_is_seen() {
    let why = "WIFEXITED(0..65536)[127]: Some(0) in C, Some(1) in Rust";
    assert_refused("libc.rs", "wstatus & 0x7f == 0", "wstatus & 0x7f == 0 || wstatus & 0x7f == 127", why);
}

#[test]
fn an_item_without_a_form_is_an_error() {
    assert_refused("ffi/poll.rs", "/// `POLL*`\n", "", "src/ffi/poll.rs:14: `POLLIN` has no C form in its docs");
}

#[test]
fn an_item_in_a_list_that_does_not_speak_of_it_is_an_error() {
    assert_refused(
        "ffi/poll.rs",
        "POLLOUT}",
        "POLLOUT, pollfd}",
        "src/ffi/poll.rs:15: `pollfd` has no C form in its docs",
    );
}

#[test]
fn docs_of_another_item_are_an_error() {
    assert_refused("ffi/poll.rs", "`int poll(", "`int ppoll(", "src/ffi/poll.rs:12: `poll` has no C form in its docs");
}

#[test]
fn a_form_that_is_not_c_is_an_error() {
    assert_refused("ffi/poll.rs", "nfds_t nfds,", "nfds_t nfds", "is no C form: expected `)` before `int timeout ) ;`");
}

#[test]
fn an_item_that_cannot_be_checked_is_an_error() {
    let ours = "pub type nfds_t = u64;";
    assert_refused("ffi/poll.rs", "pub use libc::nfds_t;", ours, "src/ffi/poll.rs:6: `pub type nfds_t = u64;`");
}

#[test]
fn a_module_without_its_header_is_an_error() {
    assert_refused("ffi/sys/wait.rs", "`<sys/wait.h>`", "`<wait.h>`", "src/ffi/sys/wait.rs:1: ");
}
