//! Workloads that are over too soon to be told from what else the machine does: run again and again.

use super::super::Options;
use super::super::attached::Counts;
use super::super::watch::Figures;
use anyhow::Result;

/// Runs it, of so many units of work, until it has taken as much CPU time as the loop.
pub(super) fn repeated(
    options: &Options,
    units: f64,
    mut once: impl FnMut() -> Result<Figures>,
) -> Result<Figures> {
    let least = f64::from(options.seconds) * 1e9;
    let (mut runs, mut taken) = (Vec::new(), 0.0);
    while taken < least || runs.is_empty() {
        let run = once()?;
        taken += run.cpu * units;
        runs.push(run);
    }
    Ok(mean(&runs))
}

/// What a run cost, and what was lost in all of them; the rest as in the last one.
fn mean(runs: &[Figures]) -> Figures {
    let cpu = runs.iter().map(|run| run.cpu).sum::<f64>() / runs.len() as f64;
    let lost = runs.iter().filter_map(|run| run.counts.lost).reduce(|all, more| all + more);
    let last = runs.last().copied().unwrap_or_default();
    Figures { cpu, counts: Counts { lost, ..last.counts }, ..last }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Figures, mean};

    #[test]
    fn runs_are_averaged_and_losses_add_up() {
        let run = |cpu, lost| {
            let counts = Counts { lost, ..Counts::default() };
            Figures { cpu, counts, ..Figures::default() }
        };
        let mean = mean(&[run(1.0, None), run(2.0, Some(3.0)), run(6.0, Some(4.0))]);
        assert_eq!((mean.cpu, mean.counts.lost), (3.0, Some(7.0)));
    }
}
