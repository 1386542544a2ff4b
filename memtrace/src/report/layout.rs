//! Fitting text into a width. One character is taken to be one column wide.

/// Columns of `text`.
#[must_use]
pub fn width_of(text: &str) -> usize {
    text.chars().count()
}

/// At most `width` columns of `text`, the end cut.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// At most `width` columns of `text`, the beginning cut.
#[must_use]
pub fn clip_front(text: &str, width: usize) -> String {
    let have = width_of(text);
    if have <= width {
        return text.to_owned();
    }
    let kept = text.chars().skip(have - width.saturating_sub(1));
    (width > 0).then_some('…').into_iter().chain(kept).collect()
}

/// A source path in at most `width` columns: whole leading directories go first.
pub(super) fn shorten_path(path: &str, width: usize) -> String {
    let mut rest = path;
    while width_of(rest) + 2 > width || rest.len() == path.len() {
        if width_of(path) <= width {
            return path.to_owned();
        }
        match rest.trim_start_matches('/').split_once('/') {
            Some((_, tail)) if !tail.is_empty() => rest = tail,
            _ => return clip_front(path, width),
        }
    }
    format!("…/{rest}")
}

/// A function's name in at most `width` columns: template arguments go first, the inner ones
/// before the outer; then parameters; then the leading namespaces.
#[must_use]
pub fn shorten_function(name: &str, width: usize) -> String {
    let candidates = [
        name.to_owned(),
        collapse(name, '<', '>', 2),
        collapse(name, '<', '>', 1),
        collapse(&collapse(name, '<', '>', 1), '(', ')', 1),
    ];
    let last = candidates.len() - 1;
    let fits = candidates.iter().position(|candidate| width_of(candidate) <= width);
    clip_front(&candidates[fits.unwrap_or(last)], width)
}

/// Replaces what stands between brackets at nesting depth `depth` or deeper by `…`. Brackets that
/// belong to an operator's name do not count; where they do not match, nothing is replaced.
fn collapse(name: &str, open: char, close: char, depth: usize) -> String {
    let mut out = String::new();
    let mut level = 0_usize;
    let mut before = ' ';
    for (position, character) in name.char_indices() {
        let operator = is_operator(&name[..position], character);
        let arrow = character == '>' && before == '-';
        before = character;
        let counts = !operator && !arrow;
        if counts && character == close {
            let Some(outer) = level.checked_sub(1) else { return name.to_owned() };
            level = outer;
        }
        if level < depth {
            out.push(character);
        }
        if counts && character == open {
            level += 1;
            // Empty brackets have nothing to leave out.
            if level == depth && !name[position + 1..].starts_with(close) {
                out.push('…');
            }
        }
    }
    if level == 0 { out } else { name.to_owned() }
}

/// Whether `character` after `before` belongs to the name of an operator such as `<<`, `->`, `()`.
fn is_operator(before: &str, character: char) -> bool {
    let symbols: &[char] =
        if matches!(character, '(' | ')') { &['('] } else { &['<', '>', '=', '-'] };
    before.trim_end_matches(symbols).ends_with("operator")
        && (character != '(' || before.ends_with("operator"))
}

/// `text` in lines of at most `width` columns: the first begins with `prefix`, the others with as
/// many blanks. Breaks at blanks; words that are too long are cut into pieces.
pub(super) fn wrap(prefix: &str, text: &str, width: usize) -> Vec<String> {
    wrap_hanging(prefix, width_of(prefix), text, width)
}

/// As [`wrap`], with `hang` blanks before the other lines.
pub(super) fn wrap_hanging(prefix: &str, hang: usize, text: &str, width: usize) -> Vec<String> {
    let mut lines = Lines { done: Vec::new(), line: prefix.to_owned(), empty: true, hang, width };
    for word in text.split_whitespace() {
        lines.word(word, " ");
    }
    lines.finish()
}

/// Puts `parts` beside each other, `gap` between them, as many as fit; see [`wrap_hanging`].
pub(super) fn pack(
    prefix: &str,
    hang: usize,
    parts: &[String],
    gap: &str,
    width: usize,
) -> Vec<String> {
    let mut lines = Lines { done: Vec::new(), line: prefix.to_owned(), empty: true, hang, width };
    for part in parts {
        lines.word(part, gap);
    }
    lines.finish()
}

