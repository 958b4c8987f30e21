//! Authorising a long upload once more before it counts: who was allowed to begin it may have lost
//! that meanwhile.

use super::Authorized;
use crate::error::S3Result;
use bytes::Bytes;
use engine::object::{Body, BodyDigest, BodyError, BodySource};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

type Verdict = Pin<Box<dyn Future<Output = S3Result<()>> + Send>>;

/// A body whose end is told only if its sender may still do what it began, where it took long.
pub struct AgainBody {
    body: Body,
    request: Option<Later>,
    began: Instant,
    after: Duration,
    verdict: Option<Verdict>,
}

/// A request that is not authorised any more, until it is again.
pub struct Later(Authorized);

impl AgainBody {
    /// A body that begins now, of a request that is authorised again if that takes `after`.
    pub fn new(body: Body, request: Later, after: Duration) -> Self {
        Self { body, request: Some(request), began: Instant::now(), after, verdict: None }
    }
}

impl Authorized {
    /// The same request, to be decided about later.
    pub fn later(&self) -> Later {
        Later(Self {
            head: self.head.clone(),
            route: self.route,
            caller: self.caller.clone(),
            circumstances: self.circumstances,
            settings: None,
            gate: self.gate.clone(),
        })
    }

    /// Reads the bucket's settings anew and decides anew.
    async fn authorize_again(mut self) -> S3Result<()> {
        if let Some(bucket) = self.head.target.bucket() {
            self.settings = Some(self.gate.settings(bucket).await?);
        }
        self.authorize_route(&|_| {}).await
    }
}

impl BodySource for AgainBody {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.verdict.is_none() {
            if let Some(piece) = ready!(self.body.poll_chunk(context)) {
                return Poll::Ready(Some(piece));
            }
            let is_long = self.began.elapsed() >= self.after;
            let Some(Later(request)) = self.request.take().filter(|_| is_long) else {
                return Poll::Ready(None);
            };
            self.verdict = Some(Box::pin(request.authorize_again()));
        }
        let Some(verdict) = &mut self.verdict else { return Poll::Ready(None) };
        let verdict = ready!(verdict.as_mut().poll(context));
        Poll::Ready(verdict.err().map(|error| Err(error.into_body_error())))
    }

    fn digest(&mut self) -> BodyDigest {
        self.body.digest()
    }
}
