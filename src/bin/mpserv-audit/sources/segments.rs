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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Directory;

    /// Returns an ELF file with these segments: type, offset, address and length. All other fields are full of ones.
    fn elf(segments: &[[u64; 4]]) -> Vec<u8> {
        const TABLE: usize = 72;
        const SIZE: usize = 60;
        let mut bytes = vec![0xff; TABLE + SIZE * segments.len()];
        let mut put = |at: usize, number: u64, length: usize| {
            bytes[at..at + length].copy_from_slice(&number.to_le_bytes()[..length]);
        };
        put(0, u64::from(u32::from_le_bytes(*b"\x7fELF")), 4);
        put(32, TABLE as u64, 8);
        put(54, SIZE as u64, 2);
        put(56, segments.len() as u64, 2);
        for (index, [kind, offset, address, length]) in segments.iter().enumerate() {
            let header = TABLE + SIZE * index;
            put(header, *kind, 4);
            [(8, offset), (16, address), (32, length)].iter().for_each(|(at, number)| put(header + at, **number, 8));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Segments> {
        let directory = Directory::new().unwrap();
        let path = directory.path.join("program");
        fs::write(&path, bytes).unwrap();
        Segments::of(&path)
    }

    #[test]
    fn an_offset_in_a_segment_has_its_address() {
        const NOTE: u64 = 4;
        let whole = elf(&[[NOTE, 0, 0xdead_0000, 0x5000], [1, 0x10, 0x40_0010, 0x100], [1, 0x1000, 0x40_3000, 0x80]]);
        let segments = read(&whole).unwrap();
        for (offset, address) in [
            (0xf, None),
            (0x10, Some(0x40_0010)),
            (0x10f, Some(0x40_010f)),
            (0x110, None),
            (0xfff, None),
            (0x1000, Some(0x40_3000)),
            (0x107f, Some(0x40_307f)),
            (0x1080, None),
        ] {
            assert_eq!(segments.address(offset), address, "{offset:#x}");
        }
        assert_eq!(read(&elf(&[[1, 0, u64::MAX, 0x10]])).unwrap().address(1), None, "no address is so high");
        assert!(read(&[b"\x7fELG", &whole[4..]].concat()).is_none(), "it is no ELF file");
        assert!(read(&whole[..whole.len() - 21]).is_none(), "its last header has no length");
        assert!(Segments::of(Path::new("/nowhere")).is_none());
    }
}
