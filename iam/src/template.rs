//! Texts of a policy that compare with a value: wildcards, policy variables, or neither.
//!
//! - T1: what a variable stands for is literal; a `*` in it is a star.
//! - T2: a variable without value and without default leaves the text without meaning; the caller
//!   sees that as `None`, which is neither a match nor the absence of one.

use crate::context::{Context, Key};
use crate::error::PolicyError;
use crate::glob::{Glob, GlobBuilder};

/// Longest text with wildcards or variables, in bytes; AWS bounds its names of resources so.
pub(crate) const PATTERN_LEN_MAX: usize = 2048;
/// Most variables in one text.
pub(crate) const VARIABLES_MAX: usize = 16;

/// What `${..}` means; depends on the policy's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variables {
    Replaced,
    Literal,
}

/// What `*` and `?` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Match,
    Literal,
}

/// Whether letters compare by their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Kept,
    Folded,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Any,
    One,
    Variable { key: Key, default: Option<String> },
}

/// Splits a text into its pieces.
///
/// # Errors
/// [`PolicyError::Variable`], [`PolicyError::TooMany`].
pub(crate) fn pieces(
    text: &str,
    variables: Variables,
    wildcards: Wildcards,
) -> Result<Vec<Piece>, PolicyError> {
    if text.len() > PATTERN_LEN_MAX {
        return Err(PolicyError::TooMany { what: "bytes in a value", max: PATTERN_LEN_MAX });
    }
    let mut list = Vec::new();
    let mut variable_count = 0;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if variables == Variables::Replaced && rest.starts_with("${") {
            let invalid = || PolicyError::Variable(text.to_owned());
            let (piece, after) = variable(rest).ok_or_else(invalid)?;
            variable_count += usize::from(matches!(piece, Piece::Variable { .. }));
            push(&mut list, piece);
            rest = after;
            continue;
        }
        let piece = match (wildcards, character) {
            (Wildcards::Match, '*') => Piece::Any,
            (Wildcards::Match, '?') => Piece::One,
            _ => Piece::Text(character.to_string()),
        };
        push(&mut list, piece);
        rest = &rest[character.len_utf8()..];
    }
    if variable_count > VARIABLES_MAX {
        return Err(PolicyError::TooMany { what: "variables in a value", max: VARIABLES_MAX });
    }
    Ok(list)
}

/// Appends a piece; two texts in a row become one.
fn push(list: &mut Vec<Piece>, piece: Piece) {
    match (list.last_mut(), piece) {
        (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
        (_, piece) => list.push(piece),
    }
}

/// Reads `${key}`, `${key, 'default'}`, or one of the escapes `${*}`, `${?}` and `${$}` at the
/// start of a text; also gives what follows.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let body = text.strip_prefix("${")?;
    for escape in ["*", "?", "$"] {
        if let Some(rest) = body.strip_prefix(escape).and_then(|rest| rest.strip_prefix('}')) {
            return Some((Piece::Text(escape.to_owned()), rest));
        }
    }
    let (name, rest) = body.split_at(body.find([',', '}'])?);
    let key = Key::parse(name.trim())?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((Piece::Variable { key, default: None }, rest));
    }
    let quoted = rest.strip_prefix(',')?.trim_start().strip_prefix('\'')?;
    let (default, rest) = quoted.split_once('\'')?;
    let rest = rest.trim_start().strip_prefix('}')?;
    Some((Piece::Variable { key, default: Some(default.to_owned()) }, rest))
}

/// A text that compares with values.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    case: Case,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Compiled when the policy is read.
    Fixed(Glob),
    /// Compiled for each request.
    Open(Vec<Piece>),
}

impl Pattern {
    /// Compiles pieces, as far as they do not depend on the request.
    pub(crate) fn new(pieces: Vec<Piece>, case: Case) -> Pattern {
        let form = match glob(&pieces, case, |_, _| None) {
            Some(fixed) => Form::Fixed(fixed),
            None => Form::Open(pieces),
        };
        Pattern { case, form }
    }

