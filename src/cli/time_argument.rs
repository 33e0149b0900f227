//! Times and durations on the command line: `2027-01-31T12:00:00Z`, `2027-01-31`, `30d`.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};

use crate::platform::clock;
use crate::platform::timestamp::Timestamp;

/// Parses an RFC 3339 time, a date (00:00 UTC of that day), or a duration from now such as `30d`.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        Some(time.to_utc())
    } else if let Ok(date) = text.parse::<NaiveDate>() {
        Some(date.and_time(NaiveTime::MIN).and_utc())
    } else {
        let from_now = |duration| clock::now().checked_add_signed(duration);
        parse_duration(text).ok().and_then(from_now)
    };
    let time = time.ok_or_else(|| {
        "expected a time like 2027-01-31T12:00:00Z, a date like 2027-01-31, or a duration like 30d"
            .to_owned()
    })?;
    Timestamp::try_from(time).map_err(|error| error.to_string())
}

/// Parses an expiry like [`parse_time`]. A date includes that day: it means 00:00 UTC of the next one.
pub fn parse_expiry(text: &str) -> Result<Timestamp, String> {
    match text
        .parse::<NaiveDate>()
        .ok()
        .and_then(|date| date.succ_opt())
    {
        Some(next_day) => parse_time(&next_day.to_string()),
        None => parse_time(text),
    }
}

/// Parses the expiry of a token like [`parse_expiry`], or a number of seconds from now.
pub fn parse_token_expiry(text: &str) -> Result<Timestamp, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        parse_expiry(&format!("{text}s"))
    } else {
        parse_expiry(text)
    }
}

/// Parses a time or a date like [`parse_time`], or how long ago it was, such as `7d`.
pub fn parse_past_time(text: &str) -> Result<Timestamp, String> {
    let before_now = |duration| clock::now().checked_sub_signed(duration);
    match parse_duration(text).ok().and_then(before_now) {
        Some(time) => Timestamp::try_from(time).map_err(|error| error.to_string()),
        None => parse_time(text),
    }
}

/// Parses a positive duration such as `90s`, `15m`, `12h`, `30d` or `2w`.
pub fn parse_duration(text: &str) -> Result<TimeDelta, String> {
    let parse = || {
        let unit = text.chars().next_back()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        let unit_seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        TimeDelta::try_seconds(number.checked_mul(unit_seconds)?)
    };
    parse()
        .filter(|duration| *duration > TimeDelta::zero())
        .ok_or_else(|| "expected a number followed by s, m, h, d or w, such as 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    #[test]
    fn times_dates_and_durations_are_parsed() {
        let utc = |time: Timestamp| DateTime::<Utc>::from(time);
        let text = |time: Timestamp| utc(time).to_rfc3339();
        assert_eq!(
            parse_time("2027-01-31T12:00:00+02:00").map(text),
            Ok("2027-01-31T10:00:00+00:00".to_owned())
        );
        assert_eq!(
            parse_time("2027-01-31").map(text),
            Ok("2027-01-31T00:00:00+00:00".to_owned())
        );
        assert!(utc(parse_time("30d").unwrap()) > clock::now() + TimeDelta::days(29));
        assert!(utc(parse_past_time("30d").unwrap()) < clock::now() - TimeDelta::days(29));
        assert_eq!(parse_past_time("2027-01-31"), parse_time("2027-01-31"));
        assert_eq!(parse_duration("2w"), Ok(TimeDelta::days(14)));
    }

    #[test]
    fn expiry_date_includes_the_day_and_the_expiry_of_a_token_can_be_in_seconds() {
        assert_eq!(parse_expiry("2027-01-31"), parse_time("2027-02-01"));
        assert_eq!(parse_expiry("2027-12-31"), parse_time("2028-01-01"));
        let time = "2027-01-31T12:00:00Z";
        assert_eq!(parse_expiry(time), parse_time(time));
        assert!(parse_expiry("3600").is_err());
        let in_an_hour = DateTime::<Utc>::from(parse_token_expiry("3600").unwrap());
        assert!((in_an_hour - clock::now() - TimeDelta::hours(1)).abs() < TimeDelta::minutes(5));
        assert_eq!(parse_token_expiry("2027-01-31"), parse_expiry("2027-01-31"));
        assert!(parse_token_expiry("").is_err() && parse_token_expiry("0").is_err());
    }

    #[test]
    fn invalid_times_and_durations_are_rejected() {
        for text in [
            "",
            "d",
            "-1d",
            "0h",
            "5",
            "5y",
            "2027-02-30",
            "99999999999999999d",
            "999999999d",
            "+10000-01-01",
            "1969-12-31",
            "2027-06-30T23:59:60Z",
            "é",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        for text in ["", "d", "-1d", "0h", "5", "5y", "99999999999999999d", "é"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
