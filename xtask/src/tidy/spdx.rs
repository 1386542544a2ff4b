//! Licence expressions (SPDX 2.3, annex D): whether what is allowed satisfies them.

/// Whether using a package under `expression` needs nothing but the licences in `allowed`.
/// `A OR B` leaves the choice, `A AND B` asks for both, `A WITH E` counts as one licence of that
/// whole name; the old `/` of crates.io means OR. What is no expression is not satisfied.
pub(super) fn is_satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    parser.any() == Some(true) && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    /// `AND` binds tighter than `OR`.
    fn any(&mut self) -> Option<bool> {
        let mut satisfied = self.all()?;
        while self.takes("OR") {
            satisfied |= self.all()?;
        }
        Some(satisfied)
    }

    fn all(&mut self) -> Option<bool> {
        let mut satisfied = self.one()?;
        while self.takes("AND") {
            satisfied &= self.one()?;
        }
        Some(satisfied)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let satisfied = self.any()?;
            return self.takes(")").then_some(satisfied);
        }
        let mut name =
            self.next().filter(|word| !matches!(*word, "OR" | "AND" | "WITH" | ")"))?.to_owned();
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(self.allowed.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::is_satisfied;

    fn check(expression: &str) -> bool {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
        is_satisfied(expression, &allowed.map(str::to_owned))
    }

    #[test]
    fn choices_and_sums() {
        assert!(check("MIT"));
        assert!(check("GPL-3.0-only OR MIT"));
        assert!(check("GPL-3.0-only/MIT"));
        assert!(check("MIT AND (Apache-2.0 OR Zlib)"));
        assert!(check("Zlib AND Zlib OR MIT"));
        assert!(check("Apache-2.0 WITH LLVM-exception"));
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        assert!(!check("GPL-3.0-only"));
        assert!(!check("MIT AND GPL-3.0-only"));
        assert!(!check("(MIT OR Zlib) AND Zlib"));
        assert!(!check("MIT WITH Classpath-exception-2.0"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT Apache-2.0", "MIT WITH"] {
            assert!(!check(text), "{text}");
        }
    }
}
