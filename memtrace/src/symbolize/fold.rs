//! Demangled names in short: what stands between the brackets of templates and generics is left out.

/// `std::vector<int, std::allocator<int>>::push_back` → `std::vector<…>::push_back`. The type and the
/// trait of a Rust method stay, without their own arguments: `<alloc::vec::Vec<…> as Drop>::drop`. A
/// name whose brackets do not match stays as it is. Takes time in proportion to the name's length.
pub(super) fn fold(name: &str) -> String {
    let mut folder =
        Folder { out: String::with_capacity(name.len()), open: Vec::new(), hidden: None };
    for (place, character) in name.char_indices() {
        if !folder.step(&name[..place], character, &name[place + character.len_utf8()..]) {
            return name.to_owned();
        }
    }
    if folder.open.is_empty() { folder.out } else { name.to_owned() }
}

struct Folder {
    out: String,
    /// Brackets that are open, outermost first.
    open: Vec<char>,
    /// Of them as many are outside of what is being left out, if anything is.
    hidden: Option<usize>,
}

impl Folder {
    /// Takes one character; false if brackets do not match.
    fn step(&mut self, before: &str, character: char, after: &str) -> bool {
        let counts = matches!(character, '<' | '>') && !is_operator(before, character);
        match character {
            '<' if counts => {
                self.push(character);
                if !names_a_type(before, after) && !after.starts_with('>') {
                    self.hide();
                }
            }
            '>' if counts => return self.close_angle(),
            '(' => self.push(character),
            ')' => return self.close_round(),
            _ => self.write(character),
        }
        true
    }

    fn write(&mut self, character: char) {
        if self.hidden.is_none() {
            self.out.push(character);
        }
    }

    fn push(&mut self, character: char) {
        self.write(character);
        self.open.push(character);
    }

    fn hide(&mut self) {
        if self.hidden.is_none() {
            self.out.push('…');
            self.hidden = Some(self.open.len());
        }
    }

    fn close_angle(&mut self) -> bool {
        if self.open.last() != Some(&'<') {
            // Greater than, in an expression between round brackets.
            self.write('>');
            return !self.open.is_empty();
        }
        if self.hidden == Some(self.open.len()) {
            self.hidden = None;
        }
        self.open.pop();
        self.write('>');
        true
    }

    /// Closes the innermost round bracket, and with it each "less than" since.
    fn close_round(&mut self) -> bool {
        while self.open.last() == Some(&'<') && self.hidden.is_some_and(|n| n < self.open.len()) {
            self.open.pop();
        }
        let matches = self.open.pop() == Some('(');
        self.write(')');
        matches
    }
}

/// The bracket begins a type (and a trait) whose method follows, as Rust writes them, and no arguments.
fn names_a_type(before: &str, after: &str) -> bool {
    match before.chars().next_back() {
        None | Some('<' | '(' | '[' | ',' | '&' | '*') => true,
        Some(' ') => !is_operator(before.trim_end_matches(' '), '<'),
        Some(':') => after.starts_with("impl "),
        Some(_) => false,
    }
}

/// Whether `character` after `before` belongs to the name of an operator such as `<<` or `->`, or is
/// the head of an arrow.
fn is_operator(before: &str, character: char) -> bool {
    if character == '>' && before.ends_with('-') {
        return true;
    }
    // The longest are `<=>` and `<<=`, so two characters may stand between.
    (0..=2).any(|between| {
        let Some(at) = before.len().checked_sub(between) else { return false };
        let (Some(head), Some(symbols)) = (before.get(..at), before.get(at..)) else {
            return false;
        };
        let symbolic = symbols.bytes().all(|byte| matches!(byte, b'<' | b'>' | b'=' | b'-'));
        let word = head.strip_suffix("operator").filter(|_| symbolic);
        word.is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::fold;
    use proptest::prelude::*;

    #[test]
    fn arguments_are_left_out() {
        for (name, short) in [
            ("main", "main"),
            ("std::vector<int, std::allocator<int> >::push_back", "std::vector<…>::push_back"),
            ("a<b<c>, d>::e<f>", "a<…>::e<…>"),
            ("a<>::b", "a<>::b"),
            ("f<((x)>(y)), ((1)<(2))>::g", "f<…>::g"),
            ("f<((1)<(2))>::g", "f<…>::g"),
            ("operator<< <char, std::char_traits<char> >", "operator<< <…>"),
            ("A<int>::operator->", "A<…>::operator->"),
            ("A<int>::operator<=>", "A<…>::operator<=>"),
            ("my_operator<int>", "my_operator<…>"),
            ("std::function<void (int)>::operator()", "std::function<…>::operator()"),
            ("(anonymous namespace)::A<int>::f", "(anonymous namespace)::A<…>::f"),
        ] {
            assert_eq!(fold(name), short);
        }
    }

    #[test]
    fn rust_keeps_the_type_of_a_method() {
        for (name, short) in [
            (
                "<alloc::vec::Vec<u8> as core::ops::Drop>::drop",
                "<alloc::vec::Vec<…> as core::ops::Drop>::drop",
            ),
            ("core::slice::<impl [T]>::sort", "core::slice::<impl [T]>::sort"),
            ("<<a::B<u8> as c::D>::E as f::G<u8>>::h", "<<a::B<…> as c::D>::E as f::G<…>>::h"),
            ("a::b::<fn(u8) -> u8>::c", "a::b::<…>::c"),
            ("<fn(u8) -> u8 as a::B>::c", "<fn(u8) -> u8 as a::B>::c"),
        ] {
            assert_eq!(fold(name), short);
        }
    }

    #[test]
    fn what_does_not_match_stays() {
        for name in ["a<b", "a>b", "a<(b>", "a)b", "a(b", "<", ">", "a<b)>", "日<本"] {
            assert_eq!(fold(name), name);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_folded_to_no_more(name in "[<>()a: ,&*\\-=é]{0,60}|(operator|<|>|impl | as |::|-){0,30}") {
            let short = fold(&name);
            // Only `…`, three bytes, can be longer than what it stands for.
            prop_assert!(short.len() <= name.len() + 2 * name.matches('<').count());
        }
    }
}
