//! A run as one page for a browser: a lane for the process, one for requests, one for each disk, a
//! heat map of volumes by margin, and below it every step with its answers and the operations of
//! the disks that it led to. No script but the one that opens the step that was clicked.

use super::frames::{DiskFrame, Frame};
use super::log::Lines;
use super::plan::{PlannedStep, Step};
use super::run::Outcome;
use super::stored::Plan;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Width of a step in the lanes, height of a lane, width of their names.
const STEP_WIDTH: usize = 14;
const LANE_HEIGHT: usize = 20;
const NAME_WIDTH: usize = 150;

/// How it looks.
const STYLE: &str = "
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1c2430; background: #fff }
h1 { font-size: 1.3rem; margin: 0 0 .3rem } .verdict { font-weight: 600 }
.bad { color: #b3261e } .good { color: #1b7f3b }
.lanes { overflow-x: auto; border: 1px solid #d5dae1 }
svg text { font: 12px system-ui, sans-serif; fill: #1c2430 } a { color: inherit }
details { border-bottom: 1px solid #e4e8ee; padding: .15rem 0 } summary { cursor: pointer }
details.fault summary { color: #8a4b00 } details.end summary { color: #5b21b6 }
details.violation summary { color: #b3261e; font-weight: 600 }
pre { background: #f5f7fa; margin: .3rem 0 .3rem 1.2rem; padding: .4rem .6rem; overflow-x: auto }
.key span { display: inline-block; margin-right: 1rem } .key i { display: inline-block; width: 12px;
height: 12px; margin-right: 4px; vertical-align: -1px }
";

/// Opens the step that a link leads to.
const SCRIPT: &str = "
const open = () => { const step = document.querySelector(location.hash || '#none');
if (step) { step.open = true; step.scrollIntoView({ block: 'center' }); } };
addEventListener('hashchange', open); open();
";

/// Colours of what the store says of a disk.
const STATES: [(&str, &str); 6] = [
    ("healthy", "#9bd5ab"),
    ("suspect", "#f2c14e"),
    ("read-only", "#c9b458"),
    ("absent", "#b8bfca"),
    ("refused", "#b79ad6"),
    ("unknown", "#e4e8ee"),
];

/// The page of a plan: runs it.
pub fn page(name: &str, plan: &Plan) -> String {
    let outcome = plan.run(Lines::Frames);
    let is_disturbed = outcome.hash != plan.run(Lines::None).hash;
    let title = format!("{name}: {} disks", plan.profile.disk_count);
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{}</title><style>{STYLE}</style>\n<h1>{}</h1>\n",
        escape(&title),
        escape(&title)
    );
    page += &summary(plan, &outcome, is_disturbed);
    page += &lanes(plan, &outcome);
    page += &key();
    page += "<h2>Steps</h2>\n";
    for (index, frame) in outcome.frames.iter().enumerate() {
        page += &detail(index, frame, step_of(outcome.steps.as_slice(), frame));
    }
    let _ = write!(page, "<script>{SCRIPT}</script>\n</html>\n");
    page
}

/// The step that a frame is about: the one in which a life ended, too.
fn step_of<'a>(steps: &'a [PlannedStep], frame: &Frame) -> Option<&'a Step> {
    Some(&steps.get(frame.step.checked_sub(1)?)?.step)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn summary(plan: &Plan, outcome: &Outcome, is_disturbed: bool) -> String {
    let verdict = match &outcome.violation {
        Some(text) => format!("<p class=\"verdict bad\">{}</p>", escape(text)),
        None => "<p class=\"verdict good\">No promise was broken.</p>".to_owned(),
    };
    let counts = &outcome.counts;
    let note = match is_disturbed {
        true => {
            "<p class=\"bad\">Looking changed the run: without it the plan has another hash.</p>"
        }
        false => "",
    };
    format!(
        "{verdict}{note}\n<p>{:?} budget, margin {}; {} steps, {} lives, {} power losses; {} \
         requests answered, {} not; {} faults effective; {:.1} s of \
         virtual time; hash {:016x}. {}</p>\n",
        plan.profile.budget,
        plan.profile.margin,
        counts.steps,
        outcome.frames.iter().filter(|frame| frame.is_end).count(),
        counts.power_losses,
        counts.answered,
        counts.unanswered,
        counts.faults.effective_total(),
        counts.virtual_hours() * 3600.0,
        outcome.hash,
        escape(&outcome.situation)
    )
}

/// One rectangle of a lane, which leads to its step.
fn cell(page: &mut String, (column, row): (usize, usize), colour: &str, title: &str) {
    let (x, y) = (NAME_WIDTH + column * STEP_WIDTH, row * LANE_HEIGHT + 2);
    let (width, height) = (STEP_WIDTH - 1, LANE_HEIGHT - 4);
    let _ = writeln!(
        page,
        "<a href=\"#s{column}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         fill=\"{colour}\"><title>{}</title></rect></a>",
        escape(title)
    );
}

fn sign(page: &mut String, (column, row): (usize, usize), text: &str) {
    let (x, y) = (NAME_WIDTH + column * STEP_WIDTH + 2, row * LANE_HEIGHT + 15);
    let _ = writeln!(page, "<text x=\"{x}\" y=\"{y}\" pointer-events=\"none\">{text}</text>");
}

fn lane_name(page: &mut String, row: usize, name: &str) {
    let _ =
        writeln!(page, "<text x=\"4\" y=\"{}\">{}</text>", row * LANE_HEIGHT + 15, escape(name));
}

/// Margins that any frame shows, the least first.
fn margins(frames: &[Frame]) -> Vec<Option<u32>> {
    let all = frames.iter().flat_map(|frame| frame.volumes.iter().map(|(margin, _)| *margin));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn lanes(plan: &Plan, outcome: &Outcome) -> String {
    let frames = &outcome.frames;
    let margins = margins(frames);
    let disk_count = plan.profile.disk_count;
    let (width, rows) = (NAME_WIDTH + frames.len() * STEP_WIDTH, 2 + disk_count + margins.len());
    let mut page = format!(
        "<div class=\"lanes\"><svg width=\"{width}\" height=\"{}\" role=\"img\" aria-label=\"what \
         happened, step by step\">\n",
        rows * LANE_HEIGHT
    );
    lane_name(&mut page, 0, "process");
    lane_name(&mut page, 1, "requests");
    (0..disk_count).for_each(|disk| lane_name(&mut page, 2 + disk, &format!("disk {disk}")));
    for (index, margin) in margins.iter().enumerate() {
        let name = margin.map_or("volumes beyond repair".to_owned(), |margin| {
            format!("volumes of margin {margin}")
        });
        lane_name(&mut page, 2 + disk_count + index, &name);
    }
    for (column, frame) in frames.iter().enumerate() {
        process_cell(&mut page, column, frame);
        request_cell(&mut page, column, frame);
        let step = step_of(&outcome.steps, frame);
        let touched = step.and_then(super::stored::disk_of);
        for (disk, shown) in frame.disks.iter().enumerate() {
            let own = step.filter(|_| touched == Some(disk));
            disk_cell(&mut page, (column, 2 + disk), shown, own);
        }
        for (index, margin) in margins.iter().enumerate() {
            heat_cell(&mut page, (column, 2 + disk_count + index), frame, *margin);
        }
    }
    page += "</svg></div>\n";
    page
}

fn process_cell(page: &mut String, column: usize, frame: &Frame) {
    let colour = match (frame.violation.is_some(), frame.is_end, frame.life % 2) {
        (true, _, _) => "#b3261e",
        (false, true, _) => "#5b21b6",
        (false, false, 0) => "#7fb3e6",
        _ => "#a9cdf0",
    };
    let title = format!("life {}, {:.1} s", frame.life, frame.at_ms as f64 / 1000.0);
    cell(page, (column, 0), colour, &title);
}

/// Answers of a step, and those that were errors or never came.
fn answers(frame: &Frame) -> (usize, usize) {
    let is_bad = |line: &&&String| {
        [" -> error", " -> the process died", " -> nobody waited", " -> no answer"]
            .iter()
            .any(|end| line.contains(end))
    };
    let lines: Vec<&String> = frame.lines.iter().filter(|line| line.contains(" -> ")).collect();
    (lines.len(), lines.iter().filter(is_bad).count())
}

fn request_cell(page: &mut String, column: usize, frame: &Frame) {
    let (count, bad) = answers(frame);
    if count > 0 {
        let colour = match bad {
            0 => "#9bd5ab",
            bad if bad < count => "#f2c14e",
            _ => "#e08e79",
        };
        cell(page, (column, 1), colour, &format!("{count} answers, {bad} errors or none"));
    }
}

fn disk_cell(page: &mut String, at: (usize, usize), disk: &DiskFrame, step: Option<&Step>) {
    let known = STATES.iter().find(|(state, _)| *state == disk.state);
    let colour = known.map_or("#e4e8ee", |(_, colour)| colour);
    let leg = if disk.is_leg { ", holds the metadata" } else { "" };
    let title = format!("{}{leg}, {} damaged sectors", disk.state, disk.damaged);
    cell(page, at, colour, &title);
    match (step, disk.is_bad, disk.is_leg) {
        (Some(Step::Damage { .. }), _, _) => sign(page, at, "✕"),
        (Some(_), _, _) => sign(page, at, "+"),
        (None, true, _) => sign(page, at, "!"),
        (None, false, true) => sign(page, at, "·"),
        (None, false, false) => {}
    }
}

fn heat_cell(page: &mut String, at: (usize, usize), frame: &Frame, margin: Option<u32>) {
    let found = frame.volumes.iter().filter(|(at, _)| *at == margin);
    let count: u64 = found.map(|(_, count)| count).sum();
    if count == 0 {
        return;
    }
    let shade = 90 - count.min(8) * 6;
    let hue = match margin {
        None => 0,
        Some(0) => 25,
        Some(1) => 55,
        Some(_) => 140,
    };
    let colour = format!("hsl({hue} 65% {shade}%)");
    cell(page, at, &colour, &format!("{count} volumes"));
}

fn key() -> String {
    let mut page = "<p class=\"key\">".to_owned();
    for (state, colour) in STATES {
        let _ = write!(page, "<span><i style=\"background:{colour}\"></i>{state}</span>");
    }
    page += "<span>✕ broken here</span><span>+ made good</span><span>! bad for the oracle</span>\
             <span>· holds the metadata</span><span><i style=\"background:#5b21b6\"></i>the \
             process ends</span></p>\n";
    page
}

fn detail(index: usize, frame: &Frame, step: Option<&Step>) -> String {
    let class = match step {
        _ if frame.violation.is_some() => "violation",
        _ if frame.is_end => "end",
        Some(Step::Damage { .. } | Step::Crash { .. } | Step::Mend { .. }) => "fault",
        _ => "",
    };
    let own = step.map(Step::to_string).unwrap_or_default();
    let first = match &frame.violation {
        Some(violation) => format!("{violation} (in: {own})"),
        None if frame.is_end => format!("the process ends (in: {own})"),
        None => own,
    };
    let mut page = format!(
        "<details id=\"s{index}\" class=\"{class}\"><summary>{:.1} s {}</summary>\n",
        frame.at_ms as f64 / 1000.0,
        escape(&first)
    );
    for (title, lines) in
        [("what was said", &frame.lines), ("operations of the disks", &frame.operations)]
    {
        if !lines.is_empty() {
            let _ = writeln!(page, "<pre title=\"{title}\">{}</pre>", escape(&lines.join("\n")));
        }
    }
    page += "</details>\n";
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::profile::{Budget, Shape};
    use crate::engine::run::Options;

    #[test]
    fn a_page_shows_every_step_and_changes_nothing() {
        let shape = Shape { disk_count: Some(4), budget: Some(Budget::Strict) };
        for seed in 0..4 {
            let (plan, outcome) = Plan::of_seed(&Options { seed, shape, lines: Lines::Kept });
            let page = page("<seed>", &plan);
            assert!(page.contains(&format!("hash {:016x}", outcome.hash)), "seed {seed}");
            assert!(!page.contains("Looking changed the run"), "seed {seed}");
            let details = page.matches("<details").count();
            assert!(details >= outcome.steps.len(), "{details} of {}", outcome.steps.len());
            assert!(page.contains("&lt;seed&gt;") && !page.contains("<seed>"));
            assert!(page.contains("disk 3") && page.contains("margin 2"));
        }
    }
}
