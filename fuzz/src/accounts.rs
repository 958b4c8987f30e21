//! Accounts, where lists of grants name somebody.

use s3api::acl::Accounts;

/// Everybody is known.
pub struct Everybody;

impl Accounts for Everybody {
    fn display_name(&self, canonical_id: &str) -> Option<String> {
        Some(canonical_id.to_owned())
    }

    fn by_email(&self, email: &str) -> Option<String> {
        Some(email.to_owned())
    }
}
