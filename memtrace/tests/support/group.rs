//! Control groups that a test makes.

use super::program::Program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A control group with one in it, called `inner`; gone with this.
pub struct Group(pub PathBuf);

impl Group {
    /// One of version 2. `None`, said aloud, where there is no place for it.
    pub fn make(name: &str) -> Option<Self> {
        Self::make_in("cgroup2", name)
    }

    /// As [`Self::make`], in a file system of this kind.
    pub fn make_in(filesystem: &str, name: &str) -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mountinfo.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            // Of version 1 one without accounts that a fresh group would have to be given first.
            let fits = kind.starts_with(&format!("{filesystem} "))
                && (filesystem == "cgroup2"
                    || kind.ends_with(",freezer")
                    || kind.ends_with(",pids"));
            fits.then(|| mount.split(' ').nth(4).unwrap().to_owned())
        });
        let group = point.map(|point| Path::new(&point).join(name));
        let made = group.filter(|group| fs::create_dir_all(group.join("inner")).is_ok());
        if made.is_none() {
            super::not_run(&format!("no {filesystem} that groups can be made in"));
        }
        made.map(Self)
    }

    /// Moves the program into the inner group.
    pub fn take(&self, program: &Program) {
        fs::write(self.0.join("inner/cgroup.procs"), program.pid().to_string()).unwrap();
    }

    /// The command, begun by a shell that moves itself into a group and becomes the command there.
    pub fn run(&self, inner: &str, command: &Command) -> Command {
        let mut within = Command::new("sh");
        let group = self.0.join(inner).join("cgroup.procs");
        within.args(["-c", "echo $$ > \"$0\"; exec \"$@\""]).arg(group);
        within.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            within.env(key, value.unwrap());
        }
        within.stdin(Stdio::null());
        within
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in [self.0.join("inner"), self.0.clone()] {
            // A group can go once its last process has been waited for.
            let gone = || fs::remove_dir(&group).is_ok().then_some(());
            super::wait_until("the end of a control group", gone);
        }
    }
}
