//! Checks sentences of the documents that a test or a constant of the program proves, and the lines of the log and the
//! status that the documents show.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::events::source_events;
use crate::links::DOCUMENTS;
use crate::values::{seconds, sentences};
use crate::{file, tests};
use mpserv::server::limits::{
    BACKLOG_DEFAULT, GRACE_DEFAULT, KILL_AFTER, MANY_CHILDREN, MAX_CHILDREN_DEFAULT, RETRY_EVERY,
};

pub(crate) const TESTS: &[Test] = tests![
    sentences_of_the_documents_are_those_that_tests_prove,
    tables_and_examples_of_the_guides_have_the_numbers_of_the_program,
    lines_of_the_log_in_the_documents_are_those_of_the_program,
    the_status_as_json_has_the_names_of_the_man_page,
    the_filter_of_a_service_has_the_length_in_the_guide,
];

const MANUAL: &str = "src/share/mpserv.8";
const LOAD: &str = "src/share/mpserv-load.1";
const GUIDE: &str = "src/docs/server.md";
const INTERNALS: &str = "src/docs/internals.md";
const SECURITY: &str = "SECURITY.md";

/// Sentences, each with its document and with the test that proves it.
const PROVED: [(&str, &str, &str); 72] = [
    (
        MANUAL,
        "a file that no server listens at any more is replaced.",
        "a_stale_unix_socket_is_replaced_and_a_live_one_is_not",
    ),
    (
        MANUAL,
        "With .Cm nofile Ns =0 a child can neither wait for a PROXY header nor run a program.",
        "a_child_without_descriptors_neither_waits_for_a_header_nor_runs_a_program",
    ),
    (MANUAL, "a network such as .Li 192.0.2.0/24 or .Li 2001:db8::/32 ,", "the_first_rule_that_matches_decides"),
    (MANUAL, "From Linux 6.16 on clients can pass no descriptors", "a_client_can_pass_no_descriptor_at_a_path"),
    (MANUAL, "A file whose name begins with @ is .Li unix:./@name", "an_abstract_name_is_in_no_file_system"),
    (MANUAL, "has its interface: .Li [fe80::1%eth0]:5000", "a_link_local_address_names_its_interface"),
    (MANUAL, "has the index of its interface: .Li fe80::1%2", "a_link_local_address_names_its_interface"),
    (
        MANUAL,
        ".Fl -keepalive , -nodelay and .Fl -defer-accept hold for them as well",
        "a_socket_that_is_passed_has_the_options_of_the_server",
    ),
    (MANUAL, "Clients that are refused do not count.", "clients_that_are_refused_do_not_use_up_the_rate"),
    (MANUAL, "or as many as .Va net.core.somaxconn allows.", "a_backlog_that_the_kernel_caps_is_told"),
    (MANUAL, "Not for a .Ar program , nor with .Fl -max-rate .", "what_does_not_go_together_is_told"),
    (MANUAL, "A refused client does not count.", "a_client_that_is_refused_is_not_one_that_was_served"),
    (
        MANUAL,
        "or go on with the client that they have .Pq Cm keep .",
        "children_of_a_killed_server_end_unless_they_are_to_be_kept",
    ),
    (
        MANUAL,
        "Without a group: the user's own, and all that the user is in.",
        "the_further_groups_of_a_user_are_joined_unless_a_group_is_named",
    ),
    (
        MANUAL,
        "Without this option the umask decides, as it does for the .Ar program .",
        "the_mode_is_exact_and_a_program_gets_the_umask",
    ),
    (
        MANUAL,
        "Send at once even what is little .Pq Dv TCP_NODELAY .",
        "options_of_sockets_are_set_once_on_the_listener",
    ),
    (MANUAL, "Share the port with other servers", "two_servers_share_a_port_only_if_both_say_so"),
    (
        MANUAL,
        "or left empty where the server cannot reach it any more",
        "a_server_that_became_another_user_leaves_the_file_empty_and_the_next_one_takes_it",
    ),
    (
        MANUAL,
        "The state is .Li serving , .Li idle , or .Li header while a PROXY header is awaited.",
        "a_child_is_shown_with_the_client_that_it_has_now",
    ),
    (MANUAL, "After a restart (USR2) it is not printed again.", "a_reader_of_the_ports_that_has_gone_does_not_matter"),
    (MANUAL, "The first that matches a client decides.", "the_first_rule_that_matches_decides"),
    (MANUAL, "A client that none matches is allowed.", "limits_of_rules_hold_at_their_boundary"),
    (
        MANUAL,
        "A source may hold no more than half of the children",
        "of_silent_connections_the_oldest_of_a_large_source_are_ended",
    ),
    (MANUAL, "as under .Xr nohup 1 , it stays ignored.", "ignored_at_the_start_it_stays_ignored"),
    (
        MANUAL,
        "A signal to an earlier process stops that process alone.",
        "a_signal_to_an_earlier_server_stops_no_other",
    ),
    (MANUAL, "with .Fl -verbose a line for each child.", "each_number_in_a_line_is_what_its_name_says"),
    (
        MANUAL,
        "SIGPIPE does not end it if the reader of its log has gone.",
        "a_reader_that_goes_just_before_a_write_ends_no_client",
    ),
    (
        MANUAL,
        "SIGXFSZ does not end it if its log has reached the largest size of a file.",
        "a_log_file_at_its_limit_ends_nobody",
    ),
    (MANUAL, "SIGTTOU does not stop it", "a_server_takes_the_signals_that_would_harm_it"),
    (MANUAL, "SIGALRM does not end it", "only_a_server_whose_closes_may_wait_has_the_timer_of_closes"),
    (MANUAL, "an empty line comes first,", "half_a_line_of_another_process_is_ended"),
    (
        MANUAL,
        "the address and the port of the client, which a proxy may have named.",
        "a_program_finds_the_client_in_its_environment",
    ),
    (MANUAL, "how many connections the client's source has, with this one", "connections_of_one_source_are_numbered"),
    (
        MANUAL,
        "The file has its permissions and its owner before a client can connect.",
        "only_those_whom_the_mode_allows_can_connect",
    ),
    (
        MANUAL,
        ".Fl u only root can look into it, before a restart and after.",
        "a_server_that_became_another_user_is_closed_to_that_user_before_a_restart_and_after",
    ),
    (
        MANUAL,
        "Whether a line of text begins with the time, in UTC:",
        "a_line_begins_with_the_time_in_a_pipe_and_not_on_a_terminal_or_in_the_journal",
    ),
    (
        MANUAL,
        "it does, unless standard error is a terminal, or the journal of systemd",
        "a_line_begins_with_the_time_in_a_pipe_and_not_on_a_terminal_or_in_the_journal",
    ),
    (MANUAL, "a further group gets SIGKILL at once.", "a_group_for_which_there_is_no_room_is_killed"),
    (LOAD, "Reset each connection instead of closing it", "connections_are_reset_only_when_asked_for"),
    (LOAD, ".It Ar PORT this port of 127.0.0.1", "each_number_is_the_one_that_the_server_counted"),
    (
        GUIDE,
        "deny 192.0.2.7 allow 192.0.2.0/24 max-per-source=5 allow 2001:db8::/32 max-children=20 allow unix deny all",
        "the_first_rule_that_matches_decides",
    ),
    (GUIDE, "with at most 5 connections for each of the others.", "the_first_rule_that_matches_decides"),
    (
        GUIDE,
        "call=openat mpserv: end pid=4715 from=192.0.2.1:40003 signal=SIGSYS",
        "a_service_that_opens_a_file_is_ended",
    ),
    (
        GUIDE,
        "--mode 660 --owner USER:GROUP; without --owner its file belongs to the user of -u",
        "the_file_belongs_to_its_owner",
    ),
    (GUIDE, "USR2 is refused, because the container would end with its first process", "as_pid_1_it_is_refused"),
    (MANUAL, ".It Li status SIGUSR1 came:", "each_number_in_a_line_is_what_its_name_says"),
    (
        MANUAL,
        "after SIGTERM .Pq Va terminated and after SIGKILL .Pq Va killed ,",
        "each_number_in_a_line_is_what_its_name_says",
    ),
    (
        GUIDE,
        "ends at SIGTERM after its clients, and reads its rules again at SIGHUP.",
        "as_pid_1_it_reaps_reads_its_rules_again_and_ends_after_its_clients",
    ),
    (GUIDE, "Options stand before ADDRESS.", "an_address_may_be_left_out_with_listen"),
    (GUIDE, "TCPCONNNUM (the number of connections of the client's source)", "connections_of_one_source_are_numbered"),
    (
        GUIDE,
        "In a file or a pipe each line begins with the time, in UTC",
        "a_line_begins_with_the_time_in_a_pipe_and_not_on_a_terminal_or_in_the_journal",
    ),
    (GUIDE, "accepted counts refused clients as well.", "each_client_that_is_not_served_counts_as_refused"),
    (
        GUIDE,
        "The first that matches decides; a client that none matches is allowed.",
        "limits_of_rules_hold_at_their_boundary",
    ),
    (
        GUIDE,
        "max-per-source=N holds for each source, in place of -C. max-children=N holds for all clients of the rule together.",
        "limits_of_rules_hold_at_their_boundary",
    ),
    (GUIDE, "the log names the line, and the old rules stay in force.", "the_rules_are_read_again_by_the_same_process"),
    (
        GUIDE,
        "1, then 2, then 4 more each second, up to MAX.",
        "a_busy_pool_grows_by_twice_as_many_each_tick_up_to_its_maximum",
    ),
    (GUIDE, "--prefork and --max-rate exclude each other", "what_does_not_go_together_is_told"),
    (
        GUIDE,
        "Where the server is root, the bounding set is empty too.",
        "a_program_in_the_sandbox_inherits_no_capability",
    ),
    (GUIDE, "as SIGUSR2 is refused.", "as_pid_1_it_is_refused"),
    (GUIDE, "The manager is told READY, RELOADING, STOPPING, STATUS, MAINPID", "the_manager_is_told_how_the_server_is"),
    (GUIDE, "| SO_REUSEADDR: always |", "two_servers_share_a_port_only_if_both_say_so"),
    (GUIDE, "| --keepalive on |", "the_server_has_the_defaults_that_are_documented"),
    (INTERNALS, "scoreboard, listener and signals are the server's", "a_child_has_nothing_but_its_connection"),
    (INTERNALS, "by prctl(PR_SET_PDEATHSIG, SIGUSR2)", "preforked_orphans_serve_the_client_that_they_have_and_end"),
    (
        INTERNALS,
        "until the oldest connection of the period is a period old.",
        "the_next_may_come_a_period_after_the_oldest_of_the_last_so_many",
    ),
    ("README.md", "exit=1 meaning=failed error=", "a_handler_needs_no_type_for_its_errors"),
    (
        "README.md",
        "make installs what else is needed (gcc, strace, nc)",
        "each_target_runs_its_commands_and_needs_what_they_use",
    ),
    (
        SECURITY,
        "500 clients of a byte a second, each answered in every second",
        "five_hundred_slow_clients_hinder_no_fast_one",
    ),
    (SECURITY, "of up to 200 at once, for 10 seconds", "ten_seconds_of_kill_9"),
    (
        SECURITY,
        "nothing spins (under 1 % of a processor)",
        "a_real_limit_of_descriptors_pauses_it_at_no_cost_until_it_is_raised",
    ),
    (SECURITY, "no process waits again", "a_server_waits_once_whichever_of_its_processes_has_a_line"),
    (
        SECURITY,
        "A program starts with descriptors 0, 1 and 2 alone, default signals and an empty mask",
        "a_program_finds_three_descriptors_default_signals_and_an_empty_mask",
    ),
];

