use super::moments::Waiting;
use super::*;
use crate::clock::{self, Deadline};
use crate::sync::channel::{Receiver, Sender, unbounded};
use crate::threads::Thread;
use std::time::SystemTime;

/// Sends what it rings for.
struct Bell(Sender<(u64, Now)>);

impl Alarm for Bell {
    fn ring(self: Arc<Self>, what: u64, now: Now) {
        self.0.send((what, now)).unwrap();
    }
}

fn bell() -> (Arc<dyn Alarm>, Receiver<(u64, Now)>) {
    let (tell, told) = unbounded();
    (Arc::new(Bell(tell)), told)
}

fn own_timer() -> Timer {
    Timer {
        shared: Arc::new(Shared::new(Clock::default())),
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn what_is_due_rings_in_its_order_and_never_early() {
    let timer = own_timer();
    let (alarm, told) = bell();
    // So late that all are set before the first is due.
    let start = clock::now() + seconds(1);
    for (what, after) in [(3, 30), (1, 10), (2, 20), (0, 0)] {
        let due = Due::Mono(start + millis(after));
        timer.set(due, &Arc::downgrade(&alarm), what);
    }
    for what in 0..4 {
        let (rang, now) = told.recv().unwrap();
        assert_eq!(rang, what);
        assert!(now.mono >= start + millis(10 * what));
    }
}

#[test]
fn what_is_cleared_does_not_ring_and_can_be_cleared_once() {
    let timer = own_timer();
    let (alarm, told) = bell();
    let alarm = Arc::downgrade(&alarm);
    let now = timer.shared.clock.read();
    let mono = timer.set(Due::Mono(now.mono + seconds(3600)), &alarm, 1);
    let wall = timer.set(Due::Wall(now.wall + seconds(3600)), &alarm, 2);
    assert!(timer.clear(mono) && timer.clear(wall));
    assert!(!timer.clear(mono) && !timer.clear(wall));
    assert!(timer.shared.state.lock().moments.mono.is_empty());
    assert!(told.is_empty());
}

#[test]
fn an_alarm_that_is_gone_is_passed_over() {
    let timer = own_timer();
    let (gone, _) = bell();
    let (alarm, told) = bell();
    let now = clock::now();
    timer.set(Due::Mono(now), &Arc::downgrade(&gone), 1);
    drop(gone);
    timer.set(Due::Mono(now), &Arc::downgrade(&alarm), 2);
    assert_eq!(told.recv().unwrap().0, 2);
}

#[test]
fn an_alarm_that_panics_silences_no_other() {
    struct Faulty;
    impl Alarm for Faulty {
        fn ring(self: Arc<Self>, _: u64, _: Now) {
            panic!("an internal bug");
        }
    }
    let timer = own_timer();
    let faulty: Arc<dyn Alarm> = Arc::new(Faulty);
    let (alarm, told) = bell();
    let now = clock::now();
    timer.set(Due::Mono(now), &Arc::downgrade(&faulty), 1);
    timer.set(Due::Mono(now), &Arc::downgrade(&alarm), 2);
    assert_eq!(told.recv().unwrap().0, 2);
}

#[test]
fn no_wait_is_longer_than_thirty_seconds_while_something_waits() {
    let shared = Shared::new(Clock::default());
    let mut state = shared.state.lock();
    let now = shared.clock.read();
    assert_eq!(state.moments.wake(now), Deadline::NEVER);
    let (alarm, _told) = bell();
    let waiting = || Waiting {
        alarm: Arc::downgrade(&alarm),
        what: 0,
        planned: None,
    };
    let in_30_s = Deadline::at(now.mono + seconds(30));
    state
        .moments
        .wall
        .insert((now.wall + seconds(86_400), 0), waiting());
    assert_eq!(state.moments.wake(now), in_30_s);
    state
        .moments
        .mono
        .insert((now.mono + seconds(86_400), 1), waiting());
    assert_eq!(state.moments.wake(now), in_30_s);
    state
        .moments
        .mono
        .insert((now.mono + seconds(3), 2), waiting());
    assert_eq!(state.moments.wake(now), Deadline::at(now.mono + seconds(3)));
    state
        .moments
        .wall
        .insert((now.wall + seconds(2), 3), waiting());
    assert_eq!(state.moments.wake(now), Deadline::at(now.mono + seconds(2)));
    // Long past: at once.
    state
        .moments
        .wall
        .insert((SystemTime::UNIX_EPOCH, 4), waiting());
    assert_eq!(state.moments.wake(now), Deadline::at(now.mono));
}

#[test]
fn a_sleeper_is_woken_only_for_what_is_earlier() {
    let now = Clock::default().read();
    let until = Deadline::at(now.mono + seconds(10));
    let earlier = |due| is_earlier(until, due, || now);
    assert!(earlier(Due::Mono(now.mono + seconds(9))));
    assert!(!earlier(Due::Mono(now.mono + seconds(11))));
    assert!(earlier(Due::Wall(now.wall + seconds(9))));
    assert!(!earlier(Due::Wall(now.wall + seconds(11))));
    assert!(earlier(Due::Wall(SystemTime::UNIX_EPOCH)));
    assert!(is_earlier(Deadline::NEVER, Due::Mono(now.mono), || now));
}

#[test]
fn one_clock_has_one_timer_and_it_ends_with_its_last_holder() {
    let clock = Clock::default();
    let (first, second) = (Timer::of(&clock), Timer::of(&clock));
    // Other tests of this process may hold it, too.
    assert!(Arc::ptr_eq(&first, &second));
    let timer = own_timer();
    let (alarm, told) = bell();
    timer.set(Due::Mono(clock::now()), &Arc::downgrade(&alarm), 1);
    told.recv().unwrap();
    let shared = Arc::downgrade(&timer.shared);
    drop(timer);
    assert_eq!(shared.strong_count(), 0, "its thread still runs");
}

#[cfg(feature = "testing")]
mod by_hand {
    use super::*;
    use crate::clock::ManualClock;

    fn manual() -> (ManualClock, Arc<Timer>) {
        let manual = ManualClock::new();
        let clock = Clock {
            manual: Some(manual.clone()),
        };
        let timer = Timer::of(&clock);
        (manual, timer)
    }

    #[test]
    fn all_that_is_due_has_rung_when_the_clock_has_been_moved() {
        let (manual, timer) = manual();
        let (alarm, told) = bell();
        let now = timer.shared.clock.read();
        for what in 1..=1000 {
            let due = Due::Mono(now.mono + seconds(what));
            timer.set(due, &Arc::downgrade(&alarm), what);
        }
        for _ in 0..100 {
            assert!(told.is_empty());
            manual.advance(seconds(10));
            assert_eq!(told.try_iter().count(), 10);
        }
        // What is due already rings by itself; a move of no length waits for that, too.
        let now = timer.shared.clock.read();
        for what in 0..100 {
            timer.set(Due::Mono(now.mono), &Arc::downgrade(&alarm), what);
            manual.advance(Duration::ZERO);
            assert_eq!(told.try_iter().count(), 1);
        }
    }

    #[test]
    fn the_wall_clock_alone_moves_what_waits_for_it_and_nothing_else() {
        let (manual, timer) = manual();
        let (alarm, told) = bell();
        let now = timer.shared.clock.read();
        let weak = Arc::downgrade(&alarm);
        timer.set(Due::Mono(now.mono + seconds(60)), &weak, 1);
        timer.set(Due::Wall(now.wall + seconds(60)), &weak, 2);
        manual.advance(seconds(59));
        assert!(told.is_empty());
        manual.set_wall(now.wall + seconds(60));
        assert_eq!(told.try_recv().unwrap().0, 2);
        assert!(told.is_empty());
        manual.advance(seconds(1));
        assert_eq!(told.try_recv().unwrap().0, 1);
    }
}

/// What a clock shows that runs on from `now`, and was set by that number of milliseconds besides.
fn set(now: Now, passed: u64, by: i64) -> Now {
    let wall = now.wall + seconds(passed);
    Now {
        mono: now.mono + seconds(passed),
        wall: match u64::try_from(by) {
            Ok(by) => wall + millis(by),
            Err(_) => wall - millis(by.unsigned_abs()),
        },
    }
}

#[test]
fn what_waits_for_the_wall_clock_rings_when_that_was_set_since_it_was_planned() {
    let timer = own_timer();
    let (alarm, _told) = bell();
    let weak = Arc::downgrade(&alarm);
    let now = timer.shared.clock.read();
    let hour = seconds(3600);
    let rung = |after| {
        let rung = timer.shared.state.lock().moments.take_due(after);
        let mut rung: Vec<u64> = rung.iter().map(|waiting| waiting.what).collect();
        rung.sort_unstable();
        rung
    };
    // There is no thread: all looks are those of the test.
    timer.shared.state.lock().is_over = true;
    timer.set(Due::Mono(now.mono + hour), &weak, 0);
    timer.set_as_of(now, Due::Wall(now.wall + hour), &weak, 1);
    let other = timer.set_as_of(now, Due::Wall(now.wall + hour), &weak, 2);
    // As time goes by, and a little more and less.
    for by in [0, 900, -900, 0, -1000] {
        assert!(rung(set(now, 10, by)).is_empty(), "{by}");
    }
    // It is planned later, with the clock as it is by then.
    timer.set_as_of(set(now, 10, -900), Due::Wall(now.wall + hour), &weak, 3);
    assert_eq!(rung(set(now, 20, -1001)), [1, 2]);
    assert!(!timer.clear(other));
    assert_eq!(rung(set(now, 30, 101)), [3]);
    assert!(timer.shared.state.lock().moments.planned.is_empty());
    assert!(rung(set(now, 40, -86_400_000)).is_empty());
    assert_eq!(rung(set(now, 3600, 0)), [0]);
}

#[test]
fn what_was_planned_before_the_clock_was_set_does_not_wait_for_the_next_look() {
    let timer = own_timer();
    let (alarm, told) = bell();
    let weak = Arc::downgrade(&alarm);
    let now = timer.shared.clock.read();
    timer.set_as_of(now, Due::Wall(now.wall + seconds(3600)), &weak, 1);
    while timer.shared.state.lock().asleep_until.is_none() {
        std::thread::yield_now();
    }
    let planned = set(now, 0, 86_400_000);
    timer.set_as_of(planned, Due::Wall(planned.wall + seconds(3600)), &weak, 2);
    assert_eq!(told.recv().unwrap().0, 2);
}

#[test]
fn what_found_no_thread_to_be_dropped_on_is_dropped_by_the_next_one() {
    struct Tells(Sender<std::thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }
    let (tell, told) = unbounded();
    let held = Tells(tell);
    dropper::LEFT.lock().push(Box::new(move || drop(held)));
    let timer = own_timer();
    timer.start().unwrap();
    let own = timer.shared.state.lock().thread.as_ref().map(Thread::id);
    assert_ne!(Some(told.recv().unwrap()), own);
}
