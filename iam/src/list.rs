//! Elements that are one value or a list of values.

use crate::error::PolicyError;
use crate::json::Json;

/// The texts of an element; at least one.
///
/// # Errors
/// [`PolicyError::Type`], [`PolicyError::Missing`], [`PolicyError::TooMany`].
pub(crate) fn texts(
    value: Json,
    element: &'static str,
    max: usize,
) -> Result<Vec<String>, PolicyError> {
    let values = match value {
        Json::List(list) => list,
        single => vec![single],
    };
    if values.is_empty() {
        return Err(PolicyError::Missing(element));
    }
    if values.len() > max {
        return Err(PolicyError::TooMany { what: element, max });
    }
    values.into_iter().map(|value| text(value, element)).collect()
}

/// An element that is one text.
///
/// # Errors
/// [`PolicyError::Type`].
pub(crate) fn text(value: Json, element: &'static str) -> Result<String, PolicyError> {
    match value {
        Json::Text(text) => Ok(text),
        _ => Err(PolicyError::Type(element)),
    }
}