/// Returns the sources in a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

fn sentences_of_the_documents_are_those_that_tests_prove() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = sources(&root.join("tests")) + &sources(&root.join("src"));
    for (document, sentence, proof) in PROVED {
        assert!(sentences(document).contains(sentence), "{document} does not say {sentence:?}");
        assert!(tests.contains(&format!("fn {proof}()")), "there is no test {proof}, which proves {sentence:?}");
    }
}

/// Returns the number that stands behind these words of a document.
#[track_caller]
fn number_after(document: &str, words: &str) -> u64 {
    let text = file(document);
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{document} does not say {words:?}"));
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn tables_and_examples_of_the_guides_have_the_numbers_of_the_program() {
    let prefix = file("Makefile");
    let prefix = prefix.lines().find_map(|line| line.strip_prefix("PREFIX  ?= ")).unwrap().to_owned();
    let pidfile = file("src/share/systemd/mpserv@.service");
    let pidfile = pidfile.split("--pidfile %t/").nth(1).unwrap().split(' ').next().unwrap().replace("%i", "7000");
    for (document, sentence) in [
        ("README.md", format!("# into {prefix}, as root;")),
        (GUIDE, format!("| -c, --max-children {MAX_CHILDREN_DEFAULT} | -c 40 | -c 30 |")),
        (GUIDE, format!("| -b, --backlog {BACKLOG_DEFAULT} | -b 20 |")),
        (GUIDE, format!("| exit 0, {USAGE}, {TROUBLE} | 100, 111 |")),
        (GUIDE, format!("mpserv --status /run/{pidfile} # as root")),
        (INTERNALS, format!("If there are {MANY_CHILDREN} children or more, wait4(-1) is slow")),
        (INTERNALS, format!("poll([4], 1, {}) --grace,", GRACE_DEFAULT.as_millis())),
        (SECURITY, format!("may wait for {} s.", RETRY_EVERY.as_secs_f32())),
        (SECURITY, "Left out are a stack of less than 128 KiB (ulimit -s)".to_owned()),
    ] {
        assert!(sentences(document).contains(&sentence), "{document} does not say {sentence:?}");
    }
    // Docker kills the container of the example only after its children had the time for SIGTERM.
    let docker = number_after(GUIDE, "Docker kills a container ");
    assert!(number_after(GUIDE, "\"--grace\", \"") + seconds(KILL_AFTER) < docker, "{docker}");
    assert_eq!(docker, 10, "the time of docker stop, see docker-container-stop(1)");
    assert!(file("src/share/fail2ban.conf").ends_with("\njournalmatch = _COMM=mpserv\n"), "the name in the journal");
    // The pool of the example is the one that its status shows.
    assert_eq!(number_after(GUIDE, "$ mpserv --prefork 4-"), number_after(GUIDE, "mpserv 4711: 2 of "));
}

/// Returns the fields of a line of the log, with their values.
fn fields(line: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), line);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        found.push((name.trim().to_owned(), value.to_owned()));
        rest = next;
    }
    found
}

