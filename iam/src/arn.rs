//! Names of resources, `arn:partition:service:region:account:resource`, with wildcards.
//!
//! - A1: the six parts compare one by one. A star never reaches over a colon, but in the last part,
//!   which has colons of its own.

use crate::context::Context;
use crate::error::PolicyError;
use crate::template::{self, Case, Pattern, Piece, Variables, Wildcards};

/// Parts of a name.
const PART_COUNT: usize = 6;

/// A pattern for names.
#[derive(Clone, Debug)]
pub(crate) enum ArnPattern {
    /// `*` alone.
    Every,
    /// Six parts (A1).
    Parts(Vec<Pattern>),
    /// Variables that stand for whole names, such as `${aws:PrincipalArn}`; no wildcards.
    Whole(Pattern),
}

impl ArnPattern {
    /// Reads a pattern; `None` if it has neither six parts nor another form.
    ///
    /// # Errors
    /// [`PolicyError::Variable`], [`PolicyError::TooMany`].
    pub(crate) fn parse(text: &str, variables: Variables) -> Result<Option<Self>, PolicyError> {
        if text == "*" {
            return Ok(Some(ArnPattern::Every));
        }
        let pieces = template::pieces(text, variables, Wildcards::Match)?;
        let has_variable = pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }));
        let has_wildcard = pieces.iter().any(|piece| matches!(piece, Piece::Any | Piece::One));
        let parts = split(&pieces);
        if parts.len() == PART_COUNT {
            let parts = parts.into_iter().map(|part| Pattern::new(part, Case::Kept)).collect();
            return Ok(Some(ArnPattern::Parts(parts)));
        }
        let is_whole = has_variable && !has_wildcard;
        Ok(is_whole.then(|| ArnPattern::Whole(Pattern::new(pieces, Case::Kept))))
    }

    /// Whether a name matches; `None` if a variable has no value.
    pub(crate) fn matches(&self, name: &str, context: &Context) -> Option<bool> {
        match self {
            ArnPattern::Every => Some(true),
            ArnPattern::Whole(pattern) => pattern.matches(name, context),
            ArnPattern::Parts(patterns) => {
                let mut found = name.splitn(PART_COUNT, ':');
                let mut is_match = true;
                for pattern in patterns {
                    let part = found.next();
                    // After a mismatch only variables still count: each must have a value.
                    if is_match || pattern.has_variables() {
                        let matches = pattern.matches(part.unwrap_or(""), context)?;
                        is_match &= matches && part.is_some();
                    }
                }
                Some(is_match)
            }
        }
    }

    /// Whether every variable has a value.
    pub(crate) fn has_meaning(&self, context: &Context) -> bool {
        self.matches("", context).is_some()
    }
}

/// Splits at the colons of the text, not at those inside variables, into at most six parts.
pub(crate) fn split(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut parts = vec![Vec::new()];
    for piece in pieces {
        let Piece::Text(text) = piece else {
            append(&mut parts, piece.clone());
            continue;
        };
        let room = PART_COUNT + 1 - parts.len();
        for (index, text) in text.splitn(room, ':').enumerate() {
            if index > 0 {
                parts.push(Vec::new());
            }
            if !text.is_empty() {
                append(&mut parts, Piece::Text(text.to_owned()));
            }
        }
    }
    parts
}

fn append(parts: &mut [Vec<Piece>], piece: Piece) {
    if let Some(part) = parts.last_mut() {
        part.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: Option<bool>) {
        let mut context = Context::new();
        context.insert("aws:username", "bob");
        context.insert("aws:PrincipalArn", "arn:aws:iam::1:user/bob");
        let compiled = ArnPattern::parse(pattern, Variables::Replaced).expect("well formed");
        let compiled = compiled.expect("a pattern for names");
        assert_eq!(compiled.matches(name, &context), expected, "{pattern} {name}");
    }

    #[test]
    fn parts_compare_one_by_one() {
        check("*", "anything", Some(true));
        check("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", Some(true));
        check("arn:aws:s3:::b*", "arn:aws:s3:::b/k", Some(true));
        check("arn:aws:s3:*:*:b", "arn:aws:s3:::b", Some(true));
        check("arn:*:*:*:*:*", "arn:aws:s3:::b/k", Some(true));
        check("arn:aws:*:::b", "arn:aws:s3:::x:::b", Some(false));
        check("arn:aws:s3:::b", "arn:aws:s3:::b/k", Some(false));
        check("arn:aws:s3:::*", "arn:aws:s3::", Some(false));
    }

    #[test]
    fn variables_stand_in_parts_or_for_the_whole() {
        check("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/k", Some(true));
        check("arn:aws:s3:::b/${aws:absent}/*", "arn:aws:s3:::b/bob/k", None);
        check("arn:aws:s3:::b/${aws:absent}/*", "arn:aws:kms:::b", None);
        check("${aws:PrincipalArn}", "arn:aws:iam::1:user/bob", Some(true));
    }

    #[test]
    fn names_have_six_parts() {
        for text in ["", "b", "arn:aws:s3:*", "arn:aws:s3::b", "${aws:PrincipalArn}*"] {
            let found = ArnPattern::parse(text, Variables::Replaced);
            assert!(matches!(found, Ok(None)), "{text}");
        }
    }
}
