//! Call stacks put together to a tree, with what is below each function before and after.

use std::collections::BTreeMap;

/// Functions that a stack may have here; what is deeper is its last one's. Pictures have an end.
pub(super) const DEEPEST: usize = 512;

/// The tree; the first node stands for all.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// A function, with what called it.
#[derive(Debug, Default)]
struct Node {
    name: String,
    /// Bytes before and after, of what is below as well.
    bytes: [u64; 2],
    /// The sum of the larger of the two of each stack.
    width: u64,
    children: BTreeMap<String, usize>,
}

/// A function's rectangle: parts of the whole, and rows from the bottom.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: [u64; 2],
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) row: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node { name: "all".to_owned(), ..Node::default() }] }
    }
}

impl Tree {
    /// Adds a stack, outermost function first.
    pub(super) fn add<'a>(&mut self, path: impl Iterator<Item = &'a str>, bytes: [u64; 2]) {
        let mut at = 0;
        self.weigh(at, bytes);
        for name in path.take(DEEPEST) {
            at = self.child(at, name);
            self.weigh(at, bytes);
        }
    }

    fn weigh(&mut self, at: usize, bytes: [u64; 2]) {
        let node = &mut self.nodes[at];
        for (sum, more) in node.bytes.iter_mut().zip(bytes) {
            *sum = sum.saturating_add(more);
        }
        node.width = node.width.saturating_add(bytes[0].max(bytes[1]));
    }

    fn child(&mut self, at: usize, name: &str) -> usize {
        if let Some(&known) = self.nodes[at].children.get(name) {
            return known;
        }
        let new = self.nodes.len();
        self.nodes.push(Node { name: name.to_owned(), ..Node::default() });
        self.nodes[at].children.insert(name.to_owned(), new);
        new
    }

    /// Bytes of all, after.
    pub(super) fn total(&self) -> u64 {
        self.nodes[0].bytes[1]
    }

    /// The most by which any function grew or shrank, bytes.
    pub(super) fn largest_change(&self) -> u64 {
        let change = |node: &Node| node.bytes[0].abs_diff(node.bytes[1]);
        self.nodes.iter().skip(1).map(change).max().unwrap_or(0)
    }

    /// Where everything is that is at least `narrowest` of the whole wide, callers before what they call.
    pub(super) fn places(&self, narrowest: f64) -> Vec<Place<'_>> {
        let whole = self.nodes[0].width;
        if whole == 0 {
            return Vec::new();
        }
        let part = |bytes: u64| bytes as f64 / whole as f64;
        let mut places = Vec::new();
        let mut waiting = vec![(0, 0.0, 0)];
        while let Some((at, left, row)) = waiting.pop() {
            let node = &self.nodes[at];
            let width = part(node.width);
            if width < narrowest {
                continue;
            }
            places.push(Place { name: &node.name, bytes: node.bytes, left, width, row });
            let mut next = left;
            for &child in node.children.values() {
                waiting.push((child, next, row + 1));
                next += part(self.nodes[child].width);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, Tree};

    fn tree(stacks: &[(&[&str], u64)]) -> Tree {
        let mut tree = Tree::default();
        for (path, bytes) in stacks {
            tree.add(path.iter().copied(), [0, *bytes]);
        }
        tree
    }

    #[test]
    fn stacks_with_the_same_beginning_share_it() {
        let tree = tree(&[(&["main", "a"], 30), (&["main", "b"], 10)]);
        let places = tree.places(0.0);
        let shown: Vec<_> =
            places.iter().map(|place| (place.name, place.left, place.width, place.row)).collect();
        let expected = [
            ("all", 0.0, 1.0, 0),
            ("main", 0.0, 1.0, 1),
            ("b", 0.75, 0.25, 2),
            ("a", 0.0, 0.75, 2),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_nobody_could_see_is_left_out() {
        let tree = tree(&[(&["main", "a"], 999), (&["main", "b"], 1)]);
        let names: Vec<&str> = tree.places(0.01).iter().map(|place| place.name).collect();
        assert_eq!(names, ["all", "main", "a"]);
    }

    #[test]
    fn nothing_has_no_place() {
        assert!(tree(&[]).places(0.0).is_empty());
        assert!(tree(&[(&["main"], 0)]).places(0.0).is_empty());
    }

    #[test]
    fn what_is_gone_is_as_wide_as_it_was() {
        let mut tree = Tree::default();
        tree.add(["gone"].into_iter(), [30, 0]);
        tree.add(["grown"].into_iter(), [5, 10]);
        let widths: Vec<_> =
            tree.places(0.0).iter().map(|place| (place.name, place.width)).collect();
        assert_eq!(widths, [("all", 1.0), ("grown", 0.25), ("gone", 0.75)]);
        assert_eq!((tree.total(), tree.largest_change()), (10, 30));
    }

    #[test]
    fn a_stack_without_end_ends() {
        let deep = vec!["f"; 100_000];
        let tree = tree(&[(&deep, 1)]);
        assert_eq!(tree.places(0.0).len(), DEEPEST + 1);
    }
}
