//! The keys, and what the columns say.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Text;

const TEXT: &str = "\
Up Down k j PgUp PgDn Home End   select      Enter  process -> stacks -> frames
Esc Backspace   back; clears a filter first  Tab    processes or all stacks
s S   sort by the next column, or the last   /      filter by name, state or pid
p Space   pause and go on                    w      write this to a file
q Ctrl-C  quit                               ?      this help; any key leaves it

LIVE    allocated and not freed, as far as it was seen; before attach: not seen
+-95%   how far off an estimate may be (95 of 100); none: exact; ?: not known
PEAK    most that was live at once; of a stack: live at the process's peak
GROWTH  live now less live when the watch began     RATE  how fast it grows
RSS     resident memory, of which live memory is only a part";

pub(super) fn show(frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(Text::raw(TEXT), area);
}
