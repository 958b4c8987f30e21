//! Buckets and their configuration.
//!
//! - B1: what decides about versions and locks is known to the store, and a write uses the newest
//!   of it (DESIGN.md section 4: configuration is fenced).
//! - B2: every other document of a bucket belongs to the protocol; the store keeps it as it came.

use super::{BucketName, Retention, RetentionMode, UnixNanos, Versioning};

/// Bytes of all documents of a bucket together.
pub const DOCUMENTS_LEN_MAX: usize = 256 << 10;

/// A bucket as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: BucketName,
    /// When it was created.
    pub created: UnixNanos,
    /// Canonical id of the account that owns it; empty for the root of the store.
    pub owner: String,
}

/// A bucket with its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketState {
    /// The bucket.
    pub info: BucketInfo,
    /// Identity of this life of the bucket.
    pub incarnation: u64,
    /// Grows with every change of the configuration, within one incarnation.
    pub revision: u64,
    /// What decides about versions and locks.
    pub rules: BucketRules,
    /// The protocol's documents, by name (B2).
    pub documents: Vec<(String, String)>,
}

impl BucketState {
    /// One of the protocol's documents.
    pub fn document(&self, name: &str) -> Option<&str> {
        self.documents.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

/// What decides about the versions and locks of what is written (B1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct BucketRules {
    /// Whether versions are kept.
    pub versioning: Versioning,
    /// Whether versions can be locked; never taken back.
    pub has_lock: bool,
    /// How new versions are locked that do not say themselves.
    pub retention: Option<DefaultRetention>,
}

/// How long new versions are kept that do not say themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: RetentionMode,
    /// How long.
    pub period: Period,
}

/// A time span as the protocol tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Period {
    /// Days of 24 hours.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}

/// Nanoseconds of a day.
const DAY_NANOS: u64 = 24 * 3600 * 1_000_000_000;

impl DefaultRetention {
    /// The retention of a version that is written now.
    pub fn starting(self, now: UnixNanos) -> Retention {
        let days = match self.period {
            Period::Days(days) => u64::from(days),
            Period::Years(years) => u64::from(years) * 365,
        };
        let until = now.saturating_add(days.saturating_mul(DAY_NANOS));
        Retention { mode: self.mode, until }
    }
}

/// Creates a bucket.
#[derive(Clone, Debug)]
pub struct CreateBucketRequest {
    /// Its name.
    pub bucket: BucketName,
    /// Who owns it.
    pub owner: String,
    /// What decides about versions and locks from the beginning.
    pub rules: BucketRules,
    /// The protocol's documents, by name.
    pub documents: Vec<(String, String)>,
}

impl CreateBucketRequest {
    /// A bucket of the store's root without any configuration.
    pub fn plain(bucket: BucketName) -> Self {
        let (rules, documents) = (BucketRules::default(), Vec::new());
        Self { bucket, owner: String::new(), rules, documents }
    }
}

/// A change of a bucket's configuration.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum BucketChange {
    /// Whether versions are kept; never `Off`.
    Versioning(Versioning),
    /// Versions can be locked from now on, and how those are that do not say themselves.
    Lock(Option<DefaultRetention>),
    /// Sets one of the protocol's documents, or removes it.
    Document {
        /// Its name.
        name: String,
        /// Its text.
        text: Option<String>,
    },
}

/// A document of the store itself, which belongs to the protocol as those of buckets do.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Setting {
    /// Its text, of at most [`DOCUMENTS_LEN_MAX`] bytes.
    pub text: String,
    /// Grows by one with every change; 0 where it was never set.
    pub revision: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_count_from_the_write_and_never_wrap() {
        let starting =
            |period| DefaultRetention { mode: RetentionMode::Governance, period }.starting(5).until;
        assert_eq!(starting(Period::Days(2)), 5 + 2 * 86_400_000_000_000);
        assert_eq!(starting(Period::Years(1)), 5 + 365 * 86_400_000_000_000);
        assert_eq!(starting(Period::Years(u32::MAX)), u64::MAX);
    }
}
