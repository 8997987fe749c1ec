//! How spans and times are shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As in `1h30m`, `1.5s`, `250ms`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let rest = duration - Duration::from_secs(seconds / 60 * 60);
    let whole: String = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, unit)| format!("{count}{unit}"))
    .collect();
    match (duration, rest) {
        (Duration::MAX, _) => "eternity".to_owned(),
        (Duration::ZERO, _) => "0s".to_owned(),
        (_, Duration::ZERO) if !whole.is_empty() => whole,
        _ => format!("{whole}{rest:?}"),
    }
}

/// As in `2026-12-24T17:00:00Z`; what is less than a second is left out.
pub(crate) fn utc(time: SystemTime) -> String {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::from(since.as_secs()),
        Err(before) => {
            let before = before.duration();
            -i128::from(before.as_secs()) - i128::from(before.subsec_nanos() > 0)
        }
    };
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day counted from 1970-01-01, after Howard Hinnant's `civil_from_days`:
/// years begin in March there, so that the leap day is the last of its year.
fn date(day: i128) -> (i128, i128, i128) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let next_year = i128::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + next_year, month, in_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_in_the_units_that_they_have() {
        for (duration, shown) in [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(250), "250ms"),
            (Duration::from_secs(59), "59s"),
            (Duration::from_secs(60), "1m"),
            (Duration::from_millis(60_500), "1m500ms"),
            (Duration::from_secs(3600 * 25), "1d1h"),
            (Duration::from_secs(86_399), "23h59m59s"),
            (Duration::MAX, "eternity"),
        ] {
            assert_eq!(span(duration), shown);
        }
    }

    #[test]
    fn times_are_shown_with_their_date() {
        let shown = |seconds: i64| match u64::try_from(seconds) {
            Ok(seconds) => utc(UNIX_EPOCH + Duration::from_secs(seconds)),
            Err(_) => utc(UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs())),
        };
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(shown(seconds), text);
        }
        assert_eq!(
            utc(UNIX_EPOCH - Duration::from_nanos(1)),
            "1969-12-31T23:59:59Z"
        );
        // As far as the clocks of the platform go.
        if let Some(end) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)) {
            assert_eq!(utc(end), "292277026596-12-04T15:30:07Z");
        }
    }
}
