//! Compares the options in `--help`, the man pages, the completions and the guide, and the version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![
    man_pages_have_each_option_of_the_help_and_no_other,
    man_pages_are_written_as_they_should_be,
    groff_formats_the_man_pages,
    the_version_is_the_packages_everywhere,
    completions_have_each_option_of_the_help_and_no_other,
    completions_know_which_options_take_a_value,
    completions_complete_in_bash,
    completions_complete_in_fish,
    completions_for_zsh_are_scripts_of_zsh,
    completions_of_the_tools_complete_in_bash,
    completions_have_the_values_of_the_audit,
    the_guide_names_no_option_that_there_is_not,
];

/// The programs that are installed: the name, the file, and the section of the man page.
pub(crate) const PROGRAMS: [(&str, &str, &str); 3] = [
    ("mpserv", MPSERV, "8"),
    ("mpserv-audit", env!("CARGO_BIN_EXE_mpserv-audit"), "1"),
    ("mpserv-load", env!("CARGO_BIN_EXE_mpserv-load"), "1"),
];

fn share(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share").join(name)
}

/// Returns the options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let separators = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let is_option = |word: &&str| match word.strip_prefix("--") {
        Some(name) => !name.is_empty() && !name.starts_with('-') && !name.ends_with('-'),
        None => word.len() == 2 && word.starts_with('-') && !word.ends_with('-'),
    };
    text.split(separators).filter(is_option).map(str::to_owned).collect()
}

/// Returns the text of `mpserv --help`.
pub(crate) fn help() -> String {
    help_of_program(MPSERV)
}

fn help_of_program(program: &str) -> String {
    let help = run(Command::new(program).arg("--help"), Output::Pipe);
    assert_eq!(help.status.code(), Some(0));
    help.stdout
}

/// Returns the options of `mpserv --help`.
pub(crate) fn help_options() -> BTreeSet<String> {
    options_of_program(MPSERV)
}

/// Returns the options of `--help`: the text before two spaces, at the start of a line.
fn options_of_program(program: &str) -> BTreeSet<String> {
    let help = help_of_program(program);
    let lines = help.lines().filter(|line| line.starts_with("  ") && line.trim_start().starts_with('-'));
    let all: BTreeSet<String> = lines.flat_map(|line| options(line.trim_start().split("  ").next().unwrap())).collect();
    assert!(all.len() > 20 && help.lines().all(|line| line.chars().count() <= 80), "{help}");
    all
}

fn man_pages_have_each_option_of_the_help_and_no_other() {
    for (name, program, section) in PROGRAMS {
        let text = file(&format!("src/share/{name}.{section}"));
        // Options are tags of lists in mdoc, such as `.It Fl c , Fl -max-children Ar N`.
        let mut found = BTreeSet::new();
        for tag in text.lines().filter_map(|line| line.strip_prefix(".It ")) {
            let words: Vec<&str> = tag.split(' ').collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "Fl") {
                found.insert(format!("-{}", pair[1]));
            }
        }
        assert_eq!(found, options_of_program(program), "{name}");
        for part in ["SYNOPSIS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            assert!(text.contains(&format!("\n.Sh {part}\n")), "{name}({section}) has no {part}");
        }
    }
}

fn man_pages_are_written_as_they_should_be() {
    needs_command("mandoc");
    for (name, _, section) in PROGRAMS {
        let page = share(&format!("{name}.{section}"));
        let lint = run(Command::new("mandoc").args(["-T", "lint", "-W", "style"]).arg(&page), Output::Pipe);
        // The page does not depend on the installed manuals.
        let complaints: Vec<&str> =
            lint.stdout.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let text = text_of(Command::new("mandoc").args(["-T", "utf8"]).arg(&page));
        assert!(text.lines().count() > 80, "{text}");
    }
}

fn groff_formats_the_man_pages() {
    needs_command("groff");
    for (name, _, section) in PROGRAMS {
        let page = share(&format!("{name}.{section}"));
        let groff = run(Command::new("groff").args(["-mdoc", "-Tutf8", "-ww"]).arg(&page), Output::Pipe);
        let complaints = groff.stderr;
        assert!(groff.status.success() && complaints.is_empty(), "{complaints}");
    }
}

