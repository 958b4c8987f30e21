//! The condition keys of S3 that requests can have here (Service Authorization Reference, "Actions,
//! resources, and condition keys for Amazon S3"). Those of other services are not checked.

/// Keys whose name is followed by that of a tag.
const OF_TAGS: [&str; 2] = ["s3:existingobjecttag/", "s3:requestobjecttag/"];

/// All others, in the form that compares.
pub const S3_KEYS: [&str; 32] = [
    "s3:authtype",
    "s3:delimiter",
    "s3:if-match",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-retain-until-date",
    "s3:objectcreationoperation",
    "s3:prefix",
    "s3:requestobjecttagkeys",
    "s3:signatureversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
    // Ones that AWS has, that no request has here, and whose absence says something true.
    "s3:accesspointnetworkorigin",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Whether a condition on a key can be judged.
pub(crate) fn is_known(key: &str) -> bool {
    !key.starts_with("s3:")
        || S3_KEYS.contains(&key)
        || OF_TAGS.iter().any(|begin| key.strip_prefix(begin).is_some_and(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_s3_are_known_by_name_and_those_of_tags_by_their_beginning() {
        for known in ["s3:prefix", "s3:existingobjecttag/Team", "aws:PrincipalOrgID"] {
            assert!(is_known(known), "{known}");
        }
        for unknown in ["s3:tlsversion", "s3:prefixes", "s3:existingobjecttag/", "s3:"] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
