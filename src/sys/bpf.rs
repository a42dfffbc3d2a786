//! Maps and programs of the kernel's virtual machine by `bpf(2)`, and the few instructions that a
//! program of ours is written in. Knows nothing of what a program is for.

#![allow(unsafe_code)] // bpf, mmap and munmap are foreign functions.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use libc::c_int;

use super::syscall::{check, set_option};

// Numbers of `linux/bpf.h`, which the C library does not know.
const MAP_CREATE: c_int = 0;
const MAP_UPDATE_ELEM: c_int = 2;
const PROG_LOAD: c_int = 5;
const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_REUSEPORT_SOCKARRAY: u32 = 20;
const MAP_MMAPABLE: u32 = 1 << 10;
const PROG_TYPE_SK_REUSEPORT: u32 = 21;
const SK_REUSEPORT_SELECT_OR_MIGRATE: u32 = 40;
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
const SO_ATTACH_REUSEPORT_EBPF: c_int = 52;
const SO_DETACH_REUSEPORT_BPF: c_int = 68;

/// The last parameter of `bpf(2)` for a new map.
#[repr(C)]
struct MapAttributes {
    map_type: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
}

/// For a map's element.
#[repr(C)]
struct ElementAttributes {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// For a program.
#[repr(C)]
struct ProgramAttributes {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// Makes one call of `bpf(2)`.
///
/// # Safety
/// `attributes` is what `command` takes, and every address in it may be read for as many bytes as
/// the command reads there.
unsafe fn bpf<A>(command: c_int, attributes: &A) -> io::Result<c_int> {
    // SAFETY: the kernel reads `attributes`, whose size it is told, and what it points to, by the
    // caller's promise.
    let result = check(unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<A>())
    })?;
    c_int::try_from(result).map_err(io::Error::other)
}

fn new_map(attributes: &MapAttributes) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are those of a map and hold no address.
    let fd = unsafe { bpf(MAP_CREATE, attributes) }?;
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Words of 32 bits that programs and threads share.
#[derive(Debug)]
pub(super) struct Words {
    fd: OwnedFd,
    address: NonNull<AtomicU32>,
    len: usize,
}

// SAFETY: the mapping is nobody else's and lives as long as this; its words are atomics.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// So many words, all zero.
    ///
    /// # Errors
    /// What `bpf(2)` and `mmap(2)` name: `PermissionDenied` without `CAP_BPF` where the kernel
    /// keeps it from others, `InvalidInput` before Linux 5.5.
    pub(super) fn new(len: usize) -> io::Result<Words> {
        let bytes = len * size_of::<u32>();
        let fd = new_map(&MapAttributes {
            map_type: MAP_TYPE_ARRAY,
            key_bytes: 4,
            value_bytes: u32::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?,
            entries: 1,
            flags: MAP_MMAPABLE,
        })?;
        let nowhere = std::ptr::null_mut();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: asks for a new mapping anywhere.
        let address = unsafe { libc::mmap(nowhere, bytes, protection, flags, fd.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Words { fd, address, len })
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub(super) fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.len, "word {index} of {}", self.len);
        // SAFETY: within the mapping of `len` words, which is aligned to a page, zeroed by the
        // kernel, and there as long as `self`; whoever shares it writes whole words.
        unsafe { self.address.add(index).as_ref() }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<u32>();
        // SAFETY: unmaps what `new` mapped; no reference into it outlives `self`. A failure would
        // leave it mapped.
        let _kept = check(unsafe { libc::munmap(self.address.as_ptr().cast(), bytes) });
    }
}

/// Listening sockets by number, to be chosen from by a program.
#[derive(Debug)]
pub(super) struct SocketArray(OwnedFd);

impl SocketArray {
    /// Room for so many.
    ///
    /// # Errors
    /// As [`Words::new`].
    pub(super) fn new(entries: u32) -> io::Result<SocketArray> {
        let map_type = MAP_TYPE_REUSEPORT_SOCKARRAY;
        let attributes =
            MapAttributes { map_type, key_bytes: 4, value_bytes: 8, entries, flags: 0 };
        new_map(&attributes).map(SocketArray)
    }

    /// Puts a listener of a `SO_REUSEPORT` group there. It leaves when it is closed.
    ///
    /// # Errors
    /// What `bpf(2)` names: `InvalidInput` if it is alone at its address.
    pub(super) fn set(&self, index: u32, listener: BorrowedFd<'_>) -> io::Result<()> {
        let value = u64::from(listener.as_raw_fd().cast_unsigned());
        let attributes = ElementAttributes {
            map: self.0.as_raw_fd().cast_unsigned(),
            padding: 0,
            key: (&raw const index).addr() as u64,
            value: (&raw const value).addr() as u64,
            flags: 0,
        };
        // SAFETY: the key has the four bytes and the value the eight that the map was made with.
        unsafe { bpf(MAP_UPDATE_ELEM, &attributes) }.map(|_| ())
    }
}

/// A program that chooses among the listeners of one address, checked by the kernel.
#[derive(Debug)]
pub(super) struct Program(OwnedFd);

