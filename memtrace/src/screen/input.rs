//! Keys → messages.

use super::model::{Message, Move};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a terminal's event means; `None`: nothing. While a text is typed (`typing`) letters are letters.
#[must_use]
pub fn message_of(event: &Event, typing: bool) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => of_key(*key, typing),
        Event::Paste(text) if typing => Some(Message::Typed(text.clone())),
        _ => None,
    }
}

fn of_key(key: KeyEvent, typing: bool) -> Option<Message> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return of_control(key.code, typing);
    }
    if typing { of_typing(key.code) } else { Some(of_command(key.code)) }
}

/// In raw mode the terminal makes no signals of them.
fn of_control(code: KeyCode, typing: bool) -> Option<Message> {
    match code {
        KeyCode::Char('c' | 'd') => Some(Message::Interrupt),
        KeyCode::Char('u') if typing => Some(Message::EraseAll),
        KeyCode::Char('h') if typing => Some(Message::Erase),
        KeyCode::Char('l') => Some(Message::Redraw),
        _ => None,
    }
}

fn of_typing(code: KeyCode) -> Option<Message> {
    match code {
        KeyCode::Char(letter) => Some(Message::Typed(letter.to_string())),
        KeyCode::Backspace => Some(Message::Erase),
        KeyCode::Enter => Some(Message::Enter),
        KeyCode::Esc => Some(Message::Back),
        _ => None,
    }
}

const fn of_command(code: KeyCode) -> Message {
    match code {
        KeyCode::Up | KeyCode::Char('k') => Message::Go(Move::Up(1)),
        KeyCode::Down | KeyCode::Char('j') => Message::Go(Move::Down(1)),
        KeyCode::PageUp => Message::Go(Move::Up(10)),
        KeyCode::PageDown => Message::Go(Move::Down(10)),
        KeyCode::Home | KeyCode::Char('g') => Message::Go(Move::First),
        KeyCode::End | KeyCode::Char('G') => Message::Go(Move::Last),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Message::Enter,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Message::Back,
        KeyCode::Tab => Message::SwitchList,
        KeyCode::Char('s') => Message::Sort { backwards: false },
        KeyCode::Char('S') => Message::Sort { backwards: true },
        KeyCode::Char('/') => Message::Filter,
        KeyCode::Char('p' | ' ') => Message::Pause,
        KeyCode::Char('w') => Message::Write,
        KeyCode::Char('?') | KeyCode::F(1) => Message::Help,
        KeyCode::Char('q') => Message::Quit,
        // It leaves the help all the same.
        _ => Message::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn letters_are_letters_while_a_text_is_typed() {
        let letter = key(KeyCode::Char('q'));
        assert_eq!(message_of(&letter, false), Some(Message::Quit));
        assert_eq!(message_of(&letter, true), Some(Message::Typed("q".to_owned())));
        let control = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(message_of(&control, true), Some(Message::Interrupt));
        assert_eq!(message_of(&key(KeyCode::F(5)), false), Some(Message::Other));
        assert_eq!(message_of(&key(KeyCode::F(5)), true), None);
    }

    #[test]
    fn a_key_that_is_let_go_says_nothing() {
        let code = KeyCode::Char('q');
        let event = KeyEvent::new_with_kind(code, KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(message_of(&Event::Key(event), false), None);
    }
}
