//! Tests the claims of the sources, one test for each. The library shows each claim. Where the textbook programs can
//! show a claim, they show it in C and in Rust. If a source is wrong, the test shows the truth.

#[path = "../common/mod.rs"]
mod common;

mod descriptors;
mod memory;
mod signals;
mod waiting;
mod zombies;

use std::process::ExitCode;

use mpserv::process::Child;

fn main() -> ExitCode {
    common::solo::main(&[tests![
        memory:
            fork_returns_twice,
            each_process_has_its_own_copy_of_memory,
            pid_0_is_the_child_and_the_parent_gets_its_id;
        descriptors:
            descriptors_are_copied_by_fork,
            a_connection_closes_only_when_every_process_that_holds_it_has_closed_it,
            a_child_that_does_not_close_the_listener_keeps_the_port;
        zombies:
            a_child_that_ended_and_was_not_waited_for_is_a_zombie,
            a_zombie_goes_when_the_parent_waits,
            a_zombie_goes_when_the_parent_ends,
            no_child_becomes_a_zombie_where_sigchld_is_ignored,
            no_child_becomes_a_zombie_with_sa_nocldwait,
            a_server_that_does_nothing_about_sigchld_collects_zombies;
        waiting:
            wait_blocks_until_a_child_ends,
            wait_without_any_child_returns_echild_at_once,
            waitpid_with_wnohang_returns_0_while_children_live,
            minus_1_as_the_id_means_any_child,
            a_status_comes_by_return_and_by_exit,
            only_the_low_8_bits_of_a_status_arrive,
            death_by_a_signal_is_not_an_exit;
        signals:
            a_signal_wakes_a_sleep_which_is_not_resumed,
            sleep_returns_the_seconds_left,
            alarm_returns_the_seconds_that_were_left,
            alarm_0_cancels,
            sigactions_old_action_gives_back_what_signal_had_set,
            sa_mask_must_be_emptied_by_sigemptyset,
            glibcs_signal_restarts_calls_and_keeps_the_handler,
            system_vs_signal_does_neither,
            accept_fails_with_eintr_in_a_server_built_with_std_c99,
            signals_of_one_kind_do_not_queue,
            one_waitpid_leaves_19_zombies_of_20_and_the_loop_none,
            the_handler_runs_in_the_process_itself,
            a_signal_set_is_per_process_and_survives_fork,
            pending_signals_do_not_survive_fork;
    ]])
}

/// Returns the id of a child in the form for the functions that look into /proc.
fn id(child: &Child) -> u32 {
    child.pid().raw() as u32
}

/// Returns the exit status of a child.
fn status(mut child: Child) -> Option<i32> {
    child.wait().unwrap().exit_status()
}
