//! Compares the events of the log, exit codes and variables in the source, the man page and the library's
//! documentation.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::solo::Test;
use crate::{file, tests};

pub(crate) const TESTS: &[Test] = tests![
    events_and_their_fields_are_those_of_the_man_page,
    events_and_their_fields_are_those_of_the_library_documentation,
    events_that_are_not_always_logged_are_marked_in_the_man_page,
    exit_codes_are_those_of_the_man_page,
    variables_that_a_program_does_not_find_are_those_of_the_man_page,
    variables_that_a_program_finds_are_those_of_the_man_page,
    files_in_the_man_page_are_those_of_the_program,
];

/// The events, each with the names of its fields.
pub(crate) type Events = BTreeMap<String, BTreeSet<String>>;

/// Returns the text between the first two quotes.
fn quoted(text: &str) -> &str {
    text.split('"').nth(1).unwrap_or_else(|| panic!("no text in quotes: {text}"))
}

/// Returns the fields that a piece of source adds to a line.
fn fields(source: &str) -> BTreeSet<String> {
    let adds = ["line.text(", "line.number("].into_iter().flat_map(|call| source.split(call).skip(1));
    adds.map(|rest| quoted(rest).to_owned()).collect()
}

/// Returns the events in the source: those of `events.rs`, each with its level, and those that the writer and the
/// throttle log.
pub(crate) fn source_events() -> (Events, BTreeMap<String, BTreeSet<String>>) {
    let (mut events, mut levels) = (Events::new(), Events::new());
    let mut add = |name: &str, fields: BTreeSet<String>, level: &str| {
        events.entry(name.to_owned()).or_default().extend(fields);
        let found = ["Detail", "Connection", "Notice", "Warning"].into_iter().filter(|word| level.contains(word));
        levels.entry(name.to_owned()).or_default().extend(found.map(str::to_owned));
    };
    let source = file("src/server/log/events.rs");
    for call in source.split("self.event(").skip(1) {
        let body = call.split("pub(crate) fn").next().unwrap();
        let head = body.split('|').next().unwrap();
        add(quoted(head), fields(body), head);
    }
    let writer = file("src/server/log/writer.rs");
    let lost = writer.split("self.write(Level::").nth(1).unwrap().lines().next().unwrap();
    add(quoted(lost), fields(lost), lost);
    let throttle = file("src/server/log/throttle.rs");
    let (_, summed) = throttle.split_once("log.event(").unwrap();
    let summary = throttle.split("=> (Level::").skip(1);
    for line in summary.map(|rest| rest.lines().next().unwrap()) {
        add(quoted(line), fields(summed), line);
    }
    (events, levels)
}

/// Returns a section of the man page.
fn section(name: &str) -> String {
    let page = file("src/share/mpserv.8");
    let section = page.split("\n.Sh ").find(|section| section.lines().next() == Some(name));
    section.unwrap_or_else(|| panic!("the man page has no section {name}")).to_owned()
}

