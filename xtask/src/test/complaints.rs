//! What failed, told once more above the summary: of a long log often only the end is kept.

use std::sync::Mutex;

/// In the order in which they came. For the whole run, as stages share their work out to threads.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Most lines of what one test program says that are repeated.
const MOST_LINES: usize = 60;

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

/// All that was kept.
pub(crate) fn take() -> Vec<String> {
    COMPLAINTS.lock().map(|mut complaints| std::mem::take(&mut *complaints)).unwrap_or_default()
}

/// The part of the harness's output where it repeats what failed tests said: from `failures:` to the result.
fn failures<'a>(said: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let from = said.into_iter().skip_while(|line| line.trim_end() != "failures:").skip(1);
    let part = from.take_while(|line| !line.starts_with("test result: "));
    let lines: Vec<&str> = part.filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let shown = lines.iter().take(MOST_LINES).map(|line| format!("  {line}\n")).collect::<String>();
    let more = lines.len().saturating_sub(MOST_LINES);
    let rest = if more == 0 { String::new() } else { format!("  … and {more} more lines\n") };
    Some(shown + &rest)
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINES, failures};

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
