//! Compares the options in `--help`, the man pages, the completions and the guide, and the version.

use std::collections::{BTreeMap, BTreeSet};
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
    each_shell_completes_the_same_kind_of_value,
    each_shell_describes_an_option_alike,
    a_letter_has_the_same_name_everywhere,
    exit_statuses_in_the_man_pages_are_those_of_the_help,
    defaults_in_the_man_pages_are_those_of_the_help,
    examples_in_the_man_pages_do_what_their_words_say,
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

/// The kind of an option's value that a shell completes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Files,
    Directories,
    Users,
    Words(BTreeSet<String>),
}

/// Returns the kind that the script of bash offers behind an option.
fn kind_in_bash(script: &str, option: &str) -> Kind {
    let (_, cases) = script.split_once("case $before in\n").unwrap();
    let case = cases.split(";;").find(|case| {
        let patterns = case.split(')').next().unwrap().replace(['\\', '\n'], " ");
        patterns.split('|').any(|pattern| pattern.trim() == option)
    });
    let case = case.unwrap_or_else(|| panic!("no {option} in the script of bash"));
    match case.split_once("-W '") {
        Some((_, words)) => words_of(words.split('\'').next().unwrap()),
        None if case.contains(" -f ") => Kind::Files,
        None if case.contains(" -d ") => Kind::Directories,
        None if case.contains(" -u ") => Kind::Users,
        None => Kind::Nothing,
    }
}

fn words_of(words: &str) -> Kind {
    Kind::Words(words.split_whitespace().map(|word| word.trim_end_matches('=').replace("\\:", ":")).collect())
}

fn kind_in_fish(script: &str, name: &str) -> Kind {
    let line = script.lines().find(|line| line.contains(&format!(" -l {name} "))).unwrap();
    match line.split_once(" -a '").map(|(_, rest)| rest.split('\'').next().unwrap()) {
        Some("(__fish_complete_directories)") => Kind::Directories,
        Some("(__fish_complete_users)") => Kind::Users,
        Some(words) => words_of(words),
        None if line.contains(" -r -F ") => Kind::Files,
        None => Kind::Nothing,
    }
}

fn kind_in_zsh(script: &str, option: &str) -> Kind {
    let line = script.lines().find(|line| line.split('[').next().unwrap().contains(option)).unwrap();
    let value = line.split_once("]:").unwrap().1.split('\'').next().unwrap().replace("\\:", "\0");
    match value.split_once(':').map(|(_, action)| action.replace('\0', ":")) {
        None => Kind::Nothing,
        Some(action) => match action.as_str() {
            "_files" => Kind::Files,
            "_directories" => Kind::Directories,
            "_users" => Kind::Users,
            words => words_of(words.trim_matches(['(', ')'])),
        },
    }
}

/// Compares the three completions of each option with a value. Bash breaks words at a colon, and so offers no prefixes.
fn each_shell_completes_the_same_kind_of_value() {
    for (name, program, _) in PROGRAMS {
        let script = |file_name: String| file(&format!("src/share/completions/{file_name}"));
        let [bash, fish, zsh] = [format!("{name}.bash"), format!("{name}.fish"), format!("_{name}")].map(script);
        let help = help_of_program(program);
        let mut count = 0;
        for line in help.lines().filter(|line| line.starts_with("  ") && line.trim_start().starts_with('-')) {
            let head: Vec<&str> = line.trim_start().split("  ").next().unwrap().split([',', ' ']).collect();
            let Some(option) = head.iter().rev().nth(1).filter(|option| option.starts_with("--")) else { continue };
            let expected = kind_in_fish(&fish, &option[2..]);
            assert_eq!(kind_in_zsh(&zsh, option), expected, "{name} {option}: zsh and fish");
            if *option != "--source-prefix" {
                assert_eq!(kind_in_bash(&bash, option), expected, "{name} {option}: bash and fish");
            }
            count += 1;
        }
        assert!(count >= 9, "{name}: {count} options with a value");
    }
}

