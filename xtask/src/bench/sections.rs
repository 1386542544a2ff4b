//! Documents that are made of sections, each measured by itself.

use anyhow::{Result, bail};

/// Those of `all` whose names are in `only`; every one if that is empty.
pub(super) fn chosen<S: Copy>(
    all: &[(&'static str, S)],
    only: &[String],
) -> Result<Vec<(&'static str, S)>> {
    let is_known = |name: &&String| all.iter().all(|(known, _)| known != name);
    if let Some(unknown) = only.iter().find(is_known) {
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        bail!("there is no section {unknown}; there are {}", known.join(", "));
    }
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    Ok(all.iter().copied().filter(|(name, _)| is_wanted(name)).collect())
}

/// Whether a figure keeps to what was promised, as tables say it.
pub(super) const fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { MISSED }
}

const MISSED: &str = "**missed**";

/// # Errors
/// When a figure of the document does not keep to what was promised.
pub(super) fn ensure_met(document: &str) -> Result<()> {
    match document.matches(MISSED).count() {
        0 => Ok(()),
        missed => bail!("{missed} of the targets missed: see the document"),
    }
}

#[cfg(test)]
mod tests {
    use super::{chosen, ensure_met, verdict};

    #[test]
    fn a_target_that_is_missed_is_a_failure() {
        ensure_met(&format!("| beginning | {} |", verdict(true))).unwrap();
        let document =
            format!("| beginning | {} |\n| ending | {} |", verdict(false), verdict(false));
        assert!(ensure_met(&document).unwrap_err().to_string().starts_with("2 "));
    }

    #[test]
    fn sections_are_chosen_by_name() {
        let all = [("tables", 1), ("walks", 2)];
        assert_eq!(chosen(&all, &[]).unwrap(), all);
        assert_eq!(chosen(&all, &["tables".to_owned()]).unwrap(), [("tables", 1)]);
        let error = chosen(&all, &["chairs".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("chairs") && error.contains("tables"), "{error}");
    }
}
