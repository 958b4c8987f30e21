//! Who asks, and whom a bucket's policy names.
//!
//! - P1: an account that is named stands for its root, and for its users as far as the account
//!   gives them the permission (`Named::Account`); it never gives anything to a user by itself.
//! - P2: whoever is named without wildcard is compared byte by byte; the only wildcard is `*`
//!   alone.

use crate::error::PolicyError;
use crate::json::{Json, Members};
use crate::list;
use crate::operator::Sense;

/// Most principals in a statement.
pub(crate) const PRINCIPALS_MAX: usize = 500;
const PRINCIPAL_LEN_MAX: usize = 2048;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody that we know.
    Anonymous,
    /// Somebody whose signature was verified.
    User(Identity),
}

/// A user whose signature was verified, or a session of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Account, 12 digits.
    pub account: String,
    /// Name of the caller: `arn:aws:iam::123456789012:user/bob`, or that of the session,
    /// `arn:aws:sts::123456789012:assumed-role/..`.
    pub arn: String,
    /// Canonical id, as ACLs and the principal `CanonicalUser` have it.
    pub canonical_id: String,
    /// What `${aws:username}` stands for.
    pub user_name: String,
    /// For a session: name of the user or role that it is a session of.
    pub session_of: Option<String>,
    /// Whether the caller is the root of its account.
    pub standing: Standing,
}

/// A caller's place in its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// May what policies allow.
    Member,
    /// May everything in its account.
    Root,
}

/// How a policy names a caller; later ones are stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Not,
    /// Through its account (P1).
    Account,
    Direct,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Everyone,
    Account(String),
    Arn(String),
    Canonical(String),
    /// A service or an identity provider: nobody who comes here is one.
    Foreign,
}

/// `Principal`, or `NotPrincipal` of a statement that denies.
#[derive(Clone, Debug)]
pub(crate) struct Principals {
    sense: Sense,
    entries: Vec<Entry>,
}

impl Principals {
    /// Reads the element's value.
    ///
    /// # Errors
    /// [`PolicyError::Principal`] and those of lists.
    pub(crate) fn new(sense: Sense, value: Json) -> Result<Principals, PolicyError> {
        Ok(Principals { sense, entries: entries(value)? })
    }

    /// How the statement names a caller. With `NotPrincipal` an account that is listed exempts its
    /// root only; its users have to be listed themselves, as on AWS.
    pub(crate) fn name(&self, principal: &Principal) -> Named {
        let found = self.entries.iter().map(|entry| entry.name(principal)).max();
        match (self.sense, found.unwrap_or(Named::Not)) {
            (Sense::Plain, named) => named,
            (Sense::Negated, Named::Direct) => Named::Not,
            (Sense::Negated, Named::Account | Named::Not) => Named::Direct,
        }
    }

    /// Whether it names everybody, or everybody but a few.
    pub(crate) fn has_everyone(&self) -> bool {
        self.sense == Sense::Negated || self.entries.contains(&Entry::Everyone)
    }
}

impl Entry {
    fn name(&self, principal: &Principal) -> Named {
        let Principal::User(user) = principal else {
            return if *self == Entry::Everyone { Named::Direct } else { Named::Not };
        };
        let is_direct = match self {
            Entry::Everyone => true,
            Entry::Foreign => false,
            Entry::Canonical(id) => *id == user.canonical_id,
            Entry::Arn(arn) => *arn == user.arn || user.session_of.as_ref() == Some(arn),
            Entry::Account(account) => {
                if *account == user.account && user.standing == Standing::Member {
                    return Named::Account;
                }
                *account == user.account
            }
        };
        if is_direct { Named::Direct } else { Named::Not }
    }
}

fn entries(value: Json) -> Result<Vec<Entry>, PolicyError> {
    if let Json::Text(text) = &value {
        let is_everyone = text == "*";
        let invalid = || PolicyError::Principal(text.clone());
        return if is_everyone { Ok(vec![Entry::Everyone]) } else { Err(invalid()) };
    }
    let mut members = Members::of(value).ok_or(PolicyError::Type("Principal"))?;
    let mut found = Vec::new();
    for (name, read) in KINDS {
        let Some(value) = members.take(name) else { continue };
        for text in list::texts(value, "Principal", PRINCIPALS_MAX)? {
            let entry = read(&text).filter(|_| text.len() <= PRINCIPAL_LEN_MAX);
            found.push(entry.ok_or(PolicyError::Principal(text))?);
        }
    }
    if let Some(name) = members.left_over() {
        return Err(PolicyError::Unknown(name));
    }
    match found.len() {
        0 => Err(PolicyError::Missing("Principal")),
        1..=PRINCIPALS_MAX => Ok(found),
        _ => Err(PolicyError::TooMany { what: "principals in a statement", max: PRINCIPALS_MAX }),
    }
}