/// Compares the version. `make install` puts the version into the man pages: see `install.rs`.
fn the_version_is_the_packages_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, program, section) in PROGRAMS {
        assert_eq!(text_of(Command::new(program).arg("--version")), format!("{name} {version}"));
        assert!(file(&format!("src/share/{name}.{section}")).contains("\n.Os mpserv @VERSION@\n"), "{name}");
    }
    let changes = file("CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## [")).unwrap();
    assert!(newest.starts_with(&format!("{version}] - 20")), "the newest version of CHANGELOG.md is [{newest}");
}

fn completions_have_each_option_of_the_help_and_no_other() {
    for (name, program, _) in PROGRAMS {
        let help = options_of_program(program);
        let long = |all: &BTreeSet<String>| -> BTreeSet<String> {
            all.iter().filter(|option| option.starts_with("--")).cloned().collect()
        };
        // The words are those that bash offers. The test runs a script that does more than list words.
        let bash = file(&format!("src/share/completions/{name}.bash"));
        let (_, offered) = bash.rsplit_once("-*)").unwrap();
        assert_eq!(long(&options(offered.split("-- ").next().unwrap())), long(&help), "{name}");
        assert!(long(&options(&bash.replace("-- ", ""))).is_subset(&long(&help)), "{name}");
        let zsh = file(&format!("src/share/completions/_{name}"));
        assert_eq!(options(&zsh.replace("_arguments -s -S", "")), help, "{name}");
        let fish: BTreeSet<String> = file(&format!("src/share/completions/{name}.fish"))
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
        assert_eq!(fish, help, "{name}");
    }
}

/// Returns the words that bash offers for the last of these words.
fn offered_by_bash(name: &str, words: &str) -> String {
    let script = format!(
        "source '{}'; COMP_WORDS=({name} {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _{}; echo \"${{COMPREPLY[@]}}\"",
        share(&format!("completions/{name}.bash")).display(),
        name.replace('-', "_")
    );
    text_of(Command::new("bash").args(["-c", &script]))
}

/// Checks that each completion knows which options take a value, under each of their names. Behind such an option, bash
/// must offer no option.
fn completions_know_which_options_take_a_value() {
    for (name, program, _) in PROGRAMS {
        let help = help_of_program(program);
        let lines = help.lines().filter(|line| line.starts_with("  ") && line.trim_start().starts_with('-'));
        let [mut with, mut all] = [(); 2].map(|()| BTreeSet::new());
        for line in lines {
            // A value stands behind the names, as in `-b, --backlog N`.
            let head = line.trim_start().split("  ").next().unwrap();
            let named: Vec<String> =
                head.split([',', ' ']).filter(|word| word.starts_with('-')).map(str::to_owned).collect();
            if !head.rsplit(' ').next().unwrap().starts_with('-') {
                with.extend(named.clone());
            }
            all.extend(named);
        }
        assert!(with.len() > 5 && with.len() < all.len(), "{help}");
        let list = all.iter().cloned().collect::<Vec<_>>().join(" ");
        let script = format!(
            "source '{}'; for option in {list}; do COMP_WORDS=({name} $option --); COMP_CWORD=2; _{}; \
             [[ \" ${{COMPREPLY[*]}}\" = *' --'* ]] || printf '%s\\n' $option; done",
            share(&format!("completions/{name}.bash")).display(),
            name.replace('-', "_")
        );
        let bash = text_of(Command::new("bash").args(["-c", &script]));
        assert_eq!(bash.lines().map(str::to_owned).collect::<BTreeSet<_>>(), with, "{name} in bash");
        let zsh = file(&format!("src/share/completions/_{name}"));
        let takes = |line: &&str| line.split_once(']').is_some_and(|(_, rest)| rest.starts_with(':'));
        let specified = zsh.lines().filter(takes).flat_map(|line| options(line.split('[').next().unwrap()));
        assert_eq!(specified.collect::<BTreeSet<_>>(), with, "{name} in zsh");
        let fish = file(&format!("src/share/completions/{name}.fish"));
        let takes = |line: &&str| line.contains(" -x ") || line.contains(" -r ");
        let mut found = BTreeSet::new();
        for line in fish.lines().filter(takes) {
            let words: Vec<&str> = line.split(' ').collect();
            for pair in words.windows(2) {
                let dashes = match pair[0] {
                    "-s" => "-",
                    "-l" => "--",
                    _ => continue,
                };
                found.insert(format!("{dashes}{}", pair[1]));
            }
        }
        assert_eq!(found, with, "{name} in fish");
    }
}

