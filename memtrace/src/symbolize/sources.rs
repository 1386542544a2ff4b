//! What can name the places in a file: its own tables, separate debug files, embedded symbols.

use super::DebugFiles;
use super::compressed;
use super::elf::ElfFile;
use super::image::Image;
use super::sections::EMBEDDED;
use super::separate;
use crate::engine::ports::Missing;
use crate::model::module::BuildId;
use std::path::PathBuf;

/// The library may keep as many times the room of the copies, as found before it is asked. Compilers
/// spend several bytes on a line and dozens on a function, so that what fits stays well below.
const GROWTH: u64 = 4;

/// One way to ask the library.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The copy to ask about.
    pub(super) path: PathBuf,
    /// With DWARF, or with ELF symbols alone.
    pub(super) debug: bool,
}

/// Where debug files are looked for.
pub(super) struct Places<'a> {
    /// The system's directories of debug files.
    pub(super) debug_dirs: &'a [PathBuf],
    /// What this machine has not.
    pub(super) elsewhere: Option<&'a mut (dyn DebugFiles + 'static)>,
}

impl Places<'_> {
    /// The separate debug information of `file`.
    fn separate(&mut self, file: &ElfFile) -> Option<ElfFile> {
        let here = separate::find(file, self.debug_dirs);
        here.or_else(|| self.ask(file.build_id.as_ref()?))
    }

    /// The debug information that `file` shares with others.
    fn shared(&mut self, file: &ElfFile) -> Option<ElfFile> {
        let link = file.sections.alternative.as_ref()?;
        separate::alternative(file, link, self.debug_dirs).or_else(|| self.ask(&link.build_id))
    }

    fn ask(&mut self, build_id: &BuildId) -> Option<ElfFile> {
        let found = ElfFile::of(self.elsewhere.as_mut()?.find(build_id)?).ok()?;
        (found.build_id.as_ref() == Some(build_id)).then_some(found)
    }
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
    /// Bytes of debug information that was left out because it is too large, if any.
    pub(super) left_out: Option<u64>,
    /// Bytes that more copies may take.
    room: u64,
    /// Bytes that the library may keep of one copy.
    limit: u64,
    /// Keeps the copies alive that the attempts name, and those that they refer to.
    images: Vec<Image>,
}

impl Sources {
    /// Everything that names places in `file`, in copies of at most `room` bytes in all.
    pub(super) fn of(file: &ElfFile, places: &mut Places<'_>, room: u64) -> Self {
        let mut sources = Self {
            attempts: Vec::new(),
            debug_lines: false,
            reason: Missing::NoSymbols,
            left_out: None,
            room,
            limit: room.saturating_mul(GROWTH),
            images: Vec::new(),
        };
        if !file.sections.debug_info
            && let Some(separate) = places.separate(file)
        {
            sources.add(&separate, places);
        }
        if let Some(symbols) = embedded(file, sources.room) {
            sources.add(&symbols, places);
        }
        sources.add(file, places);
        sources
    }

    /// Adds what `file` itself has.
    fn add(&mut self, file: &ElfFile, places: &mut Places<'_>) {
        let sections = &file.sections;
        let debug = sections.usable_debug_info(self.room);
        if sections.debug_info && !debug {
            self.left_out = Some(sections.bytes(true));
        }
        if !debug && !sections.usable_symbols(self.room) {
            if sections.debug_info || sections.symbols || sections.dynamic_symbols {
                self.reason = Missing::TooLarge;
            }
            return;
        }
        let alternative = debug.then(|| self.alternative(file, places)).flatten();
        let build_id = sections.alternative.as_ref().map_or(&[][..], |link| link.build_id.bytes());
        let link = alternative.as_ref().map(|image| (image, build_id));
        match Image::of(file, debug, link, self.room) {
            Err(_) => self.reason = Missing::Unreadable,
            Ok(image) => {
                let debug = debug && image.is_bearable(self.limit);
                let attempt = |debug| Attempt { path: image.path(), debug };
                self.attempts.extend(debug.then(|| attempt(true)));
                self.attempts.extend(sections.usable_symbols(self.room).then(|| attempt(false)));
                self.debug_lines |= debug && sections.debug_lines;
                self.keep(image);
            }
        }
        alternative.into_iter().for_each(|image| self.keep(image));
    }

    fn keep(&mut self, image: Image) {
        self.room = self.room.saturating_sub(image.bytes());
        self.images.push(image);
    }

    /// A copy of the debug information that `file` shares with others, if both fit.
    fn alternative(&self, file: &ElfFile, places: &mut Places<'_>) -> Option<Image> {
        let found = places.shared(file)?;
        let room = self.room.saturating_sub(file.sections.bytes(true));
        found.sections.usable_debug_info(room).then(|| Image::of(&found, true, None, room).ok())?
    }
}

/// The symbols that are packed into `file`, if they fit.
fn embedded(file: &ElfFile, room: u64) -> Option<ElfFile> {
    if file.sections.symbols {
        return None;
    }
    let section = file.table().iter().find(|section| section.name == EMBEDDED)?;
    ElfFile::of(compressed::embedded(section, file.file(), room)?).ok()
}
