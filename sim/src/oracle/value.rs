//! Values that clients write, and what is read back: bodies that follow from the seed, so that
//! nothing is stored.
//!
//! - V1: a value's id is unique in its run and travels with the object as user metadata, so that a
//!   reader knows which write it sees even where two bodies are equal.

use crate::random::{Random, mix};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Identity of a written value: the operation that wrote it.
pub type ValueId = u64;

/// One piece of a body: `len` bytes that follow from the seed and `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which bytes.
    pub id: u64,
    /// How many.
    pub len: usize,
}

/// What a value's body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Written by one request.
    Plain(Piece),
    /// Written as parts.
    Parts(Vec<Piece>),
    /// Copied from some version of this key; known once it is seen.
    CopyOf(String),
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Value {
    /// The key it was written to.
    pub key: String,
    /// Its body.
    pub content: Content,
}

/// Every value of a run.
pub struct Values {
    seed: u64,
    values: BTreeMap<ValueId, Value>,
    etags: BTreeMap<ValueId, String>,
}

/// What a reader saw of an object.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Id in the metadata.
    pub value: ValueId,
    /// The key that was read.
    pub key: &'a str,
    /// Entity tag without quotes.
    pub etag: &'a str,
    /// Size of the whole object.
    pub size: u64,
}

/// Bytes of a piece.
pub fn body(seed: u64, piece: Piece) -> Bytes {
    let mut bytes = vec![0; piece.len];
    Random::new(mix(seed) ^ piece.id, "body").fill(&mut bytes);
    bytes.into()
}

/// Hexadecimal MD5 of a body.
pub fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

