//! The text of an apt configuration that shares nothing with the machine's but its archives, proxies
//! and passwords.

use anyhow::{Result, bail};
use std::path::Path;

/// Debian's keys, from the package `debian-archive-keyring`.
pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What `apt-get indextargets` is to print, so that [`Archives::read`] can read it.
pub(super) const INDEX_FORMAT: &str = "$(REPO_URI)|$(LABEL)";

/// Where the machine takes Debian's packages from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Archives {
    main: String,
    security: Option<String>,
}

impl Archives {
    /// Reads the machine's own archives from what apt knows of them.
    ///
    /// # Errors
    /// When there is none of Debian.
    pub(super) fn read(index_targets: &str) -> Result<Self> {
        let with_label = |wanted: &str| {
            let mut entries = index_targets.lines().filter_map(|line| line.rsplit_once('|'));
            let uri = entries.find_map(|(uri, label)| (label.trim() == wanted).then_some(uri));
            uri.map(|uri| uri.trim().to_owned())
        };
        let Some(main) = with_label("Debian") else {
            bail!(
                "this machine's apt knows no archive of Debian, where the kernels are: add one to \
                 its sources and run `apt-get update`"
            );
        };
        Ok(Self { main, security: with_label("Debian-Security") })
    }

    /// The text of `sources.list`: these suites, and of each only its list of packages.
    ///
    /// # Errors
    /// When a suite is of Debian's security archive and the machine does not know that.
    pub(super) fn sources(&self, suites: &[&str]) -> Result<String> {
        let options = format!("arch=amd64 lang=none target=Packages signed-by={KEYRING}");
        let line = |suite: &&str| {
            let uri = match &self.security {
                _ if !suite.ends_with("-security") => &self.main,
                Some(uri) => uri,
                None => bail!(
                    "the suite {suite} is in Debian's security archive, which this machine's apt \
                     does not know: add it to its sources and run `apt-get update`"
                ),
            };
            Ok(format!("deb [{options}] {uri} {suite} main\n"))
        };
        suites.iter().map(line).collect()
    }
}

/// The text of `apt.conf`, for an apt that lives in `folder`. It is read after the machine's own.
pub(super) fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "\
// Whatever the machine does after apt is about the machine's packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist \"{folder}/sources.list\";
Dir::Etc::sourceparts \"/dev/null\";
Dir::Etc::preferences \"/dev/null\";
Dir::Etc::preferencesparts \"/dev/null\";
Dir::State \"{folder}/state\";
Dir::State::lists \"{folder}/state/lists\";
Dir::State::status \"{folder}/state/status\";
Dir::Cache \"{folder}/cache\";
Dir::Cache::archives \"{folder}/cache/archives\";
APT::Architecture \"amd64\";
#clear APT::Architectures;
APT::Architectures {{ \"amd64\"; }};
// The folder is private, and apt does not become root for this.
APT::Sandbox::User \"root\";
// A list that cannot be had is a failure, and not a reason to use an older one.
APT::Update::Error-Mode \"any\";
Acquire::Languages \"none\";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";
Acquire::GzipIndexes \"true\";
Acquire::Retries \"3\";
"
    )
}

#[cfg(test)]
mod tests {
    use super::{Archives, configuration};
    use std::path::Path;

    const TARGETS: &str = "http://a.example/other/|Other\nhttp://a.example/debian/|Debian\n\
                           http://a.example/debian/|Debian\nhttp://b.example/security/|Debian-Security\n";

    #[test]
    fn each_suite_comes_from_its_archive() {
        let archives = Archives::read(TARGETS).unwrap();
        let text = archives.sources(&["bookworm", "bookworm-security"]).unwrap();
        let ends: Vec<_> = text.lines().filter_map(|line| Some(line.split_once("] ")?.1)).collect();
        assert_eq!(
            ends,
            [
                "http://a.example/debian/ bookworm main",
                "http://b.example/security/ bookworm-security main"
            ]
        );
        assert!(text.lines().all(|line| line.starts_with("deb [arch=amd64 ")));
        assert!(text.lines().all(|line| line.contains(" signed-by=/usr/share/keyrings/")));
    }

    #[test]
    fn without_an_archive_there_is_advice() {
        let error = Archives::read("http://a.example/|Ubuntu\n").unwrap_err().to_string();
        assert!(error.contains("no archive of Debian"), "{error}");
        let archives = Archives::read("http://a.example/debian/|Debian\n").unwrap();
        let error = archives.sources(&["trixie-security"]).unwrap_err().to_string();
        assert!(error.contains("trixie-security") && error.contains("sources"), "{error}");
        assert!(archives.sources(&["trixie"]).is_ok());
    }

    #[test]
    fn apt_keeps_everything_in_its_folder() {
        let text = configuration(Path::new("/x"));
        let folders = text.lines().filter(|line| line.starts_with("Dir::"));
        let outside = folders.filter(|line| !line.contains("\"/x/") && !line.contains("/dev/null"));
        assert_eq!(outside.count(), 0);
        for hook in ["Update::Pre", "Update::Post", "DPkg::Pre", "DPkg::Post"] {
            assert!(text.contains(hook), "{hook}");
        }
        assert!(text.contains("Acquire::Languages \"none\"") && text.contains("DEP-11"));
    }
}
