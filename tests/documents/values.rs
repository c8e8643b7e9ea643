//! Compares the program's defaults, limits and values with those in `--help`, the man page, the completions and the
//! units.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::options::{help, help_options};
use crate::{file, tests};
use mpserv::server::limits::{
    ACCEPTS_IN_A_ROW, BACKLOG_DEFAULT, CLIENT_KEPT, CLOSE_WITHIN, CRASH_PAUSE, CRASH_PAUSE_MAX, EARLIER_ENDS_WITHIN,
    EARLIER_MAX, EXIT_PANICKED, EXIT_REFUSED, EXIT_UNFIT, GRACE_DEFAULT, HEADER_PATIENCE, KILL_AFTER, LOG_PATIENCE,
    MAX_CHILDREN_DEFAULT, POOL_TICK, READY_WITHIN, REAP_WITHIN, RETRY_EVERY, SOURCE_PREFIX_V4, SOURCE_PREFIX_V6,
    STATUS_EVERY, SYSLOG_WARN, THROTTLE_PERIOD, YOUNGEST,
};
use mpserv::server::proxy_protocol::TIME_LIMIT;

pub(crate) const TESTS: &[Test] = tests![
    the_server_has_the_defaults_that_are_documented,
    defaults_are_the_same_everywhere,
    choices_are_the_same_everywhere,
    options_with_an_argument_are_the_same_everywhere,
    options_that_may_be_repeated_are_offered_again_in_zsh,
    numbers_in_the_man_page_are_those_of_the_program,
    numbers_in_the_guides_are_those_of_the_program,
    units_and_permissions_are_the_same_in_each_document,
    signals_in_the_man_page_are_those_of_the_help,
    a_signal_has_the_same_effect_in_each_document,
    requirements_are_the_same_in_each_document,
    the_service_unit_fits_the_program,
    the_stop_command_of_the_units_waits_for_the_end,
    the_configuration_of_the_unit_names_address_options_and_program,
    the_socket_unit_fits_the_service_unit,
];

/// Returns the defaults in the form that documents show.
fn defaults() -> BTreeMap<&'static str, String> {
    [
        ("--max-children", MAX_CHILDREN_DEFAULT.to_string()),
        ("--source-prefix", format!("{SOURCE_PREFIX_V4}:{SOURCE_PREFIX_V6}")),
        ("--backlog", BACKLOG_DEFAULT.to_string()),
        ("--grace", GRACE_DEFAULT.as_secs().to_string()),
        ("--orphans", "end".to_owned()),
        ("--keepalive", "on".to_owned()),
        ("--log", "text".to_owned()),
    ]
    .into()
}

fn the_server_has_the_defaults_that_are_documented() {
    let defaults = defaults();
    // A client that is still connected makes the server wait until the grace is over.
    let folder = TempDir::new();
    let options = ["-e", "trace=setsockopt,listen"];
    let server = Served::start_command(&mut traced(&options, &folder.join("trace"), &["127.0.0.1:0"]));
    let client = server.client();
    assert_eq!(server.wait_events("start", 1)[0].get("limit"), defaults["--max-children"]);
    server.running.signal(mpserv::signal::Signal::TERM);
    let stop = server.wait_events("stop", 1);
    assert_eq!(stop[0].get("grace"), format!("{}.000", defaults["--grace"]));
    drop(client);
    assert_eq!(server.running.wait().status.code(), Some(0));
    let trace = std::fs::read_to_string(folder.join("trace")).unwrap();
    assert!(trace.contains(&format!(", {})", defaults["--backlog"])), "{trace}");
    assert!(trace.contains("SO_KEEPALIVE, [1]"), "{trace}");
}

