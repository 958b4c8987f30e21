//! Makes a plan that breaks a promise as small as it gets while it still breaks the same one: steps
//! (Zeller and Hildebrandt's ddmin, 2002), then what is inside them, then disks and timing, over
//! and over until nothing more can go.

use super::log::Lines;
use super::plan::{Annotating, Cut, PlannedStep, Request, Step};
use super::stored::{Plan, check_of, disk_of};
use crate::disk::Timing;

/// Bodies are not made shorter: through S3 no two may be the same.
const LEN_MIN: u32 = 16;

/// What came of it.
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// The promise that it breaks.
    pub violation: String,
    /// Plans that were tried.
    pub runs: u64,
}

struct Shrinker {
    check: String,
    best: Plan,
    violation: String,
    runs: u64,
    runs_max: u64,
}

/// Shrinks a plan, with so many tries at most; `None` when it breaks no promise.
pub fn shrink(plan: &Plan, runs_max: u64) -> Option<Shrunk> {
    let outcome = plan.run(Lines::Kept);
    let violation = outcome.violation?;
    let check = check_of(&violation).to_owned();
    // What was still to come when it failed is not needed.
    let best = Plan { steps: outcome.steps, ..plan.clone() };
    let mut shrinker = Shrinker { check, best, violation, runs: 1, runs_max };
    loop {
        let before = shrinker.size();
        shrinker.drop_steps();
        shrinker.drop_requests();
        shrinker.simplify_steps();
        shrinker.simplify_world();
        if shrinker.size() >= before || shrinker.is_tired() {
            let Shrinker { best: plan, violation, runs, .. } = shrinker;
            return Some(Shrunk { plan, violation, runs });
        }
    }
}

impl Shrinker {
    fn is_tired(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// What is to become less, the weightiest first.
    fn size(&self) -> (usize, usize, usize) {
        let requests = |planned: &PlannedStep| match &planned.step {
            Step::Requests(requests)
            | Step::Race(requests)
            | Step::Short { requests, .. }
            | Step::Storm { requests, .. } => requests.len(),
            Step::Change { before, after, .. } => before.len() + 1 + after.len(),
            _ => 0,
        };
        let text = self.best.to_text().map_or(usize::MAX, |text| text.len());
        (self.best.steps.len(), self.best.steps.iter().map(requests).sum(), text)
    }

    /// Takes a plan over if it breaks the same promise.
    fn accept(&mut self, plan: Plan) -> bool {
        if self.is_tired() {
            return false;
        }
        self.runs += 1;
        let violation = plan.run(Lines::None).violation;
        match violation.filter(|violation| check_of(violation) == self.check) {
            Some(violation) => {
                (self.best, self.violation) = (plan, violation);
                true
            }
            None => false,
        }
    }

    fn with_steps(&self, steps: Vec<PlannedStep>) -> Plan {
        Plan { steps, ..self.best.clone() }
    }

    /// Halves, quarters, ... single steps go, from the end: what comes late mostly only reads.
    fn drop_steps(&mut self) {
        let mut len = self.best.steps.len().div_ceil(2);
        while len > 0 {
            let mut end = self.best.steps.len();
            while end > 0 {
                let begin = end.saturating_sub(len);
                let mut steps = self.best.steps.clone();
                steps.drain(begin..end);
                let plan = self.with_steps(steps);
                self.accept(plan);
                end = begin;
            }
            len = if len == 1 { 0 } else { len.div_ceil(2) };
        }
    }

    fn drop_requests(&mut self) {
        for index in 0..self.best.steps.len() {
            let mut at = 0;
            while let Some((requests, of)) = requests_of(&self.best.steps[index].step)
                && at < requests.len()
                && requests.len() > 1
            {
                let mut fewer = requests.clone();
                fewer.remove(at);
                if !self.try_step(index, of(fewer)) {
                    at += 1;
                }
            }
        }
    }

    fn try_step(&mut self, index: usize, step: Step) -> bool {
        if self.best.steps[index].step == step {
            return false;
        }
        let mut steps = self.best.steps.clone();
        steps[index].step = step;
        let plan = self.with_steps(steps);
        self.accept(plan)
    }

    fn simplify_steps(&mut self) {
        for index in 0..self.best.steps.len() {
            loop {
                let simpler = simpler(&self.best.steps[index].step);
                let is_simpler = simpler.into_iter().any(|step| self.try_step(index, step));
                if !is_simpler {
                    break;
                }
            }
        }
    }

    /// Fewer disks, no turns, no slowness.
    fn simplify_world(&mut self) {
        let mut plan = self.best.clone();
        plan.profile.timing = Timing::default();
        if self.best.profile.timing != plan.profile.timing {
            self.accept(plan);
        }
        let mut plan = self.best.clone();
        plan.profile.yield_per_mille = 0;
        if self.best.profile.yield_per_mille > 0 {
            self.accept(plan);
        }
        let used = self.best.steps.iter().filter_map(|planned| disk_of(&planned.step)).max();
        for disk_count in used.unwrap_or_default() + 1..self.best.profile.disk_count {
            let mut plan = self.best.clone();
            plan.profile.disk_count = disk_count;
            plan.profile.margin = plan.profile.margin.min(super::profile::margin_of(disk_count));
            if self.accept(plan) {
                break;
            }
        }
    }
}

type Requests = Vec<(Request, Option<u32>)>;

/// Makes a step of requests.
type OfRequests = fn(Requests) -> Step;

/// The requests of a step, and how a step is made of them.
fn requests_of(step: &Step) -> Option<(&Requests, OfRequests)> {
    match step {
        Step::Requests(requests) => Some((requests, Step::Requests)),
        Step::Race(requests) => Some((requests, Step::Race)),
        _ => None,
    }
}

/// Steps that do less than this one, the least first.
fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Requests(_) | Step::Race(_) => {
            let Some((requests, of)) = requests_of(step) else { return Vec::new() };
            simpler_each(requests).into_iter().map(of).collect()
        }
        Step::Storm { per_mille, ms, requests } => {
            let (per_mille, mut steps) = (*per_mille, Vec::new());
            if let Some((_, less)) = requests.split_last() {
                steps.push(Step::Storm { per_mille, ms: *ms, requests: less.to_vec() });
            }
            if *ms > 1 {
                steps.push(Step::Storm { per_mille, ms: ms / 2, requests: requests.clone() });
            }
            steps
        }
        Step::Short { handles, ms, requests } => {
            let fewer = |requests: &[(Request, Option<u32>)], ms| Step::Short {
                handles: *handles,
                ms,
                requests: requests.to_vec(),
            };
            let mut steps: Vec<Step> = [1, ms / 2]
                .into_iter()
                .filter(|less| less < ms)
                .map(|ms| fewer(requests, ms))
                .collect();
            steps.extend(requests.split_last().map(|(_, less)| fewer(less, *ms)));
            steps
        }
        Step::Change { .. } => simpler_around(step),
        Step::Wait(ms) => {
            [1, ms / 2].into_iter().filter(|less| less < ms).map(Step::Wait).collect()
        }
        Step::Crash { cut, restarts } => {
            let mut steps = Vec::new();
            if !restarts.is_empty() {
                steps.push(Step::Crash { cut: *cut, restarts: Vec::new() });
                let fewer = restarts[..restarts.len() - 1].to_vec();
                steps.push(Step::Crash { cut: *cut, restarts: fewer });
            }
            if cut.steps > 0 {
                let cut = Cut { steps: 0, ..*cut };
                steps.push(Step::Crash { cut, restarts: restarts.clone() });
            }
            steps
        }
        _ => Vec::new(),
    }
}

