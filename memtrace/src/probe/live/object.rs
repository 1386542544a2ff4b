//! The object a second time: relocated against the maps that aya made, for programs that aya 0.14
//! cannot load (multi and session attach types, calls of kernel functions).

use super::abilities::Abilities;
use super::assembly::{ATOMIC, CALL, LOAD_WIDE, MAP_DESCRIPTOR, MOVE_CONSTANT};
use super::btf::KernelTypes;
use super::entrance::{Entrances, Hall};
use super::error::LiveError;
use super::syscall::{
    PROGRAM_KPROBE, PROGRAM_RAW_TRACEPOINT, PROGRAM_TRACEPOINT, ProgramImage, create_program_table,
    load_btf, load_program, verify_program,
};
use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya_obj::generated::bpf_insn;
use aya_obj::{Function, Object, ProgramSection};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Source register of a call to a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const KERNEL_FUNCTION: u8 = 2;
/// Numbers that stand for kernel functions in the object (`memtrace-ebpf/src/probes/heap.rs`).
const KERNEL_FUNCTIONS: [(i32, &str); 2] =
    [(0x7f00_0001, "bpf_session_is_return"), (0x7f00_0002, "bpf_session_cookie")];

/// Name of the table of programs in the object.
const NO_PROGRAMS: &str = "NO_PROGRAMS";
/// A relocated object, ready to load single programs from.
pub(super) struct Relocated {
    object: Object,
    btf: Option<OwnedFd>,
    entrances: Entrances,
    abilities: Abilities,
    /// The kernel's numbers of [`KERNEL_FUNCTIONS`], where it has them.
    kernel_functions: [Option<u32>; KERNEL_FUNCTIONS.len()],
    /// Descriptor of the map that programs name for a tail call which never happens.
    no_programs: i32,
}

fn failed(error: impl std::fmt::Display) -> LiveError {
    LiveError::Object(error.to_string())
}

