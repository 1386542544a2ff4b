//! Alerts: the options as typed, and what they come to.

use super::super::args::Ledger;
use super::super::exit::UsageError;
use super::super::values::Window;
use super::super::{help, values};
use super::usage;
use crate::engine::alerts::{Rate, Thresholds};
use clap::Args;

/// Alerts that are acted on, where the user names no number.
const USUAL_LIMIT: u64 = 10;

/// Options that say when there is an alert, and what happens then.
#[derive(Clone, Debug, Default, Args)]
pub struct AlertArgs {
    /// Alert when a process holds so many live heap bytes
    ///
    /// An alert is told on standard error and listed in reports, and a report is made at once. Each process is
    /// looked at by itself, about once a second, and counts what it allocated while it was traced. After an
    /// alert there is no other of its kind for a process before it has been below 90 % of the threshold, and
    /// none within a minute. Alerts do not change the exit code.
    #[arg(long, value_name = "BYTES", value_parser = values::positive_size, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_live: Option<u64>,
    /// Alert when the resident set of a process has so many bytes
    #[arg(long, value_name = "BYTES", value_parser = values::positive_size, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_rss: Option<u64>,
    /// Alert when the live heap bytes of a process grow by so much, such as 10MiB/min
    ///
    /// Growth is measured over the time that RATE names: the minute (`min`), hour (`h`) or day (`d`), and ten
    /// seconds where it is the second (`s`). It is the median slope between all pairs of up to sixty looks, and there is an alert when the
    /// interval of 95 % around it lies at RATE or above.
    #[arg(long, value_name = "RATE", value_parser = values::rate, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_growth: Option<Rate>,
    /// Alert when all processes together hold so many live heap bytes
    ///
    /// As --alert-live, of the sum over all that are traced at the moment.
    #[arg(long, value_name = "BYTES", value_parser = values::positive_size, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_total_live: Option<u64>,
    /// Alert when the resident sets of all processes together have so many bytes
    ///
    /// Pages that processes share count for each of them.
    #[arg(long, value_name = "BYTES", value_parser = values::positive_size, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_total_rss: Option<u64>,
    /// Alert when the live heap bytes of all processes together grow by so much, such as 10MiB/min
    ///
    /// As --alert-growth. What a process held that ends is gone.
    #[arg(long, value_name = "RATE", value_parser = values::rate, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_total_growth: Option<Rate>,
    /// Run this command for each alert, once its report is written
    ///
    /// It is split into words as a shell would, but no shell runs it: `sh -c '...'` does. It runs as the user
    /// that memtrace runs as, who can read the report; under sudo that is root, and `runuser -u NAME -- CMD`
    /// changes it. It is told of the alert by `MEMTRACE_SCOPE` (process or total), `MEMTRACE_PID`,
    /// `MEMTRACE_COMM` (escaped; both empty for all together), `MEMTRACE_CONTAINER` and `MEMTRACE_POD` (empty
    /// outside of them), `MEMTRACE_ALERT` (live, rss or growth),
    /// `MEMTRACE_VALUE` and `MEMTRACE_THRESHOLD` (bytes, or bytes per second) and, where reports go
    /// to files, `MEMTRACE_REPORT`. Its input is empty, its output goes to standard error. One command runs at
    /// a time, for at most a minute: then it is killed with its process group.
    #[arg(long, value_name = "CMD", help_heading = help::ALERTS)]
    pub alert_command: Option<String>,
    /// Make a report and run the command for so many alerts at most [default: 10]
    ///
    /// Further ones are only told and listed.
    #[arg(long, value_name = "N", value_parser = values::positive_count, allow_negative_numbers = true,
          help_heading = help::ALERTS)]
    pub alert_limit: Option<u64>,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// When there is one for a process.
    pub thresholds: Thresholds,
    /// When there is one for all of them together.
    pub total: Thresholds,
    /// The command's words; empty: none.
    pub command: Vec<String>,
    /// Alerts that are acted on.
    pub limit: u64,
}

