//! Where the versions of a key lie, and how they move.
//!
//! ```text
//! row of the current version --a newer one comes--> row of an older one
//!            ^                                             |
//!            +------------- the newer one goes ------------+
//! ```
//!
//! - W1: a key that has any version has a current one.
//! - W2: a key has one null version at most. When it is an older one, the current one knows its
//!   order ([`crate::rows::Older::null`]).
//! - W3: orders of a key only grow while it has a version.

use super::{Rows, bare, read};
use crate::meta::LogError;
use crate::meta::command::{Refusal, Target};
use crate::rows::{self, Garbage, Incarnation, ObjectRow, Older};
use bytes::Bytes;
use engine::format::value::{Location, Value};
use engine::mutant::{self, Mutant};
use engine::object::{Bypass, UnixNanos, VersionId, Versioning};

/// Rows that a look for the newest older version reads at once.
const OLDER_SCAN_ROWS: usize = 2;

/// One version as it was found.
pub(super) struct Found {
    pub(super) key: Bytes,
    pub(super) value: Value,
    pub(super) object: ObjectRow,
}

/// What a key has.
pub(super) struct Chain {
    /// Row of the current version, whether it is there or not.
    pub(super) key: Bytes,
    pub(super) current: Option<Found>,
}

/// A version that is to become the current one; its version, order and what it knows of the older
/// ones are not decided yet.
pub(super) struct NewVersion {
    pub(super) object: ObjectRow,
    pub(super) write_id: u128,
    pub(super) location: Location,
    /// Random; makes ids that nobody guesses.
    pub(super) entropy: u64,
    pub(super) time: UnixNanos,
}

impl Chain {
    /// When the key's last change was.
    pub(super) fn modified(&self) -> UnixNanos {
        self.current.as_ref().map_or(0, |found| found.object.modified)
    }

    fn next_order(&self, time: UnixNanos) -> u64 {
        let after = self.current.as_ref().map_or(1, |found| found.object.order + 1);
        time.max(after)
    }
}

impl Rows<'_> {
    pub(super) async fn chain(&self, target: &Target) -> Result<Chain, LogError> {
        let key = rows::object(target.incarnation, &target.key);
        let current = self.object(&key).await?;
        let current = current.map(|(value, object)| Found { key: key.clone(), value, object });
        Ok(Chain { key, current })
    }

    /// The version that is meant: the current one, or that with the id.
    pub(super) async fn find(
        &self,
        target: &Target,
        chain: Chain,
        version: Option<VersionId>,
    ) -> Result<(Chain, Option<Found>), LogError> {
        let (Some(id), Some(current)) = (version, &chain.current) else {
            return Ok((chain, None));
        };
        if current.object.version == id {
            return Ok((chain, None));
        }
        let order = match id {
            VersionId::Null => current.object.older.null,
            VersionId::Id(id) => Some((id >> 64) as u64),
        };
        let Some(order) = order else {
            return Ok((chain, None));
        };
        let key = rows::older_version(target.incarnation, &target.key, order);
        let found = self.object(&key).await?.filter(|(_, object)| object.version == id);
        Ok((chain, found.map(|(value, object)| Found { key, value, object })))
    }

    /// Makes a version the current one; returns it as it was written.
    pub(super) async fn install(
        &mut self,
        target: &Target,
        chain: Chain,
        new: NewVersion,
    ) -> Result<ObjectRow, LogError> {
        let NewVersion { mut object, write_id, location, entropy, time } = new;
        object.order = chain.next_order(time);
        object.version = match target.versioning {
            Versioning::Enabled => {
                VersionId::Id(u128::from(object.order) << 64 | u128::from(entropy))
            }
            Versioning::Off | Versioning::Suspended => VersionId::Null,
        };
        let is_null = object.version == VersionId::Null;
        let mut replaced = None;
        if let Some(current) = chain.current {
            object.older = current.object.older;
            if is_null && current.object.version == VersionId::Null {
                self.drop_version(target, &current)?;
            } else {
                if current.object.version == VersionId::Null {
                    object.older.null = Some(current.object.order);
                }
                object.older.may_exist = true;
                if !mutant::is(Mutant::LoseReplaced) {
                    self.move_back(target, &current);
                }
            }
            replaced = Some(current.value);
        }
        if let (true, Some(order)) = (is_null, object.older.null.take_if(|_| is_null)) {
            let key = rows::older_version(target.incarnation, &target.key, order);
            let older = self.object(&key).await?;
            if let Some((value, object)) = older.filter(|_| !mutant::is(Mutant::KeepOldNull)) {
                let found = Found { key, value, object };
                self.drop_version(target, &found)?;
                self.write(found.key, Some(found.value), None);
            }
        }
        let value = Value { write_id, location, attributes: rows::encode(&object) };
        self.write(chain.key, replaced, Some(value));
        Ok(object)
    }

    /// A version goes for good because a write without a version replaces it: never a locked one.
    fn drop_version(&mut self, target: &Target, found: &Found) -> Result<(), Refusal> {
        if !found.object.lock.allows_delete(0, Bypass::No) {
            return Err(Refusal::Locked);
        }
        self.free_version(target.incarnation, found);
        Ok(())
    }

    /// Leaves the rows that belong to a version that goes to the purge.
    pub(super) fn free_version(&mut self, incarnation: Incarnation, found: &Found) {
        let Found { value, object, .. } = found;
        self.free(incarnation, Some((value.write_id, object.body)));
        if object.annotation_count > 0 && !mutant::is(Mutant::LeaveAnnotations) {
            let garbage = rows::garbage(incarnation, Garbage::Annotations(value.write_id));
            self.write(garbage, None, Some(bare(Bytes::new())));
        }
    }

    /// Gives the current version a row among the older ones. The row of the current one is left to
    /// the caller.
    fn move_back(&mut self, target: &Target, current: &Found) {
        let key = rows::older_version(target.incarnation, &target.key, current.object.order);
        let object = ObjectRow { older: Older::default(), ..current.object.clone() };
        let value = Value { attributes: rows::encode(&object), ..current.value.clone() };
        self.write(key, None, Some(value));
    }

    /// The current version goes: the newest of the older ones takes its place, where there is one.
    pub(super) async fn promote(&mut self, current: Found) -> Result<(), LogError> {
        let has_older = current.object.older.may_exist && !mutant::is(Mutant::PromoteNothing);
        let next = match has_older {
            true => self.newest_older(&current.key).await?,
            false => None,
        };
        let Some(next) = next else {
            self.write(current.key, Some(current.value), None);
            return Ok(());
        };
        let null = current.object.older.null.filter(|_| next.object.version != VersionId::Null);
        let older = Older { may_exist: true, null };
        let object = ObjectRow { older, ..next.object };
        let value = Value { attributes: rows::encode(&object), ..next.value.clone() };
        self.write(next.key, Some(next.value), None);
        self.write(current.key, Some(current.value), Some(value));
        Ok(())
    }

    async fn newest_older(&self, current: &[u8]) -> Result<Option<Found>, LogError> {
        let (mut start, end) = rows::older_versions(current);
        loop {
            let page = self.store.scan(&start, &end, OLDER_SCAN_ROWS).await?;
            if let Some((key, value)) = page.rows.into_iter().next() {
                let object = read(&value)?;
                return Ok(Some(Found { key, value, object }));
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(None),
            }
        }
    }

    /// Writes a version again, with other attributes.
    pub(super) fn rewrite(&mut self, found: Found, object: &ObjectRow) {
        let value = Value { attributes: rows::encode(object), ..found.value.clone() };
        self.write(found.key, Some(found.value), Some(value));
    }
}