/// Checks that each line is of an event, has fields that the event has, and has the values of the program.
fn lines_of_the_log_in_the_documents_are_those_of_the_program() {
    let (events, _) = source_events();
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server"));
    let meanings = [(1, "failed"), (2, "idle"), (3, "refused"), (4, "unfit"), (101, "panicked")];
    let mut count = 0;
    for document in DOCUMENTS {
        for line in file(document).lines().filter_map(|line| line.strip_prefix("mpserv: ")) {
            let Some((event, rest)) = line.split_once(' ') else { continue };
            let Some(known) = events.get(event) else { continue };
            let fields = fields(rest.trim_end_matches(" …"));
            let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str());
            for (name, value) in &fields {
                assert!(known.contains(name), "{document}: the event {event} has no {name}: {line}");
                let expected = match name.as_str() {
                    "limit" => Some(MAX_CHILDREN_DEFAULT.to_string()),
                    "backlog" => Some(BACKLOG_DEFAULT.to_string()),
                    "grace" => Some(format!("{}.000", seconds(GRACE_DEFAULT))),
                    _ => None,
                };
                assert!(expected.is_none_or(|expected| expected == *value), "{document}: {name}={value}: {line}");
            }
            if let Some(hint) = value("hint") {
                assert!(sources.contains(&format!("\"{hint}\"")), "{document}: no hint is {hint:?}");
            }
            if let Some(meaning) = value("meaning") {
                let exit = value("exit").unwrap().parse().unwrap();
                assert!(meanings.contains(&(exit, meaning)), "{document}: {exit} does not mean {meaning}");
            }
            count += 1;
        }
    }
    assert!(count >= 14, "{count}");
}

