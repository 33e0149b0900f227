//! The hosts of `DATABASE_URL`. libpq tries them in their order at each connection, which costs a timeout each time while the
//! first one is dark. So the host that answered last is tried first.

use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::Connection as _;
use diesel::pg::PgConnection;
use diesel::{ConnectionError, ConnectionResult};

/// The position of the host that answered last. It is only the first guess for the next connection.
static LAST_USED: AtomicUsize = AtomicUsize::new(0);

/// One URL for each host.
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Splits the URL. A URL that names its hosts in parameters is used as it is.
    pub fn parse(url: &str) -> Self {
        Self(split(url).unwrap_or_else(|| vec![url.to_owned()]))
    }

    /// One URL for each host.
    pub fn urls(&self) -> &[String] {
        &self.0
    }

    /// Makes later connections begin with the host at this position.
    pub fn prefer(position: usize) {
        LAST_USED.store(position, Ordering::Relaxed);
    }

    /// Connects to the first host that accepts the connection and that `examine` accepts, beginning with the one that
    /// answered last.
    ///
    /// # Errors
    /// The errors of all hosts, in one line.
    pub fn connect<T>(
        &self,
        mut examine: impl FnMut(PgConnection) -> ConnectionResult<T>,
    ) -> ConnectionResult<T> {
        let first = LAST_USED.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        let (before, from_first) = self.0.split_at(first % self.0.len().max(1));
        let positions = (before.len()..)
            .take(from_first.len())
            .chain(0..before.len());
        for (position, url) in positions.zip(from_first.iter().chain(before)) {
            match PgConnection::establish(url).and_then(&mut examine) {
                Ok(connection) => {
                    Self::prefer(position);
                    return Ok(connection);
                }
                Err(ConnectionError::BadConnection(reason)) => reasons.push(reason),
                Err(ConnectionError::CouldntSetupConfiguration(error)) => {
                    reasons.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Err(ConnectionError::BadConnection(reasons.join("; ")))
    }
}

/// The URL once for each of several hosts in its authority; `None` if there is one host, or parameters name hosts or ports.
fn split(url: &str) -> Option<Vec<String>> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), authority),
    };
    let (_, query) = path.split_once('?').unwrap_or_default();
    let names_hosts = query
        .split('&')
        .filter_map(|parameter| parameter.split('=').next())
        .any(|name| ["host", "hostaddr", "port"].contains(&name));
    let is_split = hosts.contains(',') && !names_hosts;
    is_split.then(|| {
        let one = |host| format!("{scheme}://{credentials}{host}{path}");
        hosts.split(',').map(one).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_with_several_hosts_is_split() {
        let url = "postgres://u:p%2C@10.0.0.1:5432,[fd00::1]:5433,db/rosterd?connect_timeout=2";
        assert_eq!(
            split(url).unwrap(),
            [
                "postgres://u:p%2C@10.0.0.1:5432/rosterd?connect_timeout=2",
                "postgres://u:p%2C@[fd00::1]:5433/rosterd?connect_timeout=2",
                "postgres://u:p%2C@db/rosterd?connect_timeout=2",
            ]
        );
    }

    #[test]
    fn other_urls_are_used_as_they_are() {
        for url in [
            "postgres://localhost/rosterd",
            "postgres:///rosterd?host=a,b",
            "postgres://a,b/rosterd?port=1,2",
            "host=a,b dbname=rosterd",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }

    #[test]
    fn host_that_answered_last_is_not_reached_through_the_others() {
        let hosts = Hosts::parse("postgres://127.0.0.1:1,127.0.0.1:9/rosterd");
        let error = hosts.connect(Ok).err().unwrap().to_string();
        assert!(
            error.contains("port 1 failed") && error.contains("port 9 failed"),
            "{error}"
        );
    }
}
