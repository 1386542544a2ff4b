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
        self.admits_names(|| frames.iter().map(Names::of))
    }

    /// Likewise of frames by their names.
    pub(in crate::report) fn admits_names<'a, I: Iterator<Item = Names<'a>>>(
        &self,
        frames: impl Fn() -> I,
    ) -> bool {
        let any = |patterns: &[Pattern]| frames().any(|names| names.match_one_of(patterns));
        (self.include.is_empty() || any(&self.include))
            && (self.exclude.is_empty() || !any(&self.exclude))
    }

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

/// Names of a frame, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Names<'a> {
    /// The function.
    pub(in crate::report) function: Option<&'a str>,
    /// Its short form.
    pub(in crate::report) short: Option<&'a str>,
    /// The source file, with its directories.
    pub(in crate::report) file: Option<&'a str>,
    /// The program or library.
    pub(in crate::report) module: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(frame: &'a FrameReport) -> Self {
        Self {
            function: frame.function.as_deref(),
            short: frame.short.as_deref(),
            file: frame.file.as_deref(),
            module: frame.module.as_deref(),
        }
    }

    fn match_one_of(self, patterns: &[Pattern]) -> bool {
        let Self { function, short, file, module } = self;
        let base = file.and_then(|path| path.rsplit('/').next());
        let mut known = [function, short, file, base, module].into_iter().flatten();
        known.any(|name| patterns.iter().any(|pattern| pattern.matches(name.as_bytes())))
    }
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
