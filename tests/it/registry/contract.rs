//! The contract that every registry keeps: written once, run on each of them. A test is a function in one of
//! the modules below, and its name in the list.

#[path = "again.rs"]
mod again;
#[path = "audit.rs"]
mod audit;
#[path = "bench.rs"]
pub(crate) mod bench;
#[path = "changes.rs"]
mod changes;
#[path = "claims.rs"]
mod claims;
#[path = "dedicated.rs"]
mod dedicated;
#[path = "history.rs"]
mod history;
#[path = "lifecycle.rs"]
mod lifecycle;
#[path = "names.rs"]
mod names;
#[path = "place.rs"]
mod place;
#[path = "queue.rs"]
mod queue;
#[path = "run.rs"]
mod run;
#[path = "secrets.rs"]
mod secrets;
#[path = "trail.rs"]
mod trail;

/// Makes a test of every function of a list, on the store that the module above opens.
macro_rules! contract {
    ($($module:ident: $($name:ident),+ $(,)?;)+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$module::$name(super::super::store().await).await;
        }
    )+)+};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long; run by make soak"]
async fn soak_random_operations_leave_one_row_each() {
    trail::soak_random_operations_leave_one_row_each(super::store().await).await;
}

mod every {
    contract! {
        lifecycle:
            a_server_is_kept_as_it_was_written_down,
            an_edit_of_what_someone_else_changed_is_refused_with_the_difference,
            activation_needs_a_test_that_passed,
            a_server_with_instances_is_neither_deactivated_nor_deleted,
            an_empty_server_goes_through_its_life,
            a_server_with_templates_or_jobs_is_not_deleted,
            a_check_never_touches_the_intent,
            checks_are_kept_and_read_newest_first,
            due_checks_are_handed_out_once_an_interval,
            due_checks_are_shared_between_workers,
            what_was_handed_out_while_one_waited_is_not_handed_out_again,
            due_checks_without_a_time_go_by_the_stores_clock;
        names:
            codes_and_addresses_are_unique,
            bad_specs_are_refused,
            a_template_is_kept_and_its_names_are_unique,
            a_template_in_use_is_not_removed,
            a_database_is_either_a_template_or_an_instance,
            plans_and_customers_are_kept_once,
            names_of_instances_are_unique_where_they_must_be,
            a_failed_instance_gives_its_names_and_place_back,
            instances_are_found_by_their_words,
            all_instances_come_in_parts_each_once,
            only_failed_instances_and_drafts_are_forgotten,
            what_is_not_there_is_said_so;
        queue:
            queueing_writes_the_job_the_instance_and_its_place,
            the_last_place_goes_to_one_of_two,
            the_last_place_goes_to_one_of_many,
            a_server_that_is_not_active_takes_nothing,
            less_than_the_free_share_is_refused_with_its_numbers,
            a_template_that_is_not_ready_or_elsewhere_is_refused,
            a_plan_whose_world_changed_is_refused_with_the_difference,
            a_template_being_thawed_is_not_cloned,
            a_refused_job_leaves_nothing_behind,
            a_queued_job_is_cancelled_at_once,
            a_cancelled_delete_gives_the_instance_its_state_back,
            a_running_job_is_asked_to_stop,
            a_job_that_is_over_is_not_cancelled;
        again:
            a_failed_job_is_run_again_from_its_first_step,
            a_retry_takes_place_and_names_under_the_conditions_of_the_day,
            a_retry_of_a_job_that_is_not_over_is_refused,
            a_job_stuck_undoing_goes_on_undoing,
            a_job_stuck_past_its_pivot_goes_on_forward;
        run:
            jobs_are_claimed_oldest_first_and_once,
            many_workers_share_the_queue_without_a_clash,
            a_stale_token_changes_nothing,
            a_dead_workers_job_is_taken_over,
            a_lease_that_ran_out_is_taken_over,
            a_renewed_lease_is_kept,
            a_released_job_is_taken_by_another,
            steps_keep_their_record,
            the_end_and_its_consequences_are_one,
            an_end_that_cannot_follow_ends_nothing,
            an_end_told_twice_is_the_same_end,
            a_removed_instance_gives_its_place_back,
            facts_of_templates_and_instances_are_kept,
            jobs_are_filtered;
        claims:
            a_long_queue_of_one_server_starves_no_other,
            a_servers_limit_holds_over_all_workers,
            a_servers_limit_holds_when_many_claim_at_once,
            a_lease_that_ran_out_counts_no_more,
            what_was_begun_comes_before_what_was_not,
            a_job_waits_for_a_worker_that_has_its_key;
        dedicated:
            a_dedicated_instance_is_kept_as_it_was_made,
            two_operators_at_once_get_different_ports,
            one_name_goes_to_one_of_two_at_once,
            ports_and_domain_are_free_again_after_a_failure_and_a_removal,
            a_retry_finds_its_port_taken_and_says_so,
            facts_of_a_dedicated_instance_are_kept;
        history:
            log_lines_are_numbered_without_gaps,
            a_log_is_read_in_parts,
            workers_come_and_go,
            old_history_goes_and_the_rest_stays;
        audit:
            every_mutation_leaves_a_row,
            every_refusal_leaves_a_row,
            what_is_done_beside_the_registry_is_noted,
            no_secret_is_in_the_audit,
            a_retried_operation_is_applied_once,
            one_operation_may_do_several_things;
        trail:
            the_audit_is_filtered_and_read_page_by_page,
            the_chain_holds_however_many_write_at_once,
            random_operations_leave_one_row_each;
        changes:
            every_kind_of_change_is_told,
            changes_of_another_connection_are_told_at_once,
            a_receiver_that_falls_behind_reads_everything_again,
            changes_before_the_call_are_not_told;
        place:
            it_says_where_it_is_that_it_is_there_and_what_one_may;
        secrets:
            every_place_of_a_secret_is_listed,
            all_values_are_sealed_anew_at_once_and_the_audit_names_keys_alone,
            sealing_anew_is_refused_whole_when_anything_sealed_changed;
    }
}
