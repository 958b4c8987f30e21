//! When a statement that allows is public (S3 User Guide, "The meaning of public").
//!
//! A statement for everybody is public unless a condition holds the caller to fixed values: texts
//! without wildcard and without variable, or networks that are not too wide. What AWS leaves open
//! is decided towards public.

use crate::context::Key;
use crate::operator::{Family, Operator, Quantifier, Sense, WhenAbsent};
use crate::value::Network;

/// A shorter prefix of IPv4 is everybody.
const IPV4_PREFIX_LEN_MIN: u32 = 8;
/// A shorter prefix of IPv6 is everybody.
const IPV6_PREFIX_LEN_MIN: u32 = 32;

/// Keys that say who the caller is or where it comes from, and that it does not choose. Those of
/// AWS's list, and the two that name a principal and its account.
const FIXING_KEYS: [&str; 11] = [
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:sourceaccount",
    "aws:userid",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:dataaccesspointaccount",
];
const ACCESS_POINT_KEY: &str = "s3:dataaccesspointarn";
const ADDRESS_KEY: &str = "aws:sourceip";

/// Whether a condition narrows everybody to somebody.
pub(crate) fn narrows(operator: Operator, key: &Key, values: &[String]) -> bool {
    // An absent key would satisfy these.
    let is_strict = operator.sense == Sense::Plain
        && operator.quantifier != Quantifier::All
        && operator.when_absent == WhenAbsent::Compares;
    if !is_strict {
        return false;
    }
    match operator.family {
        Family::Address => key.as_str() == ADDRESS_KEY && values.iter().all(|it| is_narrow(it)),
        Family::Text | Family::FoldedText | Family::Like | Family::Arn => {
            if key.as_str() == ACCESS_POINT_KEY {
                return values.iter().all(|value| is_access_point(value));
            }
            FIXING_KEYS.contains(&key.as_str()) && values.iter().all(|value| is_fixed(value))
        }
        _ => false,
    }
}

fn is_fixed(value: &str) -> bool {
    !value.is_empty() && !value.contains(['*', '?']) && !value.contains("${")
}

fn is_narrow(value: &str) -> bool {
    match Network::parse(value) {
        Some(Network::V4 { prefix_len, .. }) => prefix_len >= IPV4_PREFIX_LEN_MIN,
        Some(Network::V6 { prefix_len, .. }) => prefix_len >= IPV6_PREFIX_LEN_MIN,
        None => false,
    }
}

/// The access point's own name may be a wildcard as long as its account is fixed.
fn is_access_point(value: &str) -> bool {
    let account = value.split(':').nth(4);
    account.is_some_and(is_fixed) && !value.contains("${")
}
