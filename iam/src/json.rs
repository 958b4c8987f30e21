//! JSON of others as a tree: every member of an object is there once, nesting has a bound, and
//! nothing that was written is lost on the way (`serde_json::Value` keeps the last of two members).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As text, which every reader parses for itself.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// Members, in the order in which they came.
    Object(Vec<(String, Json)>),
}

/// Reads a whole document.
///
/// # Errors
/// What is wrong and where, for people.
pub fn parse(document: &[u8], nesting_max: usize) -> Result<Json, String> {
    let mut reader = serde_json::Deserializer::from_slice(document);
    let value =
        Level { nesting_max }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

impl Json {
    /// Whether some text or name in it fits.
    pub(crate) fn has_text(&self, fits: &impl Fn(&str) -> bool) -> bool {
        match self {
            Json::Null | Json::Bool(_) | Json::Number(_) => false,
            Json::Text(text) => fits(text),
            Json::List(list) => list.iter().any(|item| item.has_text(fits)),
            Json::Object(members) => {
                members.iter().any(|(name, value)| fits(name) || value.has_text(fits))
            }
        }
    }

    /// Bytes of the value without blanks between its parts, escapes counted as what they mean.
    pub(crate) fn compact_len(&self) -> usize {
        match self {
            Json::Null => 4,
            Json::Bool(value) => value.to_string().len(),
            Json::Number(text) => text.len(),
            Json::Text(text) => text.len() + 2,
            Json::List(list) => list.iter().map(|item| item.compact_len() + 1).sum::<usize>() + 2,
            Json::Object(members) => {
                let member = |(name, value): &(String, Json)| name.len() + 4 + value.compact_len();
                members.iter().map(member).sum::<usize>() + 2
            }
        }
    }
}

/// How many levels may still open.
#[derive(Clone, Copy)]
struct Level {
    nesting_max: usize,
}

impl Level {
    fn deeper<E: Error>(self) -> Result<Level, E> {
        match self.nesting_max.checked_sub(1) {
            Some(nesting_max) => Ok(Level { nesting_max }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(level)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            object.push((name, members.next_value_seed(level)?));
        }
        let mut names: Vec<&str> = object.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format!("duplicate element {}", pair[0]))),
            None => Ok(Json::Object(object)),
        }
    }
}

/// The members of an object that are not yet taken; what is left at the end is unknown.
#[derive(Debug)]
pub struct Members(Vec<(String, Json)>);

impl Members {
    /// The members of an object; `None` for any other value.
    pub fn of(value: Json) -> Option<Members> {
        match value {
            Json::Object(members) => Some(Members(members)),
            _ => None,
        }
    }

    /// Takes a member out.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// A member that nobody took.
    pub fn left_over(self) -> Option<String> {
        self.0.into_iter().next().map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_once() {
        assert!(parse(br#"{"a":1,"b":{"a":2}}"#, 4).is_ok());
        let error = parse(br#"{"a":{"b":1,"c":2,"b":3}}"#, 4).expect_err("b stands twice");
        assert!(error.contains("duplicate element b"), "{error}");
        assert!(parse(br#"{"a":1,"\u0061":2}"#, 4).is_err());
    }

    #[test]
    fn nesting_has_a_bound() {
        assert!(parse(b"[[[]]]", 3).is_ok());
        assert!(parse(b"[[[[]]]]", 3).is_err());
        assert!(parse("[".repeat(100_000).as_bytes(), 3).is_err());
    }

    #[test]
    fn what_follows_the_document_is_refused() {
        assert!(parse(b"{} ", 3).is_ok());
        assert!(parse(b"{} {}", 3).is_err());
        assert!(parse(b"", 3).is_err());
        assert!(parse(b"\xff", 3).is_err());
    }

    #[test]
    fn compact_len_counts_no_blanks() {
        let tree = parse(br#" { "a" : [ 1 , true , null ] , "b" : "x" } "#, 3).expect("it is JSON");
        // Each list and object counts one comma more than it has.
        assert_eq!(tree.compact_len(), r#"{"a":[1,true,null],"b":"x"}"#.len() + 2);
    }
}
