//! Actions: the patterns of a statement, and what the actions of S3 are done to.

use crate::error::PolicyError;
use crate::glob::Glob;

/// Most actions in a statement.
pub(crate) const ACTIONS_MAX: usize = 500;
const ACTION_LEN_MAX: usize = 128;

/// Services whose actions a policy can name.
const SERVICES: [&str; 5] = ["s3", "admin", "kms", "sts", "iam"];

/// What an action of S3 is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Account,
    Bucket,
    Object,
}

/// One action of a statement; `*` and `?` match, letters compare without regard to case.
#[derive(Clone, Debug)]
pub(crate) struct ActionPattern {
    /// In small letters, with its service.
    glob: Glob,
    /// As it stands in the policy.
    text: String,
}

impl ActionPattern {
    /// Reads `*`, `s3:GetObject`, `s3:Get*` and the like.
    ///
    /// # Errors
    /// [`PolicyError::Action`].
    pub(crate) fn parse(text: &str) -> Result<ActionPattern, PolicyError> {
        let is_legal = text.len() <= ACTION_LEN_MAX
            && (text == "*"
                || text.split_once(':').is_some_and(|(service, name)| {
                    let is_known = SERVICES.iter().any(|known| service.eq_ignore_ascii_case(known));
                    let is_character =
                        |byte: u8| byte.is_ascii_alphanumeric() || b"*?".contains(&byte);
                    (is_known || service == "*")
                        && !name.is_empty()
                        && name.bytes().all(is_character)
                }));
        if !is_legal {
            return Err(PolicyError::Action(text.to_owned()));
        }
        let glob = Glob::parse(&text.to_ascii_lowercase());
        Ok(ActionPattern { glob, text: text.to_owned() })
    }

    /// Whether an action, in small letters, is meant.
    pub(crate) fn matches(&self, action: &str) -> bool {
        self.glob.matches(action)
    }

    /// The pattern as it stands in the policy.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names actions of `admin` or `sts` only, which have no resource.
    pub(crate) fn is_without_resource(&self) -> bool {
        self.is_of(&["admin", "sts"])
    }

    /// Whether a statement of it may do without a resource.
    pub(crate) fn is_resource_optional(&self) -> bool {
        self.is_of(&["admin", "sts", "kms"])
    }

    fn is_of(&self, services: &[&str]) -> bool {
        let service = self.text.split_once(':').map_or("", |(service, _)| service);
        services.iter().any(|known| service.eq_ignore_ascii_case(known))
    }

    /// What the actions of S3 that are meant are done to.
    pub(crate) fn levels(&self) -> Vec<Level> {
        let mut levels = Vec::new();
        for (level, names) in [
            (Level::Account, ACCOUNT_ACTIONS),
            (Level::Bucket, BUCKET_ACTIONS),
            (Level::Object, OBJECT_ACTIONS),
        ] {
            let is_meant = |name: &&str| self.matches(&format!("s3:{}", name.to_ascii_lowercase()));
            if names.iter().any(is_meant) {
                levels.push(level);
            }
        }
        levels
    }
}

/// Actions of S3 that are done to no bucket of a name.
const ACCOUNT_ACTIONS: &[&str] =
    &["GetAccountPublicAccessBlock", "ListAllMyBuckets", "PutAccountPublicAccessBlock"];

/// Actions of S3 on buckets (service authorization reference), and those that MinIO adds.
const BUCKET_ACTIONS: &[&str] = &[
    "CreateBucket",
    "CreateBucketMetadataTableConfiguration",
    "DeleteBucket",
    "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "ForceDeleteBucket",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAbac",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "HeadBucket",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListenBucketNotification",
    "ListenNotification",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAbac",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
    "ResetBucketReplicationState",
];

/// Actions of S3 on objects (service authorization reference), and those that MinIO adds.
const OBJECT_ACTIONS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectAnnotation",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ListObjectAnnotations",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectAnnotation",
    "PutObjectFanOut",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_a_known_service() {
        for text in ["*", "s3:*", "S3:getobject", "s3:Get?bject", "admin:*", "kms:Sign", "*:*"] {
            assert!(ActionPattern::parse(text).is_ok(), "{text}");
        }
        for text in ["", "s3", "s3:", "GetObject", "ec2:*", "s*:*", "s3:Get Object", "s3:${aws:a}"]
        {
            let refused = PolicyError::Action(text.to_owned());
            assert_eq!(ActionPattern::parse(text).err(), Some(refused), "{text}");
        }
    }

    #[test]
    fn case_of_actions_does_not_count() {
        let pattern = ActionPattern::parse("S3:gEt*").expect("an action");
        assert!(pattern.matches("s3:getobject"));
        assert!(!pattern.matches("s3:putobject"));
    }

    #[test]
    fn levels_are_those_of_the_actions_meant() {
        let check = |text: &str, expected: &[Level]| {
            let pattern = ActionPattern::parse(text).expect("an action");
            assert_eq!(pattern.levels(), expected, "{text}");
        };
        check("s3:GetObject", &[Level::Object]);
        check("s3:ListBucket", &[Level::Bucket]);
        check("s3:List*", &[Level::Account, Level::Bucket, Level::Object]);
        check("s3:*", &[Level::Account, Level::Bucket, Level::Object]);
        check("s3:GetNothing", &[]);
        check("kms:*", &[]);
    }
}