/// Reads one principal of a kind.
type Read = fn(&str) -> Option<Entry>;
const KINDS: [(&str, Read); 4] = [
    ("AWS", aws),
    ("CanonicalUser", |text| literal(text).map(|()| Entry::Canonical(text.to_owned()))),
    ("Federated", |text| literal(text).map(|()| Entry::Foreign)),
    ("Service", |text| literal(text).map(|()| Entry::Foreign)),
];

fn literal(text: &str) -> Option<()> {
    let is_literal = !text.is_empty() && !text.contains(['*', '?']) && !text.contains("${");
    is_literal.then_some(())
}

/// `*`, an account, or the name of an account, a user, a role or a session.
fn aws(text: &str) -> Option<Entry> {
    if text == "*" {
        return Some(Entry::Everyone);
    }
    literal(text)?;
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Entry::Account(text.to_owned()));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [scheme, partition, service, region, account, resource] = parts[..] else { return None };
    let is_account = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_name = scheme == "arn"
        && !partition.is_empty()
        && region.is_empty()
        && !account.is_empty()
        && account.bytes().all(is_account);
    let kinds: &[&str] = match service {
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return None,
    };
    let is_kind = |kind: &&str| resource.strip_prefix(*kind).is_some_and(|name| !name.is_empty());
    if !is_name {
        return None;
    }
    if service == "iam" && resource == "root" {
        return Some(Entry::Account(account.to_owned()));
    }
    kinds.iter().any(is_kind).then(|| Entry::Arn(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<Principals, PolicyError> {
        Principals::new(
            Sense::Plain,
            crate::json::parse(document.as_bytes(), 4).expect("the test writes JSON"),
        )
    }

    fn user(standing: Standing) -> Principal {
        Principal::User(Identity {
            account: "111122223333".to_owned(),
            arn: "arn:aws:sts::111122223333:assumed-role/r/s".to_owned(),
            canonical_id: "c1".to_owned(),
            user_name: "bob".to_owned(),
            session_of: Some("arn:aws:iam::111122223333:user/bob".to_owned()),
            standing,
        })
    }

    #[test]
    fn callers_are_named_in_every_form() {
        let check = |document: &str, expected: Named| {
            let principals = read(document).expect(document);
            assert_eq!(principals.name(&user(Standing::Member)), expected, "{document}");
        };
        check(r#""*""#, Named::Direct);
        check(r#"{"AWS":"*"}"#, Named::Direct);
        check(r#"{"AWS":["arn:aws:iam::111122223333:user/bob"]}"#, Named::Direct);
        check(r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#, Named::Direct);
        check(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, Named::Account);
        check(r#"{"AWS":"111122223333"}"#, Named::Account);
        check(r#"{"CanonicalUser":"c1"}"#, Named::Direct);
        check(r#"{"AWS":"arn:aws:iam::111122223333:user/Bob"}"#, Named::Not);
        check(r#"{"AWS":"444455556666","CanonicalUser":"c2"}"#, Named::Not);
        check(r#"{"Service":"s3.amazonaws.com","Federated":"accounts.google.com"}"#, Named::Not);
        let account = read(r#"{"AWS":"111122223333"}"#).expect("an account");
        assert_eq!(account.name(&user(Standing::Root)), Named::Direct);
        assert_eq!(account.name(&Principal::Anonymous), Named::Not);
    }

    #[test]
    fn nobody_else_can_be_named() {
        for document in [
            r#""bob""#,
            r#""""#,
            "{}",
            "[]",
            r#"["*"]"#,
            r#"{"AWS":[]}"#,
            r#"{"aws":"*"}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:user/*"}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:group/g"}"#,
            r#"{"AWS":"arn:aws:iam:::user/bob"}"#,
            r#"{"AWS":"arn:aws:s3:::b"}"#,
            r#"{"AWS":"bob"}"#,
            r#"{"CanonicalUser":"*"}"#,
            r#"{"AWS":"*","AWS2":"*"}"#,
        ] {
            assert!(read(document).is_err(), "{document}");
        }
    }

    #[test]
    fn not_principal_exempts_roots_by_account_and_users_by_name() {
        let tree =
            crate::json::parse(br#"{"AWS":"111122223333"}"#, 4).expect("the test writes JSON");
        let others = Principals::new(Sense::Negated, tree).expect("an account");
        assert_eq!(others.name(&user(Standing::Root)), Named::Not);
        assert_eq!(others.name(&user(Standing::Member)), Named::Direct);
        assert_eq!(others.name(&Principal::Anonymous), Named::Direct);
    }
}
