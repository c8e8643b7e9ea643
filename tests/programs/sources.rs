//! Compares the two files of a program.

use std::path::Path;

use crate::cc;
use crate::common::TempDir;

/// Each program with the names that the published program gives its functions and variables.
const PUBLISHED: [(&str, &str); 14] = [
    ("fork", "gval lval"),
    ("zombie", ""),
    ("wait", ""),
    ("waitpid", ""),
    ("signal", "timeout keycontrol"),
    ("sigaction", "timeout"),
    ("remove_zombie", "read_childproc"),
    ("echo_mpserv", "read_childproc error_handling serv_sock clnt_sock"),
    ("echo_mpclient", "read_routine write_routine error_handling sock"),
    ("code05", "Server InitServer Accept Send Recv Closelistenfd Closeconnfd m_listenfd m_connfd"),
    ("code04", "Send Recv m_connfd"),
    ("socket_serve", "CTcpServer InitServer Accept Send Recv CloseListen CloseClient m_listen_sock m_serve_sock"),
    ("socket_client", "CTcpClient ConnectToServer Send Recv m_sockfd"),
    ("rot13_serv", "rot13_char child_run sigchld_handler tcp_server_listen outbuf outbuf_used MAX_LINE"),
];

/// Returns the C file and the Rust file of a program.
fn sources(program: &str) -> [String; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook");
    ["c", "rs"].map(|extension| std::fs::read_to_string(folder.join(program).with_extension(extension)).unwrap())
}

pub(crate) fn both_files_have_the_same_header() {
    for (program, _) in PUBLISHED {
        let [c, rust] = sources(program);
        let (c, _) = c.strip_prefix("/*\n").unwrap().split_once(" */\n").unwrap();
        let rust: Vec<&str> = rust.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let c: Vec<&str> = c.lines().map(|line| line.strip_prefix(" *").unwrap()).collect();
        // The meaning of signal() depends on how C is compiled, which only the C file mentions.
        assert_eq!(
            c.join("\n"),
            rust.join("\n").replace("the C file is compiled", "the file is compiled"),
            "{program}"
        );
        for part in [" From:  ", " Shows: ", " Next:  "] {
            assert!(c.iter().any(|line| line.starts_with(part)), "{program}: {part}");
        }
    }
}

/// Returns the comments that begin with one of the two words. Some comments are longer in Rust, because they mention
/// the library.
fn faults(source: &str) -> Vec<&str> {
    let marked = source.lines().filter_map(|line| line.find("Wrong: ").or(line.find("mended: ")).map(|at| &line[at..]));
    marked.map(|comment| comment.trim_end_matches(" */").trim_end_matches('.')).collect()
}

pub(crate) fn both_files_say_what_is_wrong_and_what_is_mended_in_the_same_order() {
    for (program, _) in PUBLISHED {
        let [c, rust] = sources(program);
        let (c, rust) = (faults(&c), faults(&rust));
        assert!(!c.is_empty(), "{program}");
        assert_eq!(c.len(), rust.len(), "{program}: {c:#?} {rust:#?}");
        for (c, rust) in c.iter().zip(rust) {
            assert!(rust.starts_with(c), "{program}: {c} / {rust}");
        }
    }
}

pub(crate) fn functions_and_variables_have_the_published_names() {
    for (program, names) in PUBLISHED {
        for (language, source) in ["C", "Rust"].into_iter().zip(sources(program)) {
            // A method is called Class_method in C. A part of a word is no name.
            let words: Vec<&str> = source.split(|byte: char| !byte.is_alphanumeric() && byte != '_').collect();
            for name in names.split_whitespace() {
                let is =
                    |word: &&str| *word == name || word.strip_suffix(name).is_some_and(|class| class.ends_with('_'));
                assert!(words.iter().any(is), "{program} in {language}: {name}");
            }
        }
    }
}

/// Uses the flags of a careful user. The published programs ignore parameters and results, and so do ours.
pub(crate) fn the_c_programs_compile_without_a_warning() {
    const FLAGS: [&str; 10] = [
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wstrict-prototypes",
        "-Wmissing-prototypes",
        "-Wno-unused-parameter",
        "-Wno-unused-result",
        "-Werror",
    ];
    let folder = TempDir::new();
    for (program, _) in PUBLISHED {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/textbook").join(program).with_extension("c");
        cc::compile(cc::compiler(), &[source], &FLAGS, &folder.join(program))
            .unwrap_or_else(|refusal| panic!("{refusal}"));
    }
}
