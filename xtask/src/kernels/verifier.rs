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

fn programs(run: &Run) -> impl Iterator<Item = &Value> {
    run.verdicts.iter().filter_map(|verdicts| verdicts["programs"].as_array()).flatten()
}

fn name(program: &Value) -> Option<&str> {
    program["name"].as_str()
}

fn cell(run: &Run, wanted: &str) -> String {
    if run.verdicts.is_none() {
        return NOT_KNOWN.to_owned();
    }
    let program = programs(run).find(|program| name(program) == Some(wanted));
    program.map_or_else(|| "absent".to_owned(), verdict)
}

/// `43,585 insns · 12 ms · 304 B`, with what is known of it; or why it was refused.
fn verdict(program: &Value) -> String {
    if let Some(reason) = program["refused"].as_str() {
        return format!("refused: {reason}");
    }
    if program["verified"] != true {
        return NOT_KNOWN.to_owned();
    }
    let instructions = program["instructions"].as_u64();
    let parts = [
        instructions.map(|count| format!("{} insns", thousands(count))),
        program["load_microseconds"].as_u64().map(milliseconds),
        stack(&program["stack_bytes"]),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "verified".to_owned() } else { parts.join(" · ") }
}

/// `200+8 B`, as the verifier's own log has it: the program's, then those of its functions.
fn stack(bytes: &Value) -> Option<String> {
    let bytes: Option<Vec<String>> =
        bytes.as_array()?.iter().map(|bytes| Some(bytes.as_u64()?.to_string())).collect();
    bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| format!("{} B", bytes.join("+")))
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

    #[test]
    fn each_verdict_has_its_words() {
        let program = |more: Value| {
            let mut program = json!({"name": "a", "verified": true, "refused": null});
            program.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            program
        };
        for (more, expected) in [
            (
                json!({"instructions": 43585, "stack_bytes": [200, 8], "load_microseconds": 12345}),
                "43,585 insns · 12 ms · 200+8 B",
            ),
            (
                json!({"instructions": 7, "stack_bytes": [], "load_microseconds": 950}),
                "7 insns · 0.9 ms",
            ),
            (json!({"instructions": null}), "verified"),
            (json!({"verified": false, "refused": "R1 is bad"}), "refused: R1 is bad"),
            (json!({"verified": null}), "not known"),
        ] {
            assert_eq!(verdict(&program(more)), expected);
        }
    }

    #[test]
    fn a_program_that_a_kernel_does_not_get_is_absent() {
        let programs = |names: &[&str]| {
            let programs: Vec<_> =
                names.iter().map(|name| json!({"name": name, "verified": true})).collect();
            Some(json!({ "programs": programs }))
        };
        let runs =
            [run("native", programs(&["b"])), run("5.10", programs(&["a"])), run("6.1", None)];
        let expected = "\
| program | native | 5.10 | 6.1 |
|---|---|---|---|
| `b` | verified | absent | not known |
| `a` | absent | verified | not known |
";
        assert_eq!(table(&runs), expected);
    }

    #[test]
    fn strange_answers_are_not_known() {
        for verdicts in [json!({}), json!({"programs": 3}), json!({"programs": [{"name": 1}, 7]})] {
            assert!(table(&[run("6.1", Some(verdicts))]).contains("| all | not known |"));
        }
    }
}
