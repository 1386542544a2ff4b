//! Linker symbols → the names that people wrote.

use super::fold::fold;
use cpp_demangle::{DemangleOptions, Symbol};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Longest demangled name that is kept, bytes. A mangled C++ name can refer back to its own parts,
/// so a hundred bytes may stand for gigabytes; the longest honest ones are a few KiB.
pub const MAX_NAME: usize = 16 * 1024;

/// The demangled name of `symbol`: Rust without its trailing hash, C++ with its parameters, and
/// anything else as it is. Never longer than [`MAX_NAME`] bytes; a mangled name whose demangled
/// form would be stays mangled.
#[must_use]
pub fn demangle(symbol: &str) -> Cow<'_, str> {
    let symbol = cut(without_llvm_suffix(symbol));
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        return bounded(|out| write!(out, "{name:#}")).map_or(Cow::Borrowed(symbol), Cow::Owned);
    }
    cpp(symbol).map_or(Cow::Borrowed(symbol), Cow::Owned)
}

/// The short form of `symbol`'s name: without parameters, results, and the arguments of templates and
/// generics. `None` if it is the demangled name itself.
#[must_use]
pub fn short(symbol: &str) -> Option<String> {
    let full = demangle(symbol);
    let options = DemangleOptions::new().no_params().no_return_type();
    let bare = match &full {
        Cow::Owned(_) => cpp_with(cut(without_llvm_suffix(symbol)), options),
        Cow::Borrowed(_) => None,
    };
    let short = fold(bare.as_deref().unwrap_or(&full));
    (short != full).then_some(short)
}

fn cpp(symbol: &str) -> Option<String> {
    cpp_with(symbol, DemangleOptions::default())
}

fn cpp_with(symbol: &str, options: DemangleOptions) -> Option<String> {
    if !symbol.starts_with("_Z") || rustc_demangle::try_demangle(symbol).is_ok() {
        return None;
    }
    let parsed = Symbol::new(symbol).ok()?;
    bounded(|out| parsed.structured_demangle(out, &options))
}

/// LLVM appends `.llvm.` and a number to functions that link-time optimisation made global; it is
/// a hash and differs from build to build.
fn without_llvm_suffix(symbol: &str) -> &str {
    match symbol.rsplit_once(".llvm.") {
        Some((name, hash)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => symbol,
    }
}

/// At most [`MAX_NAME`] bytes of `text`, cut between characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_NAME)]
}

fn bounded(write: impl FnOnce(&mut Bounded) -> fmt::Result) -> Option<String> {
    let mut out = Bounded(String::new());
    write(&mut out).ok().map(|()| out.0)
}

/// A string that refuses to grow over [`MAX_NAME`] bytes.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME, demangle, short};
    use proptest::prelude::*;

    #[test]
    fn rust_names_lose_their_hash() {
        let legacy = "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE";
        assert_eq!(demangle(legacy), "core::fmt::Formatter::pad");
        assert_eq!(demangle(&format!("{legacy}.llvm.1234567890")), "core::fmt::Formatter::pad");
        let v0 = "_RNvNtNtCs1234_7mycrate3foo3bar3baz";
        assert_eq!(demangle(v0), "mycrate::foo::bar::baz");
    }

    #[test]
    fn cpp_names_keep_their_parameters() {
        assert_eq!(demangle("_ZN5thumb6Worker5serveEv"), "thumb::Worker::serve()");
        assert_eq!(
            demangle("_ZN5thumb5Cache6insertERKNS_3KeyEONS_5ImageE"),
            "thumb::Cache::insert(thumb::Key const&, thumb::Image&&)"
        );
    }

    #[test]
    fn short_forms_drop_parameters_and_arguments() {
        for (symbol, name) in [
            ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<…>::push_back"),
            ("_ZN5thumb5Cache6insertERKNS_3KeyEONS_5ImageE", "thumb::Cache::insert"),
            ("_ZNK3FooIiE3barEv", "Foo<…>::bar"),
            ("_Z3maxIiET_S0_S0_", "max<…>"),
            ("_Znwm", "operator new"),
            ("_ZNKSt8functionIFviEEclEi", "std::function<…>::operator()"),
            ("_RINvCs1234_7mycrate3fooyE", "mycrate::foo::<…>"),
        ] {
            assert_eq!(short(symbol).as_deref(), Some(name), "{}", demangle(symbol));
        }
        for same in ["main", "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "_Znonsense"] {
            assert_eq!(short(same), None);
        }
    }

    proptest! {
        /// Alphabets of the two manglings, so that much of it is valid for a while.
        #[test]
        fn hostile_symbols_are_bounded(
            cpp in "_Z(N|St|S_|S0_|I|E|K|R|T_|T0_|[1-3][a-c]{1,3}|i|v|L[a-z]|[A-Za-z0-9_]){0,80}",
            rust in "_R(N|v|t|M|X|Y|I|B[0-9a-z]{0,2}_|C|s_|E|[1-3][a-c]{1,3}|[A-Za-z0-9_]){0,80}",
            any in "(_Z|_R|_ZN)?\\PC{0,200}",
        ) {
            for symbol in [cpp, rust, any] {
                let most = MAX_NAME.max(symbol.len());
                prop_assert!(demangle(&symbol).len() <= most);
                prop_assert!(short(&symbol).is_none_or(|short| short.len() <= 3 * most));
            }
        }
    }

    #[test]
    fn other_names_stay() {
        for name in ["main", "", "_Znonsense", "foo.llvm.xyz", "日本", "_R"] {
            assert_eq!(demangle(name), name);
        }
    }

    #[test]
    fn names_that_would_explode_stay_mangled() {
        // Every template argument doubles the one before: 2^40 copies of "f" when written out.
        let mut symbol = String::from("_Z1fI1AIiiE");
        for doubling in 0..40 {
            let back = base36(2 * doubling + 1);
            symbol.push_str(&format!("1AIS{back}_S{back}_E"));
        }
        symbol.push_str("Evv");
        assert!(cpp_demangle::Symbol::new(&*symbol).is_ok());
        assert_eq!(demangle(&symbol), symbol);
        let long = "x".repeat(3 * MAX_NAME);
        assert_eq!(demangle(&long).len(), MAX_NAME);
    }

    fn base36(number: u32) -> String {
        let digit = |n: u32| char::from_digit(n, 36).unwrap().to_ascii_uppercase();
        if number < 36 {
            digit(number).to_string()
        } else {
            format!("{}{}", digit(number / 36), digit(number % 36))
        }
    }
}
