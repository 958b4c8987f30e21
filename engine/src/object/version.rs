//! Versions of an object: which one a request means, and what protects one.
//!
//! - V1: what a bucket's versioning says decides what a write or a delete leaves of the version
//!   before: `Off` and `Suspended` replace the null version, `Enabled` leaves everything.
//! - V2: a locked version is not deleted or replaced by anybody: not before its retention is over
//!   by the store's own reckoning of time (in governance mode: unless the caller may bypass it),
//!   and not while its legal hold is on.

use super::{BucketName, NameError, ObjectKey, UnixNanos, WriteCondition};
use std::fmt;

/// Which version of a key.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    bincode::Encode,
    bincode::Decode,
)]
pub enum VersionId {
    /// The one that was written while versions were not kept; shown as `null`.
    #[default]
    Null,
    /// Another; shown as 32 hexadecimal digits. Opaque to clients.
    Id(u128),
}

impl VersionId {
    /// Reads the form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// [`NameError::VersionId`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text == "null" {
            return Ok(Self::Null);
        }
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(NameError::VersionId);
        }
        u128::from_str_radix(text, 16).map(Self::Id).map_err(|_| NameError::VersionId)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Id(id) => write!(formatter, "{id:032x}"),
        }
    }
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Versioning {
    /// It never did.
    #[default]
    Off,
    /// Every write makes a version of its own.
    Enabled,
    /// It did; writes replace the null version now.
    Suspended,
}

/// An object, or one version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub bucket: BucketName,
    /// Under which key.
    pub key: ObjectKey,
    /// Which version; `None` for the one that is current.
    pub version: Option<VersionId>,
}

impl Address {
    /// What is current under a key.
    pub fn current(bucket: BucketName, key: ObjectKey) -> Self {
        Self { bucket, key, version: None }
    }
}

/// How strictly a retention holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum RetentionMode {
    /// Whoever has the permission to bypass it may end it.
    Governance,
    /// Nobody ends it.
    Compliance,
}

/// Until when a version is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// Until when.
    pub until: UnixNanos,
}

/// What protects a version (V2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Lock {
    /// Until when it is kept.
    pub retention: Option<Retention>,
    /// Whether it is kept until somebody says otherwise.
    pub hold: LegalHold,
}

/// Whether somebody said that a version is kept until somebody says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum LegalHold {
    /// Nobody ever did.
    #[default]
    Never,
    /// Somebody took it back.
    Off,
    /// It is kept.
    On,
}

/// Whether the caller may end a retention of governance mode, and wants to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Bypass {
    /// No.
    #[default]
    No,
    /// Yes.
    Governance,
}

impl Lock {
    /// Whether the version may be deleted or replaced at a time (V2).
    pub fn allows_delete(&self, now: UnixNanos, bypass: Bypass) -> bool {
        self.hold != LegalHold::On
            && self.retention.is_none_or(|retention| retention.is_over(now, bypass))
    }

    /// Whether the retention may become another one: a longer one of the same mode always, else
    /// it must be over or bypassed.
    pub fn allows_retention(&self, new: Option<Retention>, now: UnixNanos, bypass: Bypass) -> bool {
        let Some(old) = self.retention else {
            return true;
        };
        let is_longer = new.is_some_and(|new| new.mode == old.mode && new.until >= old.until);
        is_longer || old.is_over(now, bypass)
    }
}

impl Retention {
    fn is_over(&self, now: UnixNanos, bypass: Bypass) -> bool {
        let is_bypassed = self.mode == RetentionMode::Governance && bypass == Bypass::Governance;
        is_bypassed || now >= self.until
    }
}

/// Deletes an object, or one version of it.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// Which.
    pub address: Address,
    /// When it may take effect; evaluated against the version that is named, else the current one.
    pub condition: WriteCondition,
    /// Whether a retention of governance mode is bypassed.
    pub bypass: Bypass,
}

impl DeleteRequest {
    /// Deletes what is current under a key, under a condition.
    pub fn current(bucket: BucketName, key: ObjectKey, condition: WriteCondition) -> Self {
        Self { address: Address::current(bucket, key), condition, bypass: Bypass::No }
    }
}

/// What a delete came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteOutcome {
    /// The version that was deleted, or the delete marker that was made; `None` in a bucket that
    /// never kept versions, and where there was nothing.
    pub version: Option<VersionId>,
    /// Whether a delete marker was made or deleted.
    pub is_marker: bool,
}

