//! The table of transitions.

use super::*;
use crate::clock;
use crate::retry::Jitter;
use std::collections::HashMap;

const SECOND: Duration = Duration::from_secs(1);

/// Opens for 10 s after three failures in a row.
fn terms() -> Terms {
    Terms {
        in_a_row: Some(3),
        rate: None,
        pause: Backoff::fixed(10 * SECOND),
        trials: 1,
        random: || 1.0,
    }
}

fn by_rate() -> Terms {
    Terms {
        in_a_row: None,
        rate: Some(Rate {
            share: 0.5,
            window: 10 * SECOND,
            at_least: 4,
        }),
        ..terms()
    }
}

/// A machine, the time, and the tickets of calls that have not ended.
struct Play {
    machine: Machine,
    start: Instant,
    tickets: HashMap<String, Ticket>,
}

impl Play {
    /// Plays line after line of `second: what happens -> what is seen`. A line may have
    /// many events, of which the last one is looked at.
    fn table(terms: Terms, table: &str) {
        let start = clock::now();
        let mut play = Play {
            machine: Machine::new(terms, start),
            start,
            tickets: HashMap::new(),
        };
        for line in table.trim().lines() {
            let (at, rest) = line.split_once(':').unwrap();
            let (events, expected) = rest.split_once("->").unwrap();
            let now = play.start + at.trim().parse::<u32>().unwrap() * SECOND;
            let seen = events.split(',').map(|event| play.event(event.trim(), now));
            let said = seen.last().unwrap();
            let seen = format!("{said}{}", play.state(now));
            let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(seen, expected, "{line}");
        }
    }

    fn event(&mut self, event: &str, now: Instant) -> String {
        let (what, name) = event.split_once(' ').unwrap_or((event, ""));
        let end = match what {
            "call" => match self.machine.admit(now) {
                Ok((ticket, _)) => {
                    self.tickets.insert(name.to_owned(), ticket);
                    return "let through, ".to_owned();
                }
                Err(refusal) => return format!("refused {}, ", refusal.retry_in.as_secs()),
            },
            "trip" => {
                self.machine.trip(now);
                return String::new();
            }
            "reset" => {
                self.machine.reset(now);
                return String::new();
            }
            "good" => End::Success,
            "bad" => End::Failure,
            "back" => End::GivenBack,
            other => panic!("no event {other}"),
        };
        // Without a name: a call that ends at once.
        let ticket = match name {
            "" => self.machine.admit(now).unwrap().0,
            name => self.tickets.remove(name).unwrap(),
        };
        self.machine.end(ticket, end, now);
        String::new()
    }

    fn state(&self, now: Instant) -> String {
        match self.machine.state(now) {
            BreakerState::Open { retry_in } => format!("open {}", retry_in.as_secs()),
            state => state.to_string(),
        }
    }
}

#[test]
fn the_maximum_number_of_failures_in_a_row_opens_it_and_a_success_between_them_does_not() {
    Play::table(
        terms(),
        "0: bad, bad                -> closed
         0: good                    -> closed
         0: bad, bad                -> closed
         0: call a, back a          -> closed
         0: bad                     -> open 10",
    );
}

#[test]
fn open_it_refuses_for_the_pause_and_then_lets_one_call_through() {
    Play::table(
        terms(),
        "0:  bad, bad, bad          -> open 10
         0:  call a                 -> refused 10, open 10
         9:  call a                 -> refused 1, open 1
         10: call a                 -> let through, half-open
         10: call b                 -> refused 1, half-open
         11: good a                 -> closed
         11: bad, bad               -> closed
         11: bad                    -> open 10",
    );
}

#[test]
fn half_open_a_failure_opens_it_again() {
    Play::table(
        terms(),
        "0:  trip                   -> open 10
         10: call a                 -> let through, half-open
         12: bad a                  -> open 10
         21: call b                 -> refused 1, open 1
         22: call b                 -> let through, half-open",
    );
}

#[test]
fn half_open_as_many_successes_as_places_close_it() {
    let three = Terms {
        trials: 3,
        ..terms()
    };
    Play::table(
        three,
        "0:  trip                   -> open 10
         10: call a, call b, call c -> let through, half-open
         10: call d                 -> refused 1, half-open
         11: good a                 -> half-open
         11: call d                 -> refused 1, half-open
         11: good b                 -> half-open
         11: good c                 -> closed
         20: trip                   -> open 10
         30: good, good             -> half-open
         30: bad                    -> open 10",
    );
}

