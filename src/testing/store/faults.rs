//! Stores with a fault each: the suite has to find it, by the check that names it.

mod faulty;

use super::{RandomRun, Subject, all, check_random, run};
use crate::clock::ManualClock;
use crate::store::MemoryStore;
use crate::sync::Arc;
use crate::unwind;
use faulty::{Fault, Faulty};

/// Each fault, the check that finds it, and whether random verbs do as well.
const FAULTS: &[(Fault, &str, bool)] = &[
    (
        Fault::ClientIdForgotten,
        "a_known_client_id_returns_its_job_and_changes_nothing",
        true,
    ),
    (
        Fault::UniqueKeyForgotten,
        "of_many_threads_one_gets_the_unique_key",
        true,
    ),
    (
        Fault::EachJobCommitsAlone,
        "a_refused_call_enqueues_none_of_its_jobs",
        true,
    ),
    (
        Fault::PayloadUnlimited,
        "a_payload_over_the_limit_is_refused_and_one_of_the_limit_is_taken",
        false,
    ),
    (
        Fault::DueEarly,
        "a_job_is_there_with_all_that_it_was_given",
        true,
    ),
    (
        Fault::ExpiryIgnored,
        "an_expired_job_is_cancelled_by_a_claim_and_not_claimed",
        true,
    ),
    (
        Fault::ExpiredKept,
        "what_has_expired_is_cancelled_without_a_claim_as_well",
        true,
    ),
    (
        Fault::AllExpiredAtOnce,
        "a_claim_cancels_a_limited_number_of_expired_jobs_and_says_that_there_are_more",
        false,
    ),
    (
        Fault::OutcomeByIdAlone,
        "an_outcome_of_an_attempt_that_was_taken_over_is_refused_and_the_new_one_stands",
        true,
    ),
    (
        Fault::RepeatedOutcomeLost,
        "an_outcome_that_was_accepted_is_accepted_again_and_changes_nothing",
        true,
    ),
    (
        Fault::SnoozeCounts,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::InterruptionCounts,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::GivenBackIsInterrupted,
        "an_attempt_that_is_snoozed_given_back_or_interrupted_does_not_count",
        true,
    ),
    (
        Fault::AbandonedEndsAtOnce,
        "an_abandoned_attempt_keeps_its_job_and_may_still_end",
        true,
    ),
    (
        Fault::TakeoverWithoutBeat,
        "a_takeover_needs_the_beat_that_was_seen",
        false,
    ),
    (
        Fault::BegunForgotten,
        "a_lost_attempt_counts_and_the_next_is_claimed_alone",
        true,
    ),
    (
        Fault::BegunSupposed,
        "a_lost_attempt_that_had_not_begun_is_given_back",
        true,
    ),
    (
        Fault::BegunOverwritten,
        "what_has_ended_without_a_record_had_begun",
        true,
    ),
    (
        Fault::BegunLimited,
        "a_long_attempt_had_begun_however_many_begin_after_it",
        false,
    ),
    (
        Fault::BeatStandsStill,
        "a_renewal_changes_the_beat_of_its_process_alone",
        true,
    ),
    (
        Fault::WithdrawLeavesJobs,
        "a_lease_is_withdrawn_unless_jobs_run_in_its_name",
        true,
    ),
    (
        Fault::QueuesInAnyOrder,
        "the_queues_are_claimed_in_the_order_of_the_request",
        true,
    ),
    (
        Fault::BudgetIgnored,
        "a_claim_ends_at_its_budget_and_takes_one_in_any_case",
        true,
    ),
    (
        Fault::KindsIgnored,
        "only_the_lanes_that_were_asked_for_are_claimed",
        true,
    ),
    (
        Fault::CancelEndsTheRunning,
        "the_worker_of_a_running_job_is_asked_to_cancel_it",
        true,
    ),
    (
        Fault::CancelMarkHidden,
        "a_process_finds_what_runs_in_its_name",
        false,
    ),
    (
        Fault::PruneIgnoresAge,
        "pruning_takes_what_ended_in_that_state_long_ago",
        true,
    ),
    (
        Fault::PruneIgnoresLimit,
        "pruning_takes_the_earliest_first_and_no_more_than_asked_for",
        true,
    ),
    (
        Fault::PageIgnoresCursor,
        "a_page_begins_where_the_last_one_ended_also_if_that_job_has_left",
        false,
    ),
    (Fault::LastPageUnknown, "the_last_page_says_so", false),
    (
        Fault::ListIgnoresKind,
        "a_list_shows_the_queue_and_the_kind_that_it_was_asked_for",
        false,
    ),
    (
        Fault::CountsForgetTheDead,
        "the_counts_are_those_of_a_recount",
        true,
    ),
    (
        Fault::DeletedNotCounted,
        "what_was_deleted_or_pruned_is_counted",
        true,
    ),
    (
        Fault::PromotionUnseen,
        "what_makes_work_changes_the_version_of_its_process_at_once",
        false,
    ),
    (
        Fault::NextDueUnknown,
        "the_earliest_due_are_promoted_first_and_no_more_than_asked_for",
        true,
    ),
    (
        Fault::RevisionIgnored,
        "a_recurring_job_changes_only_from_the_revision_that_was_seen",
        false,
    ),
    (
        Fault::RevisionIgnored,
        "of_many_processes_that_saw_the_same_revision_one_makes_its_change",
        false,
    ),
    (
        Fault::InstantForgotten,
        "a_change_enqueues_its_jobs_with_their_own_due_times",
        false,
    ),
    (
        Fault::HeldKeyRefusesAll,
        "a_change_leaves_out_a_job_whose_unique_key_is_held",
        false,
    ),
    (
        Fault::PausedIsDue,
        "those_are_due_whose_instant_has_come_unless_they_are_paused",
        false,
    ),
    (
        Fault::TouchForgotten,
        "a_touch_changes_when_a_recurring_job_was_declared_and_its_revision",
        false,
    ),
    (
        Fault::PauseForgotten,
        "nothing_is_claimed_from_a_paused_queue_until_it_is_resumed",
        true,
    ),
    (
        Fault::LimitIgnored,
        "no_more_jobs_of_a_key_than_its_limit_are_available_or_run",
        true,
    ),
    (
        Fault::LimitOfEachQueue,
        "the_best_blocked_job_gets_the_place_over_all_queues_and_kinds",
        true,
    ),
    (
        Fault::ParentsIgnored,
        "a_job_waits_until_all_that_it_was_enqueued_after_are_completed",
        true,
    ),
    (
        Fault::RefusalEndsTheRest,
        "what_is_refused_keeps_nothing_else_from_being_done_and_is_named",
        true,
    ),
];
fn subject(fault: Fault) -> Subject {
    let clock = ManualClock::new();
    let inner = MemoryStore::new().clock(&clock);
    let begun = Arc::default();
    let store = Faulty {
        inner,
        fault,
        begun,
    };
    Subject::new(store.clone()).other(store).clock(&clock)
}

#[test]
fn each_fault_of_a_store_is_found_by_the_check_that_names_it() {
    for (fault, name, _) in FAULTS {
        let check = all().find(|check| check.0 == *name);
        let check = check.unwrap_or_else(|| panic!("there is no check {name}"));
        assert!(
            run(check, subject(*fault)).is_err(),
            "{fault:?} passed {name}"
        );
    }
}

#[test]
fn random_verbs_find_most_faults_as_well() {
    for (fault, _, _) in FAULTS.iter().filter(|(_, _, at_random)| *at_random) {
        let is_found = |seed| {
            let result = unwind::catch(|| check_random(|| subject(*fault), RandomRun::new(seed)));
            result.map_err(unwind::drop_payload).is_err()
        };
        assert!((0..8).any(is_found), "{fault:?} passed 8 random runs");
    }
}

#[test]
fn each_check_has_a_name_of_its_own() {
    let mut names: Vec<&str> = all().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|first, second| first < second));
    assert!(names.len() > 70, "{}", names.len());
}
