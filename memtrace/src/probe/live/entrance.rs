//! Ways into a program on kernels whose links carry no cookie (before Linux 5.15).
//!
//! There each site gets a program of its own that notes the site's cookie for the CPU (`SITE_COOKIE`) and jumps
//! into the one that all share. So the verifier looks at that one once, which takes tens of milliseconds, and not
//! once for each site.

use super::assembly::{
    ADD_CONSTANT, CALL, EXIT, FRAME, JUMP_IF_EQUAL, MAP_DESCRIPTOR, MAP_LOOKUP, MOVE,
    MOVE_CONSTANT, STORE, STORE_CONSTANT, TAIL_CALL, instruction, load_wide,
};
use super::error::LiveError;
use super::object::map_data;
use super::syscall::{
    PROGRAM_KPROBE, ProgramImage, create_program_table, load_program, put_program,
};
use aya::Ebpf;
use aya_obj::generated::bpf_insn;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

/// The map in the object.
const MAP: &str = "SITE_COOKIE";
/// Makes ways in.
pub(super) struct Entrances {
    cookie: OwnedFd,
}

/// A program that may be jumped into.
pub(super) struct Hall {
    /// The kernel empties a table of programs when nobody has it open any more
    /// (`prog_array_map_clear` in `kernel/bpf/arraymap.c`), and the jump then leads nowhere.
    table: OwnedFd,
}

fn failed(error: impl std::fmt::Display) -> LiveError {
    LiveError::Map { name: MAP, reason: error.to_string() }
}

impl Hall {
    /// Of a loaded program.
    ///
    /// # Errors
    /// When the kernel has no room for a table.
    pub(super) fn of(program: BorrowedFd<'_>) -> Result<Self, LiveError> {
        let table = create_program_table().map_err(failed)?;
        put_program(table.as_fd(), program).map_err(failed)?;
        Ok(Self { table })
    }

    /// What keeps it there.
    pub(super) fn table(&self) -> io::Result<OwnedFd> {
        self.table.try_clone()
    }
}

impl Entrances {
    /// For the maps of `loaded`.
    pub(super) fn of(loaded: &Ebpf) -> Result<Self, LiveError> {
        let data = loaded.map(MAP).and_then(map_data);
        let data = data.ok_or_else(|| failed("not in the object, or of another type"))?;
        Ok(Self { cookie: data.fd().as_fd().try_clone_to_owned().map_err(failed)? })
    }

    /// Loads the way into `hall` for the site with this cookie. It goes by the `name` of the program there.
    ///
    /// # Errors
    /// What the verifier says.
    pub(super) fn load(
        &self,
        name: &str,
        license: &CStr,
        hall: &Hall,
        cookie: u64,
    ) -> Result<OwnedFd, LiveError> {
        let instructions = way_in(self.cookie.as_raw_fd(), hall.table.as_raw_fd(), cookie);
        let image = ProgramImage {
            name,
            program_type: PROGRAM_KPROBE,
            license,
            attach_type: 0,
            instructions: &instructions,
            btf: None,
            function_info: (&[], 0),
            line_info: (&[], 0),
        };
        load_program(&image).map_err(|(source, log)| LiveError::Load {
            name: name.into(),
            source,
            log,
        })
    }
}

/// `*lookup(cookie_map, 0) = cookie; tail_call(context, table, 0); return 0`.
fn way_in(cookie_map: RawFd, table: RawFd, cookie: u64) -> Vec<bpf_insn> {
    const CONTEXT: u8 = 6;
    let map = |to, descriptor: RawFd| {
        load_wide(to, MAP_DESCRIPTOR, u64::from(descriptor.cast_unsigned()))
    };
    let look_up = [
        instruction(MOVE, CONTEXT, 1, 0, 0),
        instruction(STORE_CONSTANT, FRAME, 0, -8, 0),
        instruction(MOVE, 2, FRAME, 0, 0),
        instruction(ADD_CONSTANT, 2, 0, 0, -8),
    ];
    let call = |helper| instruction(CALL, 0, 0, 0, helper);
    let note = [load_wide(1, 0, cookie).as_slice(), &[instruction(STORE, 0, 1, 0, 0)]].concat();
    let mut go_on = vec![instruction(MOVE, 1, CONTEXT, 0, 0)];
    go_on.extend(map(2, table));
    go_on.extend([instruction(MOVE_CONSTANT, 3, 0, 0, 0), call(TAIL_CALL)]);
    let beyond = i16::try_from(note.len() + go_on.len()).unwrap_or(i16::MAX);
    let unless_found = [call(MAP_LOOKUP), instruction(JUMP_IF_EQUAL, 0, 0, beyond, 0)];
    let end = [instruction(MOVE_CONSTANT, 0, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)];
    [look_up.as_slice(), &map(1, cookie_map), &unless_found, &note, &go_on, &end].concat()
}
