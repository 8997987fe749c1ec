//! How services are started: contracts 17 and 18.

use crate::common::host::{Diary, OnDrop, Puppet, host, signal, wait};
use crate::common::{Gate, LONG, expected_panic, within};
use groundcrew::channel::unbounded;
use groundcrew::host::{HostPhase, Restart, ServiceOutcome, StopReason, WaitForError};
use groundcrew::{Host, ServiceContext};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

/// Begins with a character more than the system keeps of a thread's name.
const NAME: &str = "teller-with-a-long-name";

#[test]
fn the_parts_run_one_after_another_on_one_thread_of_the_services_name_and_keep_its_state() {
    within(LONG, "parts", || {
        let (tell, told) = unbounded();
        let here = move |part: &'static str| {
            let thread = thread::current();
            tell.send((part, thread.id(), thread.name().map(str::to_owned)))
                .unwrap();
        };
        let host = host(LONG, |host| {
            host.service(NAME, move || {
                here("made");
                let (start, run, stop, dropped) =
                    (here.clone(), here.clone(), here.clone(), here.clone());
                let count = std::rc::Rc::new(std::cell::Cell::new(0));
                let next = move |expected: u32| {
                    assert_eq!(count.replace(expected + 1), expected);
                };
                let (first, second, third) = (next.clone(), next.clone(), next);
                Puppet::new()
                    .start(move |_| {
                        first(0);
                        start("start");
                        Ok(())
                    })
                    .run(move |ctx| {
                        second(1);
                        run("run");
                        wait(ctx)
                    })
                    .stop(move |_| {
                        third(2);
                        stop("stop");
                        Ok(())
                    })
                    .own(OnDrop::new(move || dropped("drop")))
            });
        });
        let report = host.start().unwrap().stop();
        assert!(report.is_clean(), "{report}");
        let told: Vec<_> = told.iter().collect();
        let parts: Vec<_> = told.iter().map(|(part, ..)| *part).collect();
        assert_eq!(parts, ["made", "start", "run", "stop", "drop"]);
        let (_, thread, _) = &told[0];
        for (_, id, name) in &told {
            assert_eq!((id, name.as_deref()), (thread, Some(NAME)));
        }
        assert_ne!(*thread, thread::current().id());
    });
}

#[test]
fn stop_follows_a_run_that_failed_or_panicked_but_no_start_that_did() {
    let fails: [fn() -> groundcrew::host::ServiceResult; 2] =
        [|| Err("no luck")?, || expected_panic()];
    for fail in fails {
        let diary = Diary::default();
        let written = diary.clone();
        let host = host(LONG, |host| {
            host.service("it", move || written.puppet("it").run(move |_| fail()));
        });
        drop(within(LONG, "run fails", || host.run()));
        assert_eq!(diary.pages(), ["it start", "it stop", "it drop"]);

        let diary = Diary::default();
        let written = diary.clone();
        let host = crate::common::host::host(LONG, |host| {
            host.service("it", move || written.puppet("it").start(move |_| fail()));
        });
        drop(within(LONG, "start fails", || host.run()));
        assert_eq!(diary.pages(), ["it drop"]);
    }
}

#[test]
fn a_restart_gets_a_new_value_on_the_same_thread_after_the_old_one_is_gone() {
    let (diary, (tell, told)) = (Diary::default(), unbounded());
    let written = diary.clone();
    let at_once = Restart::new()
        .backoff(groundcrew::retry::Backoff::fixed(Duration::ZERO))
        .limit(9, LONG);
    let mut made = 0;
    let host = host(LONG, |host| {
        let service = host.service("it", move || {
            made += 1;
            tell.send(thread::current().id()).unwrap();
            let puppet = written.puppet(&format!("{made}"));
            match made {
                3 => puppet.run(|ctx| {
                    ctx.request_stop("the third one is well");
                    wait(ctx)
                }),
                _ => puppet.run(|_| Err("no luck")?),
            }
        });
        service.on_failure(at_once);
    });
    let report = within(LONG, "restart", || host.run());
    let pages = diary.pages();
    let life = |n: u32| ["start", "stop", "drop"].map(|part| format!("{n} {part}"));
    assert_eq!(pages, [life(1), life(2), life(3)].concat());
    let threads: Vec<_> = told.iter().collect();
    assert!(threads.len() == 3 && threads.iter().all(|thread| *thread == threads[0]));
    assert_eq!(
        (report.services()[0].restarts(), report.exit_code()),
        (2, 0)
    );
}

