//! The one table of what this server does. The router, the authorisation, the metrics and the tests
//! read it.
//!
//! - R1: the first route that fits is taken; what fits none is `MethodNotAllowed`, or
//!   `NotImplemented` where the query names a subresource of S3 that no route consumes, so that
//!   `PUT /box/key?acl` never becomes a write of the key.
//! - R2: no route may be used without a signature; those of the server itself want one in the
//!   `Authorization` header, so that no link gives anybody their rights.

use crate::error::{S3Error, S3Result, codes};
use crate::request::{RequestHead, Target};
use http::Method;

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
    /// By the `Authorization` header or by a presigned URL.
    Signed,
    /// By the `Authorization` header, Signature Version 4.
    Header,
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

/// S3's names of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of the S3 API reference, and Admin*")]
pub enum Operation {
    ListBuckets,
    CreateBucket,
    DeleteBucket,
    HeadBucket,
    GetBucketLocation,
    GetBucketVersioning,
    ListObjects,
    ListObjectsV2,
    DeleteObjects,
    PutObject,
    CopyObject,
    GetObject,
    HeadObject,
    GetObjectTagging,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    ListMultipartUploads,
    AdminStatus,
}

impl Operation {
    /// The name, as logs and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::HeadBucket => "HeadBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketVersioning => "GetBucketVersioning",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::DeleteObjects => "DeleteObjects",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::GetObjectTagging => "GetObjectTagging",
            Self::DeleteObject => "DeleteObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::AdminStatus => "AdminStatus",
        }
    }
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
    /// How the request may be signed.
    pub auth: AuthModes,
    /// What body it takes.
    pub body: BodyKind,
}

/// Parameters that a route needs, with their values where those matter.
type Parameters = &'static [(&'static str, Option<&'static str>)];

const NONE: Parameters = &[];
const LOCATION: Parameters = &[("location", None)];
const VERSIONING: Parameters = &[("versioning", None)];
const UPLOADS: Parameters = &[("uploads", None)];
const VERSION_2: Parameters = &[("list-type", Some("2"))];
const TAGGING: Parameters = &[("tagging", None)];
const DELETE: Parameters = &[("delete", None)];
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
    Route { operation, method, level, query, header: None, action, auth: AuthModes::Signed, body }
}

/// What is about the server itself wants a signature in the header (R2).
const fn by_header(mut route: Route) -> Route {
    route.auth = AuthModes::Header;
    route
}

const fn copying(mut route: Route) -> Route {
    route.header = Some("x-amz-copy-source");
    route
}

/// Every route; the more special before the more general.
#[rustfmt::skip]
pub static ROUTES: &[Route] = {
    use BodyKind::{Empty, Object as Bytes, Xml};
    use Level::{Bucket, Object, Service};
    use Operation::*;
    const STATUS: Level = Level::Admin("admin/v1/status");
    const LIST: &str = "s3:ListBucket";
    const GET_VERSIONING: &str = "s3:GetBucketVersioning";
    const LIST_UPLOADS: &str = "s3:ListBucketMultipartUploads";
    const LIST_PARTS: &str = "s3:ListMultipartUploadParts";
    const GET: &str = "s3:GetObject";
    const PUT: &str = "s3:PutObject";
    const REMOVE: &str = "s3:DeleteObject";
    const ABORT: &str = "s3:AbortMultipartUpload";
    &[
        row(ListBuckets, Method::GET, Service, NONE, "s3:ListAllMyBuckets", Empty),

        row(GetBucketLocation, Method::GET, Bucket, LOCATION, "s3:GetBucketLocation", Empty),
        row(GetBucketVersioning, Method::GET, Bucket, VERSIONING, GET_VERSIONING, Empty),
        row(ListMultipartUploads, Method::GET, Bucket, UPLOADS, LIST_UPLOADS, Empty),
        row(ListObjectsV2, Method::GET, Bucket, VERSION_2, LIST, Empty),
        row(ListObjects, Method::GET, Bucket, NONE, LIST, Empty),
        row(HeadBucket, Method::HEAD, Bucket, NONE, LIST, Empty),
        row(CreateBucket, Method::PUT, Bucket, NONE, "s3:CreateBucket", Xml(64 << 10)),
        row(DeleteBucket, Method::DELETE, Bucket, NONE, "s3:DeleteBucket", Empty),
        row(DeleteObjects, Method::POST, Bucket, DELETE, REMOVE, Xml(2 << 20)),

        row(ListParts, Method::GET, Object, UPLOAD, LIST_PARTS, Empty),
        row(GetObjectTagging, Method::GET, Object, TAGGING, "s3:GetObjectTagging", Empty),
        row(GetObject, Method::GET, Object, NONE, GET, Empty),
        row(HeadObject, Method::HEAD, Object, NONE, GET, Empty),
        copying(row(UploadPartCopy, Method::PUT, Object, PART, PUT, Empty)),
        row(UploadPart, Method::PUT, Object, PART, PUT, Bytes),
        copying(row(CopyObject, Method::PUT, Object, NONE, PUT, Empty)),
        row(PutObject, Method::PUT, Object, NONE, PUT, Bytes),
        row(CreateMultipartUpload, Method::POST, Object, UPLOADS, PUT, Empty),
        row(CompleteMultipartUpload, Method::POST, Object, UPLOAD, PUT, Xml(8 << 20)),
        row(AbortMultipartUpload, Method::DELETE, Object, UPLOAD, ABORT, Empty),
        row(DeleteObject, Method::DELETE, Object, NONE, REMOVE, Empty),

        by_header(row(AdminStatus, Method::GET, STATUS, NONE, "admin:Status", Empty)),
    ]
};

