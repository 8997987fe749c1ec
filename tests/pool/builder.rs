//! What can be set about a pool, and what cannot work: contract 6.

use groundcrew::channel::unbounded;
use groundcrew::{Pool, StopPlan};
use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

#[test]
fn a_value_that_cannot_work_is_an_error_that_says_what_to_write_instead() {
    let endless = StopPlan::drain(Duration::MAX);
    for (builder, instead) in [
        (Pool::builder().threads(0), "at least 1"),
        (Pool::builder().threads(usize::MAX), "the 65536 that"),
        (Pool::builder().queue_capacity(0), "at least 1"),
        (
            Pool::builder().queue_capacity(usize::MAX),
            "the 67108864 that",
        ),
        (Pool::builder().name("a\0b"), "\"a\\0b\" cannot be"),
        (Pool::builder().name(""), "leave `name` out"),
        (Pool::builder().stack_size(1), "at least 65536"),
        (Pool::builder().drop_plan(endless), "5 s"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(instead), "{error}");
    }
    assert_eq!(Pool::new(0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_stack_that_cannot_be_had_is_the_systems_error() {
    for stack in [usize::MAX, 1 << 60] {
        let error = Pool::builder()
            .threads(2)
            .stack_size(stack)
            .build()
            .unwrap_err();
        assert!(error.to_string().starts_with("worker 1 of 2"), "{error}");
    }
}

#[test]
fn by_default_there_is_one_worker_per_core_and_a_queue_of_1024_places() {
    let pool = Pool::builder().build().unwrap();
    let cores = thread::available_parallelism().unwrap().get();
    assert_eq!(pool.stats().workers_alive(), cores);
    let (open, gate) = unbounded::<()>();
    let full = (0..2_000).find(|_| {
        let gate = gate.clone();
        pool.try_execute(move || gate.recv()).is_err()
    });
    let accepted = full.unwrap();
    assert!((1024..=1024 + cores).contains(&accepted), "{accepted}");
    drop(open);
}

#[test]
fn workers_are_called_after_the_pool_and_their_number_survives_the_cut() {
    let (tell, told) = unbounded();
    let pool = Pool::builder()
        .threads(11)
        .name("a-name-longer-than-fifteen-bytes")
        .on_worker_start(move |index| {
            let name = thread::current().name().unwrap().to_owned();
            tell.send((index, name)).unwrap();
        })
        .build()
        .unwrap();
    assert!(pool.stop(Duration::from_secs(60)).is_clean());
    let mut names: Vec<_> = told.try_iter().collect();
    names.sort();
    assert_eq!(names[0], (0, "a-name-longer-0".to_owned()));
    assert_eq!(names[10], (10, "a-name-longe-10".to_owned()));
}

#[test]
fn debug_shows_what_matters_and_no_closure() {
    let builder = Pool::builder().threads(2).name("shown");
    assert!(format!("{builder:?}").contains("threads: Some(2)"));
    let pool = builder.build().unwrap();
    let text = format!("{pool:?}");
    assert!(text.contains("shown") && text.contains("Open"), "{text}");
    assert!(format!("{:?}", pool.submitter()).contains("is_closed: false"));
    assert!(format!("{:?}", pool.stop_handle()).contains("Open"));
    assert!(format!("{:?}", pool.task("t")).contains("\"t\""));
    let report = pool.stop(Duration::from_secs(60));
    assert!(format!("{report:?}").contains("accepted: 0"));
}
