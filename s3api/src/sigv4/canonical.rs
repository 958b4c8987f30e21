//! The canonical request and the string to sign.

use super::{ALGORITHM, Scope, sha256_hex};
use crate::error::{S3Error, S3Result, codes};
use crate::uri::{Query, canonical_path_into};
use http::{HeaderMap, Method};

/// What goes into a canonical request.
#[derive(Clone, Copy, Debug)]
pub struct CanonicalRequest<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path as it was received.
    pub raw_path: &'a str,
    /// Query.
    pub query: &'a Query,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// Names of the signed ones, `;` between them.
    pub signed_headers: &'a str,
    /// Value of the last line.
    pub payload_hash: &'a str,
}

impl CanonicalRequest<'_> {
    /// The text that is hashed. A listed header that is absent stands there empty, so that the
    /// signature of a request that lost it does not match.
    ///
    /// # Errors
    /// `InvalidURI`; `InvalidArgument` for a signed header that is not UTF-8.
    pub fn text(&self) -> S3Result<String> {
        let mut out = String::with_capacity(1024);
        out.push_str(self.method.as_str());
        out.push('\n');
        canonical_path_into(&mut out, self.raw_path)?;
        out.push('\n');
        self.query.canonical_into(&mut out, Some("X-Amz-Signature"));
        out.push('\n');
        for name in self.signed_headers.split(';') {
            out.push_str(name);
            out.push(':');
            self.push_values(&mut out, name)?;
            out.push('\n');
        }
        for part in ["\n", self.signed_headers, "\n", self.payload_hash] {
            out.push_str(part);
        }
        Ok(out)
    }

    fn push_values(&self, out: &mut String, name: &str) -> S3Result<()> {
        for (index, value) in self.headers.get_all(name).iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
                S3Error::new(&codes::INVALID_ARGUMENT, "A signed header is not UTF-8.")
            })?;
            push_folded(out, text);
        }
        Ok(())
    }
}

/// Appends a header value without the spaces around it, inner runs of spaces as one.
fn push_folded(out: &mut String, text: &str) {
    let text = text.trim_matches([' ', '\t']);
    if !text.contains("  ") {
        out.push_str(text);
        return;
    }
    for (index, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// The text whose HMAC is the signature of a request.
pub fn string_to_sign(timestamp: &str, scope: &Scope<'_>, canonical_request: &str) -> String {
    let mut out = String::with_capacity(160);
    for part in [ALGORITHM, "\n", timestamp, "\n"] {
        out.push_str(part);
    }
    scope.push(&mut out);
    out.push('\n');
    out.push_str(&sha256_hex(canonical_request.as_bytes()));
    out
}

#[cfg(test)]
mod tests {
    use super::super::SigningService;
    use super::*;

    #[test]
    fn canonical_request_of_aws_documentation() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
        headers.insert("range", "bytes=0-9".parse().unwrap());
        headers.insert("x-amz-content-sha256", super::super::EMPTY_SHA256.parse().unwrap());
        headers.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
        let canonical = CanonicalRequest {
            method: &Method::GET,
            raw_path: "/test.txt",
            query: &Query::default(),
            headers: &headers,
            signed_headers: "host;range;x-amz-content-sha256;x-amz-date",
            payload_hash: super::super::EMPTY_SHA256,
        };
        let scope = Scope { day: "20130524", region: "us-east-1", service: SigningService::S3 };
        let text = string_to_sign("20130524T000000Z", &scope, &canonical.text().unwrap());
        assert_eq!(
            text,
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
        );
    }

    #[test]
    fn values_are_trimmed_folded_and_joined() {
        let mut headers = HeaderMap::new();
        headers.append("a", " x   y ".parse().unwrap());
        headers.append("a", "z".parse().unwrap());
        let canonical = CanonicalRequest {
            method: &Method::GET,
            raw_path: "/",
            query: &Query::default(),
            headers: &headers,
            signed_headers: "a;b",
            payload_hash: "-",
        };
        assert_eq!(canonical.text().unwrap(), "GET\n/\n\na:x y,z\nb:\n\na;b\n-");
    }
}