/// Returns the lines of `--help` about an option.
fn help_of(option: &str) -> String {
    let help = help();
    let start = help.find(&format!("{option} ")).unwrap_or_else(|| panic!("no {option} in {help}"));
    let text = &help[start..];
    let end = text.lines().skip(1).scan(text.lines().next().unwrap().len(), |length, line| {
        let before = *length;
        *length += 1 + line.len();
        Some((before, line))
    });
    let end = end.skip_while(|(_, line)| line.starts_with("           ")).map(|(before, _)| before).next();
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Returns the entry of an option in the man page, without its macros.
fn manual_of(option: &str) -> String {
    let page = file("src/share/mpserv.8");
    let tag = format!("Fl {}", &option[1..]);
    let entry = page.split("\n.It ").find(|entry| {
        entry.lines().next().unwrap().split(" Ns").next().unwrap().split(" Ar").next().unwrap().contains(&tag)
    });
    let entry = entry.unwrap_or_else(|| panic!("no {option} in the man page"));
    entry.split("\n.El").next().unwrap().to_owned()
}

fn defaults_are_the_same_everywhere() {
    for (option, default) in defaults() {
        let help = help_of(option);
        let (shown, what) = (format!("({default})"), format!("the default of {option}"));
        assert!(help.contains(&shown), "{what} in --help is not {default}: {help}");
        let manual = manual_of(option);
        // A default that is a word stands as `.Pq text` or as `.Pq Cm text`.
        let shown = [shown, format!(".Pq {default}"), format!(".Pq Cm {default}")];
        assert!(shown.iter().any(|shown| manual.contains(shown)), "{what} in the man page is not {default}: {manual}");
    }
    // Another text in parentheses must not be another default.
    let help = help();
    let numbers = help.split('(').skip(1).filter_map(|rest| rest.split(')').next()?.parse::<u64>().ok());
    let expected: BTreeSet<u64> = defaults().values().filter_map(|value| value.parse().ok()).collect();
    assert_eq!(numbers.collect::<BTreeSet<u64>>(), expected);
}

/// Returns the allowed values of an option, from the error for a wrong value.
fn choices(option: &str) -> BTreeSet<String> {
    let said = run_mpserv(&[option, "?=1", "0"]).stderr;
    let list = said.split_once("it is ").or_else(|| said.split_once("one of as")).map(|(_, list)| list.trim());
    let list = list.unwrap_or_else(|| panic!("{option}: {said}"));
    let mut all: BTreeSet<String> =
        list.split([' ', ',']).filter(|word| !["", "or"].contains(word)).map(str::to_owned).collect();
    if option == "--rlimit" {
        all.insert("as".to_owned());
    }
    all
}

fn choices_are_the_same_everywhere() {
    let completions =
        ["mpserv.bash", "mpserv.fish", "_mpserv"].map(|name| file(&format!("src/share/completions/{name}")));
    for option in ["--service", "--log", "--log-time", "--orphans", "--keepalive", "--rlimit"] {
        let expected = choices(option);
        assert!(expected.len() >= 2, "{option}: {expected:?}");
        let words = |text: &str| -> BTreeSet<String> {
            text.split_whitespace().map(|word| word.trim_end_matches('=').to_owned()).collect()
        };
        let between = |text: &str, before: &str, start: &str, end: &str| -> BTreeSet<String> {
            let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}"));
            let (_, rest) = rest.split_once(start).unwrap_or_else(|| panic!("no {start} after {before}"));
            words(rest.split(end).next().unwrap())
        };
        let name = &option[2..];
        let bash = between(&completions[0], &format!("    {option})"), "-W '", "'");
        let fish = between(&completions[1], &format!("-l {name} "), "-a '", "'");
        let zsh = between(&completions[2], &format!("{option}["), ":(", ")");
        for (shell, found) in [("bash", bash), ("fish", fish), ("zsh", zsh)] {
            assert_eq!(found, expected, "{option} in the completions for {shell}");
        }
        let manual = manual_of(option);
        let text: BTreeSet<&str> = manual.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let missing: Vec<&String> = expected.iter().filter(|value| !text.contains(value.as_str())).collect();
        assert!(missing.is_empty(), "{option}: the man page lacks {missing:?}");
        // --help has room for only a few of the many values.
        if option != "--rlimit" {
            let help = help_of(option);
            let missing: Vec<&String> = expected.iter().filter(|value| !help.contains(value.as_str())).collect();
            assert!(missing.is_empty(), "{option}: --help lacks {missing:?}");
        }
    }
}

