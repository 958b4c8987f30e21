//! Resources of a statement.

use crate::action::Level;
use crate::arn::{self, ArnPattern};
use crate::context::Context;
use crate::error::PolicyError;
use crate::operator::Sense;
use crate::template::{self, Piece, Variables, Wildcards};

/// Most resources in a statement.
pub(crate) const RESOURCES_MAX: usize = 500;

/// `Resource` or `NotResource`.
#[derive(Clone, Debug)]
pub(crate) struct Resources {
    sense: Sense,
    patterns: Vec<ArnPattern>,
}

impl Resources {
    /// Whatever the resource is; for actions that have none.
    pub(crate) fn every() -> Resources {
        Resources { sense: Sense::Plain, patterns: vec![ArnPattern::Every] }
    }

    /// Compiles the element's texts.
    ///
    /// # Errors
    /// [`PolicyError::Resource`], [`PolicyError::Variable`], [`PolicyError::TooMany`].
    pub(crate) fn new(
        sense: Sense,
        texts: &[String],
        variables: Variables,
    ) -> Result<Resources, PolicyError> {
        let read = |text: &String| {
            let invalid = || PolicyError::Resource(text.clone());
            let pattern = ArnPattern::parse(text, variables)?.ok_or_else(invalid)?;
            if is_name(text, &pattern) { Ok(pattern) } else { Err(invalid()) }
        };
        let patterns = texts.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Resources { sense, patterns })
    }

    /// Whether a resource is meant. A variable without value never makes it so.
    pub(crate) fn matches(&self, name: &str, context: &Context) -> bool {
        let mut found = self.patterns.iter().map(|pattern| pattern.matches(name, context));
        match self.sense {
            Sense::Plain => found.any(|found| found == Some(true)),
            Sense::Negated => found.all(|found| found == Some(false)),
        }
    }
}

/// Whether a pattern is `*` or a name `arn:..` whose variables stand in its last part.
fn is_name(text: &str, pattern: &ArnPattern) -> bool {
    match pattern {
        ArnPattern::Every => true,
        ArnPattern::Whole(_) => false,
        ArnPattern::Parts(parts) => {
            let head = parts.get(..5).unwrap_or_default();
            text.starts_with("arn:") && !head.iter().any(|part| part.has_variables())
        }
    }
}

/// What a resource of a bucket's policy can mean: the bucket, objects in it, or both; nothing if it
/// is of another bucket.
///
/// # Errors
/// [`PolicyError::Variable`], [`PolicyError::TooMany`].
pub(crate) fn levels(
    text: &str,
    bucket: &str,
    variables: Variables,
) -> Result<Vec<Level>, PolicyError> {
    let pieces = template::pieces(text, variables, Wildcards::Match)?;
    let parts = arn::split(&pieces);
    let [_, _, service, _, _, resource] = parts.as_slice() else { return Ok(Vec::new()) };
    let is_s3 = reach(service, "s3") == Reach::Whole;
    let mut levels = Vec::new();
    if is_s3 && reach(resource, bucket) == Reach::Whole {
        levels.push(Level::Bucket);
    }
    if is_s3 && reach(resource, &format!("{bucket}/")) != Reach::Apart {
        levels.push(Level::Object);
    }
    Ok(levels)
}

/// How far a pattern goes along with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// It cannot match anything that begins with the text.
    Apart,
    /// It can match something that begins with the text, but not the text itself.
    Begins,
    /// It can match the text.
    Whole,
}

/// Compares with variables as if they were stars. A star is never given back: whatever follows it,
/// something that begins with the text can match, and only the text itself needs a second look.
fn reach(pieces: &[Piece], text: &str) -> Reach {
    let mut rest = text;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Any | Piece::Variable { .. } => {
                return if could_be(&pieces[index..], rest) { Reach::Whole } else { Reach::Begins };
            }
            Piece::One => match rest.chars().next() {
                Some(character) => rest = &rest[character.len_utf8()..],
                None => return Reach::Begins,
            },
            Piece::Text(wanted) => match rest.strip_prefix(wanted.as_str()) {
                Some(after) => rest = after,
                None if wanted.starts_with(rest) => return Reach::Begins,
                None => return Reach::Apart,
            },
        }
    }
    if rest.is_empty() { Reach::Whole } else { Reach::Apart }
}

/// Whether pieces with variables as stars match a text.
fn could_be(pieces: &[Piece], text: &str) -> bool {
    let mut builder = crate::glob::GlobBuilder::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => builder.text(text),
            Piece::One => builder.one(),
            Piece::Any | Piece::Variable { .. } => builder.any(),
        }
    }
    builder.finish().matches(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_of_a_bucket_have_levels() {
        let check = |text: &str, expected: &[Level]| {
            let found = levels(text, "b-1", Variables::Replaced);
            assert_eq!(found.as_deref(), Ok(expected), "{text}");
        };
        check("arn:aws:s3:::b-1", &[Level::Bucket]);
        check("arn:aws:s3:::b-1/*", &[Level::Object]);
        check("arn:aws:s3:::b-1/a/${aws:username}/*", &[Level::Object]);
        check("arn:aws:s3:::b-1*", &[Level::Bucket, Level::Object]);
        check("arn:aws:s3:::*", &[Level::Bucket, Level::Object]);
        check("arn:aws:s3:::*/*", &[Level::Object]);
        check("arn:aws:s3:::b-?", &[Level::Bucket]);
        check("arn:aws:s3:::b-?/x", &[Level::Object]);
        check("arn:aws:s3:::b-1/", &[Level::Object]);
        check("arn:aws:s3:::b-2", &[]);
        check("arn:aws:s3:::b-1x", &[]);
        check("arn:aws:s3:::b", &[]);
        check("arn:aws:s3:::b-11/*", &[]);
        check("arn:aws:kms:::b-1", &[]);
        check("*", &[]);
    }

    #[test]
    fn names_of_resources_are_checked() {
        let check = |text: &str, is_legal: bool| {
            let found = Resources::new(Sense::Plain, &[text.to_owned()], Variables::Replaced);
            assert_eq!(found.is_ok(), is_legal, "{text}");
        };
        check("*", true);
        check("arn:aws:s3:::b/*", true);
        check("arn:aws:kms:::key", true);
        check("arn:minio:s3:::b", true);
        check("arn:aws:s3:::${aws:username}/*", true);
        check("arn:aws:s3::${aws:PrincipalAccount}:b", false);
        check("${aws:PrincipalArn}", false);
        check("arn:aws:s3:*", false);
        check("b/*", false);
        check("", false);
    }

    #[test]
    fn variable_without_value_never_makes_a_resource_match() {
        let context = Context::new();
        let texts = ["arn:aws:s3:::${aws:username}/*".to_owned()];
        for sense in [Sense::Plain, Sense::Negated] {
            let resources = Resources::new(sense, &texts, Variables::Replaced).expect("legal");
            assert!(!resources.matches("arn:aws:s3:::b/k", &context));
        }
    }
}
