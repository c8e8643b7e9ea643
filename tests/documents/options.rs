//! The options in `--help`, the man page, the completions and the guide.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![
    the_man_page_has_each_option_of_the_help_and_no_other,
    the_man_page_is_written_as_it_should_be,
    groff_formats_the_man_page,
    completions_have_each_option_of_the_help_and_no_other,
    completions_complete_in_bash,
    completions_complete_in_fish,
    the_completions_for_zsh_are_a_script_of_zsh,
    the_guide_names_no_option_that_there_is_not,
];

/// The options that a text has: each word that begins with a hyphen and is one.
fn options(text: &str) -> BTreeSet<String> {
    let separators = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let is_option = |word: &&str| match word.strip_prefix("--") {
        Some(name) => name.len() > 1 && !name.starts_with('-') && !name.ends_with('-'),
        None => word.len() == 2 && word.starts_with('-') && !word.ends_with('-'),
    };
    text.split(separators).filter(is_option).map(str::to_owned).collect()
}

pub(crate) fn help() -> String {
    let help = run_mpserv(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    help.stdout
}

/// The options of `--help`: what stands before two spaces, at the start of a line.
pub(crate) fn help_options() -> BTreeSet<String> {
    let help = help();
    let lines = help.lines().filter(|line| line.starts_with("  "));
    let all = lines.flat_map(|line| options(line.trim_start().split("  ").next().unwrap())).collect();
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    all
}

fn the_man_page_has_each_option_of_the_help_and_no_other() {
    let text = file("src/share/mpserv.8");
    // Tags of lists, in mdoc: `.It Fl c , Fl -max-children Ar N`.
    let mut found = BTreeSet::new();
    for tag in text.lines().filter_map(|line| line.strip_prefix(".It ")) {
        let words: Vec<&str> = tag.split(' ').collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "Fl") {
            found.insert(format!("-{}", pair[1]));
        }
    }
    assert_eq!(found, help_options());
}

fn the_man_page_is_written_as_it_should_be() {
    needs_command("mandoc");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/mpserv.8");
    let lint = run(Command::new("mandoc").args(["-T", "lint", "-W", "style"]).arg(&page), Output::Pipe);
    // The page does not depend on the installed manuals.
    let complaints: Vec<&str> =
        lint.stdout.lines().filter(|line| !line.contains("referenced manual not found")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let text = text_of(Command::new("mandoc").args(["-T", "utf8"]).arg(&page));
    assert!(text.lines().count() > 150);
}

fn groff_formats_the_man_page() {
    needs_command("groff");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/mpserv.8");
    let groff = run(Command::new("groff").args(["-mdoc", "-Tutf8", "-ww"]).arg(&page), Output::Pipe);
    let complaints = groff.stderr;
    assert!(groff.status.success() && complaints.is_empty(), "{complaints}");
}

fn completions_have_each_option_of_the_help_and_no_other() {
    let help = help_options();
    let long = |all: &BTreeSet<String>| -> BTreeSet<String> {
        all.iter().filter(|option| option.starts_with("--")).cloned().collect()
    };
    // The words that bash offers, from the script if it says more than a list.
    let bash = file("src/share/completions/mpserv.bash");
    assert_eq!(long(&options(&bash)), long(&help));
    let zsh = file("src/share/completions/_mpserv");
    assert_eq!(options(&zsh.replace("_arguments -s -S", "")), help);
    let fish: BTreeSet<String> = file("src/share/completions/mpserv.fish")
        .lines()
        .flat_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            words
                .windows(2)
                .filter_map(|pair| match pair[0] {
                    "-s" => Some(format!("-{}", pair[1])),
                    "-l" => Some(format!("--{}", pair[1])),
                    _ => None,
                })
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(fish, help);
}

fn completions_complete_in_bash() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/completions");
    let bash = format!(
        "source '{}'; COMP_WORDS=(mpserv --pr); COMP_CWORD=1; _mpserv; echo \"${{COMPREPLY[@]}}\"; \
         COMP_WORDS=(mpserv --log j); COMP_CWORD=2; _mpserv; echo \"${{COMPREPLY[@]}}\"",
        folder.join("mpserv.bash").display()
    );
    assert_eq!(text_of(Command::new("bash").args(["-c", &bash])), "--prefork --proxy-protocol\njson");
    // A directory where it has to be one, and a file as well where it may be.
    let files = TempDir::new();
    std::fs::create_dir(files.join("folder")).unwrap();
    std::fs::write(files.join("file"), "").unwrap();
    for (option, expected) in [("--chroot", &["folder"][..]), ("--rules", &["file", "folder"]), ("--grace", &[])] {
        let script = format!(
            "source '{}'; COMP_WORDS=(mpserv {option} '{}/f'); COMP_CWORD=2; _mpserv; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            folder.join("mpserv.bash").display(),
            files.0.display()
        );
        let text = text_of(Command::new("bash").args(["-c", &script]));
        let mut found: Vec<&str> = text.lines().filter_map(|path| path.rsplit('/').next()).collect();
        found.sort_unstable();
        found.retain(|name| !name.is_empty());
        assert_eq!(found, expected, "{option}");
    }
}

fn completions_complete_in_fish() {
    needs_command("fish");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/completions");
    let home = TempDir::new();
    let script = format!("source '{}'; complete -C 'mpserv --service '", folder.join("mpserv.fish").display());
    let text = text_of(Command::new("fish").args(["--no-config", "-c", &script]).env("HOME", &home.0));
    let words: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["discard", "echo", "rot13"]);
}

fn the_completions_for_zsh_are_a_script_of_zsh() {
    needs_command("zsh");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/completions");
    text_of(Command::new("zsh").arg("-n").arg(folder.join("_mpserv")));
}

fn the_guide_names_no_option_that_there_is_not() {
    let guide = file("src/docs/server.md");
    // The table that compares with other servers has their options as well.
    let ours = &guide[..guide.find("## Coming from another").unwrap()];
    let named: BTreeSet<String> = options(ours).into_iter().filter(|option| option.starts_with("--")).collect();
    let help = help_options();
    let foreign = ["--now", "--kill-whom", "--inetd", "--export-all", "--base-path", "--option"];
    let wrong: Vec<&String> =
        named.iter().filter(|option| !help.contains(*option) && !foreign.contains(&option.as_str())).collect();
    assert!(named.len() >= 12 && wrong.is_empty(), "{wrong:?} of {named:?}");
}
