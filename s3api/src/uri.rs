//! Percent-encoding of paths and queries, the way SigV4 signs them.
//!
//! - U1: a path or query is decoded once; what is signed, what is authorised and what is stored
//!   come from the same bytes.
//! - U2: nothing is normalised: `//`, `.`, `..` and `+` in a path are data.

use crate::error::{S3Error, S3Result, codes};

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Which bytes stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slash {
    /// `/` stays, as in a path.
    Keep,
    /// `/` becomes `%2F`, as in a query.
    Encode,
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

fn push_escaped(out: &mut String, byte: u8) {
    out.push('%');
    out.push(char::from(HEX_UPPER[usize::from(byte >> 4)]));
    out.push(char::from(HEX_UPPER[usize::from(byte & 15)]));
}

/// Appends the percent-encoded form of `text` (RFC 3986, unreserved characters stay).
pub fn encode_into(out: &mut String, text: &str, slash: Slash) {
    for byte in text.bytes() {
        if is_unreserved(byte) || (byte == b'/' && slash == Slash::Keep) {
            out.push(char::from(byte));
        } else {
            push_escaped(out, byte);
        }
    }
}

/// The percent-encoded form of `text`.
pub fn encode(text: &str, slash: Slash) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    encode_into(&mut out, text, slash);
    out
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn unescape(bytes: &[u8]) -> Option<u8> {
    let (high, low) = (hex_digit(*bytes.first()?)?, hex_digit(*bytes.get(1)?)?);
    Some(high << 4 | low)
}

fn invalid_uri() -> S3Error {
    (&codes::INVALID_URI).into()
}

/// Decodes every escape of a path; everything else stays.
///
/// # Errors
/// `InvalidURI` for a broken escape or bytes that are not UTF-8.
pub fn decode(text: &str) -> S3Result<String> {
    decode_with(text, b'+')
}

/// Decodes one name or value of a query, where `+` stands for a space.
///
/// # Errors
/// As [`decode`].
pub fn decode_query(text: &str) -> S3Result<String> {
    decode_with(text, b' ')
}

fn decode_with(text: &str, plus: u8) -> S3Result<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        match byte {
            b'%' => {
                out.push(unescape(&bytes[index..]).ok_or_else(invalid_uri)?);
                index += 2;
            }
            b'+' => out.push(plus),
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| invalid_uri())
}

/// Appends a received path in the form that SigV4 signs: each byte in its canonical encoding, where
/// an escaped slash stays escaped and a plain one stays plain.
///
/// # Errors
/// `InvalidURI` for a broken escape.
pub fn canonical_path_into(out: &mut String, raw: &str) -> S3Result<()> {
    let bytes = raw.as_bytes();
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        let (value, is_plain_slash) = match byte {
            b'%' => {
                let value = unescape(&bytes[index..]).ok_or_else(invalid_uri)?;
                index += 2;
                (value, false)
            }
            other => (other, other == b'/'),
        };
        if is_unreserved(value) || is_plain_slash {
            out.push(char::from(value));
        } else {
            push_escaped(out, value);
        }
    }
    Ok(())
}

/// The query of a request, decoded, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes a raw query without its `?`.
    ///
    /// # Errors
    /// `InvalidURI`.
    pub fn parse(raw: &str) -> S3Result<Self> {
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode_query(name)?, decode_query(value)?));
        }
        Ok(Self { pairs })
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How often a parameter is there.
    pub fn count(&self, name: &str) -> usize {
        self.pairs.iter().filter(|(key, _)| key == name).count()
    }

    /// Names and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// Appends the form that SigV4 signs: encoded, sorted, without the parameter `except`.
    pub fn canonical_into(&self, out: &mut String, except: Option<&str>) {
        let mut encoded: Vec<(String, String)> = self
            .pairs
            .iter()
            .filter(|(name, _)| Some(name.as_str()) != except)
            .map(|(name, value)| (encode(name, Slash::Encode), encode(value, Slash::Encode)))
            .collect();
        encoded.sort();
        for (index, (name, value)) in encoded.iter().enumerate() {
            let separator = if index == 0 { "" } else { "&" };
            for part in [separator, name, "=", value] {
                out.push_str(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_happens_once_and_plus_is_data_in_paths() {
        assert_eq!(decode("/a%2Fb+c%252F").unwrap(), "/a/b+c%2F");
        assert_eq!(decode_query("a+b%2B").unwrap(), "a b+");
        for broken in ["%", "%2", "%zz", "a%+1", "%ff"] {
            assert_eq!(decode(broken).unwrap_err().code, &codes::INVALID_URI, "{broken}");
        }
    }

    #[test]
    fn canonical_path_keeps_every_segment_and_escaped_slashes() {
        let check = |raw: &str, expected: &str| {
            let mut out = String::new();
            canonical_path_into(&mut out, raw).unwrap();
            assert_eq!(out, expected, "{raw}");
        };
        check("/a//b/../c", "/a//b/../c");
        check("/a%2fb", "/a%2Fb");
        check("/%7Ea%41 (", "/~aA%20%28");
        check("/a+b", "/a%2Bb");
    }

    #[test]
    fn canonical_query_sorts_encoded_pairs_and_keeps_duplicates() {
        let query = Query::parse("b=2&a=%20x&acl&b=1&X-Amz-Signature=s").unwrap();
        let mut out = String::new();
        query.canonical_into(&mut out, Some("X-Amz-Signature"));
        assert_eq!(out, "a=%20x&acl=&b=1&b=2");
        assert_eq!(query.get("acl"), Some(""));
        assert_eq!(query.count("b"), 2);
    }
}
