//! The screen, driven by recorded keys, as people see it.

mod report_fixtures;

use memtrace::engine::snapshot::{ProcessSnapshot, Snapshot, State};
use memtrace::model::process::Usage;
use memtrace::report::{Report, ReportOptions, TracerFacts};
use memtrace::screen::{Look, Message, Screen, Wish, draw, message_of};
use memtrace_common::wire::Loss;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use report_fixtures::*;
use std::sync::Arc;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

/// A screen and the keys that are pressed on it.
struct Driven {
    screen: Screen,
    wishes: Vec<Wish>,
}

impl Driven {
    fn new() -> Self {
        Self::with(Look::default())
    }

    fn with(look: Look) -> Self {
        Self { screen: Screen::new(look), wishes: Vec::new() }
    }

    fn showing(report: Report) -> Self {
        let mut driven = Self::new();
        driven.report(report);
        driven
    }

    fn report(&mut self, report: Report) {
        self.screen.take_in(Arc::new(report));
    }

    /// Presses keys one after the other: letters, or names in angle brackets.
    fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(first) = rest.chars().next() {
            let name = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let code = match name {
                Some((name, after)) => {
                    rest = after;
                    named(name)
                }
                None => {
                    rest = &rest[first.len_utf8()..];
                    KeyCode::Char(first)
                }
            };
            let event = Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
            let message = message_of(&event, self.screen.is_typing());
            self.wishes.extend(message.and_then(|message| self.screen.update(message)));
        }
        self
    }

    fn terminal(&self, (width, height): (u16, u16)) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&self.screen, frame)).unwrap();
        terminal
    }

    /// The picture, without what is blank at the ends of lines.
    fn picture(&self, size: (u16, u16)) -> String {
        let picture = self.terminal(size).backend().to_string();
        let lines = picture.lines().map(|line| line.trim_matches('"').trim_end());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The line of the list on which the selection is.
    fn selected(&self) -> String {
        let terminal = self.terminal(SMALL);
        let buffer = terminal.backend().buffer();
        let is_reversed =
            |y: &u16| buffer[(0, *y)].modifier.contains(ratatui::style::Modifier::REVERSED);
        let line = (0..SMALL.1).find(is_reversed).expect("a line is selected");
        (0..SMALL.0).map(|x| buffer[(x, line)].symbol()).collect::<String>().trim().to_owned()
    }
}

fn named(name: &str) -> KeyCode {
    match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "End" => KeyCode::End,
        "Home" => KeyCode::Home,
        "Backspace" => KeyCode::Backspace,
        other => panic!("no key is called {other}"),
    }
}

fn options() -> ReportOptions {
    ReportOptions { is_final: false, top: 0, ..last() }
}

fn made(snapshot: &Snapshot) -> Report {
    report(snapshot, &options(), &facts())
}

fn ended() -> ProcessSnapshot {
    let mut ended = process(77, "batch", vec![stack(9, leak_frames(), 3, 100)]);
    ended.state = State::Exited(Some(3 << 8));
    ended
}

/// A leak, an estimate, a process that is over, and a hostile name.
fn several() -> Report {
    let hostile = process(4242, "x\u{1b}[31mred\u{202e}\n", vec![stack(5, leak_frames(), 2, 10)]);
    let mut estimated = sampled();
    estimated.info = Arc::new(info(555, "samples"));
    made(&snapshot(vec![leaking(), estimated, hostile, ended()]))
}

#[test]
fn before_the_first_report() {
    insta::assert_snapshot!(Driven::new().picture(SMALL));
}

#[test]
fn processes() {
    let driven = Driven::showing(several());
    insta::assert_snapshot!("processes_small", driven.picture(SMALL));
    insta::assert_snapshot!("processes_large", driven.picture(LARGE));
}

#[test]
fn from_a_process_to_its_stacks_to_their_frames_and_back() {
    let mut driven = Driven::showing(made(&snapshot(vec![leaking()])));
    let first = driven.picture(SMALL);
    driven.press("<Enter>");
    insta::assert_snapshot!("stacks_small", driven.picture(SMALL));
    insta::assert_snapshot!("stacks_large", driven.picture(LARGE));
    driven.press("<Enter><Down>");
    insta::assert_snapshot!("frames_small", driven.picture(SMALL));
    driven.press("<Esc><Esc>");
    assert_eq!(driven.picture(SMALL), first);
    driven.press("<Esc>");
    assert_eq!(driven.picture(SMALL), first, "there is no way out of the lowest page but q");
}

#[test]
fn stacks_of_all_processes() {
    let mut driven = Driven::showing(several());
    driven.press("<Tab>");
    insta::assert_snapshot!(driven.picture(SMALL));
    driven.press("<Tab>");
    assert!(driven.picture(SMALL).contains("processes (4)"));
}

