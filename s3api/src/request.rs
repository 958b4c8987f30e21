//! The head of a request, taken apart once.

use crate::error::{S3Error, S3Result, codes};
use crate::form::fields::Success;
use crate::host::Domains;
use crate::uri::{self, Query};
use engine::object::{BucketName, ObjectKey};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Uri, Version, request};

/// What stands before the path of an administrative request. No bucket has such a name: they begin
/// with a letter or digit, by every rule that S3 and MinIO ever had, so that no bucket is taken
/// from anybody and no object can lie there.
const ADMIN_PREFIX: &str = "_stave/";

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service: `/`.
    Service,
    /// A bucket: `/bucket` or `/bucket/`.
    Bucket(BucketName),
    /// An object: `/bucket/key`, where the key is all that follows, as it came (U2).
    Object(BucketName, ObjectKey),
    /// The server itself: `/_stave/` and all that follows, as it came.
    Admin(String),
}

impl Target {
    /// Reads a raw path in path style.
    ///
    /// # Errors
    /// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`.
    pub fn parse(raw_path: &str) -> S3Result<Self> {
        let raw = below_root(raw_path)?;
        if raw.is_empty() {
            return Ok(Self::Service);
        }
        if let Some(path) = raw.strip_prefix(ADMIN_PREFIX) {
            return Ok(Self::Admin(path.to_owned()));
        }
        // The first plain slash ends the bucket; an escaped one would be part of its name, which is
        // not legal.
        let (bucket, key) = raw.split_once('/').unwrap_or((raw, ""));
        Self::within(BucketName::new(&uri::decode(bucket)?)?, key)
    }

    /// Reads a raw path below a bucket that the host names.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_virtual(bucket: &str, raw_path: &str) -> S3Result<Self> {
        Self::within(BucketName::new(bucket)?, below_root(raw_path)?)
    }

    fn within(bucket: BucketName, raw_key: &str) -> S3Result<Self> {
        if raw_key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        Ok(Self::Object(bucket, ObjectKey::new(uri::decode(raw_key)?)?))
    }

    /// The bucket, where there is one.
    pub fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service | Self::Admin(_) => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key, where there is one.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object(_, key) => Some(key),
            Self::Service | Self::Bucket(_) | Self::Admin(_) => None,
        }
    }
}

fn below_root(raw_path: &str) -> S3Result<&str> {
    raw_path.strip_prefix('/').ok_or_else(|| S3Error::from(&codes::INVALID_URI))
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// All headers.
    pub headers: HeaderMap,
    /// Query, decoded.
    pub query: Query,
    /// What it is about.
    pub target: Target,
    /// Whether the host names the bucket.
    pub is_virtual: bool,
    /// Whether the client came over TLS.
    pub is_secure: bool,
    uri: Uri,
    /// Headers that came as parameters of a presigned URL, which signs them.
    hoisted: Vec<HeaderName>,
    /// What a form wants to be answered.
    success: Option<Success>,
}

impl RequestHead {
    /// Takes a head apart.
    ///
    /// # Errors
    /// `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`, `BadRequest` for a host that
    /// contradicts the URI.
    pub fn parse(parts: request::Parts, url_len_max: usize, domains: &Domains) -> S3Result<Self> {
        let parts = with_host(parts)?;
        let raw_query = parts.uri.query().unwrap_or("");
        if parts.uri.path().len() + raw_query.len() > url_len_max {
            return Err(S3Error::new(&codes::INVALID_URI, "The URI is too long."));
        }
        check_framing(&parts)?;
        let query = Query::parse(raw_query)?;
        let virtual_bucket = virtual_bucket(&parts, domains);
        let is_virtual = virtual_bucket.is_some();
        let target = match virtual_bucket {
            Some(bucket) => Target::parse_virtual(&bucket, parts.uri.path())?,
            None => Target::parse(parts.uri.path())?,
        };
        let mut headers = parts.headers;
        let hoisted = hoist(&query, &mut headers)?;
        let is_secure = parts.extensions.get() == Some(&Scheme::HTTPS);
        let (method, uri) = (parts.method, parts.uri);
        let success = None;
        Ok(Self { method, headers, query, target, is_virtual, is_secure, uri, hoisted, success })
    }

    /// The write that a form in the body of this request asks for.
    pub fn of_form(
        self,
        object: (BucketName, ObjectKey),
        headers: HeaderMap,
        success: Success,
    ) -> Self {
        let target = Target::Object(object.0, object.1);
        let (query, hoisted) = (Query::default(), Vec::new());
        Self { target, headers, query, hoisted, success: Some(success), ..self }
    }

