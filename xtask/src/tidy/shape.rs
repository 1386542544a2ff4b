//! Rules on single files: duty line, lengths, words that must not stay, reasons for `unsafe`.

use super::{Finding, Source};

/// Lines that a file may have.
const FILE_LINES: usize = 800;
/// Lines that a function may have without a reason.
const FUNCTION_LINES: usize = 60;
/// Lines that `memtrace/src/main.rs` may have: what it does belongs to the library.
const MAIN_LINES: usize = 40;

/// Words that say that work is unfinished or hidden.
const UNFINISHED: [(&[&str], &str); 4] = [
    (&["todo", "!"], "todo! is left"),
    (&["unimplemented", "!"], "unimplemented! is left"),
    (&["dbg", "!"], "dbg! is left"),
    (&["#", "[", "ignore"], "a test is ignored: make it run, or take it out"),
];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.text.starts_with("//! ") {
        findings.push(source.finding(1, "the first line must be `//! ` and the file's duty"));
    }
    findings.extend(length(source));
    findings.extend(unfinished(source));
    findings.extend(unsafe_reasons(source));
    findings.extend(long_functions(source));
    findings
}

fn length(source: &Source) -> Option<Finding> {
    let is_main = source.path.ends_with("memtrace/src/main.rs");
    let limit = if is_main { MAIN_LINES } else { FILE_LINES };
    let lines = source.text.lines().count();
    (lines > limit).then(|| source.finding(1, format!("{lines} lines, over {limit}: split it")))
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let at = |index: usize| UNFINISHED.iter().find(|(words, _)| tokens.are(index, words));
    (0..tokens.code.len())
        .filter_map(|index| Some(source.finding(tokens.code[index].line, at(index)?.1)))
        .collect()
}

/// Every `unsafe { … }` and `unsafe impl` needs its reason.
fn unsafe_reasons(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let lines: Vec<&str> = source.text.lines().collect();
    (0..tokens.code.len())
        .filter(|&at| tokens.are(at, &["unsafe", "{"]) || tokens.are(at, &["unsafe", "impl"]))
        .map(|at| tokens.code[at].line)
        .filter(|&line| !has_reason(source, &lines, line))
        .map(|line| source.finding(line, "unsafe without a `// SAFETY:` comment above"))
        .collect()
}

/// Looks for the reason on the line itself and above it, up to the end of what stands before.
fn has_reason(source: &Source, lines: &[&str], line: usize) -> bool {
    let says = |line| source.tokens.comment(line).is_some_and(|text| text.contains("SAFETY:"));
    if says(line) {
        return true;
    }
    (1..line).rev().take_while(|&above| !ends_statement(lines[above - 1])).any(says)
}

fn ends_statement(line: &str) -> bool {
    let code = line.trim();
    !code.starts_with("//") && (code.is_empty() || code.ends_with([';', '{', '}']))
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let lines: Vec<&str> = source.text.lines().collect();
    (0..tokens.code.len())
        .filter_map(|at| function(source, at))
        .filter(|function| function.lines > FUNCTION_LINES)
        .filter(|function| !is_excused(&lines, function.line))
        .map(|function| {
            let Function { name, lines, line } = function;
            let advice = "split it, or say why not in `// long: reason` above it";
            source.finding(line, format!("fn {name} has {lines} lines, over 60: {advice}"))
        })
        .collect()
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// The function whose `fn` stands at this token, if it has a body.
fn function(source: &Source, at: usize) -> Option<Function<'_>> {
    let code = &source.tokens.code;
    let name = code.get(at + 1).filter(|_| code[at].text == "fn")?;
    if !name.text.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        return None;
    }
    let (mut braces, mut others) = (0_usize, 0_usize);
    for token in &code[at + 2..] {
        match token.text.as_str() {
            "(" | "[" => others += 1,
            ")" | "]" => others = others.saturating_sub(1),
            ";" if braces == 0 && others == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if braces == 0 && others == 0 {
                    let line = code[at].line;
                    return Some(Function { name: &name.text, line, lines: token.line + 1 - line });
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the comments and attributes directly above a function give a reason for its length.
fn is_excused(lines: &[&str], line: usize) -> bool {
    lines[..line - 1]
        .iter()
        .rev()
        .map(|text| text.trim())
        .take_while(|text| text.starts_with("//") || text.starts_with("#["))
        .any(|text| text.strip_prefix("// long:").is_some_and(|reason| !reason.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Source;

    fn complaints(path: &str, text: &str) -> Vec<(usize, String)> {
        let found = check(&Source::new(path, format!("//! Duty.\n{text}")));
        found.into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    fn is_clean(text: &str) -> bool {
        complaints("a.rs", text).is_empty()
    }

    #[test]
    fn a_file_without_a_duty_is_found() {
        for text in ["", "fn f() {}", "// duty\n", "//!\n"] {
            assert_eq!(check(&Source::new("a.rs", text)).len(), 1, "{text:?}");
        }
        assert!(is_clean(""));
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(is_clean(&"\n".repeat(799)));
        assert_eq!(complaints("a.rs", &"\n".repeat(800)).len(), 1);
        assert_eq!(complaints("memtrace/src/main.rs", &"\n".repeat(40)).len(), 1);
        assert!(complaints("memtrace/src/main.rs", &"\n".repeat(39)).is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        for text in ["todo!()", "unimplemented!(\"x\")", "dbg!(x)", "#[test]\n#[ignore]"] {
            let found = complaints("a.rs", &format!("fn f() {{}}\n{text}"));
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].0 >= 3);
        }
        assert!(is_clean("// todo!()\nconst X: &str = \"dbg!(x)\";"));
    }

    #[test]
    fn unsafe_without_a_reason_is_found() {
        assert_eq!(complaints("a.rs", "fn f() {\n    unsafe { g() }\n}")[0].0, 3);
        assert_eq!(complaints("a.rs", "unsafe impl Send for X {}").len(), 1);
        let far =
            "fn f() {\n    // SAFETY: for the first.\n    unsafe { g() };\n    unsafe { g() }\n}";
        assert_eq!(complaints("a.rs", far)[0].0, 5);
    }

    #[test]
    fn unsafe_with_a_reason_is_fine() {
        assert!(is_clean(
            "fn f() {\n    // SAFETY: because.\n    let x =\n        unsafe { g() };\n}"
        ));
        assert!(is_clean("// SAFETY: because\n// of this.\nunsafe impl Send for X {}"));
        assert!(is_clean("/// # Safety\nunsafe fn f() {}"));
    }

    #[test]
    fn a_long_function_is_found_unless_it_has_a_reason() {
        let body = format!("fn f(x: [u8; 3]) {{{}}}\n", "\n".repeat(60));
        assert_eq!(complaints("a.rs", &body).len(), 1);
        assert_eq!(complaints("a.rs", &format!("// long:\n{body}")).len(), 1);
        assert!(is_clean(&format!("// long: a table\n#[inline]\n{body}")));
        assert!(is_clean(&format!("fn f() {{{}}}", "\n".repeat(59))));
        assert!(is_clean(&format!("trait T {{ fn f(&self); {}}}", "\n".repeat(99))));
        assert!(is_clean(&format!("type F = fn(u8);\nstruct S {{{}}}", "\n".repeat(99))));
    }
}
