//! Lists, page by page.

use super::checks;
use super::probe::{HOUR, MS, Probe, a, cancelled, dead, ids, of, with};
use crate::store::{Due, JobFilter, JobId, JobPage, JobState, Outcome};

checks![
    each_state_is_listed_in_its_order,
    a_list_shows_the_queue_and_the_kind_that_it_was_asked_for,
    a_list_shows_what_a_look_at_each_job_shows,
    pages_show_each_job_once,
    a_page_begins_where_the_last_one_ended_also_if_that_job_has_left,
    the_last_page_says_so,
];

fn filter(state: JobState, queue: Option<&str>, kind: Option<&str>) -> JobFilter {
    let mut filter = JobFilter::new(state);
    filter.queue = queue.map(str::to_owned);
    filter.kind = kind.map(str::to_owned);
    filter
}

fn page_ids(page: &JobPage) -> Vec<JobId> {
    page.jobs.iter().map(|job| job.id).collect()
}

fn each_state_is_listed_in_its_order(probe: &Probe) {
    let worker = probe.worker();
    let now = probe.time();
    let at = |priority, due| {
        with(a(), |job| {
            job.priority = priority;
            job.due = Due::At(due);
        })
    };
    let (past, future) = (now - HOUR, now + HOUR);
    let later = probe.add_all(vec![at(9, future + MS), at(0, future), at(1, future)]);
    let scheduled = [later[1], later[2], later[0]];
    assert_eq!(probe.listed(JobState::Scheduled), scheduled);
    let ready = probe.add_all(vec![
        at(0, past + MS),
        at(1, past),
        at(0, past),
        at(0, past),
    ]);
    let available = [ready[1], ready[2], ready[3], ready[0]];
    assert_eq!(probe.listed(JobState::Available), available);

    let mut running = Vec::new();
    for _ in 0..2 {
        running.extend(probe.claim_some(worker, 2));
        probe.advance(2 * MS);
    }
    let mut claimed = [ids(&running[..2]), ids(&running[2..])];
    claimed.iter_mut().for_each(|ids| ids.sort());
    assert_eq!(probe.listed(JobState::Running), claimed.concat());

    for outcome in [Outcome::Completed, dead(), cancelled()] {
        let mut ended = Vec::new();
        for job in running.drain(..) {
            probe.end(job.attempt_id(), outcome.clone());
            ended.insert(0, job.id);
            probe.advance(2 * MS);
        }
        let state = probe.state(ended[0]);
        assert_eq!(probe.listed(state), ended);
        probe.add_all(vec![a(); 3]);
        running = probe.claim_some(worker, 100);
    }
}

fn a_list_shows_the_queue_and_the_kind_that_it_was_asked_for(probe: &Probe) {
    let worker = probe.worker();
    let lanes = [("q", "a"), ("q", "b"), ("r", "a"), ("q", "a")];
    let all = probe.add_all(lanes.map(|(queue, kind)| of(queue, kind)).to_vec());
    let expect = |state, queue, kind, indexes: &[usize]| {
        let filter = filter(state, queue, kind);
        let page = probe.other().list(&filter, None, 100).unwrap();
        let expected: Vec<JobId> = indexes.iter().map(|index| all[*index]).collect();
        assert_eq!(page_ids(&page), expected, "{filter:?}");
        assert_eq!(page.next, None);
    };
    let in_both = |state, order: [usize; 4]| {
        let of_lane = |fits: fn(&(&str, &str)) -> bool| {
            let fitting = order.into_iter().filter(|index| fits(&lanes[*index]));
            fitting.collect::<Vec<_>>()
        };
        expect(state, None, None, &order);
        expect(state, Some("q"), None, &of_lane(|lane| lane.0 == "q"));
        expect(state, None, Some("a"), &of_lane(|lane| lane.1 == "a"));
        expect(
            state,
            Some("q"),
            Some("a"),
            &of_lane(|lane| *lane == ("q", "a")),
        );
        expect(state, Some("r"), Some("b"), &[]);
        expect(state, Some("none"), None, &[]);
        expect(state, None, Some("none"), &[]);
    };
    in_both(JobState::Available, [0, 1, 2, 3]);
    for job in probe.claim_of(worker, &["q", "r"], &["a", "b"], 100) {
        probe.end(job.attempt_id(), dead());
    }
    // They may have ended in the same millisecond, and then the highest id is first.
    let order: Vec<usize> = probe
        .listed(JobState::Dead)
        .iter()
        .map(|id| all.iter().position(|other| other == id).unwrap())
        .collect();
    in_both(JobState::Dead, order.try_into().unwrap());
    expect(JobState::Available, None, None, &[]);
}

