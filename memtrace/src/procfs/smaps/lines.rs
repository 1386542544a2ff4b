//! A text, line by line, without keeping more than one line of it.

use std::io::{ErrorKind, Read, Result};
use std::time::Instant;

/// What is read at once; the kernel gives a page or so.
const PIECE: usize = 16 << 10;
/// Bytes of a line that are kept: of longer ones the end of a path is missing.
const MAX_LINE: usize = 8 << 10;

/// Gives each line to `take`, without its end. Breaks off when it is `until`; gives whether it did not.
pub(super) fn read(
    mut text: impl Read,
    until: Instant,
    mut take: impl FnMut(&[u8]),
) -> Result<bool> {
    let mut piece = vec![0; PIECE];
    let mut line = Vec::new();
    loop {
        if Instant::now() >= until {
            return Ok(false);
        }
        let length = match text.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut parts = piece[..length].split(|byte| *byte == b'\n');
        // What a piece ends with may be the beginning of a line.
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            keep(&mut line, part);
            take(&line);
            line.clear();
        }
        keep(&mut line, last);
    }
    if !line.is_empty() {
        take(&line);
    }
    Ok(true)
}

fn keep(line: &mut Vec<u8>, part: &[u8]) {
    let room = MAX_LINE.saturating_sub(line.len());
    line.extend_from_slice(&part[..part.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, PIECE, read};
    use std::io::{self, Read};
    use std::time::{Duration, Instant};

    fn lines(text: impl Read, until: Instant) -> (Vec<Vec<u8>>, bool) {
        let mut lines = Vec::new();
        let whole = read(text, until, |line| lines.push(line.to_vec())).unwrap();
        (lines, whole)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        let text: Vec<u8> =
            (0..9000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        let (all, whole) = lines(&text[..], soon());
        assert!(whole && text.len() > 2 * PIECE);
        assert_eq!(all.join(&b'\n'), text[..text.len() - 1]);
        assert_eq!(lines(&b"a\nb"[..], soon()).0, [b"a", b"b"]);
    }

    #[test]
    fn long_lines_are_cut_and_late_ones_left() {
        let long = [vec![b'x'; 3 * PIECE], b"\nnext\n".to_vec()].concat();
        let (all, _) = lines(&long[..], soon());
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_LINE, 4]);
        let (none, whole) = lines(io::repeat(b'\n'), Instant::now());
        assert!(none.is_empty() && !whole);
    }
}