impl Program {
    /// Has the kernel check `code`. It may also find a new listener for connections that wait at
    /// one that is closed.
    ///
    /// # Errors
    /// What `bpf(2)` names: `PermissionDenied` without `CAP_BPF`, `InvalidInput` before Linux 5.14.
    pub(super) fn load(code: &[Instruction]) -> io::Result<Program> {
        let license = c"MIT";
        let attributes = ProgramAttributes {
            kind: PROG_TYPE_SK_REUSEPORT,
            instructions: u32::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            code: code.as_ptr().addr() as u64,
            license: license.as_ptr().addr() as u64,
            log_level: 0,
            log_bytes: 0,
            log: 0,
            kernel_version: 0,
            flags: 0,
            name: *b"corelane\0\0\0\0\0\0\0\0",
            interface: 0,
            attach_type: SK_REUSEPORT_SELECT_OR_MIGRATE,
        };
        // SAFETY: the code has so many instructions and the license ends in a zero; both outlive
        // the call. No log is asked for.
        let fd = unsafe { bpf(PROG_LOAD, &attributes) }?;
        // SAFETY: the kernel has just made the descriptor for us.
        Ok(Program(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Lets it choose among all listeners that share the address of `listener`, now and later.
    ///
    /// # Errors
    /// What `setsockopt(2)` names.
    pub(super) fn attach(&self, listener: BorrowedFd<'_>) -> io::Result<()> {
        let (level, program) = (libc::SOL_SOCKET, self.0.as_raw_fd());
        set_option(listener, level, SO_ATTACH_REUSEPORT_EBPF, program)
    }

    /// Has no program choose any more among the listeners that share this one's address.
    ///
    /// # Errors
    /// What `setsockopt(2)` names: `NotFound` if none did.
    pub(super) fn detach(listener: BorrowedFd<'_>) -> io::Result<()> {
        set_option(listener, libc::SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)
    }
}

/// One instruction as the kernel reads it (`Documentation/bpf/standardization`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    opcode: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const _: () = assert!(size_of::<Instruction>() == 8);

/// A register. 0 takes results, 1 to 5 are arguments that a call destroys, 10 is the stack's end.
pub(super) type Register = u8;

/// What is computed; of 64 bits unless it says otherwise.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Operation {
    Add = 0x07,
    And = 0x57,
    Modulo = 0x97,
    Move = 0xb7,
    Or = 0x47,
    ShiftLeft = 0x67,
    ShiftRightSigned = 0xc7,
    Subtract = 0x17,
    /// Of 32 bits; the upper half of the result is zero.
    Subtract32 = 0x14,
}

/// Bit of an operation whose second operand is a register.
const WITH_REGISTER: u8 = 0x08;

impl Instruction {
    fn new(opcode: u8, to: Register, from: Register, offset: i16, immediate: i32) -> Instruction {
        Instruction { opcode, registers: to | (from << 4), offset, immediate }
    }

    /// `to = to operation from`.
    pub(super) fn with(operation: Operation, to: Register, from: Register) -> Instruction {
        Instruction::new(operation as u8 | WITH_REGISTER, to, from, 0, 0)
    }

    /// `to = to operation value`.
    pub(super) fn with_value(operation: Operation, to: Register, value: i32) -> Instruction {
        Instruction::new(operation as u8, to, 0, 0, value)
    }

    /// `to = *(u32 *)(from + offset)`.
    pub(super) fn load(to: Register, from: Register, offset: i16) -> Instruction {
        Instruction::new(0x61, to, from, offset, 0)
    }

    /// `*(u32 *)(to + offset) = from`.
    pub(super) fn store(to: Register, offset: i16, from: Register) -> Instruction {
        Instruction::new(0x63, to, from, offset, 0)
    }

    /// `*(u32 *)(to + offset) += from`, whoever else does so at the same time.
    pub(super) fn add_atomic(to: Register, offset: i16, from: Register) -> Instruction {
        Instruction::new(0xc3, to, from, offset, 0)
    }

    /// As [`Instruction::add_atomic`]; `from` is then what stood there.
    pub(super) fn fetch_add_atomic(to: Register, offset: i16, from: Register) -> Instruction {
        Instruction::new(0xc3, to, from, offset, 1)
    }

    /// Leaves out the next `skip` instructions if `left >= value`, both without sign.
    pub(super) fn skip_if_at_least(left: Register, value: i32, skip: i16) -> Instruction {
        Instruction::new(0x35, left, 0, skip, value)
    }

    /// Leaves out the next `skip` instructions if `left != value`.
    pub(super) fn skip_unless(left: Register, value: i32, skip: i16) -> Instruction {
        Instruction::new(0x55, left, 0, skip, value)
    }

    /// Calls a function of the kernel by its number.
    pub(super) fn call(function: i32) -> Instruction {
        Instruction::new(0x85, 0, 0, 0, function)
    }

    /// Ends the program; register 0 is its result.
    pub(super) fn exit() -> Instruction {
        Instruction::new(0x95, 0, 0, 0, 0)
    }

    /// `to = map`, to be handed to a function.
    pub(super) fn map(to: Register, map: &SocketArray) -> [Instruction; 2] {
        Instruction::wide(to, PSEUDO_MAP_FD, map.0.as_fd())
    }

    /// `to = &words[0]`.
    pub(super) fn words(to: Register, words: &Words) -> [Instruction; 2] {
        Instruction::wide(to, PSEUDO_MAP_VALUE, words.fd.as_fd())
    }

    fn wide(to: Register, kind: u8, map: BorrowedFd<'_>) -> [Instruction; 2] {
        let first = Instruction::new(0x18, to, kind, 0, map.as_raw_fd());
        [first, Instruction::new(0, 0, 0, 0, 0)]
    }
}
