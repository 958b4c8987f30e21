//! AWS Signature Version 4 by header, as a client computes it.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Who signs.
#[derive(Clone, Debug)]
pub struct Signer {
    /// Public name of the key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Region of the scope.
    pub region: String,
}

/// What is signed.
pub struct Unsigned<'a> {
    /// Verb.
    pub method: &'a Method,
    /// Path, encoded by [`encode_path`].
    pub path: &'a str,
    /// Query, encoded and sorted by [`encode_query`].
    pub query: &'a str,
    /// Seconds since 1970.
    pub unix_seconds: u64,
    /// Hexadecimal SHA-256 of the body, or `UNSIGNED-PAYLOAD`.
    pub payload_hash: &'a str,
}

/// Hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Percent-encodes a path, keeping its slashes.
pub fn encode_path(path: &str) -> String {
    encode(path, true)
}

/// Encodes and sorts a query.
pub fn encode_query(parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| (encode(name, false), encode(value, false));
    let mut pairs: Vec<(String, String)> = parameters.iter().map(pair).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(text: &str, keeps_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_kept = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if is_kept || (keeps_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

/// Seconds since 1970 as `YYYYMMDDTHHMMSSZ`.
pub fn timestamp(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days are counted in years that begin in March, so that the leap day is the last (H. Hinnant's
    // algorithm).
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

impl Signer {
    /// Adds date, payload hash and authorization to headers that have at least `host`. All of them
    /// are signed.
    pub fn sign(&self, unsigned: &Unsigned<'_>, headers: &mut HeaderMap) {
        let time = timestamp(unsigned.unix_seconds);
        insert(headers, "x-amz-date", &time);
        insert(headers, "x-amz-content-sha256", unsigned.payload_hash);
        let mut names: Vec<String> = headers.keys().map(|name| name.to_string()).collect();
        names.sort();
        let canonical_headers: String = names.iter().map(|name| line(headers, name)).collect();
        let signed_headers = names.join(";");
        let request = [
            unsigned.method.as_str(),
            unsigned.path,
            unsigned.query,
            &canonical_headers,
            &signed_headers,
            unsigned.payload_hash,
        ];
        let request_hash = sha256_hex(request.join("\n").as_bytes());
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request_hash}");
        let signature = hex::encode(hmac(&self.key(&time[..8]), to_sign.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed_headers}, \
             Signature={signature}",
            self.access_key
        );
        insert(headers, "authorization", &authorization);
    }

    fn key(&self, date: &str) -> Vec<u8> {
        let secret = format!("AWS4{}", self.secret_key);
        let steps = [date, &self.region, "s3", "aws4_request"];
        steps.iter().fold(secret.into_bytes(), |key, step| hmac(&key, step.as_bytes()))
    }
}

fn line(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    format!("{name}:{}\n", String::from_utf8_lossy(value).trim())
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("signatures are printable");
    headers.insert(HeaderName::from_static(name), value);
}

fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "GET Object" of the AWS documentation of Signature Version 4 for S3.
    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let mut headers = HeaderMap::new();
        insert(&mut headers, "host", "examplebucket.s3.amazonaws.com");
        insert(&mut headers, "range", "bytes=0-9");
        let unsigned = Unsigned {
            method: &Method::GET,
            path: "/test.txt",
            query: "",
            unix_seconds: 1_369_353_600,
            payload_hash: &sha256_hex(b""),
        };
        signer.sign(&unsigned, &mut headers);
        let authorization = headers["authorization"].to_str().unwrap();
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(authorization.ends_with(expected), "{authorization}");
    }

    #[test]
    fn timestamps_follow_the_calendar() {
        assert_eq!(timestamp(0), "19700101T000000Z");
        assert_eq!(timestamp(951_782_400), "20000229T000000Z");
        assert_eq!(timestamp(1_767_225_599), "20251231T235959Z");
    }

    #[test]
    fn queries_are_encoded_and_sorted() {
        let query = encode_query(&[("prefix", "a b/c"), ("list-type", "2")]);
        assert_eq!(query, "list-type=2&prefix=a%20b%2Fc");
        assert_eq!(encode_path("/b/k\u{e9} +/x"), "/b/k%C3%A9%20%2B/x");
    }
}
