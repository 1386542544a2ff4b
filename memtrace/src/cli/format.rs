//! Forms of reports, and which one a file's name asks for.

use crate::report::View;
use clap::ValueEnum;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Form of the reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: a JSON object per report, on a line of its own
    Json,
    /// For people: call stacks as a tree, with what lives below each function. Only the final report, unless
    /// --interval is given
    Tree,
    /// For people: a row per function, with what it asked for itself and with all that it called. When as with tree
    Summary,
    /// For people: totals, sizes, allocators and their functions, the places and modules that hold most, lifetimes. When as
    /// with tree
    Stats,
    /// For programs that draw flame graphs: a line per call stack, outermost function first, with its live
    /// bytes at the end. Only the final report, unless --interval is given
    Folded,
    /// For pprof: a profile of what was allocated and of what is in use, compressed. Only the final report, unless
    /// --interval is given; a file of that name is replaced
    Pprof,
    /// For speedscope: profiles of each process's live and of its allocated bytes. When and where to as with pprof
    Speedscope,
    /// For the Firefox Profiler: native allocations of each process. When and where to as with pprof
    Firefox,
    /// For spreadsheets: a line per call stack, columns named in the first line. When and where to as with pprof
    Csv,
    /// For people: a flame graph of what is alive as a picture (SVG), without scripts. When and where to as with pprof
    Svg,
    /// A view for programs: what --view makes of JSON
    #[value(skip)]
    ViewJson,
    /// For people, in a browser: one page with a flame graph and tables that needs nothing else. When and where to as
    /// with pprof
    Html,
}

/// Ends of names, and what they ask for; the first one that fits counts.
const ENDINGS: [(&str, Format); 9] = [
    (".speedscope.json", Format::Speedscope),
    (".firefox.json", Format::Firefox),
    (".json", Format::Json),
    (".pb.gz", Format::Pprof),
    (".folded", Format::Folded),
    (".csv", Format::Csv),
    (".svg", Format::Svg),
    (".html", Format::Html),
    (".txt", Format::Text),
];

impl Format {
    /// What was typed, or else what the name of the output asks for, or else text.
    #[must_use]
    pub fn chosen(typed: Option<Self>, output: Option<&OsStr>) -> Self {
        typed.or_else(|| Self::of_name(output?)).unwrap_or_default()
    }

    fn of_name(name: &OsStr) -> Option<Self> {
        let is_it = |(ending, _): &&(&str, Self)| name.as_bytes().ends_with(ending.as_bytes());
        ENDINGS.iter().find(is_it).map(|(_, format)| *format)
    }

    /// The view of a report that it is, if it is one.
    #[must_use]
    pub const fn view(self) -> Option<View> {
        match self {
            Self::Tree => Some(View::Tree),
            Self::Summary => Some(View::Summary),
            Self::Stats => Some(View::Stats),
            Self::ViewJson => Some(View::Json),
            _ => None,
        }
    }

    /// Of the moment that the run ends with, and of all stacks and blocks: others are asked for.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !matches!(self, Self::Text | Self::Json)
    }

    /// A file holds one report: they cannot follow each other in it.
    #[must_use]
    pub const fn is_whole_file(self) -> bool {
        matches!(
            self,
            Self::Pprof | Self::Speedscope | Self::Firefox | Self::Csv | Self::Svg | Self::Html
        )
    }

    /// Several of them cannot go where `output` says, as they would follow each other in one stream.
    #[must_use]
    pub fn is_one_only(self, output: Option<&OsStr>) -> bool {
        self.is_whole_file() && output.is_none_or(|name| name == "-" || name == "/dev/stdout")
    }

    /// Of blocks, or of pages that were touched, and not of mappings.
    #[must_use]
    pub const fn is_of_blocks(self) -> bool {
        matches!(
            self,
            Self::Folded | Self::Pprof | Self::Speedscope | Self::Firefox | Self::Csv | Self::Svg
        )
    }

    /// Whole call stacks and no more of code than names: other names, or other ends of stacks, may stand for them.
    #[must_use]
    pub const fn has_paths(self) -> bool {
        matches!(self, Self::Folded | Self::Speedscope | Self::Firefox | Self::Csv | Self::Svg)
    }

    /// Its name, as it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json | Self::ViewJson => "json",
            Self::Tree => "tree",
            Self::Summary => "summary",
            Self::Stats => "stats",
            Self::Folded => "folded",
            Self::Pprof => "pprof",
            Self::Speedscope => "speedscope",
            Self::Firefox => "firefox",
            Self::Csv => "csv",
            Self::Svg => "svg",
            Self::Html => "html",
        }
    }

    /// Reports cannot be read on a terminal.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Pprof | Self::Svg | Self::Html)
    }
}

#[cfg(test)]
mod tests {
    use super::Format;
    use std::ffi::OsStr;

    fn chosen(name: &str) -> Format {
        Format::chosen(None, Some(OsStr::new(name)))
    }

    #[test]
    fn names_choose_where_nothing_was_typed() {
        let cases = [
            ("heap.speedscope.json", Format::Speedscope),
            ("heap.firefox.json", Format::Firefox),
            ("heap-{seq}.json", Format::Json),
            ("/var/tmp/heap.pb.gz", Format::Pprof),
            ("heap.folded", Format::Folded),
            ("heap.csv", Format::Csv),
            ("heap.html", Format::Html),
            ("heap.svg", Format::Svg),
            ("heap.txt", Format::Text),
            ("heap", Format::Text),
            ("json", Format::Text),
            ("heap.json.old", Format::Text),
            ("-", Format::Text),
        ];
        for (name, format) in cases {
            assert_eq!(chosen(name), format, "{name}");
        }
        assert_eq!(Format::chosen(None, None), Format::Text);
    }

    #[test]
    fn what_was_typed_wins() {
        let name = Some(OsStr::new("heap.json"));
        assert_eq!(Format::chosen(Some(Format::Text), name), Format::Text);
        assert_eq!(Format::chosen(Some(Format::Csv), name), Format::Csv);
    }
}
