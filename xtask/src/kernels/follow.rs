//! Runs a program that prints, reads it line by line, and ends it when its time is up.

use crate::command::shown;
use anyhow::{Context as _, Result};
use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A longer line is read as several.
const LONGEST_LINE: u64 = 1 << 20;
/// Lines that may wait to be looked at.
const BACKLOG: usize = 1024;

/// Kills the program if we are not there to wait for its end.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `command` and gives `each` the lines of its output and errors as they come. `None` if it had
/// to be killed because it ran longer than `limit`.
pub(super) fn follow(
    mut command: Command,
    limit: Duration,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<Option<ExitStatus>> {
    let name = shown(&command);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let errors = writer.try_clone().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let mut child = Guard(command.spawn().with_context(|| format!("cannot run {name}"))?);
    // It has our end of the pipe, which would keep the reader waiting.
    drop(command);
    let deadline = Instant::now() + limit;
    let (sender, lines) = sync_channel(BACKLOG);
    std::thread::spawn(move || read_lines(reader, &sender));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            _ if left.is_zero() => return Ok(None),
            Ok(line) => each(&line)?,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    wait(&mut child.0, deadline).with_context(|| format!("cannot wait for {name}"))
}

fn read_lines(reader: PipeReader, lines: &SyncSender<String>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let count = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if !count.is_ok_and(|count| count > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        // A terminal's lines end with a carriage return, too.
        if lines.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
            return;
        }
    }
}

/// It has closed its output, so it is about to end.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::follow;
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_errors_are_read_line_by_line() {
        let mut lines = Vec::new();
        let script = "printf 'a\\r\\n'; echo b >&2; printf '\\377 end'; exit 3";
        let status = follow(shell(script), Duration::from_secs(20), |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        assert_eq!(status.unwrap().and_then(|status| status.code()), Some(3));
        assert_eq!(lines, ["a", "b", "\u{fffd} end"]);
    }

    #[test]
    fn what_hangs_is_ended_silent_or_not() {
        for script in
            ["exec sleep 1000", "while :; do echo x; done", "exec >&- 2>&-; exec sleep 1000"]
        {
            let begin = Instant::now();
            let mut pid = None;
            let script = format!("echo $$; {script}");
            let ended = follow(shell(&script), Duration::from_millis(300), |line| {
                pid = pid.take().or(line.parse::<u32>().ok());
                Ok(())
            });
            assert!(ended.unwrap().is_none(), "{script}");
            assert!(begin.elapsed() < Duration::from_secs(20));
            let process = format!("/proc/{}", pid.unwrap());
            assert!(!std::path::Path::new(&process).exists(), "{script} still runs");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = follow(Command::new("/nonexistent/x"), Duration::ZERO, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x"));
    }
}
