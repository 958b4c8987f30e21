//! Errors as S3 tells them: a code, a message and a few details, written as XML.
//!
//! One type serves the whole crate, because whatever goes wrong ends as such an answer; the
//! variants that callers would branch on are the codes in [`codes`].

pub mod codes;

use crate::xml::XmlWriter;
use codes::ErrorCode;
use engine::object::{BodyError, NameError, StoreError, UnixNanos, VersionId};
use std::borrow::Cow;

/// An answer that says no.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", code.name, message)]
pub struct S3Error {
    /// Which.
    pub code: &'static ErrorCode,
    /// For people.
    pub message: Cow<'static, str>,
    /// Elements of the XML beyond the usual ones.
    pub details: Vec<(&'static str, String)>,
    /// Headers of the answer beyond the usual ones.
    pub headers: Vec<(&'static str, String)>,
}

/// Result of everything that may end in an error answer.
pub type S3Result<T> = Result<T, S3Error>;

impl S3Error {
    /// An error with a message of its own.
    pub fn new(code: &'static ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    /// Adds an element to the XML.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What the XML says of `name`, where it says anything.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Carries the error through the store, as the failure of a body.
    pub fn into_body_error(self) -> BodyError {
        BodyError(Box::new(self))
    }

    /// The document that a client reads.
    pub fn to_xml(&self, context: &ErrorContext<'_>) -> String {
        let mut xml = XmlWriter::document();
        xml.open("Error");
        xml.text("Code", self.code.name);
        xml.text("Message", &self.message);
        for (name, value) in &self.details {
            xml.text(name, value);
        }
        // What the error itself says wins: a copy misses its source, not its target.
        let usual = [
            ("Key", context.key),
            ("BucketName", context.bucket),
            ("Resource", Some(context.resource)),
            ("Region", Some(context.region)),
        ];
        for (name, value) in usual {
            if let (Some(value), None) = (value, self.detail(name)) {
                xml.text(name, value);
            }
        }
        xml.text("RequestId", context.request_id);
        xml.text("HostId", context.host_id);
        xml.close("Error");
        xml.finish()
    }
}

/// What an error document tells of the request.
#[derive(Clone, Copy, Debug)]
pub struct ErrorContext<'a> {
    /// Bucket, where the request names one.
    pub bucket: Option<&'a str>,
    /// Key, where the request names one.
    pub key: Option<&'a str>,
    /// Path of the request.
    pub resource: &'a str,
    /// Region of this endpoint.
    pub region: &'a str,
    /// Identity of the request.
    pub request_id: &'a str,
    /// Identity of the process.
    pub host_id: &'a str,
}

impl From<&'static ErrorCode> for S3Error {
    fn from(code: &'static ErrorCode) -> Self {
        Self::new(code, code.message)
    }
}

impl From<NameError> for S3Error {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Bucket => (&codes::INVALID_BUCKET_NAME).into(),
            NameError::KeyEmpty => (&codes::INVALID_URI).into(),
            NameError::KeyTooLong => (&codes::KEY_TOO_LONG).into(),
            NameError::Annotation => (&codes::INVALID_ANNOTATION_NAME).into(),
            NameError::AnnotationTooLong => (&codes::ANNOTATION_NAME_TOO_LONG).into(),
            NameError::UploadId => (&codes::NO_SUCH_UPLOAD).into(),
            NameError::VersionId => {
                Self::new(&codes::INVALID_ARGUMENT, "Invalid version id specified")
                    .with("ArgumentName", "versionId")
            }
        }
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchBucket => (&codes::NO_SUCH_BUCKET).into(),
            StoreError::NoSuchKey => (&codes::NO_SUCH_KEY).into(),
            StoreError::NoSuchAnnotation => (&codes::NO_SUCH_ANNOTATION).into(),
            StoreError::TooManyAnnotations => (&codes::ANNOTATION_LIMIT_EXCEEDED).into(),
            StoreError::Changed => (&codes::CONDITIONAL_CONFLICT).into(),
            StoreError::NoSuchUpload => (&codes::NO_SUCH_UPLOAD).into(),
            StoreError::NoSuchVersion => (&codes::NO_SUCH_VERSION).into(),
            StoreError::DeleteMarker { version, modified, is_named } => {
                of_marker(version, modified, is_named)
            }
            StoreError::Locked => (&codes::ACCESS_DENIED_LOCKED).into(),
            StoreError::BucketConflict => (&codes::INVALID_BUCKET_STATE).into(),
            StoreError::ConfigurationTooLong => Self::new(
                &codes::INVALID_REQUEST,
                "The configuration documents of this bucket together are too long.",
            ),
            // Whose it is was weighed where a bucket is created.
            StoreError::BucketExists { .. } => (&codes::BUCKET_ALREADY_OWNED_BY_YOU).into(),
            StoreError::BucketNotEmpty => (&codes::BUCKET_NOT_EMPTY).into(),
            StoreError::InvalidPart { number } => {
                Self::from(&codes::INVALID_PART).with("PartNumber", number.to_string())
            }
            StoreError::PartTooSmall { number, size } => Self::from(&codes::ENTITY_TOO_SMALL)
                .with("PartNumber", number.to_string())
                .with("ProposedSize", size.to_string()),
            StoreError::PreconditionFailed => (&codes::PRECONDITION_FAILED).into(),
            StoreError::Body(error) => from_body_error(error),
            StoreError::OutOfSpace => {
                tracing::error!("the store is out of space");
                (&codes::STORAGE_FULL).into()
            }
            StoreError::Unavailable(reason) => {
                tracing::warn!(reason, "the store is unavailable");
                (&codes::SERVICE_UNAVAILABLE).into()
            }
            StoreError::Busy(reason) => {
                tracing::warn!(reason, "the store is busy");
                (&codes::SLOW_DOWN).into()
            }
            StoreError::Corrupt(reason) => {
                tracing::error!(reason, "the store is damaged");
                (&codes::INTERNAL_ERROR).into()
            }
        }
    }
}

