//! Licences and origins of all dependencies, held against `deny.toml`.
//!
//! cargo-deny reads the same file and does more (advisories), but takes minutes to compile; this
//! needs only cargo, so it runs on every machine.

use super::{Finding, spdx};
use crate::elevate;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::path::Path;

/// Where packages may come from: crates.io, as `cargo metadata` names it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
const FILE: &str = "deny.toml";
/// Only what is built into our programs counts; for all platforms cargo would also fetch hundreds of
/// packages that nothing here uses.
const PLATFORM: &str = "--filter-platform=x86_64-unknown-linux-gnu";

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let rules = std::fs::read_to_string(root.join(FILE)).context("cannot read deny.toml")?;
    let metadata = elevate::cargo()?
        .args(["metadata", "--locked", "--format-version=1", PLATFORM])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Value =
        serde_json::from_slice(&metadata.stdout).context("cargo metadata gave no answer")?;
    findings(&rules, &metadata)
}

fn findings(rules: &str, metadata: &Value) -> Result<Vec<Finding>> {
    let allowed = list(rules, "[licenses]", "allow")
        .with_context(|| format!("{FILE} has no list `allow` in [licenses]"))?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    Ok(packages
        .iter()
        .filter_map(|package| complaint(package, &allowed))
        .map(|message| Finding { file: FILE.into(), line: 1, message })
        .collect())
}

fn complaint(package: &Value, allowed: &[String]) -> Option<String> {
    let text = |field: &str| package[field].as_str();
    let name = format!("{} {}", text("name").unwrap_or("?"), text("version").unwrap_or("?"));
    // No source: a member of the workspace.
    if let Some(source) = text("source").filter(|source| *source != REGISTRY) {
        return Some(format!("{name} comes from {source}, not from crates.io"));
    }
    match text("license") {
        Some(licence) if spdx::is_satisfied(licence, allowed) => None,
        Some(licence) => Some(format!("{name}: licence {licence} is not allowed")),
        None => Some(format!("{name} names no licence")),
    }
}

/// The strings of the list `key` in a section of a TOML file written as ours is: one key a line,
/// no `]` inside the strings.
fn list(toml: &str, section: &str, key: &str) -> Option<Vec<String>> {
    let (_, body) = toml.split_once(&format!("\n{section}\n"))?;
    let body = body.split("\n[").next()?;
    let begin = body.lines().find(|line| line.starts_with(&format!("{key} = [")))?;
    let (_, values) = body.split_once(begin.split_once('[')?.0)?;
    let values: String =
        values.split(']').next()?.lines().filter_map(|line| line.split('#').next()).collect();
    Some(values.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{REGISTRY, findings, list};
    use serde_json::{Value, json};

    const RULES: &str = "# \"x\"\n[licenses]\nconfidence = 1\nallow = [\n  \"MIT\", # the \"most\"\n  \
                         \"Zlib\",\n]\n\n[bans]\nallow = [\"no\"]\n";

    fn complaints(package: &Value) -> Vec<String> {
        let found = findings(RULES, &json!({ "packages": [package] })).unwrap();
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_list_is_read_from_its_section() {
        assert_eq!(list(RULES, "[licenses]", "allow").unwrap(), ["MIT", "Zlib"]);
        assert_eq!(list(RULES, "[bans]", "allow").unwrap(), ["no"]);
        assert_eq!(list(RULES, "[sources]", "allow"), None);
        assert!(findings("", &json!({ "packages": [] })).is_err());
    }

    #[test]
    fn allowed_packages_pass() {
        let package = json!({ "name": "a", "version": "1", "license": "MIT", "source": REGISTRY });
        assert!(complaints(&package).is_empty());
        assert!(
            complaints(&json!({ "name": "own", "license": "Zlib", "source": null })).is_empty()
        );
    }

    #[test]
    fn other_licences_and_origins_are_found() {
        let package = json!({ "name": "a", "version": "1", "license": "GPL-3.0-only" });
        assert_eq!(complaints(&package), ["a 1: licence GPL-3.0-only is not allowed"]);
        assert_eq!(complaints(&json!({ "name": "a" })), ["a ? names no licence"]);
        let source = "git+https://example.org/a";
        let package = json!({ "name": "a", "license": "MIT", "source": source });
        assert!(complaints(&package)[0].contains("not from crates.io"));
    }
}