fn options_with_an_argument_are_the_same_everywhere() {
    let (fish, zsh) = (file("src/share/completions/mpserv.fish"), file("src/share/completions/_mpserv"));
    let bash = file("src/share/completions/mpserv.bash");
    for option in help_options().iter().filter(|option| option.starts_with("--")) {
        let takes = run_mpserv(&[option]).stderr.contains("its argument is missing");
        let name = &option[2..];
        let line = |text: &str, sign: &str| -> String {
            text.lines().find(|line| line.contains(sign)).unwrap_or_else(|| panic!("no {sign}")).to_owned()
        };
        let in_fish = line(&fish, &format!("-l {name} "));
        assert_eq!(in_fish.contains(" -x ") || in_fish.contains(" -r "), takes, "{option} in fish: {in_fish}");
        let in_zsh = line(&zsh, option);
        assert_eq!(in_zsh.contains("]:"), takes, "{option} in zsh: {in_zsh}");
        // zsh names the unit of a time.
        let is_time = help_of(option).starts_with(&format!("{option} SECONDS"));
        assert_eq!(in_zsh.contains("]:seconds'"), is_time, "{option} in zsh: {in_zsh}");
        // In bash, an option with an argument has its own case.
        let has_case = bash.lines().take_while(|line| !line.starts_with("    *)")).any(|line| {
            let words: Vec<&str> = line.split([' ', '|', ')', '\\']).collect();
            words.contains(&option.as_str())
        });
        assert_eq!(has_case, takes, "{option} in bash");
        // In --help, a name in capitals or the choice of values follows the option.
        let help = help_of(option);
        let next = help[option.len()..].trim_start_matches(' ');
        let is_name = help[option.len()..].starts_with(' ') && !help[option.len()..].starts_with("  ");
        assert_eq!(is_name && !next.is_empty(), takes, "{option} in --help: {help}");
    }
}

fn options_that_may_be_repeated_are_offered_again_in_zsh() {
    let zsh = file("src/share/completions/_mpserv");
    let mut repeated = BTreeSet::new();
    for option in help_options().iter().filter(|option| option.starts_with("--")) {
        let may_be = manual_of(option).contains("\nMay be repeated.");
        assert_eq!(zsh.contains(&format!("'*{option}[")), may_be, "{option} in zsh");
        repeated.extend(may_be.then_some(option.clone()));
    }
    assert_eq!(repeated, ["--listen", "--rlimit"].map(str::to_owned).into());
}

pub(crate) fn seconds(time: Duration) -> u64 {
    assert_eq!(time.subsec_nanos(), 0);
    time.as_secs()
}

fn numbers_in_the_man_page_are_those_of_the_program() {
    let manual = file("src/share/mpserv.8").split_whitespace().collect::<Vec<_>>().join(" ");
    let (kill, header, ready) = (seconds(KILL_AFTER), seconds(TIME_LIMIT), seconds(READY_WITHIN));
    let left = seconds(KILL_AFTER + EARLIER_ENDS_WITHIN);
    for sentence in [
        format!("and SIGKILL after {kill} seconds"),
        format!("then send them SIGTERM, and after {kill} seconds SIGKILL"),
        format!("It has {header} seconds"),
        format!("The only child of a server may be held for {header} seconds."),
        format!("does not get ready within {ready} seconds"),
        format!("for each earlier server that still has clients, or for the newest {EARLIER_MAX} of them"),
        format!("to stop as well, or the newest {EARLIER_MAX} of them"),
        format!("It waits no longer than {left} seconds beyond the time of"),
    ] {
        assert!(manual.contains(&sentence), "the man page does not say {sentence:?}");
    }
    // These times stand in words.
    for (time, milliseconds, sentence) in [
        (HEADER_PATIENCE, 500, "its connections beyond that are closed after half a second"),
        (SYSLOG_WARN, 60_000, "standard error is told, at the start and at most once a minute"),
        (THROTTLE_PERIOD, 1000, "comes more often than once a second, one line stands"),
        (POOL_TICK, 1000, "1, 2, 4 and so on more are made each second"),
        (STATUS_EVERY, 1000, "Show it each second, until the server has ended"),
    ] {
        assert_eq!(time, Duration::from_millis(milliseconds), "{sentence:?} is no longer true");
        assert!(manual.contains(sentence), "the man page does not say {sentence:?}");
    }
    for sentence in [
        format!("an IPv6 network of {SOURCE_PREFIX_V6} bits, or a user of a Unix socket"),
        format!("A host usually has an IPv6 network of {SOURCE_PREFIX_V6} bits for itself"),
        format!("{EXIT_REFUSED} and {EXIT_UNFIT} may also stand for a client that was refused, or a child that failed"),
        format!("ends with {USAGE} or {TROUBLE}, one line on standard error says what failed"),
        "every address of the machine, IPv6 and IPv4; 0 is any port that is free".to_owned(),
        "It has descriptors 0 to 2 only, every signal at its default and none blocked".to_owned(),
        "Each connection begins with a PROXY header, of version 1 or 2".to_owned(),
        "As PID 1 of a container it is refused".to_owned(),
        "are idle, there is one fewer each second.".to_owned(),
    ] {
        assert!(manual.contains(&sentence), "the man page does not say {sentence:?}");
    }
    // Each page that is named is in its section.
    for (section, pages) in [
        ("1", &["nohup"][..]),
        ("2", &["rename"]),
        ("3", &["sd_listen_fds", "sd_notify"]),
        ("5", &["subuid", "systemd.socket"]),
        ("7", &["capabilities", "tcp", "unix"]),
    ] {
        for page in pages {
            let before = format!("Xr {page} ");
            let named: BTreeSet<&str> = manual.split(&before).skip(1).map(|rest| &rest[..1]).collect();
            assert_eq!(named, [section].into(), "the section of {page} in the man page");
        }
    }
}

