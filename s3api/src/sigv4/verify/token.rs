//! Where the token of a session stands in a request: in one place, signed with the rest.
//!
//! - V7: a request that is signed in its header has it in the header `x-amz-security-token`, a link
//!   in the parameter `X-Amz-Security-Token`; elsewhere, twice, or written otherwise it is refused
//!   and never lost: without it the request would be somebody else's.

use super::{Mechanism, single_header};
use crate::error::{S3Error, S3Result, codes};
use crate::request::RequestHead;

const HEADER: &str = "x-amz-security-token";
const PARAMETER: &str = "X-Amz-Security-Token";

fn invalid() -> S3Error {
    (&codes::INVALID_TOKEN).into()
}

/// The token of a request, where it has one.
///
/// # Errors
/// `InvalidToken` (V7).
pub(super) fn of(head: &RequestHead, mechanism: Mechanism) -> S3Result<Option<&str>> {
    match mechanism {
        Mechanism::Query => {
            if head.headers.contains_key(HEADER) || parameters(head) > 1 {
                return Err(invalid());
            }
            match head.query.get(PARAMETER) {
                None if parameters(head) > 0 => Err(invalid()),
                token => Ok(token),
            }
        }
        _ if parameters(head) > 0 => Err(invalid()),
        _ => single_header(head, HEADER),
    }
}

/// Refuses a token where none can be.
///
/// # Errors
/// `InvalidToken`.
pub(super) fn refuse(head: &RequestHead) -> S3Result<()> {
    let has_token = head.headers.contains_key(HEADER) || parameters(head) > 0;
    if has_token { Err(invalid()) } else { Ok(()) }
}

/// Whether a request has a token, in whatever place.
pub fn is_there(head: &RequestHead) -> bool {
    head.headers.contains_key(HEADER) || parameters(head) > 0
}

/// Parameters that are tokens, in any case of their letters.
fn parameters(head: &RequestHead) -> usize {
    head.query.names().filter(|name| name.eq_ignore_ascii_case(PARAMETER)).count()
}
