//! Which frames load code and do nothing else: the dynamic linker's, and those of Python's import system. What is
//! allocated below them is part of loading.

use super::model::FrameReport;

/// glibc's and musl's, by whole names.
const LINKER: [&str; 12] = [
    "dlopen",
    "__dlopen",
    "___dlopen",
    "dlopen_doit",
    "dlopen_implementation",
    "do_dlopen",
    "dl_open_worker",
    "dl_open_worker_begin",
    "call_init",
    "openaux",
    "dl_main",
    "load_library",
];
/// `CPython`'s own functions, by how their names begin.
const PYTHON: [&str; 4] =
    ["PyImport_", "_PyImport_", "import_find_and_load", "_imp_create_dynamic"];
/// In the names that `CPython` gives to code that it tells `perf` of.
const FROZEN: &str = "<frozen importlib.";

/// See the file's head.
pub(super) fn loads_code(frame: &FrameReport) -> bool {
    frame.function.as_deref().is_some_and(is_import)
}

fn is_import(name: &str) -> bool {
    // Symbols may carry versions, and parts of functions a suffix of the compiler.
    let plain = name.split(['@', '.']).next().unwrap_or(name);
    // Memory of threads is the linker's as well, and nothing is loaded for it.
    let of_linker = plain.starts_with("_dl_") && !plain.contains("tls");
    LINKER.contains(&plain)
        || of_linker
        || PYTHON.iter().any(|beginning| name.starts_with(beginning))
        || name.contains(FROZEN)
}

#[cfg(test)]
mod tests {
    use super::is_import;

    #[test]
    fn loading_is_told_from_other_work() {
        let python = "py::_find_and_load:<frozen importlib._bootstrap>";
        for name in ["_dl_map_object", "dlopen@@GLIBC_2.34", "call_init.part.0", python] {
            assert!(is_import(name), "{name}");
        }
        for name in ["main", "_dl_allocate_tls", "dlopen_my_plugins", "py::load:/app.py", ""] {
            assert!(!is_import(name), "{name}");
        }
    }
}