impl Alerts {
    /// # Errors
    /// One line that names the contradiction and the remedy.
    pub(super) fn new(
        args: &AlertArgs,
        ledger: Ledger,
        window: Option<Window>,
    ) -> Result<Self, UsageError> {
        let thresholds = Thresholds {
            live: args.alert_live,
            resident: args.alert_rss,
            growth: args.alert_growth,
        };
        let total = Thresholds {
            live: args.alert_total_live,
            resident: args.alert_total_rss,
            growth: args.alert_total_growth,
        };
        let both = [thresholds, total];
        if ledger == Ledger::Pages && both.iter().any(|it| it.live.is_some() || it.growth.is_some())
        {
            return usage(
                "--ledger pages follows no heap, so alerts of live bytes and of growth would never be heard \
                 of: leave --ledger out, or use --alert-rss or --alert-total-rss",
            );
        }
        let rates = both.iter().filter_map(|it| it.growth);
        if let Some(window) = window
            && let Some(needed) = rates.map(Rate::least_watch).max()
            && window.on < needed
        {
            return usage(format!(
                "growth is measured in {needed:?} without a pause, and --window watches blocks for {:?} at a time, so that alerts of \
                 growth would never be heard of: give longer windows or a shorter time (such as 1M/s), or use \
                 --alert-rss",
                window.on
            ));
        }
        let has_wishes = args.alert_command.is_some() || args.alert_limit.is_some();
        if has_wishes && both == [Thresholds::default(); 2] {
            return usage(
                "there is no alert to act on: say when with --alert-live, --alert-rss or --alert-growth",
            );
        }
        let command = args.alert_command.as_deref().map_or(Ok(Vec::new()), words)?;
        Ok(Self { thresholds, total, command, limit: args.alert_limit.unwrap_or(USUAL_LIMIT) })
    }

    /// Whether there may be one.
    pub(super) fn are_wished(&self) -> bool {
        [self.thresholds, self.total] != [Thresholds::default(); 2]
    }
}

fn words(command: &str) -> Result<Vec<String>, UsageError> {
    let Some(words) = shlex::split(command) else {
        return usage(format!(
            "--alert-command {command:?} has a quote or a backslash without its end: close it"
        ));
    };
    if words.first().is_none_or(String::is_empty) {
        return usage("--alert-command is empty: name a program");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{AlertArgs, Alerts, Ledger, Rate, UsageError, Window};
    use std::time::Duration;

    fn of(args: &AlertArgs, ledger: Ledger) -> Result<Alerts, UsageError> {
        Alerts::new(args, ledger, None)
    }

    fn refused(args: &AlertArgs, ledger: Ledger) -> String {
        of(args, ledger).unwrap_err().to_string()
    }

    fn commanded(command: &str) -> AlertArgs {
        let alert_command = Some(command.to_owned());
        AlertArgs { alert_rss: Some(1), alert_command, ..AlertArgs::default() }
    }

    #[test]
    fn words_are_split_as_a_shell_does_and_left_alone() {
        let alerts = of(&commanded("notify 'a b' \"c d\" e\\ f $HOME *"), Ledger::Both);
        let alerts = alerts.unwrap();
        assert_eq!(alerts.command, ["notify", "a b", "c d", "e f", "$HOME", "*"]);
        assert_eq!(alerts.limit, 10);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(refused(&commanded("notify 'a"), Ledger::Both).contains("quote"));
        assert!(refused(&commanded(" "), Ledger::Both).contains("empty"));
        assert!(refused(&commanded("''"), Ledger::Both).contains("empty"));
        let lonely = AlertArgs { alert_rss: None, ..commanded("x") };
        assert!(refused(&lonely, Ledger::Both).contains("--alert-live"));
        let live = AlertArgs { alert_live: Some(1), ..AlertArgs::default() };
        assert!(refused(&live, Ledger::Pages).contains("--ledger"));
        assert!(of(&live, Ledger::Heap).is_ok());
        let total = AlertArgs { alert_total_live: Some(1), ..AlertArgs::default() };
        assert!(refused(&total, Ledger::Pages).contains("--ledger"));
    }

    #[test]
    fn growth_needs_windows_that_are_as_long() {
        let growth = |per: u64| Some(Rate { bytes: 1, per: per * 1_000_000_000 });
        let on = |seconds| {
            let window = Duration::from_secs;
            Some(Window { on: window(seconds), period: window(600) })
        };
        let per_minute = AlertArgs { alert_growth: growth(60), ..AlertArgs::default() };
        let refusal = Alerts::new(&per_minute, Ledger::Both, on(60)).unwrap_err().to_string();
        assert!(refusal.contains("62s") && refusal.contains("60s"), "{refusal}");
        assert!(Alerts::new(&per_minute, Ledger::Both, on(62)).is_ok());
        let total = AlertArgs { alert_total_growth: growth(1), ..AlertArgs::default() };
        assert!(Alerts::new(&total, Ledger::Both, on(10)).is_err(), "ten seconds at least");
        assert!(Alerts::new(&total, Ledger::Both, on(12)).is_ok());
    }

    #[test]
    fn all_together_suffice_for_a_command() {
        let alert_total_rss = Some(7);
        let args = AlertArgs { alert_rss: None, alert_total_rss, ..commanded("x") };
        let alerts = of(&args, Ledger::Pages).unwrap();
        assert_eq!((alerts.thresholds.resident, alerts.total.resident), (None, Some(7)));
    }
}