/// Compares the descriptions in the completions of fish and of zsh. Those of fish begin with a capital.
fn each_shell_describes_an_option_alike() {
    for (name, program, _) in PROGRAMS {
        let between = |line: &str, start: &str, end: char| {
            let (_, rest) = line.split_once(start).unwrap_or_else(|| panic!("{name}: no {start} in {line}"));
            rest.split(end).next().unwrap().to_lowercase()
        };
        let options = |file_name: String, option: &str, ends: [char; 4]| -> Vec<(String, String)> {
            let script = file(&format!("src/share/completions/{file_name}"));
            let lines = script.lines().filter_map(|line| {
                let (_, rest) = line.split_once(option)?;
                Some((rest.split(ends).next()?.to_owned(), line.to_owned()))
            });
            lines.collect()
        };
        let zsh = options(format!("_{name}"), "--", ['[', '}', ')', ' ']);
        let fish = options(format!("{name}.fish"), " -l ", [' '; 4]);
        let of_zsh: BTreeMap<&str, String> =
            zsh.iter().map(|(option, line)| (option.as_str(), between(line, "[", ']'))).collect();
        let of_fish: BTreeMap<&str, String> =
            fish.iter().map(|(option, line)| (option.as_str(), between(line, " -d '", '\''))).collect();
        assert_eq!(of_fish, of_zsh, "{name}");
        let long = options_of_program(program).iter().filter(|option| option.starts_with("--")).count();
        assert_eq!(of_fish.len(), long, "{name}");
    }
}

/// Returns the letters in `--help`, each with its long name.
fn letters(help: &str) -> BTreeSet<(String, String)> {
    let heads = help.lines().filter_map(|line| line.trim_start().strip_prefix('-')?.split_once(", --"));
    let pairs = heads.map(|(letter, rest)| (letter.to_owned(), rest.split([' ', ',']).next().unwrap().to_owned()));
    pairs.collect()
}

fn a_letter_has_the_same_name_everywhere() {
    for (name, program, section) in PROGRAMS {
        let expected = letters(&help_of_program(program));
        assert!(expected.len() >= 7, "{expected:?}");
        let pairs = |text: &str, between: &str, before: &str, ends: [char; 2]| -> BTreeSet<(String, String)> {
            let found = text.lines().filter_map(|line| line.split_once(before)?.1.split_once(between));
            let found = found.filter(|(letter, _)| letter.len() == 1);
            found.map(|(letter, rest)| (letter.to_owned(), rest.split(ends).next().unwrap().to_owned())).collect()
        };
        let manual = file(&format!("src/share/{name}.{section}"));
        assert_eq!(pairs(&manual, " , Fl -", ".It Fl ", [' ', '\n']), expected, "the man page of {name}");
        let fish = file(&format!("src/share/completions/{name}.fish"));
        assert_eq!(pairs(&fish, " -l ", " -s ", [' ', '\n']), expected, "{name} in fish");
        let zsh = file(&format!("src/share/completions/_{name}"));
        assert_eq!(pairs(&zsh, ",--", "{-", ['}', '\n']), expected, "{name} in zsh");
        // An option that may not be repeated excludes both of its names.
        assert!(pairs(&zsh, " --", "'(-", [')', '\n']).is_subset(&expected), "{name} in zsh");
    }
}

/// The words for an exit status in `--help`, and those in the man pages.
const STATUSES: [(&str, &str); 9] = [
    ("told to stop", "told to stop"),
    ("usage", "command line"),
    ("system trouble", "The system refuses"),
    ("system", "A system call failed"),
    ("the same", "same"),
    ("different", "another one"),
    ("trouble", "was not possible"),
    ("all went well", "All went well"),
    ("a connection failed", "connection failed"),
];

/// Compares the numbers in their order and their meanings, and the number for a wrong command line with the one of the
/// program.
fn exit_statuses_in_the_man_pages_are_those_of_the_help() {
    for (name, program, section) in PROGRAMS {
        let help = help_of_program(program);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, shown) = help.split_once("Exit").unwrap();
        let shown = shown.trim_start_matches(" status").trim_start_matches(": ");
        let shown: Vec<(&str, &str)> =
            shown.split(", ").map(|part| part.trim_end_matches('.').split_once(' ').unwrap()).collect();
        let manual = file(&format!("src/share/{name}.{section}"));
        let statuses = manual.split("\n.Sh ").find(|section| section.starts_with("EXIT STATUS")).unwrap();
        let documented: Vec<&str> = statuses.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
        assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), documented, "{name}: {shown:?}");
        for (entry, (number, meaning)) in statuses.split("\n.It ").skip(1).zip(&shown) {
            let (_, words) = STATUSES.iter().find(|(short, _)| short == meaning).unwrap_or_else(|| panic!("{meaning}"));
            assert!(entry.contains(words), "{name}: {number} is {meaning:?} in --help, and in the man page {entry:?}");
        }
        let wrong = run(Command::new(program).arg("--no-such-option"), Output::Pipe).status.code().unwrap().to_string();
        let meaning = shown.iter().find(|(number, _)| *number == wrong).unwrap().1;
        assert!(["usage", "trouble"].contains(&meaning), "{name} --no-such-option: {wrong} {meaning}");
    }
}