fn a_list_shows_what_a_look_at_each_job_shows(probe: &Probe) {
    let worker = probe.worker();
    probe.add(with(a(), |job| {
        job.unique_key = Some("seven".to_owned());
        job.timeout = Some(MS);
        job.expires = Some(HOUR);
        job.due = Due::After(HOUR);
    }));
    probe.ended(worker, dead(), JobState::Dead);
    let running = probe.running(worker);
    probe.cancel(running.id).unwrap();
    for state in JobState::ALL {
        let page = probe.list(&JobFilter::new(state), None, 100).unwrap();
        for job in page.jobs {
            assert_eq!(job, probe.info(job.id));
            assert_eq!(job.state, state);
        }
    }
}

fn pages_show_each_job_once(probe: &Probe) {
    let worker = probe.worker();
    let jobs = (0..10).map(|index| {
        with(of("q", ["a", "b"][index % 2]), |job| {
            job.priority = [1, 0, 1][index % 3];
        })
    });
    probe.add_all(jobs.collect());
    let paged = |filter: &JobFilter| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = probe.list(filter, after, 3).unwrap();
            assert!(page.jobs.len() <= 3);
            all.extend(page_ids(&page));
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    };
    let whole = |filter: &JobFilter| page_ids(&probe.list(filter, None, 100).unwrap());
    let check = |state, count: usize| {
        for kind in [None, Some("a")] {
            let filter = filter(state, Some("q"), kind);
            let pages = paged(&filter);
            assert_eq!(pages, whole(&filter));
            let expected = if kind.is_none() { count } else { count / 2 };
            assert_eq!(pages.len(), expected);
        }
    };
    check(JobState::Available, 10);
    let claimed = probe.claim_some(worker, 100);
    check(JobState::Running, 10);
    for job in claimed {
        probe.end(job.attempt_id(), Outcome::Completed);
    }
    check(JobState::Completed, 10);
}

fn a_page_begins_where_the_last_one_ended_also_if_that_job_has_left(probe: &Probe) {
    let all = probe.add_all(vec![a(); 6]);
    let filter = JobFilter::new(JobState::Available);
    let first = probe.list(&filter, None, 2).unwrap();
    assert_eq!(page_ids(&first), all[..2]);
    probe.delete(all[1]).unwrap();
    probe.delete(all[2]).unwrap();
    probe.add(with(a(), |job| job.priority = 1)); // before the page
    let second = probe.other().list(&filter, first.next, 2).unwrap();
    assert_eq!(page_ids(&second), all[3..5]);
    let third = probe.list(&filter, second.next, 2).unwrap();
    assert_eq!(page_ids(&third), all[5..]);
}

fn the_last_page_says_so(probe: &Probe) {
    probe.add_all(vec![a(); 4]);
    let filter = JobFilter::new(JobState::Available);
    let page = |after, most| probe.list(&filter, after, most).unwrap();
    assert_eq!(page(None, 4).next, None);
    let first = page(None, 2);
    assert!(first.next.is_some());
    assert_eq!(page(first.next, 2).next, None);
    let empty = JobFilter::new(JobState::Dead);
    assert_eq!(probe.list(&empty, None, 5), Ok(JobPage::default()));
}
