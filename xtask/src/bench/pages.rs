//! How long a page of 100,000 call stacks takes to open in a browser: what the test that drives it says.

use super::sample::Sample;
use super::sections::verdict;
use crate::command::{output, shown};
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

/// The test, of `memtrace/tests/html_browser.rs`.
const TEST: &str = "a_hundred_thousand_stacks";
/// The longest that opening may take, ms.
const LONGEST: f64 = 2000.0;

/// Milliseconds: until the page was there, and until another window of time was.
#[derive(Default)]
pub(super) struct Page {
    opened: Sample,
    window: Sample,
}

/// Measures in headless Chromium.
pub(super) fn measure(rounds: u32) -> Result<Page> {
    let mut page = Page::default();
    for round in 1..=rounds {
        eprintln!("xtask: round {round} of {rounds}: a page of 100,000 call stacks");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--package", "memtrace", "--test", "html_browser", "--", "--exact"]);
        cargo.args(["--nocapture", TEST]);
        let name = shown(&cargo);
        let made = output(&mut cargo)?;
        ensure!(made.status.success(), "{name} failed: {}", made.status);
        let said = String::from_utf8_lossy(&made.stderr);
        page.opened.add(after(&said, "opened after ").with_context(|| format!("{name}: no time"))?);
        page.window.add(after(&said, "window: ").with_context(|| format!("{name}: no window"))?);
    }
    Ok(page)
}

/// The milliseconds behind these words.
fn after(text: &str, words: &str) -> Option<f64> {
    text.split(words).nth(1)?.split(' ').next()?.parse().ok()
}

/// Markdown that begins with a heading of the second level.
pub(super) fn section(page: &Page) -> String {
    let is_met = page.opened.median().is_some_and(|opened| opened < LONGEST);
    format!(
        "## A page of 100,000 call stacks\n\n\
         26 frames deep, in headless Chromium, from a file: milliseconds until it is loaded and drawn, and until another \
         window of time is.\n\n\
         | opened | another window |\n|---:|---:|\n| {} | {} |\n\n\
         Target: opened in under {LONGEST} ms: {}.\n",
        page.opened.shown(0),
        page.window.shown(0),
        verdict(is_met)
    )
}

#[cfg(test)]
mod tests {
    use super::{Page, after, section};

    #[test]
    fn times_are_found_in_what_the_test_says() {
        let said = "12 bytes\nopened after 1177.39 ms\ni: 5 ms\nwindow: 477 ms\n";
        assert_eq!(after(said, "opened after "), Some(1177.39));
        assert_eq!(after(said, "window: "), Some(477.0));
        assert_eq!(after(said, "closed after "), None);
    }

    #[test]
    fn a_slow_page_misses_the_target() {
        let page = |opened| Page { opened: [opened].into_iter().collect(), ..Page::default() };
        assert!(section(&page(1999.0)).contains("under 2000 ms: met."));
        assert!(section(&page(2001.0)).contains("under 2000 ms: **missed**."));
        assert!(section(&Page::default()).contains("**missed**"), "not measured is not met");
    }
}
