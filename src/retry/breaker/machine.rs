//! When a breaker opens, tries again and closes. Pure: the time comes in, a decision
//! goes out.
//!
//! | state | what happens | what follows |
//! | --- | --- | --- |
//! | closed | a call | it is let through |
//! | closed | a call ends, and a limit of failures is reached | open |
//! | open | a call within the pause | it is refused |
//! | open | a call after the pause | half-open; it is let through as a trial |
//! | half-open | a call while there is a place | it is let through as a trial |
//! | half-open | a call without a place | it is refused |
//! | half-open | the same, after the patience | those that have not ended lose their places; it is let through |
//! | half-open | a trial fails | open, with the next pause |
//! | half-open | the last of the required successes | closed |
//! | half-open | a permit is given back | its place is free, if it has not lost it |
//! | any | the end of a call let through in an earlier state | nothing |
//! | any | `trip` | open; if it was, the pause starts again |
//! | any | `reset` | closed, everything is forgotten |
//!
//! Every change of state begins a new generation, and a ticket has the number of its
//! own: so a call that began before the breaker opened, and ends when it is half-open or
//! closed again, says nothing about now.

use super::change::{Change, Cure, Why};
use super::state::BreakerState;
use super::window::{Tally, Window};
use crate::clock::Deadline;
use crate::retry::Backoff;
use std::time::{Duration, Instant};

/// The limits. All are checked by the builder.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) in_a_row: Option<u32>,
    pub(super) rate: Option<Rate>,
    pub(super) pause: Backoff,
    pub(super) trials: u32,
    /// From 0 to 1, for the jitter of the pause.
    pub(super) random: fn() -> f64,
}

/// Too many failures are `share` of the calls in `window`, if there are at least `at_least`
/// of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) share: f64,
    pub(super) window: Duration,
    pub(super) at_least: u32,
}

#[derive(Debug)]
pub(super) struct Machine {
    terms: Terms,
    state: State,
    /// Grows with each change of state.
    generation: u64,
    /// In a row, as far as they count.
    failures: u32,
    /// How often it opened since it was closed.
    openings: u32,
    /// Starts again when the breaker closes. Only with a [`Rate`].
    window: Option<Window>,
    refused: u64,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Deadline },
    HalfOpen(Trials),
}

#[derive(Debug)]
struct Trials {
    /// Those of this round that have not ended.
    running: u32,
    /// Of all rounds.
    successes: u32,
    /// A new one begins when those that run lose their places.
    round: u64,
    /// Then those that run have had enough time.
    patience: Deadline,
}

/// A call that was let through, to be shown when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    generation: u64,
    round: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Success,
    Failure,
    /// It was not made.
    GivenBack,
}

/// A call was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) retry_in: Duration,
    pub(super) is_half_open: bool,
}

impl Machine {
    pub(super) fn new(terms: Terms, now: Instant) -> Machine {
        Machine {
            window: terms.rate.map(|rate| Window::new(rate.window, now)),
            terms,
            state: State::Closed,
            generation: 0,
            failures: 0,
            openings: 0,
            refused: 0,
        }
    }