fn the_status_as_json_has_the_names_of_the_man_page() {
    let folder = TempDir::new();
    let path = folder.join("pid");
    let server = Served::start(&["--pidfile", path.to_str().unwrap(), "127.0.0.1:0"]);
    let client = server.client();
    let shown = wait_for("the child is shown", || {
        let shown = run_mpserv(&["--status", path.to_str().unwrap(), "--json"]).stdout;
        shown.contains("\"state\":\"serving\"").then_some(shown)
    });
    drop(client);
    server.stop();
    let mut parts: Vec<&str> = shown.split("\":").collect();
    parts.pop();
    let found: BTreeSet<String> = parts.iter().map(|part| part.rsplit('"').next().unwrap().to_owned()).collect();
    let manual = file(MANUAL);
    let entry = manual.split(".It Fl -json\n").nth(1).unwrap().split("\n.It ").next().unwrap();
    let documented = entry.lines().filter_map(|line| line.strip_prefix(".Va "));
    let documented: BTreeSet<String> =
        documented.flat_map(|line| line.split([' ', ','])).filter(|word| word.len() > 1).map(str::to_owned).collect();
    assert_eq!(found, documented, "{shown}");
}

fn the_filter_of_a_service_has_the_length_in_the_guide() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let options = ["-f", "-e", "trace=seccomp", "-e", "signal=none"];
    let server = Served::start_command(&mut traced(&options, &trace, &["--sandbox", "127.0.0.1:0"]));
    drop(server.client());
    server.stop();
    let trace = fs::read_to_string(trace).unwrap();
    let length = number_after(INTERNALS, "The filter has ");
    assert!(trace.contains(&format!("{{len={length}, filter=")), "{length}: {trace}");
}
