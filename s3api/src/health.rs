//! What is not S3: `/minio/health/live|ready|cluster` and `/metrics`, by an axum router.
//!
//! - H1: live depends on nothing but the process; the others ask the store.
//! - H2: these paths are taken by requests without a signature only, so that buckets of these names
//!   stay usable.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::object::{ObjectStore, StoreStatus};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use std::sync::Arc;
use std::time::Duration;

/// How long the store may take to tell its status.
pub(crate) const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone)]
pub struct HealthState {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Asked for its status, and for nothing else.
    pub store: Arc<dyn ObjectStore>,
}

/// Whether the router answers this request (H2).
pub fn is_ours(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let is_path = path == "/metrics" || path.starts_with("/minio/health/");
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let is_signed = parts.headers.contains_key(http::header::AUTHORIZATION)
        || parts.uri.query().is_some_and(|query| query.contains("X-Amz-"));
    is_path && is_read && !is_signed
}

/// The router.
pub fn router(state: HealthState) -> Router {
    Router::new()
        .route("/minio/health/live", get(live))
        .route("/minio/health/ready", get(ready))
        .route("/minio/health/cluster", get(cluster))
        .route("/minio/health/cluster/read", get(readable))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(state): State<HealthState>) -> StatusCode {
    as_status(status(&state).await.is_some_and(|status| status.readable && status.writable))
}

/// Whether writes are acknowledged; with `maintenance=true` whether they still are when one more
/// disk is taken away.
async fn cluster(State(state): State<HealthState>, uri: Uri) -> StatusCode {
    let status = status(&state).await.filter(|status| status.writable);
    if !is_maintenance(uri.query().unwrap_or("")) {
        return as_status(status.is_some());
    }
    let margin = status.and_then(|status| status.margin).unwrap_or(0);
    if margin > 0 { StatusCode::OK } else { StatusCode::PRECONDITION_FAILED }
}

fn is_maintenance(query: &str) -> bool {
    query.split('&').any(|pair| pair == "maintenance=true")
}

async fn readable(State(state): State<HealthState>) -> StatusCode {
    as_status(status(&state).await.is_some_and(|status| status.readable))
}

async fn metrics(State(state): State<HealthState>) -> Response {
    let text = state.metrics.render(status(&state).await.as_ref());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn as_status(is_good: bool) -> StatusCode {
    if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn status(state: &HealthState) -> Option<StoreStatus> {
    let asked = tokio::time::timeout(STATUS_TIMEOUT, state.store.status()).await;
    asked.ok().and_then(Result::ok)
}
