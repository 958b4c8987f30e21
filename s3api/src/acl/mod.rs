//! Access control lists (S3 API reference, "Access control list (ACL) overview"): who may do what
//! with one bucket or one object, as grants.
//!
//! - C1: a list that cannot be read grants nothing.
//! - C2: where the bucket's owner is enforced as the owner of everything, no list counts.

mod headers;
mod xml;

pub use headers::{canned_of, of_headers};
pub use xml::{parse_document, write_document};

use crate::error::{S3Error, S3Result, codes};

/// Grants of one list.
pub const GRANTS_MAX: usize = 100;

/// Everybody.
pub const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
/// Everybody with an account.
pub const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
/// Whoever writes access logs.
pub const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// Who is granted something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// An account, by its canonical id.
    Canonical(String),
    /// A group, by its URI; one of the three that there are.
    Group(&'static str),
}

/// What is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Everything below.
    FullControl,
    /// List a bucket; read an object.
    Read,
    /// Write objects of a bucket.
    Write,
    /// Read the list.
    ReadAcp,
    /// Write the list.
    WriteAcp,
}

impl Permission {
    const ALL: [(Self, &'static str); 5] = [
        (Self::FullControl, "FULL_CONTROL"),
        (Self::Read, "READ"),
        (Self::Write, "WRITE"),
        (Self::ReadAcp, "READ_ACP"),
        (Self::WriteAcp, "WRITE_ACP"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The permission of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(permission, _)| *permission)
    }

    /// Whether whoever has this one may do what needs `wanted`.
    fn covers(self, wanted: Self) -> bool {
        self == Self::FullControl || self == wanted
    }
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Canonical id of who owns what the list is about.
    pub owner: String,
    /// The grants, in the order in which they came.
    pub grants: Vec<Grant>,
}

/// Who asks, as far as lists know.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// Nobody that is known.
    Anonymous,
    /// An account, by its canonical id.
    Account(&'a str),
}

/// Lists that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canned {
    /// The owner everything.
    Private,
    /// Everybody reads.
    PublicRead,
    /// Everybody reads and writes.
    PublicReadWrite,
    /// Everybody with an account reads.
    AuthenticatedRead,
    /// The bucket's owner reads.
    BucketOwnerRead,
    /// The bucket's owner everything, too.
    BucketOwnerFullControl,
    /// The log delivery writes and reads the list.
    LogDeliveryWrite,
    /// As private: what else AWS grants is to a service that is not here.
    AwsExecRead,
}

impl Canned {
    /// The list of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            "bucket-owner-read" => Self::BucketOwnerRead,
            "bucket-owner-full-control" => Self::BucketOwnerFullControl,
            "log-delivery-write" => Self::LogDeliveryWrite,
            "aws-exec-read" => Self::AwsExecRead,
            _ => return None,
        })
    }

    /// The grants that it stands for.
    pub fn acl(self, owner: &str, bucket_owner: &str) -> Acl {
        use Permission::{FullControl, Read, ReadAcp, Write};
        let mut grants = Vec::new();
        let mut grant = |grantee, permission| grants.push(Grant { grantee, permission });
        let account = || Grantee::Canonical(bucket_owner.to_owned());
        match self {
            Self::Private | Self::AwsExecRead => {}
            Self::PublicRead => grant(Grantee::Group(ALL_USERS), Read),
            Self::PublicReadWrite => {
                grant(Grantee::Group(ALL_USERS), Read);
                grant(Grantee::Group(ALL_USERS), Write);
            }
            Self::AuthenticatedRead => grant(Grantee::Group(AUTHENTICATED_USERS), Read),
            Self::BucketOwnerRead if owner != bucket_owner => grant(account(), Read),
            Self::BucketOwnerFullControl if owner != bucket_owner => grant(account(), FullControl),
            Self::BucketOwnerRead | Self::BucketOwnerFullControl => {}
            Self::LogDeliveryWrite => {
                grant(Grantee::Group(LOG_DELIVERY), Write);
                grant(Grantee::Group(LOG_DELIVERY), ReadAcp);
            }
        }
        // Groups first, the owner last: the order in which other stores tell them, too.
        grants.extend(Acl::private(owner).grants);
        Acl { owner: owner.to_owned(), grants }
    }
}

impl Acl {
    /// The owner everything, nobody else anything.
    pub fn private(owner: &str) -> Self {
        let grantee = Grantee::Canonical(owner.to_owned());
        let grants = vec![Grant { grantee, permission: Permission::FullControl }];
        Self { owner: owner.to_owned(), grants }
    }

    /// Whether it grants something to whoever asks; grants to groups of everybody count only where
    /// public ones do.
    pub fn grants(&self, asker: Asker<'_>, wanted: Permission, public: PublicGrants) -> bool {
        self.grants.iter().filter(|grant| grant.permission.covers(wanted)).any(|grant| {
            match (&grant.grantee, asker) {
                (Grantee::Canonical(id), Asker::Account(asker)) => id == asker,
                (Grantee::Canonical(_), Asker::Anonymous) => false,
                (Grantee::Group(_), _) if public == PublicGrants::Ignored => false,
                (Grantee::Group(ALL_USERS), _) => true,
                (Grantee::Group(AUTHENTICATED_USERS), Asker::Account(_)) => true,
                (Grantee::Group(_), _) => false,
            }
        })
    }