#[test]
fn half_open_a_permit_that_is_given_back_is_a_place_for_another() {
    Play::table(
        terms(),
        "0:  trip                   -> open 10
         10: call a, back a         -> half-open
         10: call b                 -> let through, half-open
         10: call c                 -> refused 1, half-open
         11: good b                 -> closed",
    );
}

#[test]
fn half_open_a_trial_that_hangs_loses_its_place_after_as_long_as_it_was_open() {
    Play::table(
        terms(),
        "0:  trip                   -> open 10
         10: call hangs             -> let through, half-open
         19: call b                 -> refused 1, half-open
         20: call b                 -> let through, half-open
         20: call c                 -> refused 1, half-open
         21: back hangs             -> half-open
         21: call c                 -> refused 1, half-open
         30: call c                 -> let through, half-open
         31: good b                 -> closed
         31: bad c                  -> closed
         31: bad, bad               -> closed
         31: bad                    -> open 10",
    );
}

#[test]
fn half_open_a_trial_that_lost_its_place_still_says_how_it_ended() {
    Play::table(
        terms(),
        "0:  trip                   -> open 10
         10: call hangs             -> let through, half-open
         20: call b                 -> let through, half-open
         25: bad hangs              -> open 10
         26: good b                 -> open 9",
    );
    let two = Terms {
        trials: 2,
        ..terms()
    };
    Play::table(
        two,
        "0:  trip                   -> open 10
         10: call hangs, call b     -> let through, half-open
         11: good b                 -> half-open
         20: call c                 -> let through, half-open
         20: call d                 -> refused 1, half-open
         21: back c                 -> half-open
         21: call d                 -> let through, half-open
         22: good hangs             -> closed
         22: bad d                  -> closed",
    );
}

#[test]
fn a_call_of_an_earlier_state_neither_closes_nor_opens_it_when_it_ends() {
    for (end, is_bad) in [("good", false), ("bad", true), ("back", false)] {
        let table = format!(
            "0:  call a, call b, call c -> let through, closed
             1:  call d                 -> let through, closed
             1:  bad, bad, bad          -> open 10
             2:  {end} a                -> open 9
             11: call e                 -> let through, half-open
             12: {end} b                -> half-open
             12: call f                 -> refused 1, half-open
             13: good e                 -> closed
             13: bad, bad               -> closed
             14: {end} c                -> closed
             14: bad                    -> open 10
             24: call g                 -> let through, half-open
             25: bad g                  -> open 10
             35: call h                 -> let through, half-open
             35: {end} d                -> half-open
             36: good h                 -> closed"
        );
        Play::table(terms(), &table);
        let start = clock::now();
        let mut machine = Machine::new(terms(), start);
        let (ticket, _) = machine.admit(start).unwrap();
        machine.trip(start);
        let end = if is_bad { End::Failure } else { End::Success };
        assert_eq!(machine.end(ticket, end, start), None);
        assert_eq!(machine.failures(), 0);
    }
}

