//! What is said of mpserv's options, in each place where something is said: `--help`, the man page, completions for
//! three shells, the README; and what `make install` makes of it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::server::*;
use common::*;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The options that a text has: each word that begins with a hyphen and is one.
fn options(text: &str) -> BTreeSet<String> {
    let separators = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let is_option = |word: &&str| match word.strip_prefix("--") {
        Some(name) => name.len() > 1 && !name.starts_with('-') && !name.ends_with('-'),
        None => word.len() == 2 && word.starts_with('-') && !word.ends_with('-'),
    };
    text.split(separators).filter(is_option).map(str::to_owned).collect()
}

fn help() -> String {
    let help = run_mpserv(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    help.stdout
}

/// The options of `--help`: what stands before two spaces, at the start of a line.
fn help_options() -> BTreeSet<String> {
    let help = help();
    let lines = help.lines().filter(|line| line.starts_with("  "));
    let all = lines.flat_map(|line| options(line.trim_start().split("  ").next().unwrap())).collect();
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    all
}

#[test]
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

#[test]
fn the_man_page_is_written_as_it_should_be() {
    if !has_command("mandoc", "mandoc") {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/mpserv.8");
    let lint = Command::new("mandoc").args(["-T", "lint", "-W", "style"]).arg(&page).output().unwrap();
    // Whether other pages are on this machine is no matter of this one.
    let complaints = String::from_utf8(lint.stdout).unwrap();
    assert!(lint.status.success() && complaints.is_empty(), "{complaints}");
    let text = Command::new("mandoc").args(["-T", "utf8"]).arg(&page).output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).lines().count() > 150);
    if has_command("groff", "groff") {
        let groff = Command::new("groff").args(["-mdoc", "-Tutf8", "-ww"]).arg(&page).output().unwrap();
        let complaints = String::from_utf8(groff.stderr).unwrap();
        assert!(groff.status.success() && complaints.is_empty(), "{complaints}");
    }
}

#[test]
fn completions_have_each_option_of_the_help_and_no_other() {
    let help = help_options();
    let long = |all: &BTreeSet<String>| -> BTreeSet<String> {
        all.iter().filter(|option| option.starts_with("--")).cloned().collect()
    };
    // What is offered, by the shells' own words where they say more than a list.
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

#[test]
fn completions_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/completions");
    let bash = format!(
        "source '{}'; COMP_WORDS=(mpserv --pr); COMP_CWORD=1; _mpserv; echo \"${{COMPREPLY[@]}}\"; \
         COMP_WORDS=(mpserv --log j); COMP_CWORD=2; _mpserv; echo \"${{COMPREPLY[@]}}\"",
        folder.join("mpserv.bash").display()
    );
    let output = Command::new("bash").args(["-c", &bash]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "--prefork --proxy-protocol\njson\n");
    if has_command("fish", "fish") {
        let home = TempDir::new();
        let script = format!("source '{}'; complete -C 'mpserv --service '", folder.join("mpserv.fish").display());
        let output = Command::new("fish").args(["--no-config", "-c", &script]).env("HOME", &home.0).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, ["discard", "echo", "rot13"], "{}", String::from_utf8_lossy(&output.stderr));
    }
    if has_command("zsh", "zsh") {
        let check = Command::new("zsh").arg("-n").arg(folder.join("_mpserv")).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

#[test]
fn the_readme_names_no_option_that_there_is_not() {
    let readme = file("README.md");
    let start = readme.find("## For operators\n").unwrap();
    let chapter = &readme[start..];
    let chapter = &chapter[..chapter[3..].find("\n## ").map_or(chapter.len(), |end| end + 3)];
    let named: BTreeSet<String> = options(chapter).into_iter().filter(|option| option.starts_with("--")).collect();
    let help = help_options();
    let wrong: Vec<&String> = named.iter().filter(|option| !help.contains(*option) && *option != "--now").collect();
    assert!(named.len() >= 12 && wrong.is_empty(), "{wrong:?} of {named:?}");
}

#[test]
fn units_are_what_systemd_takes() {
    if !has_command("systemd-analyze", "systemd") {
        return;
    }
    let folder = TempDir::new();
    let unit = file("src/share/systemd/mpserv@.service");
    assert!(unit.contains("ExecStart=@BINDIR@/mpserv "));
    let folder_of_program = Path::new(MPSERV).parent().unwrap().to_str().unwrap().to_owned();
    let service = folder.join("mpserv@.service");
    fs::write(&service, unit.replace("@BINDIR@", &folder_of_program)).unwrap();
    let socket = folder.join("mpserv.socket");
    fs::write(&socket, file("src/share/systemd/mpserv.socket")).unwrap();
    let verify =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).args([&service, &socket]).output().unwrap();
    let complaints = String::from_utf8(verify.stderr).unwrap();
    // What it has to say of other units on this machine is no matter of these.
    let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("mpserv")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{complaints}");
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn what_is_installed_runs_and_is_uninstalled() {
    let root = TempDir::new();
    // What is built is not the matter here: the program that is tested stands in for the release.
    let target = root.join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    fs::copy(MPSERV, target.join("release/mpserv")).unwrap();
    let destination = root.join("destination");
    let make = |goal: &str| {
        let mut command = Command::new("make");
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args([goal, "--old-file=release", "PREFIX=/usr"]);
        command.arg(format!("TARGET={}", target.display())).arg(format!("DESTDIR={}", destination.display()));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    make("install");
    let installed: Vec<String> = files(&destination)
        .iter()
        .map(|path| path.strip_prefix(&destination).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        installed,
        [
            "usr/bin/mpserv",
            "usr/lib/systemd/system/mpserv.socket",
            "usr/lib/systemd/system/mpserv@.service",
            "usr/share/bash-completion/completions/mpserv",
            "usr/share/fish/vendor_completions.d/mpserv.fish",
            "usr/share/man/man8/mpserv.8",
            "usr/share/zsh/site-functions/_mpserv",
        ]
    );
    let unit = fs::read_to_string(destination.join("usr/lib/systemd/system/mpserv@.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/mpserv ") && !unit.contains("@BINDIR@"), "{unit}");
    let mut command = Command::new(destination.join("usr/bin/mpserv"));
    let server = Served::start_command(command.args(["-1", "127.0.0.1:0"]));
    drop(server.client());
    server.stop();
    // What was not installed by us stays.
    let foreign = destination.join("usr/share/man/man8/other.8");
    fs::write(&foreign, "").unwrap();
    make("uninstall");
    assert_eq!(files(&destination), std::slice::from_ref(&foreign));
    fs::remove_file(foreign).unwrap();
}
