//! Bounded reading of small files, and strings that are safe to print.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Most bytes of a file that holds one value or a few lines.
pub(super) const SMALL: u64 = 64 << 10;

/// The file's bytes, at most `limit`; `None` if it has more.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((read as u64 <= limit).then_some(bytes))
}

/// A small file's text, or as much of it as fits, with what is not UTF-8 replaced.
pub(super) fn small(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SMALL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text with control characters written as escapes: a process may call itself what it likes,
/// also a terminal's commands.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_invisible(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// Marks that reorder or hide what follows on a terminal (Unicode bidirectional controls, line and
/// paragraph separators, byte-order mark).
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{printable, read, small};

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable("größe 日本"), "größe 日本");
    }

    #[test]
    fn reading_is_bounded() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 100]).unwrap();
        assert_eq!(read(file.path(), 99).unwrap(), None);
        assert_eq!(read(file.path(), 100).unwrap().map(|bytes| bytes.len()), Some(100));
        std::fs::write(file.path(), b"\xff1").unwrap();
        assert_eq!(small(file.path()).unwrap(), "\u{fffd}1");
    }
}
