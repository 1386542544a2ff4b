//! What one guest does of a kernel's work. A kernel's groups are cut into pieces, so that the slowest kernel's
//! do not run alone at the end while processors are idle, and a guest that breaks takes little with it.

use super::cache::Image;
use super::list::Kernel;
use super::results::Run;

/// Groups of one piece: about ten minutes on the slowest kernel, of which booting is ten seconds.
const GROUPS: usize = 10;

/// One guest's work.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kernel: &'a str,
    pub(super) image: &'a Image,
    /// Which of the kernel's pieces it is, from 0 on.
    pub(super) number: usize,
    pub(super) groups: Vec<&'a str>,
}

impl Piece<'_> {
    /// For the kernel's command line; `init.sh` reads them. With a dot in the name the kernel takes them for
    /// a module's parameters and does not complain of them.
    pub(super) fn words(&self) -> String {
        let verdicts = if self.is_first() { "yes" } else { "no" };
        format!("memtrace.groups={} memtrace.verdicts={verdicts}", self.groups.join(","))
    }

    /// Whether it also asks the verifier, which need not be asked twice.
    pub(super) const fn is_first(&self) -> bool {
        self.number == 0
    }

    /// The file for what the console says.
    pub(super) fn console(&self) -> String {
        if self.is_first() {
            return "console.log".to_owned();
        }
        format!("console-{}.log", self.number + 1)
    }
}

/// The pieces of a kernel's groups, at least one.
pub(super) fn of<'a>(kernel: &'a Kernel, image: &'a Image, groups: &[&'a str]) -> Vec<Piece<'a>> {
    let count = groups.len().div_ceil(GROUPS).max(1);
    let even = groups.len().div_ceil(count).max(1);
    let chunks: Vec<Vec<&str>> = groups.chunks(even).map(<[_]>::to_vec).collect();
    let chunks = if chunks.is_empty() { vec![Vec::new()] } else { chunks };
    let numbered = chunks.into_iter().enumerate();
    numbered.map(|(number, groups)| Piece { kernel: kernel.name, image, number, groups }).collect()
}

/// Puts the results of pieces together, by kernel, in the order in which they are.
pub(super) fn joined(pieces: Vec<Run>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for piece in pieces {
        match runs.last_mut().filter(|run| run.kernel == piece.kernel) {
            Some(run) => run.join(piece),
            None => runs.push(piece),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{Image, joined, of};
    use crate::kernels::list::Selection;
    use crate::kernels::results::Run;
    use std::time::Duration;

    #[test]
    fn groups_are_shared_out_evenly_and_none_is_left_out() {
        let selection = Selection::of(&["6.1".to_owned()]).unwrap();
        let image = Image { package: String::new(), file: "/vmlinuz".into() };
        let names: Vec<String> = (0..23).map(|number| format!("group{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let pieces = of(selection.kernels[0], &image, &names);
        let sizes: Vec<_> = pieces.iter().map(|piece| piece.groups.len()).collect();
        assert_eq!(sizes, [8, 8, 7]);
        assert_eq!(pieces.iter().flat_map(|piece| piece.groups.clone()).collect::<Vec<_>>(), names);
        let words = pieces[1].words();
        assert!(words.starts_with("memtrace.groups=group8,group9,") && words.ends_with("=no"));
        assert!(pieces[0].words().ends_with("memtrace.verdicts=yes"));
        let files: Vec<_> = pieces.iter().map(super::Piece::console).collect();
        assert_eq!(files, ["console.log", "console-2.log", "console-3.log"]);
    }

    #[test]
    fn a_kernels_pieces_are_one_result() {
        let run = |kernel: &str, trouble: Option<&str>| Run {
            kernel: kernel.to_owned(),
            wanted: vec!["links".to_owned()],
            trouble: trouble.map(str::to_owned),
            time: Duration::from_secs(2),
            ..Run::default()
        };
        let runs = joined(vec![run("5.10", None), run("5.10", Some("it hung")), run("6.1", None)]);
        let kernels: Vec<_> = runs.iter().map(|run| run.kernel.as_str()).collect();
        assert_eq!(kernels, ["5.10", "6.1"]);
        assert_eq!(runs[0].trouble.as_deref(), Some("it hung"));
        assert_eq!((runs[0].wanted.len(), runs[0].time), (2, Duration::from_secs(4)));
    }
}
