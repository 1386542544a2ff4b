//! Collections, text, threads, boxed closures, and panics that are caught.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};

fn say_and_wait(text: &str) {
    println!("{text}");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

fn deep(level: usize, words: &mut Vec<String>) -> usize {
    words.push(format!("level {level}"));
    if level == 0 { words.iter().map(String::len).sum() } else { deep(level - 1, words) + 1 }
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    say_and_wait("ready");
    let mut groups: HashMap<String, Vec<u64>> = HashMap::new();
    let mut sorted = BTreeMap::new();
    for number in 0..5000_u64 {
        let value = number * 7919 % 100_003;
        groups.entry(format!("group {}", value % 100)).or_default().push(value);
        sorted.insert(value, Box::new(number));
    }
    let mut text = String::new();
    for (name, values) in &groups {
        let _ = writeln!(text, "{name}: {values:?}");
    }
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort_by_key(|word| word.chars().rev().collect::<String>());
    let threads: Vec<_> = (0..3)
        .map(|index| std::thread::spawn(move || deep(30 + index, &mut Vec::new())))
        .collect();
    let total: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
    let caught = (0..200)
        .filter(|number| {
            std::panic::catch_unwind(|| assert!(number % 2 == 0, "{number} is odd")).is_err()
        })
        .count();
    assert_eq!((total > 0, caught), (true, 100));
    say_and_wait("done");
}
