//! Answers that take long: the client gets `200` and a blank now and then, so that nobody on the
//! way gives the connection up, then the document, which may be that of an error. The AWS API
//! reference says so of CompleteMultipartUpload, CopyObject and UploadPartCopy, and its clients
//! look.

use super::Done;
use crate::error::{S3Error, S3Result};
use crate::response::{self, ResponseBody, S3Response};
use crate::xml::DECLARATION;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A document, and headers for it; those are left out of an answer that began before.
pub(super) type Document = (HeaderMap, String);

/// Work that ends in a document.
type Work = Pin<Box<dyn Future<Output = S3Result<Document>> + Send>>;

/// Answers with what `work` comes to; it gets the request.
pub(super) async fn answer<F, W>(call: Done, work: F) -> S3Result<S3Response>
where
    F: FnOnce(Done) -> W,
    W: Future<Output = S3Result<Document>> + Send + 'static,
{
    let pause = Duration::from_millis(call.config.limits.keep_alive_ms);
    let place = call.place();
    let mut work: Work = Box::pin(work(call));
    if let Ok(done) = tokio::time::timeout(pause, &mut work).await {
        let (headers, document) = done?;
        let mut response = response::xml(document);
        response.headers_mut().extend(headers);
        return Ok(response);
    }
    let told = Told { place, pause, step: Step::Begin(work) };
    let pieces = stream::unfold(told, |mut told| async move {
        let piece = told.next_piece().await?;
        Some((Ok(piece), told))
    });
    let mut response = response::empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    *response.body_mut() = ResponseBody::Unsized(Box::pin(pieces));
    Ok(response)
}

/// Where an error document says that it happened.
pub(super) struct Place {
    /// What the document has besides the error.
    pub(super) write: Box<dyn Fn(&S3Error) -> String + Send + Sync>,
}

enum Step {
    Begin(Work),
    Wait(Work),
    End,
}

/// An answer that is being told.
struct Told {
    place: Place,
    pause: Duration,
    step: Step,
}

impl Told {
    async fn next_piece(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.step, Step::End) {
            Step::Begin(work) => {
                self.step = Step::Wait(work);
                Some(Bytes::from_static(DECLARATION.as_bytes()))
            }
            Step::Wait(mut work) => match tokio::time::timeout(self.pause, &mut work).await {
                Err(_) => {
                    self.step = Step::Wait(work);
                    Some(Bytes::from_static(b" "))
                }
                Ok(Ok((_, document))) => Some(without_declaration(document)),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "request failed after its answer began");
                    Some(without_declaration((self.place.write)(&error)))
                }
            },
            Step::End => None,
        }
    }
}

fn without_declaration(document: String) -> Bytes {
    let mut bytes = Bytes::from(document);
    if bytes.starts_with(DECLARATION.as_bytes()) {
        let _ = bytes.split_to(DECLARATION.len());
    }
    bytes
}
