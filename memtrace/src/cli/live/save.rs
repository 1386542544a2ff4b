//! What is shown, to a file.

use crate::cli::args::Color;
use crate::cli::format::Format;
use crate::cli::output::create;
use crate::cli::reporting::Form;
use crate::cli::terminal::Style;
use crate::report::{Report, ViewOptions};
use anyhow::Context as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Writes `report` to a new file, in the form that its name asks for.
///
/// # Errors
/// When there is such a file already, or it cannot be written; nothing is left of it then.
pub(super) fn save(report: &Report, path: &Path) -> anyhow::Result<()> {
    let format = Format::chosen(None, Some(path.as_os_str()));
    let view = ViewOptions::default();
    let form = Form { format, view: &view, style: Style::file(Color::Never), full: true };
    let bytes = form.bytes(report).context("cannot make the report")?;
    let mut file = create(path)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_data());
    written
        .with_context(|| format!("cannot write {path:?}, and nothing of it was kept"))
        .inspect_err(|_| {
            // It is ours: it was not there before.
            let _ = fs::remove_file(path);
        })
}

#[cfg(test)]
mod tests {
    use super::save;
    use crate::report::Report;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_made_once_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heap.json");
        save(&Report::default(), &path).unwrap();
        let first = fs::read(&path).unwrap();
        serde_json::from_slice::<serde_json::Value>(&first).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let error = save(&Report::default(), &path).unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[test]
    fn the_name_chooses_the_form() {
        let folder = tempfile::tempdir().unwrap();
        for (name, part) in [("a.txt", "memtrace"), ("a.csv", ",pid,"), ("a.html", "<html")] {
            let path = folder.path().join(name);
            save(&Report::default(), &path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(part), "{name}: {text:.200}");
        }
        assert!(save(&Report::default(), &folder.path().join("no/such/a.json")).is_err());
    }
}