    /// Whether it grants anything to everybody, or to everybody with an account.
    pub fn is_public(&self) -> bool {
        let is_public = |grant: &Grant| match grant.grantee {
            Grantee::Group(uri) => uri != LOG_DELIVERY,
            Grantee::Canonical(_) => false,
        };
        self.grants.iter().any(is_public)
    }

    /// As one line of text, for the store: the owner, then each grant as permission and grantee.
    pub fn to_note(&self) -> String {
        let mut note = self.owner.clone();
        for Grant { grantee, permission } in &self.grants {
            let grantee = match grantee {
                Grantee::Canonical(id) => format!("id={id}"),
                Grantee::Group(uri) => format!("uri={uri}"),
            };
            note.push('\n');
            note.push_str(permission.name());
            note.push(' ');
            note.push_str(&grantee);
        }
        note
    }

    /// Reads what [`Self::to_note`] wrote.
    ///
    /// # Errors
    /// `InternalError` (C1).
    pub fn from_note(note: &str) -> S3Result<Self> {
        let damaged = || S3Error::from(&codes::INTERNAL_ERROR);
        let mut lines = note.split('\n');
        let owner = lines.next().ok_or_else(damaged)?.to_owned();
        let grant = |line: &str| {
            let (permission, grantee) = line.split_once(' ')?;
            let grantee = match grantee.split_once('=')? {
                ("id", id) => Grantee::Canonical(id.to_owned()),
                ("uri", uri) => Grantee::Group(group_named(uri)?),
                _ => return None,
            };
            Some(Grant { grantee, permission: Permission::named(permission)? })
        };
        let grants = lines.map(|line| grant(line).ok_or_else(damaged)).collect::<S3Result<_>>()?;
        Ok(Self { owner, grants })
    }
}

/// Whether grants to everybody count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicGrants {
    /// They do.
    Counted,
    /// The bucket ignores them.
    Ignored,
}

/// The group of a URI.
fn group_named(uri: &str) -> Option<&'static str> {
    [ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY].into_iter().find(|known| *known == uri)
}

/// Who is known by which name.
pub trait Accounts {
    /// Display name of an account; `None` where there is no such account.
    fn display_name(&self, canonical_id: &str) -> Option<String>;
    /// Canonical id of the account with an e-mail address.
    fn by_email(&self, email: &str) -> Option<String>;
}

/// Resolves an account that a grant names by its id.
fn account_with_id(accounts: &dyn Accounts, id: &str) -> S3Result<Grantee> {
    match accounts.display_name(id) {
        Some(_) => Ok(Grantee::Canonical(id.to_owned())),
        None => Err(S3Error::new(&codes::INVALID_ARGUMENT, "Invalid id")
            .with("ArgumentName", "CanonicalUser/ID")
            .with("ArgumentValue", id)),
    }
}

fn account_with_email(accounts: &dyn Accounts, email: &str) -> S3Result<Grantee> {
    let id = accounts.by_email(email).ok_or(&codes::UNRESOLVABLE_GRANT)?;
    Ok(Grantee::Canonical(id))
}

fn group(uri: &str) -> S3Result<Grantee> {
    group_named(uri).map(Grantee::Group).ok_or_else(|| {
        S3Error::new(&codes::INVALID_ARGUMENT, "Invalid group uri")
            .with("ArgumentName", "uri")
            .with("ArgumentValue", uri)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back() {
        for canned in [Canned::Private, Canned::PublicReadWrite, Canned::BucketOwnerRead] {
            let acl = canned.acl("me", "you");
            assert_eq!(Acl::from_note(&acl.to_note()).unwrap(), acl);
        }
        for note in ["me\n", "me\nREAD", "me\nREAD id", "me\nREAD uri=http://x", "me\nX id=a"] {
            assert!(Acl::from_note(note).is_err(), "{note}");
        }
    }

    #[test]
    fn grants_reach_whom_they_name() {
        let check = |canned: Canned, asker, wanted, expected| {
            let acl = canned.acl("me", "you");
            assert_eq!(acl.grants(asker, wanted, PublicGrants::Counted), expected, "{canned:?}");
        };
        use Permission::{Read, ReadAcp, Write, WriteAcp};
        check(Canned::Private, Asker::Account("me"), WriteAcp, true);
        check(Canned::Private, Asker::Account("other"), Read, false);
        check(Canned::Private, Asker::Anonymous, Read, false);
        check(Canned::PublicRead, Asker::Anonymous, Read, true);
        check(Canned::PublicRead, Asker::Anonymous, Write, false);
        check(Canned::PublicReadWrite, Asker::Account("other"), Write, true);
        check(Canned::AuthenticatedRead, Asker::Anonymous, Read, false);
        check(Canned::AuthenticatedRead, Asker::Account("other"), Read, true);
        check(Canned::BucketOwnerRead, Asker::Account("you"), Read, true);
        check(Canned::BucketOwnerRead, Asker::Account("you"), ReadAcp, false);
        check(Canned::BucketOwnerFullControl, Asker::Account("you"), ReadAcp, true);
    }

    #[test]
    fn public_grants_can_be_ignored() {
        let acl = Canned::PublicRead.acl("me", "me");
        assert!(acl.is_public());
        assert!(!acl.grants(Asker::Anonymous, Permission::Read, PublicGrants::Ignored));
        assert!(acl.grants(Asker::Account("me"), Permission::Read, PublicGrants::Ignored));
        assert!(!Canned::LogDeliveryWrite.acl("me", "me").is_public());
    }
}