/// Returns the tags of a section's lists, each with the lines below it.
fn entries(section: &str) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for line in section.lines() {
        if let Some(tag) = line.strip_prefix(".It ") {
            all.push((tag.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = all.last_mut() {
            lines.push(line.to_owned());
        }
    }
    all
}

/// Returns the arguments of a macro in these lines. The macro may stand in parentheses.
fn words_of(lines: &[String], name: &str) -> BTreeSet<String> {
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphanumeric());
    let of_macro = lines.iter().filter_map(|line| {
        let line = line.strip_prefix(".Pq ").or_else(|| line.strip_prefix('.'))?;
        line.strip_prefix(name)?.strip_prefix(' ')
    });
    of_macro.flat_map(|rest| rest.split(' ').filter(is_word)).map(str::to_owned).collect()
}

fn events_and_their_fields_are_those_of_the_man_page() {
    let documented: Events = entries(&section("LOG"))
        .into_iter()
        .map(|(tag, lines)| (tag.split(' ').nth(1).unwrap().to_owned(), words_of(&lines, "Va")))
        .collect();
    let (mut events, _) = source_events();
    // The page describes only once, for all events, the fields of a line that sums up other events.
    for (event, fields) in &mut events {
        if documented.get(event).is_some_and(|documented| !documented.contains("why")) {
            fields.remove("why");
        }
    }
    assert!(events.len() >= 24, "{events:#?}");
    assert_eq!(documented, events);
}

fn events_and_their_fields_are_those_of_the_library_documentation() {
    let module = file("src/server/mod.rs");
    let (_, table) = module.split_once("//! | event |").unwrap();
    let mut documented = Events::new();
    for row in table.lines().skip(2).map_while(|line| line.strip_prefix("//! | `")) {
        let (event, text) = row.split_once('`').unwrap();
        documented.insert(event.to_owned(), text.split('`').skip(1).step_by(2).map(str::to_owned).collect());
    }
    let (mut events, _) = source_events();
    for (event, fields) in &mut events {
        if documented.get(event).is_some_and(|documented| !documented.contains("why")) {
            fields.remove("why");
        }
    }
    assert_eq!(documented, events);
}

fn events_that_are_not_always_logged_are_marked_in_the_man_page() {
    let (_, levels) = source_events();
    for (tag, _) in entries(&section("LOG")) {
        let (event, mark) = tag.strip_prefix("Li ").unwrap().split_once(' ').unwrap_or((&tag[3..], ""));
        let only = |level: &str| levels[event].len() == 1 && levels[event].contains(level);
        let expected = match () {
            () if only("Detail") => "Pq with Fl v",
            () if only("Connection") => "Pq not with Fl q",
            () => "",
        };
        assert_eq!(mark, expected, "{event}: {:?}", levels[event]);
    }
}

/// Returns a file's constants whose names contain `name`, with their values.
fn constants(path: &str, name: &str) -> BTreeMap<String, u32> {
    let source = file(path);
    let constants = source.lines().filter_map(|line| {
        let (name, rest) =
            line.strip_prefix("pub ").unwrap_or(line).strip_prefix("const ")?.split_once(": c_int = ")?;
        Some((name.to_owned(), rest.trim_end_matches(';').parse().ok()?))
    });
    constants.filter(|(found, _)| found.contains(name)).collect()
}

fn exit_codes_are_those_of_the_man_page() {
    let documented = |name: &str| -> BTreeMap<u32, Vec<String>> {
        let numbers = entries(&section(name)).into_iter();
        numbers.filter_map(|(tag, lines)| Some((tag.parse().ok()?, lines))).collect()
    };
    let server: BTreeSet<u32> = constants("src/bin/mpserv/main.rs", "").into_values().collect();
    assert_eq!(documented("EXIT STATUS").into_keys().collect::<BTreeSet<u32>>(), server);
    assert_eq!(server, [0, 100, 111].into());
    let codes = constants("src/server/limits.rs", "EXIT_");
    let of_children = documented("DIAGNOSTICS");
    assert_eq!(of_children.keys().copied().collect::<BTreeSet<u32>>(), codes.values().copied().collect());
    // The name of each constant is the meaning that the log shows.
    let limits = file("src/server/limits.rs");
    let names = limits.lines().filter_map(|line| line.trim().split_once(" => Some("));
    let names: BTreeMap<u32, &str> = names.map(|(code, name)| (codes[code], quoted(name))).collect();
    assert_eq!(names.len() + 1, codes.len(), "{names:?}");
    for (code, lines) in &of_children {
        let named = lines[0].strip_prefix(".Li ").map(|name| name.trim_end_matches(" :"));
        assert_eq!(named, names.get(code).copied(), "{code}: {lines:?}");
    }
}

/// Returns the texts of the constant with this name.
fn list(source: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = source.split_once(&format!("const {name}: ")).unwrap();
    let (_, values) = rest.split_once("= ").unwrap();
    values.split(';').next().unwrap().split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn variables_that_a_program_does_not_find_are_those_of_the_man_page() {
    let page = section("ENVIRONMENT");
    let (_, removed) = page.split_once("A program does not find").unwrap();
    let (removed, _) = removed.split_once("itself uses").unwrap();
    let lines: Vec<String> = removed.lines().map(str::to_owned).collect();
    let mut documented = words_of(&lines, "Ev");
    let suffixes = words_of(&lines, "Li");
    let environment = file("src/server/child/environment.rs");
    let protocols = list(&environment, "PROTOCOLS");
    assert_eq!(protocols.len(), 5);
    for protocol in &protocols {
        assert!(documented.remove(protocol), "{protocol}");
    }
    assert!(list(&environment, "ABOUT_CONNECTION").is_subset(&suffixes), "{suffixes:?}");
    let mut expected = list(&environment, "ABOUT_OTHERS");
    // PROTO is no such variable: the server sets PROTO for the program's own client.
    assert!(expected.remove("PROTO"));
    expected.extend(list(&file("src/server/systemd.rs"), "VARIABLES"));
    expected.extend(list(&file("src/server/inherited.rs"), "RESTART_VARIABLE"));
    assert_eq!(documented, expected);
}

/// Compares the variables about a client of each kind, those about the user, and those that the server itself uses.
fn variables_that_a_program_finds_are_those_of_the_man_page() {
    let page = section("ENVIRONMENT");
    let (found, rest) = page.split_once("A program does not find").unwrap();
    let (inet, rest_of_found) = found.split_once("and of a Unix socket").unwrap();
    let (unix, user) = rest_of_found.split_once(".El").unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let source = file("src/server/child/environment.rs");
    let (_, of_clients) = source.split_once("Peer::Inet(remote) =>").unwrap();
    let (of_inet, of_unix) = of_clients.split_once("Peer::Unix(").unwrap();
    let (of_unix, _) = of_unix.split_once("Peer::Unknown").unwrap();
    let set = |text: &str| -> BTreeSet<String> {
        let names = text.split('"').skip(1).step_by(2).map(|text| text.split_once('=').unwrap().0.to_owned());
        names.collect()
    };
    assert_eq!((set(of_inet).len(), set(of_unix).len()), (6, 4));
    let guide = file("src/docs/server.md");
    for (names, documented) in [(set(of_inet), inet), (set(of_unix), unix)] {
        assert_eq!(words_of(&lines(documented), "It Ev"), names);
        for name in names {
            assert!(guide.contains(&format!("`{name}")), "the guide to the server does not name {name}");
        }
    }
    assert_eq!(words_of(&lines(user), "Ev"), list(&source, "ABOUT_USER"));
    let (_, used) = rest.split_once("itself uses").unwrap();
    let sources = ["systemd.rs", "listener/listeners.rs", "inherited.rs", "log/writer.rs", "child/executable.rs"];
    let sources = sources.map(|name| file(&format!("src/server/{name}"))).concat();
    let used = words_of(&lines(used), "It Ev");
    for name in &used {
        assert!(sources.contains(&format!("\"{name}\"")), "the server does not use {name}");
    }
    let expected = "JOURNAL_STREAM LISTEN_FDNAMES LISTEN_FDS LISTEN_PID MPSERV_INHERIT NOTIFY_SOCKET PATH WATCHDOG_PID \
                    WATCHDOG_USEC";
    assert_eq!(used, expected.split(' ').map(str::to_owned).collect());
}

fn files_in_the_man_page_are_those_of_the_program() {
    let tags: Vec<String> = entries(&section("FILES")).into_iter().map(|(tag, _)| tag).collect();
    let constant = |path: &str, before: &str| {
        let source = file(path);
        let (_, rest) = source.split_once(before).unwrap_or_else(|| panic!("no {before} in {path}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let suffix = constant("src/server/listener/unix.rs", "LOCK_SUFFIX: &[u8] = b\"");
    let daemon = constant("src/server/log/daemon.rs", "UnixAddr::new(c\"");
    // `install.rs` checks the place of the filter, and `values.rs` that of the configuration.
    let filter = "PREFIX/share/mpserv/fail2ban.conf";
    let expected = [
        "Pa /etc/mpserv/NAME.conf".to_owned(),
        format!("Pa {filter}"),
        format!("Ar PATH Ns Pa {suffix}"),
        format!("Pa {daemon}"),
        "Pa /proc".to_owned(),
    ];
    assert_eq!(tags, expected);
    let page = file("src/share/mpserv.8");
    for rest in page.split("Ar PATH Ns Pa ").skip(1) {
        assert_eq!(rest.split_whitespace().next(), Some(suffix.as_str()), "{rest:.40}");
    }
    let sentence = format!("`make install` puts a filter into `{filter}`");
    assert!(file("src/docs/server.md").contains(&sentence), "the guide to the server does not say {sentence:?}");
}
