//! Which stacks a view is of, by names in them.

use crate::report::model::{FrameReport, Report};
use crate::selection::Pattern;

/// Patterns of names: of functions, in full or short, of source files, with or without their directories, and of
/// modules. A name must match as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Where there are some: only stacks with a frame that one of them matches.
    pub include: Vec<Pattern>,
    /// No stack with a frame that one of them matches.
    pub exclude: Vec<Pattern>,
}

impl Filter {
    /// Whether a stack with these frames, of allocators and start code, too, is in the view.
    #[must_use]
    pub fn admits(&self, frames: &[FrameReport]) -> bool {
        let any = |patterns: &[Pattern]| frames.iter().any(|frame| matches(patterns, frame));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

impl Filter {
    /// Sums up what the stacks hold that it does not admit.
    pub fn leave_out(&self, report: &mut Report) {
        for process in &mut report.processes {
            let excluded = &mut process.excluded;
            process.stacks.retain(|stack| {
                let is_in = self.admits(&stack.frames);
                if !is_in && stack.live_blocks > 0 {
                    excluded.stacks += 1;
                    excluded.blocks = excluded.blocks.saturating_add(stack.live_blocks);
                    excluded.bytes = excluded.bytes.saturating_add(stack.live_bytes);
                }
                is_in
            });
        }
    }
}

fn matches(patterns: &[Pattern], frame: &FrameReport) -> bool {
    let file = frame.file.as_deref();
    let base = file.and_then(|path| path.rsplit('/').next());
    let known = [frame.function.as_deref(), frame.short.as_deref(), file, base];
    let mut known = known.into_iter().chain([frame.module.as_deref()]).flatten();
    known.any(|name| patterns.iter().any(|pattern| pattern.matches(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::{Filter, FrameReport, Pattern};

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let patterns = |texts: &[&str]| -> Vec<Pattern> {
            texts.iter().map(|text| Pattern::of_name(text).unwrap()).collect()
        };
        Filter { include: patterns(include), exclude: patterns(exclude) }
    }

    fn frames() -> Vec<FrameReport> {
        let insert = FrameReport {
            short: Some("Cache::insert".to_owned()),
            file: Some("/home/build/src/cache.cpp".to_owned()),
            module: Some("app".to_owned()),
            ..FrameReport::called("Cache::insert(Key const&)")
        };
        let library =
            FrameReport { module: Some("libz.so.1".to_owned()), ..FrameReport::nameless() };
        vec![insert, library]
    }

    #[test]
    fn every_name_of_a_frame_counts_and_counts_as_a_whole() {
        for pattern in
            ["Cache::insert", "Cache::insert(*", "cache.cpp", "*/src/*", "app", "libz.so*", "*"]
        {
            assert!(filter(&[pattern], &[]).admits(&frames()), "{pattern}");
            assert!(!filter(&[], &[pattern]).admits(&frames()), "{pattern}");
        }
        for pattern in ["Cache", "insert", "src/*", "libz", "cache.c"] {
            assert!(!filter(&[pattern], &[]).admits(&frames()), "{pattern}");
            assert!(filter(&[], &[pattern]).admits(&frames()), "{pattern}");
        }
    }

    #[test]
    fn one_of_several_is_enough_and_what_is_excluded_is_never_in() {
        assert!(filter(&["nothing", "app"], &["other"]).admits(&frames()));
        assert!(!filter(&["app"], &["libz.so.1"]).admits(&frames()));
        assert!(filter(&[], &[]).admits(&[]));
        assert!(!filter(&["*"], &[]).admits(&[]), "what is not known matches nothing");
        assert!(filter(&[], &["*"]).admits(&[]));
    }
}
