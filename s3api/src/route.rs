//! The one table of what this server does. The router, the authorisation, the metrics and the tests
//! read it.
//!
//! - R1: the first route that fits is taken; what fits none is `MethodNotAllowed`, or
//!   `NotImplemented` where the query names a subresource of S3 that no route consumes, so that
//!   `PUT /box/key?acl` never becomes a write of the key.
//! - R2: what belongs to an account wants a signature, and what is about the server itself wants
//!   one in the `Authorization` header, so that no link gives anybody its rights; elsewhere
//!   policies and lists of grants decide, also about who did not sign.

mod subresources;

use crate::error::{S3Error, S3Result, codes};
use crate::request::{RequestHead, Target};
use engine::object::VersionId;
use http::Method;
pub(crate) use subresources::SUBRESOURCES;

/// What a route works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `/`
    Service,
    /// `/bucket`
    Bucket,
    /// `/bucket/key`
    Object,
    /// `/_stave/` and exactly this
    Admin(&'static str),
}

impl Level {
    /// Whether a target is of this level.
    fn has(self, target: &Target) -> bool {
        match (self, target) {
            (Self::Service, Target::Service)
            | (Self::Bucket, Target::Bucket(_))
            | (Self::Object, Target::Object(..)) => true,
            (Self::Admin(known), Target::Admin(path)) => known == path,
            _ => false,
        }
    }
}

/// How a request may prove who it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthModes {
    /// In any way, or not at all: policies and lists of grants decide.
    Anybody,
    /// By the `Authorization` header or by a presigned URL.
    Signed,
    /// By the `Authorization` header, Signature Version 4.
    Header,
    /// By fields of the form in its body, or not at all.
    Form,
}

/// What body a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// None.
    Empty,
    /// An XML document of at most so many bytes.
    Xml(usize),
    /// The bytes of an object or part.
    Object,
}

macro_rules! operations {
    ($($name:ident)*) => {
        /// S3's names of the operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of the S3 API reference, and Admin*")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// The name, as logs and metrics have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    ListBuckets
    CreateBucket DeleteBucket HeadBucket GetBucketLocation
    GetBucketVersioning PutBucketVersioning
    GetObjectLockConfiguration PutObjectLockConfiguration
    GetBucketTagging PutBucketTagging DeleteBucketTagging
    GetBucketPolicy PutBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus
    GetPublicAccessBlock PutPublicAccessBlock DeletePublicAccessBlock
    GetBucketOwnershipControls PutBucketOwnershipControls DeleteBucketOwnershipControls
    GetBucketAcl PutBucketAcl
    GetBucketCors PutBucketCors DeleteBucketCors
    GetBucketLifecycleConfiguration GetBucketEncryption GetBucketReplication GetBucketWebsite
    GetBucketLogging GetBucketNotificationConfiguration GetBucketRequestPayment
    GetBucketAccelerateConfiguration ListBucketAnalyticsConfigurations
    ListBucketIntelligentTieringConfigurations ListBucketInventoryConfigurations
    ListBucketMetricsConfigurations
    ListObjects ListObjectsV2 ListObjectVersions DeleteObjects
    PutObject PostObject CopyObject GetObject HeadObject DeleteObject
    GetObjectAttributes
    GetObjectTagging PutObjectTagging DeleteObjectTagging
    GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold
    GetObjectAcl PutObjectAcl
    CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload
    ListParts ListMultipartUploads
    AdminStatus
}

/// One way to use the server.
#[derive(Debug)]
pub struct Route {
    /// What it does.
    pub operation: Operation,
    /// Method.
    pub method: Method,
    /// What it works on.
    pub level: Level,
    /// Query parameters that must be there, with a value where one is given.
    pub query: Parameters,
    /// A header that must be there.
    pub header: Option<&'static str>,
    /// The permission that it needs on its target.
    pub action: &'static str,
    /// The one that it needs instead where a version is named; `None` where none can be.
    pub version_action: Option<&'static str>,
    /// How the request may be signed.
    pub auth: AuthModes,
    /// What body it takes.
    pub body: BodyKind,
}

/// Parameters that a route needs, with their values where those matter.
type Parameters = &'static [(&'static str, Option<&'static str>)];

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
    const ACL: Parameters = &[("acl", None)];
    const ATTRIBUTES: Parameters = &[("attributes", None)];
    const BLOCK: Parameters = &[("publicAccessBlock", None)];
    const CORS: Parameters = &[("cors", None)];
    const HOLD: Parameters = &[("legal-hold", None)];
    const LOCK: Parameters = &[("object-lock", None)];
    const OWNERSHIP: Parameters = &[("ownershipControls", None)];
    const POLICY: Parameters = &[("policy", None)];
    const RETENTION: Parameters = &[("retention", None)];
    const TAGGING: Parameters = &[("tagging", None)];
    const UPLOADS: Parameters = &[("uploads", None)];
    const VERSIONING: Parameters = &[("versioning", None)];
    const LIST: &str = "s3:ListBucket";
    const GET: &str = "s3:GetObject";
    const GET_VERSION: &str = "s3:GetObjectVersion";
    const PUT: &str = "s3:PutObject";
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
        read(GetBucketEncryption, Bucket, &[("encryption", None)], "s3:GetEncryptionConfiguration"),
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

        by_header(row(AdminStatus, Method::GET, STATUS, NONE, "admin:Status", Empty)),
    ]
};

