//! Tests the textbook programs in C and Rust. The tests check their output on a terminal, a pipe and a file, their
//! ends, and their reaction to bad input. Servers of one language serve clients of the other language.

#[path = "../ffi/cc.rs"]
#[allow(dead_code, reason = "a part is enough here")]
mod cc;
#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod compare;
mod crossing;
mod echo;
mod endings;
mod levels;
mod output;
mod sources;

use std::process::ExitCode;
use std::thread;

use common::{Ended, IMPLS, Impl, OUTPUTS, Output};

fn main() -> ExitCode {
    common::solo::main(&[tests![
        output:
            fork_prints_from_both_processes,
            zombie_prints_from_both_processes,
            wait_prints_each_status,
            waitpid_prints_while_it_waits,
            signal_prints_at_each_alarm,
            sigaction_prints_at_each_alarm,
            remove_zombie_prints_each_child_that_it_removes;
        crossing:
            code04_and_code05_talk_whatever_their_languages,
            socket_client_and_socket_serve_talk_whatever_their_languages,
            rot13_serv_rotates_each_line;
        echo:
            the_client_gets_its_lines_back,
            a_line_longer_than_the_clients_buffer_is_sent_in_parts,
            nc_gets_its_lines_back,
            three_clients_at_once_are_served_at_once,
            the_echo_is_whole_whatever_the_bytes_and_however_many,
            clients_one_after_another_leave_no_zombie,
            of_clients_that_end_together_all_but_one_leave_a_zombie,
            the_output_is_the_same_on_a_terminal_a_pipe_and_a_file,
            a_terminal_shows_each_line_once,
            a_pipe_gets_what_the_children_inherited,
            usage_errors_are_the_same,
            a_port_in_use_is_the_same,
            a_refused_connection_is_the_same;
        bad_input:
            a_port_in_use,
            no_server_to_connect_to,
            a_client_that_resets_in_mid_line,
            a_line_longer_than_the_buffer,
            binary_bytes_and_nuls,
            a_message_as_long_as_the_buffer,
            no_socket,
            no_listener,
            no_second_process,
            no_standard_input,
            no_argument_at_all,
            the_word_ignore_counts_alone;
        sources:
            both_files_have_the_same_header,
            both_files_say_what_is_wrong_and_what_is_mended_in_the_same_order,
            functions_and_variables_have_the_published_names,
            the_c_programs_compile_without_a_warning;
        endings:
            a_socket_that_failed_is_used_and_closed,
            what_could_not_start_closes_its_socket,
            a_failed_accept_closes_what_the_destructor_closes;
        compare:
            processes_print_the_same_and_make_the_same_calls,
            echo_mpserv_prints_the_same_and_makes_the_same_calls,
            code05_prints_the_same_and_makes_the_same_calls,
            socket_serve_prints_the_same_and_makes_the_same_calls,
            rot13_serv_prints_the_same_and_makes_the_same_calls,
            clients_print_the_same_and_make_the_same_calls,
            a_program_that_does_otherwise_is_found,
            make_compare_takes_any_path_and_c_plus_plus,
            make_lesson_refuses_a_users_own_source,
            what_is_no_source_of_one_program_is_refused_in_one_line,
            our_addition_is_not_asked_of_a_foreign_program;
        levels:
            of_fork,
            of_zombie,
            of_wait,
            of_waitpid,
            of_signal,
            of_sigaction,
            of_remove_zombie,
            of_echo_mpserv,
            of_echo_mpclient,
            of_code05,
            of_code04,
            of_socket_serve,
            of_socket_client,
            of_rot13_serv,
            foreign_processes,
            foreign_signals,
            foreign_echo,
            foreign_class_servers,
            foreign_class_clients,
            foreign_rot13;
    ]])
}

/// Runs a program in both languages with each kind of standard output, all at once. C and Rust must do the same.
/// Returns the results for each kind.
fn same(what: &str, run: impl Fn(Impl, Output) -> Ended + Sync) -> [(Output, Ended); 3] {
    let run = &run;
    thread::scope(|scope| {
        let runs = OUTPUTS.map(|output| (output, IMPLS.map(|language| scope.spawn(move || run(language, output)))));
        runs.map(|(output, both)| {
            let [c, rust] = both.map(|run| run.join().unwrap());
            assert_eq!(c, rust, "{what} on {output:?}");
            (output, rust)
        })
    })
}

/// Checks as [`same`] does, for a program that does the same on each kind of output. Returns its standard output,
/// standard error and exit status.
#[track_caller]
fn same_everywhere(what: &str, run: impl Fn(Impl, Output) -> Ended + Sync) -> (String, String, Option<i32>) {
    let [(_, terminal), (_, pipe), (_, file)] = same(what, run);
    assert!(terminal == pipe && pipe == file, "{what}: {terminal:?} {pipe:?} {file:?}");
    (file.stdout, file.stderr, file.status.code())
}
