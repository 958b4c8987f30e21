//! The way of a request for a session: its body is read, then it is known who it is from.

use super::Service;
use super::post_form::Arrival;
use crate::access::AccessRecord;
use crate::auth::Unauthenticated;
use crate::body::frames::Frames;
use crate::body::pace::Pace;
use crate::error::{S3Error, S3Result, codes};
use crate::ops::RequestIds;
use crate::response::{self, S3Response};
use crate::sigv4::sha256_hex;
use crate::sts::form::{Ask, BODY_LEN_MAX};
use crate::sts::{self, Making};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use http_body::Body as HttpBody;
use std::future::poll_fn;

impl Service {
    /// From the head of such a request to its answer.
    pub(super) async fn run_session<B>(
        &self,
        arrival: Arrival,
        body: B,
        record: &mut AccessRecord,
        ids: &RequestIds,
    ) -> S3Result<S3Response>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let Arrival { head, route, peer, http_len } = arrival;
        if http_len.is_some_and(|len| len > BODY_LEN_MAX as u64) {
            return Err((&codes::MAX_MESSAGE_LENGTH_EXCEEDED).into());
        }
        record.hold(self.admission.request()?);
        let pace = Pace::new(&self.config.limits);
        let body = collect(Frames::new(body, pace, record.received())).await?;
        let now = self.env.clock.unix_nanos();
        let request = Unauthenticated { head, route, peer };
        let hash = sha256_hex(&body);
        let requester = request.authenticate_for_session(&self.gate, now, &hash).await?;
        let ask = Ask::parse(&body)?;
        let mut nonce = [0; 16];
        self.env.rng.fill(&mut nonce);
        let (caller, request_id) = (requester.caller(), ids.request_id.as_str());
        let making = Making { caller, now, nonce, request_id };
        if !ask.begins_session() {
            return Ok(making.identity());
        }
        requester.authorize_session(ask.action())?;
        making.session(ask, &self.gate.session_key().await?)
    }
}

/// The whole of a body that is short.
async fn collect<B>(mut frames: Frames<B>) -> S3Result<BytesMut>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|context| frames.poll_frame(context)).await {
        let frame = frame?;
        if whole.len() + frame.len() > BODY_LEN_MAX {
            return Err((&codes::MAX_MESSAGE_LENGTH_EXCEEDED).into());
        }
        whole.extend_from_slice(&frame);
    }
    Ok(whole)
}

/// Errors have a shape of their own here.
pub(super) fn error_response(error: &S3Error, request_id: &str) -> S3Response {
    let (status, document) = sts::error_document(error, request_id);
    let mut response = response::xml(document);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == 503 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
