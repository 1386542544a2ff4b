//! The page around the data: markup, style and script, none of which depends on the report.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");

/// The frame of all pages, with slots.
const MARKUP: &str = include_str!("page.html");

/// What one kind of page is made of.
#[derive(Debug)]
pub(in crate::report) struct Page {
    /// What fills slots of [`MARKUP`], by their names; others stay empty.
    parts: &'static [(&'static str, &'static str)],
    /// In the order in which they need each other.
    scripts: &'static [&'static str],
}

/// What rows of the table are.
const ROWS: &str = r#"    <label>Rows <select id="rows"><option value="stacks">call stacks</option><option value="functions">functions</option></select></label>
"#;

/// A key that a page without a picture of memory has not.
const WINDOW: &str = r#"    <dt>w</dt><dd>the whole run instead of a window (drag over the picture of memory for one)</dd>
"#;

/// What the colours of differences mean.
const LEGEND: &str = r#"    <p>Red grew, blue shrank; each is as wide as the larger of before and after.</p>
"#;

/// The page of a report.
pub(super) const REPORT: Page = Page {
    parts: &[
        ("subject", "report"),
        ("controls", include_str!("report_controls.html")),
        ("memory", include_str!("report_memory.html")),
        ("rows", ROWS),
        ("window", WINDOW),
    ],
    scripts: &[
        include_str!("script/format.js"),
        include_str!("script/dom.js"),
        include_str!("script/state.js"),
        include_str!("script/names.js"),
        include_str!("script/report.js"),
        include_str!("script/parts.js"),
        include_str!("script/tree.js"),
        include_str!("script/search.js"),
        include_str!("script/paint.js"),
        include_str!("script/graph.js"),
        include_str!("script/table.js"),
        include_str!("script/lists.js"),
        include_str!("script/summary.js"),
        include_str!("script/memory.js"),
        include_str!("script/shell.js"),
        include_str!("script/main.js"),
    ],
};

/// The page of differences.
pub(in crate::report) const DIFFERENCES: Page = Page {
    parts: &[
        ("subject", "differences"),
        ("controls", include_str!("differences_controls.html")),
        ("legend", LEGEND),
    ],
    scripts: &[
        include_str!("script/format.js"),
        include_str!("script/dom.js"),
        include_str!("script/state.js"),
        include_str!("script/names.js"),
        include_str!("script/tree.js"),
        include_str!("script/search.js"),
        include_str!("script/paint.js"),
        include_str!("script/graph.js"),
        include_str!("script/table.js"),
        include_str!("script/changes.js"),
        include_str!("script/changes_lists.js"),
        include_str!("script/shell.js"),
        include_str!("script/changes_main.js"),
    ],
};

/// The page with `data`, which is JSON.
pub(in crate::report) fn page(of: &Page, data: &str) -> String {
    let script = of.script();
    let parts: usize = of.parts.iter().map(|(_, part)| part.len()).sum();
    let length = MARKUP.len() + parts + STYLE.len() + script.len() + data.len();
    let mut page = String::with_capacity(length);
    let mut pieces = MARKUP.split("<!--");
    page.push_str(pieces.next().unwrap_or_default());
    // Each piece is what to put there, and what follows. What was put in is not looked through again.
    for (slot, rest) in pieces.filter_map(|piece| piece.split_once("-->")) {
        match slot {
            "policy" => page.push_str(&policy(&script)),
            "style" => page.push_str(STYLE),
            "data" => page.push_str(&embedded(data)),
            "script" => page.push_str(&script),
            slot => {
                let part = of.parts.iter().find(|(name, _)| *name == slot);
                page.push_str(part.map_or("", |(_, part)| part));
            }
        }
        page.push_str(rest);
    }
    page
}

impl Page {
    /// One script of its own scope; it begins when the page is read, as it is at its end.
    fn script(&self) -> String {
        format!("\"use strict\";(() => {{\n{}}})();", self.scripts.concat())
    }
}

/// What the page may do: run this script, have this style, and nothing else; above all it may load nothing, and not
/// make markup out of text (<https://www.w3.org/TR/CSP3/>, <https://www.w3.org/TR/trusted-types/>).
fn policy(script: &str) -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(script),
        hash(STYLE)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// JSON in which no character means anything to a reader of HTML. They are all in strings, where JSON has
/// another way to write them. (U+2028 and U+2029 end lines in older JavaScript.)
fn embedded(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{DIFFERENCES, MARKUP, Page, REPORT, STYLE, embedded, page};

    /// Of its own code a page is to have less than that, bytes.
    const MOST: usize = 1_000_000;
    const PAGES: [Page; 2] = [REPORT, DIFFERENCES];

    #[test]
    fn hostile_names_stay_data() {
        let name = "</script><script>alert(1)</script><!--script--><!-- & \u{2028}\u{2029}";
        let json = serde_json::to_string(&[name]).unwrap();
        let safe = embedded(&json);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{safe}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [name]);
        for of in &PAGES {
            let whole = page(of, &json);
            assert_eq!(whole.matches("<script").count(), 2, "the data and the page's own");
            assert_eq!(whole.matches("</script").count(), 2);
            assert!(whole.contains(&safe) && !whole.contains("alert(1)</"));
        }
    }

    #[test]
    fn the_code_is_small_whole_and_ends_where_it_should() {
        assert!(!STYLE.contains("</style"));
        for of in &PAGES {
            let whole = page(of, "{}");
            assert!(whole.len() < MOST, "{} bytes", whole.len());
            assert_eq!(whole.matches(STYLE).count(), 1);
            assert_eq!(whole.matches(&of.script()).count(), 1);
            // What would end these elements early, or change how a script is read.
            let ends = |text: &&str| text.contains("</script") || text.contains("<!--");
            assert!(!of.scripts.iter().any(ends));
            for (name, part) in of.parts {
                assert!(MARKUP.contains(&format!("<!--{name}-->")), "{name} has a slot");
                assert!(whole.contains(part) && !part.contains("<!--"), "{name} fills it");
            }
            assert!(!whole.contains("<!--"), "and each is filled");
        }
    }

    /// Each slot is filled in one kind of page at least.
    #[test]
    fn each_comment_of_the_frame_is_a_slot() {
        let mut known = vec!["policy", "style", "data", "script"];
        known.extend(PAGES.iter().flat_map(|of| of.parts).map(|(name, _)| *name));
        let slots = MARKUP.split("<!--").skip(1).filter_map(|piece| piece.split_once("-->"));
        let slots: Vec<_> = slots.map(|(slot, _)| slot).collect();
        assert_eq!(slots.len(), MARKUP.matches("<!--").count());
        for slot in slots {
            assert!(known.contains(&slot), "{slot}");
        }
    }

    #[test]
    fn it_asks_nobody_for_anything() {
        for whole in PAGES.map(|of| page(&of, "{}")) {
            for word in ["http:", "https:", "url(", "@import", "src=", "fetch(", "XMLHttpRequest"] {
                assert!(!whole.contains(word), "{word}");
            }
            assert!(whole.contains("default-src 'none'") && whole.contains("'sha256-"));
        }
    }
}
