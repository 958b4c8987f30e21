//! The rows of the table.

use super::{AuthModes, BodyKind, GET, GET_VERSION, Level, Operation, Parameters, Route};
use crate::sts::form::BODY_LEN_MAX;
use http::Method;

const NONE: Parameters = &[];
const VERSION_2: Parameters = &[("list-type", Some("2"))];
const UPLOAD: Parameters = &[("uploadId", None)];
const PART: Parameters = &[("partNumber", None), ("uploadId", None)];

/// A row of the table, short enough to read the table as one.
const fn row(
    operation: Operation,
    method: Method,
    level: Level,
    query: Parameters,
    action: &'static str,
    body: BodyKind,
) -> Route {
    let (header, version_action, auth) = (None, None, AuthModes::Anybody);
    Route { operation, method, level, query, header, action, version_action, auth, body }
}

/// What is about the server itself wants a signature in the header (R2).
const fn by_header(mut route: Route) -> Route {
    route.auth = AuthModes::Header;
    route
}

/// A form says in its body who signed it, and which object it is about.
const fn by_form(mut route: Route) -> Route {
    route.auth = AuthModes::Form;
    route
}

/// A session is asked for with a signature of its own service, over the body.
const fn by_session(mut route: Route) -> Route {
    route.auth = AuthModes::Session;
    route
}

/// What belongs to an account wants one.
const fn signed(mut route: Route) -> Route {
    route.auth = AuthModes::Signed;
    route
}

const fn copying(mut route: Route) -> Route {
    route.header = Some("x-amz-copy-source");
    route
}

/// May name a version, for which it needs another permission.
const fn versioned(mut route: Route, action: &'static str) -> Route {
    route.version_action = Some(action);
    route
}

/// Reads a subresource of a bucket or object.
const fn read(
    operation: Operation,
    level: Level,
    query: Parameters,
    action: &'static str,
) -> Route {
    row(operation, Method::GET, level, query, action, BodyKind::Empty)
}

/// Replaces a subresource by a document.
const fn write(
    operation: Operation,
    level: Level,
    query: Parameters,
    action: &'static str,
) -> Route {
    row(operation, Method::PUT, level, query, action, BodyKind::Xml(DOCUMENT_LEN_MAX))
}

/// Removes a subresource.
const fn remove(
    operation: Operation,
    level: Level,
    query: Parameters,
    action: &'static str,
) -> Route {
    row(operation, Method::DELETE, level, query, action, BodyKind::Empty)
}

/// Bytes of a document that configures something.
const DOCUMENT_LEN_MAX: usize = 256 << 10;

