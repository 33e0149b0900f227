//! Parsers of the settings' values. An error says what is expected and does not contain the text, which may be a secret
//! that was assigned to the wrong variable.

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
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::platform::http::{ForwardedHeader, IpNetwork};

use super::secret::{Secret, SecretKey};

/// The value, or a description of what is expected: "an IP address", "a whole number from 1 to 9".
pub(super) type ParseResult<T> = Result<T, Cow<'static, str>>;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// Human-readable text.
    Text,
}

/// Who may register an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// No one.
    Closed,
    /// Users with an invite.
    Invite,
    /// Anyone.
    Open,
}

/// `None` for an empty text, otherwise the parsed value.
pub(super) fn optional<T>(
    text: &str,
    parse: impl Fn(&str) -> ParseResult<T>,
) -> ParseResult<Option<T>> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

/// Accepts any text.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the other parsers"
)]
pub(super) fn text(text: &str) -> ParseResult<String> {
    Ok(text.to_owned())
}

/// Accepts any text as a secret.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the other parsers"
)]
pub(super) fn secret(text: &str) -> ParseResult<Secret> {
    Ok(Secret::new(text.to_owned()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the other parsers"
)]
pub(super) fn path(text: &str) -> ParseResult<PathBuf> {
    Ok(PathBuf::from(text))
}

/// Parses names that are separated by commas or whitespace.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the other parsers"
)]
pub(super) fn names(text: &str) -> ParseResult<Vec<String>> {
    Ok(items(text).map(str::to_owned).collect())
}

pub(super) fn address(text: &str) -> ParseResult<SocketAddr> {
    text.parse()
        .map_err(|_| "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
}

pub(super) fn switch(text: &str) -> ParseResult<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}

/// Parses a switch that permits something insecure: 1 or 0.
pub(super) fn permission(text: &str) -> ParseResult<bool> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err("1 or 0".into()),
    }
}

pub(super) fn log_format(text: &str) -> ParseResult<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("auto, json or text".into()),
    }
}

pub(super) fn forwarded_header(text: &str) -> ParseResult<ForwardedHeader> {
    match text {
        "x-forwarded-for" => Ok(ForwardedHeader::XForwardedFor),
        "forwarded" => Ok(ForwardedHeader::Forwarded),
        _ => Err("x-forwarded-for or forwarded".into()),
    }
}

/// Checks log directives. They are stored as text and parsed again when the log is initialized.
pub(super) fn log_directives(text: &str) -> ParseResult<String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "a level (error, warn, info, debug, trace) or directives such as info,rosterd=debug"
                .into(),
        ),
    }
}

/// Parses an absolute http or https URL. Returns it normalized and without a trailing slash.
pub(super) fn public_url(text: &str) -> ParseResult<String> {
    let is_base_url = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    match Url::parse(text) {
        Ok(url) if is_base_url(&url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err("an absolute http or https URL without user, query and fragment, such as https://id.example.org".into()),
    }
}

/// Whether requests to this URL do not leave the machine.
#[must_use]
pub fn has_loopback_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

pub(super) fn registration(text: &str) -> ParseResult<Registration> {
    match text {
        "closed" => Ok(Registration::Closed),
        "invite" => Ok(Registration::Invite),
        "open" => Ok(Registration::Open),
        _ => Err("closed, invite or open".into()),
    }
}

/// A URL with the placeholder `{token}`, for links that contain a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkTemplate {
    template: String,
    /// Whether the setting is unset, so that the links lead to this service.
    is_default: bool,
}

impl LinkTemplate {
    const PLACEHOLDER: &str = "{token}";

    /// The link with this token.
    #[must_use]
    pub fn url(&self, token: &str) -> String {
        self.template.replace(Self::PLACEHOLDER, token)
    }

    /// If the template is not set, sets it to `path` under `base_url`. `path` ends with the name of the query parameter
    /// for the token.
    pub(super) fn set_default(&mut self, base_url: &str, path: &str) {
        if self.template.is_empty() {
            self.template = format!("{base_url}/{path}={}", Self::PLACEHOLDER);
            self.is_default = true;
        }
    }

    /// Whether the links lead to this service, because no page of an application is configured.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.is_default
    }
}

pub(super) fn link_template(text: &str) -> ParseResult<LinkTemplate> {
    let is_allowed = |url: Url| {
        let has_token_in_host = url.authority().contains('{');
        matches!(url.scheme(), "http" | "https") && !has_token_in_host
    };
    if text.contains(LinkTemplate::PLACEHOLDER) && Url::parse(text).is_ok_and(is_allowed) {
        Ok(LinkTemplate {
            template: text.to_owned(),
            is_default: false,
        })
    } else {
        Err("an absolute http or https URL that contains {token}, such as https://app.example.org/reset#{token}".into())
    }
}