/// Returns a document with one space in place of each line's end, and without the marks of tables and code.
pub(crate) fn sentences(document: &str) -> String {
    file(document).split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "")
}

fn numbers_in_the_guides_are_those_of_the_program() {
    let (grace, kill, header, ready) =
        (seconds(GRACE_DEFAULT), seconds(KILL_AFTER), seconds(TIME_LIMIT), seconds(READY_WITHIN));
    let left = seconds(KILL_AFTER + EARLIER_ENDS_WITHIN);
    let (pause, most, close) = (CRASH_PAUSE.as_secs_f32(), seconds(CRASH_PAUSE_MAX), CLOSE_WITHIN.as_millis());
    let guide = sentences("src/docs/server.md");
    for sentence in [
        format!("children may finish for the time of --grace ({grace} s), then get TERM, and {kill} s later KILL"),
        format!("If the new process is not ready within {ready} seconds"),
        format!(
            "A process that crashes before it has had a client delays the next one, by {pause} s at first and up to {most} s."
        ),
        format!("is required within {header} seconds."),
        format!("ends them after {grace} seconds (--grace)"),
        format!("stops the old ones as well, or the newest {EARLIER_MAX} of them, and the newest ends last"),
        format!("If an old one has not ended {left} seconds after --grace"),
        format!("after --grace, and SIGKILL {kill} seconds later. So --grace must be at least {kill} seconds shorter"),
        format!("A source is an IPv4 address or an IPv6 network of {SOURCE_PREFIX_V6} bits"),
        format!("| limit the children | -c N, {MAX_CHILDREN_DEFAULT} without it;"),
        "A program starts with descriptors 0, 1 (the connection) and 2 (the server's log)".to_owned(),
        "make install installs it with mode 711, which only root can read.".to_owned(),
        "use chown root FILE and chmod 711 FILE.".to_owned(),
        "a container (PID 1)".to_owned(),
        "can be the first process (PID 1).".to_owned(),
    ] {
        assert!(guide.contains(&sentence), "the guide to the server does not say {sentence:?}");
    }
    let library = sentences("src/docs/library.md");
    for sentence in [
        format!("SIGTERM gives them {grace} seconds (grace)"),
        format!(
            "The child ends with status {EXIT_PANICKED}, and the log says panicked. With panic = \"abort\" it ends by SIGABRT"
        ),
        "fork refuses with EDEADLK if the process has, or had, another thread".to_owned(),
    ] {
        assert!(library.contains(&sentence), "library.md does not say {sentence:?}");
    }
    let internals = sentences("src/docs/internals.md");
    assert!(internals.contains(&format!("setitimer(ITIMER_REAL, {close} ms)")), "the timer in internals.md");
    assert_eq!(close, 5, "SECURITY.md says five milliseconds");
    let retry = RETRY_EVERY.as_millis();
    for sentence in [
        format!("poll([4], 1, {retry}) = 0, accept4(3) = EMFILE, ten times a second"),
        format!("poll([4], 1, {retry}) = 0, clone = EAGAIN, for up to {} s per client", seconds(CLIENT_KEPT)),
        format!("poll(…, {}), then kill(-pid, SIGKILL)", KILL_AFTER.as_millis()),
        format!("or after {ACCEPTS_IN_A_ROW} in a row, to hear signals"),
        format!("asks for ended children after {} ms at the latest", REAP_WITHIN.as_millis()),
        format!("a timer interrupts the parent every {close} ms"),
        format!("looks at all of them but wait4(-1), every {} ms.", REAP_WITHIN.as_millis()),
        format!("For each SIGCHLD it asks for up to {YOUNGEST} of the youngest"),
    ] {
        assert!(internals.contains(&sentence), "internals.md does not say {sentence:?}");
    }
    assert_eq!(retry, 100, "internals.md says ten times a second");
    // These times stand in words.
    for (time, sentence) in [
        (LOG_PATIENCE, "If nobody reads the log, the server waits at most one second"),
        (THROTTLE_PERIOD, "The same kind of trouble is logged once a second, with a count."),
        (POOL_TICK, "ends one each second"),
    ] {
        assert_eq!(time, Duration::from_secs(1), "{sentence:?} is no longer true");
        assert!(guide.contains(sentence), "the guide to the server does not say {sentence:?}");
    }
    let watchdog = format!("A test waits {} seconds for an event", seconds(WATCHDOG));
    assert!(sentences("CONTRIBUTING.md").contains(&watchdog), "CONTRIBUTING.md does not say {watchdog:?}");
    let security = sentences("SECURITY.md");
    let sentence = format!("an IPv6 network of {SOURCE_PREFIX_V6} bits");
    assert!(security.contains("A close holds up the server for five milliseconds at most"));
    // A test of --max-per-source reads that many bytes.
    assert!(security.contains("Of one that it refuses it reads at most 4,096 bytes, once"), "SECURITY.md");
    assert!(security.contains(&sentence), "SECURITY.md does not say {sentence:?}");
    let example =
        "mpserv -c 100 -C 5 -u nobody --max-lifetime 600 5000 ./service # 100 clients, 5 of an address, 600 s each";
    assert!(sentences("README.md").contains(example), "the comment in README.md is about another command");
}

