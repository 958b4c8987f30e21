//! What buckets give by default, as S3 has it; and that what is written once a bucket encrypts by
//! itself is encrypted (K26).

use super::wire::{Outgoing, header};
use super::{Gateway, Tags, is_lost};
use crate::engine::defaults::ENCRYPTION;
use bytes::Bytes;
use engine::object::bucket::Period;
use engine::object::{
    BucketChange, BucketName, DefaultRetention, RetentionMode, StoreError, Versioning,
};
use http::{HeaderMap, Method};

/// What is known of whether a bucket encrypts by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DefaultEncryption {
    /// Whether it surely does, if no change is in doubt.
    is_on: bool,
    /// Changes that are under way, or of which nobody knows in this life of the store.
    doubt_count: u64,
    /// Changes so far.
    change_count: u64,
}

impl Tags {
    /// A new life of the store: what did not come by now never comes.
    pub(super) fn begin_life(&self) {
        for known in self.words().defaults.values_mut() {
            known.is_on &= known.doubt_count == 0;
            known.doubt_count = 0;
        }
    }

    /// A change of a bucket is asked for.
    fn begin_change(&self, bucket: &BucketName) {
        let mut words = self.words();
        let known = words.defaults.entry(bucket.clone()).or_default();
        known.doubt_count += 1;
        known.change_count += 1;
    }

    /// It was answered: the bucket encrypts by itself now, or nobody knows.
    fn end_change(&self, bucket: &BucketName, is_on: bool) {
        let mut words = self.words();
        let known = words.defaults.entry(bucket.clone()).or_default();
        known.doubt_count = known.doubt_count.saturating_sub(1);
        known.is_on = is_on;
    }

    /// Something that stays the same while a bucket surely encrypts by itself.
    pub(super) fn default_of(&self, bucket: &BucketName) -> Option<u64> {
        let known = self.words().defaults.get(bucket).copied()?;
        (known.is_on && known.doubt_count == 0).then_some(known.change_count)
    }
}

/// A change as S3 has it: the name of the document, and its text, if it does not go.
fn document_of(change: BucketChange) -> Option<(&'static str, Option<String>)> {
    Some(match change {
        BucketChange::Versioning(versioning) => {
            let status = if versioning == Versioning::Enabled { "Enabled" } else { "Suspended" };
            let status = format!("<Status>{status}</Status>");
            let text = format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
            ("versioning", Some(text))
        }
        BucketChange::Lock(retention) => {
            let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
            let rule = retention.map(rule_of).unwrap_or_default();
            let text =
                format!("<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>");
            ("object-lock", Some(text))
        }
        BucketChange::Document { name, text } if name == ENCRYPTION => {
            let text = text.map(|algorithm| {
                format!(
                    "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                     <SSEAlgorithm>{algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                     </Rule></ServerSideEncryptionConfiguration>"
                )
            });
            ("encryption", text)
        }
        BucketChange::Document { .. } => return None,
    })
}

fn rule_of(DefaultRetention { mode, period }: DefaultRetention) -> String {
    let mode = if mode == RetentionMode::Compliance { "COMPLIANCE" } else { "GOVERNANCE" };
    let period = match period {
        Period::Days(days) => format!("<Days>{days}</Days>"),
        Period::Years(years) => format!("<Years>{years}</Years>"),
    };
    let default = format!("<Mode>{mode}</Mode>{period}");
    format!("<Rule><DefaultRetention>{default}</DefaultRetention></Rule>")
}

impl Gateway {
    /// Changes what a bucket makes of what is written, or gives it.
    pub(super) async fn configure(
        &self,
        bucket: BucketName,
        change: BucketChange,
    ) -> Result<(), StoreError> {
        let Some((name, text)) = document_of(change.clone()) else {
            return self.inner.configure_bucket(bucket, change).await;
        };
        let is_on = text.is_some();
        let request = match text {
            Some(text) => {
                Outgoing::new(Method::PUT, bucket.as_str(), None).query(name, "").document(text)
            }
            None => Outgoing::new(Method::DELETE, bucket.as_str(), None).query(name, ""),
        };
        match name == ENCRYPTION {
            true => self.change_default(&bucket, request, is_on).await,
            false => self.send(request).await.map(drop),
        }
    }

    /// Sends what changes whether a bucket encrypts by itself.
    pub(super) async fn change_default(
        &self,
        bucket: &BucketName,
        request: Outgoing<'_>,
        is_on: bool,
    ) -> Result<(), StoreError> {
        self.tags.begin_change(bucket);
        let answer = self.send(request).await;
        match &answer {
            Ok(_) => self.tags.end_change(bucket, is_on),
            Err(error) if is_lost(error) => {}
            Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)) => {}
            Err(_) => self.tags.end_change(bucket, false),
        }
        answer.map(drop)
    }

    /// K26: what was written while its bucket surely encrypted by itself is encrypted, and said to
    /// be. `before`: what was known of the bucket when it was asked for.
    pub(super) fn check_default(
        &self,
        (bucket, before): (&BucketName, Option<u64>),
        body: &Bytes,
        answer: &HeaderMap,
    ) -> Result<(), StoreError> {
        if before.is_none() || before != self.tags.default_of(bucket) {
            return Ok(());
        }
        self.tags.hide(body);
        if header(answer, "x-amz-server-side-encryption").is_empty() {
            let text = "an object is not encrypted that its bucket encrypts by itself";
            return Err(StoreError::Corrupt(text.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_surely_encrypts_while_no_change_is_in_doubt() {
        let (tags, bucket) = (Tags::default(), BucketName::new("bucket0").unwrap());
        let known = || tags.default_of(&bucket);
        assert_eq!(known(), None);
        tags.begin_change(&bucket);
        assert_eq!(known(), None, "under way");
        tags.end_change(&bucket, true);
        let before = known();
        assert!(before.is_some());
        tags.begin_change(&bucket);
        tags.begin_change(&bucket);
        tags.end_change(&bucket, true);
        assert_eq!(known(), None, "nobody knows of the other one");
        tags.begin_life();
        assert_eq!(known(), None, "nor afterwards");
        tags.begin_change(&bucket);
        tags.end_change(&bucket, true);
        assert!(known().is_some() && known() != before);
        tags.begin_life();
        assert!(known().is_some());
    }
}
