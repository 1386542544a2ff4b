//! The user's command, run for one alert after the other.

use crate::daemon::self_usage::Rank;
use crate::report::AlertReport;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

/// How long a command may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command, and the alerts that it is to be run for.
pub(super) struct Commands {
    words: Vec<String>,
    rank: Rank,
    queue: VecDeque<(AlertReport, Option<PathBuf>)>,
    running: Option<Running>,
    patience: Duration,
}

/// A command that runs. It is killed when dropped.
struct Running {
    child: Child,
    until: Instant,
    was_killed: bool,
}

impl Commands {
    /// `None` where `words` is empty.
    pub(super) fn new(words: &[String], rank: Rank) -> Option<Self> {
        let words = words.to_vec();
        let (queue, running, patience) = (VecDeque::new(), None, PATIENCE);
        let is_given = !words.is_empty();
        is_given.then_some(Self { words, rank, queue, running, patience })
    }

    /// Has it run for an alert, in its turn. `report` is the file that tells of it.
    pub(super) fn queue(&mut self, alert: AlertReport, report: Option<PathBuf>) {
        self.queue.push_back((alert, report));
    }

    /// Nothing runs and nothing waits.
    pub(super) fn are_done(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    /// Until the command that runs, or else the next one, has ended; pending where there is none. Safe to be
    /// cancelled.
    pub(super) async fn step(&mut self) {
        if self.running.is_none() {
            match self.queue.pop_front() {
                None => return std::future::pending().await,
                Some((alert, report)) => self.start(&alert, report),
            }
        }
        let Some(running) = &mut self.running else { return };
        let ended = running.end().await;
        tell(&self.words[0], ended, running.was_killed, self.patience);
        self.running = None;
    }

    fn start(&mut self, alert: &AlertReport, report: Option<PathBuf>) {
        let command = self.command(alert, report);
        match command.and_then(|mut command| self.rank.at_first(|| command.spawn())) {
            Ok(child) => {
                let until = Instant::now() + self.patience;
                self.running = Some(Running { child, until, was_killed: false });
            }
            Err(error) => tracing::warn!(
                "cannot run --alert-command {:?}: {error}; give its path, and make it executable",
                self.words[0]
            ),
        }
    }

    fn command(&self, alert: &AlertReport, report: Option<PathBuf>) -> io::Result<Command> {
        // What it says must not get between reports on standard output.
        let output = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .env("MEMTRACE_SCOPE", alert.by.scope())
            .env("MEMTRACE_PID", alert.by.pid().map_or_else(String::new, |pid| pid.to_string()))
            .env("MEMTRACE_COMM", alert.by.comm().unwrap_or_default())
            .env("MEMTRACE_CONTAINER", alert.by.container().unwrap_or_default())
            .env("MEMTRACE_POD", alert.by.pod().unwrap_or_default())
            .env("MEMTRACE_ALERT", alert.kind)
            .env("MEMTRACE_VALUE", alert.value.to_string())
            .env("MEMTRACE_THRESHOLD", alert.threshold.to_string())
            .env_remove("MEMTRACE_REPORT")
            .envs(report.map(|file| ("MEMTRACE_REPORT", file)))
            .stdin(Stdio::null())
            .stdout(output()?)
            .stderr(output()?)
            // Ctrl-C is for memtrace; and what it starts itself can be killed with it.
            .process_group(0);
        Ok(command)
    }
}

impl Running {
    async fn end(&mut self) -> io::Result<ExitStatus> {
        if let Ok(status) = timeout_at(self.until, self.child.wait()).await {
            return status;
        }
        self.was_killed = true;
        self.kill();
        self.child.wait().await
    }

