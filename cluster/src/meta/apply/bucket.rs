//! Buckets: created, deleted, configured; and the configuration of the store itself.

use super::{Applied, Rows, bare, read};
use crate::meta::command::{Command, Refusal, Success};
use crate::rows::{self, BucketRow, Garbage};
use bytes::Bytes;
use engine::mutant::{self, Mutant};
use engine::object::bucket::DOCUMENTS_LEN_MAX;
use engine::object::{BucketChange, BucketRules, Setting, Versioning};

/// Rows, most of them tombstones, that one look for a bucket's objects reads.
const EMPTY_SCAN_ROWS: usize = 1000;

impl Rows<'_> {
    pub(super) async fn create_bucket(mut self, command: Command) -> Applied {
        let Command::CreateBucket { name, incarnation, time, owner, rules, documents } = command
        else {
            unreachable!("apply dispatches on the command");
        };
        let key = rows::bucket(&name);
        if let Some(value) = self.store.get(&key).await? {
            let BucketRow { owner, .. } = read(&value)?;
            return Err(Refusal::BucketExists(owner).into());
        }
        if rules.has_lock && rules.versioning != Versioning::Enabled {
            return Err(Refusal::BucketConflict.into());
        }
        let (created, revision, fence) = (time, 1, 1);
        let row = BucketRow { incarnation, created, owner, revision, fence, rules, documents };
        check_len(&row)?;
        self.write(key, None, Some(bare(rows::encode(&row))));
        self.done(Success::Done)
    }

    pub(super) async fn delete_bucket(mut self, key: Bytes) -> Applied {
        let Some(value) = self.store.get(&key).await? else {
            return Err(Refusal::NoSuchBucket.into());
        };
        let BucketRow { incarnation, .. } = read(&value)?;
        if !self.is_empty(rows::all_objects(incarnation), EMPTY_SCAN_ROWS).await? {
            return Err(Refusal::BucketNotEmpty.into());
        }
        // Nobody reaches an upload of a life that is over: it is left to the purge (A3).
        if !self.is_empty(rows::all_uploads(incarnation), EMPTY_SCAN_ROWS).await? {
            let garbage = rows::garbage(incarnation, Garbage::Uploads);
            self.write(garbage, None, Some(bare(Bytes::new())));
        }
        self.write(key, Some(value), None);
        self.done(Success::Done)
    }

    pub(super) async fn configure_bucket(mut self, key: Bytes, change: BucketChange) -> Applied {
        let Some(value) = self.store.get(&key).await? else {
            return Err(Refusal::NoSuchBucket.into());
        };
        let mut row: BucketRow = read(&value)?;
        row.revision += u64::from(!mutant::is(Mutant::StaleSettings));
        match change {
            BucketChange::Document { name, text } => {
                row.documents.retain(|(known, _)| *known != name);
                row.documents.extend(text.map(|text| (name, text)));
                check_len(&row)?;
            }
            BucketChange::Versioning(versioning) => {
                row.rules = with_versioning(row.rules, versioning)?;
                row.fence += 1;
            }
            BucketChange::Lock(retention) => {
                if row.rules.versioning != Versioning::Enabled {
                    return Err(Refusal::BucketConflict.into());
                }
                row.rules = BucketRules { has_lock: true, retention, ..row.rules };
                row.fence += 1;
            }
        }
        self.write(key, Some(value), Some(bare(rows::encode(&row))));
        self.done(Success::Done)
    }
}

impl Rows<'_> {
    pub(super) async fn put_setting(mut self, name: &str, setting: Setting) -> Applied {
        let key = rows::setting(name);
        let old = self.store.get(&key).await?;
        let known = old.as_ref().map(read::<Setting>).transpose()?.unwrap_or_default();
        let is_next = known.revision.checked_add(1) == Some(setting.revision);
        if !is_next && !mutant::is(Mutant::LoseSetting) {
            return Err(Refusal::PreconditionFailed.into());
        }
        if setting.text.len() > DOCUMENTS_LEN_MAX {
            return Err(Refusal::ConfigurationTooLong.into());
        }
        self.write(key, old, Some(bare(rows::encode(&setting))));
        self.done(Success::Done)
    }
}

/// Versions that were kept once stay; those that can be locked are always kept.
fn with_versioning(rules: BucketRules, versioning: Versioning) -> Result<BucketRules, Refusal> {
    let is_allowed = match versioning {
        Versioning::Off => false,
        Versioning::Enabled => true,
        Versioning::Suspended => !rules.has_lock,
    };
    if is_allowed { Ok(BucketRules { versioning, ..rules }) } else { Err(Refusal::BucketConflict) }
}

fn check_len(row: &BucketRow) -> Result<(), Refusal> {
    let len: usize = row.documents.iter().map(|(name, text)| name.len() + text.len()).sum();
    if len <= DOCUMENTS_LEN_MAX { Ok(()) } else { Err(Refusal::ConfigurationTooLong) }
}
