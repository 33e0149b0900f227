//! Points in time as they are typed: a moment, a day, or how long from now.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::platform::db::process_clock;

/// Reads `2027-01-31T12:00:00Z` (any offset), `2027-01-31` (its first moment, UTC) or `30d` (also `s`, `m`, `h`, `w`).
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let from_now = |span| process_clock().checked_add_signed(span);
    span(text).ok().and_then(from_now).ok_or_else(|| {
        "expected a time like 2027-01-31T12:00:00Z, a day like 2027-01-31, or a span like 30d"
            .to_owned()
    })
}

/// Reads a moment or a day as [`moment`] does, or how long ago it was: `7d`.
pub fn past(text: &str) -> Result<DateTime<Utc>, String> {
    let ago = |span| process_clock().checked_sub_signed(span);
    match span(text).ok().and_then(ago) {
        Some(at) => Ok(at),
        None => moment(text),
    }
}

/// Reads a span such as `90s`, `15m`, `12h`, `30d` or `2w`.
pub fn span(text: &str) -> Result<TimeDelta, String> {
    let parse = || {
        let unit = text.chars().next_back()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        TimeDelta::try_seconds(number.checked_mul(seconds)?)
    };
    parse()
        .filter(|span| *span > TimeDelta::zero())
        .ok_or_else(|| "expected a number with s, m, h, d or w, such as 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_days_and_spans_are_read() {
        let text = |at: DateTime<Utc>| at.to_rfc3339();
        assert_eq!(
            moment("2027-01-31T12:00:00+02:00").map(text),
            Ok("2027-01-31T10:00:00+00:00".to_owned())
        );
        assert_eq!(
            moment("2027-01-31").map(text),
            Ok("2027-01-31T00:00:00+00:00".to_owned())
        );
        assert!(moment("30d").unwrap() > process_clock() + TimeDelta::days(29));
        assert!(past("30d").unwrap() < process_clock() - TimeDelta::days(29));
        assert_eq!(past("2027-01-31"), moment("2027-01-31"));
        assert_eq!(span("2w"), Ok(TimeDelta::days(14)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "d",
            "-1d",
            "0h",
            "5",
            "5y",
            "2027-02-30",
            "99999999999999999d",
            "é",
        ] {
            assert!(span(text).is_err(), "{text}");
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
