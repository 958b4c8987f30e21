//! What of a bucket's configuration decides about access, read once per revision.
//!
//! - S1: a document that cannot be read is an error, never an absence: nobody gets in by it.

use crate::acl::Acl;
use crate::cors::CorsRules;
use crate::error::{S3Error, S3Result, codes};
use crate::xml::encryption::BucketEncryption;
use crate::xml::settings::{Ownership, PublicAccessBlock};
use engine::object::{BucketName, BucketState};
use iam::{BUCKET_POLICY_LEN_MAX, Kind, Policy};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Buckets whose settings are kept at most; then all are forgotten and read anew.
const KEPT_MAX: usize = 4096;

/// Names of a bucket's documents in the store.
pub mod document {
    /// The bucket policy, as it came.
    pub const POLICY: &str = "policy";
    /// The access control list ([`crate::acl::Acl::to_note`]).
    pub const ACL: &str = "acl";
    /// `PublicAccessBlockConfiguration`.
    pub const PUBLIC_ACCESS_BLOCK: &str = "public-access-block";
    /// `OwnershipControls`.
    pub const OWNERSHIP: &str = "ownership";
    /// `CORSConfiguration`.
    pub const CORS: &str = "cors";
    /// `Tagging`.
    pub const TAGGING: &str = "tagging";
    /// `ServerSideEncryptionConfiguration`.
    pub const ENCRYPTION: &str = "encryption";
}

/// The settings of a bucket.
#[derive(Debug)]
pub struct BucketSettings {
    /// The bucket itself.
    pub state: BucketState,
    /// Its policy.
    pub policy: Option<Policy>,
    /// What public access it blocks.
    pub block: PublicAccessBlock,
    /// Who owns what others write; `None` where it was taken away, which means the writer.
    pub ownership: Option<Ownership>,
    /// Its access control list.
    pub acl: Acl,
    /// Its rules for pages of other origins.
    pub cors: Option<CorsRules>,
    /// How it keeps what nobody says anything of.
    pub encryption: Option<BucketEncryption>,
}

impl BucketSettings {
    /// Reads them.
    ///
    /// # Errors
    /// `InternalError` (S1).
    pub fn read(state: BucketState) -> S3Result<Self> {
        let name = state.info.name.as_str();
        let kind = Kind::Bucket { bucket: name };
        let policy = state
            .document(document::POLICY)
            .map(|text| Policy::parse(text.as_bytes(), kind, BUCKET_POLICY_LEN_MAX))
            .transpose()
            .map_err(|error| damaged(&error))?;
        let block = state
            .document(document::PUBLIC_ACCESS_BLOCK)
            .map(|text| PublicAccessBlock::parse(text.as_bytes()))
            .transpose()
            .map_err(|error| damaged(&error))?;
        let ownership = state
            .document(document::OWNERSHIP)
            .map(|text| Ownership::parse(text.as_bytes()))
            .transpose()
            .map_err(|error| damaged(&error))?;
        let acl = match state.document(document::ACL) {
            Some(note) => Acl::from_note(note)?,
            None => Acl::private(&state.info.owner),
        };
        let cors = state
            .document(document::CORS)
            .map(|text| CorsRules::parse(text.as_bytes()))
            .transpose()
            .map_err(|error| damaged(&error))?;
        let encryption = state
            .document(document::ENCRYPTION)
            .map(|text| BucketEncryption::parse(text.as_bytes()))
            .transpose()
            .map_err(|error| damaged(&error))?;
        let block = block.unwrap_or_default();
        Ok(Self { state, policy, block, ownership, acl, cors, encryption })
    }

    /// Whether access control lists count.
    pub fn has_acls(&self) -> bool {
        self.ownership != Some(Ownership::BucketOwnerEnforced)
    }

    /// Whether anything here could let somebody in who did not sign.
    pub fn knows_strangers(&self) -> bool {
        self.policy.is_some() || (self.has_acls() && !self.block.ignores_acls)
    }

    /// Canonical id of the owner.
    pub fn owner(&self) -> &str {
        &self.state.info.owner
    }
}

fn damaged(error: &dyn std::fmt::Display) -> S3Error {
    tracing::error!(%error, "a document of a bucket cannot be read");
    (&codes::INTERNAL_ERROR).into()
}

/// Settings that were read lately.
#[derive(Default)]
pub struct SettingsCache {
    kept: Mutex<BTreeMap<BucketName, Arc<BucketSettings>>>,
}

impl SettingsCache {
    /// The settings of a bucket in this state.
    ///
    /// # Errors
    /// As [`BucketSettings::read`].
    pub fn of(&self, state: BucketState) -> S3Result<Arc<BucketSettings>> {
        let name = state.info.name.clone();
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&name).cloned();
        let is_same = |known: &Arc<BucketSettings>| {
            let of = |state: &BucketState| (state.incarnation, state.revision);
            of(&known.state) == of(&state)
        };
        if let Some(known) = known.filter(is_same) {
            return Ok(known);
        }
        let settings = Arc::new(BucketSettings::read(state)?);
        let mut kept = lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(name, settings.clone());
        Ok(settings)
    }
}
