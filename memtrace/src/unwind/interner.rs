//! Rules by number: each distinct rule is kept once.

use memtrace_common::unwind::Rule;
use std::collections::HashMap;

/// Distinct rules, numbered from 0. Used for one file's rules, and for those of all files together.
#[derive(Clone, Debug)]
pub struct Rules {
    list: Vec<Rule>,
    numbers: HashMap<Rule, u16>,
    refused: u64,
    limit: usize,
}

impl Rules {
    /// Most rules that are kept. All programs and libraries of a distribution have some 4,000.
    pub const MAX: usize = u16::MAX as usize;
    /// The number of [`Rule::GAP`] in every list.
    pub const GAP: u16 = 0;
    /// The number of [`Rule::UNSUPPORTED`] in every list.
    pub const UNSUPPORTED: u16 = 1;

    /// The two rules that every list begins with, and room for `limit` in all (2 to [`Self::MAX`]).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.clamp(2, Self::MAX);
        let mut rules = Self { list: Vec::new(), numbers: HashMap::new(), refused: 0, limit };
        rules.intern(Rule::GAP);
        rules.intern(Rule::UNSUPPORTED);
        rules
    }

    /// The number of `rule`. When the list is full and does not have it, that of
    /// [`Rule::UNSUPPORTED`], and it is counted.
    pub fn intern(&mut self, rule: Rule) -> u16 {
        if let Some(number) = self.numbers.get(&rule) {
            return *number;
        }
        if self.list.len() >= self.limit {
            self.refused += 1;
            return Self::UNSUPPORTED;
        }
        let number = self.list.len() as u16;
        self.list.push(rule);
        self.numbers.insert(rule, number);
        number
    }

    /// The number here of each rule in `rules`: what one file's rows are renumbered with.
    pub fn adopt(&mut self, rules: &[Rule]) -> Vec<u16> {
        rules.iter().map(|rule| self.intern(*rule)).collect()
    }

    /// All rules, by number.
    #[must_use]
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// How often a rule was refused because the list was full.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// The list alone.
    pub(super) fn into_list(self) -> Vec<Rule> {
        self.list
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;
    use memtrace_common::unwind::Rule;

    #[test]
    fn equal_rules_have_one_number() {
        let mut rules = Rules::default();
        assert_eq!(rules.intern(Rule(77)), 2);
        assert_eq!(rules.intern(Rule(78)), 3);
        assert_eq!(rules.adopt(&[Rule(78), Rule::GAP, Rule(77), Rule::UNSUPPORTED]), [3, 0, 2, 1]);
        assert_eq!(rules.list(), [Rule::GAP, Rule::UNSUPPORTED, Rule(77), Rule(78)]);
    }

    #[test]
    fn a_full_list_counts_what_it_refuses() {
        let mut rules = Rules::default();
        for number in 0..70_000_u64 {
            rules.intern(Rule(1000 + number));
        }
        assert_eq!(rules.list().len(), Rules::MAX);
        assert_eq!(rules.refused(), 70_000 + 2 - 65_535);
        assert_eq!(rules.intern(Rule(1000)), 2);
        assert_eq!(rules.intern(Rule(u64::MAX)), Rules::UNSUPPORTED);
    }
}
