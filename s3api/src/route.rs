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
mod table;

use crate::error::{S3Error, S3Result, codes};
use crate::request::{RequestHead, Target};
use engine::object::VersionId;
use http::Method;
pub(crate) use subresources::SUBRESOURCES;
pub use table::ROUTES;

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
    /// By the `Authorization` header, for the service of sessions.
    Session,
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
    /// Parameters, as a query has them, of at most so many bytes.
    Parameters(usize),
}

macro_rules! operations {
    ($($name:ident)*) => {
        /// S3's names of the operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of AWS, and Admin*")]
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
    GetBucketEncryption PutBucketEncryption DeleteBucketEncryption
    GetBucketLifecycleConfiguration GetBucketReplication GetBucketWebsite
    GetBucketLogging GetBucketNotificationConfiguration GetBucketRequestPayment
    GetBucketAccelerateConfiguration ListBucketAnalyticsConfigurations
    ListBucketIntelligentTieringConfigurations ListBucketInventoryConfigurations
    ListBucketMetricsConfigurations
    ListObjects ListObjectsV2 ListObjectVersions DeleteObjects
    PutObject PostObject CopyObject GetObject HeadObject DeleteObject
    GetObjectAttributes
    GetObjectTagging PutObjectTagging DeleteObjectTagging
    PutObjectAnnotation GetObjectAnnotation DeleteObjectAnnotation ListObjectAnnotations
    GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold
    GetObjectAcl PutObjectAcl
    CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload
    ListParts ListMultipartUploads
    SecurityTokenService
    AdminStatus AdminListKeys AdminCreateKey AdminRotateKey
}

/// The permission to read an object.
pub const GET: &str = "s3:GetObject";
/// The permission to read a version.
pub const GET_VERSION: &str = "s3:GetObjectVersion";

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
        if self.operation == Operation::GetObjectAttributes || self.guesses_tag(head) {
            actions.push(if version.is_some() { GET_VERSION } else { GET });
        }
        actions
    }

    /// Whether it writes or deletes only what has a certain tag: whoever does that must be allowed
    /// to read it, or could find the tag out (S3 User Guide, "Conditional writes" and "deletes").
    fn guesses_tag(&self, head: &RequestHead) -> bool {
        use Operation::*;
        let is_bound = matches!(
            self.operation,
            PutObject | CopyObject | CompleteMultipartUpload | DeleteObject
        );
        let tag = head.headers.get("if-match").filter(|_| is_bound);
        tag.is_some_and(|tag| tag.as_bytes().trim_ascii() != b"*")
    }

    /// Whether policies may ask for what only its body says: then its operation has it decided.
    pub fn is_told_by_body(&self) -> bool {
        use Operation::*;
        matches!(self.operation, PutObjectTagging | PutObjectRetention | PutObjectLegalHold)
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
                | ListObjectAnnotations
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
        check("GET", "/box/key?annotation", false, Ok(ListObjectAnnotations));
        check("GET", "/box/key?annotation&annotationName=n", false, Ok(GetObjectAnnotation));
        check("PUT", "/box/key?annotation&annotationName=n", false, Ok(PutObjectAnnotation));
        check("DELETE", "/box/key?annotation&annotationName=n", false, Ok(DeleteObjectAnnotation));
        check("GET", "/box/key?versionId=null", false, Ok(GetObject));
        check("GET", "/_stave/admin/v1/status", false, Ok(AdminStatus));
        check("POST", "/", false, Ok(SecurityTokenService));
        check("POST", "/?acl", false, Err("NotImplemented"));
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
        check("DELETE", "/box/key?annotation", false, Err("NotImplemented"));
        check("PUT", "/box/key?annotationName=n", false, Err("NotImplemented"));
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