/// Parses 32 bytes in hex, or in base64 or base64url with or without padding.
pub(super) fn secret_key(text: &str) -> ParseResult<SecretKey> {
    let decoded = if text.len() == 2 * SecretKey::LENGTH {
        hex::decode(text).ok()
    } else {
        decode_base64(text)
    };
    let key = decoded
        .map(Zeroizing::new)
        .and_then(|bytes| <[u8; SecretKey::LENGTH]>::try_from(bytes.as_slice()).ok())
        .map(SecretKey::new)
        .ok_or("32 bytes as 64 hexadecimal digits or as base64")?;
    if key.is_one_repeated_byte() {
        return Err(
            "32 random bytes, not one byte repeated: use the output of `openssl rand -hex 32`"
                .into(),
        );
    }
    Ok(key)
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let decode = |alphabet: &Alphabet| {
        let lenient =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, lenient).decode(text).ok()
    };
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}

/// Parses a whole number in `range`.
pub(super) fn integer<N>(text: &str, range: RangeInclusive<N>) -> ParseResult<N>
where
    N: FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()).into())
}

/// Parses `auto`, which gives `auto_value`, or a whole number in `range`.
pub(super) fn auto_or_integer(
    text: &str,
    auto_value: usize,
    range: RangeInclusive<usize>,
) -> ParseResult<usize> {
    if text == "auto" {
        Ok(auto_value)
    } else {
        integer(text, range).map_err(|expected| format!("auto, or {expected}").into())
    }
}

pub(super) fn milliseconds(text: &str) -> ParseResult<Duration> {
    integer(text, 1..=600_000)
        .map(Duration::from_millis)
        .map_err(|expected| format!("milliseconds: {expected}").into())
}

pub(super) fn seconds(text: &str) -> ParseResult<Duration> {
    integer(text, 0..=3600)
        .map(Duration::from_secs)
        .map_err(|expected| format!("seconds: {expected}").into())
}

/// Parses a duration from one second to `max`: seconds, or a number with the unit `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str, max: Duration) -> ParseResult<Duration> {
    parse_duration(text)
        .filter(|duration| *duration >= Duration::from_secs(1) && *duration <= max)
        .ok_or_else(|| {
            let max = format_duration(max);
            format!(
                "a duration such as 30s, 15m, 24h or 7d, or a number of seconds, from 1s to {max}"
            )
            .into()
        })
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

fn parse_duration(text: &str) -> Option<Duration> {
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

/// The shortest text for a duration of whole seconds that [`duration`] parses.
pub(super) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    UNITS
        .iter()
        .find(|(_, unit)| seconds.is_multiple_of(*unit))
        .map_or_else(String::new, |(letter, unit)| {
            format!("{}{letter}", seconds / unit)
        })
}

/// Parses origins in their normalized form (RFC 6454, section 6), which is compared byte by byte with the `Origin` header.
pub(super) fn origins(text: &str) -> ParseResult<Vec<String>> {
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

/// Parses IP addresses and networks.
pub(super) fn networks(text: &str) -> ParseResult<Vec<IpNetwork>> {
    let networks: Vec<IpNetwork> = items(text)
        .map(|network| network.parse().ok())
        .collect::<Option<_>>()
        .ok_or("IP addresses or networks, separated by commas, such as 10.0.0.0/8, ::1")?;
    if networks.iter().any(IpNetwork::is_everything) {
        return Err(
            "the networks of your proxies: 0.0.0.0/0 and ::/0 would let every client choose its own address"
                .into(),
        );
    }
    Ok(networks)
}

pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: Duration = Duration::from_secs(366 * 86_400);

    proptest! {
        #[test]
        fn formatted_duration_is_parsed_back(seconds in 1_u64..366 * 86_400) {
            let expected = Duration::from_secs(seconds);
            prop_assert_eq!(duration(&format_duration(expected), MAX).unwrap(), expected);
            prop_assert_eq!(duration(&seconds.to_string(), MAX).unwrap(), expected);
        }

        #[test]
        fn duration_is_a_number_with_at_most_one_unit(text in "\\PC{0,12}") {
            if let Ok(parsed) = duration(&text, MAX) {
                prop_assert!(text.trim_end_matches(['s', 'm', 'h', 'd']).bytes().all(|b| b.is_ascii_digit()));
                prop_assert!(parsed >= Duration::from_secs(1) && parsed <= MAX);
            }
        }

        #[test]
        fn too_large_duration_is_rejected_without_overflow(count in 366_u64 * 86_400 + 1.., unit in "[smhd]?") {
            let text = format!("{count}{unit}");
            prop_assert!(duration(&text, MAX).is_err());
        }
    }
}