    /// The group has its number from the child, which keeps it until it has been waited for.
    fn kill(&self) {
        if let Some(group) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // All of it may have ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tell(word: &str, ended: io::Result<ExitStatus>, was_killed: bool, patience: Duration) {
    match ended {
        Ok(_) if was_killed => {
            tracing::warn!("--alert-command {word:?} ran for {patience:?}: killed");
        }
        Ok(status) if status.success() => {
            tracing::info!("--alert-command {word:?} ended: {status}");
        }
        Ok(status) => tracing::warn!("--alert-command {word:?} failed: {status}"),
        Err(error) => tracing::warn!("cannot wait for --alert-command {word:?}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Commands, Duration, Instant, Rank};
    use crate::engine::alerts::{Alert, Crossing, Who};
    use crate::model::ids::ProcessKey;
    use crate::model::process::ProcessInfo;
    use crate::report::AlertReport;
    use jiff::Timestamp;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    fn alert(pid: u32) -> AlertReport {
        let key = ProcessKey { pid, start_time: 1 };
        let process = ProcessInfo { key, comm: "a\nb".to_owned(), ..ProcessInfo::default() };
        let crossing = Crossing::Live { bytes: 12, range: None, threshold: 10 };
        let alert = Alert { who: Who::One(Arc::new(process)), time: 0, crossing };
        AlertReport::of(&alert, 0, Timestamp::UNIX_EPOCH)
    }

    fn shell(script: &str) -> Commands {
        let words = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        Commands::new(&words, Rank::default()).unwrap()
    }

    fn run(commands: &mut Commands) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            while !commands.are_done() {
                commands.step().await;
            }
        });
    }

    #[test]
    fn commands_run_one_by_one_and_know_the_alert() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let mut commands = shell(&format!(
            "cat; printf '%s|' begin $MEMTRACE_PID \"$MEMTRACE_COMM\" $MEMTRACE_ALERT $MEMTRACE_VALUE \
             $MEMTRACE_THRESHOLD ${{MEMTRACE_REPORT-none}} >> {path}; sleep 0.1; echo end >> {path}"
        ));
        commands.queue(alert(7), None);
        commands.queue(alert(8), Some(Path::new("/r/1").to_owned()));
        run(&mut commands);
        let said = fs::read_to_string(file.path()).unwrap();
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            ["begin|7|a\\nb|live|12|10|none|end", "begin|8|a\\nb|live|12|10|/r/1|end"]
        );
    }

    #[test]
    fn all_together_are_told_as_such() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = r#"printf '%s|' "$MEMTRACE_SCOPE" "$MEMTRACE_PID" "$MEMTRACE_COMM" >> "#;
        let mut commands = shell(&format!("{script}{}", file.path().display()));
        let crossing = Crossing::Live { bytes: 12, range: None, threshold: 10 };
        let alert = Alert { who: Who::All { processes: 3 }, time: 0, crossing };
        commands.queue(AlertReport::of(&alert, 0, Timestamp::UNIX_EPOCH), None);
        commands.queue(self::alert(7), None);
        run(&mut commands);
        let said = fs::read_to_string(file.path()).unwrap();
        assert_eq!(said, "total|||process|7|a\\nb|");
    }

    #[test]
    fn one_that_hangs_is_killed_with_what_it_started() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let mut commands = shell(&format!("sleep 600 & echo $! > {path}; wait"));
        commands.patience = Duration::from_secs(2);
        commands.queue(alert(7), None);
        run(&mut commands);
        let child = fs::read_to_string(file.path()).unwrap();
        let has_ended = || {
            // Nobody here can wait for it; its parent, whoever that is now, may be slow to do so.
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.map_or(true, |stat| stat.contains(") Z ") || stat.contains(") X "))
        };
        // A signal takes effect when the process gets the CPU.
        let until = Instant::now() + Duration::from_secs(60);
        while !has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(has_ended());
    }

    #[test]
    fn one_that_cannot_run_keeps_nobody_waiting() {
        let mut commands = Commands::new(&["/does/not/exist".to_owned()], Rank::default()).unwrap();
        commands.queue(alert(1), None);
        commands.queue(alert(2), None);
        run(&mut commands);
        assert!(commands.are_done());
        assert!(Commands::new(&[], Rank::default()).is_none());
    }
}