#[test]
fn trip_and_reset_work_in_every_state() {
    Play::table(
        terms(),
        "0:  bad, bad, reset        -> closed
         0:  bad, bad               -> closed
         0:  call a, reset          -> closed
         0:  bad, bad, bad a        -> closed
         0:  trip                   -> open 10
         5:  trip                   -> open 10
         6:  reset                  -> closed
         6:  trip                   -> open 10
         16: call a                 -> let through, half-open
         17: reset                  -> closed
         17: bad a, bad, bad        -> closed
         17: trip                   -> open 10
         27: call a                 -> let through, half-open
         28: trip                   -> open 10
         28: good a                 -> open 10",
    );
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_calls_in_the_window() {
    Play::table(
        by_rate(),
        "0:  bad, bad, bad          -> closed
         0:  good                   -> open 10",
    );
    Play::table(
        by_rate(),
        "0:  good, good, good, bad  -> closed
         1:  bad                    -> closed
         2:  bad                    -> open 10",
    );
    // What is older than the window does not count.
    Play::table(
        by_rate(),
        "0:  bad, bad, bad          -> closed
         10: good, bad, bad         -> closed
         11: good                   -> open 10",
    );
}

#[test]
fn the_window_begins_again_when_it_closes() {
    Play::table(
        by_rate(),
        "0:  bad, bad, bad, bad     -> open 10
         10: good                   -> closed
         10: bad, bad, bad          -> closed
         10: reset, bad, bad, bad   -> closed
         10: bad                    -> open 10",
    );
}

#[test]
fn of_both_limits_the_first_that_is_reached_opens_it() {
    let both = || Terms {
        in_a_row: Some(3),
        ..by_rate()
    };
    Play::table(both(), "0: bad, bad, bad         -> open 10");
    Play::table(
        both(),
        "0: good, bad, good       -> closed
         0: bad                   -> open 10",
    );
}

#[test]
fn it_opens_for_longer_each_time_until_it_closes() {
    let longer = Terms {
        pause: Backoff::exponential(10 * SECOND)
            .cap(30 * SECOND)
            .jitter(Jitter::None),
        ..terms()
    };
    Play::table(
        longer,
        "0:   bad, bad, bad         -> open 10
         10:  bad                   -> open 20
         15:  trip                  -> open 20
         35:  bad                   -> open 30
         65:  bad                   -> open 30
         95:  call hangs            -> let through, half-open
         96:  call b                -> refused 3, half-open
         125: call b                -> let through, half-open
         126: good b                -> closed
         126: bad, bad, bad         -> open 10",
    );
}

#[test]
fn jitter_shortens_the_pause_but_not_the_patience_with_trials() {
    let soon = Terms {
        pause: Backoff::fixed(10 * SECOND).jitter(Jitter::Full),
        random: || 0.0,
        ..terms()
    };
    Play::table(
        soon,
        "0: trip                    -> open 0
         0: call a                  -> let through, half-open
         9: call b                  -> refused 1, half-open",
    );
}

#[test]
fn with_the_longest_pause_it_is_open_until_it_is_reset() {
    let for_ever = Terms {
        pause: Backoff::fixed(Duration::MAX),
        ..terms()
    };
    let start = clock::now();
    let mut machine = Machine::new(for_ever, start);
    machine.trip(start);
    let late = start + Duration::from_secs(1 << 40);
    let refusal = machine.admit(late).unwrap_err();
    assert_eq!(refusal.retry_in, Duration::MAX);
    assert_eq!(
        machine.reset(late),
        Some(Change::Closed(Cure::Reset)),
        "and then it is closed"
    );
    assert_eq!(machine.reset(late), None);
    assert!(machine.admit(late).is_ok());
}

#[test]
fn a_time_that_is_earlier_than_the_one_before_does_no_harm() {
    let start = clock::now();
    for terms in [terms(), by_rate()] {
        let mut machine = Machine::new(terms, start);
        let later = start + 5 * SECOND;
        let (ticket, _) = machine.admit(later).unwrap();
        machine.end(ticket, End::Failure, start);
        machine.trip(later);
        let refusal = machine.admit(start).unwrap_err();
        assert_eq!(refusal.retry_in, 15 * SECOND);
        let (ticket, _) = machine.admit(start + 20 * SECOND).unwrap();
        machine.end(ticket, End::Success, start);
        assert_eq!(machine.state(start), BreakerState::Closed);
    }
}

#[test]
fn each_change_says_what_made_it() {
    let start = clock::now();
    let mut machine = Machine::new(terms(), start);
    let mut fail = |after: u32, end| {
        let now = start + after * SECOND;
        let (ticket, change) = machine.admit(now).unwrap();
        let end = machine.end(ticket, end, now);
        let text = |change: Option<Change>| change.map(|change| change.to_string());
        (text(change), text(end))
    };
    assert_eq!(fail(0, End::Failure), (None, None));
    assert_eq!(fail(0, End::Failure), (None, None));
    let opened = "open for 10 s, after 3 failures in a row";
    assert_eq!(fail(0, End::Failure), (None, Some(opened.to_owned())));
    let half_open = Some("half-open, a call is tried".to_owned());
    let opened = "open for 10 s, since it failed again";
    assert_eq!(
        fail(10, End::Failure),
        (half_open.clone(), Some(opened.to_owned()))
    );
    let closed = "closed, the call succeeded";
    assert_eq!(fail(20, End::Success), (half_open, Some(closed.to_owned())));
    let share = Why::Share {
        failures: 3,
        calls: 4,
    };
    assert_eq!(share.to_string(), "as 3 of 4 calls failed");
    assert_eq!(machine.trip(start).level(), log::Level::Warn);
}