struct Lines {
    done: Vec<String>,
    line: String,
    /// Nothing but the prefix is on the line.
    empty: bool,
    hang: usize,
    width: usize,
}

impl Lines {
    fn word(&mut self, word: &str, gap: &str) {
        let gap = if self.empty { "" } else { gap };
        if width_of(&self.line) + width_of(gap) + width_of(word) <= self.width {
            self.line.push_str(gap);
            self.line.push_str(word);
            self.empty = false;
            return;
        }
        if !self.empty {
            self.break_line();
            return self.word(word, "");
        }
        self.pieces(word);
    }

    /// A word wider than a line.
    fn pieces(&mut self, word: &str) {
        for character in word.chars() {
            if width_of(&self.line) >= self.width && !self.empty {
                self.break_line();
            }
            self.line.push(character);
            self.empty = false;
        }
    }

    fn break_line(&mut self) {
        let next = " ".repeat(self.hang);
        let line = std::mem::replace(&mut self.line, next);
        self.done.push(line.trim_end().to_owned());
        self.empty = true;
    }

    fn finish(mut self) -> Vec<String> {
        if !self.empty || self.done.is_empty() {
            self.break_line();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_keep_their_end() {
        let path = "/home/build/project/src/cache.cpp:212";
        assert_eq!(shorten_path(path, 40), path);
        assert_eq!(shorten_path(path, 23), "…/src/cache.cpp:212");
        assert_eq!(shorten_path(path, 15), "…/cache.cpp:212");
        assert_eq!(shorten_path(path, 8), "…cpp:212");
        assert_eq!(shorten_path("src/cache.cpp:212", 17), "src/cache.cpp:212");
    }

    #[test]
    fn functions_lose_the_least_important_first() {
        let name = "ns::Map<int, std::pair<int, long>>::insert(std::pair<int, long> const&)";
        let cases = [
            (80, name),
            (70, "ns::Map<int, std::pair<…>>::insert(std::pair<int, long> const&)"),
            (50, "ns::Map<…>::insert(std::pair<…> const&)"),
            (25, "ns::Map<…>::insert(…)"),
            (12, "…::insert(…)"),
        ];
        for (width, short) in cases {
            assert_eq!(shorten_function(name, width), *short);
        }
    }

    #[test]
    fn operators_are_not_brackets() {
        let name = "std::operator<< <std::char_traits<char> >(std::ostream&, char const*)";
        assert_eq!(shorten_function(name, 52), "std::operator<< <…>(std::ostream&, char const*)");
        let arrow = "a::Pointer<thing>::operator->(int, int, int) const";
        assert_eq!(shorten_function(arrow, 40), "a::Pointer<…>::operator->(…) const");
        let rust = "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend";
        assert_eq!(shorten_function(rust, 40), "<…>::extend");
    }

    #[test]
    fn lines_hang_under_their_label() {
        assert_eq!(
            wrap("NEXT    ", "look at the first stack and run longer", 26),
            ["NEXT    look at the first", "        stack and run", "        longer"]
        );
        assert_eq!(wrap("X ", "", 10), ["X"]);
        assert_eq!(wrap("", "abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn parts_stay_whole() {
        let parts = ["one two".to_owned(), "three".to_owned(), "four".to_owned()];
        assert_eq!(pack("#1  ", 4, &parts, "   ", 20), ["#1  one two   three", "    four"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "\\PC{0,80}", width in 4_usize..60) {
            prop_assert!(width_of(&clip(&text, width)) <= width);
            prop_assert!(width_of(&clip_front(&text, width)) <= width);
            prop_assert!(width_of(&shorten_path(&text, width)) <= width);
            prop_assert!(width_of(&shorten_function(&text, width)) <= width);
            for line in wrap("ab ", &text, width) {
                prop_assert!(width_of(&line) <= width);
            }
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z <>()]{0,80}", width in 4_usize..60) {
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeezed(&wrap("", &text, width).concat()), squeezed(&text));
        }
    }
}
