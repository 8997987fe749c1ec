use super::super::report::Closures;
use super::super::running::RunningTask;
use super::super::unstarted::Unstarted;
use super::*;
use crate::sync::Arc;
use crate::threads::ThreadStatus;
use crate::worker::{AbandonedCounter, Meta, Origin};
use std::panic::Location;
use std::time::Duration;

#[track_caller]
fn meta(id: u64, name: &str) -> Meta {
    Meta {
        origin: Origin {
            id,
            submitted_at: Location::caller(),
        },
        type_name: || "unused",
        name: Some(name.into()),
    }
}

fn abandoned(id: u64, name: &str, note: Option<&str>) -> AbandonedTask {
    AbandonedTask {
        running: RunningTask {
            info: TaskInfo::new(&meta(id, name), 1),
            worker: "render-3".into(),
            running_for: Duration::from_millis(41_200),
            note: note.map(Into::into),
            cancel_requested_for: Some(Duration::from_millis(1_300)),
            is_overrun: false,
        },
        has_token: true,
        thread: Some(ThreadStatus {
            id: 40213,
            doing: "sleeping in read".to_owned(),
        }),
    }
}

fn report(abandoned: Vec<AbandonedTask>, unstarted: Vec<Meta>) -> StopReport {
    let data = ReportData {
        pool: "render".into(),
        elapsed: Duration::from_millis(5_002),
        limit: Some(Duration::from_secs(5)),
        accepted: 1042,
        completed: 1021,
        panicked: 1,
        cancelled: 1,
        expired: 0,
        overrun: 0,
        failed_schedules: Vec::new(),
        unstarted: Unstarted::new(unstarted.into_iter().map(|meta| (meta, 0)).collect()),
        abandoned,
        stopping: Vec::new(),
        lingering: Vec::new(),
        abandoned_counter: Arc::new(AbandonedCounter::default()),
    };
    StopReport::new(Arc::new(data), Arc::new(Closures::default()))
}

#[test]
fn the_report_names_what_was_left_behind() {
    let report = report(
        vec![abandoned(
            1031,
            "resize holiday.png",
            Some("row 3120 of 4000"),
        )],
        vec![meta(1032, "resize beach.png")],
    );
    let stuck_place = report.abandoned()[0].info().submitted_at();
    let place = report.unstarted()[0].submitted_at();
    assert_eq!(
        report.to_string(),
        format!(
            "stop: NOT CLEAN after 5.002 s (deadline 5 s): 1 abandoned, 1 unstarted of 1042 accepted
  completed 1021   panicked 1   cancelled 1   expired 0
  abandoned  #1031 \"resize holiday.png\"  render-3  running 41.2 s  cancel requested 1.3 s ago  {stuck_place}
             last note: \"row 3120 of 4000\"   thread 40213: sleeping in read
  unstarted  #1032 \"resize beach.png\"  {place}"
        )
    );
}

#[test]
fn a_clean_report_is_two_lines() {
    assert_eq!(
        report(Vec::new(), Vec::new()).to_string(),
        "stop: clean after 5.002 s (deadline 5 s): 1042 accepted
  completed 1021   panicked 1   cancelled 1   expired 0"
    );
}

#[test]
fn twenty_lines_of_a_kind_are_printed_and_the_rest_is_counted() {
    let unstarted = (0..37).map(|id| meta(id, &format!("number {id}")));
    let text = report(Vec::new(), unstarted.collect()).to_string();
    assert_eq!(text.matches("  unstarted  #").count(), 20);
    assert!(text.ends_with("\n  ... and 17 more unstarted"), "{text}");
}

#[test]
fn unstarted_tasks_that_differ_in_their_ids_alone_are_one_line_with_their_number() {
    let mut unstarted: Vec<Meta> = (0..17).map(|id| meta(id, "render")).collect();
    unstarted.insert(5, meta(100, "resize"));
    unstarted.extend((200..230).map(|id| meta(id, &id.to_string())));
    let report = report(Vec::new(), unstarted);
    let place = report.unstarted()[0].submitted_at();
    let resize_place = report.unstarted()[5].submitted_at();
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        lines[..2],
        [
            format!("  unstarted  17 x \"render\"  {place}"),
            format!("  unstarted  #100 \"resize\"  {resize_place}"),
        ]
    );
    // 18 lines for as many of the others; 12 of these are left out.
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "  ... and 12 more unstarted");
}

#[test]
fn attempts_and_places_keep_unstarted_tasks_apart() {
    let one = meta(1, "render");
    let other = meta(2, "render");
    assert_ne!(one.origin.submitted_at, other.origin.submitted_at);
    let text = report(Vec::new(), vec![one, other]).to_string();
    assert_eq!(text.matches("  unstarted  #").count(), 2, "{text}");
}

#[test]
fn without_a_width_no_line_is_cut_however_long_it_is() {
    let long = "holiday ".repeat(100);
    let report = report(
        vec![abandoned(1, &long, Some(&long))],
        vec![meta(2, "short"), meta(3, &long)],
    );
    let text = report.to_string();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(text.matches(&long).count(), 3);
    assert!(!text.contains('…'));
    // A long name does not move what is on the line of a short one.
    let short = text
        .lines()
        .find(|line| line.contains("\"short\""))
        .unwrap();
    assert!(short.len() < 200, "{short}");
}

#[test]
fn no_line_is_longer_than_the_width_and_no_name_breaks_one() {
    let nasty = "ü\n\u{1b}[31m\"\t".repeat(60);
    let mut stuck = abandoned(u64::MAX, &nasty, Some(&nasty));
    stuck.has_token = false;
    stuck.running.worker = "\u{7f}".repeat(15).into();
    let report = report(
        vec![stuck, abandoned(1, "short", None)],
        vec![meta(u64::MAX, &nasty)],
    );
    for (text, columns) in [
        (format!("{report:120}"), 120),
        (format!("{report:150}"), 150),
        (report.to_string(), usize::MAX),
    ] {
        lines_keep_to(&text, columns);
    }
}

fn lines_keep_to(text: &str, columns: usize) {
    assert_eq!(text.lines().count(), 7, "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= columns, "{line}");
        assert!(!line.contains(char::is_control), "{line}");
        if line.contains("  #") {
            assert!(line.contains("tests.rs"), "{line}");
        }
    }
}

#[test]
fn durations_are_short() {
    assert_eq!(short(Duration::from_millis(49)), "0.0 s");
    assert_eq!(short(Duration::from_secs(599)), "599.0 s");
    assert_eq!(short(Duration::from_secs(600)), "10.0 min");
    assert_eq!(short(Duration::from_secs(36_000)), "10.0 h");
    assert_eq!(trimmed(Duration::from_secs(10)), "10 s");
    assert_eq!(trimmed(Duration::from_millis(250)), "0.25 s");
    assert_eq!(trimmed(Duration::ZERO), "0 s");
}
