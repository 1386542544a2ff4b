//! Functions that nothing but start code calls: where programs and threads begin.

/// The C library's: glibc's (before and from 2.34), musl's, and what begins threads in both. `clone`
/// is not here: programs have functions of that name, too.
const C_LIBRARY: [&str; 9] = [
    "_start",
    "_start_c",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "libc_start_main_stage2",
    "start_thread",
    "clone3",
    "__clone3",
];

/// Go's: below them a goroutine or a thread has nothing (`runtime/asm_amd64.s`).
const GO: [&str; 4] = ["runtime.goexit", "runtime.mstart", "runtime.rt0_go", "_rt0_amd64_linux"];

/// Whether a function is start code, by its name as the symbol table has it or demangled.
pub(super) fn is_start_code(name: &str) -> bool {
    // The suffix is for functions with the calling convention of Go's assembly.
    let go = name.strip_suffix(".abi0").unwrap_or(name);
    // glibc's symbols carry versions where there is nothing but the dynamic symbol table.
    C_LIBRARY.contains(&name) || name.starts_with("__libc_start_main@") || GO.contains(&go)
}

#[cfg(test)]
mod tests {
    use super::is_start_code;

    #[test]
    fn names_are_known_in_every_form() {
        for name in ["_start", "__libc_start_main@@GLIBC_2.34", "runtime.goexit.abi0", "clone3"] {
            assert!(is_start_code(name), "{name}");
        }
        for name in ["main", "clone", "runtime.main", "my_start"] {
            assert!(!is_start_code(name), "{name}");
        }
    }
}
