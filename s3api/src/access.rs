//! One log line and one count per request, when its answer has ended or broken off.
//!
//! - L1: queries, headers and bodies are never logged: they may hold signatures and secrets. Keys
//!   are logged escaped.

use crate::body::Received;
use crate::listener::timer;
use crate::metrics::{Finished, Metrics};
use crate::request::Target;
use crate::response::{BrokenBody, ResponseBody};
use crate::route::Route;
use bytes::Bytes;
use http::{Method, Uri, request};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// What is known of a request, as far as it came.
pub struct Facts {
    /// Method.
    pub method: Method,
    /// Path, and a query that is never logged (L1).
    pub uri: Uri,
    /// What it is about.
    pub target: Option<Target>,
    /// What it wants.
    pub route: Option<&'static Route>,
}

impl Facts {
    /// What the head tells before it is taken apart.
    pub fn new(parts: &request::Parts) -> Self {
        Self { method: parts.method.clone(), uri: parts.uri.clone(), target: None, route: None }
    }
}

/// A request under way; its end is logged and counted when this is dropped.
pub struct AccessRecord {
    metrics: Arc<Metrics>,
    span: tracing::Span,
    started: Instant,
    received: Received,
    sent: u64,
    is_broken: bool,
    outcome: Option<(Facts, u16, Option<&'static str>)>,
    /// What the request holds until its answer has ended.
    held: Vec<OwnedSemaphorePermit>,
}

impl AccessRecord {
    /// A request begins, inside the current span.
    pub fn begin(metrics: Arc<Metrics>, received: Received) -> Self {
        metrics.begin();
        Self {
            metrics,
            span: tracing::Span::current(),
            started: timer::now(),
            received,
            sent: 0,
            is_broken: false,
            outcome: None,
            held: Vec::new(),
        }
    }

    /// Counts the bytes that come.
    pub fn received(&self) -> Received {
        self.received.clone()
    }

    /// Gives a permit back when the answer has ended.
    pub fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.held.push(permit);
    }

    /// What it came to: status, and the code of its error.
    pub fn describe(&mut self, facts: Facts, status: u16, error: Option<&'static str>) {
        self.outcome = Some((facts, status, error));
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let duration = timer::now().saturating_duration_since(self.started);
        // No outcome: the client went away before there was one; the operation was dropped.
        let (facts, status, error) = match self.outcome.take() {
            Some((facts, status, error)) => (Some(facts), status, error),
            None => (None, 0, Some("ClientClosedRequest")),
        };
        let error = if self.is_broken { Some("BrokenBody") } else { error };
        let route = facts.as_ref().and_then(|facts| facts.route);
        self.metrics.finish(&Finished {
            route_index: route.map(Route::index),
            status,
            duration,
            received: self.received.get(),
            sent: self.sent,
            error,
        });
        let target = facts.as_ref().and_then(|facts| facts.target.as_ref());
        let _entered = self.span.enter();
        tracing::info!(
            target: "s3api::access",
            operation = route.map_or("none", |route| route.operation.name()),
            method = facts.as_ref().map_or("-", |facts| facts.method.as_str()),
            bucket = target.and_then(Target::bucket).map_or("-", |bucket| bucket.as_str()),
            key = ?target.and_then(Target::key).map_or("", |key| key.as_str()),
            status,
            received = self.received.get(),
            sent = self.sent,
            micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            error = error.unwrap_or("-"),
            "request finished"
        );
    }
}

/// The body of an answer, with the record that ends with it.
pub struct RecordedBody {
    body: ResponseBody,
    record: Option<AccessRecord>,
}

impl RecordedBody {
    /// A body with its record.
    pub fn new(body: ResponseBody, record: AccessRecord) -> Self {
        Self { body, record: Some(record) }
    }

    /// A body that nobody counts.
    pub fn unrecorded(body: ResponseBody) -> Self {
        Self { body, record: None }
    }
}

impl Body for RecordedBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(record) = &mut self.record {
            match &frame {
                Some(Ok(frame)) => {
                    record.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Some(Err(_)) => record.is_broken = true,
                None => self.record = None,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