    /// Whether a value matches; `None` if a variable has no value (T2).
    pub(crate) fn matches(&self, value: &str, context: &Context) -> Option<bool> {
        let matches = |glob: &Glob| match self.case {
            Case::Kept => glob.matches(value),
            Case::Folded => glob.matches(&value.to_lowercase()),
        };
        match &self.form {
            Form::Fixed(fixed) => Some(matches(fixed)),
            Form::Open(pieces) => {
                let open =
                    glob(pieces, self.case, |key, default| context.variable(key).or(default))?;
                Some(matches(&open))
            }
        }
    }

    /// Whether every variable has a value.
    pub(crate) fn has_meaning(&self, context: &Context) -> bool {
        self.matches("", context).is_some()
    }

    /// Whether it depends on the request.
    pub(crate) fn has_variables(&self) -> bool {
        matches!(self.form, Form::Open(_))
    }
}

/// Puts the pieces together, variables as `resolve` says (T1); `None` if it has no answer.
fn glob<'a>(
    pieces: &'a [Piece],
    case: Case,
    resolve: impl Fn(&'a Key, Option<&'a str>) -> Option<&'a str>,
) -> Option<Glob> {
    let mut builder = GlobBuilder::default();
    let literal = |builder: &mut GlobBuilder, text: &str| match case {
        Case::Kept => builder.text(text),
        Case::Folded => builder.text(&text.to_lowercase()),
    };
    for piece in pieces {
        match piece {
            Piece::Text(text) => literal(&mut builder, text),
            Piece::Any => builder.any(),
            Piece::One => builder.one(),
            Piece::Variable { key, default } => {
                literal(&mut builder, resolve(key, default.as_deref())?);
            }
        }
    }
    Some(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[Piece]>) {
        let found = pieces(text, Variables::Replaced, Wildcards::Match);
        assert_eq!(found.ok().as_deref(), expected, "{text}");
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn named(name: &str, default: Option<&str>) -> Piece {
        let key = Key::parse(name).expect("the test names keys");
        Piece::Variable { key, default: default.map(str::to_owned) }
    }

    #[test]
    fn texts_split_into_pieces() {
        check("", Some(&[]));
        check("a$b{c}", Some(&[text("a$b{c}")]));
        check("a*b?", Some(&[text("a"), Piece::Any, text("b"), Piece::One]));
        check("a${*}${?}${$}{b}", Some(&[text("a*?${b}")]));
        check(
            "a/${aws:username}/*",
            Some(&[text("a/"), named("aws:username", None), text("/"), Piece::Any]),
        );
        check(
            "${aws:PrincipalTag/team, 'x}*'}",
            Some(&[named("aws:PrincipalTag/team", Some("x}*"))]),
        );
        check("${ aws:a ,'' }", Some(&[named("aws:a", Some(""))]));
    }

    #[test]
    fn broken_variables_are_refused() {
        for text in ["${", "${}", "${a", "${foo}", "${aws:a, x}", "${aws:a,'x}", "${${aws:a}}"] {
            check(text, None);
        }
        check(&"${aws:a}".repeat(17), None);
        check(&"a".repeat(2049), None);
    }

    #[test]
    fn old_version_has_no_variables() {
        let found = pieces("${aws:a}", Variables::Literal, Wildcards::Match);
        assert_eq!(found, Ok(vec![text("${aws:a}")]));
    }

    #[test]
    fn value_of_a_variable_is_literal() {
        let pieces = pieces("${aws:a}*", Variables::Replaced, Wildcards::Match);
        let pattern = Pattern::new(pieces.expect("it is well formed"), Case::Kept);
        let mut context = Context::new();
        assert_eq!(pattern.matches("x", &context), None);
        context.insert("aws:a", "*b");
        assert_eq!(pattern.matches("*bc", &context), Some(true));
        assert_eq!(pattern.matches("abc", &context), Some(false));
    }
}