/// Checks units, modes and priorities that other tests prove of the program.
fn units_and_permissions_are_the_same_in_each_document() {
    let server = Served::start(&["--log", "json", "127.0.0.1:0"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    wait_until("the server logs", || server.running.stderr_so_far().contains("\"time\":"));
    let log = server.running.stderr_so_far();
    let time = log.split("\"time\":").nth(1).unwrap().split([',', '}']).next().unwrap();
    assert!((time.parse::<f64>().unwrap() - now).abs() < 1000.0, "{time} is not in seconds since 1970");
    server.running.end(mpserv::signal::Signal::TERM);
    let manual = sentences("src/share/mpserv.8");
    for (sentence, proof) in [
        ("As JSON a line is an object with .Va time , in seconds since 1970, .Va event and the same fields", "above"),
        ("Times are in seconds.", "server/log.rs"),
        (".Va uptime , a time in seconds.", "server/status.rs"),
        ("It is made with the permissions 600, because", "server/pidfile.rs"),
        ("as an octal number such as 660, whatever the umask is.", "server/socket_file.rs"),
        ("let the file be root's, with the permissions 711.", "documents/install.rs"),
        ("trouble goes as warning, connections as info, details as debug, and all else as notice.", "server/syslog.rs"),
    ] {
        assert!(manual.contains(sentence), "the man page does not say {sentence:?}, which {proof} proves");
    }
    let load = sentences("src/share/mpserv-load.1");
    assert!(load.contains("The default is 10, unless .Fl -count is given."), "the default of --seconds");
    assert!(load.contains("the mean, the 50th, 99th and 99.9th percentile and the maximum."), "the percentiles");
    assert!(load.contains("source addresses of its own on the loopback .Pq 127.0.N.x ,"), "the source addresses");
}

fn signals_in_the_man_page_are_those_of_the_help() {
    let manual = file("src/share/mpserv.8");
    let section = manual.split("\n.Sh ").find(|section| section.starts_with("SIGNALS")).unwrap();
    let tags = section.lines().filter_map(|line| line.strip_prefix(".It "));
    let documented: BTreeSet<&str> =
        tags.flat_map(|tag| tag.split([',', ' '])).filter(|word| !word.is_empty()).collect();
    let help = help();
    let (_, shown) = help.split_once("Signals:").unwrap();
    let is_signal = |word: &&str| word.len() >= 3 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    let shown: BTreeSet<&str> = shown
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(is_signal)
        .filter(|word| !word.starts_with('1'))
        .collect();
    assert_eq!(documented, shown);
}

/// Checks the effects that tests/server proves of the program.
fn a_signal_has_the_same_effect_in_each_document() {
    let stop = ["TERM and INT stop (a second one skips the wait)", "Stop listening at once", "stop listening at once"];
    let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
    let manual = file("src/share/mpserv.8");
    let manual = manual.split("\n.Sh SIGNALS\n").nth(1).unwrap().split("\n.El\n").next().unwrap();
    let (guide, library) = (file("src/docs/server.md"), file("src/server/mod.rs"));
    let mut count = 0;
    for (signals, [in_help, in_manual, in_guide], in_library) in [
        ("TERM, INT", stop, "stops listening at once"),
        (
            "QUIT",
            ["QUIT stops without a wait", "Send the children SIGTERM now", "send TERM to the children now"],
            "sends the children TERM now",
        ),
        (
            "HUP",
            ["HUP reads the rules again", "Read the rules again, and do nothing else", "read the rules again"],
            "reads the [rules](Server::rules) again",
        ),
        (
            "USR2",
            ["USR2 restarts and refuses nobody", "Start the program anew", "start the program anew"],
            "starts the program anew",
        ),
        ("USR1", ["USR1 logs the status", "Log the status", "log the status"], "logs the status"),
    ] {
        assert!(help.contains(in_help), "--help does not say {in_help:?}");
        assert!(manual.contains(&format!(".It {signals}\n{in_manual}")), "{signals} in the man page: {manual}");
        let row = format!("| {signals} | {in_guide}");
        assert!(guide.contains(&row), "the guide to the server does not say {row:?}");
        let row = format!("//! | {signals} | {in_library}");
        assert!(library.contains(&row), "the documentation of the library does not say {row:?}");
        count += 1;
    }
    assert_eq!(manual.matches("\n.It ").count(), count, "{manual}");
    let readme = sentences("README.md");
    for part in ["TERM stops it after its clients", "HUP reads again who may connect", "USR2 restarts it"] {
        assert!(readme.contains(part), "README.md does not say {part:?}");
    }
}

/// Checks that the documents name the systems that the build script takes, the oldest glibc that it names, and the
/// oldest Rust of the package.
fn requirements_are_the_same_in_each_document() {
    let script = file("build.rs");
    let (_, list) = script.split_once("&& [\"").unwrap();
    let processors: Vec<String> =
        list.split(']').next().unwrap().split('"').step_by(2).map(|name| name.replace("x86_64", "x86-64")).collect();
    let [first, second, third] = processors.as_slice() else { panic!("{processors:?}") };
    let (_, needed) = script.split_once("mpserv needs ").unwrap();
    let (system, named) = needed.split_once(", on ").unwrap();
    let named = named.split('"').next().unwrap().replace('\\', "");
    assert_eq!(
        named.split_whitespace().collect::<Vec<_>>().join(" "),
        format!("{first}, {second} or {third}"),
        "the processors in the error of build.rs"
    );
    assert!(system.starts_with("Linux with glibc 2."), "{system}");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    for (document, sentence) in [
        ("README.md", format!("{system} ({first}, {second} or {third}), make, and Rust {rust} or later")),
        ("CHANGELOG.md", format!("{system}, on {first}, {second} and {third}; Rust {rust} or later")),
    ] {
        assert!(sentences(document).contains(&sentence), "{document} does not say {sentence:?}");
    }
    // The oldest version of libc that is allowed is the one that all tests run with.
    let locked =
        file("Cargo.lock").split_once("name = \"libc\"\nversion = ").unwrap().1.lines().next().unwrap().to_owned();
    assert!(file("Cargo.toml").contains(&format!("libc = {{ version = {locked}")), "{locked}");
    // The tests of the binaries hold them to this version.
    let oldest = file("tests/build/linking.rs");
    let version = system.trim_start_matches("Linux with glibc ").trim_end_matches(" or later");
    assert!(oldest.contains(&format!("const OLDEST: (u32, u32) = ({});", version.replace('.', ", "))), "{version}");
}

/// Returns the value of a setting of a unit.
fn setting(unit: &str, name: &str) -> String {
    let text = file(&format!("src/share/systemd/{unit}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{unit} does not set {name}")).to_owned()
}

/// The targets that start the service and the socket at boot.
const WANTED_BY: (&str, &str) = ("multi-user.target", "sockets.target");

fn the_service_unit_fits_the_program() {
    let service = |name: &str| setting("mpserv@.service", name);
    // The server sends READY=1 and MAINPID, and reloads on SIGHUP: see tests/server/systemd.rs.
    assert_eq!(service("Type"), "notify");
    assert_eq!(service("NotifyAccess"), "main");
    assert_eq!(service("ExecReload"), "/bin/kill -HUP $MAINPID");
    // Only the server gets SIGTERM, because the server ends its children.
    assert_eq!(service("KillMode"), "mixed");
    // By default the manager stops a service of which the kernel kills a process for lack of memory.
    assert_eq!(service("OOMPolicy"), "continue");
    // The manager waits until the grace is over, children that ignore SIGTERM are killed, and earlier servers have ended.
    let stop: u64 = service("TimeoutStopSec").parse().unwrap();
    let needed = seconds(GRACE_DEFAULT) + seconds(KILL_AFTER) + seconds(EARLIER_ENDS_WITHIN);
    assert!(stop > needed, "TimeoutStopSec={stop}, but the server may take {needed} seconds to stop");
    let guide = sentences("src/docs/server.md");
    let more = stop - seconds(GRACE_DEFAULT);
    let sentence = format!("If you set a longer --grace, let TimeoutStopSec= be {more} seconds more.");
    assert!(guide.contains(&sentence), "the guide does not say {sentence:?}");
    for name in ["TimeoutStopSec", "WatchdogSec", "KillMode", "OOMPolicy", "ExecReload", "ExecStop"] {
        let own = format!(" {name}={} ", service(name));
        assert!(guide.contains(&own), "the unit in the guide does not set{own}");
    }
    // The server signals the watchdog twice in each period. A restart must not take longer than a period.
    let watchdog: u64 = service("WatchdogSec").parse().unwrap();
    assert!((2..=60).contains(&watchdog), "WatchdogSec={watchdog}");
    // A server that was told to stop is not started again.
    assert_eq!(service("Restart"), "on-failure");
    // The server may listen on a port below 1024 as a user without other rights.
    for setting in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert_eq!(service(setting), "CAP_NET_BIND_SERVICE", "{setting}");
    }
    for setting in ["DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateDevices"] {
        assert_eq!(service(setting), "yes", "{setting}");
    }
    // The guide says that the file system is read-only but for /tmp and /var/tmp.
    assert_eq!(service("ProtectSystem"), "strict");
    let command = service("ExecStart").replace("@BINDIR@/", "").replace("%t", "/run").replace("%i", "NAME");
    let sentence = format!("The unit starts {command}.");
    assert!(sentences("src/docs/server.md").contains(&sentence), "the guide does not say {sentence:?}");
    for (unit, what) in [("mpserv@.service", "mpserv %I"), ("mpserv.socket", "Socket of mpserv")] {
        assert_eq!(setting(unit, "Description"), what);
        assert_eq!(setting(unit, "Documentation"), "man:mpserv(8)", "{unit}");
    }
    assert_eq!(service("After"), "network.target");
    // A server needs no configuration file: its name is the address, and it echoes.
    assert_eq!(service("Environment"), "ADDRESS=%I ARGS= PROGRAM=");
    assert_eq!(service("EnvironmentFile"), "-/etc/mpserv/%i.conf");
    assert!(file("src/share/mpserv.8").contains("\n.It Pa /etc/mpserv/NAME.conf\n"));
    assert_eq!((service("WantedBy").as_str(), setting("mpserv.socket", "WantedBy").as_str()), WANTED_BY);
}

/// Checks the command that waits for the end of the main process, which may be no child of the manager. If the process
/// has ended by itself, there is no `MAINPID`, and the manager ignores that the command fails.
fn the_stop_command_of_the_units_waits_for_the_end() {
    let line = format!("\nExecStop={}\n", setting("mpserv@.service", "ExecStop"));
    assert!(file("src/docs/server.md").contains(&line), "the unit of the guide has another command than {line}");
    let script = line.trim().strip_prefix("ExecStop=-/bin/sh -c '").and_then(|line| line.strip_suffix('\'')).unwrap();
    let stop = |pid: &str| {
        let mut command = Command::new("/bin/sh");
        Running::start(command.args(["-c", script]).env("MAINPID", pid), Output::Pipe)
    };
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.client();
    let stopping = stop(&server.pid().to_string());
    server.wait_events("stop", 1);
    assert_eq!(echo(&mut client, b"still here"), b"still here");
    assert_ne!(state(stopping.pid()), Some('Z'), "it waits");
    drop(client);
    assert_eq!(server.running.wait().status.code(), Some(0));
    assert_eq!(stopping.wait().status.code(), Some(0));
    assert_ne!(stop("").wait().status.code(), Some(0));
}

/// Returns the arguments of the unit's command if its configuration file has these lines.
fn command_of_unit(instance: &str, configuration: &str, runtime: &Path) -> Vec<String> {
    // The file comes after `Environment=`, so its values win.
    let defaults = setting("mpserv@.service", "Environment").replace("%I", instance).replace(' ', "\n");
    let lines = configuration.lines().rev().chain(defaults.lines());
    let settings: Vec<(&str, &str)> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let value = |name: &str| {
        let found = settings.iter().find(|setting| setting.0 == name);
        found.unwrap_or_else(|| panic!("{name} is not set")).1.split_whitespace().map(str::to_owned).collect()
    };
    let words =
        setting("mpserv@.service", "ExecStart").replace("%t", runtime.to_str().unwrap()).replace("%i", instance);
    let words = words.split(' ').skip(1);
    words.flat_map(|word| word.strip_prefix('$').map_or_else(|| vec![word.to_owned()], value)).collect()
}

fn the_configuration_of_the_unit_names_address_options_and_program() {
    // The service manager makes the folder of the pidfile.
    let runtime = TempDir::new();
    let start = |instance: &str, configuration: &str| {
        let folder = setting("mpserv@.service", "RuntimeDirectory").replace("%i", instance);
        std::fs::create_dir_all(runtime.join(&folder)).unwrap();
        let arguments = command_of_unit(instance, configuration, &runtime.0);
        Served::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let server = start("127.0.0.1:0", "");
    drop(server.client());
    let shown = run_mpserv(&["--status", runtime.join("mpserv-127.0.0.1:0/pid").to_str().unwrap()]);
    assert!(shown.stdout.starts_with(&format!("mpserv {}: ", server.pid())), "{}", shown.stderr);
    server.stop();
    let server = start("127.0.0.1:0", "ARGS=--max-children 7");
    assert_eq!(server.wait_events("start", 1)[0].get("limit"), "7");
    server.stop();
    let server = start("hello", "ADDRESS=127.0.0.1:0\nARGS=--max-children 7 --nodelay\nPROGRAM=echo a program");
    assert_eq!(server.wait_events("start", 1)[0].get("limit"), "7");
    assert_eq!(output_of(&server), "a program\n");
    server.stop();
}

fn the_socket_unit_fits_the_service_unit() {
    assert_eq!(setting("mpserv.socket", "Service"), "mpserv@inherit.service");
    // If one socket is passed, ADDRESS `inherit` is enough for any name of the socket.
    assert_eq!(setting("mpserv.socket", "FileDescriptorName"), "mpserv");
    let said = format!("With `mpserv.socket` systemd listens, on port {},", setting("mpserv.socket", "ListenStream"));
    assert!(file("src/docs/server.md").contains(&said), "the guide does not say {said:?}");
    let script = format!("exec '{MPSERV}' -1 inherit 3<&0 </dev/null");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mpserv {script}")]);
    let server = Served::start_command(command.stdin(std::os::fd::OwnedFd::from(listener)));
    drop(server.client());
    server.stop();
}
