//! Call stacks in reports, held against the callers that they must have.

use super::report::{Process, number, path_of};
use serde_json::Value;

/// The stack of the one block of this size.
#[track_caller]
pub fn stack_of<'a>(process: &Process<'a>, size: u64) -> &'a Value {
    let mut stacks = process.stacks().iter();
    let is_its = |stack: &&Value| number(&stack["allocated_bytes"]) == size;
    stacks.find(is_its).unwrap_or_else(|| panic!("no stack has {size} bytes"))
}

/// Stacks that begin with this function. Others may begin without a name, in what the C library or the
/// dynamic linker do.
pub fn stacks_from<'a>(process: &Process<'a>, function: &str) -> Vec<&'a Value> {
    let stacks = process.stacks().iter();
    stacks.filter(|stack| path_of(stack).first() == Some(&function)).collect()
}

/// A stack's functions, each once in a row.
pub fn path(stack: &Value) -> Vec<&str> {
    let mut path = path_of(stack);
    path.dedup();
    path
}

/// The stack begins with these functions, innermost first; `…` stands for any number of others.
#[track_caller]
pub fn assert_path(stack: &Value, expected: &[&str]) {
    let path = path(stack);
    let mut rest = path.as_slice();
    let mut any = false;
    for name in expected {
        if *name == "…" {
            any = true;
            continue;
        }
        let place = rest.iter().position(|caller| caller == name);
        let place = place.unwrap_or_else(|| panic!("{name} is not among {path:?}"));
        assert!(any || place == 0, "{name} does not follow directly in {path:?}");
        rest = &rest[place + 1..];
        any = false;
    }
}

/// The stack reaches the program's or the thread's first function, through these.
#[track_caller]
pub fn assert_whole(stack: &Value, expected: &[&str]) {
    assert_eq!(stack["end"], "complete", "{:?}", path(stack));
    assert_eq!(stack["complete"], true);
    assert_path(stack, expected);
}