/// A delete marker is an object that is not there; whoever names it asks for what it cannot give.
fn of_marker(version: Option<VersionId>, modified: UnixNanos, is_named: bool) -> S3Error {
    let error = match is_named {
        true => {
            let modified = crate::headers::date::format_http(modified);
            S3Error::from(&codes::METHOD_NOT_ALLOWED)
                .with("Method", "GET")
                .with("ResourceType", "DeleteMarker")
                .with_header("last-modified", modified)
                .with_header("allow", "DELETE")
        }
        false => (&codes::NO_SUCH_KEY).into(),
    };
    let version = version.unwrap_or_default().to_string();
    error.with_header("x-amz-delete-marker", "true").with_header("x-amz-version-id", version)
}

/// Takes back the error that a body of ours carried through the store.
fn from_body_error(error: BodyError) -> S3Error {
    match error.0.downcast::<S3Error>() {
        Ok(error) => *error,
        Err(error) => {
            tracing::error!(%error, "a request body failed with a foreign error");
            (&codes::INTERNAL_ERROR).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: ErrorContext<'_> = ErrorContext {
        bucket: Some("box"),
        key: Some("a&b"),
        resource: "/box/a&b",
        region: "us-east-1",
        request_id: "0123456789ABCDEF",
        host_id: "host",
    };

    #[test]
    fn error_document_has_the_elements_that_clients_read() {
        let xml = S3Error::from(&codes::NO_SUCH_KEY).to_xml(&CONTEXT);
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The \
             specified key does not exist.</Message><Key>a&amp;b</Key><BucketName>box</BucketName>\
             <Resource>/box/a&amp;b</Resource><Region>us-east-1</Region><RequestId>0123456789ABCDEF\
             </RequestId><HostId>host</HostId></Error>"
        );
    }

    #[test]
    fn region_of_the_error_wins_over_that_of_the_endpoint() {
        let error = S3Error::from(&codes::AUTHORIZATION_HEADER_MALFORMED).with("Region", "eu");
        assert_eq!(error.to_xml(&CONTEXT).matches("<Region>").count(), 1);
    }

    #[test]
    fn error_survives_its_way_through_the_store() {
        let error = S3Error::from(&codes::BAD_DIGEST).into_body_error();
        assert_eq!(S3Error::from(StoreError::Body(error)).code, &codes::BAD_DIGEST);
    }
}
