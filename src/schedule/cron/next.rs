//! When a cron expression is due next, and what happens when the clocks change.
//!
//! A time that the expression matches is a time on the clocks of its zone. There are three
//! cases:
//!
//! 1. The clocks show it once: it is that moment.
//! 2. It is in a gap, which the clocks leave out when they go forward. A fixed time is due at
//!    the end of the gap. An interval has no run there.
//! 3. It is in an overlap, which the clocks pass twice when they go back. A fixed time is due
//!    in the first pass. An interval is due in both.

use super::text::Pattern;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// How many times that are not due are tried in a row. An interval that falls into a gap
/// each time, as `*/5 2` on the days on which 2:00 is left out, is never due.
const MOST_TRIES: usize = 100;

/// What follows from a time that matches.
enum Candidate {
    Moment(Timestamp),
    /// It is not due; the search goes on from here.
    SkipTo(DateTime),
}

impl Pattern {
    /// The first moment strictly later than `after`.
    pub(super) fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.first_to_try(zone, after)?;
        for _ in 0..MOST_TRIES {
            let candidate = match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => {
                    Candidate::Moment(offset.to_timestamp(local).ok()?)
                }
                AmbiguousOffset::Gap { after: new, .. } => self.in_gap(zone, local, new)?,
                AmbiguousOffset::Fold {
                    before: old,
                    after: new,
                } => self.in_overlap(zone, local, [old, new], after)?,
            };
            local = match candidate {
                Candidate::Moment(moment) if moment > after => return Some(moment),
                Candidate::Moment(_) => self.search(second_after(local)?)?,
                Candidate::SkipTo(later) => self.search(later)?,
            };
        }
        None
    }

    /// Case 2; `new` is the offset after the gap.
    fn in_gap(&self, zone: &TimeZone, local: DateTime, new: Offset) -> Option<Candidate> {
        // With the new offset a time in the gap is a moment before the clocks change.
        let end = change(zone, new.to_timestamp(local).ok()?, new)?;
        Some(match self.is_interval {
            true => Candidate::SkipTo(new.to_datetime(end)),
            false => Candidate::Moment(end),
        })
    }

    /// Case 3, by the offsets of the two passes.
    fn in_overlap(
        &self,
        zone: &TimeZone,
        local: DateTime,
        [old, new]: [Offset; 2],
        after: Timestamp,
    ) -> Option<Candidate> {
        let first = old.to_timestamp(local).ok()?;
        if first > after {
            return Some(Candidate::Moment(first));
        }
        if self.is_interval {
            return Some(Candidate::Moment(new.to_timestamp(local).ok()?));
        }
        // All fixed times of the second pass have had their run, this one and those after it.
        let back = change(zone, first, new)?;
        Some(Candidate::SkipTo(old.to_datetime(back)))
    }

    /// The first time on the clocks that can be the next one.
    fn first_to_try(&self, zone: &TimeZone, after: Timestamp) -> Option<DateTime> {
        let now = zone.to_datetime(after);
        let found = self.search(second_after(now)?)?;
        let AmbiguousOffset::Fold {
            before: old,
            after: new,
        } = zone.to_ambiguous_timestamp(now).offset()
        else {
            return Some(found);
        };
        let is_first_pass = zone.to_offset(after) == old;
        if !self.is_interval || !is_first_pass {
            return Some(found);
        }
        // An interval in the first pass goes on to the end of that. If nothing is left there,
        // it goes on at the beginning of the second pass, which the clocks show as earlier.
        let back = change(zone, after, new)?;
        match found < old.to_datetime(back) {
            true => Some(found),
            false => self.search(new.to_datetime(back)),
        }
    }
}

/// The first moment later than `from` from which on `offset` is in use.
fn change(zone: &TimeZone, from: Timestamp, offset: Offset) -> Option<Timestamp> {
    zone.following(from)
        .find(|change| change.offset() == offset)
        .map(|change| change.timestamp())
}

/// The whole second that follows.
fn second_after(time: DateTime) -> Option<DateTime> {
    let whole = time.with().subsec_nanosecond(0).build().ok()?;
    whole.checked_add(1.second()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    /// The first `count` moments after `from`, by the rules of New York.
    fn next(expression: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let pattern = parse(expression).unwrap();
        let mut last: Timestamp = from.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            last = pattern.next(&zone, last).unwrap();
            found.push(last.to_string());
        }
        found
    }

    #[test]
    fn in_a_gap_a_fixed_time_is_due_at_its_end_and_an_interval_is_not() {
        // 2026-03-08: from 2:00 EST (7:00 UTC) to 3:00 EDT.
        let from = "2026-03-08T06:30:00Z";
        let fixed = ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"];
        assert_eq!(next("30 2 * * *", from, 2), fixed);
        let interval = ["2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"];
        assert_eq!(next("*/30 * * * *", from, 2), interval);
        assert_eq!(next("*/30 2 * * *", from, 1), ["2026-03-09T06:00:00Z"]);
    }

    #[test]
    fn in_an_overlap_a_fixed_time_is_due_in_the_first_pass_and_an_interval_in_both() {
        // 2026-11-01: from 2:00 EDT (6:00 UTC) back to 1:00 EST.
        let from = "2026-11-01T04:59:00Z";
        let fixed = ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
        assert_eq!(next("30 1 * * *", from, 2), fixed);
        let interval = [
            "2026-11-01T05:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:00:00Z",
            "2026-11-01T06:30:00Z",
            "2026-11-02T06:00:00Z",
        ];
        assert_eq!(next("*/30 1 * * *", from, 5), interval);
    }

    #[test]
    fn from_within_the_second_pass_nothing_of_the_first_is_due_again() {
        let from = "2026-11-01T06:10:00Z";
        assert_eq!(next("30 1 * * *", from, 1), ["2026-11-02T06:30:00Z"]);
        assert_eq!(next("*/30 1 * * *", from, 1), ["2026-11-01T06:30:00Z"]);
    }
}
