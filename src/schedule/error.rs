//! What is wrong with a schedule.

use crate::causes::error_debug;
use std::error::Error;
use std::fmt;

/// Why a [`Schedule`](super::Schedule) cannot be used. The message names the mistake and the
/// correct form. It quotes text from the program with control characters escaped.
///
/// # Examples
///
/// ```
/// use groundcrew::Schedule;
/// use groundcrew::schedule::ScheduleError;
/// use std::time::Duration;
///
/// let error = Schedule::every(Duration::ZERO).check().unwrap_err();
/// assert_eq!(error, ScheduleError::ZeroPeriod);
/// assert_eq!(
///     error.to_string(),
///     "a period of zero would be due all the time; give `every` a longer one"
/// );
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum ScheduleError {
    /// The period is zero.
    ZeroPeriod,
    /// The option does not apply to this kind of schedule.
    NoSuchOption {
        /// The method that was called.
        method: &'static str,
        /// The kind of schedule that has it.
        belongs_to: &'static str,
        /// The schedule that it was called on.
        schedule: String,
    },
    /// The cron expression is too long.
    TooLong {
        /// The number of characters that it has.
        characters: usize,
        /// The maximum number of characters.
        most: usize,
    },
    /// The cron expression has neither five nor six fields.
    FieldCount {
        /// The expression.
        expression: String,
        /// The number of fields that it has.
        fields: usize,
    },
    /// The name after `@` is unknown.
    UnknownNickname {
        /// The expression.
        expression: String,
        /// The known names.
        known: &'static [&'static str],
    },
    /// One field of a cron expression is wrong.
    Field {
        /// The expression.
        expression: String,
        /// Which field: `"second"`, `"minute"`, `"hour"`, `"day-of-month"`, `"month"` or
        /// `"weekday"`.
        field: &'static str,
        /// The text of the field.
        text: String,
        /// What is wrong with the text.
        reason: String,
        /// What the field accepts.
        takes: &'static str,
    },
    /// The cron expression is wrong as a whole.
    Expression {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No date matches the cron expression, such as February 30.
    NeverMatches {
        /// The expression.
        expression: String,
    },
    /// Until the year 9999, the cron expression matches only times that the clocks of its zone
    /// skip.
    NeverDue {
        /// The expression.
        expression: String,
        /// The zone.
        zone: String,
    },
    /// The time zone is unknown.
    UnknownZone {
        /// The name that was given.
        zone: String,
    },
    /// The system has no database of time zones, and the program does not include one.
    NoZoneDatabase {
        /// The requested zone.
        zone: String,
    },
    /// The name of an entry is empty, or contains control characters.
    Name {
        /// That name.
        entry: String,
    },
    /// Another entry of the scheduler has this name.
    DoubleName {
        /// That name.
        entry: String,
    },
    /// [`OverlapPolicy::Concurrent`](crate::schedule::OverlapPolicy::Concurrent) or
    /// [`MisfirePolicy::All`](crate::schedule::MisfirePolicy::All) with 0.
    NoRuns {
        /// The name of the entry.
        entry: String,
    },
    /// The time zone of the system is not known.
    NoSystemZone {
        /// What went wrong.
        reason: String,
    },
    /// The schedule of a recurring job is kept in a store, and this one means nothing outside of
    /// its process.
    NotKept {
        /// The schedule.
        schedule: String,
        /// What to write in its place.
        instead: &'static str,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::ZeroPeriod => {
                f.write_str("a period of zero would be due all the time; give `every` a longer one")
            }
            ScheduleError::NoSuchOption {
                method,
                belongs_to,
                schedule,
            } => write!(
                f,
                "`{method}` is for `Schedule::{belongs_to}`, and means nothing to `{schedule}`; \
                 leave it out"
            ),
            ScheduleError::TooLong { characters, most } => write!(
                f,
                "a cron expression of {characters} characters is too long; write one of {most} at \
                 most"
            ),
            ScheduleError::FieldCount {
                expression,
                fields: 7,
            } => write!(
                f,
                "cron expression {expression:?} has 7 fields, and there is no field for the year; \
                 leave the last one out"
            ),
            ScheduleError::FieldCount { expression, fields } => write!(
                f,
                "cron expression {expression:?} has {fields} fields; write five: minute, hour, \
                 day of month, month, weekday; or six, with the second first"
            ),
            ScheduleError::UnknownNickname { expression, known } => write!(
                f,
                "cron expression {expression:?} is none of {}; write one of these, or five fields",
                known.join(", ")
            ),
            ScheduleError::Field {
                expression,
                field,
                text,
                reason,
                takes,
            } => write!(
                f,
                "cron expression {expression:?}: the {field} field {text:?} is wrong: {reason}; it \
                 takes {takes}"
            ),
            ScheduleError::Expression { expression, reason } => {
                write!(f, "cron expression {expression:?} is wrong: {reason}")
            }
            ScheduleError::NeverMatches { expression } => write!(
                f,
                "cron expression {expression:?} matches no date at all; write days that its \
                 months have"
            ),
            ScheduleError::NeverDue { expression, zone } => write!(
                f,
                "cron expression {expression:?} is never due in {zone}, whose clocks leave out all \
                 that it matches; write another hour"
            ),
            ScheduleError::Name { entry } => write!(
                f,
                "{entry:?} cannot be the name of an entry, which the log shows; give it some \
                 letters, and no control characters"
            ),
            ScheduleError::DoubleName { entry } => write!(
                f,
                "there is an entry {entry:?} already; give this one another name, or remove that \
                 one first"
            ),
            ScheduleError::NoRuns { entry } => write!(
                f,
                "entry {entry:?} would never run with a rule that allows 0 runs; allow 1, or use \
                 `Skip`"
            ),
            ScheduleError::UnknownZone { zone } => write!(
                f,
                "there is no time zone {zone:?}; write a name of the IANA database, as in \
                 \"Europe/London\", or \"UTC\""
            ),
            ScheduleError::NoZoneDatabase { zone } => write!(
                f,
                "time zone {zone:?} cannot be looked up: this system has no time zone database; \
                 install one (most call it `tzdata`), build with jiff's feature \
                 `tzdb-bundle-always`, or use \"UTC\""
            ),
            ScheduleError::NotKept { schedule, instead } => write!(
                f,
                "a schedule that outlives the process cannot be `{schedule}`; write {instead}"
            ),
            ScheduleError::NoSystemZone { reason } => write!(
                f,
                "the system's time zone cannot be found ({reason}); set the environment variable \
                 TZ, or choose a zone with `in_tz`"
            ),
        }
    }
}

error_debug!(enum ScheduleError {
    ZeroPeriod,
    NoSuchOption { method, belongs_to, schedule },
    TooLong { characters, most },
    FieldCount { expression, fields },
    UnknownNickname { expression, known },
    Field { expression, field, text, reason, takes },
    Expression { expression, reason },
    NeverMatches { expression },
    NeverDue { expression, zone },
    UnknownZone { zone },
    NoZoneDatabase { zone },
    Name { entry },
    DoubleName { entry },
    NoRuns { entry },
    NoSystemZone { reason },
    NotKept { schedule, instead },
});

impl Error for ScheduleError {}
