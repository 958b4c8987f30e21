//! Which permission of an access control list stands for which action (S3 User Guide, "Mapping of
//! ACL permissions and access policy permissions").

use crate::acl::Permission;

/// Whose list it is that gives a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The bucket's.
    Bucket,
    /// The object's.
    Object,
}

/// The permission that an action needs, on which list; `None` where no list gives it.
pub fn of_action(action: &str) -> Option<(Subject, Permission)> {
    use Permission::{Read, ReadAcp, Write, WriteAcp};
    Some(match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => {
            (Subject::Bucket, Read)
        }
        "s3:PutObject"
        | "s3:DeleteObject"
        | "s3:AbortMultipartUpload"
        | "s3:ListMultipartUploadParts" => (Subject::Bucket, Write),
        "s3:GetBucketAcl" => (Subject::Bucket, ReadAcp),
        "s3:PutBucketAcl" => (Subject::Bucket, WriteAcp),
        "s3:GetObject"
        | "s3:GetObjectVersion"
        | "s3:GetObjectAttributes"
        | "s3:GetObjectVersionAttributes" => (Subject::Object, Read),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => (Subject::Object, ReadAcp),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => (Subject::Object, WriteAcp),
        _ => return None,
    })
}

/// Whether an action is about an object that is there, so that who owns it and what tags it has
/// may matter.
pub fn is_about_existing(action: &str) -> bool {
    action.starts_with("s3:GetObject")
        || matches!(
            action,
            "s3:PutObjectAcl"
                | "s3:PutObjectVersionAcl"
                | "s3:PutObjectTagging"
                | "s3:PutObjectVersionTagging"
                | "s3:DeleteObjectTagging"
                | "s3:PutObjectAnnotation"
                | "s3:DeleteObjectAnnotation"
                | "s3:ListObjectAnnotations"
                | "s3:DeleteObjectVersionTagging"
                | "s3:DeleteObject"
                | "s3:DeleteObjectVersion"
                | "s3:PutObjectRetention"
                | "s3:PutObjectLegalHold"
        )
}
