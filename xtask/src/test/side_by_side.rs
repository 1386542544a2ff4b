//! Runs the test programs that trace real processes: two at a time, as most of their time is spent waiting.

use super::complaints;
use super::programs::{self, Program};
use super::tally::{self, Tally};
use crate::command::root;
use crate::workers::{WORKERS, share_out};
use anyhow::{Context as _, Result, bail};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Groups that judge what tracing costs, what is lost under load, or how the machine as a whole looks: they have the
/// machine for themselves, after the others.
const ALONE: [&str; 11] = [
    "live_bad_input",
    "live_crowd",
    "live_doctor",
    "live_full",
    "live_loss",
    "live_process",
    "live_selection",
    "live_selection_groups",
    "live_selection_members",
    "live_windows",
    "live_zoom",
];

/// How a program ended, and what it said until then.
struct Ended {
    said: String,
    tally: Tally,
}

/// Runs them all, as root.
///
/// # Errors
/// When one cannot be run, or crashes without a failed test to show for it; the others run all the same.
pub(super) fn run(programs: &[Program], filter: Option<&str>) -> Result<Tally> {
    let (alone, beside): (Vec<_>, Vec<_>) =
        programs.iter().partition(|program| ALONE.contains(&program.name.as_str()));
    let mut all = Vec::new();
    together(&beside, &|program| command(program, filter), |result| all.push(result));
    for program in alone {
        all.push(command(program, filter).and_then(|mut command| tally::run(&mut command)));
    }
    let mut tally = Tally::default();
    let mut broken = Vec::new();
    for result in all {
        match result {
            Ok(one) => tally = tally.plus(one),
            Err(error) => broken.push(format!("{error:#}")),
        }
    }
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    Ok(tally)
}

/// Makes the command that runs a program.
type Make<'a> = dyn Fn(&Program) -> Result<Command> + Sync + 'a;

/// Runs these side by side, and prints what each said when it has ended.
fn together(programs: &[&Program], make: &Make<'_>, mut note: impl FnMut(Result<Tally>)) {
    let work = |program: &Program| {
        // A run that is stopped from outside shows which did not end.
        println!("{} begins", program.name);
        let begin = Instant::now();
        let result = one(program, make);
        (program.name.clone(), begin.elapsed().as_secs_f64(), result)
    };
    share_out(WORKERS, programs.iter().copied(), work, |(name, seconds, result)| {
        note(result.map(|ended| {
            println!("\n{name}: {seconds:.1} s\n{}", ended.said.trim_end());
            complaints::note_tests(&name, ended.said.lines());
            ended.tally
        }));
    });
}

fn one(program: &Program, make: &Make<'_>) -> Result<Ended> {
    // A terminal's Ctrl-C goes to them all; nobody is asked anything.
    let output = make(program)?
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.name))?;
    let said = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    let tally = said[0].lines().filter_map(Tally::of_line).fold(Tally::default(), Tally::plus);
    let said = said.concat();
    if !output.status.success() && tally.failed == 0 {
        println!("\n{}: {}\n{}", program.name, output.status, said.trim_end());
        complaints::note_crash(&program.name, &output.status.to_string(), said.lines());
        bail!("{}: {}", program.name, output.status);
    }
    Ok(Ended { said, tally })
}

/// One test of a program at a time, because a traced program is slower for everyone and the tests count events.
fn command(program: &Program, filter: Option<&str>) -> Result<Command> {
    let mut command = programs::as_root(&program.file)?;
    command.current_dir(root().join("memtrace")).arg("--test-threads=1").args(filter);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{ALONE, Command, Program, together};
    use crate::test::programs::{integration_tests, is_privileged};
    use crate::test::tally::Tally;

    #[test]
    fn those_that_run_alone_are_there() {
        let names = integration_tests(is_privileged).unwrap();
        assert!(ALONE.iter().all(|name| names.iter().any(|it| it == name)), "{names:?}");
    }

    /// Each is run once, and one that cannot be run is no reason to leave others out.
    #[test]
    fn all_are_run() {
        let named = |name: &str, file: &str| Program { name: name.to_owned(), file: file.into() };
        let programs = [named("a", "true"), named("b", "/nowhere"), named("c", "true")];
        let mut results = Vec::new();
        let make = |program: &Program| Ok(Command::new(&program.file));
        together(&programs.each_ref(), &make, |result| results.push(result.ok()));
        results.sort_by_key(Option::is_some);
        assert_eq!(results, [None, Some(Tally::default()), Some(Tally::default())]);
    }
}
