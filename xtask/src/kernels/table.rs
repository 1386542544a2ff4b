//! Results → text: the table on the terminal, and the document that is kept.

use super::results::{Group, Run};
use super::verifier;
use crate::test::tally::Tally;
use std::fmt::Write as _;

/// The table of groups and kernels, what failed, and the sum.
pub(super) fn terminal(runs: &[Run], names: &[&str]) -> String {
    let mut text = aligned(&header(runs), &rows(runs, names));
    for run in runs {
        if let Some(trouble) = &run.trouble {
            let _ = writeln!(text, "\nkernel {}: {trouble}", run.kernel);
        }
        for group in run.groups.iter().filter(|group| !group.is_good()) {
            let _ = writeln!(text, "kernel {}: {}: {}", run.kernel, group.name, failure(group));
        }
    }
    let sum = counted(runs);
    let _ = writeln!(text, "{} passed, {} failed", sum.passed, sum.failed);
    text
}

/// Everything together.
pub(super) fn counted(runs: &[Run]) -> Tally {
    runs.iter().map(Run::counted).fold(Tally::default(), Tally::plus)
}

/// `docs/kernels.md`.
pub(super) fn document(runs: &[Run], names: &[&str]) -> String {
    let mut text = String::from(
        "# Kernels\n\n\
         Made by `cargo xtask kernels --write`; do not edit. The end-to-end tests on other kernels: \
         Debian's for virtual machines, in qemu under software emulation, which is several times \
         slower than the machine itself; `native` is the machine. A cell has the tests that passed, \
         that failed, and that are about something this kernel has not (n/a), and the seconds that the \
         group took. The group `programs` is not among them: it tests \
         memtrace on other people's programs, not on other kernels.\n\n",
    );
    text.push_str(&markdown(&header(runs), &rows(runs, names)));
    for run in runs.iter().filter(|run| !run.is_good()) {
        let _ = write!(text, "\nOn {}:\n\n", run.kernel);
        if let Some(trouble) = &run.trouble {
            let _ = writeln!(text, "- {}", trouble.lines().next().unwrap_or_default());
        }
        for group in run.groups.iter().filter(|group| !group.is_good()) {
            let _ = writeln!(text, "- {}: {}", group.name, failure(group));
        }
    }
    text.push_str(
        "\n## The verifier\n\n\
         What each kernel's verifier says of each eBPF program: the instructions that it looked at, the \
         time that loading took, and the stack. A program is absent where another stands in for it.\n\n",
    );
    text.push_str(&verifier::table(runs));
    text
}

fn header(runs: &[Run]) -> Vec<String> {
    let kernels = runs.iter().map(|run| run.kernel.clone());
    ["group".to_owned()].into_iter().chain(kernels).collect()
}

fn rows(runs: &[Run], names: &[&str]) -> Vec<Vec<String>> {
    let row = |name: &str, cell: &dyn Fn(&Run) -> String| -> Vec<String> {
        [name.to_owned()].into_iter().chain(runs.iter().map(cell)).collect()
    };
    let groups = names.iter().map(|name| {
        row(name, &|run| match run.group(name) {
            Some(group) => group.to_string(),
            None if run.wants(name) => "NOT RUN".to_owned(),
            None => "-".to_owned(),
        })
    });
    let release = |run: &Run| run.release.clone().unwrap_or_else(|| "not known".to_owned());
    let whole = |run: &Run| {
        let verdict = if run.is_good() { "ok" } else { "FAILED" };
        format!("{verdict} {:.0} s", run.time.as_secs_f64())
    };
    [row("release", &release)].into_iter().chain(groups).chain([row("all", &whole)]).collect()
}

fn failure(group: &Group) -> String {
    let trouble = group.trouble().into_iter();
    let failed = group.failed.iter().map(|name| format!("{name} failed"));
    trouble.chain(failed).collect::<Vec<_>>().join(", ")
}

/// A table in Markdown.
pub(super) fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(header) + &format!("|{}\n", "---|".repeat(header.len()));
    text.extend(rows.iter().map(|row| line(row)));
    text
}

/// A cell is one line, and its bars are not the table's.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// A table in columns.
fn aligned(header: &[String], rows: &[Vec<String>]) -> String {
    let all: Vec<&[String]> = [header].into_iter().chain(rows.iter().map(Vec::as_slice)).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Group, Run, document, terminal};
    use std::time::Duration;

    fn group(name: &str, result: &str, code: i32) -> Group {
        let mut group = Group::new(name);
        group.line(result);
        group.code = Some(code);
        group.seconds = 2.34;
        group
    }

    fn runs() -> [Run; 3] {
        let wanted = vec!["links".to_owned(), "loss".to_owned()];
        let mut bad = group("loss", "---- a::b stdout ----", 101);
        bad.line("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured");
        let good = group("links", "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured", 0);
        let native = Run {
            kernel: "native".to_owned(),
            release: Some("6.18.44".to_owned()),
            wanted: wanted.clone(),
            groups: vec![good.clone(), bad],
            time: Duration::from_secs(5),
            ..Run::default()
        };
        let trouble = Some("the kernel panicked: x\n  | [1.0] x\n".to_owned());
        let old = Run {
            kernel: "5.10".to_owned(),
            wanted,
            groups: vec![good.clone()],
            trouble,
            ..Run::default()
        };
        let few = Run {
            kernel: "6.1".to_owned(),
            wanted: vec!["links".to_owned()],
            groups: vec![good],
            ..Run::default()
        };
        [native, old, few]
    }

    #[test]
    fn the_table_has_a_column_per_kernel_and_names_what_failed() {
        let text = terminal(&runs(), &["links", "loss"]);
        let expected = "\
group    native                 5.10         6.1
release  6.18.44                not known    not known
links    9 ok, 2.3 s            9 ok, 2.3 s  9 ok, 2.3 s
loss     3 ok, 1 FAILED, 2.3 s  NOT RUN      -
all      FAILED 5 s             FAILED 0 s   ok 0 s
kernel native: loss: a::b failed

kernel 5.10: the kernel panicked: x
  | [1.0] x

30 passed, 3 failed
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_document_has_the_same_and_the_verifiers_table() {
        let text = document(&runs(), &["links", "loss"]);
        for part in [
            "| group | native | 5.10 | 6.1 |\n|---|---|---|---|\n",
            "| loss | 3 ok, 1 FAILED, 2.3 s | NOT RUN | - |\n",
            "\nOn native:\n\n- loss: a::b failed\n",
            "\nOn 5.10:\n\n- the kernel panicked: x\n\n## The verifier",
            "| all | not known | not known | not known |\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
