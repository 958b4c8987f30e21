//! Listing of keys: one page at a time, with prefixes rolled up at a delimiter.

use super::{BucketName, ObjectInfo};

/// Which keys to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// Keys that share everything up to the first delimiter after the prefix become one
    /// [`ListEntry::Prefix`]. Any non-empty string.
    pub delimiter: Option<String>,
    /// Only what comes after this in byte order. A common prefix that equals `after` counts as
    /// seen, with everything below it; one that is merely a prefix of `after` is listed while keys
    /// after `after` remain below it.
    pub after: Option<String>,
    /// Entries at most, keys and common prefixes together; 0 gives an empty page that is not
    /// truncated.
    pub limit: usize,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(Box<ObjectInfo>),
    /// A common prefix, ending with the delimiter.
    Prefix(String),
}

impl ListEntry {
    /// The key or the common prefix: where the next page begins after.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(info) => info.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// One page of a listing, in byte order of [`ListEntry::name`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// What was found.
    pub entries: Vec<ListEntry>,
    /// Whether more follows after the last entry's name.
    pub is_truncated: bool,
}
