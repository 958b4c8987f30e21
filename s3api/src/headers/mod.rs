//! Values of request headers: pure parsers, each over one header, and what follows from it.

pub mod attributes;
pub mod checksum;
pub mod conditional;
pub mod copy_source;
pub mod date;
pub mod lock;
pub mod range;

use crate::error::{S3Error, S3Result, codes};
use http::HeaderMap;

/// A header as text, where it is there.
///
/// # Errors
/// `InvalidArgument` when it is not UTF-8, or is there twice.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_single = values.next().is_none();
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if is_single => Ok(Some(text.trim())),
        _ => {
            Err(S3Error::new(&codes::INVALID_ARGUMENT, format!("The header {name} is not valid."))
                .with("ArgumentName", name))
        }
    }
}
