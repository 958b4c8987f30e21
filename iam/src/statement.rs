//! One statement: what it is about, read and compiled.

use crate::action::{self, ActionPattern, Level};
use crate::condition::Condition;
use crate::context::Key;
use crate::error::PolicyError;
use crate::json::{Json, Members};
use crate::list;
use crate::operator::{Operator, Sense};
use crate::policy::{AccessRequest, Kind, Verdict};
use crate::principal::{Named, Principals};
use crate::public;
use crate::resource::{self, Resources};
use crate::template::Variables;

/// Most keys in the conditions of a statement.
pub(crate) const CONDITIONS_MAX: usize = 200;
/// Most values of a key under an operator.
pub(crate) const VALUES_MAX: usize = 1000;

/// What a statement does when everything in it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// Whom a statement allows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Everybody,
    Somebody,
}

/// A statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    effect: Effect,
    /// `None` in a policy of an identity: whoever has the policy.
    principals: Option<Principals>,
    action_sense: Sense,
    actions: Vec<ActionPattern>,
    resources: Resources,
    conditions: Vec<Condition>,
    audience: Audience,
}

/// What a statement needs to know about the policy that it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) variables: Variables,
}

impl Statement {
    /// Reads a statement; also gives its `Sid`.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(crate) fn parse(
        value: Json,
        surroundings: Surroundings<'_>,
    ) -> Result<(Statement, Option<String>), PolicyError> {
        let mut members = Members::of(value).ok_or(PolicyError::Type("Statement"))?;
        let sid = members.take("Sid").map(|value| list::text(value, "Sid")).transpose()?;
        let effect = effect(members.take("Effect"))?;
        let principals = principals(&mut members, surroundings.kind, effect)?;
        let (action_sense, actions) = actions(&mut members)?;
        let resource_texts =
            resource_texts(&mut members, surroundings.kind, action_sense, &actions)?;
        let conditions = conditions(members.take("Condition"))?;
        if let Some(name) = members.left_over() {
            return Err(PolicyError::Unknown(name));
        }
        let resources = match &resource_texts {
            Some((sense, texts)) => Resources::new(*sense, texts, surroundings.variables)?,
            None => Resources::every(),
        };
        if let (Kind::Bucket { bucket }, Some((sense, texts))) =
            (surroundings.kind, &resource_texts)
        {
            let levels = levels_of_resources(texts, bucket, surroundings.variables)?;
            check_actions_of_bucket(action_sense, &actions, *sense, &levels)?;
        }
        let is_for_all = effect == Effect::Allow
            && principals.as_ref().is_some_and(Principals::has_everyone)
            && !conditions.iter().any(|raw| public::narrows(raw.operator, &raw.key, &raw.values));
        let audience = if is_for_all { Audience::Everybody } else { Audience::Somebody };
        let compile = |raw: RawCondition| {
            Condition::new(raw.operator, raw.key, &raw.values, surroundings.variables)
        };
        let conditions = conditions.into_iter().map(compile).collect::<Result<_, _>>()?;
        let statement = Statement {
            effect,
            principals,
            action_sense,
            actions,
            resources,
            conditions,
            audience,
        };
        Ok((statement, sid))
    }

    /// What the statement says to a request; the action is in small letters.
    pub(crate) fn judge(&self, request: &AccessRequest<'_>, action: &str) -> Verdict {
        let is_listed = self.actions.iter().any(|pattern| pattern.matches(action));
        if is_listed != (self.action_sense == Sense::Plain) {
            return Verdict::Silent;
        }
        let named = match &self.principals {
            Some(principals) => principals.name(request.principal),
            None => Named::Direct,
        };
        let applies = named != Named::Not
            && self.resources.matches(request.resource, request.context)
            && self.conditions.iter().all(|condition| condition.holds(request.context));
        match (applies, self.effect, named) {
            (false, _, _) | (_, _, Named::Not) => Verdict::Silent,
            (true, Effect::Deny, _) => Verdict::Deny,
            (true, Effect::Allow, Named::Account) => Verdict::Delegate,
            (true, Effect::Allow, Named::Direct) => Verdict::Allow,
        }
    }

    /// The keys of its conditions.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(Condition::key)
    }

    /// Whether the statement allows something to everybody.
    pub(crate) fn is_public(&self) -> bool {
        self.audience == Audience::Everybody
    }
}

fn effect(value: Option<Json>) -> Result<Effect, PolicyError> {
    let text = list::text(value.ok_or(PolicyError::Missing("Effect"))?, "Effect")?;
    match text.as_str() {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        _ => Err(PolicyError::Effect(text)),
    }
}

/// The element or its negation, whichever is there.
fn either(
    members: &mut Members,
    plain: &'static str,
    negated: &'static str,
) -> Result<Option<(Sense, Json)>, PolicyError> {
    match (members.take(plain), members.take(negated)) {
        (Some(_), Some(_)) => Err(PolicyError::Both(plain, negated)),
        (Some(value), None) => Ok(Some((Sense::Plain, value))),
        (None, Some(value)) => Ok(Some((Sense::Negated, value))),
        (None, None) => Ok(None),
    }
}

