//! Call stacks put together to a tree, and which part of it is shown.

use super::amount::{Amount, Order, Ranked, Summed};
use super::group::{By, Entry, Naming};
use super::weigh::Weighed;
use super::{Least, ViewOptions};
use crate::report::model::ProcessReport;
use std::collections::HashMap;

/// A tree of all stacks; the first node stands for the whole.
#[derive(Debug)]
pub struct Tree<A = Amount> {
    nodes: Vec<Node<A>>,
    order: Order,
}

#[derive(Debug, Default)]
struct Node<A> {
    entry: Entry,
    parent: usize,
    children: Vec<usize>,
    /// Of all stacks through here.
    total: A,
    /// Of those that end here.
    own: A,
    /// How many lead through here.
    stacks: u64,
}

/// A branch as it is shown.
#[derive(Debug, PartialEq)]
pub struct Branch<'a, A = Amount> {
    /// What it is.
    pub what: What<'a>,
    /// What it holds.
    pub amount: A,
    /// What that is made of, nothing left out; empty where it ends.
    pub parts: Vec<Branch<'a, A>>,
}

/// What a branch is.
#[derive(Debug, PartialEq)]
pub enum What<'a> {
    /// An entry, and those behind it that lead nowhere else.
    Entries(Vec<&'a Entry>),
    /// What ends at the entry above.
    Itself,
    /// So many stacks that are not shown.
    Others(u64),
}

impl Tree {
    /// The tree of what was weighed.
    #[must_use]
    pub fn of(weighed: &Weighed<'_>, naming: Naming, options: &ViewOptions) -> Self {
        let mut processes = weighed.stacks.iter().map(|it| it.process).collect::<Vec<_>>();
        processes.extend(weighed.rest.iter().map(|rest| rest.process));
        let is_one = |pair: &[&ProcessReport]| std::ptr::eq(pair[0], pair[1]);
        let several = naming.by != By::Process && !processes.windows(2).all(is_one);
        let mut maker = Maker::new(options.inverted, options.depth);
        for stack in &weighed.stacks {
            let process = several.then(|| Entry::process(stack.process));
            maker.add(naming.path(stack), process, &stack.amount);
        }
        for rest in &weighed.rest {
            let process = several.then(|| Entry::process(rest.process));
            maker.add(vec![Entry::rest(rest.what)], process, &rest.amount);
        }
        maker.tree(weighed.order)
    }
}