    /// What a form wants to be answered, where this is one.
    pub fn success(&self) -> Option<&Success> {
        self.success.as_ref()
    }

    /// Whether a header came as a parameter of a presigned URL.
    pub fn is_hoisted(&self, name: &HeaderName) -> bool {
        self.hoisted.contains(name)
    }

    /// The path as it was received.
    pub fn raw_path(&self) -> &str {
        self.uri.path()
    }
}

/// The bucket that the host names, where it names one.
pub fn virtual_bucket(parts: &request::Parts, domains: &Domains) -> Option<String> {
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.or_else(header).and_then(|host| domains.bucket_of(host))
}

/// Parameters of a presigned URL that are no headers: those of the signature, and checksums, which
/// some clients compute over the body that they do not have yet, and which AWS ignores there.
const NOT_HOISTED: [&str; 11] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
];

/// Headers that a presigned URL carries as parameters at most.
const HOISTED_MAX: usize = 64;

/// Some clients write the `x-amz-*` headers of a request that they presign into its query. They
/// mean there what they mean as headers; a header of the same name wins.
fn hoist(query: &Query, headers: &mut HeaderMap) -> S3Result<Vec<HeaderName>> {
    let mut hoisted = Vec::new();
    if !query.has("X-Amz-Signature") {
        return Ok(hoisted);
    }
    for (name, value) in query.pairs() {
        let name = name.to_ascii_lowercase();
        let is_header = name.starts_with("x-amz-")
            && !name.starts_with("x-amz-checksum-")
            && !NOT_HOISTED.contains(&name.as_str());
        if !is_header || headers.contains_key(&name) {
            continue;
        }
        if name.contains("server-side-encryption-customer-key") {
            let message = "A customer key is sent in a header: addresses stand in logs.";
            return Err(S3Error::new(&codes::INVALID_REQUEST, message));
        }
        let invalid = || S3Error::new(&codes::INVALID_ARGUMENT, "A parameter is no header.");
        if hoisted.len() == HOISTED_MAX {
            return Err(S3Error::new(&codes::INVALID_ARGUMENT, "Too many parameters."));
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
        headers.insert(name.clone(), value);
        hoisted.push(name);
    }
    Ok(hoisted)
}

/// There is one host, and an absolute URI names the same one, else a proxy before us may have seen
/// another. HTTP/2 may leave the header out, and what it has instead becomes the header that is
/// signed.
fn with_host(mut parts: request::Parts) -> S3Result<request::Parts> {
    if parts.headers.get_all(HOST).iter().count() > 1 {
        return Err(S3Error::new(&codes::BAD_REQUEST, "There is more than one Host header."));
    }
    let Some(authority) = parts.uri.authority().map(|authority| authority.as_str()) else {
        return Ok(parts);
    };
    let contradicts = || S3Error::new(&codes::BAD_REQUEST, "The Host header contradicts the URI.");
    match parts.headers.get(HOST) {
        Some(host) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {}
        None if parts.version == Version::HTTP_2 => {
            let host = HeaderValue::from_str(authority).map_err(|_| contradicts())?;
            parts.headers.insert(HOST, host);
        }
        _ => return Err(contradicts()),
    }
    Ok(parts)
}

/// A transfer coding besides `chunked` is not undone here: its bytes would pass for the body.
fn check_framing(parts: &request::Parts) -> S3Result<()> {
    let mut codings = parts.headers.get_all(http::header::TRANSFER_ENCODING).iter();
    let is_known = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if is_known {
        return Ok(());
    }
    Err(S3Error::new(&codes::BAD_REQUEST, "The only transfer coding is chunked."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<(Option<&str>, Option<&str>), &str>) {
        let target = Target::parse(path);
        let found = target.as_ref().map_err(|error| error.code.name).map(|target| {
            (target.bucket().map(BucketName::as_str), target.key().map(ObjectKey::as_str))
        });
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_become_targets_without_normalisation() {
        check("/", Ok((None, None)));
        check("/box", Ok((Some("box"), None)));
        check("/box/", Ok((Some("box"), None)));
        check("/box/a/../b", Ok((Some("box"), Some("a/../b"))));
        check("/box//a", Ok((Some("box"), Some("/a"))));
        check("/box/.", Ok((Some("box"), Some("."))));
        check("/box/a%2Fb+%00", Ok((Some("box"), Some("a/b+\0"))));
    }

    #[test]
    fn the_path_of_the_server_itself_is_no_bucket() {
        let admin = |path: &str| Target::parse(path).map_err(|error| error.code.name);
        let expected = |path: &str| Ok(Target::Admin(path.to_owned()));
        assert_eq!(admin("/_stave/admin/v1/status"), expected("admin/v1/status"));
        assert_eq!(admin("/_stave/%2e/.."), expected("%2e/.."));
        check("/_stave", Err("InvalidBucketName"));
        check("/%5Fstave/admin/v1/status", Err("InvalidBucketName"));
        check("//_stave/admin/v1/status", Err("InvalidBucketName"));
        check("/stave/admin/v1/status", Ok((Some("stave"), Some("admin/v1/status"))));
        let within = Target::parse_virtual("box", "/_stave/admin/v1/status").unwrap();
        assert_eq!(within.key().map(ObjectKey::as_str), Some("_stave/admin/v1/status"));
    }

    #[test]
    fn below_a_virtual_host_the_path_is_the_key() {
        let domains = Domains::new(["example.com".to_owned()]).unwrap();
        let parse = |host: &str, path: &str| {
            let request = http::Request::get(path).header("host", host).body(()).unwrap();
            let head = RequestHead::parse(request.into_parts().0, 1024, &domains);
            head.map(|head| head.target).map_err(|error| error.code.name)
        };
        let bucket = BucketName::new("box").unwrap();
        let object =
            |key: &str| Ok(Target::Object(bucket.clone(), ObjectKey::new(key.to_owned()).unwrap()));
        assert_eq!(parse("box.example.com", "/"), Ok(Target::Bucket(bucket.clone())));
        assert_eq!(parse("box.example.com", "/a/b"), object("a/b"));
        assert_eq!(parse("box.example.com:9000", "//a"), object("/a"));
        assert_eq!(parse("example.com", "/box/a"), object("a"));
        assert_eq!(parse("b_x.example.com", "/"), Err("InvalidBucketName"));
    }

    #[test]
    fn broken_paths_are_refused() {
        check("/B", Err("InvalidBucketName"));
        check("//key", Err("InvalidBucketName"));
        check("/box%2Fkey", Err("InvalidBucketName"));
        check("/box/%ff", Err("InvalidURI"));
        check("/box/%4", Err("InvalidURI"));
        check("*", Err("InvalidURI"));
        check(&format!("/box/{}", "k".repeat(1025)), Err("KeyTooLongError"));
    }

    #[test]
    fn host_contradicting_the_uri_is_refused() {
        let parse = |uri: &str| {
            let request = http::Request::get(uri).header("host", "a:9000").body(()).unwrap();
            RequestHead::parse(request.into_parts().0, 1024, &Domains::default())
                .map_err(|error| error.code.name)
        };
        assert!(parse("http://A:9000/box").is_ok());
        assert_eq!(parse("http://b:9000/box").unwrap_err(), "BadRequest");
        assert_eq!(parse(&format!("/{}", "x".repeat(2000))).unwrap_err(), "InvalidURI");
    }

    #[test]
    fn authority_of_http2_is_the_host() {
        let parse = |host: &str| {
            let request = http::Request::get("https://a:9000/box").version(Version::HTTP_2);
            let request = match host {
                "" => request,
                host => request.header("host", host),
            };
            let parts = request.body(()).unwrap().into_parts().0;
            let head = RequestHead::parse(parts, 1024, &Domains::default());
            head.map(|head| head.headers[HOST].clone()).map_err(|error| error.code.name)
        };
        assert_eq!(parse("").unwrap(), "a:9000");
        assert_eq!(parse("A:9000").unwrap(), "A:9000", "signed as it came");
        assert_eq!(parse("b:9000").unwrap_err(), "BadRequest");
    }

    #[test]
    fn transfer_codings_besides_chunked_are_refused() {
        let parse = |coding: &str| {
            let request = http::Request::put("/box/key").header("transfer-encoding", coding);
            let parts = request.body(()).unwrap().into_parts().0;
            RequestHead::parse(parts, 1024, &Domains::default())
                .map(|_| ())
                .map_err(|error| error.code.name)
        };
        assert_eq!(parse("Chunked"), Ok(()));
        assert_eq!(parse("gzip, chunked"), Err("BadRequest"));
    }

    #[test]
    fn a_presigned_url_carries_few_headers() {
        let parse = |count: usize| {
            let names: String =
                (0..count).map(|number| format!("&x-amz-meta-{number}=v")).collect();
            let uri = format!("/box/key?X-Amz-Signature=0{names}");
            let parts = http::Request::get(uri).body(()).unwrap().into_parts().0;
            RequestHead::parse(parts, 65_536, &Domains::default())
                .map(|_| ())
                .map_err(|error| error.code.name)
        };
        assert_eq!(parse(HOISTED_MAX), Ok(()));
        assert_eq!(parse(HOISTED_MAX + 1), Err("InvalidArgument"));
    }
}
