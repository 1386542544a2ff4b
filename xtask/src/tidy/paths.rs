//! The paths that a file names, with `use` groups written out and `super` resolved.

use super::tokens::Tokens;

/// A path as seen from the crate's root (`crate::model::ids`) or from another crate (`std::fs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) line: usize,
    pub(super) parts: Vec<String>,
}

/// All paths of two parts or more. `module` is the file's own place below the crate's root.
pub(super) fn paths(tokens: &Tokens, module: &[&str]) -> Vec<Path> {
    let mut walk = Walk { tokens, at: 0, found: Vec::new() };
    let mut inner =
        Inner { modules: module.iter().map(|&name| name.into()).collect(), braces: vec![] };
    while walk.at < tokens.code.len() {
        inner.step(tokens, walk.at);
        if walk.begins_path() {
            let begin = walk.found.len();
            walk.path(&mut Vec::new());
            for path in &mut walk.found[begin..] {
                resolve(&mut path.parts, &inner.modules);
            }
        } else {
            walk.at += 1;
        }
    }
    walk.found
}

/// The modules that are open at a place in the file.
struct Inner {
    modules: Vec<String>,
    /// Per open brace: whether it belongs to a module.
    braces: Vec<bool>,
}

impl Inner {
    fn step(&mut self, tokens: &Tokens, at: usize) {
        match tokens.code[at].text.as_str() {
            "{" => {
                let is_module = at >= 2 && tokens.code[at - 2].text == "mod";
                if is_module {
                    self.modules.push(tokens.code[at - 1].text.clone());
                }
                self.braces.push(is_module);
            }
            "}" if self.braces.pop() == Some(true) => drop(self.modules.pop()),
            _ => {}
        }
    }
}

/// Replaces a leading `self` or `super`s by what they stand for.
fn resolve(parts: &mut Vec<String>, module: &[String]) {
    let ups = parts.iter().take_while(|part| *part == "super").count();
    if ups == 0 && parts.first().is_none_or(|part| part != "self") {
        return;
    }
    let kept = &module[..module.len().saturating_sub(ups)];
    let rest = parts.split_off(ups.max(1));
    *parts = std::iter::once("crate".to_owned()).chain(kept.iter().cloned()).chain(rest).collect();
}

struct Walk<'a> {
    tokens: &'a Tokens,
    at: usize,
    found: Vec<Path>,
}

impl Walk<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.code.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn begins_path(&self) -> bool {
        self.text(1) == "::" && is_name(self.text(0))
    }

    /// Takes one path, and all branches of its groups, after `before`.
    fn path(&mut self, before: &mut Vec<String>) {
        let depth = before.len();
        let line = self.tokens.code[self.at].line;
        loop {
            if self.text(0) == "{" {
                self.group(before);
                break;
            }
            before.push(self.text(0).to_owned());
            self.at += 1;
            let goes_on = self.text(0) == "::" && (is_name(self.text(1)) || self.text(1) == "{");
            if !goes_on {
                self.found.push(Path { line, parts: before.clone() });
                break;
            }
            self.at += 1;
        }
        before.truncate(depth);
    }

    fn group(&mut self, before: &mut Vec<String>) {
        self.at += 1;
        while self.at < self.tokens.code.len() && self.text(0) != "}" {
            if is_name(self.text(0)) || self.text(0) == "{" {
                self.path(before);
                // `as name` is no path of its own.
                if self.text(0) == "as" {
                    self.at += 2;
                }
            } else {
                self.at += 1;
            }
        }
        self.at += 1;
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::paths;
    use crate::tidy::tokens::Tokens;

    fn shown(source: &str, module: &[&str]) -> Vec<String> {
        let found = paths(&Tokens::of(source), module);
        found.into_iter().map(|path| path.parts.join("::")).collect()
    }

    #[test]
    fn groups_are_written_out() {
        let source = "use crate::{model::{ids::Pid, event as e}, engine}; use std::fs;";
        let expected =
            ["crate::model::ids::Pid", "crate::model::event", "crate::engine", "std::fs"];
        assert_eq!(shown(source, &[]), expected);
    }

    #[test]
    fn paths_in_expressions_and_types_count() {
        let source = "fn f(x: crate::a::B<crate::c::D>) -> u8 { crate::e::f::<u8>(x) }";
        assert_eq!(shown(source, &[]), ["crate::a::B", "crate::c::D", "crate::e::f"]);
    }

    #[test]
    fn super_is_resolved_also_in_inner_modules() {
        let source = "use super::x; mod tests { use super::super::y; } fn f() { self::z() }";
        let expected = ["crate::engine::x", "crate::engine::y", "crate::engine::heap::z"];
        assert_eq!(shown(source, &["engine", "heap"]), expected);
        assert_eq!(shown("super::super::super::x()", &["a"]), ["crate::x"]);
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        assert_eq!(shown("// crate::a::b\nlet x = \"crate::c::d\";", &[]), [] as [&str; 0]);
    }
}
