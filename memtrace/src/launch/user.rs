//! As whom a command runs.
//!
//! Under sudo it runs as the user who called sudo, with that user's groups: `sudo memtrace run -- make`
//! must not build as root. The environment is the one that we have, but for what sudo has changed because
//! of the change of user: `SUDO_…` variables go, and `HOME`, `USER` and `LOGNAME` are the user's again.
//! `PATH` stays as sudo made it. With another user that was named it is the same; without a change of
//! user nothing is changed at all.

use nix::unistd::{Uid, User, getgrouplist};
use std::ffi::{CString, OsStr, OsString};
use std::path::PathBuf;

/// Set by sudo for the command that it runs (`sudo(8)`, "ENVIRONMENT").
const OF_SUDO: [&str; 6] =
    ["SUDO_COMMAND", "SUDO_GID", "SUDO_HOME", "SUDO_TTY", "SUDO_UID", "SUDO_USER"];

/// A user, as the kernel wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Name, where there is one.
    pub name: Option<String>,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
    /// Home directory, where there is one.
    pub home: Option<PathBuf>,
}

impl Runner {
    /// This user, with the groups of the group database.
    #[must_use]
    pub fn of(user: &User) -> Self {
        let gid = user.gid.as_raw();
        Self {
            name: Some(user.name.clone()),
            uid: user.uid.as_raw(),
            gid,
            groups: groups(&user.name, gid),
            home: Some(user.dir.clone()),
        }
    }

    /// The user who called sudo, as `variable` tells: `None` where we are not root, or where that was
    /// root, too.
    #[must_use]
    pub fn behind_sudo(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        let number = |name| variable(name)?.to_str()?.parse::<u32>().ok();
        let uid = number("SUDO_UID").filter(|uid| *uid != 0)?;
        if let Ok(Some(user)) = User::from_uid(uid.into()) {
            return Some(Self::of(&user));
        }
        let gid = number("SUDO_GID")?;
        Some(Self { name: None, uid, gid, groups: vec![gid], home: None })
    }

    /// Whether this is who we are already.
    #[must_use]
    pub fn is_us(&self) -> bool {
        Uid::effective().as_raw() == self.uid && Uid::current().as_raw() == self.uid
    }

    /// What is different in the command's environment: names and values, `None` where one goes.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, Option<OsString>)> {
        let mut changes: Vec<_> = OF_SUDO.map(|name| (name, None)).into();
        let name = self.name.as_ref().map(OsString::from);
        let home = self.home.as_ref().map(OsString::from);
        let own = [("HOME", home), ("USER", name.clone()), ("LOGNAME", name)];
        changes.extend(own.into_iter().filter(|(_, value)| value.is_some()));
        changes
    }

    /// Name or number, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} (uid {})", self.uid),
            None => format!("uid {}", self.uid),
        }
    }
}

fn groups(name: &str, gid: u32) -> Vec<u32> {
    let found = CString::new(name).ok().and_then(|name| getgrouplist(&name, gid.into()).ok());
    found.map_or_else(
        || vec![gid],
        |groups| groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
    )
}

/// A variable of the environment that a command will have.
#[must_use]
pub fn variable(
    runner: Option<&Runner>,
    name: &str,
    ours: impl Fn(&OsStr) -> Option<OsString>,
) -> Option<OsString> {
    let changes = runner.map(Runner::environment).unwrap_or_default();
    match changes.into_iter().find(|(changed, _)| *changed == name) {
        Some((_, value)) => value,
        None => ours(OsStr::new(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Runner, variable};
    use nix::unistd::{Uid, User};
    use std::ffi::OsString;

    fn sudo(uid: &'static str) -> Option<Runner> {
        Runner::behind_sudo(|name| match name {
            "SUDO_UID" => Some(uid.into()),
            "SUDO_GID" => Some("64125".into()),
            _ => None,
        })
    }

    #[test]
    fn the_user_behind_sudo_is_known_by_number() {
        if !Uid::effective().is_root() {
            assert_eq!(sudo("64125"), None);
            return;
        }
        let nobody = sudo("64125").unwrap();
        assert_eq!((nobody.uid, nobody.gid, nobody.groups), (64125, 64125, vec![64125]));
        assert_eq!(sudo("0"), None);
        assert_eq!(sudo("x"), None);
        assert_eq!(Runner::behind_sudo(|_| None), None);
    }

    #[test]
    fn only_what_sudo_changed_is_changed() {
        let root = Runner::of(&User::from_name("root").unwrap().unwrap());
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        let ours = |name: &std::ffi::OsStr| Some(OsString::from(format!("our {}", name.display())));
        assert_eq!(variable(Some(&root), "PATH", ours), Some("our PATH".into()));
        assert_eq!(variable(Some(&root), "USER", ours), Some("root".into()));
        assert_eq!(variable(Some(&root), "SUDO_UID", ours), None);
        assert_eq!(variable(None, "SUDO_UID", ours), Some("our SUDO_UID".into()));
    }
}
