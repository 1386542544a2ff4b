//! Builds the eBPF object and leaves it at `$OUT_DIR/memtrace-ebpf`, where the crate includes it.
//!
//! The object needs a compiler that can build `core` for the BPF target, which a plain stable
//! toolchain cannot. The first of these that is there is taken:
//! 1. `MEMTRACE_BPF_OBJECT=path`: an object built elsewhere (for packagers);
//! 2. `MEMTRACE_BPF_TOOLCHAIN=name`: a toolchain as `rustup run` takes it, with its sources;
//! 3. rustup's `nightly`, if it has the `rust-src` component;
//! 4. the distribution's `/usr/bin/rustc`, if its library sources are installed.
//!
//! With `AYA_BUILD_SKIP=1` the object is empty: enough to check, lint, document and run unit tests.

#[cfg(not(feature = "live"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "live")]
fn main() {
    if let Err(error) = live::build() {
        // One directive is one line; `cargo::error` shows it without the noise of a panic.
        for line in format!("{error:#}").lines() {
            println!("cargo::error={line}");
        }
    }
}

#[cfg(feature = "live")]
mod live {
    use anyhow::{Context as _, Result, bail};
    use std::env;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// The eBPF crate's package and binary, hence also the object's name in `OUT_DIR`.
    const PACKAGE: &str = "memtrace-ebpf";
    const OBJECT: &str = "MEMTRACE_BPF_OBJECT";
    const TOOLCHAIN: &str = "MEMTRACE_BPF_TOOLCHAIN";
    const SKIP: &str = "AYA_BUILD_SKIP";
    const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

    const NOTHING_FOUND: &str = "no compiler for the eBPF programs was found: neither rustup's \
        nightly with its rust-src component, nor /usr/bin/rustc with the library sources below its \
        lib/rustlib/src. Run `cargo xtask setup`, or name one with MEMTRACE_BPF_TOOLCHAIN, or give a \
        built object with MEMTRACE_BPF_OBJECT, or set AYA_BUILD_SKIP=1 to check without tracing.";

    /// Where the object comes from.
    enum Origin {
        Skipped,
        Prebuilt(PathBuf),
        Toolchain(String),
    }

    pub(crate) fn build() -> Result<()> {
        let output = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
        watch()?;
        match origin(&output)? {
            Origin::Skipped => fs::write(output.join(PACKAGE), [])
                .with_context(|| format!("cannot write into {}", output.display())),
            Origin::Prebuilt(object) => take(&object, &output),
            Origin::Toolchain(name) => compile(&name),
        }
    }

    /// Names what a rebuild depends on. What the object is made of lies in other packages, which
    /// cargo does not watch for this one; the workspace's files hold versions and the profile.
    fn watch() -> Result<()> {
        for name in [OBJECT, TOOLCHAIN, SKIP] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        let root = workspace()?;
        for path in [PACKAGE, "memtrace-common", "Cargo.toml", "Cargo.lock"] {
            println!("cargo::rerun-if-changed={}", root.join(path).display());
        }
        println!("cargo::rerun-if-changed=build.rs");
        Ok(())
    }

    fn workspace() -> Result<PathBuf> {
        let package = env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?;
        Ok(Path::new(&package).join(".."))
    }

    fn origin(output: &Path) -> Result<Origin> {
        if env::var_os(SKIP).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
        {
            return Ok(Origin::Skipped);
        }
        if let Some(object) = env::var_os(OBJECT) {
            return Ok(Origin::Prebuilt(object.into()));
        }
        if let Ok(name) = env::var(TOOLCHAIN) {
            return Ok(Origin::Toolchain(name));
        }
        if has_sources(Command::new("rustup").args(["run", "nightly", "rustc"])) {
            return Ok(Origin::Toolchain("nightly".to_owned()));
        }
        if has_sources(&mut Command::new(SYSTEM_RUSTC)) {
            return system_toolchain(&output.join("toolchain")).map(Origin::Toolchain);
        }
        bail!(NOTHING_FOUND)
    }

    /// Whether this compiler is there and has the library sources that `-Z build-std` reads.
    fn has_sources(rustc: &mut Command) -> bool {
        rustc.args(["--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN").output().is_ok_and(
            |run| {
                let sysroot = String::from_utf8_lossy(&run.stdout);
                let sources =
                    Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
                run.status.success() && sources.is_file()
            },
        )
    }

    /// Makes a toolchain folder of the distribution's rustc and the cargo that runs us, and returns
    /// its path. `rustup run /usr` would need a cargo beside rustc or one of rustup's channels by
    /// name, and a machine without rustup would take whichever rustc is first in `PATH`.
    fn system_toolchain(folder: &Path) -> Result<String> {
        let cargo = env::var("CARGO").context("CARGO is not set")?;
        let programs = folder.join("bin");
        fs::create_dir_all(&programs)
            .with_context(|| format!("cannot create {}", programs.display()))?;
        write_wrapper(&programs.join("rustc"), SYSTEM_RUSTC)?;
        write_wrapper(&programs.join("cargo"), &cargo)?;
        set("PATH", join_paths(&programs)?);
        folder.to_str().map(str::to_owned).context("OUT_DIR is not valid UTF-8")
    }

    fn write_wrapper(path: &Path, program: &str) -> Result<()> {
        let quoted = program.replace('\'', r"'\''");
        fs::write(path, format!("#!/bin/sh\nexec '{quoted}' \"$@\"\n"))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn join_paths(first: &Path) -> Result<std::ffi::OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(first.to_owned()).chain(env::split_paths(&path));
        env::join_paths(all).context("OUT_DIR cannot be part of PATH")
    }

    fn take(object: &Path, output: &Path) -> Result<()> {
        println!("cargo::rerun-if-changed={}", object.display());
        let bytes = fs::read(object)
            .with_context(|| format!("cannot read {OBJECT}={}", object.display()))?;
        if !bytes.starts_with(b"\x7fELF") {
            bail!("{OBJECT}={} is not an ELF object", object.display());
        }
        fs::write(output.join(PACKAGE), bytes)
            .with_context(|| format!("cannot write into {}", output.display()))
    }

    fn compile(toolchain: &str) -> Result<()> {
        if !is_in_path("bpf-linker") {
            bail!(
                "bpf-linker, which links the eBPF programs, is not in PATH: run `cargo xtask setup`"
            );
        }
        // Lets a compiler that is not a nightly build `core` for the BPF target.
        set("RUSTC_BOOTSTRAP", "1");
        // aya-build turns cargo's progress into warnings, which cargo repeats at every command.
        set("CARGO_TERM_QUIET", "true");
        let root = workspace()?.join(PACKAGE);
        let root = root.to_str().context("the workspace's path is not valid UTF-8")?;
        let package =
            aya_build::Package { name: PACKAGE, root_dir: root, ..aya_build::Package::default() };
        aya_build::build_ebpf([package], aya_build::Toolchain::Custom(toolchain))
            .with_context(|| format!("building {PACKAGE} with the toolchain {toolchain} failed"))
    }

    fn is_in_path(program: &str) -> bool {
        env::var_os("PATH")
            .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
    }

    fn set(name: &str, value: impl AsRef<OsStr>) {
        // SAFETY: a build script has a single thread until aya-build is called, which comes later.
        unsafe { env::set_var(name, value) };
    }
}