/// Every route; the more special before the more general.
#[rustfmt::skip]
pub static ROUTES: &[Route] = {
    use BodyKind::{Empty, Object as Bytes, Xml};
    use Level::{Bucket, Object, Service};
    use Operation::*;
    const STATUS: Level = Level::Admin("admin/v1/status");
    const KEYS: Level = Level::Admin("admin/v1/keys");
    const KEY: Parameters = &[("key", None)];
    const SESSION: BodyKind = BodyKind::Parameters(BODY_LEN_MAX);
    const ACL: Parameters = &[("acl", None)];
    const ANNOTATION: Parameters = &[("annotation", None), ("annotationName", None)];
    const ANNOTATIONS: Parameters = &[("annotation", None)];
    const ATTRIBUTES: Parameters = &[("attributes", None)];
    const BLOCK: Parameters = &[("publicAccessBlock", None)];
    const CORS: Parameters = &[("cors", None)];
    const ENCRYPTION: Parameters = &[("encryption", None)];
    const HOLD: Parameters = &[("legal-hold", None)];
    const LOCK: Parameters = &[("object-lock", None)];
    const OWNERSHIP: Parameters = &[("ownershipControls", None)];
    const POLICY: Parameters = &[("policy", None)];
    const RETENTION: Parameters = &[("retention", None)];
    const TAGGING: Parameters = &[("tagging", None)];
    const UPLOADS: Parameters = &[("uploads", None)];
    const VERSIONING: Parameters = &[("versioning", None)];
    const LIST: &str = "s3:ListBucket";
    const PUT: &str = "s3:PutObject";
    const READ_ENCRYPTION: &str = "s3:GetEncryptionConfiguration";
    const WRITE_ENCRYPTION: &str = "s3:PutEncryptionConfiguration";
    const READ_LOCK: &str = "s3:GetBucketObjectLockConfiguration";
    const WRITE_LOCK: &str = "s3:PutBucketObjectLockConfiguration";
    const READ_BLOCK: &str = "s3:GetBucketPublicAccessBlock";
    const WRITE_BLOCK: &str = "s3:PutBucketPublicAccessBlock";
    const READ_OWNERSHIP: &str = "s3:GetBucketOwnershipControls";
    const WRITE_OWNERSHIP: &str = "s3:PutBucketOwnershipControls";
    &[
        signed(row(ListBuckets, Method::GET, Service, NONE, "s3:ListAllMyBuckets", Empty)),

        read(GetBucketLocation, Bucket, &[("location", None)], "s3:GetBucketLocation"),
        read(GetBucketVersioning, Bucket, VERSIONING, "s3:GetBucketVersioning"),
        write(PutBucketVersioning, Bucket, VERSIONING, "s3:PutBucketVersioning"),
        read(GetObjectLockConfiguration, Bucket, LOCK, READ_LOCK),
        write(PutObjectLockConfiguration, Bucket, LOCK, WRITE_LOCK),
        read(GetBucketTagging, Bucket, TAGGING, "s3:GetBucketTagging"),
        write(PutBucketTagging, Bucket, TAGGING, "s3:PutBucketTagging"),
        remove(DeleteBucketTagging, Bucket, TAGGING, "s3:PutBucketTagging"),
        read(GetBucketPolicy, Bucket, POLICY, "s3:GetBucketPolicy"),
        write(PutBucketPolicy, Bucket, POLICY, "s3:PutBucketPolicy"),
        remove(DeleteBucketPolicy, Bucket, POLICY, "s3:DeleteBucketPolicy"),
        read(GetBucketPolicyStatus, Bucket, &[("policyStatus", None)], "s3:GetBucketPolicyStatus"),
        read(GetPublicAccessBlock, Bucket, BLOCK, READ_BLOCK),
        write(PutPublicAccessBlock, Bucket, BLOCK, WRITE_BLOCK),
        remove(DeletePublicAccessBlock, Bucket, BLOCK, WRITE_BLOCK),
        read(GetBucketOwnershipControls, Bucket, OWNERSHIP, READ_OWNERSHIP),
        write(PutBucketOwnershipControls, Bucket, OWNERSHIP, WRITE_OWNERSHIP),
        remove(DeleteBucketOwnershipControls, Bucket, OWNERSHIP, WRITE_OWNERSHIP),
        read(GetBucketAcl, Bucket, ACL, "s3:GetBucketAcl"),
        write(PutBucketAcl, Bucket, ACL, "s3:PutBucketAcl"),
        read(GetBucketCors, Bucket, CORS, "s3:GetBucketCORS"),
        write(PutBucketCors, Bucket, CORS, "s3:PutBucketCORS"),
        remove(DeleteBucketCors, Bucket, CORS, "s3:PutBucketCORS"),
        read(GetBucketLifecycleConfiguration, Bucket, &[("lifecycle", None)],
            "s3:GetLifecycleConfiguration"),
        read(GetBucketEncryption, Bucket, ENCRYPTION, READ_ENCRYPTION),
        write(PutBucketEncryption, Bucket, ENCRYPTION, WRITE_ENCRYPTION),
        remove(DeleteBucketEncryption, Bucket, ENCRYPTION, WRITE_ENCRYPTION),
        read(GetBucketReplication, Bucket, &[("replication", None)],
            "s3:GetReplicationConfiguration"),
        read(GetBucketWebsite, Bucket, &[("website", None)], "s3:GetBucketWebsite"),
        read(GetBucketLogging, Bucket, &[("logging", None)], "s3:GetBucketLogging"),
        read(GetBucketNotificationConfiguration, Bucket, &[("notification", None)],
            "s3:GetBucketNotification"),
        read(GetBucketRequestPayment, Bucket, &[("requestPayment", None)],
            "s3:GetBucketRequestPayment"),
        read(GetBucketAccelerateConfiguration, Bucket, &[("accelerate", None)],
            "s3:GetAccelerateConfiguration"),
        read(ListBucketAnalyticsConfigurations, Bucket, &[("analytics", None)],
            "s3:GetAnalyticsConfiguration"),
        read(ListBucketIntelligentTieringConfigurations, Bucket, &[("intelligent-tiering", None)],
            "s3:GetIntelligentTieringConfiguration"),
        read(ListBucketInventoryConfigurations, Bucket, &[("inventory", None)],
            "s3:GetInventoryConfiguration"),
        read(ListBucketMetricsConfigurations, Bucket, &[("metrics", None)],
            "s3:GetMetricsConfiguration"),
        read(ListMultipartUploads, Bucket, UPLOADS, "s3:ListBucketMultipartUploads"),
        read(ListObjectVersions, Bucket, &[("versions", None)], "s3:ListBucketVersions"),
        read(ListObjectsV2, Bucket, VERSION_2, LIST),
        read(ListObjects, Bucket, NONE, LIST),
        row(HeadBucket, Method::HEAD, Bucket, NONE, LIST, Empty),
        signed(row(CreateBucket, Method::PUT, Bucket, NONE, "s3:CreateBucket", Xml(64 << 10))),
        remove(DeleteBucket, Bucket, NONE, "s3:DeleteBucket"),
        // Each key is decided about by itself.
        row(DeleteObjects, Method::POST, Bucket, &[("delete", None)], "", Xml(2 << 20)),
        by_form(row(PostObject, Method::POST, Bucket, NONE, PUT, Bytes)),

        read(ListParts, Object, UPLOAD, "s3:ListMultipartUploadParts"),
        versioned(read(GetObjectAttributes, Object, ATTRIBUTES, "s3:GetObjectAttributes"),
            "s3:GetObjectVersionAttributes"),
        versioned(read(GetObjectTagging, Object, TAGGING, "s3:GetObjectTagging"),
            "s3:GetObjectVersionTagging"),
        versioned(write(PutObjectTagging, Object, TAGGING, "s3:PutObjectTagging"),
            "s3:PutObjectVersionTagging"),
        versioned(remove(DeleteObjectTagging, Object, TAGGING, "s3:DeleteObjectTagging"),
            "s3:DeleteObjectVersionTagging"),
        versioned(read(GetObjectAnnotation, Object, ANNOTATION, "s3:GetObjectAnnotation"),
            "s3:GetObjectAnnotation"),
        versioned(read(ListObjectAnnotations, Object, ANNOTATIONS, "s3:ListObjectAnnotations"),
            "s3:ListObjectAnnotations"),
        versioned(row(PutObjectAnnotation, Method::PUT, Object, ANNOTATION,
            "s3:PutObjectAnnotation", Bytes), "s3:PutObjectAnnotation"),
        versioned(remove(DeleteObjectAnnotation, Object, ANNOTATION, "s3:DeleteObjectAnnotation"),
            "s3:DeleteObjectAnnotation"),
        versioned(read(GetObjectRetention, Object, RETENTION, "s3:GetObjectRetention"),
            "s3:GetObjectRetention"),
        versioned(write(PutObjectRetention, Object, RETENTION, "s3:PutObjectRetention"),
            "s3:PutObjectRetention"),
        versioned(read(GetObjectLegalHold, Object, HOLD, "s3:GetObjectLegalHold"),
            "s3:GetObjectLegalHold"),
        versioned(write(PutObjectLegalHold, Object, HOLD, "s3:PutObjectLegalHold"),
            "s3:PutObjectLegalHold"),
        versioned(read(GetObjectAcl, Object, ACL, "s3:GetObjectAcl"), "s3:GetObjectVersionAcl"),
        versioned(write(PutObjectAcl, Object, ACL, "s3:PutObjectAcl"), "s3:PutObjectVersionAcl"),
        versioned(read(GetObject, Object, NONE, GET), GET_VERSION),
        versioned(row(HeadObject, Method::HEAD, Object, NONE, GET, Empty), GET_VERSION),
        copying(row(UploadPartCopy, Method::PUT, Object, PART, PUT, Empty)),
        row(UploadPart, Method::PUT, Object, PART, PUT, Bytes),
        copying(row(CopyObject, Method::PUT, Object, NONE, PUT, Empty)),
        row(PutObject, Method::PUT, Object, NONE, PUT, Bytes),
        row(CreateMultipartUpload, Method::POST, Object, UPLOADS, PUT, Empty),
        row(CompleteMultipartUpload, Method::POST, Object, UPLOAD, PUT, Xml(8 << 20)),
        remove(AbortMultipartUpload, Object, UPLOAD, "s3:AbortMultipartUpload"),
        versioned(remove(DeleteObject, Object, NONE, "s3:DeleteObject"), "s3:DeleteObjectVersion"),

        // Nobody needs a permission for it, but a policy can deny it.
        by_session(row(SecurityTokenService, Method::POST, Service, NONE, "", SESSION)),

        by_header(row(AdminStatus, Method::GET, STATUS, NONE, "admin:Status", Empty)),
        by_header(row(AdminListKeys, Method::GET, KEYS, NONE, "admin:ListKeys", Empty)),
        by_header(row(AdminCreateKey, Method::PUT, KEYS, KEY, "admin:CreateKey", Empty)),
        by_header(row(AdminRotateKey, Method::POST, KEYS, KEY, "admin:RotateKey", Empty)),
    ]
};
