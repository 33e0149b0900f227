//! Prometheus metrics: requests, the process, and values that other modules register. The number of time series is
//! limited: no path, name or id of a request becomes a label.

mod callback_metric;
mod process;
mod server;

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

use crate::platform::http::{RequestObserver, RequestRecord};
use callback_metric::CallbackMetric;
pub use server::serve;

/// The route label of requests beyond the maximum number of routes.
const OTHER_ROUTES: &str = "other";

/// More than the number of route patterns. Limits the number of labels if paths are passed as patterns by mistake.
const MAX_ROUTES: usize = 512;

/// The histogram buckets in seconds, from a read by primary key (less than a millisecond) to a sign-in that waits in the
/// hashing queue (seconds).
const DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of this process. Clones share the same values.
#[derive(Clone)]
pub struct Metrics(Arc<MetricsInner>);

struct MetricsInner {
    registry: Registry,
    requests: IntCounterVec,
    errors: IntCounterVec,
    durations: HistogramVec,
    routes: RwLock<HashSet<Box<str>>>,
}

impl Metrics {
    /// Creates the metrics of a process that started at `start`.
    ///
    /// # Errors
    /// None in practice: a metric name is invalid or registered twice.
    pub fn new(start: SystemTime) -> Result<Self, Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Number of HTTP responses sent."),
            &["method", "route", "status"],
        )?;
        let errors = IntCounterVec::new(
            Opts::new(
                "http_errors_total",
                "Number of HTTP error responses sent, by error code.",
            ),
            &["route", "code"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Time from receiving the head of a request to sending the head of its response.",
            )
            .buckets(DURATION_BUCKETS.to_vec()),
            &["route"],
        )?;
        let build = IntGauge::with_opts(
            Opts::new(
                "rosterd_build_info",
                "Version of the running program; always 1.",
            )
            .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(build))?;
        process::register(&registry, start)?;
        Ok(Self(Arc::new(MetricsInner {
            registry,
            requests,
            errors,
            durations,
            routes: RwLock::default(),
        })))
    }

    /// Registers a metric whose value is read at each scrape: a counter if `name` ends in `_total`, a gauge otherwise.
    /// `name` must begin with `rosterd_` and use base units (seconds, bytes). `read_value` must not block.
    ///
    /// # Errors
    /// The name is invalid or already registered.
    pub fn register_callback(
        &self,
        name: &str,
        help: &str,
        read_value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.register_labelled_callback(name, help, &[], read_value)
    }

    /// [`Metrics::register_callback`] for one of several values of a metric. They differ in the values of their labels.
    ///
    /// # Errors
    /// The name or a label is invalid, or the name is registered with the same labels.
    pub fn register_labelled_callback(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        read_value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let metric = CallbackMetric::new(name, help, labels, Box::new(read_value))?;
        self.0.registry.register(Box::new(metric))
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.0.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        text
    }

    /// Whether the route pattern is used as a label. Adds it while the maximum number of routes is not reached.
    fn has_own_label(&self, pattern: &str) -> bool {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        if routes.contains(pattern) || routes.len() >= MAX_ROUTES {
            return routes.contains(pattern);
        }
        drop(routes);
        let mut routes = self
            .0
            .routes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if routes.len() < MAX_ROUTES {
            routes.insert(pattern.into());
        }
        routes.contains(pattern)
    }
}

impl RequestObserver for Metrics {
    fn observe(&self, record: &RequestRecord<'_>) {
        let status = StatusCode::from_u16(record.status).unwrap_or_default();
        let route = if self.has_own_label(record.route) {
            record.route
        } else {
            OTHER_ROUTES
        };
        self.0
            .requests
            .with_label_values(&[record.method, route, status.as_str()])
            .inc();
        if let Some(code) = record.error {
            self.0
                .errors
                .with_label_values(&[route, code.as_str()])
                .inc();
        }
        self.0
            .durations
            .with_label_values(&[route])
            .observe(record.duration.as_secs_f64());
    }
}
