//! Work that is shared out among a few threads.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

/// How many work at a time: two processors are there at least.
pub(crate) const WORKERS: usize = 2;

/// Has `work` done on each item, by so many at a time; `note` is given what comes of each as it ends, on this thread.
pub(crate) fn share_out<T, R: Send>(
    workers: usize,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> R + Sync,
    note: impl FnMut(R),
) {
    let left = Mutex::new(items.into_iter());
    let (results, ended) = channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (left, work, results) = (&left, &work, results.clone());
            scope.spawn(move || {
                let next = || left.lock().ok()?.next();
                while let Some(item) = next() {
                    // Whoever listens does so until the last one has ended.
                    let _ = results.send(work(item));
                }
            });
        }
        drop(results);
        ended.into_iter().for_each(note);
    });
}

#[cfg(test)]
mod tests {
    use super::share_out;

    #[test]
    fn each_is_done_once() {
        let mut done = Vec::new();
        share_out(3, 0..100, |item| item * 2, |result| done.push(result));
        done.sort_unstable();
        assert_eq!(done, (0..100).map(|item| item * 2).collect::<Vec<_>>());
    }
}
