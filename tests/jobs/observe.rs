//! What the status, the report and their data show.

use crate::common::{Gate, LONG, within};
use crate::parts::{Number, Text, account, ear, new_jobs, number, start, wait_until};
use groundcrew::jobs::{JobContext, NewJob};
use groundcrew::store::JobState;

#[test]
fn the_status_shows_what_runs_with_its_note_and_the_numbers_of_jobs() {
    within(LONG, "the status", || {
        let jobs = new_jobs();
        let (sender, begun) = ear();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let mail = |job: NewJob| job.queue("mail");
        jobs.enqueue_many([
            mail(NewJob::of(&number(1))),
            NewJob::of(&number(2)).queue("unknown"),
            mail(NewJob::of(&Text {
                text: "no handler".to_owned(),
            })),
        ])
        .unwrap();
        let host = start(&jobs, |workers| {
            workers
                .queues(["mail"])
                .on(move |_: Number, ctx: &JobContext| {
                    ctx.note("half way");
                    ctx.progress(1, 2);
                    sender.send(ctx.id()).unwrap();
                    entrance.pass();
                })
        });
        let id = begun.recv().unwrap();
        let status = host.status();
        let service = &status.services()[0];
        let shown = service.jobs().unwrap();
        let running = &shown.running()[0];
        assert_eq!(
            (running.id(), running.kind(), running.queue()),
            (id, "number", "mail")
        );
        assert_eq!(
            (running.note(), running.progress()),
            (Some("half way"), Some((1, 2)))
        );
        assert_eq!(
            (running.attempt(), shown.waiting(), shown.trouble()),
            (1, 0, None)
        );
        let lanes = shown.lanes().iter();
        let lanes = lanes.map(|it| {
            (
                &*it.queue,
                &*it.kind,
                it.states[JobState::Available],
                it.states[JobState::Running],
            )
        });
        assert_eq!(
            lanes.collect::<Vec<_>>(),
            [("mail", "number", 0, 1), ("mail", "text", 1, 0)]
        );
        assert!(shown.lag("mail").is_some() && shown.lag("unknown").is_none());
        let notes: Vec<_> = service
            .threads()
            .iter()
            .filter_map(|it| it.note())
            .collect();
        assert_eq!(notes, ["half way"]);
        let data = serde_json::to_value(&status).unwrap();
        let data = &data["services"][0]["jobs"];
        assert_eq!(data["running"][0]["note"], "half way");
        assert_eq!(data["lanes"][1]["available"], 1);

        gate.open();
        wait_until(|| {
            host.status().services()[0]
                .jobs()
                .unwrap()
                .report()
                .completed()
                == 1
        });
        assert!(host.status().services()[0].jobs().unwrap().rate() > 0.0);
        let report = host.stop();
        assert_eq!(account(&report).completed(), 1);
        let data = serde_json::to_value(&report).unwrap();
        assert_eq!(data["services"][0]["jobs"]["completed"], 1);
        assert!(
            report
                .to_string()
                .contains("claimed 1  completed 1  failed 0  dead 0"),
            "{report}"
        );
        assert!(report.jobs("other").is_none());
    });
}