/// A change of what lies beside the bytes of a version.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Amendment {
    /// Replaces the tags.
    Tags(Vec<(String, String)>),
    /// Replaces the retention, when the lock allows it.
    Retention {
        /// The new one.
        retention: Option<Retention>,
        /// Whether one of governance mode is bypassed.
        bypass: Bypass,
    },
    /// Sets the legal hold.
    Hold(LegalHold),
    /// Sets one of the protocol's own attributes ([`super::ObjectAttributes::system`]), or removes
    /// it.
    System {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
}

/// Changes what lies beside the bytes of a version.
#[derive(Clone, Debug)]
pub struct AmendRequest {
    /// Which.
    pub address: Address,
    /// Entity tag that it must have, where one is asked for.
    pub condition: WriteCondition,
    /// The change.
    pub amendment: Amendment,
}

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct VersionListRequest {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// As in [`super::ListRequest`].
    pub delimiter: Option<String>,
    /// Only what comes after this version, or after all versions of the key; a common prefix counts
    /// as a key.
    pub after: Option<(String, Option<VersionId>)>,
    /// Entries at most, versions and common prefixes together.
    pub limit: usize,
}

/// One line of a listing of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionEntry {
    /// A version or a delete marker, and whether it is the current one.
    Version(Box<super::ObjectInfo>, Standing),
    /// A common prefix, ending with the delimiter.
    Prefix(String),
}

/// Whether a version is the newest of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Current,
    /// A newer one is.
    Noncurrent,
}

/// One page of versions: by key, the newest of each first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// What was found.
    pub entries: Vec<VersionEntry>,
    /// Whether more follows after the last entry.
    pub is_truncated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retained(mode: RetentionMode, until: UnixNanos) -> Lock {
        Lock { retention: Some(Retention { mode, until }), ..Lock::default() }
    }

    #[test]
    fn version_ids_come_back_as_they_were_shown() {
        for id in [VersionId::Null, VersionId::Id(0), VersionId::Id(u128::MAX)] {
            assert_eq!(VersionId::parse(&id.to_string()), Ok(id));
        }
        for text in ["", "Null", "7", &"A".repeat(32), &"0".repeat(33)] {
            assert_eq!(VersionId::parse(text), Err(NameError::VersionId), "{text}");
        }
    }

    #[test]
    fn a_retention_ends_by_its_time_or_by_a_bypass_of_governance() {
        use RetentionMode::{Compliance, Governance};
        let check = |mode, now, bypass, expected| {
            assert_eq!(retained(mode, 10).allows_delete(now, bypass), expected);
        };
        check(Governance, 9, Bypass::No, false);
        check(Governance, 9, Bypass::Governance, true);
        check(Governance, 10, Bypass::No, true);
        check(Compliance, 9, Bypass::Governance, false);
        check(Compliance, 10, Bypass::No, true);
        let held = Lock { hold: LegalHold::On, ..Lock::default() };
        assert!(!held.allows_delete(u64::MAX, Bypass::Governance));
    }

    #[test]
    fn a_retention_grows_freely_and_shrinks_only_where_it_may_be_ended() {
        use RetentionMode::{Compliance, Governance};
        let check = |old, new: Option<(RetentionMode, u64)>, bypass, expected| {
            let new = new.map(|(mode, until)| Retention { mode, until });
            let lock = retained(old, 10);
            assert_eq!(lock.allows_retention(new, 5, bypass), expected, "{old:?} {new:?}");
        };
        check(Governance, Some((Governance, 11)), Bypass::No, true);
        check(Governance, Some((Governance, 9)), Bypass::No, false);
        check(Governance, Some((Governance, 9)), Bypass::Governance, true);
        check(Governance, Some((Compliance, 11)), Bypass::No, false);
        check(Governance, Some((Compliance, 11)), Bypass::Governance, true);
        check(Governance, None, Bypass::No, false);
        check(Governance, None, Bypass::Governance, true);
        check(Compliance, Some((Compliance, 11)), Bypass::No, true);
        check(Compliance, Some((Compliance, 9)), Bypass::Governance, false);
        check(Compliance, Some((Governance, 11)), Bypass::Governance, false);
        check(Compliance, None, Bypass::Governance, false);
    }
}
