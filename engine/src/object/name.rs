//! Identities of the object store: names that are checked once, where they enter.

use std::fmt;

/// Longest key in bytes of UTF-8 (S3 API reference, "Creating object key names").
pub const KEY_LEN_MAX: usize = 1024;

/// Longest name of an annotation in bytes of UTF-8 (S3 API reference, "PutObjectAnnotation").
pub const ANNOTATION_NAME_LEN_MAX: usize = 512;

/// How no name of an annotation begins, in letters of any case.
const ANNOTATION_NAMES_RESERVED: [&str; 2] = ["aws", "s3"];

/// A name that breaks the rules of S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Bucket names: 3 to 63 of `a-z0-9.-`, see [`BucketName::new`].
    #[error("invalid bucket name")]
    Bucket,
    /// A key is not empty.
    #[error("empty key")]
    KeyEmpty,
    /// A key has at most [`KEY_LEN_MAX`] bytes.
    #[error("key longer than 1024 bytes")]
    KeyTooLong,
    /// Names of annotations: see [`AnnotationName::new`].
    #[error("invalid annotation name")]
    Annotation,
    /// A name of an annotation has at most [`ANNOTATION_NAME_LEN_MAX`] bytes.
    #[error("annotation name longer than 512 bytes")]
    AnnotationTooLong,
    /// Not 32 hexadecimal digits.
    #[error("invalid upload id")]
    UploadId,
    /// Neither `null` nor 32 hexadecimal digits.
    #[error("invalid version id")]
    VersionId,
}

/// Name of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct BucketName(String);

impl BucketName {
    /// Checks a name against the rules for general purpose buckets: 3 to 63 bytes of lowercase
    /// letters, digits, `.` and `-`; begins and ends with a letter or digit; no `..`; no IPv4
    /// address.
    ///
    /// # Errors
    /// [`NameError::Bucket`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        let legal = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        let ends = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
        let is_legal = (3..=63).contains(&bytes.len())
            && bytes.iter().all(legal)
            && bytes.first().is_some_and(ends)
            && bytes.last().is_some_and(ends)
            && !["..", ".-", "-."].iter().any(|pair| name.contains(pair))
            && !is_address;
        if is_legal { Ok(Self(name.to_owned())) } else { Err(NameError::Bucket) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Key of an object: 1 to 1,024 bytes of UTF-8, kept as they came (no normalisation of any kind).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks a key's length.
    ///
    /// # Errors
    /// [`NameError::KeyEmpty`], [`NameError::KeyTooLong`].
    pub fn new(key: impl Into<String>) -> Result<Self, NameError> {
        let key = key.into();
        match key.len() {
            0 => Err(NameError::KeyEmpty),
            1..=KEY_LEN_MAX => Ok(Self(key)),
            _ => Err(NameError::KeyTooLong),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of an annotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct AnnotationName(String);

impl AnnotationName {
    /// Checks a name: 1 to 512 bytes of letters and digits of any script, `_`, `.` and `-`; begins
    /// neither with `aws` nor with `s3`, in letters of any case.
    ///
    /// # Errors
    /// [`NameError::Annotation`], [`NameError::AnnotationTooLong`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > ANNOTATION_NAME_LEN_MAX {
            return Err(NameError::AnnotationTooLong);
        }
        let is_reserved = |start: &&str| {
            name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        };
        let is_legal = !name.is_empty()
            && name.chars().all(|it| it.is_alphanumeric() || matches!(it, '_' | '.' | '-'))
            && !ANNOTATION_NAMES_RESERVED.iter().any(is_reserved);
        if is_legal { Ok(Self(name.to_owned())) } else { Err(NameError::Annotation) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Entity tag, opaque to the store, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
pub struct ETag(pub String);

/// Identity of a multipart upload: 128 random bits, shown as 32 hexadecimal digits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct UploadId(pub u128);

impl UploadId {
    /// Reads the form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// [`NameError::UploadId`]; the caller answers it as an upload that does not exist.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(NameError::UploadId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NameError::UploadId)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for name in ["abc", "a-b.c", "0ab", &"a".repeat(63)] {
            assert!(BucketName::new(name).is_ok(), "{name}");
        }
        for name in ["ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "10.0.0.1", &"a".repeat(64)] {
            assert_eq!(BucketName::new(name), Err(NameError::Bucket), "{name}");
        }
    }

    #[test]
    fn keys_are_1_to_1024_bytes() {
        assert_eq!(ObjectKey::new(""), Err(NameError::KeyEmpty));
        assert!(ObjectKey::new("k".repeat(1024)).is_ok());
        assert_eq!(ObjectKey::new("k".repeat(1025)), Err(NameError::KeyTooLong));
    }

    #[test]
    fn annotation_names_follow_the_rules() {
        for name in
            ["a", "ml.sentiment", "A_b-c.9", "aw", "x-aws", "\u{6807}\u{e9}", &"n".repeat(512)]
        {
            assert!(AnnotationName::new(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "a\0", "aws", "AWS.x", "s3", "S3-x", "s3x", "\u{1f600}"] {
            assert_eq!(AnnotationName::new(name), Err(NameError::Annotation), "{name}");
        }
        let long = AnnotationName::new(&"n".repeat(513));
        assert_eq!(long, Err(NameError::AnnotationTooLong));
    }

    #[test]
    fn upload_id_survives_its_text() {
        let id = UploadId(0x0123);
        assert_eq!(UploadId::parse(&id.to_string()), Ok(id));
        assert_eq!(UploadId::parse("xyz"), Err(NameError::UploadId));
        assert_eq!(UploadId::parse("+1230000000000000000000000000000"), Err(NameError::UploadId));
    }
}
