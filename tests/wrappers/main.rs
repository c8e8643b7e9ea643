//! Tests the safe wrappers: their promises, each error that they document, and properties that hold for any value.

#[path = "../common/mod.rs"]
mod common;

mod async_signal_safety;
mod constants;
mod documented;
mod errno;
mod errors;
mod fd;
mod files;
mod floors;
mod guarantees;
mod net;
mod process;
mod program;
mod properties;
mod seccomp;
mod signal;
mod stdio;
mod system;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::solo::main(&[tests![
        async_signal_safety:
            each_wrapper_says_whether_it_is_async_signal_safe,
            a_planted_malloc_lock_or_stdio_call_is_found;
        constants:
            each_constant_is_that_of_its_name_in_c;
        documented:
            a_manual_page_has_the_item_that_refers_to_it;
        errors:
            each_documented_errno_is_produced_or_has_its_reason,
            errnos_of_fd,
            errnos_of_fs,
            errnos_of_memory,
            errnos_of_namespace,
            errnos_of_net,
            errnos_of_poll,
            errnos_of_process,
            errnos_of_pty,
            errnos_of_seccomp,
            errnos_of_signal,
            errnos_of_time,
            errnos_of_user,
            a_name_that_nobody_answers_for_is_an_error;
        guarantees:
            new_descriptors_are_closed_by_exec_or_not_as_documented,
            flags_of_a_descriptor_are_what_was_set_last,
            lstat_is_about_the_link_and_stat_about_its_target,
            a_stat_has_the_facts_of_the_file,
            exit_closes_stdio_to_handlers,
            exit_may_be_called_by_what_it_runs,
            exit_stays_out_of_the_exit_of_another_thread,
            handlers_of_pthread_atfork_run,
            a_soft_limit_is_no_hard_limit,
            a_limit_is_the_one_of_its_name,
            a_stack_has_a_guard_below_it,
            a_list_of_strings_ends_where_it_was_truncated,
            a_child_of_another_group_is_not_one_of_the_own_group,
            read_all_goes_on_after_a_signal,
            write_all_goes_on_after_a_signal,
            a_line_that_just_fits_is_read_whole,
            a_child_that_was_reaped_is_no_later_process_of_its_id,
            a_dropped_descriptor_is_closed_and_a_borrowed_one_is_not;
        floors:
            an_import_points_down,
            sys_names_neither_server_nor_program,
            no_two_files_import_each_other,
            no_topic_of_sys_needs_itself;
        properties:
            any_address_comes_back_from_the_kernel,
            any_address_comes_back_from_its_text,
            any_unix_name_comes_back,
            a_wait_status_is_what_the_macros_say,
            a_wait_status_of_a_child_comes_back,
            no_time_is_too_long_or_becomes_none,
            a_poll_waits_for_as_long_as_it_is_told,
            a_wait_is_no_shorter_than_asked,
            a_set_of_signals_is_a_set,
            a_text_is_the_longest_prefix_that_fits;
        errno:
            an_error_has_its_name_number_and_text,
            an_error_without_a_name_is_an_error_all_the_same,
            retry_on_intr_retries_nothing_else;
        process:
            fork_refuses_where_other_threads_are,
            fork_is_allowed_where_none_are,
            fork_is_allowed_after_a_server,
            a_child_keeps_its_status,
            a_child_that_stops_has_not_ended,
            a_child_that_was_waited_for_gets_no_signal,
            a_child_that_goes_on_is_reported,
            group_1_is_not_everybody,
            a_group_is_asked_about_as_a_group,
            a_number_of_no_process_is_no_id,
            a_wait_for_any_child_has_its_status,
            each_right_is_given_up_alone,
            fixed_addresses_leave_the_rest_of_the_personality,
            the_executed_path_is_that_of_this_program,
            a_program_that_is_not_run_leaves_no_process,
            a_program_gets_what_its_fields_say,
            a_program_gets_sigterm_at_the_end_of_its_parent;
        fd:
            read_all_reads_until_the_end_or_what_there_is_room_for,
            a_failed_call_lends_a_descriptor_that_nothing_accepts,
            write_back_of_a_failed_read_fails,
            a_closed_descriptor_is_closed_once,
            a_duplicate_refers_to_the_same,
            a_range_of_descriptors_is_closed_by_exec,
            a_descriptor_that_waits_again_keeps_its_other_flags,
            a_result_is_the_number_that_c_returns;
        files:
            a_seek_counts_from_the_start_and_a_length_is_exact,
            a_right_to_read_is_none_to_run,
            a_lock_excludes_the_locks_that_it_should,
            a_stat_shows_its_two_numbers,
            nobody_writes_to_an_empty_file,
            a_terminal_has_the_width_of_its_columns;
        net:
            gethostbyname_answers_only_where_no_other_threads_are,
            getaddrinfo_gives_each_address_once,
            addresses_come_back_as_they_were_given,
            unix_addresses_come_back_as_they_were_given,
            the_file_of_a_unix_socket_is_found_wherever_it_is,
            an_address_too_long_is_an_error,
            each_accept_says_who_came,
            inet_addr_reads_what_c_reads,
            options_are_set_and_read,
            a_pending_error_is_read_once,
            a_unix_socket_knows_who_connected,
            flags_are_a_set_and_print_their_names,
            a_half_of_a_connection_can_be_shut_down,
            each_half_that_is_shut_down_ends,
            a_socket_has_the_flags_that_were_asked_for,
            bytes_that_were_peeked_at_are_still_there,
            a_listener_has_the_backlog_that_was_asked_for,
            an_address_of_each_kind_has_its_text,
            credentials_are_those_of_the_peer,
            the_longest_name_of_a_host_is_looked_up;
        signal:
            signal_numbers_that_are_not_ours_are_refused,
            a_set_holds_what_was_put_in, a_timer_returns_the_one_before_and_sends_its_signal,
            a_flag_is_raised_by_its_signal,
            a_handler_leaves_errno_as_it_was,
            an_old_action_is_given_back_whole,
            a_handler_that_was_found_can_be_installed_again,
            an_old_action_has_the_flag_from_before,
            sigsys_has_no_flag,
            a_found_handler_stays_with_its_signal,
            a_found_handler_keeps_its_mask,
            what_is_blocked_is_pending,
            sigsuspend_misses_no_signal,
            a_read_signal_says_who_sent_it,
            each_form_of_signal_has_its_flags,
            a_found_handler_gets_the_flags_that_it_may_have,
            every_action_but_the_excepted_becomes_the_default,
            each_way_to_change_the_mask_changes_it_so,
            a_wait_blocks_exactly_its_mask,
            a_sleep_and_an_alarm_return_what_was_left;
        program:
            a_program_that_nobody_named_has_no_arguments,
            a_command_line_has_one_end,
            a_title_leaves_the_last_byte,
            a_title_ends_with_the_variables_of_the_kernel,
            a_title_is_cut_after_a_character,
            the_environment_is_a_copy,
            a_title_waits_until_no_other_thread_is_there,
            an_empty_title_leaves_nothing_of_the_last,
            shared_words_stay_as_long_as_they_are,
            a_second_command_line_ends_the_first,
            a_command_line_that_other_code_reads_ends_the_first,
            a_stack_is_never_too_small_to_start_on,
            a_number_is_what_atoi_reads,
            a_table_prints_and_parses_its_options,
            a_missing_argument_is_that_of_a_byte,
            options_are_read_only_where_no_other_threads_are,
            memory_is_given_back,
            memory_of_the_c_library_is_given_back,
            a_list_has_room_for_its_capacity,
            a_size_that_no_memory_has_is_refused,
            shared_numbers_are_the_same_in_a_child;
        seccomp:
            a_listener_is_told_the_call_and_decides_its_result,
            a_filter_looks_at_each_argument,
            the_end_of_a_filter_is_no_notice,
            no_handler_runs_in_a_process_that_is_about_to_run_a_program,
            a_refused_call_is_noted_and_a_sent_signal_is_not,
            a_call_of_another_machine_ends_the_process_without_a_note,
            filters_of_every_length_decide_alike;
        stdio:
            what_stdio_holds_is_written_when_c_writes_it,
            a_handler_outside_stdio_prints_by_stdio,
            a_handler_inside_stdio_writes_directly,
            what_a_handler_writes_directly_is_what_printf_prints,
            a_handler_inside_stdio_prints_everything_to_its_stream,
            stdio_returns_what_c_returns;
        system:
            a_user_is_the_one_of_the_system,
            a_local_time_is_that_of_date,
            a_line_reaches_the_log_with_name_and_process,
            a_user_is_found_up_to_the_longest_name_and_texts,
            each_id_of_a_process_is_the_one_that_was_asked_for,
            a_user_namespace_has_the_user_and_the_group_of_before,
            each_clock_is_its_own,
            the_time_zone_is_read_only_where_no_other_threads_are,
            each_system_call_has_its_name;
    ]])
}