    /// Whether a call may be made.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(Ticket, Option<Change>), Refusal> {
        match &mut self.state {
            State::Closed => Ok((self.ticket(0), None)),
            State::Open { until } if until.has_passed(now) => {
                // This call is the first trial. Those after it are admitted below.
                self.enter(State::HalfOpen(Trials {
                    running: 1,
                    successes: 0,
                    round: 0,
                    patience: self.terms.patience(self.openings, now),
                }));
                Ok((self.ticket(0), Some(Change::HalfOpened)))
            }
            State::Open { until } => {
                let until = *until;
                Err(self.refuse(until, false, now))
            }
            State::HalfOpen(trials) => match trials.take_place(self.terms.trials, now) {
                true => {
                    // Each trial has its whole patience: it is that of the latest one.
                    trials.patience = self.terms.patience(self.openings, now);
                    let round = trials.round;
                    Ok((self.ticket(round), None))
                }
                false => {
                    // It is not known when a trial ends. The earliest that places are taken
                    // from those that run is the end of their patience.
                    let soon = self.terms.pause.delay(self.openings, 1.0) / 10;
                    let until = trials.patience.earlier(Deadline::after_from(now, soon));
                    Err(self.refuse(until, true, now))
                }
            },
        }
    }

    /// A call that was let through has ended.
    pub(super) fn end(&mut self, ticket: Ticket, end: End, now: Instant) -> Option<Change> {
        // It was let through in an earlier state, and says nothing about this one.
        if ticket.generation != self.generation {
            return None;
        }
        match &mut self.state {
            State::Closed => self.count(end, now),
            // No call was let through in this generation.
            State::Open { .. } => None,
            State::HalfOpen(trials) => {
                trials.end(ticket.round, end);
                let successes = trials.successes;
                self.judge(end, successes, now)
            }
        }
    }

    /// A call has ended while the breaker is closed.
    fn count(&mut self, end: End, now: Instant) -> Option<Change> {
        self.failures = match end {
            End::Success => 0,
            End::Failure => self.failures.saturating_add(1),
            End::GivenBack => return None,
        };
        if let Some(window) = &mut self.window {
            window.record(end == End::Failure, now);
        }
        let why = self.too_many(now)?;
        Some(self.open(why, now))
    }

    fn too_many(&mut self, now: Instant) -> Option<Why> {
        if self
            .terms
            .in_a_row
            .is_some_and(|limit| self.failures >= limit)
        {
            return Some(Why::InARow(self.failures));
        }
        let (rate, window) = (self.terms.rate?, self.window.as_mut()?);
        let total = window.total(now);
        let is_too_much = total.calls >= u64::from(rate.at_least) && total.share() >= rate.share;
        let Tally { calls, failures } = total;
        is_too_much.then_some(Why::Share { failures, calls })
    }

    /// A trial has ended.
    fn judge(&mut self, end: End, successes: u32, now: Instant) -> Option<Change> {
        match end {
            End::Success => {
                self.failures = 0;
                (successes >= self.terms.trials).then(|| {
                    self.close(now);
                    Change::Closed(Cure::Trials(successes))
                })
            }
            End::Failure => {
                self.failures = self.failures.saturating_add(1);
                Some(self.open(Why::Trial, now))
            }
            End::GivenBack => None,
        }
    }

    /// Opens it whatever its state.
    pub(super) fn trip(&mut self, now: Instant) -> Change {
        self.open(Why::Tripped, now)
    }

    /// Closes it whatever its state, and forgets.
    pub(super) fn reset(&mut self, now: Instant) -> Option<Change> {
        let was_closed = matches!(self.state, State::Closed);
        self.close(now);
        self.failures = 0;
        (!was_closed).then_some(Change::Closed(Cure::Reset))
    }

    fn open(&mut self, why: Why, now: Instant) -> Change {
        // One that is tripped while it is open waits again, but not longer: it has tried nothing.
        if !matches!(self.state, State::Open { .. }) {
            self.openings = self.openings.saturating_add(1);
        }
        let pause = self.terms.pause.delay(self.openings, (self.terms.random)());
        let until = Deadline::after_from(now, pause);
        self.enter(State::Open { until });
        Change::Opened { why, pause }
    }

    fn close(&mut self, now: Instant) {
        self.openings = 0;
        self.window = self.terms.rate.map(|rate| Window::new(rate.window, now));
        self.enter(State::Closed);
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }

    fn ticket(&self, round: u64) -> Ticket {
        Ticket {
            generation: self.generation,
            round,
        }
    }

    fn refuse(&mut self, until: Deadline, is_half_open: bool, now: Instant) -> Refusal {
        self.refused += 1;
        Refusal {
            retry_in: left(until, now),
            is_half_open,
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match &self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until } => BreakerState::Open {
                retry_in: left(*until, now),
            },
            State::HalfOpen(_) => BreakerState::HalfOpen,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Where it is what may open the breaker next.
    pub(super) fn failure_rate(&mut self, now: Instant) -> Option<f64> {
        let (State::Closed, Some(rate)) = (&self.state, self.terms.rate) else {
            return None;
        };
        let total = self.window.as_mut()?.total(now);
        (total.calls >= u64::from(rate.at_least)).then(|| total.share())
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

impl Terms {
    /// How long a trial keeps its place: the pause before it, without jitter, which could
    /// make it next to nothing.
    fn patience(&self, openings: u32, now: Instant) -> Deadline {
        Deadline::after_from(now, self.pause.delay(openings, 1.0))
    }
}

impl Trials {
    /// Whether one more may be made, of `places`.
    fn take_place(&mut self, places: u32, now: Instant) -> bool {
        if self.running.saturating_add(self.successes) >= places {
            if !self.patience.has_passed(now) {
                return false;
            }
            // Those that run hang. How they end still counts, but not their places.
            self.running = 0;
            self.round += 1;
        }
        self.running += 1;
        true
    }

    fn end(&mut self, round: u64, end: End) {
        // One of an earlier round has lost its place.
        if round == self.round {
            // Cannot go below zero: a round counts only the ends of those that it began.
            self.running -= 1;
        }
        if end == End::Success {
            self.successes += 1;
        }
    }
}

fn left(until: Deadline, now: Instant) -> Duration {
    until
        .moment()
        .map_or(Duration::MAX, |until| until.saturating_duration_since(now))
}

#[cfg(test)]
mod tests;
