//! What follows an alert: it is told, a report is made at once, and then the user's command runs. At most
//! so many times as the user allows; what a hostile target could make happen more often is only told.

mod command;

use super::self_usage::Rank;
use super::settings::AlertSettings;
use crate::engine::alerts::Alert;
use crate::report::AlertReport;
use command::Commands;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::path::PathBuf;

/// Alerts on their way through a report to the command.
pub(super) struct Alarm {
    /// How many more are acted on.
    left: u64,
    /// In no report yet.
    waiting: Vec<AlertReport>,
    /// In reports that are being made, one entry for each report.
    reported: VecDeque<Vec<AlertReport>>,
    commands: Option<Commands>,
}

impl Alarm {
    /// The command runs in memtrace's place of `rank` when memory runs out.
    pub(super) fn new(settings: &AlertSettings, rank: Rank) -> Self {
        Self {
            left: settings.limit,
            waiting: Vec::new(),
            reported: VecDeque::new(),
            commands: Commands::new(&settings.command, rank),
        }
    }

    /// Tells of new alerts; gives whether a report is wanted for any.
    pub(super) fn hear(&mut self, alerts: &[Alert]) -> bool {
        for alert in alerts {
            let alert = AlertReport::of(alert, alert.time, Timestamp::now());
            let rest = match self.left {
                0 => "; --alert-limit is reached, so nothing is done about it",
                _ => "",
            };
            tracing::warn!("alert: {}{rest}", alert.describe());
            if self.left > 0 {
                self.left -= 1;
                self.waiting.push(alert);
            }
        }
        !self.waiting.is_empty()
    }

    /// A report is being made, which has all alerts so far.
    pub(super) fn being_reported(&mut self) {
        self.reported.push_back(std::mem::take(&mut self.waiting));
    }

    /// The oldest of the reports that were being made is done, and in this file if it is in one.
    pub(super) fn is_reported(&mut self, file: Option<&PathBuf>) {
        let alerts = self.reported.pop_front().unwrap_or_default();
        if let Some(commands) = &mut self.commands {
            alerts.into_iter().for_each(|alert| commands.queue(alert, file.cloned()));
        }
    }

    /// Runs the commands that are due, one after the other; for ever. Safe to be cancelled.
    pub(super) async fn run(&mut self) {
        match &mut self.commands {
            Some(commands) => loop {
                commands.step().await;
            },
            None => std::future::pending().await,
        }
    }

    /// Runs the commands that are due, to the last one. Safe to be cancelled.
    pub(super) async fn finish(&mut self) {
        if let Some(commands) = &mut self.commands {
            while !commands.are_done() {
                commands.step().await;
            }
        }
    }
}
