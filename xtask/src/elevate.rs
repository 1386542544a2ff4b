//! Who we are, who called us, and how to be the other one.
//!
//! Building belongs to the person, installing and tracing to root. So a chore started through sudo
//! builds as the user who typed it (root's files in `target/` would break their next build), and a
//! chore started by a user calls sudo for the two things that need it.

use crate::command::{find, run, target};
use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A user to build as.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
}

/// Whether we are root. `/proc/self` belongs to the effective user.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether we are root or can ask sudo to be.
pub(crate) fn can_be_root() -> bool {
    is_root() || find("sudo").is_some()
}

/// A command that runs as the person at the keyboard, from the workspace's root.
pub(crate) fn as_user(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(crate::command::root());
    let caller = caller()?;
    let home = caller.as_ref().map(|account| account.home.clone());
    if let Some(account) = &caller {
        command.uid(account.uid).gid(account.gid);
        command.env("HOME", &account.home).env("USER", &account.name);
        // Those of root, which rustup sets for what it starts.
        for name in ["CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(name);
        }
    }
    command.env("PATH", path_with_cargo(home.as_deref())?);
    Ok(command)
}

/// cargo, as the person at the keyboard.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = as_user("cargo")?;
    // What cargo says of xtask to xtask. Build scripts that ask for such of their own package make cargo build that
    // anew, and all that uses it, when a cargo is started with others.
    let of_xtask = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"CARGO_PKG_") || name.starts_with(b"CARGO_MANIFEST_")
    });
    for name in of_xtask {
        cargo.env_remove(name);
    }
    Ok(cargo)
}

/// A command that runs as root, with these environment variables.
pub(crate) fn as_root(program: &Path, variables: &[(&str, &str)]) -> Result<Command> {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return Ok(command);
    }
    let Some(sudo) = find("sudo") else {
        bail!("{} needs root, and sudo is not installed: run this as root", program.display());
    };
    let mut command = Command::new(sudo);
    // sudo drops the environment, so what matters goes through env(1).
    command
        .args(["--", "env"])
        .args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(program);
    Ok(command)
}

/// Gives `target/` to the person who builds, where root may have written into it.
pub(crate) fn give_back_target() -> Result<()> {
    give_back(&target())
}

/// Gives a folder and all in it to the person who builds.
pub(crate) fn give_back(folder: &Path) -> Result<()> {
    let owner = match caller()? {
        Some(account) => (account.uid, account.gid),
        None if is_root() => return Ok(()),
        None => {
            let us = std::fs::metadata("/proc/self").context("cannot read /proc/self")?;
            (us.uid(), us.gid())
        }
    };
    if !folder.exists() {
        return Ok(());
    }
    let mut chown = as_root(Path::new("chown"), &[])?;
    run(chown.arg("-hR").arg(format!("{}:{}", owner.0, owner.1)).arg(folder))
}

/// Makes a folder of the person who builds.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    run(as_user("mkdir")?.arg("-p").arg("--").arg(folder))
}

/// Where programs of the person who builds keep what they can make again.
pub(crate) fn cache_home() -> Result<PathBuf> {
    if let Some(account) = caller()? {
        // A folder in the environment may be root's.
        return Ok(account.home.join(".cache"));
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("XDG_CACHE_HOME")
        // As the XDG base directory specification wants it.
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(folder("HOME")?.join(".cache")))
        .context("there is neither XDG_CACHE_HOME nor HOME to keep a cache in")
}

/// The user who called us through sudo, if so.
fn caller() -> Result<Option<Account>> {
    let Ok(uid) = std::env::var("SUDO_UID") else { return Ok(None) };
    if !is_root() || uid == "0" {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    if let Some(account) = account(&users, &uid) {
        return Ok(Some(account));
    }
    // Users of a directory service are not in the file.
    let entry = crate::command::read(Command::new("getent").args(["passwd", &uid]))
        .with_context(|| format!("sudo was called by user {uid}, who is not known"))?;
    Ok(account(&entry, &uid))
}

/// Finds a user id in text as `passwd(5)` describes it.
fn account(passwd: &str, uid: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, number, group, _, home, ..] = fields.as_slice() else { return None };
        (number == uid).then_some(())?;
        Some(Account {
            name: name.to_owned(),
            uid: number.parse().ok()?,
            gid: group.parse().ok()?,
            home: home.into(),
        })
    })
}

/// `PATH`, with the folder of cargo's programs first: sudo's own `PATH` lacks it.
fn path_with_cargo(home: Option<&Path>) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = cargo_home(home).map(|folder| folder.join("bin"));
    let all = programs.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(all).context("cargo's folder cannot be part of PATH")
}

fn cargo_home(home: Option<&Path>) -> Option<PathBuf> {
    match home {
        // Called through sudo: a CARGO_HOME in the environment may be root's.
        Some(home) => Some(home.join(".cargo")),
        None => std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, account};

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nbroken line\n\
                         ada:x:1000:1001:Ada,,,:/home/ada:/bin/sh\n";

    #[test]
    fn a_user_is_found_by_number() {
        let ada = Account { name: "ada".into(), uid: 1000, gid: 1001, home: "/home/ada".into() };
        assert_eq!(account(USERS, "1000"), Some(ada));
    }

    #[test]
    fn an_unknown_or_unreadable_user_is_none() {
        assert_eq!(account(USERS, "1234"), None);
        assert_eq!(account("x:x:7:not a number::/:", "7"), None);
        assert_eq!(account("", "0"), None);
    }
}