/// Parameters that name something else than the bucket or object itself. A route that is taken
/// names each of those that are there.
pub(crate) const SUBRESOURCES: [&str; 49] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "append",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "events",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "replication-metrics",
    "requestPayment",
    "restore",
    "retention",
    "rename",
    "select",
    "select-type",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
    "x-minio-extract",
    "lambdaArn",
    "reset",
    "fan-out",
    "force-delete",
    "replication-reset",
];

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

    /// Whether an answer takes many keys at once.
    pub fn is_scan(&self) -> bool {
        use Operation::*;
        matches!(
            self.operation,
            ListObjects
                | ListObjectsV2
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
/// `MethodNotAllowed`, `NotImplemented` (R1), `NoSuchVersion` for a version other than `null`.
pub fn find(head: &RequestHead) -> S3Result<&'static Route> {
    let route = ROUTES.iter().find(|route| route.fits(head));
    let foreign = |name: &str| {
        SUBRESOURCES.contains(&name) && !route.is_some_and(|route| route.consumes(name))
    };
    if let Some(name) = head.query.names().find(|name| foreign(name)) {
        let message = format!("The subresource {name} is not implemented for this request.");
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, message));
    }
    match head.query.get("versionId") {
        None | Some("null") => {}
        Some("") => {
            let message = "Version id cannot be the empty string";
            return Err(
                S3Error::new(&codes::INVALID_ARGUMENT, message).with("ArgumentName", "versionId")
            );
        }
        Some(_) => return Err((&codes::NO_SUCH_VERSION).into()),
    }
    let is_known = ROUTES.iter().any(|route| route.level.has(&head.target));
    if !is_known {
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, "This server has nothing of that name."));
    }
    route.ok_or_else(|| (&codes::METHOD_NOT_ALLOWED).into())
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
        for uri in [
            "/box?acl",
            "/box?policy",
            "/box?versioning",
            "/box/key?acl",
            "/box/key?tagging",
            "/box/key?retention",
            "/box/key?uploadId=u",
        ] {
            check("PUT", uri, false, Err("NotImplemented"));
        }
        check("GET", "/box?versions", false, Err("NotImplemented"));
        check("DELETE", "/box?lifecycle", false, Err("NotImplemented"));
        check("DELETE", "/box/key?tagging", false, Err("NotImplemented"));
        check("POST", "/box/key?select&select-type=2", false, Err("NotImplemented"));
        check("GET", "/box/key?versionId=7", false, Err("NoSuchVersion"));
        check("PATCH", "/box/key", false, Err("MethodNotAllowed"));
        check("POST", "/box", false, Err("MethodNotAllowed"));
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