#[test]
fn estimates_show_how_far_they_may_be_off() {
    let facts = TracerFacts { sample_interval_bytes: 64 << 10, ..facts() };
    let sampled = report(&snapshot(vec![sampled()]), &options(), &facts);
    let mut driven = Driven::showing(sampled);
    driven.press("<Enter>");
    let picture = driven.picture(SMALL);
    assert!(picture.contains("±95%") && picture.contains("SAMPLED one in 65,536 B"), "{picture}");
    insta::assert_snapshot!("estimates", picture);
    let exact = Driven::showing(made(&snapshot(vec![leaking()]))).picture(SMALL);
    assert!(!exact.contains("±95%") && exact.contains("every allocation"), "{exact}");
}

#[test]
fn losses_are_always_there() {
    let none = Driven::showing(made(&snapshot(vec![leaking()]))).picture(SMALL);
    assert!(none.contains("LOST events 0, stacks 0, evicted 0"), "{none}");
    let mut lossy = snapshot(vec![leaking()]);
    lossy.losses[Loss::RingFree as usize].1 = 700_000;
    let picture = Driven::showing(made(&lossy)).picture(SMALL);
    assert!(picture.contains("LOST events 700,000") && picture.contains("DEGRADED"), "{picture}");
}

#[test]
fn names_of_targets_steer_no_terminal() {
    let mut driven = Driven::showing(several());
    for keys in ["", "<Tab>", "<Tab>/red<Enter>", "<Enter>"] {
        driven.press(keys);
        let picture = driven.picture(LARGE);
        let strange =
            |letter: &char| letter.is_control() && *letter != '\n' || *letter == '\u{202e}';
        assert_eq!(picture.chars().find(strange), None);
    }
    assert!(driven.picture(SMALL).contains(r"x\x1b[31mred"), "{}", driven.picture(SMALL));
}

#[test]
fn sorting_goes_round() {
    let mut driven = Driven::showing(several());
    let mut orders = Vec::new();
    for _ in 0..6 {
        let picture = driven.picture(SMALL);
        let path = picture.lines().find(|line| line.starts_with("processes")).unwrap().to_owned();
        orders.push(path);
        driven.press("s");
    }
    let words = ["growth", "rate", "live bytes", "peak", "resident memory", "name"];
    assert_eq!(orders, words.map(|word| format!("processes (4)  by {word}")));
    assert!(driven.picture(SMALL).contains("by growth"));
    driven.press("S");
    assert!(driven.picture(SMALL).contains("by name"));
    let picture = driven.picture(SMALL);
    let at = |name: &str| picture.find(&format!(" {name}")).unwrap_or_else(|| panic!("{picture}"));
    assert!(at("batch") < at("thumbd"), "{picture}");
}

#[test]
fn a_filter_holds_while_it_is_typed_and_can_be_undone() {
    let mut driven = Driven::showing(several());
    driven.press("/bat");
    insta::assert_snapshot!("filter", driven.picture(SMALL));
    driven.press("<Esc>");
    assert!(driven.picture(SMALL).contains("processes (4)"));
    driven.press("/q<Backspace>77<Enter>");
    assert!(driven.selected().starts_with("77"), "by number: {}", driven.selected());
    assert!(driven.wishes.is_empty(), "letters are no commands while a text is typed");
    driven.press("/zzz<Enter>");
    assert!(driven.picture(SMALL).contains("nothing matches the filter"));
    driven.press("<Esc>");
    assert!(driven.picture(SMALL).contains("processes (4)"));
}

#[test]
fn the_selection_stays_where_it_is_when_the_order_changes() {
    let mut driven = Driven::showing(several());
    driven.press("<End>");
    let before = driven.selected();
    let pid = before.split(' ').next().unwrap().to_owned();
    driven.press("sss");
    assert!(driven.selected().starts_with(&pid), "{before} / {}", driven.selected());
    driven.report(several());
    assert!(driven.selected().starts_with(&pid));
    // It is not listed any more: the first row is selected.
    driven.report(made(&snapshot(vec![leaking()])));
    assert!(driven.selected().starts_with("1234"), "{}", driven.selected());
}

#[test]
fn a_pause_holds_the_picture_and_takes_the_newest_report_afterwards() {
    let mut driven = Driven::showing(made(&snapshot(vec![leaking()])));
    driven.press("p");
    driven.report(several());
    let paused = driven.picture(SMALL);
    assert!(paused.contains("PAUSED (newer report waits)") && paused.contains("processes (1)"));
    driven.press(" ");
    let after = driven.picture(SMALL);
    assert!(!after.contains("PAUSED") && after.contains("processes (4)"), "{after}");
}

#[test]
fn what_has_ended_stays_listed() {
    let picture = Driven::showing(several()).picture(SMALL);
    let line = picture.lines().find(|line| line.contains("batch")).unwrap();
    assert!(line.contains("exit 3"), "{line}");
    assert!(picture.contains("3 processes + 1 ended"), "{picture}");
    let mut driven = Driven::showing(several());
    driven.screen.update(Message::Ended("nothing is traced any more".to_owned()));
    assert!(driven.picture(SMALL).contains("ENDED: nothing is traced any more"));
    driven.press("<Enter>");
    assert!(driven.picture(SMALL).lines().next().unwrap().ends_with("ENDED"));
    assert!(driven.picture(SMALL).contains("call stacks of"));
}

