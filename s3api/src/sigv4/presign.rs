//! The query of a presigned URL: `X-Amz-Algorithm`, `-Credential`, `-Date`, `-Expires`,
//! `-SignedHeaders`, `-Signature`.

use super::{ALGORITHM, Credential, are_signed_headers, header, is_signature};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::date;
use crate::uri::Query;

/// Longest life of a presigned URL: seven days, in seconds.
pub const EXPIRES_SECONDS_MAX: u64 = 604_800;

/// The parts of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresignedQuery<'a> {
    /// Who signed.
    pub credential: Credential<'a>,
    /// When, as it stands in the URL.
    pub timestamp: &'a str,
    /// When, in seconds since 1970.
    pub signed_at: u64,
    /// Seconds that it is good for.
    pub expires: u64,
    /// Names of the signed headers, `;` between them.
    pub signed_headers: &'a str,
    /// 64 hexadecimal digits.
    pub signature: &'a str,
}

/// Whether a query signs its request, well or badly, in either version of the protocol.
pub fn is_signed(query: &Query) -> bool {
    ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "Signature"]
        .iter()
        .any(|name| query.has(name))
}

impl<'a> PresignedQuery<'a> {
    /// Reads the query.
    ///
    /// # Errors
    /// `AuthorizationQueryParametersError`; `InvalidRequest` for Signature Version 2.
    pub fn parse(query: &'a Query) -> S3Result<Self> {
        if query.has("AWSAccessKeyId") || query.has("Signature") {
            return Err(header::unsupported_mechanism());
        }
        if single(query, "X-Amz-Algorithm")? != ALGORITHM {
            return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"."));
        }
        let credential = Credential::parse(single(query, "X-Amz-Credential")?)
            .ok_or_else(|| malformed("The X-Amz-Credential is malformed."))?;
        let timestamp = single(query, "X-Amz-Date")?;
        let signed_at = date::parse_amz(timestamp)
            .ok_or_else(|| malformed("X-Amz-Date must be of the form yyyyMMddTHHmmssZ."))?;
        let expires = parse_expires(single(query, "X-Amz-Expires")?)?;
        let signed_headers = single(query, "X-Amz-SignedHeaders")?;
        let signature = single(query, "X-Amz-Signature")?;
        if !are_signed_headers(signed_headers) || !is_signature(signature) {
            return Err(malformed("X-Amz-SignedHeaders or X-Amz-Signature is malformed."));
        }
        Ok(Self { credential, timestamp, signed_at, expires, signed_headers, signature })
    }
}

fn parse_expires(text: &str) -> S3Result<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(expires @ 0..=EXPIRES_SECONDS_MAX) if is_number => Ok(expires),
        _ => Err(malformed("X-Amz-Expires must be between 0 seconds and a week (604800).")),
    }
}

fn single<'a>(query: &'a Query, name: &str) -> S3Result<&'a str> {
    match (query.get(name), query.count(name)) {
        (Some(value), 1) => Ok(value),
        _ => Err(malformed(
            "Query-string authentication requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, \
             each once.",
        )),
    }
}

fn malformed(message: &'static str) -> S3Error {
    S3Error::new(&codes::AUTHORIZATION_QUERY_PARAMETERS, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2F\
        us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
        X-Amz-SignedHeaders=host&X-Amz-Signature=\
        aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    fn check(raw: &str) -> Result<u64, &'static str> {
        let query = Query::parse(raw).unwrap();
        let parsed = PresignedQuery::parse(&query);
        parsed.map(|parsed| parsed.expires).map_err(|error| error.code.name)
    }

    #[test]
    fn good_query_is_read() {
        assert_eq!(check(GOOD), Ok(86_400));
        assert_eq!(check(&GOOD.replace("86400", "0")), Ok(0));
        assert_eq!(check(&GOOD.replace("86400", "604800")), Ok(604_800));
    }

    #[test]
    fn malformed_queries_are_refused() {
        for raw in [
            GOOD.replace("86400", "604801"),
            GOOD.replace("86400", "-1"),
            GOOD.replace("86400", "%2B1"),
            GOOD.replace("X-Amz-Date=", "X-Amz-Dat="),
            GOOD.replace("T000000Z", "T000000"),
            GOOD.replace("HMAC-SHA256&", "HMAC-SHA1&"),
            GOOD.replace("=host", "=x-amz-date"),
            format!("{GOOD}&X-Amz-Date=20130524T000000Z"),
            GOOD.replace("aeeed9", ""),
        ] {
            assert_eq!(check(&raw), Err("AuthorizationQueryParametersError"), "{raw}");
        }
        assert_eq!(check("AWSAccessKeyId=A&Expires=1&Signature=x"), Err("InvalidRequest"));
    }
}
