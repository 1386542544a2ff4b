//! A file of JSON reports → one of them. It is read line by line, so that a file of many reports needs no more memory
//! than two of them.

use crate::report::diff::{ReadError, Side, Which, read_report, sequence_of};
use crate::report::view::Filter;
use std::io::{self, BufRead, Read as _};
use thiserror::Error;

/// Most bytes of one report. A report of a hundred thousand stacks, thirty frames each, has some hundred MiB.
const MOST_BYTES: u64 = 1 << 30;

/// Why there is no report.
#[derive(Debug, Error)]
pub(super) enum LineError {
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    #[error("line {line}: {source}")]
    Report {
        line: u64,
        #[source]
        source: ReadError,
    },
    #[error(
        "line {0} has over 1 GiB, which no report has that memtrace makes with a smaller --top"
    )]
    TooLong(u64),
    #[error("there is no report in it: was memtrace ended before it could write one?")]
    Empty,
    #[error("there is no report {0} in it: the numbers are the `sequence` of each")]
    NoSuch(u64),
}

/// Reads the report that is meant, of the stacks that `filter` admits; of several runs in one file the latest one's.
pub(super) fn report(
    input: impl BufRead,
    which: Which,
    filter: &Filter,
) -> Result<Side, LineError> {
    one_of(input, which, filter, MOST_BYTES)
}

fn one_of(
    mut input: impl BufRead,
    which: Which,
    filter: &Filter,
    most: u64,
) -> Result<Side, LineError> {
    let mut found: Option<(u64, Vec<u8>)> = None;
    let mut line = Vec::new();
    let mut number = 0;
    while next_line(&mut input, &mut line, number + 1, most)? {
        number += 1;
        if line.trim_ascii().is_empty() || !is_meant(&line, which, number)? {
            continue;
        }
        let (place, kept) = found.get_or_insert_default();
        *place = number;
        std::mem::swap(kept, &mut line);
        if which == Which::First {
            break;
        }
    }
    let none = match which {
        Which::Number(wanted) if number > 0 => LineError::NoSuch(wanted),
        _ => LineError::Empty,
    };
    let (line, text) = found.ok_or(none)?;
    read_report(&text, filter).map_err(|source| LineError::Report { line, source })
}

fn is_meant(text: &[u8], which: Which, line: u64) -> Result<bool, LineError> {
    let Which::Number(wanted) = which else { return Ok(true) };
    let number = sequence_of(text).map_err(|source| LineError::Report { line, source })?;
    Ok(number == wanted)
}

/// False at the end.
fn next_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    number: u64,
    most: u64,
) -> Result<bool, LineError> {
    line.clear();
    let read = input.take(most + 1).read_until(b'\n', line)?;
    if line.len() as u64 > most {
        return Err(LineError::TooLong(number));
    }
    Ok(read > 0)
}

#[cfg(test)]
mod tests {
    use super::{Filter, LineError, Side, Which, one_of};
    use crate::report::{JsonWriter, Report, ReportWriter as _, TracerFacts};

    fn report(input: &[u8], which: Which) -> Result<Side, LineError> {
        super::report(input, which, &Filter::default())
    }

    /// Lines of reports with these numbers; uptimes tell them apart.
    fn lines(numbers: &[(u64, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (sequence, seconds) in numbers {
            let tracer = TracerFacts { sequence: *sequence, ..TracerFacts::default() };
            let watched = seconds * 1_000_000_000;
            let report = Report { tracer, watched, ..Report::default() };
            JsonWriter.write(&report, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn the_report_that_is_meant_is_read() {
        // Two runs, one after the other.
        let file = lines(&[(1, 10), (2, 20), (1, 11), (2, 21), (3, 31)]);
        let watched = |which| report(file.as_slice(), which).unwrap().watched_s;
        assert_eq!(watched(Which::First), 10.0);
        assert_eq!(watched(Which::Last), 31.0);
        assert_eq!(watched(Which::Number(2)), 21.0);
        let error = report(file.as_slice(), Which::Number(9)).unwrap_err();
        assert!(matches!(error, LineError::NoSuch(9)), "{error}");
    }

    #[test]
    fn blank_lines_are_no_reports() {
        let file = [b"\n \n".as_slice(), &lines(&[(1, 10)]), b"\n\r\n"].concat();
        assert_eq!(report(file.as_slice(), Which::Last).unwrap().watched_s, 10.0);
        for empty in [&b""[..], b"\n", b"  \n\n"] {
            let error = report(empty, Which::Last).unwrap_err();
            assert!(matches!(error, LineError::Empty), "{error}");
        }
    }

    #[test]
    fn a_report_that_was_cut_is_an_error_with_its_line() {
        let mut file = lines(&[(1, 10), (2, 20)]);
        file.truncate(file.len() - 5);
        assert_eq!(report(file.as_slice(), Which::First).unwrap().watched_s, 10.0);
        let error = report(file.as_slice(), Which::Last).unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let error =
            one_of([b'x'; 100].as_slice(), Which::Last, &Filter::default(), 64).unwrap_err();
        assert!(matches!(error, LineError::TooLong(1)), "{error}");
    }
}