/// The same requests, one of them simpler.
fn simpler_each(requests: &Requests) -> Vec<Requests> {
    let mut all = Vec::new();
    for (index, (request, patience)) in requests.iter().enumerate() {
        let mut with = |request: Request, patience: Option<u32>| {
            let mut simpler = requests.clone();
            simpler[index] = (request, patience);
            all.push(simpler);
        };
        if patience.is_some() {
            with(request.clone(), None);
        }
        simpler_requests(request).into_iter().for_each(|simpler| with(simpler, *patience));
    }
    all
}

/// A change with fewer requests around it, or simpler ones.
fn simpler_around(step: &Step) -> Vec<Step> {
    let Step::Change { before, change, after } = step else { return Vec::new() };
    let mut steps = Vec::new();
    for index in 0..before.len() + after.len() {
        let (mut before, mut after) = (before.clone(), after.clone());
        match index.checked_sub(before.len()) {
            None => before.remove(index),
            Some(index) => after.remove(index),
        };
        steps.push(Step::Change { before, change: change.clone(), after });
    }
    let with = |before: &Requests, after: &Requests| Step::Change {
        before: before.clone(),
        change: change.clone(),
        after: after.clone(),
    };
    steps.extend(simpler_each(before).iter().map(|before| with(before, after)));
    steps.extend(simpler_each(after).iter().map(|after| with(before, after)));
    steps
}

fn simpler_requests(request: &Request) -> Vec<Request> {
    let mut simpler = Vec::new();
    match request {
        Request::Put { slot, piece, condition, delivery } => {
            let (slot, condition) = (*slot, *condition);
            let whole = super::workloads::WHOLE;
            if *delivery != whole {
                simpler.push(Request::Put { slot, piece: *piece, condition, delivery: whole });
            }
            for len in [LEN_MIN, 100, piece.len / 2] {
                if (LEN_MIN..piece.len).contains(&len) {
                    let piece = super::body::Piece { len, ..*piece };
                    simpler.push(Request::Put { slot, piece, condition, delivery: *delivery });
                }
            }
        }
        Request::Append { slot, base, beyond, piece, value, delivery } => {
            let (slot, base, beyond, value) = (*slot, *base, *beyond, *value);
            let with =
                |piece, delivery| Request::Append { slot, base, beyond, piece, value, delivery };
            if *delivery != super::workloads::WHOLE {
                simpler.push(with(*piece, super::workloads::WHOLE));
            }
            for len in [LEN_MIN, 100, piece.len / 2] {
                if (LEN_MIN..piece.len).contains(&len) {
                    simpler.push(with(super::body::Piece { len, ..*piece }, *delivery));
                }
            }
        }
        Request::Annotation { slot, what: Annotating::Attach { of, name, piece } }
            if piece.len > LEN_MIN =>
        {
            let piece = super::body::Piece { len: LEN_MIN, ..*piece };
            let what = Annotating::Attach { of: *of, name: *name, piece };
            simpler.push(Request::Annotation { slot: *slot, what });
        }
        Request::Get { slot, range: Some(_) } => {
            simpler.push(Request::Get { slot: *slot, range: None });
        }
        _ => {}
    }
    simpler
}