impl<A: Ranked> Tree<A> {
    /// The branches to show, largest first: of at most `top` places at which stacks end, and of what is not known.
    /// Everything else is summed where it branches off.
    #[must_use]
    pub fn branches(&self, top: Option<usize>, least: Least) -> Vec<Branch<'_, A>> {
        let shown = self.shown(top, least);
        self.parts(0, &shown)
    }

    fn shown(&self, top: Option<usize>, least: Least) -> Vec<bool> {
        let mut ends: Vec<usize> = (1..self.nodes.len())
            .filter(|at| {
                let node = &self.nodes[*at];
                let is_worth = node.entry.is_rest || A::is_worth(&node.own, &node.total, least);
                !node.own.is_nothing() && is_worth
            })
            .collect();
        ends.sort_by(|a, b| A::compare(self.order, &self.nodes[*a].own, &self.nodes[*b].own));
        let (rest, mut ends): (Vec<usize>, Vec<usize>) =
            ends.into_iter().partition(|at| self.nodes[*at].entry.is_rest);
        ends.truncate(top.unwrap_or(usize::MAX));
        let mut shown = vec![false; self.nodes.len()];
        for end in ends.into_iter().chain(rest) {
            let mut at = end;
            while at != 0 && !shown[at] {
                shown[at] = true;
                at = self.nodes[at].parent;
            }
        }
        shown
    }

    fn parts(&self, of: usize, shown: &[bool]) -> Vec<Branch<'_, A>> {
        let node = &self.nodes[of];
        let visible = node.children.iter().filter(|child| shown[**child]);
        let mut parts: Vec<Branch<'_, A>> =
            visible.map(|child| self.branch(*child, shown)).collect();
        if !node.own.is_nothing() && !node.children.is_empty() {
            parts.push(Branch { what: What::Itself, amount: node.own.clone(), parts: Vec::new() });
        }
        parts.sort_by(|a, b| {
            A::compare(self.order, &a.amount, &b.amount)
                .then_with(|| a.what.name().cmp(&b.what.name()))
        });
        parts.extend(self.others(node, shown));
        parts
    }

    fn branch(&self, first: usize, shown: &[bool]) -> Branch<'_, A> {
        let mut at = first;
        let mut entries = vec![&self.nodes[at].entry];
        // Nothing ends or branches off here: what follows holds as much.
        while let ([only], true) = (&*self.nodes[at].children, self.nodes[at].own.is_nothing()) {
            if !shown[*only] {
                break;
            }
            at = *only;
            entries.push(&self.nodes[at].entry);
        }
        let amount = self.nodes[at].total.clone();
        Branch { what: What::Entries(entries), amount, parts: self.parts(at, shown) }
    }

    fn others(&self, node: &Node<A>, shown: &[bool]) -> Option<Branch<'_, A>> {
        let mut amount = A::default();
        let mut stacks = 0;
        for child in node.children.iter().filter(|child| !shown[**child]) {
            amount.add(&self.nodes[*child].total);
            stacks += self.nodes[*child].stacks;
        }
        (stacks > 0).then(|| Branch { what: What::Others(stacks), amount, parts: Vec::new() })
    }
}

impl What<'_> {
    fn name(&self) -> Option<&Entry> {
        match self {
            Self::Entries(entries) => entries.first().copied(),
            Self::Itself | Self::Others(_) => None,
        }
    }
}

/// Puts stacks together.
pub(in crate::report) struct Maker<A> {
    nodes: Vec<Node<A>>,
    /// Numbers of entries, and of the node below a node that stands for an entry.
    entries: HashMap<Entry, usize>,
    below: HashMap<(usize, usize), usize>,
    inverted: bool,
    depth: usize,
}

impl<A: Summed> Maker<A> {
    pub(in crate::report) fn new(inverted: bool, depth: Option<usize>) -> Self {
        let depth = depth.unwrap_or(usize::MAX);
        let (entries, below) = (HashMap::new(), HashMap::new());
        Self { nodes: vec![Node::default()], entries, below, inverted, depth }
    }

    pub(in crate::report) fn tree(self, order: Order) -> Tree<A> {
        Tree { nodes: self.nodes, order }
    }

    /// Adds a stack with what it leads through, outermost first. A process is outermost, and not among what depth is
    /// counted in.
    pub(in crate::report) fn add(
        &mut self,
        mut path: Vec<Entry>,
        process: Option<Entry>,
        amount: &A,
    ) {
        if self.inverted {
            path.reverse();
        }
        path.truncate(self.depth);
        if let Some(process) = process {
            path.insert(if self.inverted { path.len() } else { 0 }, process);
        }
        let mut at = 0;
        self.count(at, amount);
        for entry in path {
            at = self.step(at, entry);
            self.count(at, amount);
        }
        self.nodes[at].own.add(amount);
    }

    fn count(&mut self, at: usize, amount: &A) {
        let node = &mut self.nodes[at];
        node.total.add(amount);
        node.stacks += 1;
    }

    fn step(&mut self, parent: usize, entry: Entry) -> usize {
        let number = self.entries.len();
        let number = *self.entries.entry(entry.clone()).or_insert(number);
        let next = self.nodes.len();
        let child = *self.below.entry((parent, number)).or_insert(next);
        if child == next {
            self.nodes.push(Node { entry, parent, ..Node::default() });
            self.nodes[parent].children.push(child);
        }
        child
    }
}
