//! Frames → names, once per distinct frame, module by module; and names made harmless.

use super::identity::module_of;
use super::model::{FrameReport, ModuleReport, Place};
use crate::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer};
use crate::model::frame::Frame;
use crate::model::ids::{ModuleId, ProcessKey};
use crate::model::module::Module;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

/// Longest name in a report, characters.
const MAX_NAME: usize = 16 * 1024;

/// Makes a name that the target chose harmless: characters that steer a terminal, break lines or
/// turn the direction of writing are written as escapes, and it is cut at 16,384 characters.
#[must_use]
pub fn clean(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (position, character) in name.chars().enumerate() {
        if position == MAX_NAME {
            out.push('…');
            break;
        }
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0'..='\x1f' | '\x7f' => append(&mut out, format_args!("\\x{:02x}", character as u32)),
            _ if is_treacherous(character) => {
                append(&mut out, format_args!("\\u{{{:x}}}", character as u32));
            }
            _ => out.push(character),
        }
    }
    out
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// C1 controls, line and paragraph separators, invisible characters and those that change the
/// direction of writing (Unicode Technical Report 36, 2.10 and 3.2).
const fn is_treacherous(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The names of some frames.
pub(super) struct Names<'a> {
    modules: &'a [Arc<Module>],
    resolved: HashMap<Frame, Resolved>,
    generated: HashMap<(ProcessKey, u64), Resolved>,
    debug_lines: HashMap<ModuleId, bool>,
}

impl<'a> Names<'a> {
    /// Resolves `frames`, each distinct one once, in one call per module.
    pub(super) fn resolve<'f>(
        frames: impl Iterator<Item = &'f Frame>,
        modules: &'a [Arc<Module>],
        symbolizer: &mut dyn Symbolizer,
    ) -> Self {
        let mut names = Self {
            modules,
            resolved: HashMap::new(),
            generated: HashMap::new(),
            debug_lines: HashMap::new(),
        };
        for (id, offsets) in by_module(frames) {
            let Some(module) = module_of(modules, id) else { continue };
            let offsets: Vec<u64> = offsets.into_iter().collect();
            let answers = symbolizer.resolve(module, &offsets);
            for (offset, answer) in offsets.into_iter().zip(answers) {
                names.resolved.insert(Frame::InFile { module: id, offset }, answer);
            }
            if let Some(lines) = symbolizer.has_debug_lines(id) {
                names.debug_lines.insert(id, lines);
            }
        }
        names
    }

    /// Resolves the frames of `process` that are in no file.
    pub(super) fn add_generated<'f>(
        &mut self,
        process: ProcessKey,
        frames: impl Iterator<Item = &'f Frame>,
        symbolizer: &mut dyn Symbolizer,
    ) {
        let addresses = frames.filter_map(|frame| match frame {
            Frame::Unmapped(address) => Some(*address),
            Frame::InFile { .. } => None,
        });
        let addresses: Vec<u64> = addresses.collect::<BTreeSet<u64>>().into_iter().collect();
        if addresses.is_empty() {
            return;
        }
        let answers = symbolizer.resolve_generated(process, &addresses);
        for (address, answer) in addresses.into_iter().zip(answers) {
            self.generated.extend(answer.map(|answer| ((process, address), answer)));
        }
    }

    /// The frames that `frame` of `process` stands for: its inlined functions, then itself.
    pub(super) fn of(&self, frame: Frame, process: ProcessKey) -> Vec<FrameReport> {
        let bare = self.bare(frame);
        let resolved = match frame {
            Frame::Unmapped(address) => self.generated.get(&(process, address)),
            Frame::InFile { .. } => self.resolved.get(&frame),
        };
        match resolved {
            Some(Ok(functions)) if !functions.is_empty() => {
                functions.iter().map(|function| named(&bare, function)).collect()
            }
            Some(Err(missing)) => vec![FrameReport { missing: Some(*missing), ..bare }],
            _ => vec![bare],
        }
    }

    fn bare(&self, frame: Frame) -> FrameReport {
        let (module, place) = match frame {
            Frame::InFile { module, offset } => {
                (module_of(self.modules, module), Place::Offset(offset))
            }
            // Address 0 stands for those that are forgotten (`engine::copied::without_addresses`).
            Frame::Unmapped(0) => (None, Place::Unknown),
            Frame::Unmapped(address) => (None, Place::Address(address)),
        };
        FrameReport {
            function: None,
            short: None,
            module: module.map(|module| clean(&module.name())),
            build_id: module.and_then(|module| Some(module.build_id.as_ref()?.to_string())),
            place,
            file: None,
            line: None,
            inlined: false,
            internal: false,
            missing: None,
        }
    }

    /// The files that `frames` run through, by name.
    pub(super) fn modules<'f>(&self, frames: impl Iterator<Item = &'f Frame>) -> Vec<ModuleReport> {
        let mut reports: Vec<ModuleReport> = by_module(frames)
            .into_iter()
            .filter_map(|(id, offsets)| self.module(id, &offsets))
            .collect();
        reports
            .sort_by(|a, b| (&a.name, &a.path, &a.build_id).cmp(&(&b.name, &b.path, &b.build_id)));
        reports
    }

    fn module(&self, id: ModuleId, offsets: &BTreeSet<u64>) -> Option<ModuleReport> {
        let module = module_of(self.modules, id)?;
        Some(ModuleReport {
            name: clean(&module.name()),
            path: clean(&module.path.to_string_lossy()),
            build_id: module.build_id.as_ref().map(ToString::to_string),
            debug_lines: self.debug_lines.get(&id).copied(),
            missing: self.missing(id, offsets),
        })
    }

    /// Why no offset of the module has a name; `None` if any has one.
    fn missing(&self, module: ModuleId, offsets: &BTreeSet<u64>) -> Option<Missing> {
        let mut reason = None;
        for offset in offsets {
            match self.resolved.get(&Frame::InFile { module, offset: *offset }) {
                Some(Err(missing)) => reason = Some(*missing),
                _ => return None,
            }
        }
        reason
    }
}

fn by_module<'f>(frames: impl Iterator<Item = &'f Frame>) -> BTreeMap<ModuleId, BTreeSet<u64>> {
    let mut modules: BTreeMap<ModuleId, BTreeSet<u64>> = BTreeMap::new();
    for frame in frames {
        if let Frame::InFile { module, offset } = *frame {
            modules.entry(module).or_default().insert(offset);
        }
    }
    modules
}

fn named(bare: &FrameReport, function: &SourceFrame) -> FrameReport {
    FrameReport {
        function: Some(clean(&function.function)),
        short: function.short.as_deref().map(clean),
        file: function.file.as_deref().map(clean),
        line: function.line,
        inlined: function.inlined,
        ..bare.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME, clean};

    #[test]
    fn ordinary_names_stay() {
        for name in ["main", "operator<<(std::ostream&, char const*)", "größe", "日本::語", "a b"]
        {
            assert_eq!(clean(name), name);
        }
    }

    #[test]
    fn controls_become_visible() {
        assert_eq!(clean("a\x1b[31mb\r\n\tc\0"), "a\\x1b[31mb\\r\\n\\tc\\x00");
        assert_eq!(clean("\u{9b}31m\u{7f}"), "\\u{9b}31m\\x7f");
        assert_eq!(clean("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
    }

    #[test]
    fn endless_names_are_cut() {
        let cut = clean(&"x".repeat(10 * MAX_NAME));
        assert_eq!(cut.chars().count(), MAX_NAME + 1);
        assert!(cut.ends_with('…'));
    }
}