/// Compares a default that is one word at the end of an option's text in `--help` with the man page.
fn defaults_in_the_man_pages_are_those_of_the_help() {
    for (name, program, section) in &PROGRAMS[1..] {
        let help = help_of_program(program);
        let options = help.split("\n\n").nth(1).unwrap().lines();
        let mut shown: Vec<(String, String)> = Vec::new();
        for line in options {
            if line.trim_start().starts_with('-') {
                let head = line.trim_start().split("  ").next().unwrap();
                let option = head.split([',', ' ']).find(|word| word.starts_with("--")).unwrap();
                shown.push((option[1..].to_owned(), line.to_owned()));
            } else if let Some((_, text)) = shown.last_mut() {
                text.push_str(line);
            }
        }
        let manual = file(&format!("src/share/{name}.{section}"));
        let mut count = 0;
        for (option, text) in shown {
            let default = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, default)| default);
            let Some(default) = default.filter(|default| !default.contains(' ') && *default != "each") else {
                continue;
            };
            let entry = manual
                .split("\n.It ")
                .find(|entry| entry.lines().next().unwrap().split(' ').any(|word| word == option));
            let entry = entry.unwrap_or_else(|| panic!("no {option} in the man page of {name}"));
            assert!(
                entry.lines().any(|line| line == format!(".Pq {default} .")),
                "{name} -{option} ({default}): {entry}"
            );
            count += 1;
        }
        assert!(count >= 3, "{name}: {count} defaults");
    }
}

/// Numbers as they stand in a text, and in a command.
const NUMBERS: [(&str, &str); 6] = [
    ("five hundred", "500"),
    ("a thousand", "1000"),
    ("five", "5"),
    ("eight", "8"),
    ("an hour", "3600"),
    ("one client", "nc"),
];

/// Checks that a program has each option in the examples of its man page, and that each number in the text above an
/// example is in its commands.
fn examples_in_the_man_pages_do_what_their_words_say() {
    let mut numbers = 0;
    for (name, program, section) in PROGRAMS {
        let known = options_of_program(program);
        let manual = file(&format!("src/share/{name}.{section}"));
        let examples = manual.split("\n.Sh ").find_map(|section| section.strip_prefix("EXAMPLES\n")).unwrap();
        let (mut text, mut commands) = (String::new(), String::new());
        let mut all = Vec::new();
        for line in examples.lines() {
            let is_command =
                line.starts_with(".Dl ") || line.trim_start().starts_with("mpserv") || line.starts_with("kill ");
            if is_command {
                commands += &format!(" {}", line.trim_start_matches(".Dl "));
            } else if !line.starts_with(['.', ' ']) {
                if !commands.is_empty() {
                    all.push((std::mem::take(&mut text), std::mem::take(&mut commands)));
                }
                text += &format!(" {line}");
            } else if line.starts_with(' ') {
                commands += line;
            }
        }
        all.push((text, commands));
        assert!(all.len() >= 3, "{all:?}");
        for (text, commands) in all {
            assert!(commands.contains(name), "{name}: {text} has no command: {commands}");
            let text = NUMBERS.iter().fold(text, |text, (word, number)| text.replace(word, number));
            let words: BTreeSet<&str> = commands.split([' ', ':', '-', '=']).collect();
            for number in text
                .split([' ', ',', ':', '.'])
                .filter(|word| NUMBERS.iter().any(|(_, known)| known == word) || word.parse::<u32>().is_ok())
            {
                assert!(words.contains(number), "{name}: {text} is not {commands}");
                numbers += 1;
            }
            let ours = commands.split(" kill ").next().unwrap().split(" | ").next().unwrap();
            let ours = ours.split('\'').step_by(2).collect::<String>();
            let unknown: Vec<String> = options(&ours).into_iter().filter(|option| !known.contains(option)).collect();
            assert!(unknown.is_empty(), "{name} has no {unknown:?}: {commands}");
        }
    }
    assert!(numbers >= 8, "{numbers}");
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
    let foreign =
        ["--now", "--man", "--kill-whom", "--inetd", "--export-all", "--base-path", "--option", "--system", "--pid"];
    let wrong: Vec<&String> =
        named.iter().filter(|option| !help.contains(*option) && !foreign.contains(&option.as_str())).collect();
    assert!(named.len() >= 12 && wrong.is_empty(), "{wrong:?} of {named:?}");
}
