//! Takes Rust source apart just far enough for the rules: words and marks, with comments aside and
//! the contents of strings gone.

use std::str::Chars;

/// One word, number or mark. A string or character literal is a single `"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// From 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// A source file's tokens and comments, each in order.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) code: Vec<Token>,
    /// Per comment line: its number and what stands there, from the `//` or `/*` on.
    pub(super) comments: Vec<Token>,
}

impl Tokens {
    /// Takes `source` apart. Never fails: what is no Rust gives tokens that match no rule.
    pub(super) fn of(source: &str) -> Self {
        let mut reader = Reader { rest: source.chars(), line: 1, tokens: Self::default() };
        while let Some(first) = reader.rest.clone().next() {
            reader.token(first);
        }
        reader.tokens
    }

    /// The comment that stands on this line, if any.
    pub(super) fn comment(&self, line: usize) -> Option<&str> {
        let at = self.comments.binary_search_by_key(&line, |comment| comment.line).ok()?;
        Some(&self.comments[at].text)
    }

    /// Whether the words from `at` on are these.
    pub(super) fn are(&self, at: usize, words: &[&str]) -> bool {
        self.code
            .get(at..at + words.len())
            .is_some_and(|tokens| tokens.iter().zip(words).all(|(token, word)| token.text == *word))
    }
}

struct Reader<'a> {
    rest: Chars<'a>,
    line: usize,
    tokens: Tokens,
}

impl Reader<'_> {
    fn token(&mut self, first: char) {
        let text = self.rest.as_str();
        if text.starts_with("//") {
            self.line_comment();
        } else if text.starts_with("/*") {
            self.block_comment();
        } else if let Some(hashes) = raw_string(text) {
            self.raw_string(hashes);
        } else if first == '"' {
            self.quoted('"');
        } else if first == '\'' && is_character(text) {
            self.quoted('\'');
        } else if is_word(first) {
            self.word();
        } else {
            self.mark(first);
        }
    }

    /// Takes one character, counting lines.
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn push(&mut self, line: usize, text: impl Into<String>) {
        self.tokens.code.push(Token { line, text: text.into() });
    }

    fn line_comment(&mut self) {
        let text: String = self.rest.clone().take_while(|next| *next != '\n').collect();
        self.rest = self.rest.as_str()[text.len()..].chars();
        self.comment(text);
    }

    fn comment(&mut self, text: String) {
        match self.tokens.comments.last_mut() {
            Some(last) if last.line == self.line => last.text.push_str(&text),
            _ => self.tokens.comments.push(Token { line: self.line, text }),
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let (mut depth, mut text) = (0_usize, String::new());
        loop {
            let rest = self.rest.as_str();
            if rest.starts_with("/*") || rest.starts_with("*/") {
                depth = if rest.starts_with('/') { depth + 1 } else { depth - 1 };
                text.extend(self.rest.next());
            } else if rest.starts_with('\n') {
                self.comment(std::mem::take(&mut text));
            }
            text.extend(self.next());
            if depth == 0 || self.rest.as_str().is_empty() {
                return self.comment(text);
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        let line = self.line;
        let end = format!("\"{}", "#".repeat(hashes));
        while self.next().is_some_and(|next| next != '"') {}
        while !self.rest.as_str().is_empty() && !self.rest.as_str().starts_with(&end) {
            self.next();
        }
        for _ in 0..end.len() {
            self.next();
        }
        self.push(line, "\"");
    }

    fn quoted(&mut self, quote: char) {
        let line = self.line;
        self.next();
        while let Some(next) = self.next() {
            if next == '\\' {
                self.next();
            } else if next == quote {
                break;
            }
        }
        self.push(line, "\"");
    }

    fn word(&mut self) {
        let text: String = self.rest.clone().take_while(|next| is_word(*next)).collect();
        self.rest = self.rest.as_str()[text.len()..].chars();
        self.push(self.line, text);
    }

    fn mark(&mut self, first: char) {
        let line = self.line;
        let path = self.rest.as_str().starts_with("::");
        self.next();
        if path {
            self.next();
            self.push(line, "::");
        } else if !first.is_whitespace() {
            self.push(line, first);
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// If a raw string begins here: how many `#` it has.
fn raw_string(text: &str) -> Option<usize> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let marks = after.trim_start_matches('#');
    marks.starts_with('"').then_some(after.len() - marks.len())
}

/// Whether the quote that begins this text begins a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    fn words(source: &str) -> Vec<String> {
        Tokens::of(source).code.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn strings_and_characters_lose_their_contents() {
        assert_eq!(words(r#"a("b { \" todo!", 'c', '\'', 'd')"#).concat(), r#"a(",",",")"#);
        assert_eq!(words("r#\"x \" y\"# z"), ["\"", "z"]);
        assert_eq!(words("fn f<'a>(x: &'a u8)").concat(), "fnf<'a>(x:&'au8)");
        assert_eq!(words("br\"\\\" b'\\n'"), ["\"", "b", "\""]);
    }

    #[test]
    fn comments_are_apart_and_have_lines() {
        let tokens = Tokens::of("a // one\n/* two\n/* nested */ three */ b\n\nc");
        let code: Vec<_> = tokens.code.iter().map(|token| (token.line, &*token.text)).collect();
        assert_eq!(code, [(1, "a"), (3, "b"), (5, "c")]);
        assert_eq!(tokens.comment(1), Some("// one"));
        assert_eq!(tokens.comment(2), Some("/* two"));
        assert!(tokens.comment(3).is_some_and(|text| text.contains("three")));
        assert_eq!(tokens.comment(4), None);
    }

    #[test]
    fn paths_are_one_mark() {
        assert_eq!(words("crate::a::{b}"), ["crate", "::", "a", "::", "{", "b", "}"]);
        assert!(Tokens::of("x dbg!(y)").are(1, &["dbg", "!"]));
    }

    #[test]
    fn broken_source_ends() {
        for source in ["\"open", "/* open", "r#\"open", "'", "'\\", "/*/", "//"] {
            Tokens::of(source);
        }
    }
}