fn completions_of_the_tools_complete_in_bash() {
    assert_eq!(offered_by_bash("mpserv-load", "--re"), "--reset");
    assert_eq!(offered_by_bash("mpserv-load", "--count 1"), "");
    assert_eq!(offered_by_bash("mpserv-audit", "--s"), "--signal --stdout --sources --save");
    assert_eq!(offered_by_bash("mpserv-audit", "--from e"), "execve");
    assert_eq!(offered_by_bash("mpserv-audit", "echo_"), "echo_mpserv echo_mpclient");
}

/// Checks the values of options. When the audit gets a wrong value, it lists the right values.
fn completions_have_the_values_of_the_audit() {
    let audit = PROGRAMS[1].1;
    let scripts = ["mpserv-audit.bash", "mpserv-audit.fish", "_mpserv-audit"]
        .map(|name| file(&format!("src/share/completions/{name}")));
    for option in ["--accept", "--faults", "--from", "--stdout"] {
        let refused = run(Command::new(audit).args([option, "?"]), Output::Pipe).stderr;
        let (_, values) = refused.split(';').next().unwrap().split_once("?: ").unwrap();
        let values: Vec<&str> = values
            .trim_start_matches("not one of ")
            .split([',', ' '])
            .filter(|word| !["", "or"].contains(word))
            .collect();
        assert!(values.len() > 1, "{refused}");
        let values = values.join(" ");
        let (bash, zsh) =
            (format!("{option}) mapfile -t COMPREPLY < <(compgen -W '{values}'"), format!(":({values})'"));
        let fish = format!("-l {} -x -a '{values}'", &option[2..]);
        for (script, part) in scripts.iter().zip([bash, fish, zsh]) {
            assert!(script.contains(&part), "{part:?} is not in {script}");
        }
    }
    // Check the programs as well, and the server, which --faults takes.
    let refused = run(Command::new(audit).arg("?"), Output::Pipe).stderr;
    let programs = format!("{} mpserv", refused.split_once("not one of ").unwrap().1.trim().replace(',', ""));
    for script in &scripts {
        let words = script.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&programs), "{programs:?} is not in {script}");
    }
}

fn completions_complete_in_bash() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/completions");
    let bash = format!(
        "source '{}'; COMP_WORDS=(mpserv --pr); COMP_CWORD=1; _mpserv; echo \"${{COMPREPLY[@]}}\"; \
         COMP_WORDS=(mpserv --log j); COMP_CWORD=2; _mpserv; echo \"${{COMPREPLY[@]}}\"",
        folder.join("mpserv.bash").display()
    );
    assert_eq!(text_of(Command::new("bash").args(["-c", &bash])), "--prefork --proxy-protocol\njson");
    // Offer directories if an option needs one, and files as well if the option takes a file.
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
    let home = TempDir::new();
    for (name, line, expected) in [
        ("mpserv", "--service ", &["discard", "echo", "rot13"][..]),
        ("mpserv-audit", "--faults ", &["all", "part"]),
        ("mpserv-load", "--rese", &["--reset"]),
    ] {
        let file = share(&format!("completions/{name}.fish"));
        let script = format!("source '{}'; complete -C '{name} {line}'", file.display());
        let text = text_of(Command::new("fish").args(["--no-config", "-c", &script]).env("HOME", &home.0));
        let words: Vec<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, expected, "{name}");
    }
}

fn completions_for_zsh_are_scripts_of_zsh() {
    needs_command("zsh");
    for (name, _, _) in PROGRAMS {
        text_of(Command::new("zsh").arg("-n").arg(share(&format!("completions/_{name}"))));
    }
}

fn the_guide_names_no_option_that_there_is_not() {
    let guide = file("src/docs/server.md");
    // The table with other servers also has their options.
    let ours = &guide[..guide.find("## Coming from another").unwrap()];
    let named: BTreeSet<String> = options(ours).into_iter().filter(|option| option.starts_with("--")).collect();
    let help = help_options();
    let foreign = ["--now", "--man", "--kill-whom", "--inetd", "--export-all", "--base-path", "--option", "--system"];
    let wrong: Vec<&String> =
        named.iter().filter(|option| !help.contains(*option) && !foreign.contains(&option.as_str())).collect();
    assert!(named.len() >= 12 && wrong.is_empty(), "{wrong:?} of {named:?}");
}
