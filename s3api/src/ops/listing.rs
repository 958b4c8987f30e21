//! What the listings share: their parameters, and the encoding of names.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::uri::{self, Slash};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use std::borrow::Cow;

/// Entries that one answer holds at most.
pub(super) const ENTRIES_MAX: usize = 1000;

/// How names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameEncoding {
    /// As they are.
    Plain,
    /// Percent-encoded, because XML cannot carry every name (`encoding-type=url`).
    Url,
}

impl NameEncoding {
    /// Reads `encoding-type`.
    pub fn of(call: &Done) -> S3Result<Self> {
        match call.query("encoding-type") {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => {
                Err(invalid("encoding-type", "Invalid Encoding Method specified in Request"))
            }
        }
    }

    /// Writes a name.
    pub fn apply(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => Cow::Borrowed(name),
            Self::Url => Cow::Owned(uri::encode(name, Slash::Keep)),
        }
    }
}

pub(super) fn invalid(parameter: &'static str, message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, message).with("ArgumentName", parameter)
}

/// Reads a count such as `max-keys`: at most [`ENTRIES_MAX`], whatever is asked for.
pub(super) fn count(call: &Done, parameter: &'static str) -> S3Result<usize> {
    count_of(call.query(parameter), parameter)
}

/// As [`count`], from wherever the text stands.
pub(super) fn count_of(text: Option<&str>, parameter: &'static str) -> S3Result<usize> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(ENTRIES_MAX);
    };
    let number = text.parse::<u64>().ok().filter(|count| *count <= u64::from(u32::MAX >> 1));
    let number =
        number.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(|| {
            invalid(parameter, "Argument must be an integer between 0 and 2147483647")
        })?;
    Ok(usize::try_from(number).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX))
}

/// A parameter that means nothing when it is empty.
pub(super) fn non_empty<'a>(call: &'a Done, parameter: &str) -> Option<&'a str> {
    call.query(parameter).filter(|value| !value.is_empty())
}

/// The token that continues after a name. Opaque to clients.
pub(super) fn write_token(after: &str) -> String {
    BASE64.encode(after)
}

/// Reads a token of ours.
pub(super) fn read_token(token: &str) -> S3Result<String> {
    let bytes = BASE64.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        invalid("continuation-token", "The continuation token provided is incorrect")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_any_name() {
        for name in ["a", "a/b", "\u{1}\u{e9}"] {
            assert_eq!(read_token(&write_token(name)).unwrap(), name);
        }
        assert_eq!(read_token("!").unwrap_err().code, &codes::INVALID_ARGUMENT);
    }
}
