//! What each kernel's verifier says of our programs, as a table. It is read from what
//! `memtrace doctor --programs --format json` printed in the guest.

use super::results::Run;
use super::table::markdown;
use serde_json::Value;

/// Programs × kernels, in Markdown.
pub(super) fn table(runs: &[Run]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in runs.iter().flat_map(|run| programs(run).filter_map(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let kernels = runs.iter().map(|run| run.kernel.as_str());
    let header: Vec<String> = ["program"].into_iter().chain(kernels).map(str::to_owned).collect();
    let row = |name: &&str| {
        let cells = runs.iter().map(|run| cell(run, name));
        [format!("`{name}`")].into_iter().chain(cells).collect()
    };
    let mut rows: Vec<Vec<String>> = names.iter().map(row).collect();
    if rows.is_empty() {
        let unknown = runs.iter().map(|_| NOT_KNOWN.to_owned());
        rows.push(["all".to_owned()].into_iter().chain(unknown).collect());
    }
    markdown(&header, &rows)
}

const NOT_KNOWN: &str = "not known";

/// The rows of doctor's section on programs.
fn programs(run: &Run) -> impl Iterator<Item = &Value> {
    let sections = run.verdicts.iter().filter_map(|doctor| doctor["sections"].as_array()).flatten();
    let of_programs = sections.filter(|section| section["topic"] == "programs");
    of_programs.filter_map(|section| section["table"].as_array()).flatten()
}

fn name(program: &Value) -> Option<&str> {
    program["program"].as_str()
}

fn cell(run: &Run, wanted: &str) -> String {
    let program = programs(run).find(|program| name(program) == Some(wanted));
    program.map_or_else(|| NOT_KNOWN.to_owned(), verdict)
}

/// `43,585 insns · 12 ms · 304 B`; or what doctor says instead.
fn verdict(program: &Value) -> String {
    let number = |key: &str| program[key].as_u64();
    match (program["verdict"].as_str(), number("instructions"), number("load_us")) {
        (Some("ok"), Some(count), Some(time)) => {
            let stack = number("stack_bytes").unwrap_or_default();
            format!("{} insns · {} · {stack} B", thousands(count), milliseconds(time))
        }
        // What exactly is missing would be the same in every row.
        (Some(words), ..) if words.starts_with("absent") => "absent".to_owned(),
        (Some(words), ..) => words.to_owned(),
        (None, ..) => NOT_KNOWN.to_owned(),
    }
}

fn milliseconds(microseconds: u64) -> String {
    if microseconds < 10_000 {
        return format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100);
    }
    format!("{} ms", microseconds / 1000)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Run, table, verdict};
    use serde_json::{Value, json};

    fn run(kernel: &str, verdicts: Option<Value>) -> Run {
        Run { kernel: kernel.to_owned(), verdicts, ..Run::default() }
    }

    fn doctor(programs: &[Value]) -> Option<Value> {
        let other = json!({"topic": "prices", "table": [{"program": "x"}]});
        Some(json!({"sections": [other, {"topic": "programs", "table": programs}]}))
    }

    fn verified(name: &str) -> Value {
        json!({"program": name, "instructions": 43585, "stack_bytes": 208, "load_us": 12345,
               "verdict": "ok"})
    }

    #[test]
    fn each_verdict_has_its_words() {
        assert_eq!(verdict(&verified("a")), "43,585 insns · 12 ms · 208 B");
        for (words, expected) in [
            ("absent: no type", "absent"),
            ("REFUSED: R1 is bad", "REFUSED: R1 is bad"),
            ("ok", "ok"),
        ] {
            assert_eq!(verdict(&json!({"program": "a", "verdict": words})), expected);
        }
        assert_eq!(verdict(&json!({"program": "a"})), "not known");
    }

    #[test]
    fn programs_are_rows_and_kernels_are_columns() {
        let absent = json!({"program": "b", "verdict": "absent: x"});
        let runs = [
            run("native", doctor(&[verified("a"), verified("b")])),
            run("5.10", doctor(&[verified("a"), absent])),
            run("6.1", None),
        ];
        let good = "43,585 insns · 12 ms · 208 B";
        let expected = format!(
            "| program | native | 5.10 | 6.1 |\n|---|---|---|---|\n\
             | `a` | {good} | {good} | not known |\n| `b` | {good} | absent | not known |\n"
        );
        assert_eq!(table(&runs), expected);
    }

    #[test]
    fn strange_answers_are_not_known() {
        let odd = json!({"sections": [{"topic": "programs", "table": [{"program": 1}, 7]}]});
        for verdicts in [json!({}), json!({"sections": 3}), odd] {
            assert!(table(&[run("6.1", Some(verdicts))]).contains("| all | not known |"));
        }
    }
}
