//! What Prometheus can ask: requests, the process, and whatever other rooms let it watch.
//! The number of series does not grow with what callers send: no path, name or id ever becomes a label.

mod process;
mod server;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use actix_web::http::StatusCode;
pub use prometheus::Error;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::platform::http::{Observer, Sample};
pub use server::serve;
use watch::Watched;

/// The label of whatever is not among the known.
const OTHER: &str = "other";

/// More patterns than the service has; whoever passes paths by mistake ends here.
const MOST_ROUTES: usize = 512;

/// From a read by key (well under a millisecond) to a sign-in in a queue (seconds).
const DURATIONS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A handle to the metrics of this process; clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    routes: RwLock<HashSet<Box<str>>>,
}

impl Metrics {
    /// Metrics of a process that began at `started`.
    ///
    /// # Errors
    /// Never in practice: when a name is not one that Prometheus takes, or is taken twice.
    pub fn new(started: SystemTime) -> Result<Self, Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Requests answered."),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
            )
            .buckets(DURATIONS.to_vec()),
            &["route"],
        )?;
        let build = IntGauge::with_opts(
            Opts::new("rosterd_build_info", "The version that runs; always 1.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(build))?;
        let metrics = Self(Arc::new(Inner {
            registry,
            requests,
            durations,
            routes: RwLock::default(),
        }));
        process::watch(&metrics, started)?;
        Ok(metrics)
    }

    /// Lets each scrape read a value: a counter when `name` ends in `_total`, a gauge otherwise.
    /// `name` begins with `rosterd_` and is in base units: seconds, bytes. `read` must not block.
    ///
    /// # Errors
    /// When Prometheus does not take the name, or it is watched already.
    pub fn watch(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let watched = Watched::new(name, help, Box::new(read))?;
        self.0.registry.register(Box::new(watched))
    }

    /// Everything, in the text format 0.0.4 of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.0.registry.gather(), &mut page) {
            tracing::error!(%error, "the metrics can't be written");
        }
        page
    }

    /// Whether the pattern has a label of its own, or can still get one.
    fn is_known(&self, pattern: &str) -> bool {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        if routes.contains(pattern) || routes.len() >= MOST_ROUTES {
            return routes.contains(pattern);
        }
        drop(routes);
        let mut routes = self
            .0
            .routes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if routes.len() < MOST_ROUTES {
            routes.insert(pattern.into());
        }
        routes.contains(pattern)
    }
}

impl Observer for Metrics {
    fn observe(&self, sample: &Sample<'_>) {
        let status = StatusCode::from_u16(sample.status).unwrap_or_default();
        let route = if self.is_known(sample.route) {
            sample.route
        } else {
            OTHER
        };
        self.0
            .requests
            .with_label_values(&[sample.method, route, status.as_str()])
            .inc();
        self.0
            .durations
            .with_label_values(&[route])
            .observe(sample.duration.as_secs_f64());
    }
}
