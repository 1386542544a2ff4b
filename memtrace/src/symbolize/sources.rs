//! What can name the places in a file: its own tables, separate debug files, embedded symbols.

use super::compressed;
use super::elf::ElfFile;
use super::image::Image;
use super::sections::EMBEDDED;
use super::separate;
use crate::engine::ports::Missing;
use std::path::PathBuf;

/// One way to ask the library.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The copy to ask about.
    pub(super) path: PathBuf,
    /// With DWARF, or with ELF symbols alone.
    pub(super) debug: bool,
}

/// All ways to name places in a file.
#[derive(Debug)]
pub(super) struct Sources {
    /// What to ask, best first.
    pub(super) attempts: Vec<Attempt>,
    /// Line tables were found.
    pub(super) debug_lines: bool,
    /// Why there is nothing to ask, if so.
    pub(super) reason: Missing,
    /// Keeps the copies alive that the attempts name, and those that they refer to.
    images: Vec<Image>,
}

impl Sources {
    /// Everything that names places in `file`; `debug_dirs` are the system's directories of debug
    /// files.
    pub(super) fn of(file: &ElfFile, debug_dirs: &[PathBuf]) -> Self {
        let mut sources = Self {
            attempts: Vec::new(),
            debug_lines: false,
            reason: Missing::NoSymbols,
            images: Vec::new(),
        };
        if !file.sections.debug_info
            && let Some(separate) = separate::find(file, debug_dirs)
        {
            sources.add(&separate, debug_dirs);
        }
        if let Some(symbols) = embedded(file) {
            sources.add(&symbols, debug_dirs);
        }
        sources.add(file, debug_dirs);
        sources
    }

    /// Adds what `file` itself has.
    fn add(&mut self, file: &ElfFile, debug_dirs: &[PathBuf]) {
        let sections = &file.sections;
        let debug = sections.usable_debug_info();
        if !debug && !sections.usable_symbols() {
            if sections.debug_info || sections.symbols || sections.dynamic_symbols {
                self.reason = Missing::TooLarge;
            }
            return;
        }
        let alternative = debug.then(|| self.alternative(file, debug_dirs)).flatten();
        let build_id = sections.alternative.as_ref().map_or(&[][..], |link| link.build_id.bytes());
        match Image::of(file, debug, alternative.as_ref().map(|image| (image, build_id))) {
            Err(_) => self.reason = Missing::Unreadable,
            Ok(image) => {
                let debug = debug && image.is_shallow();
                let attempt = |debug| Attempt { path: image.path(), debug };
                self.attempts.extend(debug.then(|| attempt(true)));
                self.attempts.extend(sections.usable_symbols().then(|| attempt(false)));
                self.debug_lines |= debug && sections.debug_lines;
                self.images.push(image);
            }
        }
        self.images.extend(alternative);
    }

    /// A copy of the debug information that `file` shares with others.
    fn alternative(&self, file: &ElfFile, debug_dirs: &[PathBuf]) -> Option<Image> {
        let link = file.sections.alternative.as_ref()?;
        let found = separate::alternative(file, link, debug_dirs)?;
        found.sections.usable_debug_info().then(|| Image::of(&found, true, None).ok())?
    }
}

/// The symbols that are packed into `file`.
fn embedded(file: &ElfFile) -> Option<ElfFile> {
    if file.sections.symbols {
        return None;
    }
    let section = file.table().iter().find(|section| section.name == EMBEDDED)?;
    ElfFile::of(compressed::embedded(section, file.file())?).ok()
}