/// What all kinds of maps that we use have in common.
pub(super) const fn map_data(map: &Map) -> Option<&MapData> {
    Some(match map {
        Map::Array(data)
        | Map::ArrayOfMaps(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::ProgramArray(data)
        | Map::RingBuf(data) => data,
        _ => return None,
    })
}

impl Relocated {
    /// Parses `bytes` again and points its map references to the maps of `loaded`.
    pub(super) fn new(
        bytes: &[u8],
        loaded: &Ebpf,
        abilities: Abilities,
        types: &KernelTypes,
    ) -> Result<Self, LiveError> {
        let mut object = Object::parse(bytes).map_err(failed)?;
        let maps = std::mem::take(&mut object.maps);
        let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let places = maps.iter().filter_map(|(name, map)| {
            let data = loaded.map(name).and_then(map_data)?;
            Some((name.as_str(), data.fd().as_fd().as_raw_fd(), map))
        });
        object.relocate_maps(places, &text).map_err(failed)?;
        object.relocate_calls(&text).map_err(failed)?;
        object.sanitize_functions(aya::features());
        let btf = load_object_btf(&mut object)?;
        let no_programs = loaded.map(NO_PROGRAMS).and_then(map_data);
        let no_programs = no_programs
            .ok_or_else(|| failed(format!("no map {NO_PROGRAMS}")))?
            .fd()
            .as_fd()
            .as_raw_fd();
        let kernel_functions = KERNEL_FUNCTIONS.map(|(_, name)| types.function(name));
        let entrances = Entrances::of(loaded)?;
        Ok(Self { object, btf, entrances, abilities, kernel_functions, no_programs })
    }

    /// What the kernel can do for the programs.
    pub(super) const fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Loads the program called `name` for links of `attach_type` (0: perf events).
    pub(super) fn load(&self, name: &str, attach_type: u32) -> Result<OwnedFd, LiveError> {
        self.with_image(name, attach_type, load_program)?.map_err(|(source, log)| LiveError::Load {
            name: name.into(),
            source,
            log,
        })
    }

    /// Loads the way into the program called `name`, for perf events on the site with this cookie.
    pub(super) fn load_entrance(
        &self,
        name: &str,
        hall: &Hall,
        cookie: u64,
    ) -> Result<OwnedFd, LiveError> {
        self.entrances.load(name, &self.program(name)?.license, hall, cookie)
    }

    fn program(&self, name: &str) -> Result<&aya_obj::Program, LiveError> {
        self.object.programs.get(name).ok_or_else(|| failed(format!("no program {name}")))
    }

    /// What the verifier says of the program called `name`; see [`verify_program`].
    pub(super) fn verify(
        &self,
        name: &str,
        attach_type: u32,
    ) -> Result<(io::Result<OwnedFd>, String), LiveError> {
        self.with_image(name, attach_type, verify_program)
    }

    /// Names and types (`enum bpf_prog_type`) of all programs.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, u32)> {
        self.object.programs.iter().map(|(name, program)| (name.as_str(), program_type(program)))
    }

    fn with_image<T>(
        &self,
        name: &str,
        attach_type: u32,
        work: impl FnOnce(&ProgramImage<'_>) -> T,
    ) -> Result<T, LiveError> {
        let program = self.program(name)?;
        let function = self
            .object
            .functions
            .get(&program.function_key())
            .ok_or_else(|| failed(format!("program {name} has no code")))?;
        let mut instructions = self.with_kernel_functions(function)?;
        if !self.abilities.fetch_atomics {
            blank_fetch_atomics(&mut instructions);
        }
        let _table = self.give_own_table(&mut instructions).map_err(failed)?;
        let (functions, lines) =
            (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
        Ok(work(&ProgramImage {
            name,
            program_type: program_type(program),
            license: &program.license,
            attach_type,
            instructions: &instructions,
            btf: self.btf.as_ref().map(AsFd::as_fd),
            function_info: (&functions, function.func_info_rec_size),
            line_info: (&lines, function.line_info_rec_size),
        }))
    }
}

impl Relocated {
    /// The program's instructions with the kernel's ids in place of our numbers.
    fn with_kernel_functions(&self, function: &Function) -> Result<Vec<bpf_insn>, LiveError> {
        let mut instructions = function.instructions.clone();
        let calls = |call: &&mut bpf_insn| call.code == CALL && call.src_reg() == 0;
        for instruction in instructions.iter_mut().filter(calls) {
            let functions = KERNEL_FUNCTIONS.iter().zip(self.kernel_functions);
            let called = functions.into_iter().find(|((number, _), _)| *number == instruction.imm);
            let Some(((_, name), id)) = called else { continue };
            let id = id.ok_or_else(|| LiveError::Btf(format!("no function {name}")))?;
            instruction.set_src_reg(KERNEL_FUNCTION);
            instruction.imm = i32::try_from(id).map_err(failed)?;
            instruction.off = 0;
        }
        Ok(instructions)
    }

    /// Points a program's tail call (`memtrace-ebpf/src/own_stack.rs`) to a table of its own: a table
    /// belongs to programs of one type and attach type, those of the first that names it. The program
    /// keeps the table; the descriptor may be closed once it is loaded.
    fn give_own_table(&self, instructions: &mut [bpf_insn]) -> io::Result<Option<OwnedFd>> {
        let names_table = |instruction: &&mut bpf_insn| {
            instruction.code == LOAD_WIDE
                && instruction.src_reg() == MAP_DESCRIPTOR
                && instruction.imm == self.no_programs
        };
        let mut places = instructions.iter_mut().filter(names_table).peekable();
        if places.peek().is_none() {
            return Ok(None);
        }
        let table = create_program_table()?;
        places.for_each(|place| place.imm = table.as_raw_fd());
        Ok(Some(table))
    }
}

/// As the kernel numbers it. Of the types in our object, all others are for uprobes.
const fn program_type(program: &aya_obj::Program) -> u32 {
    match program.section {
        ProgramSection::TracePoint => PROGRAM_TRACEPOINT,
        ProgramSection::RawTracePoint => PROGRAM_RAW_TRACEPOINT,
        _ => PROGRAM_KPROBE,
    }
}

fn load_object_btf(object: &mut Object) -> Result<Option<OwnedFd>, LiveError> {
    let Some(features) = aya::features().btf() else { return Ok(None) };
    let Some(btf) = object.fixup_and_sanitize_btf(features).map_err(failed)? else {
        return Ok(None);
    };
    load_btf(&btf.to_bytes()).map(Some).map_err(failed)
}

/// Before Linux 5.12 the verifier refuses atomic operations that give a value even where they are
/// never reached (switched off by `HAS_FETCH_ATOMICS`). Puts a harmless instruction in their place.
fn blank_fetch_atomics(instructions: &mut [bpf_insn]) {
    for instruction in instructions {
        if instruction.code == ATOMIC && instruction.imm != 0 {
            instruction.code = MOVE_CONSTANT;
            instruction.set_dst_reg(instruction.src_reg());
            instruction.set_src_reg(0);
            instruction.off = 0;
            instruction.imm = 0;
        }
    }
}
