//! The findings as text for people.

use super::super::exit::printable;
use super::super::terminal::Style;
use super::model::{Doctor, Line, Section, State};
use super::table;
use std::fmt::Write as _;

/// Columns before a finding's name: two blanks, the state, two blanks.
const NAME_AT: usize = 2 + 7 + 2;
/// Widest name that others are aligned to.
const WIDEST_NAME: usize = 26;

/// The text, lines folded to the style's columns.
#[must_use]
pub fn render(doctor: &Doctor, style: Style) -> String {
    let mut text = format!("memtrace {} doctor\n", doctor.version);
    for section in &doctor.sections {
        render_section(&mut text, section, style);
    }
    text.push('\n');
    text.push_str(&summary(doctor));
    text.push('\n');
    text
}

fn render_section(text: &mut String, section: &Section, style: Style) {
    let title = printable(&section.title);
    let _ = match style.color {
        true => writeln!(text, "\n\x1b[1m{title}\x1b[0m"),
        false => writeln!(text, "\n{title}"),
    };
    let widths = section.lines.iter().map(|line| printable(&line.name).chars().count());
    let name_width = widths.filter(|&width| width <= WIDEST_NAME).max().unwrap_or(0);
    for line in &section.lines {
        render_line(text, line, name_width, style);
    }
    if let Some(table) = &section.table {
        table::render(text, table, style);
    }
    if let Some(note) = &section.note {
        fold(text, &printable(note), 2, 2, style.columns);
    }
}

fn render_line(text: &mut String, line: &Line, name_width: usize, style: Style) {
    let name = printable(&line.name);
    let _ = write!(text, "  {}  {name:<name_width$}", state(line.state, style.color));
    let at = NAME_AT + name.chars().count().max(name_width);
    // On narrow terminals details get lines of their own.
    let indent = NAME_AT + name_width + 2;
    let indent = if indent + 20 > style.columns { NAME_AT + 2 } else { indent };
    if at + 2 > indent {
        text.push('\n');
        fold(text, &printable(&line.detail), indent, indent, style.columns);
    } else {
        fold(text, &printable(&line.detail), indent - at, indent, style.columns);
    }
    if let Some(remedy) = &line.remedy {
        fold(text, &format!("→ {}", printable(remedy)), indent, indent + 2, style.columns);
    }
}

fn state(state: State, color: bool) -> String {
    let padded = format!("{:<7}", state.word());
    let code = match state {
        State::Ok => 32,
        State::Missing => 31,
        State::Hazard => 33,
        State::Unknown => 36,
    };
    if color { format!("\x1b[{code}m{padded}\x1b[0m") } else { padded }
}

/// Adds the words of `words` after `blanks` blanks, folded at `columns`; later lines begin after
/// `indent` blanks. The first line is taken to begin at column `indent` or before.
pub(super) fn fold(text: &mut String, words: &str, blanks: usize, indent: usize, columns: usize) {
    let mut at = indent.min(columns);
    text.extend(std::iter::repeat_n(' ', blanks));
    for (number, word) in words.split_whitespace().enumerate() {
        let width = word.chars().count();
        if number > 0 && at + 1 + width > columns {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        } else if number > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += width;
    }
    text.push('\n');
}

fn summary(doctor: &Doctor) -> String {
    let parts: Vec<String> = [
        (State::Missing, "missing"),
        (State::Hazard, "at a price or a risk"),
        (State::Unknown, "not known"),
    ]
    .into_iter()
    .map(|(state, words)| (doctor.count(state), words))
    .filter(|&(count, _)| count > 0)
    .map(|(count, words)| format!("{count} {words}"))
    .collect();
    if parts.is_empty() {
        return "Nothing stands in the way.".to_owned();
    }
    format!("{}; each line marked → says what to do.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::model::{Doctor, Line, Section, State, Topic};
    use super::{Style, render};

    fn findings() -> Doctor {
        let lines = vec![
            Line::new("kernel", State::Ok, "6.18.44"),
            Line::new(
                "tracefs",
                State::Missing,
                "not mounted at /sys/kernel/tracing or below /sys",
            )
            .remedy("mount -t tracefs nodev /sys/kernel/tracing"),
            Line::new("a name that is rather too long to align", State::Hazard, "slow\x1b[2J"),
        ];
        let note = Some("One two three four five six seven eight nine ten eleven.".to_owned());
        Doctor::new(vec![
            Section::new(Topic::Kernel, "Kernel", lines),
            Section { note, ..Section::new(Topic::Aftermath, "Note", Vec::new()) },
        ])
    }

    #[test]
    fn findings_are_aligned() {
        let text = render(&findings(), Style { columns: 100, color: false, ascii: false });
        let expected = "\
memtrace 0.1.0 doctor

Kernel
  ok       kernel   6.18.44
  MISSING  tracefs  not mounted at /sys/kernel/tracing or below /sys
                    → mount -t tracefs nodev /sys/kernel/tracing
  hazard   a name that is rather too long to align
                    slow\\u{1b}[2J

Note
  One two three four five six seven eight nine ten eleven.

1 missing, 1 at a price or a risk; each line marked → says what to do.
";
        assert_eq!(text, expected.replace("0.1.0", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn lines_are_folded_to_the_width() {
        let text = render(&findings(), Style { columns: 40, color: false, ascii: false });
        for line in text.lines().filter(|line| line.contains(' ') && !line.contains("each line")) {
            let width = line.chars().count();
            assert!(width <= 40 || line.contains("a name") || line.contains("/sys"), "{line:?}");
        }
        assert!(text.contains("\n  eight nine ten eleven.\n"), "{text}");
    }

    #[test]
    fn colours_are_on_the_states() {
        let text = render(&findings(), Style { columns: 100, color: true, ascii: false });
        assert!(text.contains("\x1b[31mMISSING\x1b[0m"));
        assert!(text.contains("\x1b[1mKernel\x1b[0m"));
    }

    #[test]
    fn all_well_is_said() {
        let text =
            render(&Doctor::new(Vec::new()), Style { columns: 100, color: false, ascii: false });
        assert!(text.ends_with("\nNothing stands in the way.\n"));
    }
}
