//! Functions of the targets' own that allocate and free: those that were typed, and those in a file.

use super::super::args::FunctionArgs;
use super::super::exit::UsageError;
use super::usage;
use crate::probe::signature::{Signature, SignatureError};
use memtrace_common::site::Role;
use std::io::Read as _;
use std::path::Path;

/// Largest file that is read, bytes.
const MOST_BYTES: u64 = 1 << 20;
/// Most signatures.
const MOST: usize = 256;
/// What a line of the file begins with, and what the function does.
const WORDS: [(&str, Role); 3] =
    [("alloc", Role::Allocate), ("realloc", Role::Reallocate), ("free", Role::Free)];

/// All of them, in the order of the options.
pub(in crate::cli) fn all(args: &FunctionArgs) -> Result<Vec<Signature>, UsageError> {
    let typed = args.alloc_fn.iter().chain(&args.realloc_fn).chain(&args.free_fn);
    let mut all: Vec<Signature> = typed.cloned().collect();
    for path in &args.allocators {
        all.extend(from_file(path)?);
    }
    if all.len() > MOST {
        return usage(format!("at most {MOST} functions can be described; patterns mean several"));
    }
    Ok(all)
}

/// Whether any is.
pub(in crate::cli) fn are_described(args: &FunctionArgs) -> bool {
    let typed = [&args.alloc_fn, &args.realloc_fn, &args.free_fn];
    typed.iter().any(|typed| !typed.is_empty()) || !args.allocators.is_empty()
}

fn from_file(path: &Path) -> Result<Vec<Signature>, UsageError> {
    let name = path.display();
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) => return usage(format!("--allocators {name} cannot be read: {error}")),
        Ok(bytes) if bytes as u64 > MOST_BYTES => {
            return usage(format!("--allocators {name} is larger than 1 MiB: is it another file?"));
        }
        Ok(_) => {}
    }
    read_lines(&text)
        .map_err(|(line, reason)| UsageError(format!("--allocators {name}, line {line}: {reason}")))
}

/// The signatures of a file, or the number of the first line that is wrong, with what is.
fn read_lines(text: &str) -> Result<Vec<Signature>, (usize, String)> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let signature = one(line).map_err(|error| (number, error.to_string()))?;
        all.push(signature);
    }
    Ok(all)
}

fn one(line: &str) -> Result<Signature, SignatureError> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, role)) => Signature::parse(rest.trim(), *role),
        None => Err(SignatureError {
            text: line.to_owned(),
            at: 0,
            reason: "expected `alloc`, `realloc` or `free` and a signature, as in \
                     alloc libpool.so:pool_alloc(size=0)"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{all, read_lines};
    use crate::cli::args::Cli;
    use clap::Parser as _;
    use memtrace_common::site::Role;
    use proptest::prelude::proptest;

    #[test]
    fn lines_are_the_options_words() {
        let text = "# pools\n\nalloc a:f(size=0)->ret\n  free\ta:g(ptr=0)  # gives back\n\
                    realloc a:h(ptr=0,size=1)\n";
        let roles: Vec<Role> = read_lines(text).unwrap().iter().map(|it| it.role).collect();
        assert_eq!(roles, [Role::Allocate, Role::Free, Role::Reallocate]);
    }

    #[test]
    fn a_wrong_line_is_told_by_number() {
        let (line, reason) = read_lines("alloc a:f(size=0)\nalloc a:f(sise=0)").unwrap_err();
        assert_eq!(line, 2);
        assert!(reason.contains("  a:f(sise=0)\n      ^"), "{reason}");
        let (line, reason) = read_lines("\nmalloc a:f(size=0)").unwrap_err();
        assert!(line == 2 && reason.contains("expected `alloc`"), "{reason}");
        assert!(read_lines("alloc").is_err());
    }

    #[test]
    fn options_and_files_add_up() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "free a:g(ptr=0)").unwrap();
        let path = file.path().to_str().unwrap();
        let words = ["memtrace", "-p", "1", "--alloc-fn", "a:f(size=0)", "--allocators", path];
        let typed = Cli::try_parse_from(words).unwrap();
        let texts: Vec<String> =
            all(&typed.trace.functions).unwrap().into_iter().map(|it| it.text).collect();
        assert_eq!(texts, ["a:f(size=0)", "a:g(ptr=0)"]);
        let words = ["memtrace", "-p", "1", "--allocators", "/nowhere/at/all"];
        let error = all(&Cli::try_parse_from(words).unwrap().trace.functions).unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");
        let words = ["memtrace", "-p", "1", "--free-fn", "a:f(size=0)"];
        let error = Cli::try_parse_from(words).unwrap_err().to_string();
        assert!(error.contains("expected the position of the block"), "{error}");
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "\\PC{0,40}", near in "((re)?alloc|free| |\n|#|[a:()=0-9,]){0,20}") {
            for text in [text, near] {
                let _ = read_lines(&text);
            }
        }
    }
}
