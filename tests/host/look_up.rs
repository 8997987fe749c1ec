//! Services by name: the wait for a state, and the parts of a status and of a report.

use crate::common::host::{host, signal};
use crate::common::{Gate, LONG, within};
use groundcrew::host::{ServiceOutcome, ServiceState, WaitForError};
use groundcrew::{Batcher, Pool, WorkQueue};
use std::thread;
use std::time::Duration;

#[test]
fn a_wait_for_a_state_ends_when_the_service_gets_into_it() {
    within(LONG, "a wait for a state", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let host = host(LONG, |host| {
            host.startup_task("migrate", move |_| {
                entrance.pass();
                Ok(())
            });
            host.background("web", |ctx| ctx.wait()).after("migrate");
        });
        let handle = host.handle();
        let start = thread::spawn(move || host.start().unwrap());
        handle
            .wait_for_state("migrate", ServiceState::Starting, LONG)
            .unwrap();
        handle
            .wait_for_state("web", ServiceState::Waiting, Duration::ZERO)
            .unwrap();
        let other = handle.clone();
        let waiter = thread::spawn(move || other.wait_for_state("web", ServiceState::Up, LONG));
        gate.open();
        assert_eq!(waiter.join().unwrap(), Ok(()));
        assert!(start.join().unwrap().stop().is_clean());
        let stopped = handle.wait_for_state("web", ServiceState::Stopped, Duration::ZERO);
        assert_eq!(stopped, Ok(()));
    });
}

#[test]
fn a_wait_for_a_state_that_does_not_come_says_why() {
    within(LONG, "waits in vain", || {
        let host = host(LONG, |host| {
            host.background("web", |ctx| ctx.wait());
        });
        let host = host.start().unwrap();
        let wait = |name, state, timeout| host.wait_for_state(name, state, timeout).unwrap_err();
        assert_eq!(
            wait("wbe", ServiceState::Up, LONG),
            WaitForError::Unknown("wbe".to_owned())
        );
        for timeout in [Duration::ZERO, Duration::from_millis(5)] {
            let error = wait("web", ServiceState::Failed, timeout);
            assert_eq!(
                error.to_string(),
                "service \"web\" was not failed in time; it is up"
            );
        }
        // The report is made while a thread waits, and without a limit.
        let handle = host.handle().clone();
        let waiter = thread::spawn(move || {
            handle.wait_for_state("web", ServiceState::Failed, Duration::MAX)
        });
        assert!(host.stop().is_clean());
        let over = Err(WaitForError::Over("web".to_owned()));
        assert_eq!(waiter.join().unwrap(), over);
        assert_eq!(Err(wait("web", ServiceState::Up, LONG)), over);
    });
}

#[test]
fn a_status_and_a_report_have_their_parts_by_the_name_of_the_service() {
    within(LONG, "a host of each kind", || {
        let (gate, (tell, told)) = (Gate::new(), signal());
        let entrance = gate.entrance();
        let pools = [(); 2].map(|()| Pool::new(1).unwrap());
        let tasks = pools[1].submitter();
        let events = Batcher::builder("their own name")
            .build(tasks.clone(), |items: &mut Vec<u32>, _| {
                items.clear();
                Ok(())
            })
            .unwrap();
        let emails = WorkQueue::new(2);
        let host = host(Duration::from_millis(50), |host| {
            host.background("web", |ctx| ctx.wait());
            let [idle, busy] = pools;
            host.add("idle", idle);
            host.add("emails", emails.workers(1, || |_, _| Ok(())));
            host.add("busy", busy);
            host.add("events", &events);
        });
        let host = host.start().unwrap();
        emails.submit("a").unwrap();
        events.submit(7).unwrap();
        events.flush();
        tasks
            .task("stuck")
            .execute(move || {
                tell.send(()).unwrap();
                entrance.pass();
            })
            .unwrap();
        told.recv().unwrap();
        tasks.task("queued").execute(|| ()).unwrap();
        let status = host.status();
        assert_eq!(status.service("busy").unwrap().name(), "busy");
        let running = status.service("busy").unwrap().pool().unwrap().running();
        assert_eq!(running[0].info().name(), "stuck");
        assert!(status.service("groundcrew").is_none());

        let report = host.stop();
        let web = report.service("web").unwrap();
        assert!(matches!(web.outcome(), ServiceOutcome::Stopped));
        assert_eq!(report.queue("emails").unwrap().handled(), 1);
        assert_eq!(report.batcher("events").unwrap().handled(), 1);
        assert!(report.pool("idle").unwrap().is_clean());
        let busy = report.pool("busy").unwrap();
        assert_eq!(busy.abandoned()[0].info().name(), "stuck");
        // It is the report that holds the tasks.
        assert_eq!(busy.take_unstarted().len(), 1);
        for name in ["web", "their own name", ""] {
            assert!(report.pool(name).is_none());
            assert!(report.queue(name).is_none() && report.batcher(name).is_none());
        }
        gate.open();
    });
}
