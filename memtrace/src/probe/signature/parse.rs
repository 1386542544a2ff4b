//! The grammar: `FILE:FUNCTION(name=N,…)[->ret|->*N]`.

use super::{Places, Signature, SignatureError, Which};
use crate::selection::Pattern;
use memtrace_common::site::{Argument, NO_ARGUMENT, Role};

/// Registers that carry arguments.
const POSITIONS: u8 = 6;

pub(super) fn signature(text: &str, role: Role) -> Result<Signature, SignatureError> {
    let mut reader = Reader { text, at: 0, role };
    let (file, whole_path) = reader.file()?;
    let function = reader.function()?;
    let mut places = reader.arguments()?;
    reader.result(&mut places)?;
    reader.check(&places)?;
    Ok(Signature { text: text.to_owned(), file, whole_path, function, role, places })
}

/// What is left to read.
struct Reader<'a> {
    text: &'a str,
    /// Bytes that have been read.
    at: usize,
    role: Role,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fail<T>(&self, at: usize, reason: impl Into<String>) -> Result<T, SignatureError> {
        Err(SignatureError { text: self.text.to_owned(), at, reason: reason.into() })
    }

    fn expected<T>(&self, what: &str) -> Result<T, SignatureError> {
        self.fail(self.at, format!("expected {what}"))
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Whether `word` stands here; it is read then.
    fn takes(&mut self, word: &str) -> bool {
        self.blanks();
        let stands = self.rest().starts_with(word);
        self.at += if stands { word.len() } else { 0 };
        stands
    }

    /// What stands before the first character of `ends`.
    fn until(&mut self, ends: &[char]) -> &'a str {
        let rest = self.rest();
        let word = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    fn pattern(&self, at: usize, text: &str) -> Result<Pattern, SignatureError> {
        Pattern::of_path(text).or_else(|error| self.fail(at, error.to_string()))
    }

    /// The file, and whether it is given with its path. A colon belongs to the path if a `/` follows.
    fn file(&mut self) -> Result<(Pattern, bool), SignatureError> {
        self.blanks();
        let begin = self.at;
        let rest = self.rest();
        let path = rest.find('(').and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.at += path.rfind('/').map_or(0, |slash| slash + 1);
        self.until(&[':', '(']);
        let file = self.text.get(begin..self.at).unwrap_or_default();
        if file.is_empty() {
            return self.expected(
                "the name of the file that holds the function, as in libpool.so:pool_alloc(size=0)",
            );
        }
        if !self.takes(":") {
            return self.expected("`:` and the function after the file's name");
        }
        Ok((self.pattern(begin, file)?, file.contains('/')))
    }

    fn function(&mut self) -> Result<Which, SignatureError> {
        self.blanks();
        let begin = self.at;
        let word = self.until(&['(']).trim_end();
        if word.is_empty() {
            return self.expected("the function: a symbol, a pattern of symbols, or +0xOFFSET");
        }
        let Some(offset) = word.strip_prefix('+') else {
            return Ok(Which::Named(self.pattern(begin, word)?));
        };
        let digits = offset.strip_prefix("0x").unwrap_or_default();
        match u64::from_str_radix(digits, 16) {
            Ok(offset) if !digits.starts_with('+') => Ok(Which::At(offset)),
            _ => self.fail(
                begin,
                "expected the function's offset in the file, in hexadecimal, as in +0x1a2b",
            ),
        }
    }

    fn arguments(&mut self) -> Result<Places, SignatureError> {
        let mut places = Places::NONE;
        if !self.takes("(") {
            return self.expected(&format!("`(` and {}", self.form()));
        }
        loop {
            self.argument(&mut places)?;
            if self.takes(")") {
                return Ok(places);
            }
            if !self.takes(",") {
                return self.expected("`,` or `)`");
            }
        }
    }

    fn argument(&mut self, places: &mut Places) -> Result<(), SignatureError> {
        self.blanks();
        let begin = self.at;
        let name = self.until(&['=', ',', ')', '(']).trim_end();
        let allocates = !matches!(self.role, Role::Free);
        let place = match name {
            "size" if allocates => &mut places.size,
            "count" if allocates => &mut places.count,
            "ptr" if !matches!(self.role, Role::Allocate) => &mut places.pointer,
            _ => return self.fail(begin, format!("expected {}", self.form())),
        };
        if *place != NO_ARGUMENT {
            return self.fail(begin, format!("`{name}` is given twice"));
        }
        if !self.takes("=") {
            return self.expected(&format!("`=` and the position of {name}, 0 to 5"));
        }
        *place = self.position()?;
        Ok(())
    }

    fn position(&mut self) -> Result<Argument, SignatureError> {
        self.blanks();
        let begin = self.at;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        let number = self.text.get(begin..self.at).unwrap_or_default().parse::<u8>();
        match number {
            Ok(position) if position < POSITIONS => Ok(position),
            _ => self.fail(
                begin,
                "expected the argument's position, 0 to 5: the first six are in registers, where they \
                 can be read",
            ),
        }
    }

    fn result(&mut self, places: &mut Places) -> Result<(), SignatureError> {
        self.blanks();
        let begin = self.at;
        if self.rest().is_empty() {
            return Ok(());
        }
        if matches!(self.role, Role::Free) {
            return self.expected("the end: what frees gives no block");
        }
        if !self.takes("->") {
            return self.expected("the end, `->ret` or `->*N`");
        }
        if self.takes("*") {
            if matches!(self.role, Role::Reallocate) {
                return self.fail(begin, "expected `->ret`: what resizes must return the block");
            }
            places.pointer = self.position()?;
            places.result_by_pointer = true;
        } else if !self.takes("ret") {
            return self.expected("`ret`, or `*` and the position of the pointer to the result");
        }
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { self.expected("the end") }
    }

    /// Whether everything is said that must be, and nothing against itself.
    fn check(&self, places: &Places) -> Result<(), SignatureError> {
        let open = self.text.find('(').map_or(0, |at| at + 1);
        let lacks = match self.role {
            Role::Free => places.pointer == NO_ARGUMENT,
            Role::Allocate => places.size == NO_ARGUMENT,
            Role::Reallocate => places.pointer == NO_ARGUMENT || places.size == NO_ARGUMENT,
        };
        if lacks {
            return self.fail(open, format!("expected {}", self.form()));
        }
        let [size, count, pointer] = places.arguments();
        let same = |one: Argument, other: Argument| one != NO_ARGUMENT && one == other;
        if same(size, count) || same(size, pointer) || same(count, pointer) {
            return self.fail(open, "two arguments cannot be at the same position");
        }
        Ok(())
    }

    /// How the arguments are written.
    const fn form(&self) -> &'static str {
        match self.role {
            Role::Allocate => "the position of the size: `size=N`, perhaps `count=N`",
            Role::Reallocate => {
                "the positions of the block and of the size: `ptr=N,size=N`, perhaps `count=N`"
            }
            Role::Free => "the position of the block: `ptr=N`",
        }
    }
}