impl Route {
    /// Where this route stands in the table.
    pub fn index(&self) -> usize {
        ROUTES.iter().position(|route| std::ptr::eq(route, self)).unwrap_or(ROUTES.len())
    }

    fn fits(&self, head: &RequestHead) -> bool {
        self.level.has(&head.target)
            && self.method == head.method
            && self.header.is_none_or(|name| head.headers.contains_key(name))
            && self.query.iter().all(|(name, value)| match value {
                None => head.query.has(name),
                Some(value) => head.query.get(name) == Some(value),
            })
    }

    /// The permissions that a request needs, by what it names and asks for.
    pub fn actions(&self, head: &RequestHead) -> Vec<&'static str> {
        let version = head.query.has("versionId").then_some(self.version_action).flatten();
        let own = version.unwrap_or(self.action);
        let mut actions: Vec<_> =
            Some(own).filter(|action| !action.is_empty()).into_iter().collect();
        if self.makes_object() {
            let has = |name: &str| head.headers.contains_key(name);
            let grants = |name: &http::HeaderName| name.as_str().starts_with("x-amz-grant-");
            let lock = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"];
            let also = [
                (has("x-amz-tagging"), "s3:PutObjectTagging"),
                (has("x-amz-acl") || head.headers.keys().any(grants), "s3:PutObjectAcl"),
                (lock.into_iter().any(has), "s3:PutObjectRetention"),
                (has("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
            ];
            actions.extend(also.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, it)| it));
        }
        actions
    }

    /// Whether it makes a bucket, whose settings nobody can read yet.
    pub fn makes_bucket(&self) -> bool {
        self.operation == Operation::CreateBucket
    }

    /// Whether it begins an object, of which headers say something.
    fn makes_object(&self) -> bool {
        use Operation::*;
        matches!(self.operation, PutObject | PostObject | CopyObject | CreateMultipartUpload)
    }

    /// Whether an answer takes many keys at once.
    pub fn is_scan(&self) -> bool {
        use Operation::*;
        matches!(
            self.operation,
            ListObjects
                | ListObjectsV2
                | ListObjectVersions
                | ListMultipartUploads
                | ListParts
                | DeleteObjects
                | CompleteMultipartUpload
        )
    }

    /// Whether it is about the server itself.
    pub fn is_admin(&self) -> bool {
        matches!(self.level, Level::Admin(_))
    }

    /// Whether the route knows a subresource: `partNumber` also chooses a part of a read.
    fn consumes(&self, name: &str) -> bool {
        let is_part_of_read = name == "partNumber"
            && matches!(self.operation, Operation::GetObject | Operation::HeadObject);
        is_part_of_read || self.query.iter().any(|(known, _)| *known == name)
    }
}

/// The route of a request.
///
/// # Errors
/// `MethodNotAllowed`, `NotImplemented` (R1), `InvalidArgument` for a version that cannot be.
pub fn find(head: &RequestHead) -> S3Result<&'static Route> {
    let route = ROUTES.iter().find(|route| route.fits(head));
    let foreign = |name: &str| {
        SUBRESOURCES.contains(&name) && !route.is_some_and(|route| route.consumes(name))
    };
    if let Some(name) = head.query.names().find(|name| foreign(name)) {
        let message = format!("The subresource {name} is not implemented for this request.");
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, message));
    }
    if let (Some(id), Some(route)) = (head.query.get("versionId"), route) {
        check_version(id, route)?;
    }
    let is_known = ROUTES.iter().any(|route| route.level.has(&head.target));
    if !is_known {
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, "This server has nothing of that name."));
    }
    route.ok_or_else(|| (&codes::METHOD_NOT_ALLOWED).into())
}

