//! Answers on their way out.
//!
//! - P1: a body that cannot be completed ends in a broken connection, never in a clean end
//!   (DESIGN.md, P3).

use bytes::Bytes;
use engine::object::{ByteStream, ETag, ObjectInfo, VersionId};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Why a body broke off. The reason is logged where it happens; the client sees a broken
/// connection.
#[derive(Debug, thiserror::Error)]
pub enum BrokenBody {
    /// The store could not go on.
    #[error("the store could not complete the body")]
    Store,
    /// The store ended early, or sent too much.
    #[error("the body has another length than announced")]
    Length,
    /// A body of another kind failed.
    #[error("the body failed")]
    Other,
}

/// The body of an answer.
pub enum ResponseBody {
    /// Nothing, or a document.
    Full(Bytes),
    /// An object's bytes, of which `left` are to come.
    Stream {
        /// The bytes.
        stream: ByteStream,
        /// How many are to come.
        left: u64,
    },
    /// Pieces of a document whose length nobody knows yet.
    Unsized(ByteStream),
    /// What the router of health and metrics answers.
    Router(axum::body::Body),
}

impl ResponseBody {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Full(Bytes::new())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { stream, left } => {
                let piece = ready!(stream.as_mut().poll_next(context));
                Poll::Ready(account(piece, left))
            }
            Self::Unsized(stream) => {
                let piece = ready!(stream.as_mut().poll_next(context));
                let framed = piece.map(|piece| piece.map(Frame::data));
                Poll::Ready(framed.map(|piece| piece.map_err(|_| BrokenBody::Store)))
            }
            Self::Router(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BrokenBody::Other)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            // The end of the stream is where its verification may still fail.
            Self::Stream { .. } | Self::Unsized(_) => false,
            Self::Router(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { left, .. } => SizeHint::with_exact(*left),
            Self::Unsized(_) => SizeHint::default(),
            Self::Router(body) => body.size_hint(),
        }
    }
}

/// P1: what the store yields against what was announced.
fn account(
    piece: Option<Result<Bytes, engine::object::StoreError>>,
    left: &mut u64,
) -> Option<Result<Frame<Bytes>, BrokenBody>> {
    match piece {
        None if *left == 0 => None,
        None => {
            tracing::error!(left = *left, "the store ended a body early");
            Some(Err(BrokenBody::Length))
        }
        Some(Err(error)) => {
            tracing::error!(%error, left = *left, "the store broke off a body");
            Some(Err(BrokenBody::Store))
        }
        Some(Ok(bytes)) => match left.checked_sub(bytes.len() as u64) {
            Some(rest) => {
                *left = rest;
                Some(Ok(Frame::data(bytes)))
            }
            None => {
                tracing::error!("the store sent more than was asked for");
                Some(Err(BrokenBody::Length))
            }
        },
    }
}

/// An answer of S3.
pub type S3Response = Response<ResponseBody>;

/// An answer without a body.
pub fn empty(status: StatusCode) -> S3Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

/// An answer with an XML document.
pub fn xml(document: String) -> S3Response {
    let mut response = Response::new(ResponseBody::Full(Bytes::from(document)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// An answer with a JSON document, which is true just now and no longer.
pub fn json(document: String) -> S3Response {
    let mut response = Response::new(ResponseBody::Full(Bytes::from(document)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An entity tag as a header value, in quotes.
pub fn etag_value(etag: &ETag) -> HeaderValue {
    text_value(&format!("\"{}\"", etag.0))
}

/// A text as a header value; what no header can carry is left out.
pub fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The headers that describe an object, as GET, HEAD and 304 have them.
pub fn describe(info: &ObjectInfo, headers: &mut HeaderMap) {
    headers.insert(ETAG, etag_value(&info.etag));
    let modified = crate::headers::date::format_http(info.modified);
    headers.insert(http::header::LAST_MODIFIED, text_value(&modified));
    headers.insert(http::header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    crate::headers::attributes::write(&info.attributes, headers);
    add_version(headers, info.version);
}

/// Tells the version that an answer is about, where there are any.
pub fn add_version(headers: &mut HeaderMap, version: Option<VersionId>) {
    if let Some(version) = version {
        headers.insert("x-amz-version-id", text_value(&version.to_string()));
    }
}

/// Announces a length that the body itself does not tell, as for HEAD.
pub fn set_content_length(headers: &mut HeaderMap, len: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
}
