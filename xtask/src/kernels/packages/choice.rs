//! Which of an archive's packages has the kernel that is wanted.

use super::version;

/// A package in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name, such as `linux-image-6.1.0-50-cloud-amd64`.
    pub(crate) name: String,
    /// Debian's version, such as `6.1.176-1`.
    pub(crate) version: String,
    /// Of the file, bytes.
    pub(crate) size: u64,
    /// Of what is in it, bytes.
    pub(crate) unpacked: u64,
    /// Of the file, as lower-case digits.
    pub(crate) sha256: String,
}

impl Package {
    /// Reads a stanza of `apt-cache show`.
    fn read(stanza: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        Some(Self {
            name: field("Package")?.to_owned(),
            version: field("Version")?.to_owned(),
            size: field("Size")?.parse().ok()?,
            unpacked: field("Installed-Size")?.parse::<u64>().ok()?.checked_mul(1024)?,
            sha256: field("SHA256")?.to_owned(),
        })
    }

    /// From Linux 7.2 on, the image is in a package that its signed sibling depends on.
    fn is_binary(&self) -> bool {
        self.name.starts_with("linux-binary-")
    }
}

/// Whether a package of this name has a kernel of this series for virtual machines. Not its debug
/// symbols, and not the unsigned twin, whose names end otherwise.
pub(super) fn is_kernel(package: &str, series: &str) -> bool {
    let rest =
        ["linux-image-", "linux-binary-"].iter().find_map(|start| package.strip_prefix(start));
    let rest = rest.and_then(|rest| rest.strip_prefix(series));
    // 6.1 is not the beginning of 6.12.
    rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with("-cloud-amd64"))
}

/// The newest package with a kernel of this series among what `apt-cache show` printed.
pub(super) fn newest(stanzas: &str, series: &str) -> Option<Package> {
    let packages = stanzas.split("\n\n").filter_map(Package::read);
    let kernels = packages.filter(|package| is_kernel(&package.name, series));
    kernels.max_by(|one, other| {
        let by_kind = one.is_binary().cmp(&other.is_binary());
        by_kind.then_with(|| version::compare(&one.version, &other.version))
    })
}

#[cfg(test)]
mod tests {
    use super::{Package, is_kernel, newest};

    fn stanza(name: &str, version: &str) -> String {
        format!(
            "Package: {name}\nSource: linux\nVersion: {version}\nInstalled-Size: 2\nSize: 700\n\
             SHA256: ab\nDescription: it\n continues: here\n"
        )
    }

    fn chosen(candidates: &[(&str, &str)], series: &str) -> Option<String> {
        let stanzas: Vec<String> =
            candidates.iter().map(|(name, version)| stanza(name, version)).collect();
        newest(&stanzas.join("\n"), series).map(|package| package.name)
    }

    #[test]
    fn only_signed_cloud_kernels_of_the_series_are_taken() {
        assert!(is_kernel("linux-image-6.1.0-50-cloud-amd64", "6.1"));
        assert!(is_kernel("linux-binary-7.2.12+deb13-cloud-amd64", "7.2"));
        for other in [
            "linux-image-6.12.107+deb13-cloud-amd64",
            "linux-image-6.1.0-50-amd64",
            "linux-image-6.1.0-50-cloud-amd64-dbg",
            "linux-image-6.1.0-50-cloud-amd64-unsigned",
            "linux-headers-6.1.0-50-cloud-amd64",
            "linux-image-cloud-amd64",
        ] {
            assert!(!is_kernel(other, "6.1"), "{other}");
        }
    }

    #[test]
    fn the_newest_is_chosen() {
        let candidates = [
            ("linux-image-6.12.9+deb13-cloud-amd64", "6.12.9-1"),
            ("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1"),
            ("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1~bpo12+1"),
            ("linux-image-6.18.15+deb13-cloud-amd64", "6.18.15-1"),
        ];
        assert_eq!(chosen(&candidates, "6.12").as_deref(), Some(candidates[1].0));
        assert_eq!(chosen(&candidates, "6.1"), None);
    }

    #[test]
    fn the_package_with_the_image_comes_before_the_one_that_depends_on_it() {
        let candidates = [
            ("linux-image-7.2.13-cloud-amd64", "7.2.13-1"),
            ("linux-binary-7.2.12-cloud-amd64", "7.2.12-1"),
        ];
        assert_eq!(chosen(&candidates, "7.2").as_deref(), Some(candidates[1].0));
    }

    #[test]
    fn a_stanza_is_read_or_left_out() {
        let package = newest(&stanza("linux-image-5.10.0-46-cloud-amd64", "5.10.262-1"), "5.10");
        let expected = Package {
            name: "linux-image-5.10.0-46-cloud-amd64".to_owned(),
            version: "5.10.262-1".to_owned(),
            size: 700,
            unpacked: 2048,
            sha256: "ab".to_owned(),
        };
        assert_eq!(package, Some(expected));
        let huge = stanza("linux-image-5.10.0-1-cloud-amd64", "1")
            .replace("Installed-Size: 2", "Installed-Size: 18446744073709551615");
        assert_eq!(newest(&huge, "5.10"), None);
        assert_eq!(newest("Package: linux-image-5.10.0-1-cloud-amd64\n", "5.10"), None);
    }
}
