//! The header `x-amz-copy-source`: `/bucket/key` or `bucket/key`, percent-encoded, with
//! `?versionId=`.

use crate::error::{S3Error, S3Result, codes};
use crate::uri;
use engine::object::{BucketName, ObjectKey, VersionId};

/// What to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Bucket of the source.
    pub bucket: BucketName,
    /// Key of the source.
    pub key: ObjectKey,
    /// Version of the source; `None` for the current one.
    pub version: Option<VersionId>,
}

impl CopySource {
    /// Reads the header.
    ///
    /// # Errors
    /// `InvalidArgument` for a malformed one.
    pub fn parse(text: &str) -> S3Result<Self> {
        let malformed = || {
            S3Error::new(&codes::INVALID_ARGUMENT, "The copy source must name a bucket and a key.")
                .with("ArgumentName", "x-amz-copy-source")
        };
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let version = match query.strip_prefix("versionId=") {
            None if query.is_empty() => None,
            Some(id) => Some(VersionId::parse(id)?),
            None => return Err(malformed()),
        };
        // As in a query, `+` stands for a space: AWS reads it so, and clients count on it.
        let path = uri::decode_query(path).map_err(|_| malformed())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(malformed)?;
        Ok(Self {
            bucket: BucketName::new(bucket).map_err(|_| malformed())?,
            key: ObjectKey::new(key).map_err(|_| malformed())?,
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_escapes_are_read() {
        for text in ["/box/a%2Fb%20c", "box/a/b%20c", "box/a/b+c", "box/a/b%20c?versionId=null"] {
            let source = CopySource::parse(text).unwrap();
            assert_eq!((source.bucket.as_str(), source.key.as_str()), ("box", "a/b c"), "{text}");
        }
    }

    #[test]
    fn an_escaped_plus_is_a_plus() {
        assert_eq!(CopySource::parse("box/a%2Bb").unwrap().key.as_str(), "a+b");
    }

    #[test]
    fn malformed_sources_are_refused() {
        for text in ["", "/", "box", "/box/", "box/%zz", "B_X/key", "box/key?x=y"] {
            assert_eq!(
                CopySource::parse(text).unwrap_err().code,
                &codes::INVALID_ARGUMENT,
                "{text}"
            );
        }
        assert_eq!(
            CopySource::parse("box/key?versionId=7").unwrap_err().code,
            &codes::INVALID_ARGUMENT
        );
    }
}
