//! What failed, told once more above the summary: of a long log often only the end is kept.

use std::sync::Mutex;

/// In the order in which they came. For the whole run, as stages share their work out to threads.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Most lines of what one test program says that are repeated.
const MOST_LINES: usize = 60;
/// Of one that did not come to its end: its last words.
const LAST_LINES: usize = 30;

/// Keeps this for the end.
pub(crate) fn note(complaint: String) {
    if let Ok(mut complaints) = COMPLAINTS.lock() {
        complaints.push(complaint);
    }
}

/// Keeps what the test program `name` said of tests that failed, if any did.
pub(crate) fn note_tests<'a>(name: &str, said: impl IntoIterator<Item = &'a str>) {
    if let Some(failures) = failures(said) {
        note(format!("{name}:\n{failures}"));
    }
}

/// Keeps the last words of the program `name`, which ended in this way before it came to a result.
pub(crate) fn note_crash<'a>(name: &str, how: &str, said: impl IntoIterator<Item = &'a str>) {
    let lines: Vec<&str> = said.into_iter().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    note(format!("{name}: {how}\n{}", indented(last)));
}

/// All that was kept.
pub(crate) fn take() -> Vec<String> {
    COMPLAINTS.lock().map(|mut complaints| std::mem::take(&mut *complaints)).unwrap_or_default()
}

/// The tests that were ignored, which count as failed, and the part of the harness's output where it repeats what
/// failed tests said: from `failures:` to the result.
fn failures<'a>(said: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let said: Vec<&str> = said.into_iter().map(str::trim_end).collect();
    let ignored =
        said.iter().filter(|line| line.starts_with("test ") && line.contains("... ignored"));
    let from = said.iter().skip_while(|line| **line != "failures:").skip(1);
    let part = from.take_while(|line| !line.starts_with("test result: "));
    let lines: Vec<&str> = ignored.chain(part).copied().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let shown = indented(&lines[..lines.len().min(MOST_LINES)]);
    let more = lines.len().saturating_sub(MOST_LINES);
    let rest = if more == 0 { String::new() } else { format!("  … and {more} more lines\n") };
    Some(shown + &rest)
}

fn indented(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINES, failures};

    #[test]
    fn an_ignored_test_is_named() {
        let said = "test a ... ok\ntest b ... ignored, slow\ntest result: ok. 1 passed; 0 failed; 1 ignored";
        assert_eq!(failures(said.lines()).as_deref(), Some("  test b ... ignored, slow\n"));
    }

    #[test]
    fn what_failed_tests_said_is_found() {
        let said = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nthread 'a' panicked at x:1\n\n\
            failures:\n    a\n\ntest result: FAILED. 0 passed; 1 failed\nlater";
        let found = failures(said.lines()).unwrap();
        assert!(found.starts_with("  ---- a stdout ----\n  thread 'a' panicked"), "{found}");
        assert!(!found.contains("later") && !found.contains("result"), "{found}");
        assert_eq!(failures("test a ... ok\ntest result: ok. 1 passed".lines()), None);
    }

    #[test]
    fn one_that_says_much_leaves_room() {
        let said = format!("failures:\n{}", "line\n".repeat(MOST_LINES + 5));
        let found = failures(said.lines()).unwrap();
        assert_eq!(found.lines().count(), MOST_LINES + 1);
        assert!(found.ends_with("… and 5 more lines\n"), "{found}");
    }
}