#[test]
fn a_service_starts_after_those_it_needs_and_those_that_do_not_need_each_other_together() {
    let (diary, barrier) = (Diary::default(), Arc::new(Barrier::new(2)));
    let host = host(LONG, |host| {
        let written = diary.clone();
        host.service("last", move || written.puppet("last"))
            .after(["left", "right"]);
        for name in ["left", "right"] {
            let (written, barrier) = (diary.clone(), barrier.clone());
            let puppet = move || {
                let (written, barrier) = (written.clone(), barrier.clone());
                Puppet::new().start(move |_| {
                    // Both are here, or neither ever gets on.
                    barrier.wait();
                    written.write("middle");
                    Ok(())
                })
            };
            host.service(name, puppet).after(["first"]);
        }
        let written = diary.clone();
        host.service("first", move || written.puppet("first"));
    });
    let host = within(LONG, "start", || host.start().unwrap());
    assert!(host.is_ready());
    let starts: Vec<_> = diary
        .pages()
        .into_iter()
        .filter(|page| page.ends_with("start") || page == "middle")
        .collect();
    assert_eq!(starts, ["first start", "middle", "middle", "last start"]);
    assert!(host.stop().is_clean());
}

#[test]
fn a_start_that_does_not_block_is_over_when_the_service_says_so() {
    within(LONG, "ready", || {
        let (gate, ran) = (Gate::new(), signal());
        let entrance = gate.entrance();
        let (tell, told) = signal();
        let host = host(LONG, |host| {
            host.background("index", move |ctx| {
                ran.0.send(())?;
                entrance.pass();
                ctx.ready();
                ctx.ready();
                wait(ctx)
            })
            .signals_ready();
            host.startup_task("search", move |_| Ok(tell.send(())?))
                .after(["index"]);
        });
        let handle = host.handle();
        let starting = thread::spawn(move || host.start().unwrap());
        ran.1.recv().unwrap();
        assert!(told.try_recv().is_err() && !handle.is_ready());
        assert_eq!(handle.status().phase(), HostPhase::Starting);
        gate.open();
        let host = starting.join().unwrap();
        assert!(told.try_recv().is_ok() && handle.is_ready());
        assert!(host.stop().is_clean());
    });
}

#[test]
fn a_task_of_the_start_is_up_when_it_has_returned_whether_it_says_so_or_not() {
    for says in [false, true] {
        let host = host(LONG, |host| {
            let task = host.startup_task("warm-up", move |ctx| {
                if says {
                    ctx.ready();
                }
                Ok(())
            });
            task.signals_ready();
            host.background("web", wait).after(["warm-up"]);
        });
        let host = within(LONG, "warm-up", || host.start().unwrap());
        let report = host.stop();
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Returned
        ));
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn a_host_without_services_starts_and_stops_and_has_nothing_to_run() {
    within(LONG, "empty", || {
        let host = Host::builder().build().unwrap().start().unwrap();
        assert!(host.is_ready() && host.is_alive());
        assert!(host.stop().is_clean());
        let report = Host::builder().build().unwrap().run();
        assert!(matches!(report.reason(), StopReason::AllReturned));
    });
}

#[test]
fn waiting_for_a_service_ends_when_it_is_up_or_can_no_longer_be() {
    let (tell, told) = unbounded();
    let (gate, (begin, begun)) = (Gate::new(), signal());
    let entrance = gate.entrance();
    let waits = |name: &'static str| {
        let tell = tell.clone();
        move |ctx: &ServiceContext| Ok(tell.send((name, ctx.wait_for(name)))?)
    };
    let host = host(LONG, |host| {
        host.background("for the slow", waits("slow")).one_shot();
        host.background("for nobody", waits("nobody")).one_shot();
        host.background("for the bad", waits("bad")).one_shot();
        let waits_for_it = waits("never");
        host.background("for the stop", move |ctx| {
            begin.send(())?;
            waits_for_it(ctx)
        });
        host.startup_task("slow", move |_| {
            entrance.pass();
            Ok(())
        });
        host.background("bad", |_| Err("no luck")?)
            .on_failure(groundcrew::host::FailurePolicy::Ignore);
        host.background("never", wait).signals_ready();
    });
    drop(tell);
    let handle = host.handle();
    let running = thread::spawn(move || host.run());
    within(LONG, "waits", || {
        let mut first: Vec<_> = told.iter().take(2).collect();
        first.sort_by_key(|(name, _)| *name);
        // "bad" may be up for a moment.
        assert!(first[0].0 == "bad");
        assert_eq!(
            first[1],
            ("nobody", Err(WaitForError::Unknown("nobody".into())))
        );
        gate.open();
        assert_eq!(told.recv().unwrap(), ("slow", Ok(())));
        begun.recv().unwrap();
        handle.request_stop("enough");
        assert_eq!(
            told.recv().unwrap(),
            ("never", Err(WaitForError::Cancelled))
        );
        drop(running.join().unwrap());
    });
}