/// A version is named where one can be, and by something that can be one.
fn check_version(id: &str, route: &Route) -> S3Result<()> {
    let invalid = |message: &'static str| {
        S3Error::new(&codes::INVALID_ARGUMENT, message).with("ArgumentName", "versionId")
    };
    if id.is_empty() {
        return Err(invalid("Version id cannot be the empty string"));
    }
    if route.version_action.is_none() {
        return Err(invalid("This operation does not accept a version-id."));
    }
    VersionId::parse(id)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, copies: bool, expected: Result<Operation, &str>) {
        let mut request = http::Request::builder().method(method).uri(uri);
        if copies {
            request = request.header("x-amz-copy-source", "/box/key");
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let head = RequestHead::parse(parts, 4096, &Default::default()).unwrap();
        let found = find(&head).map(|route| route.operation).map_err(|error| error.code.name);
        assert_eq!(found, expected, "{method} {uri}");
    }

    #[test]
    fn requests_find_their_routes() {
        use Operation::*;
        check("GET", "/", false, Ok(ListBuckets));
        check("GET", "/box", false, Ok(ListObjects));
        check("GET", "/box?list-type=2&prefix=a", false, Ok(ListObjectsV2));
        check("GET", "/box?location", false, Ok(GetBucketLocation));
        check("GET", "/box?versioning", false, Ok(GetBucketVersioning));
        check("GET", "/box?uploads", false, Ok(ListMultipartUploads));
        check("POST", "/box?delete", false, Ok(DeleteObjects));
        check("PUT", "/box/key", false, Ok(PutObject));
        check("PUT", "/box/key?x-id=PutObject", false, Ok(PutObject));
        check("PUT", "/box/key", true, Ok(CopyObject));
        check("PUT", "/box/key?partNumber=1&uploadId=u", false, Ok(UploadPart));
        check("PUT", "/box/key?partNumber=1&uploadId=u", true, Ok(UploadPartCopy));
        check("POST", "/box/key?uploads", false, Ok(CreateMultipartUpload));
        check("POST", "/box/key?uploadId=u", false, Ok(CompleteMultipartUpload));
        check("GET", "/box/key?uploadId=u", false, Ok(ListParts));
        check("GET", "/box/key?partNumber=1", false, Ok(GetObject));
        check("GET", "/box/key?tagging", false, Ok(GetObjectTagging));
        check("GET", "/box/key?versionId=null", false, Ok(GetObject));
        check("GET", "/_stave/admin/v1/status", false, Ok(AdminStatus));
    }

    #[test]
    fn paths_of_the_server_itself_are_taken_exactly() {
        check("POST", "/_stave/admin/v1/status", false, Err("MethodNotAllowed"));
        check("HEAD", "/_stave/admin/v1/status", false, Err("MethodNotAllowed"));
        check("GET", "/_stave/admin/v1/status?acl", false, Err("NotImplemented"));
        for path in ["", "admin/v1/status/", "admin/v1/%73tatus", "admin/v2/status", "../status"] {
            check("GET", &format!("/_stave/{path}"), false, Err("NotImplemented"));
        }
    }

    #[test]
    fn what_is_about_the_server_wants_a_header() {
        for route in ROUTES {
            assert_eq!(route.is_admin(), route.auth == AuthModes::Header, "{:?}", route.operation);
        }
    }

    #[test]
    fn subresources_without_a_route_never_fall_through() {
        for uri in
            ["/box?policyStatus", "/box?replication", "/box/key?uploadId=u", "/box/key?x-amz"]
        {
            let expected = if uri.ends_with("x-amz") {
                Ok(Operation::PutObject)
            } else {
                Err("NotImplemented")
            };
            check("PUT", uri, false, expected);
        }
        check("DELETE", "/box?lifecycle", false, Err("NotImplemented"));
        check("DELETE", "/box/key?retention", false, Err("NotImplemented"));
        check("POST", "/box/key?select&select-type=2", false, Err("NotImplemented"));
        check("GET", "/box/key?versionId=7", false, Err("InvalidArgument"));
        check("GET", "/box/key?versionId=", false, Err("InvalidArgument"));
        check("PUT", "/box/key?versionId=null", false, Err("InvalidArgument"));
        check("PATCH", "/box/key", false, Err("MethodNotAllowed"));
        check("POST", "/box", false, Ok(Operation::PostObject));
        check("POST", "/box?acl", false, Err("NotImplemented"));
        check("DELETE", "/", false, Err("MethodNotAllowed"));
    }

    #[test]
    fn every_operation_has_one_route() {
        for (index, route) in ROUTES.iter().enumerate() {
            assert_eq!(route.index(), index);
            let same = ROUTES.iter().filter(|other| other.operation == route.operation);
            assert_eq!(same.count(), 1, "{:?}", route.operation);
        }
    }
}
