//! Counters of requests, and the text in which Prometheus reads them.
//!
//! - M1: counting costs a few relaxed atomic additions; only errors take a lock.
//! - M2: every label has a closed set of values: operations, statuses, codes, and the disks that
//!   the operator named.

mod store;
mod text;

use crate::route::ROUTES;
use engine::object::StoreStatus;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use text::Text;

/// Upper bounds of the latency buckets in microseconds.
const BUCKETS_MICROS: [u64; 14] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// Status codes that are told apart; any other counts as the last one.
const STATUSES: [u16; 17] =
    [200, 204, 206, 304, 400, 403, 404, 405, 409, 411, 412, 416, 500, 501, 503, 507, 0];

#[derive(Default)]
struct OperationCounters {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS_MICROS.len()],
    micros: AtomicU64,
    count: AtomicU64,
}

/// One finished request.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// Index of its route; `None` where it found none.
    pub route_index: Option<usize>,
    /// Status that was sent.
    pub status: u16,
    /// From its head to the end of the answer's body.
    pub duration: Duration,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// Code of the error, where it ended in one.
    pub error: Option<&'static str>,
}

/// All counters of one front end.
pub struct Metrics {
    /// By route, then one for requests without.
    operations: Vec<OperationCounters>,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    received: AtomicU64,
    sent: AtomicU64,
    inflight: AtomicU64,
    handshake_failures: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            operations: (0..=ROUTES.len()).map(|_| OperationCounters::default()).collect(),
            errors: Mutex::default(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            inflight: AtomicU64::new(0),
            handshake_failures: AtomicU64::new(0),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Metrics {
    /// A request begins.
    pub fn begin(&self) {
        add(&self.inflight, 1);
    }

    /// A connection ended before its first request could come.
    pub fn fail_handshake(&self) {
        add(&self.handshake_failures, 1);
    }

    /// A request that began is over.
    pub fn finish(&self, finished: &Finished) {
        self.inflight.fetch_sub(1, Ordering::Relaxed);
        let operation = &self.operations[finished.route_index.unwrap_or(ROUTES.len())];
        let status = STATUSES.iter().position(|status| *status == finished.status);
        add(&operation.statuses[status.unwrap_or(STATUSES.len() - 1)], 1);
        let micros = u64::try_from(finished.duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BUCKETS_MICROS.iter().position(|bound| micros <= *bound) {
            add(&operation.buckets[bucket], 1);
        }
        add(&operation.micros, micros);
        add(&operation.count, 1);
        add(&self.received, finished.received);
        add(&self.sent, finished.sent);
        if let Some(code) = finished.error {
            *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() +=
                1;
        }
    }

    /// Everything as Prometheus reads it, with the store's own figures.
    pub fn render(&self, store: Option<&StoreStatus>) -> String {
        let mut text = Text(String::with_capacity(16 << 10));
        self.render_requests(&mut text);
        self.render_latency(&mut text);
        text.family(
            "stave_s3_errors_total",
            "counter",
            "Requests that ended in an error, by code.",
        );
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (code, count) in errors {
            text.sample("stave_s3_errors_total", &format!("code=\"{code}\""), count);
        }
        let traffic = [
            (
                "stave_s3_received_bytes_total",
                "counter",
                "Bytes of request bodies.",
                &self.received,
            ),
            ("stave_s3_sent_bytes_total", "counter", "Bytes of answers' bodies.", &self.sent),
            ("stave_s3_requests_inflight", "gauge", "Requests under way.", &self.inflight),
            (
                "stave_tls_handshake_failures_total",
                "counter",
                "Connections that failed to become secure ones.",
                &self.handshake_failures,
            ),
        ];
        for (name, kind, help, counter) in traffic {
            text.family(name, kind, help);
            text.sample(name, "", counter.load(Ordering::Relaxed));
        }
        store::render(&mut text, store);
        text.0
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &OperationCounters)> {
        let names = ROUTES.iter().map(|route| route.operation.name()).chain(["none"]);
        let used =
            |(_, counters): &(_, &OperationCounters)| counters.count.load(Ordering::Relaxed) > 0;
        names.zip(&self.operations).filter(used)
    }

    fn render_requests(&self, text: &mut Text) {
        let name = "stave_s3_requests_total";
        text.family(name, "counter", "Finished requests, by operation and status.");
        for (operation, counters) in self.named() {
            for (status, counter) in STATUSES.iter().zip(&counters.statuses) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = format!("operation=\"{operation}\",status=\"{status}\"");
                    text.sample(name, &labels, count);
                }
            }
        }
    }

    fn render_latency(&self, text: &mut Text) {
        let name = "stave_s3_request_duration_seconds";
        text.family(name, "histogram", "From a request's head to the end of its answer.");
        for (operation, counters) in self.named() {
            let mut sum = 0;
            for (bound, counter) in BUCKETS_MICROS.iter().zip(&counters.buckets) {
                sum += counter.load(Ordering::Relaxed);
                let labels = format!("operation=\"{operation}\",le=\"{}\"", seconds(*bound));
                text.sample("stave_s3_request_duration_seconds_bucket", &labels, sum);
            }
            let count = counters.count.load(Ordering::Relaxed);
            let labels = format!("operation=\"{operation}\",le=\"+Inf\"");
            text.sample("stave_s3_request_duration_seconds_bucket", &labels, count);
            let labels = format!("operation=\"{operation}\"");
            let micros = counters.micros.load(Ordering::Relaxed);
            text.line("stave_s3_request_duration_seconds_sum", &labels, &seconds(micros));
            text.sample("stave_s3_request_duration_seconds_count", &labels, count);
        }
    }
}

/// Microseconds as seconds, without loss.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.begin();
        metrics.finish(&Finished {
            route_index: Some(0),
            status: 404,
            duration: Duration::from_micros(700),
            received: 5,
            sent: 7,
            error: Some("NoSuchKey"),
        });
        let store = StoreStatus { metrics: vec![("x_total", "X.", 3)], ..StoreStatus::default() };
        let text = metrics.render(Some(&store));
        for line in [
            "stave_s3_requests_total{operation=\"ListBuckets\",status=\"404\"} 1",
            "stave_s3_request_duration_seconds_bucket{operation=\"ListBuckets\",le=\"0.000500\"} 0",
            "stave_s3_request_duration_seconds_bucket{operation=\"ListBuckets\",le=\"0.001000\"} 1",
            "stave_s3_request_duration_seconds_sum{operation=\"ListBuckets\"} 0.000700",
            "stave_s3_errors_total{code=\"NoSuchKey\"} 1",
            "stave_s3_received_bytes_total 5",
            "stave_s3_requests_inflight 0",
            "stave_store_up 1",
            "# TYPE x_total counter",
            "x_total 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_store_that_does_not_answer_is_told() {
        let text = Metrics::default().render(None);
        assert!(text.contains("stave_store_up 0\n") && !text.contains("stave_margin"), "{text}");
    }
}
