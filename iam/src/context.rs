//! The condition keys of a request: what the server says about it, and nothing that a client said.
//!
//! - K1: only the server puts keys in, by name, one after another; no header or query parameter
//!   ever becomes a key because of its name.
//! - K2: names compare without regard to case up to the first `/` and with regard to it behind,
//!   where a tag's name stands (`s3:ExistingObjectTag/Team`).
//! - K3: a key without values is absent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::principal::{Principal, Standing};

/// Name of a condition key in the form that compares (K2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// The name of a key; `None` without its service, or with blanks or quotes.
    pub(crate) fn parse(name: &str) -> Option<Key> {
        let is_strange = |character: char| {
            character.is_whitespace() || character.is_control() || "'{}$*?".contains(character)
        };
        let (service, rest) = name.split_once(':')?;
        // What follows the slash is a tag's name, in which blanks are legal.
        let head = name.split('/').next().unwrap_or(name);
        let is_legal = !service.is_empty() && !rest.is_empty() && !head.contains(is_strange);
        is_legal.then(|| Key(folded(name).into_owned()))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name in the form that compares (K2).
fn folded(name: &str) -> Cow<'_, str> {
    let (head, tail) = name.split_at(name.find('/').unwrap_or(name.len()));
    if head.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(head.to_ascii_lowercase() + tail)
    } else {
        Cow::Borrowed(name)
    }
}

/// Condition keys and their values. The server bounds their number and length, as it bounds the
/// headers and tags that some of them are read from.
#[derive(Clone, Debug, Default)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// No keys.
    pub fn new() -> Context {
        Context::default()
    }

    /// The keys that depend on the caller alone: `aws:PrincipalType`, `aws:userid`,
    /// `aws:PrincipalArn`, `aws:PrincipalAccount`, and `aws:username` for whoever has a name.
    pub fn of(principal: &Principal) -> Context {
        let mut context = Context::new();
        match principal {
            Principal::Anonymous => {
                context.insert("aws:PrincipalType", "Anonymous");
                context.insert("aws:userid", "anonymous");
            }
            Principal::User(user) => {
                let (kind, id) = match (user.standing, &user.session_of) {
                    (Standing::Root, _) => ("Account", &user.account),
                    (Standing::Member, None) => ("User", &user.canonical_id),
                    (Standing::Member, Some(_)) => ("AssumedRole", &user.canonical_id),
                };
                context.insert("aws:PrincipalType", kind);
                context.insert("aws:userid", id.as_str());
                let arn = user.session_of.as_ref().unwrap_or(&user.arn);
                context.insert("aws:PrincipalArn", arn.as_str());
                context.insert("aws:PrincipalAccount", user.account.as_str());
                if user.standing == Standing::Member {
                    context.insert("aws:username", user.user_name.as_str());
                }
            }
        }
        context
    }

    /// Gives a key its one value, in place of any that it had.
    pub fn insert(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(folded(key).into_owned(), vec![value.into()]);
    }

    /// Gives a key its values, in place of any that it had; none make it absent (K3).
    pub fn insert_all(&mut self, key: &str, values: Vec<String>) {
        self.values.insert(folded(key).into_owned(), values);
    }

    /// The values of a key; empty if it is absent.
    pub fn values(&self, key: &str) -> &[String] {
        self.values.get(folded(key).as_ref()).map_or(&[], Vec::as_slice)
    }

    /// The values of a key whose name has its form already.
    pub(crate) fn values_of(&self, key: &Key) -> &[String] {
        self.values.get(key.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What a policy variable stands for: the key's value, if it has exactly one.
    pub(crate) fn variable(&self, key: &Key) -> Option<&str> {
        match self.values_of(key) {
            [value] => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_k2_says() {
        let mut context = Context::new();
        context.insert("s3:Prefix", "a");
        context.insert("s3:ExistingObjectTag/Team", "red");
        assert_eq!(context.values("S3:prefix"), ["a"]);
        assert_eq!(context.values("s3:existingobjecttag/Team"), ["red"]);
        assert!(context.values("s3:ExistingObjectTag/team").is_empty());
    }

    #[test]
    fn key_without_values_is_absent() {
        let mut context = Context::new();
        context.insert("aws:TagKeys", "a");
        context.insert_all("aws:TagKeys", Vec::new());
        assert!(context.values("aws:tagkeys").is_empty());
    }

    #[test]
    fn names_of_keys_have_a_service() {
        for name in ["aws:SourceIp", "s3:x-amz-acl", "s3:ExistingObjectTag/a b", "jwt:sub"] {
            assert!(Key::parse(name).is_some(), "{name}");
        }
        for name in ["", "SourceIp", ":a", "aws:", "aws:a b", "aws:${a}", "aws:*"] {
            assert!(Key::parse(name).is_none(), "{name}");
        }
    }
}
