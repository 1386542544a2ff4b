//! A tree → a picture.

use super::tree::{Place, Tree};
use crate::report::layout::{shorten_function, wrap};
use crate::report::units;
use std::fmt::Write as _;
use std::io;

/// Of a picture, in its own units, which are pixels if it is not scaled.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 17.0;
const LINE: f64 = 18.0;
/// Of a letter, in a font whose letters are equally wide.
const LETTER: f64 = 7.0;
/// What is narrower is not drawn.
const NARROWEST: f64 = 0.3;

/// What stands around the tree.
pub(super) struct Picture {
    pub(super) title: String,
    /// Lines below the title.
    pub(super) notes: Vec<String>,
    pub(super) colors: Colors,
}

/// What colours mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    /// Nothing: the same name has the same one.
    ByName,
    /// How much more (red) or less (blue) it is than before.
    ByChange,
}

impl Picture {
    pub(super) fn draw(&self, tree: &Tree, out: &mut dyn io::Write) -> io::Result<()> {
        let whole = WIDTH - 2.0 * MARGIN;
        let places = tree.places(NARROWEST / whole);
        let rows = places.iter().map(|place| place.row + 1).max().unwrap_or(0);
        let columns = (whole / LETTER) as usize;
        let notes: Vec<String> =
            self.notes.iter().flat_map(|note| wrap("", note, columns)).collect();
        let above = 2.0 * MARGIN + LINE * (notes.len() + 1) as f64;
        let height = above + ROW * rows.max(1) as f64 + MARGIN;
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\">\n{STYLE}"
        )?;
        self.head(&notes, out)?;
        if places.is_empty() {
            let y = above + ROW;
            writeln!(out, "<text x=\"{MARGIN}\" y=\"{y}\">Nothing is alive.</text>")?;
        }
        let largest = tree.largest_change();
        for place in &places {
            let y = above + ROW * (rows - 1 - place.row) as f64;
            let fill = self.fill(place, largest);
            let x = MARGIN + place.left * whole;
            let label = self.label(place, tree.total());
            rectangle(out, (x, y, place.width * whole), &fill, place.name, &label)?;
        }
        writeln!(out, "</svg>")?;
        out.flush()
    }

    fn head(&self, notes: &[String], out: &mut dyn io::Write) -> io::Result<()> {
        let mut y = MARGIN + LINE;
        writeln!(
            out,
            "<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
            escaped(&self.title)
        )?;
        for note in notes {
            y += LINE;
            writeln!(out, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(note))?;
        }
        Ok(())
    }

    fn fill(&self, place: &Place<'_>, largest: u64) -> String {
        match self.colors {
            Colors::ByName => by_name(place.name),
            Colors::ByChange => by_change(place.bytes, largest),
        }
    }

    /// What a tooltip says.
    fn label(&self, place: &Place<'_>, total: u64) -> String {
        let [before, after] = place.bytes;
        let mut label = format!(
            "{}: {}, {} of all",
            place.name,
            units::exact_bytes(after),
            units::percent(units::share(after, total))
        );
        if self.colors == Colors::ByChange {
            let _ = write!(label, "; {}", units::signed_bytes(units::difference(after, before)));
        }
        label
    }
}

/// Dark where the reader's desktop is.
const STYLE: &str = "<style>
svg { background: #fff; font: 12px monospace; }
text { fill: #111; }
.title { font-size: 15px; font-weight: bold; }
.frame text { fill: #111; pointer-events: none; }
.frame:hover rect { stroke: #000; }
@media (prefers-color-scheme: dark) {
svg { background: #16181c; }
text { fill: #ddd; }
.frame:hover rect { stroke: #fff; }
}
</style>
";

fn rectangle(
    out: &mut dyn io::Write,
    (x, y, width): (f64, f64, f64),
    fill: &str,
    name: &str,
    label: &str,
) -> io::Result<()> {
    let height = ROW - 1.0;
    write!(
        out,
        "<g class=\"frame\"><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{height}\" \
         rx=\"1\" fill=\"{fill}\"/>",
        escaped(label)
    )?;
    if let Some(text) = fitting(name, width) {
        let (x, y) = (x + 3.0, y + 12.0);
        write!(out, "<text x=\"{x:.2}\" y=\"{y}\">{}</text>", escaped(&text))?;
    }
    writeln!(out, "</g>")
}

/// As much of a name as a rectangle has room for; nothing if that would tell nothing.
fn fitting(name: &str, width: f64) -> Option<String> {
    // At most as many as the whole picture is wide.
    let room = ((width - 6.0) / LETTER).max(0.0) as usize;
    if room < 3 {
        return None;
    }
    Some(shorten_function(name, room))
}

/// From green to blue; by FNV-1a (Fowler, Noll, Vo), so that it is the same in each picture.
fn by_name(name: &str) -> String {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, step);
    format!("hsl({} {}% 70%)", 120 + hash % 100, 40 + (hash >> 8) % 25)
}

/// The stronger, the more of the largest change it is.
fn by_change([before, after]: [u64; 2], largest: u64) -> String {
    if before == after || largest == 0 {
        return "hsl(0 0% 88%)".to_owned();
    }
    let lightness = 92.0 - 35.0 * units::share(before.abs_diff(after), largest).min(1.0);
    let hue = if after > before { 5 } else { 220 };
    format!("hsl({hue} 85% {lightness:.0}%)")
}

/// Text in which nothing means anything to XML. Control characters, which XML 1.0 cannot hold, are not shown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{by_change, by_name, escaped, fitting};

    #[test]
    fn names_are_cut_where_there_is_no_room() {
        assert_eq!(fitting("main", 40.0).as_deref(), Some("main"));
        assert_eq!(fitting("a_long_name", 48.0).as_deref(), Some("…_name"));
        assert_eq!(fitting("main", 20.0), None);
        assert_eq!(fitting("main", -1.0), None);
    }

    #[test]
    fn colours_tell_which_way_it_went() {
        assert_eq!(by_change([10, 20], 10), "hsl(5 85% 57%)");
        assert_eq!(by_change([20, 15], 10), "hsl(220 85% 74%)");
        assert_eq!(by_change([5, 5], 10), "hsl(0 0% 88%)");
        assert_eq!(by_name("main"), by_name("main"));
        assert_ne!(by_name("main"), by_name("serve"));
    }

    #[test]
    fn nothing_means_anything_to_xml() {
        assert_eq!(
            escaped("a<b>&\"'\u{1b}\u{ffff}"),
            "a&lt;b&gt;&amp;&quot;&apos;\u{fffd}\u{fffd}"
        );
    }
}
