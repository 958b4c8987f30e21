//! Conditions: an operator, a key, and the values that the key's own values compare with.
//!
//! ```text
//! [ForAllValues: | ForAnyValue:] operator [IfExists]   { key: [value, ..] }
//!
//!   the key has      plain           ForAllValues    ForAnyValue     with IfExists
//!   no value         negated only    true            false           true
//!   some values      any; negated    all of them     any of them     as without
//!                    all of them
//! ```
//!
//! - C1: an operator that negates does so for each value of the request: it passes if it equals
//!   none of the policy's values. The quantifier then counts what passed; it is never negated as a
//!   whole.
//! - C2: a policy variable without value never makes a condition hold: in an operator that does not
//!   negate its text matches nothing, in one that does the request's value does not pass.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::arn::ArnPattern;
use crate::context::{Context, Key};
use crate::error::PolicyError;
use crate::operator::{Family, Operator, Quantifier, Relation, Sense, WhenAbsent};
use crate::template::{self, Case, Pattern, Variables, Wildcards};
use crate::value::{self, Network};

/// One key under one operator.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    key: Key,
    operator: Operator,
    wanted: Wanted,
}

/// The values of the policy.
#[derive(Clone, Debug)]
enum Wanted {
    Texts(Vec<Pattern>),
    Arns(Vec<ArnPattern>),
    Numbers(Relation, Vec<i128>),
    Dates(Relation, Vec<i128>),
    Bytes(Vec<Vec<u8>>),
    Networks(Vec<Network>),
    /// `Null`: true wants the key to be absent.
    Absent(Vec<bool>),
}

impl Condition {
    /// Name of its key, in the form that compares.
    pub(crate) fn key(&self) -> &str {
        self.key.as_str()
    }

    /// Compiles the values of a key under an operator.
    ///
    /// # Errors
    /// [`PolicyError::Value`], [`PolicyError::Variable`], [`PolicyError::TooMany`].
    pub(crate) fn new(
        operator: Operator,
        key: Key,
        values: &[String],
        variables: Variables,
    ) -> Result<Condition, PolicyError> {
        let invalid = |value: &String| PolicyError::Value {
            operator: operator.to_string(),
            value: value.clone(),
        };
        let wanted = match operator.family {
            Family::Text => Wanted::Texts(texts(values, variables, Case::Kept)?),
            Family::FoldedText => Wanted::Texts(texts(values, variables, Case::Folded)?),
            Family::Like => Wanted::Texts(all(values, |value| {
                let pieces = template::pieces(value, variables, Wildcards::Match)?;
                Ok(Pattern::new(pieces, Case::Kept))
            })?),
            Family::Bool => {
                let patterns = texts(values, variables, Case::Folded)?;
                let is_odd = |(value, pattern): &(&String, &Pattern)| {
                    flag(value).is_none() && !pattern.has_variables()
                };
                if let Some((value, _)) = values.iter().zip(&patterns).find(is_odd) {
                    return Err(invalid(value));
                }
                Wanted::Texts(patterns)
            }
            Family::Arn => Wanted::Arns(all(values, |value| {
                ArnPattern::parse(value, variables)?.ok_or_else(|| invalid(value))
            })?),
            Family::Number(relation) => {
                Wanted::Numbers(relation, read(values, value::number, invalid)?)
            }
            Family::Date(relation) => Wanted::Dates(relation, read(values, value::date, invalid)?),
            Family::Binary => {
                Wanted::Bytes(read(values, |value| STANDARD.decode(value).ok(), invalid)?)
            }
            Family::Address => Wanted::Networks(read(values, Network::parse, invalid)?),
            Family::Null => Wanted::Absent(read(values, flag, invalid)?),
        };
        Ok(Condition { key, operator, wanted })
    }

    /// Whether the condition holds for a request.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let values = context.values_of(&self.key);
        if let Wanted::Absent(wanted) = &self.wanted {
            return wanted.contains(&values.is_empty());
        }
        if values.is_empty() {
            return self.holds_when_absent(context);
        }
        let mut passes = values.iter().map(|value| self.passes(value, context));
        match (self.operator.quantifier, self.operator.sense) {
            (Quantifier::All, _) | (Quantifier::Plain, Sense::Negated) => passes.all(|pass| pass),
            (Quantifier::Any, _) | (Quantifier::Plain, Sense::Plain) => passes.any(|pass| pass),
        }
    }

    fn holds_when_absent(&self, context: &Context) -> bool {
        match (self.operator.when_absent, self.operator.quantifier, self.operator.sense) {
            (WhenAbsent::Holds, _, _) | (_, Quantifier::All, _) => true,
            (_, Quantifier::Any, _) | (_, Quantifier::Plain, Sense::Plain) => false,
            (_, Quantifier::Plain, Sense::Negated) => self.has_meaning(context),
        }
    }

    /// Whether one value of the request is as the operator wants it (C1, C2).
    fn passes(&self, value: &str, context: &Context) -> bool {
        match &self.wanted {
            Wanted::Texts(wanted) => {
                self.judge(wanted.iter().map(|pattern| pattern.matches(value, context)))
            }
            Wanted::Arns(wanted) => {
                self.judge(wanted.iter().map(|pattern| pattern.matches(value, context)))
            }
            Wanted::Numbers(relation, wanted) => {
                let value = value::number(value);
                self.judge(wanted.iter().map(|wanted| Some(relation.holds(value, *wanted))))
            }
            Wanted::Dates(relation, wanted) => {
                let value = value::date(value);
                self.judge(wanted.iter().map(|wanted| Some(relation.holds(value, *wanted))))
            }
            Wanted::Bytes(wanted) => {
                let value = STANDARD.decode(value).ok();
                self.judge(wanted.iter().map(|wanted| Some(value.as_ref() == Some(wanted))))
            }
            Wanted::Networks(wanted) => {
                let address: Option<IpAddr> = value.parse().ok();
                let contains = |network: &Network| address.is_some_and(|at| network.contains(at));
                self.judge(wanted.iter().map(|network| Some(contains(network))))
            }
            Wanted::Absent(_) => false,
        }
    }

    /// Joins how a value compares with each of the policy's.
    fn judge(&self, mut matches: impl Iterator<Item = Option<bool>>) -> bool {
        match self.operator.sense {
            Sense::Plain => matches.any(|found| found == Some(true)),
            Sense::Negated => matches.all(|found| found == Some(false)),
        }
    }

    /// Whether every variable has a value (C2).
    fn has_meaning(&self, context: &Context) -> bool {
        match &self.wanted {
            Wanted::Texts(wanted) => wanted.iter().all(|pattern| pattern.has_meaning(context)),
            Wanted::Arns(wanted) => wanted.iter().all(|pattern| pattern.has_meaning(context)),
            _ => true,
        }
    }
}

/// Texts without wildcards.
fn texts(values: &[String], variables: Variables, case: Case) -> Result<Vec<Pattern>, PolicyError> {
    all(values, |value| {
        let pieces = template::pieces(value, variables, Wildcards::Literal)?;
        Ok(Pattern::new(pieces, case))
    })
}

fn all<T>(
    values: &[String],
    read: impl Fn(&String) -> Result<T, PolicyError>,
) -> Result<Vec<T>, PolicyError> {
    values.iter().map(read).collect()
}

fn read<T>(
    values: &[String],
    read: impl Fn(&str) -> Option<T>,
    invalid: impl Fn(&String) -> PolicyError,
) -> Result<Vec<T>, PolicyError> {
    values.iter().map(|value| read(value).ok_or_else(|| invalid(value))).collect()
}

fn flag(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