impl Values {
    /// No values yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, values: BTreeMap::new(), etags: BTreeMap::new() }
    }

    /// Registers a value that is about to be written.
    pub fn add(&mut self, id: ValueId, key: &str, content: Content) {
        if let Some(etag) = self.etag_of(&content) {
            self.etags.insert(id, etag);
        }
        let before = self.values.insert(id, Value { key: key.to_owned(), content });
        assert!(before.is_none(), "V1: value {id} is written twice");
    }

    /// Entity tag of a value; `None` for a copy that nobody has seen.
    pub fn etag(&self, id: ValueId) -> Option<&str> {
        self.etags.get(&id).map(String::as_str)
    }

    /// Size of the values with this entity tag.
    pub fn size_of_etag(&self, etag: &str) -> Option<u64> {
        let found = self.etags.iter().find(|(_, known)| *known == etag);
        found.map(|(value, _)| self.size(*value))
    }

    /// Every value whose entity tag is known.
    pub fn etags(&self) -> impl Iterator<Item = (ValueId, String)> {
        self.etags.iter().map(|(value, etag)| (*value, etag.clone()))
    }

    /// A value.
    pub fn get(&self, id: ValueId) -> Option<&Value> {
        self.values.get(&id)
    }

    /// What a copy must be to have this entity tag: a value of its source key with the same.
    /// `false`: none is.
    pub fn resolve_copy(&mut self, id: ValueId, etag: &str) -> bool {
        let Some(Value { content: Content::CopyOf(source), .. }) = self.values.get(&id) else {
            return self.etag(id) == Some(etag);
        };
        let Some(content) = self.find_source(source, etag, &mut BTreeSet::new()) else {
            return false;
        };
        self.etags.insert(id, etag.to_owned());
        self.values.entry(id).and_modify(|value| value.content = content);
        true
    }

    /// Content of some value of a key, or of what was copied to it, that a copy with this entity
    /// tag has.
    fn find_source(
        &self,
        key: &str,
        etag: &str,
        visited: &mut BTreeSet<String>,
    ) -> Option<Content> {
        if !visited.insert(key.to_owned()) {
            return None;
        }
        let mut values = self.values.values().filter(|value| value.key == key);
        values.find_map(|value| match &value.content {
            Content::CopyOf(source) => self.find_source(source, etag, visited),
            content => self.is_copied_as(content, etag).then(|| content.clone()),
        })
    }

    /// Checks what the headers of an answer say of an object.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn check_head(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Some(value) = self.values.get(&seen.value) else {
            return Err(format!("value {} was never written", seen.value));
        };
        if value.key != seen.key {
            return Err(format!("value {} was written to key {:?}", seen.value, value.key));
        }
        if !self.resolve_copy(seen.value, seen.etag) {
            let expected = self.etag(seen.value).unwrap_or("one of the source's");
            return Err(format!("entity tag {} where {expected} was written", seen.etag));
        }
        let size = self.size(seen.value);
        if size != seen.size {
            return Err(format!("size {} where {size} was written", seen.size));
        }
        Ok(())
    }

    /// Checks bytes of a value that [`Values::check_head`] accepted.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn check_body(&self, id: ValueId, range: Range<u64>, bytes: &[u8]) -> Result<(), String> {
        let whole = self.whole(id);
        let expected = whole.get(range.start as usize..range.end as usize).unwrap_or_default();
        if bytes.len() != expected.len() {
            return Err(format!("{} bytes where {} were asked for", bytes.len(), expected.len()));
        }
        match bytes.iter().zip(expected).position(|(got, wanted)| got != wanted) {
            Some(at) => Err(format!("byte {} differs", range.start + at as u64)),
            None => Ok(()),
        }
    }

    /// Bytes of a value's body.
    pub fn size(&self, id: ValueId) -> u64 {
        self.pieces(id).iter().map(|piece| piece.len as u64).sum()
    }

    fn whole(&self, id: ValueId) -> Bytes {
        let pieces = self.pieces(id);
        let bodies: Vec<Bytes> = pieces.iter().map(|piece| body(self.seed, *piece)).collect();
        match &bodies[..] {
            [only] => only.clone(),
            _ => bodies.concat().into(),
        }
    }

    fn pieces(&self, id: ValueId) -> Vec<Piece> {
        match self.values.get(&id).map(|value| &value.content) {
            Some(Content::Plain(piece)) => vec![*piece],
            Some(Content::Parts(pieces)) => pieces.clone(),
            Some(Content::CopyOf(_)) | None => Vec::new(),
        }
    }

    fn etag_of(&self, content: &Content) -> Option<String> {
        match content {
            Content::Plain(piece) => Some(md5_hex(&body(self.seed, *piece))),
            Content::Parts(pieces) => {
                let digests = pieces.iter().map(|piece| Md5::digest(body(self.seed, *piece)));
                let all: Vec<u8> = digests.flatten().collect();
                Some(format!("{}-{}", md5_hex(&all), pieces.len()))
            }
            Content::CopyOf(_) => None,
        }
    }

    /// Whether a copy of this content may have this entity tag: that of its bytes as one body, or
    /// its own.
    fn is_copied_as(&self, content: &Content, etag: &str) -> bool {
        let joined = || match content {
            Content::Parts(pieces) => {
                let bodies = pieces.iter().map(|piece| body(self.seed, *piece));
                Some(md5_hex(&bodies.collect::<Vec<Bytes>>().concat()))
            }
            Content::Plain(_) | Content::CopyOf(_) => None,
        };
        self.etag_of(content).as_deref() == Some(etag) || joined().as_deref() == Some(etag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 9;

    fn seen<'a>(value: ValueId, key: &'a str, etag: &'a str, size: u64) -> Seen<'a> {
        Seen { value, key, etag, size }
    }

    fn values() -> Values {
        let mut values = Values::new(SEED);
        values.add(1, "a", Content::Plain(Piece { id: 1, len: 1000 }));
        let parts = vec![Piece { id: 21, len: 500 }, Piece { id: 22, len: 7 }];
        values.add(2, "a", Content::Parts(parts));
        values.add(3, "b", Content::CopyOf("a".to_owned()));
        values
    }

    #[test]
    fn a_body_is_checked_byte_for_byte() {
        let values = values();
        let bytes = body(SEED, Piece { id: 1, len: 1000 });
        assert_eq!(values.check_body(1, 0..1000, &bytes), Ok(()));
        assert_eq!(values.check_body(1, 10..20, &bytes[10..20]), Ok(()));
        assert!(values.check_body(1, 0..1000, &bytes[..999]).is_err());
        let mut rotten = bytes.to_vec();
        rotten[77] ^= 1;
        assert_eq!(values.check_body(1, 0..1000, &rotten), Err("byte 77 differs".to_owned()));
    }

    #[test]
    fn headers_must_be_those_that_were_written() {
        let mut values = values();
        let etag = values.etag(1).unwrap().to_owned();
        assert_eq!(values.check_head(&seen(1, "a", &etag, 1000)), Ok(()));
        assert!(values.check_head(&seen(1, "b", &etag, 1000)).is_err());
        assert!(values.check_head(&seen(1, "a", "x", 1000)).is_err());
        assert!(values.check_head(&seen(1, "a", &etag, 1)).is_err());
        assert!(values.check_head(&seen(9, "a", &etag, 1000)).is_err());
    }

    #[test]
    fn a_copy_becomes_what_its_source_was() {
        let mut values = values();
        assert_eq!(values.etag(3), None);
        let etag = values.etag(1).unwrap().to_owned();
        assert_eq!(values.check_head(&seen(3, "b", &etag, 1000)), Ok(()));
        assert_eq!(values.etag(3), Some(etag.as_str()));
        assert!(values.check_head(&seen(3, "b", "other", 1000)).is_err());
    }

    #[test]
    fn parts_are_joined() {
        let values = values();
        let pieces = [Piece { id: 21, len: 500 }, Piece { id: 22, len: 7 }];
        let joined = pieces.map(|piece| body(SEED, piece)).concat();
        assert_eq!(values.check_body(2, 0..507, &joined), Ok(()));
        assert!(values.etag(2).unwrap().ends_with("-2"));
    }
}