fn principals(
    members: &mut Members,
    kind: Kind<'_>,
    effect: Effect,
) -> Result<Option<Principals>, PolicyError> {
    if kind == Kind::Identity {
        let found = ["Principal", "NotPrincipal"].into_iter().find(|name| members.has(name));
        return found.map_or(Ok(None), |name| Err(PolicyError::Unknown(name.to_owned())));
    }
    match either(members, "Principal", "NotPrincipal")? {
        None => Err(PolicyError::Missing("Principal")),
        Some((Sense::Negated, _)) if effect == Effect::Allow => {
            Err(PolicyError::NotPrincipalAllows)
        }
        Some((sense, value)) => Principals::new(sense, value).map(Some),
    }
}

fn actions(members: &mut Members) -> Result<(Sense, Vec<ActionPattern>), PolicyError> {
    let found = either(members, "Action", "NotAction")?;
    let (sense, value) = found.ok_or(PolicyError::Missing("Action"))?;
    let texts = list::texts(value, "Action", action::ACTIONS_MAX)?;
    let patterns = texts.iter().map(|text| ActionPattern::parse(text)).collect::<Result<_, _>>()?;
    Ok((sense, patterns))
}

/// The texts of `Resource` or `NotResource`; `None` if an identity's statement is not about
/// resources, because its actions have none. MinIO's policies leave the element out there, or write
/// some bucket.
fn resource_texts(
    members: &mut Members,
    kind: Kind<'_>,
    action_sense: Sense,
    actions: &[ActionPattern],
) -> Result<Option<(Sense, Vec<String>)>, PolicyError> {
    let found = either(members, "Resource", "NotResource")?;
    let can_be_without = kind == Kind::Identity && action_sense == Sense::Plain;
    let are_all = |is: fn(&ActionPattern) -> bool| can_be_without && actions.iter().all(is);
    let Some((sense, value)) = found else {
        let is_optional = are_all(ActionPattern::is_resource_optional);
        return if is_optional { Ok(None) } else { Err(PolicyError::Missing("Resource")) };
    };
    let texts = list::texts(value, "Resource", resource::RESOURCES_MAX)?;
    let is_without = sense == Sense::Plain && are_all(ActionPattern::is_without_resource);
    Ok((!is_without).then_some((sense, texts)))
}

/// A condition as it stands in the policy.
struct RawCondition {
    operator: Operator,
    key: Key,
    values: Vec<String>,
}

fn conditions(value: Option<Json>) -> Result<Vec<RawCondition>, PolicyError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let Json::Object(operators) = value else { return Err(PolicyError::Type("Condition")) };
    let mut found: Vec<RawCondition> = Vec::new();
    for (name, keys) in operators {
        let operator = Operator::parse(&name).ok_or(PolicyError::Operator(name))?;
        let Json::Object(keys) = keys else { return Err(PolicyError::Type("Condition")) };
        for (name, values) in keys {
            let key = Key::parse(&name).ok_or_else(|| PolicyError::ConditionKey(name.clone()))?;
            let is_same = |other: &RawCondition| other.operator == operator && other.key == key;
            if found.iter().any(is_same) {
                return Err(PolicyError::ConditionKey(name));
            }
            found.push(RawCondition { operator, key, values: condition_values(values)? });
            if found.len() > CONDITIONS_MAX {
                let what = "conditions in a statement";
                return Err(PolicyError::TooMany { what, max: CONDITIONS_MAX });
            }
        }
    }
    Ok(found)
}

/// Values of a key: numbers and truth values may stand without quotes, and there may be none.
fn condition_values(value: Json) -> Result<Vec<String>, PolicyError> {
    let values = match value {
        Json::List(list) => list,
        single => vec![single],
    };
    if values.len() > VALUES_MAX {
        return Err(PolicyError::TooMany { what: "values of a condition", max: VALUES_MAX });
    }
    let read = |value| match value {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(PolicyError::Type("Condition")),
    };
    values.into_iter().map(read).collect()
}

/// What the resources of a bucket's policy mean; each must be of that bucket.
fn levels_of_resources(
    texts: &[String],
    bucket: &str,
    variables: Variables,
) -> Result<Vec<Level>, PolicyError> {
    let mut found = Vec::new();
    for text in texts {
        let levels = resource::levels(text, bucket, variables)?;
        if levels.is_empty() {
            return Err(PolicyError::Resource(text.clone()));
        }
        found.extend(levels);
    }
    Ok(found)
}

/// Actions of a bucket's policy are those of S3, and each is done to one of the resources.
fn check_actions_of_bucket(
    action_sense: Sense,
    actions: &[ActionPattern],
    resource_sense: Sense,
    resource_levels: &[Level],
) -> Result<(), PolicyError> {
    for pattern in actions {
        let levels = pattern.levels();
        if levels.is_empty() {
            return Err(PolicyError::Action(pattern.text().to_owned()));
        }
        let is_checked = action_sense == Sense::Plain && resource_sense == Sense::Plain;
        if is_checked && !levels.iter().any(|level| resource_levels.contains(level)) {
            return Err(PolicyError::ActionApart(pattern.text().to_owned()));
        }
    }
    Ok(())
}
