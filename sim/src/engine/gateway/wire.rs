//! Requests as S3 has them, signed, and answers as the store's own errors: what a client's library
//! does. Written apart from the server's parsers, so that the two check each other.

use super::door::{AnswerBody, Door, is_troubled, lost};
use crate::http::connection::{RequestBody, whole_body};
use crate::http::sign::{Signer, Unsigned, encode_path, encode_query, sha256_hex};
use crate::http::xml;
use bytes::Bytes;
use engine::object::{Clock, StoreError, WriteCondition};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

/// Names that all requests go by.
pub(super) const ACCESS_KEY: &str = "simulator";
pub(super) const SECRET_KEY: &str = "simulator-secret";
pub(super) const REGION: &str = "us-east-1";

/// In the place of the hash of a body that is not signed.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A request before it is signed.
pub(super) struct Outgoing<'a> {
    method: Method,
    path: String,
    query: Vec<(&'a str, String)>,
    headers: HeaderMap,
    body: RequestBody,
    payload_hash: String,
}

/// A whole answer.
pub(super) struct Incoming {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(method: Method, bucket: &str, key: Option<&str>) -> Self {
        let path = match key {
            Some(key) => encode_path(&format!("/{bucket}/{key}")),
            None => encode_path(&format!("/{bucket}")),
        };
        let body = whole_body(Bytes::new());
        let (query, headers) = (Vec::new(), HeaderMap::new());
        Self { method, path, query, headers, body, payload_hash: sha256_hex(b"") }
    }

    pub(super) fn query(mut self, name: &'a str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("values are plain");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn condition(
        self,
        condition: &WriteCondition,
        tag: impl Fn(&str) -> String,
    ) -> Self {
        match condition {
            WriteCondition::None => self,
            WriteCondition::Absent => self.header("if-none-match", "*"),
            WriteCondition::Exists => self.header("if-match", "*"),
            WriteCondition::Matches(etag) => {
                self.header("if-match", &format!("\"{}\"", tag(&etag.0)))
            }
        }
    }

    /// Its condition is one on the object that an annotation belongs to.
    pub(super) fn on_object(mut self) -> Self {
        if let Some(tag) = self.headers.remove("if-match") {
            self.headers.insert("x-amz-object-if-match", tag);
        }
        self
    }

    /// A body of announced length; its hash is signed unless it is to break off.
    pub(super) fn body(mut self, body: RequestBody, len: u64, payload_hash: String) -> Self {
        (self.body, self.payload_hash) = (body, payload_hash);
        self.header("content-length", &len.to_string())
    }

    /// A document as the body.
    pub(super) fn document(self, text: String) -> Self {
        let (len, hash) = (text.len() as u64, sha256_hex(text.as_bytes()));
        self.body(whole_body(Bytes::from(text)), len, hash)
    }

    fn sign(mut self, clock: &dyn Clock) -> Request<RequestBody> {
        self.headers.insert("host", HeaderValue::from_static("s3.test"));
        let pairs: Vec<(&str, &str)> =
            self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = encode_query(&pairs);
        let [access_key, secret_key, region] = [ACCESS_KEY, SECRET_KEY, REGION].map(str::to_owned);
        let unsigned = Unsigned {
            method: &self.method,
            path: &self.path,
            query: &query,
            unix_seconds: clock.unix_nanos() / 1_000_000_000,
            payload_hash: &self.payload_hash,
        };
        Signer { access_key, secret_key, region }.sign(&unsigned, &mut self.headers);
        let uri = if query.is_empty() { self.path } else { format!("{}?{query}", self.path) };
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri.parse().expect("paths and queries are encoded");
        *request.headers_mut() = self.headers;
        request
    }

    /// Sends it; the body of the answer is yet to come.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn ask(
        self,
        door: &Door,
        clock: &dyn Clock,
    ) -> Result<Response<AnswerBody>, StoreError> {
        let is_signed = self.payload_hash != UNSIGNED;
        door.ask(self.sign(clock), is_signed).await
    }

    /// Sends it and takes the whole answer; one that says no is an error.
    pub(super) async fn send(self, door: &Door, clock: &dyn Clock) -> Result<Incoming, StoreError> {
        let answer = self.ask(door, clock).await?;
        match answer.status().is_success() {
            true => Incoming::of(answer).await,
            false => Err(refusal(answer).await),
        }
    }
}

/// What an answer means that says no.
pub(super) async fn refusal(answer: Response<AnswerBody>) -> StoreError {
    let is_troubled = is_troubled(&answer);
    match Incoming::of(answer).await {
        Ok(_) if is_troubled => lost(),
        Ok(incoming) => incoming.error(),
        Err(error) => error,
    }
}

pub(super) fn broken_off(error: &impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the answer broke off: {error}"))
}

impl Incoming {
    async fn of(answer: Response<AnswerBody>) -> Result<Self, StoreError> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self { status: head.status, headers: head.headers, body })
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// What an answer means that says no.
    pub(super) fn error(&self) -> StoreError {
        let code = xml::text(self.text(), "Code").unwrap_or_default();
        let number = xml::text(self.text(), "PartNumber").and_then(|number| number.parse().ok());
        match code.as_str() {
            "NoSuchBucket" => StoreError::NoSuchBucket,
            "NoSuchKey" => StoreError::NoSuchKey,
            "NoSuchVersion" => StoreError::NoSuchVersion,
            "NoSuchAnnotation" => StoreError::NoSuchAnnotation,
            "MethodNotAllowed" if self.headers.contains_key("x-amz-delete-marker") => {
                let version = super::versions::told(&self.headers);
                StoreError::DeleteMarker { version, modified: 0, is_named: true }
            }
            "AccessDenied" if self.text().contains("object lock") => StoreError::Locked,
            "NoSuchUpload" => StoreError::NoSuchUpload,
            "BucketAlreadyOwnedByYou" => StoreError::BucketExists { owner: String::new() },
            "BucketNotEmpty" => StoreError::BucketNotEmpty,
            "PreconditionFailed" => StoreError::PreconditionFailed,
            "InvalidPart" => StoreError::InvalidPart { number: number.unwrap_or_default() },
            "InsufficientStorage" => StoreError::OutOfSpace,
            "SlowDown" => StoreError::Busy("slow down"),
            "ServiceUnavailable" => StoreError::Unavailable("503".into()),
            "InternalError" => StoreError::Corrupt("500".into()),
            _ => StoreError::Corrupt(format!("{} {code}: {}", self.status, self.text())),
        }
    }
}

/// A header as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
