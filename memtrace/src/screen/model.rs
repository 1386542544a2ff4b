//! The state of the screen, and how messages change it.

use super::history::History;
use super::identity::{ProcessIdentity, RowIdentity};
use super::page::{Page, What};
use super::rows::{Row, rows};
use crate::report::{Report, clean};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest text that can be typed, characters.
const LONGEST_TEXT: usize = 200;

/// Reports for which a log line is shown.
const REPORTS_OF_LOG: u32 = 3;

/// What the terminal can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colours are wanted.
    pub color: bool,
    /// Draws with ASCII characters alone.
    pub ascii: bool,
}

/// How far the selection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// So many rows.
    Up(usize),
    /// So many rows.
    Down(usize),
    /// To the first row.
    First,
    /// To the last one.
    Last,
}

/// Something that changes the screen, besides reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The answer to a wish, in one line: it stays until a key is pressed.
    Told(String),
    /// A log line: it stays for some reports, or until a key is pressed.
    Logged(String),
    /// No report will follow, and why.
    Ended(String),
    /// The selection moves.
    Go(Move),
    /// Into what is selected; takes what was typed.
    Enter,
    /// Out of the page, of the help or of what is being typed.
    Back,
    /// From processes to call stacks of all processes and back.
    SwitchList,
    /// By the next column, or the one before.
    Sort {
        /// The one before.
        backwards: bool,
    },
    /// Begins to type a filter.
    Filter,
    /// Begins to type the name of a file for what is shown.
    Write,
    /// Letters were typed.
    Typed(String),
    /// The last letter goes.
    Erase,
    /// All letters go.
    EraseAll,
    /// Stops taking in reports, or goes on.
    Pause,
    /// Help comes or goes.
    Help,
    /// The terminal is to be drawn anew.
    Redraw,
    /// A key without a meaning.
    Other,
    /// The user has had enough; while help is shown, of that.
    Quit,
    /// The user has had enough of all.
    Interrupt,
}

/// What the owner of the terminal is to do.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Write this report to a new file, and tell how it went ([`Message::Told`]).
    Write(Arc<Report>, PathBuf),
    /// Clear the terminal and draw all of it.
    Redraw,
    /// End.
    Quit,
}

/// A line that the user is told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) text: String,
    /// It stays for so many reports; `None`: until a key is pressed.
    reports: Option<u32>,
}

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typing {
    /// The filter, which holds at once; what it was before.
    Filter(String),
    /// The name of a file.
    Path(String),
}

/// All that the screen shows.
#[derive(Clone, Debug)]
pub struct Screen {
    pub(super) look: Look,
    /// The report that is shown.
    pub(super) shown: Option<Arc<Report>>,
    /// A newer one, while it is paused.
    pub(super) waiting: Option<Arc<Report>>,
    pub(super) paused: bool,
    pub(super) history: History,
    /// The lowest page.
    pub(super) root: Page,
    /// Those above it, the visible one last.
    pub(super) above: Vec<Page>,
    pub(super) typing: Option<Typing>,
    pub(super) helps: bool,
    pub(super) told: Option<Told>,
    /// The latest log line, which is not shown twice in a row.
    logged: String,
    /// No report will follow.
    pub(super) ended: bool,
}

