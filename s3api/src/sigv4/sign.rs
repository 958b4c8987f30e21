//! Signs requests, for the simulator, tests and tools. The server never does.

use super::canonical::{CanonicalRequest, string_to_sign};
use super::key::SigningKey;
use super::{ALGORITHM, ChunkChain, Scope, SigningService};
use crate::config::Credentials;
use crate::error::S3Result;
use crate::headers::date;
use crate::uri::{self, Query, Slash};
use engine::object::UnixNanos;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

/// Who signs, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// Access key and secret.
    pub credentials: &'a Credentials,
    /// Region of the endpoint.
    pub region: &'a str,
    /// What the request is for.
    pub service: SigningService,
    /// The time of the request.
    pub now: UnixNanos,
}

impl Signer<'_> {
    fn credential(&self, day: &str) -> String {
        let (access_key, service) = (&self.credentials.access_key, self.service.name());
        format!("{access_key}/{day}/{}/{service}/aws4_request", self.region)
    }

    fn seal(
        &self,
        parts: &Parts,
        signed_headers: &str,
        hash: &str,
    ) -> S3Result<(String, ChunkChain)> {
        let timestamp = date::format_amz(self.now);
        let scope = Scope { day: &timestamp[..8], region: self.region, service: self.service };
        let query = Query::parse(parts.uri.query().unwrap_or(""))?;
        let canonical = CanonicalRequest {
            method: &parts.method,
            raw_path: parts.uri.path(),
            query: &query,
            headers: &parts.headers,
            signed_headers,
            payload_hash: hash,
        };
        let key = SigningKey::derive(&self.credentials.secret_key, &scope);
        let signature = key.sign(&string_to_sign(&timestamp, &scope, &canonical.text()?));
        let chain = ChunkChain::new(key, &timestamp, &scope, &signature);
        Ok((signature, chain))
    }
}

/// Signs a request by header. `payload_hash` is the value of `x-amz-content-sha256`. The request
/// must have its `Host` already; `x-amz-date`, `x-amz-content-sha256` and `Authorization` are set
/// here. All `x-amz-*` headers, `content-type`, `content-md5` and `range` are signed. Returns the
/// chain that signs the chunks of a streaming body.
///
/// # Errors
/// When path, query or a signed header cannot be signed.
pub fn sign(parts: &mut Parts, signer: &Signer<'_>, payload_hash: &str) -> S3Result<ChunkChain> {
    let timestamp = date::format_amz(signer.now);
    set(parts, "x-amz-date", &timestamp);
    set(parts, "x-amz-content-sha256", payload_hash);
    let signed_headers = signed_headers(parts);
    let (signature, chain) = signer.seal(parts, &signed_headers, payload_hash)?;
    let value = format!(
        "{ALGORITHM} Credential={}, SignedHeaders={signed_headers}, Signature={signature}",
        signer.credential(&timestamp[..8])
    );
    set(parts, AUTHORIZATION.as_str(), &value);
    Ok(chain)
}

/// Signs a request by query, for `expires` seconds. The request must have its `Host` already; its
/// URI is replaced.
///
/// # Errors
/// When path, query or a signed header cannot be signed.
pub fn presign(parts: &mut Parts, signer: &Signer<'_>, expires: u64) -> S3Result<()> {
    let timestamp = date::format_amz(signer.now);
    let signed_headers = signed_headers(parts);
    let credential = uri::encode(&signer.credential(&timestamp[..8]), Slash::Encode);
    let names = uri::encode(&signed_headers, Slash::Encode);
    let mut query = parts.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
    query.push_str(&format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={timestamp}&\
         X-Amz-Expires={expires}&X-Amz-SignedHeaders={names}"
    ));
    set_query(parts, &query);
    let (signature, _) = signer.seal(parts, &signed_headers, "UNSIGNED-PAYLOAD")?;
    set_query(parts, &format!("{query}&X-Amz-Signature={signature}"));
    Ok(())
}

fn signed_headers(parts: &Parts) -> String {
    let is_signed = |name: &&str| {
        name.starts_with("x-amz-")
            || matches!(*name, "host" | "content-type" | "content-md5" | "range")
    };
    let mut names: Vec<&str> =
        parts.headers.keys().map(HeaderName::as_str).filter(is_signed).collect();
    debug_assert!(names.contains(&HOST.as_str()), "the caller sets the host");
    names.sort_unstable();
    names.join(";")
}

fn set(parts: &mut Parts, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("what a signer writes is printable");
    parts.headers.insert(HeaderName::from_static(name), value);
}

fn set_query(parts: &mut Parts, query: &str) {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    let path = uri.path_and_query.as_ref().map_or("/", PathAndQuery::path);
    let path_and_query = PathAndQuery::try_from(format!("{path}?{query}"));
    uri.path_and_query = Some(path_and_query.expect("an encoded query is legal"));
    parts.uri = http::Uri::from_parts(uri).expect("only the query changed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// 2013-05-24T00:00:00Z
    const NOW: UnixNanos = 1_369_353_600_000_000_000;

    fn credentials() -> Credentials {
        Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        }
    }

    fn signer(credentials: &Credentials) -> Signer<'_> {
        Signer { credentials, region: "us-east-1", service: SigningService::S3, now: NOW }
    }

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "examplebucket.s3.amazonaws.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(mut parts: Parts, hash: &str, expected: &str) {
        let credentials = credentials();
        let signer = signer(&credentials);
        sign(&mut parts, &signer, hash).unwrap();
        let value = parts.headers[AUTHORIZATION].to_str().unwrap();
        assert!(value.ends_with(expected), "{value}");
    }

    #[test]
    fn get_object_of_aws_documentation() {
        check(
            parts("GET", "/test.txt", &[("range", "bytes=0-9")]),
            super::super::EMPTY_SHA256,
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
    }

    #[test]
    fn bucket_queries_of_aws_documentation() {
        check(
            parts("GET", "/?lifecycle", &[]),
            super::super::EMPTY_SHA256,
            "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        );
        check(
            parts("GET", "/?max-keys=2&prefix=J", &[]),
            super::super::EMPTY_SHA256,
            "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
    }

    #[test]
    fn presigned_url_of_aws_documentation() {
        let credentials = credentials();
        let signer = signer(&credentials);
        let mut parts = parts("GET", "/test.txt", &[]);
        presign(&mut parts, &signer, 86_400).unwrap();
        assert!(parts.uri.query().unwrap().ends_with(
            "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        ));
    }
}
