//! The parts of a program in memory.

use std::fs;
use std::path::Path;

/// The addresses of the parts of an ELF file in memory: strace gives offsets in the file, but addr2line needs
/// addresses.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Segment>);

#[derive(Debug)]
struct Segment {
    offset: u64,
    address: u64,
    length: u64,
}

/// The layout of a 64-bit ELF file: see elf(5).
mod elf {
    pub(super) const HEADERS_OFFSET: usize = 32;
    pub(super) const HEADER_SIZE: usize = 54;
    pub(super) const HEADER_COUNT: usize = 56;
    pub(super) const LOAD: u64 = 1;
    pub(super) const SEGMENT_OFFSET: usize = 8;
    pub(super) const SEGMENT_ADDRESS: usize = 16;
    pub(super) const SEGMENT_LENGTH: usize = 32;
}

impl Segments {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok().filter(|bytes| bytes.starts_with(b"\x7fELF"))?;
        let number = |at: usize, length: usize| -> Option<u64> {
            let field = bytes.get(at..at.checked_add(length)?)?;
            Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        };
        let table = usize::try_from(number(elf::HEADERS_OFFSET, 8)?).ok()?;
        let size = usize::try_from(number(elf::HEADER_SIZE, 2)?).ok()?;
        let headers =
            (0..usize::try_from(number(elf::HEADER_COUNT, 2)?).ok()?).map(|index| table.saturating_add(index * size));
        let loaded = headers.filter(|at| number(*at, 4) == Some(elf::LOAD));
        let segment = |at: usize| {
            Some(Segment {
                offset: number(at.checked_add(elf::SEGMENT_OFFSET)?, 8)?,
                address: number(at.checked_add(elf::SEGMENT_ADDRESS)?, 8)?,
                length: number(at.checked_add(elf::SEGMENT_LENGTH)?, 8)?,
            })
        };
        loaded.map(segment).collect::<Option<_>>().map(Segments)
    }

    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let inside = |segment: &&Segment| offset >= segment.offset && offset - segment.offset < segment.length;
        let segment = self.0.iter().find(inside)?;
        segment.address.checked_add(offset - segment.offset)
    }
}
