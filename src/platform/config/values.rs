//! How the text of a setting becomes its value. A refusal says what is accepted and never repeats the text,
//! which may be a secret in the wrong place.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tracing_subscriber::EnvFilter;
use url::Url;
use zeroize::Zeroizing;

use crate::platform::http::Network;

use super::secret::{Secret, SecretKey};

/// The value, or what is accepted instead: "an IP address", "a whole number from 1 to 9".
pub(super) type Parsed<T> = Result<T, Cow<'static, str>>;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// One line for people.
    Text,
}

/// Who may register an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Whoever has an invite.
    Invite,
    /// Everybody.
    Open,
}

/// No text is no value; any other goes to `parse`.
pub(super) fn optional<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

/// Any text.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the shape of the other readers"
)]
pub(super) fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

/// Any secret text.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the shape of the other readers"
)]
pub(super) fn secret(text: &str) -> Parsed<Secret> {
    Ok(Secret::new(text.to_owned()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the shape of the other readers"
)]
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

/// Names separated by commas or white space.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the shape of the other readers"
)]
pub(super) fn names(text: &str) -> Parsed<Vec<String>> {
    Ok(items(text).map(str::to_owned).collect())
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_| "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("auto, json or text".into()),
    }
}

/// Checks log directives; whoever sets the log up reads them again.
pub(super) fn log_directives(text: &str) -> Parsed<String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "a level (error, warn, info, debug, trace) or directives such as info,rosterd=debug"
                .into(),
        ),
    }
}

/// Only the URL form, so that a mistyped name of a variable can't pass for a connection string.
pub(super) fn database_url(text: &str) -> Parsed<Secret> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        secret(text)
    } else {
        Err("a URL that begins with postgres:// or postgresql://".into())
    }
}

/// An absolute http(s) URL in its normal form, without the slash at its end.
pub(super) fn public_url(text: &str) -> Parsed<String> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    match Url::parse(text) {
        Ok(url) if plain(&url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err("an absolute http or https URL without user, query and fragment, such as https://id.example.org".into()),
    }
}

pub(super) fn registration(text: &str) -> Parsed<Registration> {
    match text {
        "closed" => Ok(Registration::Closed),
        "invite" => Ok(Registration::Invite),
        "open" => Ok(Registration::Open),
        _ => Err("closed, invite or open".into()),
    }
}

/// A page that a link with a token opens: a URL with `{token}` where the token goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenPage(String);

impl TokenPage {
    const PLACE: &str = "{token}";

    /// The link for this token.
    #[must_use]
    pub fn url(&self, token: &str) -> String {
        self.0.replace(Self::PLACE, token)
    }

    /// When none was set, it is `page` under `base`, which ends in the name of the parameter that the token is.
    pub(super) fn or_under(&mut self, base: &str, page: &str) {
        if self.0.is_empty() {
            self.0 = format!("{base}/{page}={}", Self::PLACE);
        }
    }
}

pub(super) fn token_page(text: &str) -> Parsed<TokenPage> {
    let is_page = |url: Url| {
        let leads_elsewhere = url.authority().contains('{');
        matches!(url.scheme(), "http" | "https") && !leads_elsewhere
    };
    if text.contains(TokenPage::PLACE) && Url::parse(text).is_ok_and(is_page) {
        Ok(TokenPage(text.to_owned()))
    } else {
        Err("an absolute http or https URL that contains {token}, such as https://app.example.org/reset#{token}".into())
    }
}

/// 32 bytes as hex or as base64 of either alphabet, padded or not.
pub(super) fn secret_key(text: &str) -> Parsed<SecretKey> {
    let decoded = if text.len() == 2 * SecretKey::LENGTH {
        hex::decode(text).ok()
    } else {
        base64_bytes(text)
    };
    decoded
        .map(Zeroizing::new)
        .and_then(|bytes| <[u8; SecretKey::LENGTH]>::try_from(bytes.as_slice()).ok())
        .map(SecretKey::new)
        .ok_or_else(|| "32 bytes as 64 hexadecimal digits or as base64".into())
}

fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let decode = |alphabet: &Alphabet| {
        let lenient =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, lenient).decode(text).ok()
    };
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}

/// A whole number in `range`.
pub(super) fn whole<N>(text: &str, range: RangeInclusive<N>) -> Parsed<N>
where
    N: FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()).into())
}

/// `auto`, which is `automatic`, or a whole number in `range`.
pub(super) fn auto_or_whole(
    text: &str,
    automatic: usize,
    range: RangeInclusive<usize>,
) -> Parsed<usize> {
    if text == "auto" {
        Ok(automatic)
    } else {
        whole(text, range).map_err(|accepts| format!("auto, or {accepts}").into())
    }
}

pub(super) fn milliseconds(text: &str) -> Parsed<Duration> {
    whole(text, 1..=600_000)
        .map(Duration::from_millis)
        .map_err(|accepts| format!("milliseconds: {accepts}").into())
}

pub(super) fn seconds(text: &str) -> Parsed<Duration> {
    whole(text, 0..=3600)
        .map(Duration::from_secs)
        .map_err(|accepts| format!("seconds: {accepts}").into())
}

/// A time span of one second up to `longest`: seconds, or a number with `s`, `m`, `h` or `d`.
pub(super) fn span(text: &str, longest: Duration) -> Parsed<Duration> {
    read_span(text)
        .filter(|span| *span >= Duration::from_secs(1) && *span <= longest)
        .ok_or_else(|| {
            let longest = show_span(longest);
            format!(
                "a time span such as 30s, 15m, 24h or 7d, or plain seconds, from 1s to {longest}"
            )
            .into()
        })
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

fn read_span(text: &str) -> Option<Duration> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(letter, unit)| Some((text.strip_suffix(*letter)?, *unit)))
        .unwrap_or((text, 1));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(unit).map(Duration::from_secs)
}

/// The shortest way to write a span of whole seconds that [`span`] reads.
pub(super) fn show_span(span: Duration) -> String {
    let seconds = span.as_secs();
    UNITS
        .iter()
        .find(|(_, unit)| seconds.is_multiple_of(*unit))
        .map_or_else(String::new, |(letter, unit)| {
            format!("{}{letter}", seconds / unit)
        })
}

/// Origins in their normal form (RFC 6454, section 6): what a browser sends is compared with them byte by byte.
pub(super) fn origins(text: &str) -> Parsed<Vec<String>> {
    let origin = |item: &str| {
        let url = Url::parse(item).ok()?;
        let origin = url.origin().ascii_serialization();
        (matches!(url.scheme(), "http" | "https") && origin == item).then_some(origin)
    };
    items(text)
        .map(origin)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            "origins in lower case without path and default port, separated by commas, such as https://app.example.org".into()
        })
}

/// Addresses and networks.
pub(super) fn networks(text: &str) -> Parsed<Vec<Network>> {
    items(text)
        .map(|network| network.parse().ok())
        .collect::<Option<_>>()
        .ok_or_else(|| {
            "IP addresses or networks, separated by commas, such as 10.0.0.0/8, ::1".into()
        })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(366 * 86_400);

    proptest! {
        #[test]
        fn a_span_reads_as_it_is_shown(seconds in 1_u64..366 * 86_400) {
            let wanted = Duration::from_secs(seconds);
            prop_assert_eq!(span(&show_span(wanted), LONGEST).unwrap(), wanted);
            prop_assert_eq!(span(&seconds.to_string(), LONGEST).unwrap(), wanted);
        }

        #[test]
        fn a_span_is_a_number_and_at_most_one_unit(text in "\\PC{0,12}") {
            if let Ok(read) = span(&text, LONGEST) {
                prop_assert!(text.trim_end_matches(['s', 'm', 'h', 'd']).bytes().all(|b| b.is_ascii_digit()));
                prop_assert!(read >= Duration::from_secs(1) && read <= LONGEST);
            }
        }

        #[test]
        fn a_huge_span_is_refused_and_not_wrapped(count in 366_u64 * 86_400 + 1.., unit in "[smhd]?") {
            let text = format!("{count}{unit}");
            prop_assert!(span(&text, LONGEST).is_err());
        }
    }
}
