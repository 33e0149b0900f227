//! Parses `DATABASE_URL`, and tells whether its connections can be read or redirected on a network.

use std::borrow::Cow;
use std::net::IpAddr;

use super::secret::Secret;
use super::values::ParseResult;
use crate::platform::db::PreparedStatements;
use crate::platform::http::percent_decoding;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Accepts only the URL form of a connection string, because libpq would accept almost any text as keywords.
pub(super) fn database_url(text: &str) -> ParseResult<Secret> {
    if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("a URL that begins with postgres:// or postgresql://".into())
    }
}

/// The URL without its password, and with only those parameters that say where the data is.
#[must_use]
pub fn without_password(url: &str) -> String {
    const LOCATION: [&str; 7] = [
        "host", "hostaddr", "port", "dbname", "user", "service", "options",
    ];
    let (base, _) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let (user, _) = user.split_once(':').unwrap_or((user, ""));
            format!("{user}@{host}")
        }
        None => authority.to_owned(),
    };
    let kept: Vec<String> = parameters(url)
        .filter(|(key, _)| LOCATION.contains(&key.as_ref()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let separator = if kept.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{path}{separator}{}", kept.join("&"))
}

/// Parses `ROSTERD_DB_PREPARED`.
pub(super) fn prepared_statements(text: &str) -> ParseResult<PreparedStatements> {
    match text {
        "auto" => Ok(PreparedStatements::Auto),
        "on" => Ok(PreparedStatements::On),
        "off" => Ok(PreparedStatements::Off),
        _ => Err("auto, on or off".into()),
    }
}

/// Whether every connection stays on this machine, or is encrypted and verifies the certificate of the server.
pub(super) fn is_protected(url: &str) -> bool {
    let is_parameter = |name: &'static str| move |(key, _): &(Cow<'_, str>, _)| key == name;
    let has_full_verification = parameters(url)
        .filter(is_parameter("sslmode"))
        .last()
        .is_some_and(|(_, mode)| mode == "verify-full");
    // A service file could name any host.
    let has_service = parameters(url).any(|(key, _)| key == "service" || key == "servicefile");
    has_full_verification || (!has_service && hosts(url).iter().all(|host| is_local(host)))
}

/// The hosts of the URL and those of its parameters, which replace them. An empty one stands for a Unix socket.
fn hosts(url: &str) -> Vec<String> {
    let (base, _) = base_and_query(url);
    let (in_authority, _) = base.split_once('/').unwrap_or((base, ""));
    let in_authority = in_authority
        .split(',')
        .map(|address| decode(without_port(address)).into_owned());
    let in_parameters = parameters(url)
        .filter(|(key, _)| matches!(&**key, "host" | "hostaddr"))
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>());
    in_authority.chain(in_parameters).collect()
}

/// The hosts with the path, and the query. As in libpq, the user information ends at the first `@` before the first `/`, and may
/// contain a `?`.
fn base_and_query(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let after_user = match authority.split_once('@') {
        Some((user, _)) => rest.get(user.len() + 1..).unwrap_or_default(),
        None => rest,
    };
    after_user.split_once('?').unwrap_or((after_user, ""))
}

fn without_port(address: &str) -> &str {
    match address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, _)) => host,
        None => address.split(':').next().unwrap_or(address),
    }
}

fn parameters(url: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let (_, query) = base_and_query(url);
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
}

/// Text that is not valid is left as it is, and then is not a local host.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decoding::decode(text).unwrap_or(Cow::Borrowed(text))
}

/// A path is the directory of a Unix socket; `@` begins the name of an abstract one.
fn is_local(host: &str) -> bool {
    let is_socket = host.is_empty() || host.starts_with(['/', '@']);
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    is_socket || host == "localhost" || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_contains_no_password() {
        for (url, shown) in [
            (
                "postgres://rosterd:p:ss%40@db.example.org:5432,[::1]/main?sslmode=verify-full&password=x&sslpassword=y",
                "postgres://rosterd@db.example.org:5432,[::1]/main",
            ),
            (
                "postgresql:///main?host=/run/postgresql&options=-csearch_path%3Dids",
                "postgresql:///main?host=/run/postgresql&options=-csearch_path=ids",
            ),
            ("postgres://localhost", "postgres://localhost/"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn only_local_hosts_and_verified_connections_are_protected() {
        for protected in [
            "postgres:///rosterd",
            "postgres://rosterd:p%2Fx@localhost/rosterd",
            "postgresql://127.0.0.1:5432,[::1]:5433/rosterd",
            "postgres://rosterd:x@%2Frun%2Fpostgresql/rosterd",
            "postgres:///rosterd?host=/run/postgresql",
            "postgres://db.example.org/rosterd?sslmode=verify-full",
            "postgres://db.example.org/rosterd?connect_timeout=3&sslmode=verify-full&sslrootcert=/ca.pem",
        ] {
            assert!(is_protected(protected), "{protected}");
        }
        for unprotected in [
            "postgres://db.example.org/rosterd",
            "postgres://rosterd:localhost@10.0.0.7/rosterd",
            "postgres://localhost@db.example.org/rosterd",
            "postgres://localhost,db.example.org/rosterd",
            "postgres://localhost/rosterd?host=db.example.org",
            "postgres://localhost/rosterd?hostaddr=10.0.0.7",
            "postgres://localhost/rosterd?service=main",
            "postgres://localhost.example.org/rosterd",
            "postgres://rosterd@db.example.org,x@localhost/rosterd",
            "postgres://rosterd@db.example.org@localhost/rosterd",
            "postgres://localhost?user=x@db.example.org/rosterd",
            "postgres://rosterd?sslmode=verify-full&x=@db.example.org/rosterd",
            "postgres://db.example.org/rosterd?sslmode=require",
            "postgres://db.example.org/rosterd?sslmode=verify-ca",
            "postgres://db.example.org/rosterd?sslmode=verify-full&sslmode=disable",
            "postgres://db.example.org/sslmode=verify-full",
        ] {
            assert!(!is_protected(unprotected), "{unprotected}");
        }
    }
}