#[test]
fn what_is_shown_is_written_where_the_user_says() {
    let mut driven = Driven::new();
    driven.press("w");
    assert!(driven.picture(SMALL).contains("there is no report yet"));
    driven.report(several());
    driven.press("w");
    let proposed = driven.picture(SMALL);
    assert!(proposed.lines().last().unwrap().starts_with("write to: memtrace-"), "{proposed}");
    for _ in 0..60 {
        driven.press("<Backspace>");
    }
    driven.press("heap.txt<Enter>");
    let Some(Wish::Write(written, path)) = driven.wishes.pop() else { panic!("no wish") };
    assert_eq!((written.processes.len(), path.to_str()), (4, Some("heap.txt")));
    driven.screen.update(Message::Told("written to heap.txt\u{1b}[2J".to_owned()));
    let told = driven.picture(SMALL);
    assert!(told.ends_with(r"written to heap.txt\x1b[2J"), "{told}");
    driven.press("w<Esc>");
    assert!(driven.wishes.is_empty(), "nothing is written after all");
}

#[test]
fn a_log_line_goes_by_itself_and_is_not_repeated() {
    let mut driven = Driven::new();
    let log = |driven: &mut Driven| driven.screen.update(Message::Logged("slow\u{1b}".to_owned()));
    log(&mut driven);
    let last = |driven: &Driven| driven.picture(SMALL).lines().last().unwrap().to_owned();
    assert_eq!(last(&driven), r"slow\x1b");
    for _ in 0..3 {
        assert_eq!(last(&driven), r"slow\x1b");
        driven.report(several());
    }
    assert!(last(&driven).ends_with("q quit"));
    log(&mut driven);
    assert!(last(&driven).ends_with("q quit"), "the same line again is not shown");
}

#[test]
fn help_comes_and_goes() {
    let mut driven = Driven::showing(several());
    let before = driven.picture(SMALL);
    driven.press("?");
    insta::assert_snapshot!("help", driven.picture(SMALL));
    driven.press("q");
    assert_eq!(driven.picture(SMALL), before);
    driven.press("?x");
    assert_eq!(driven.picture(SMALL), before);
    assert!(driven.wishes.is_empty(), "any key leaves the help, and does no more");
    driven.press("q");
    assert!(matches!(driven.wishes[..], [Wish::Quit]));
    let control_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    let message = message_of(&control_c, false).unwrap();
    driven.press("?");
    assert!(matches!(driven.screen.update(message), Some(Wish::Quit)), "also out of the help");
}

#[test]
fn memory_is_drawn_over_time() {
    let mut driven = Driven::new();
    for step in 1..=30 {
        let mut grown = leaking();
        grown.heap.live_bytes = step * MIB;
        grown.usage_last = Some(Usage { resident: 64 * MIB + step * MIB, ..Usage::default() });
        driven.report(made(&snapshot(vec![grown])));
    }
    let picture = driven.picture(SMALL);
    let line = |name: &str| picture.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        line("live 1234").ends_with("30.0 MiB") && line("live 1234").contains('█'),
        "{picture}"
    );
    assert!(line("RSS  1234").ends_with("94.0 MiB"), "{picture}");
    let mut ascii = Driven::with(Look { ascii: true, color: false });
    ascii.screen = Screen::new(Look { ascii: true, color: false });
    ascii.report(several());
    let strange = |letter: &char| !letter.is_ascii() && !"…±".contains(*letter);
    let picture = ascii.picture(SMALL);
    assert_eq!(picture.chars().find(strange), None, "{picture}");
}

#[test]
fn small_screens_keep_what_matters_and_tiny_ones_do_not_fail() {
    let driven = Driven::showing(several());
    let narrow = driven.picture((50, 12));
    insta::assert_snapshot!("narrow", narrow);
    for width in 1..30 {
        for height in 1..10 {
            driven.picture((width, height));
        }
    }
    driven.picture((500, 200));
}

#[test]
fn colours_are_there_only_where_they_are_wanted() {
    let colors = |look| {
        let mut driven = Driven::with(look);
        driven.report(several());
        let terminal = driven.terminal(SMALL);
        let cells = &terminal.backend().buffer().content;
        cells.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colors(Look { color: false, ascii: false }), 0);
    assert!(colors(Look { color: true, ascii: false }) > 0);
}

#[test]
fn keys_before_any_report_do_no_harm() {
    let mut driven = Driven::new();
    driven.press("jkGgsS/a<Enter><Enter><Esc><Esc><Tab><Enter><Tab>pp?x<Up><Down><End><Home>");
    driven.report(made(&snapshot(Vec::new())));
    driven.press("jkGgs<Enter><Tab><Enter><Esc>");
    assert!(driven.picture(SMALL).contains("0 processes"));
}
