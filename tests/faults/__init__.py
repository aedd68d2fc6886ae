"""What can go wrong with a run, and the tests that play it.

:data:`FAULTS` maps each fault, in words, to its tests (files below ``tests/``), and
``test_table.py`` looks whether they are there. Each says in its docstring what is expected.
"""

FAULTS: dict[str, tuple[str, ...]] = {
    "the worker is killed at any moment": (
        "faults/test_killed_workers.py::test_a_hundred_random_kills_lose_no_acknowledged_record",
        "faults/test_killed_workers.py::test_a_resumed_run_shows_what_two_killed_attempts_recorded",
        "faults/test_seen_by_a_person.py::test_a_killed_process_is_told_recorded_and_resumed",
        "supervisor/test_supervise.py::test_a_worker_killed_from_outside_has_failed_and_every_record_is_kept",
        "end_to_end/test_real_worker.py::test_whatever_interrupts_a_run_changes_nothing",
    ),
    "the worker is killed and leaves helpers, one in a session of its own": (
        "supervisor/test_supervise.py::test_no_process_of_a_run_is_left",
    ),
    "the supervisor is killed": (
        "faults/test_dead_supervisors.py::test_a_killed_supervisor_takes_its_worker_along_and_is_recorded_once",
        "faults/test_dead_supervisors.py::test_what_outlives_a_dead_supervisor_is_orphaned_until_it_is_swept",
        "faults/test_seen_by_a_person.py::test_a_lost_run_is_recorded_by_whoever_lists_it",
        "end_to_end/test_real_worker.py::test_whatever_interrupts_a_run_changes_nothing",
    ),
    "supervisor and worker are killed": (
        "faults/test_dead_supervisors.py::test_a_run_whose_processes_were_all_killed_is_lost_and_resumable",
    ),
    "the console is killed while three runs train": (
        "faults/test_killed_console.py::test_three_runs_go_on_when_the_console_is_killed",
    ),
    "the SSH line drops": (
        "end_to_end/test_leaving.py::test_a_run_outlives_its_console",
        "supervisor/test_supervise.py::test_a_run_outlives_its_terminal",
        "supervisor/test_launch.py::test_survival_follows_the_login_manager",
    ),
    "the machine restarts": (
        "faults/test_dead_supervisors.py::test_another_boot_ends_a_run_whatever_its_pids_are_now",
        "supervisor/test_queue_orders.py::test_after_a_restart_of_the_machine_a_run_starts_when_one_says_so_and_only_once",
    ),
    "a pid is used again": (
        "faults/test_dead_supervisors.py::test_a_reused_pid_is_neither_the_run_nor_signalled",
    ),
    "the owner is a zombie": ("faults/test_dead_supervisors.py::test_a_zombie_supervisor_is_dead",),
    "the worker stands still (SIGSTOP) and goes on": (
        "faults/test_clocks.py::test_a_stopped_worker_is_stalled_and_recovers",
    ),
    "a second supervisor starts on the same folder": (
        "faults/test_dead_supervisors.py::test_a_second_supervisor_leaves_the_first_undisturbed",
        "faults/test_commits.py::test_a_killed_claim_leaves_the_run_to_the_next_supervisor",
    ),
    "two consoles start the same queued run at once": (
        "supervisor/test_launch.py::test_two_consoles_that_launch_at_once_make_one_attempt",
        "faults/test_dead_supervisors.py::test_two_hundred_times_two_claims_and_one_attempt_each",
    ),
    "two hosts share one runs folder": (
        "supervisor/test_other_host.py::test_of_reapers_on_two_hosts_the_own_one_records_the_end_and_nobody_else",
        "supervisor/test_other_host.py::test_a_heartbeat_says_that_a_run_is_at_work_and_its_silence_nothing",
    ),
    "the last line of a journal is torn": (
        "faults/test_torn_records.py::test_a_cut_at_every_byte_of_the_last_three_records",
        "faults/test_commits.py::test_a_file_cut_at_any_byte_is_told_from_a_whole_one",
        "faults/test_seen_by_a_person.py::test_a_torn_line_and_a_nan_loss_are_shown_as_what_they_are",
    ),
    "garbage in the middle of a file, as after power loss": (
        "faults/test_torn_records.py::test_a_block_of_nul_in_the_middle",
        "faults/test_torn_records.py::test_garbage_is_passed_over",
    ),
    "the disk is full at metrics, checkpoint or result": (
        "faults/test_disks.py::test_a_full_disk_while_metrics_are_written",
        "faults/test_disks.py::test_a_full_disk_while_a_checkpoint_is_saved",
        "faults/test_disks.py::test_a_full_disk_when_the_end_is_recorded",
        "faults/test_disks.py::test_want_of_space_is_told_at_once",
        "faults/test_seen_by_a_person.py::test_a_full_disk_is_named_and_what_was_written_is_kept",
        "faults/training/test_damaged_checkpoints.py::test_a_full_disk_while_saving_is_named_and_leaves_the_checkpoint_before",
    ),
    "no inodes, read-only, I/O error, stale handle": (
        "faults/test_disks.py::test_no_inodes_when_the_end_is_recorded",
        "faults/test_disks.py::test_records_wait_for_a_disk_that_is_away",
        "faults/test_disks.py::test_a_disk_that_stays_away_ends_the_work_after_a_while",
        "faults/test_disks.py::test_the_supervisor_waits_for_the_disk_to_record_the_end",
        "faults/test_disks.py::test_readers_live_through_a_disk_that_is_away",
        "faults/training/test_interrupted_training.py::test_training_goes_on_while_its_records_cannot_be_written",
    ),
    "the worker is killed at any call of a save": (
        "faults/test_checkpoint_commits.py::test_a_kill_at_every_write_of_a_save_leaves_a_whole_checkpoint",
        "faults/test_checkpoint_commits.py::test_a_kill_while_an_old_checkpoint_is_deleted_leaves_nothing_that_counts_by_half",
        "faults/training/test_interrupted_training.py::test_a_kill_in_a_save_and_a_resume_reach_the_uninterrupted_accuracy",
    ),
    "a byte of a checkpoint flips, a file is missing or empty": (
        "faults/test_checkpoint_commits.py::test_a_damaged_checkpoint_is_named_and_the_one_before_is_chosen",
        "faults/test_checkpoint_commits.py::test_every_flipped_bit_of_a_small_checkpoint_is_found",
        "faults/training/test_damaged_checkpoints.py::test_falling_back_reaches_the_same_end",
    ),
    "a malicious optimizer.pt or training_args.bin": (
        "faults/training/test_damaged_checkpoints.py::test_a_pickle_in_a_checkpoint_is_not_run",
        "faults/training/test_damaged_checkpoints.py::test_pickled_arguments_are_never_read",
    ),
    "out of GPU memory, out of host memory": (
        "faults/test_gpus.py::test_out_of_gpu_memory_is_told_from_the_rest",
        "faults/test_gpus.py::test_a_kill_is_blamed_on_the_host_memory_where_the_kernel_counted_it",
        "faults/test_gpus.py::test_the_kernels_count_is_read",
        "faults/training/test_damaged_checkpoints.py::test_running_out_of_gpu_memory_is_named",
    ),
    "the loss becomes NaN": (
        "worker/test_train.py::test_a_passing_nan_is_shown_and_counted",
        "worker/test_train.py::test_a_loss_that_stays_nan_ends_the_run",
        "worker/test_train.py::test_nan_weights_end_the_run_before_they_are_saved",
        "faults/test_seen_by_a_person.py::test_a_torn_line_and_a_nan_loss_are_shown_as_what_they_are",
    ),
    "a GPU is taken between check and start, or falls off": (
        "faults/test_gpus.py::test_a_gpu_that_is_taken_between_the_check_and_the_start",
        "faults/test_gpus.py::test_a_gpu_that_falls_off_the_bus",
        "supervisor/test_telemetry.py::test_a_gpu_in_foreign_use_is_waited_for",
    ),
    "the driver hangs": (
        "faults/test_gpus.py::test_keys_answer_while_the_driver_hangs",
        "end_to_end/test_leaving.py::test_a_hung_driver_delays_neither_keys_nor_leaving",
        "supervisor/test_telemetry.py::test_a_driver_that_hangs_in_mid_run_changes_nothing_for_the_run",
    ),
    "the clock is set": (
        "faults/test_clocks.py::test_a_clock_that_is_set_kills_no_run",
        "faults/test_clocks.py::test_order_and_time_left_do_not_follow_the_clock",
        "faults/test_clocks.py::test_a_request_counts_although_the_clock_went_back",
        "supervisor/test_other_host.py::test_the_heartbeat_is_as_old_as_the_file_server_says",
    ),
    "escapes, markup, bidirectional marks, 10 MB in a line, invalid UTF-8": (
        "faults/test_hostile_texts.py::test_a_hostile_record_is_drawn_clean",
        "end_to_end/test_hostile_text.py::test_what_the_console_draws",
        "end_to_end/test_hostile_text.py::test_what_commands_print",
    ),
    "ids that are paths, links, FIFOs": (
        "faults/test_hostile_folders.py::test_an_id_is_never_a_path",
        "faults/test_hostile_folders.py::test_a_fifo_in_the_place_of_any_file_holds_nobody_up",
        "faults/test_hostile_folders.py::test_a_link_in_the_place_of_any_file_is_not_followed",
        "faults/test_hostile_folders.py::test_nothing_is_written_through_a_link",
        "faults/test_hostile_folders.py::test_linked_run_folders_are_neither_listed_nor_moved_nor_emptied",
        "end_to_end/test_bad_input.py::test_an_id_is_never_a_path",
    ),
    "a hostile settings.toml": (
        "faults/test_hostile_settings.py::test_a_hostile_settings_file_is_answered_in_a_line",
        "end_to_end/test_bad_input.py::test_settings_that_are_not_valid",
    ),
    "a planted token": (
        "faults/test_secrets.py::test_a_worker_that_fails_with_a_token_in_its_error_records_none",
        "faults/test_secrets.py::test_commands_neither_record_nor_print_a_token",
        "faults/test_secrets.py::test_what_a_person_writes_about_a_run_holds_no_token",
        "faults/test_secrets.py::test_what_is_exported_holds_no_token",
        "faults/test_secrets.py::test_a_token_in_the_settings_starts_nothing",
        "faults/test_secrets.py::test_no_environment_is_recorded",
    ),
    "umask 000, another user": (
        "faults/test_private_files.py::test_folders_are_0700_and_files_0600_with_any_umask",
        "faults/test_private_files.py::test_another_user_can_neither_read_nor_stop_a_run",
        "faults/test_private_files.py::test_what_another_user_owns_is_looked_at_and_not_resumed",
    ),
    "thousands of runs, millions of records": (
        "faults/test_scale.py::test_two_thousand_runs_are_read_once",
        "faults/test_scale.py::test_a_long_run_is_opened_and_followed_without_reading_it_whole",
        "faults/test_scale.py::test_what_is_kept_of_a_long_run_is_bounded",
    ),
    "the console is another version than the run": (
        "faults/test_upgrade.py::test_a_run_of_the_version_before_is_read",
        "faults/test_upgrade.py::test_a_run_of_the_version_before_is_resumed",
        "faults/test_upgrade.py::test_a_run_of_a_version_to_come_is_shown_and_not_touched",
        "faults/test_upgrade.py::test_a_run_of_a_version_to_come_is_not_resumed",
    ),
    "any of these, one after the other": ("faults/test_state_machine.py::TestRun",),
}