impl Screen {
    /// The list of processes, without a report yet.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self {
            look,
            shown: None,
            waiting: None,
            paused: false,
            history: History::default(),
            root: Page::of(What::Processes),
            above: Vec::new(),
            typing: None,
            helps: false,
            told: None,
            logged: String::new(),
            ended: false,
        }
    }

    /// Letters are a text that is typed, and no commands.
    #[must_use]
    pub const fn is_typing(&self) -> bool {
        self.typing.is_some()
    }

    /// Changes by one message.
    pub fn update(&mut self, message: Message) -> Option<Wish> {
        match message {
            Message::Told(text) => self.tell(&text, None),
            Message::Logged(line) => self.log(line),
            Message::Ended(reason) => {
                self.ended = true;
                self.tell(&format!("ENDED: {reason} (q quits)"), None);
            }
            Message::Redraw => return Some(Wish::Redraw),
            Message::Interrupt => return Some(Wish::Quit),
            key => return self.obey(key),
        }
        None
    }

    fn tell(&mut self, text: &str, reports: Option<u32>) {
        self.told = Some(Told { text: clean(text), reports });
    }

    fn log(&mut self, line: String) {
        if line != self.logged {
            self.tell(&line, Some(REPORTS_OF_LOG));
            self.logged = line;
        }
    }

    /// A key was pressed: what was told before has been read.
    fn obey(&mut self, key: Message) -> Option<Wish> {
        self.told = None;
        if self.helps {
            // Any key leaves the help.
            self.helps = false;
            return None;
        }
        if self.typing.is_some() {
            return self.type_in(key);
        }
        match key {
            Message::Go(way) => self.go(way),
            Message::Enter => self.enter(),
            Message::Back => self.leave(),
            Message::SwitchList => self.switch_list(),
            Message::Sort { backwards } => self.page_mut().sort_by_next(backwards),
            Message::Filter => self.typing = Some(Typing::Filter(self.page().filter.clone())),
            Message::Write => self.begin_writing(),
            Message::Pause => self.pause(),
            Message::Help => self.helps = true,
            Message::Quit => return Some(Wish::Quit),
            _ => {}
        }
        None
    }

    /// Takes in the next report: it is shown, unless the screen is paused.
    pub fn take_in(&mut self, report: Arc<Report>) {
        if let Some(Told { reports: Some(left), .. }) = &mut self.told {
            *left -= 1;
            if *left == 0 {
                self.told = None;
            }
        }
        // Time goes on, for the history, too, while it is paused.
        self.history.add(&report);
        if self.paused {
            self.waiting = Some(report);
        } else {
            self.shown = Some(report);
        }
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if let Some(newer) = self.waiting.take() {
            self.shown = Some(newer);
        }
    }

    /// The visible page.
    pub(super) fn page(&self) -> &Page {
        self.above.last().unwrap_or(&self.root)
    }

    fn page_mut(&mut self) -> &mut Page {
        self.above.last_mut().unwrap_or(&mut self.root)
    }

    /// Rows of the visible page, in order.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.shown.as_ref().map_or_else(Vec::new, |report| rows(report, self.page()))
    }

    /// Position of the selection among these rows: if what was selected is not there any more, the first.
    pub(super) fn position(&self, rows: &[Row]) -> usize {
        let selected = self.page().selected.as_ref();
        let is_it = |row: &Row| Some(&row.identity) == selected;
        rows.iter().position(is_it).unwrap_or(0)
    }

    fn go(&mut self, way: Move) {
        let rows = self.rows();
        let (at, last) = (self.position(&rows), rows.len().saturating_sub(1));
        let to = match way {
            Move::Up(by) => at.saturating_sub(by),
            Move::Down(by) => at.saturating_add(by).min(last),
            Move::First => 0,
            Move::Last => last,
        };
        self.page_mut().selected = rows.get(to).map(|row| row.identity.clone());
    }

    fn enter(&mut self) {
        let rows = self.rows();
        let Some(row) = rows.get(self.position(&rows)) else { return };
        let into = match &row.identity {
            RowIdentity::Process(process) => What::Stacks(process.clone()),
            RowIdentity::Stack(process, stack) => What::Frames(process.clone(), *stack),
            RowIdentity::Frame(_) | RowIdentity::Rest(..) => return,
        };
        // Whoever comes back finds the selection where it was.
        self.page_mut().selected = Some(row.identity.clone());
        self.above.push(Page::of(into));
    }

    fn leave(&mut self) {
        if !self.page().filter.is_empty() {
            self.page_mut().filter.clear();
        } else {
            self.above.pop();
        }
    }

    fn switch_list(&mut self) {
        let other =
            if self.root.what == What::Processes { What::AllStacks } else { What::Processes };
        self.root = Page::of(other);
        self.above.clear();
    }

    fn begin_writing(&mut self) {
        let Some(report) = &self.shown else {
            self.tell("there is no report yet", None);
            return;
        };
        let time = report.tracer.time.strftime("%Y%m%dT%H%M%SZ");
        self.typing = Some(Typing::Path(format!("memtrace-{time}.json")));
    }

    fn type_in(&mut self, key: Message) -> Option<Wish> {
        let mut typing = self.typing.take()?;
        match key {
            Message::Typed(letters) => add(self.text_of(&mut typing), &letters),
            Message::Erase => drop(self.text_of(&mut typing).pop()),
            Message::EraseAll => self.text_of(&mut typing).clear(),
            Message::Enter => return self.take_typed(typing),
            Message::Back => {
                if let Typing::Filter(before) = typing {
                    self.page_mut().filter = before;
                }
                return None;
            }
            _ => {}
        }
        self.typing = Some(typing);
        None
    }

    fn text_of<'a>(&'a mut self, typing: &'a mut Typing) -> &'a mut String {
        match typing {
            Typing::Filter(_) => &mut self.page_mut().filter,
            Typing::Path(path) => path,
        }
    }

    fn take_typed(&mut self, typing: Typing) -> Option<Wish> {
        match typing {
            Typing::Path(path) if !path.trim().is_empty() => {
                Some(Wish::Write(Arc::clone(self.shown.as_ref()?), PathBuf::from(path.trim())))
            }
            Typing::Path(_) | Typing::Filter(_) => None,
        }
    }

    /// The process that the visible page is about, or else the one that is selected on it.
    pub(super) fn process(&self, selected: Option<&Row>) -> Option<ProcessIdentity> {
        let of_row = |row: &Row| match &row.identity {
            RowIdentity::Process(process) => Some(process.clone()),
            _ => None,
        };
        self.page().process().cloned().or_else(|| selected.and_then(of_row))
    }
}

/// Adds what can be seen of `letters`.
fn add(text: &mut String, letters: &str) {
    let room = LONGEST_TEXT.saturating_sub(text.chars().count());
    let visible =
        letters.chars().filter(|letter| clean(&letter.to_string()).len() == letter.len_utf8());
    text.extend(visible.take(room));
}
