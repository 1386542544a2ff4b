//! Results → Markdown.

use super::account::{Allowed, Estimate, TOLERANCE, total};
use super::{Plan, Row, Workload};
use crate::bench::sample::Thousands;
use crate::bench::sections::verdict;
use std::fmt::Write as _;

/// The head of the document.
pub(super) fn head(machine: &[String], plan: &Plan) -> String {
    let mut text = format!(
        "# Is the overhead budget held?\n\n\
         Made by `cargo xtask bench budget --write`; do not edit. Each row is one run: {:.0} s untraced, {:.0} s \
         under `memtrace --pid PID --overhead-budget BUDGET`, {:.0} s untraced again. Overhead is CPU time spent for \
         tracing, in percent of what the program uses for itself. *Told*: what memtrace says of the whole time in \
         its final report, from hits and their calibrated cost. *Measured*: how much more CPU time a unit of \
         the program's work took from before memtrace was started until it was gone than in the stretches without \
         it, which knows nothing of memtrace's account; in brackets the interval of 95 % that follows from how the \
         seconds without tracing differ, and *drift*, how much dearer a unit was in the second of these stretches \
         than in the first. *In windows*: the same from the traced stretch alone, where there were windows and \
         pauses: CPU time of slices that were much dearer than the median, and of their neighbours, beyond what their units cost in \
         pauses; it does not see what tracing costs in pauses, and drift does not matter to it. A budget is met within ±{:.0} %, and below that where memtrace limited nothing to hold it; “open” where \
         the interval reaches across such a limit. *Watched*: part of the time in which blocks were watched.\n\n",
        plan.beside,
        plan.traced,
        plan.beside,
        TOLERANCE * 100.0
    );
    machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text
}

/// A table of one workload.
pub(super) fn section(workload: Workload, rows: &[Row]) -> String {
    let mut text = format!(
        "\n## {}\n\n{}\n\n\
         | budget | told | | measured | | drift | in windows | | watched | what memtrace did | events lost | {} |\n\
         |---:|---:|---|---:|---|---:|---:|---|---:|---|---:|---:|\n",
        workload.title,
        workload.about,
        format_args!("CPU {} per {}, untraced", workload.time.0, workload.unit)
    );
    rows.iter().for_each(|row| text.push_str(&line(workload, row)));
    rows.iter().for_each(|row| text.push_str(&remarks(row)));
    text
}

fn line(workload: Workload, row: &Row) -> String {
    let Row { budget, course, told } = row;
    let measured = course.overhead();
    let untraced = total(&[total(&course.before), total(&course.after)]).each();
    // Without windows there are no pauses.
    let windows = told.window.and_then(|_| course.overhead_in_windows(workload.dear));
    let allowed = Allowed::by(*budget, told.is_limited());
    let judge = |figure: Option<f64>| {
        figure.map_or_else(String::new, |it| verdict(allowed.holds(it)).to_owned())
    };
    let cells = [
        format!("{budget} %"),
        percent(told.overhead),
        judge(told.overhead),
        measured.map_or_else(|| "–".to_owned(), shown),
        measured.map_or_else(String::new, |it| judged(it, allowed)),
        course.drift().map_or_else(|| "–".to_owned(), |drift| format!("{drift:+.1} %")),
        percent(windows),
        judge(windows),
        format!("{:.1} %", 100.0 * told.share()),
        told.deeds(),
        Thousands(told.events_lost).to_string(),
        untraced.map_or_else(|| "–".to_owned(), |it| format!("{:.1}", it * workload.time.1)),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn percent(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.1} %"))
}

fn shown(estimate: Estimate) -> String {
    let Estimate { value, range: [least, most] } = estimate;
    format!("{value:.1} % ({least:.1}–{most:.1})")
}

fn judged(estimate: Estimate, allowed: Allowed) -> String {
    let verdict = verdict(allowed.holds(estimate.value));
    if estimate.is_undecided(allowed) { format!("{verdict}, open") } else { verdict.to_owned() }
}

/// Why memtrace did what it did, and what else it said.
fn remarks(row: &Row) -> String {
    let mut text = String::new();
    for said in row.told.reasons.iter().chain(&row.told.notes) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n- {} %: {said}", row.budget);
    }
    if text.is_empty() { text } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::super::account::{Course, Work};
    use super::super::told::Told;
    use super::super::{Plan, Row, WORKLOADS};
    use super::{head, section};

    fn row(budget: f64, told: Option<f64>, traced: f64) -> Row {
        let slice = Work { units: 1e8, cpu: 1.0 };
        let course = Course {
            before: vec![slice; 5],
            traced: vec![Work { units: 1e9, cpu: traced }],
            after: vec![slice; 5],
        };
        let reasons = vec!["it cost too much".to_owned()];
        Row { budget, course, told: Told { overhead: told, reasons, ..Told::default() } }
    }

    #[test]
    fn a_row_is_judged_by_both_accounts() {
        let mut limited = row(20.0, Some(12.5), 13.0);
        limited.told.interval = 512;
        let rows =
            [row(5.0, Some(5.5), 10.4), row(20.0, Some(12.0), 13.0), limited, row(20.0, None, 0.0)];
        let text = section(WORKLOADS[0].1, &rows);
        let first = "| 5 % | 5.5 % | met | 4.0 % (4.0–4.0) | met | +0.0 % | – |  | 100.0 % | every allocation, all the \
                     time | 0 | 10.0 |";
        assert!(text.contains(first), "{text}");
        assert!(
            text.contains("| 20 % | 12.0 % | met | 30.0 % (30.0–30.0) | **missed** |"),
            "{text}"
        );
        let needlessly = "| 20 % | 12.5 % | **missed** | 30.0 % (30.0–30.0) | **missed** |";
        assert!(text.contains(needlessly), "{text}");
        assert!(text.contains("| 20 % | – |  |"), "{text}");
        assert!(text.contains("\n- 20 %: it cost too much\n"), "{text}");
        let columns = text.lines().filter(|line| line.starts_with('|'));
        assert!(columns.map(|line| line.matches('|').count()).all(|count| count == 13), "{text}");
    }

    #[test]
    fn the_head_names_the_machine() {
        let text = head(&["A machine.".to_owned()], &Plan::new(300));
        assert!(text.contains("30 s untraced, 300 s under") && text.contains("- A machine."));
    }
}
