//! Normalizes addresses: keeps the mappings, and names an address by its mapping and its offset.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::line::{Name, Normal};
use super::number::{leading_number, plain_arguments};
use super::position::Position;
use crate::trace::Call;

/// The range of the random addresses of a 64-bit process, for any executable. Addresses have 47 bits on x86-64 and 48
/// on aarch64.
const RANDOM: std::ops::Range<u64> = 0x1000_0000_0000..0x1_0000_0000_0000;
/// The lowest address. A smaller hexadecimal argument is a flag or a size.
const LOWEST_ADDRESS: u64 = 0x1_0000;
/// The greatest distance from the beginning of the program's image to the heap: the image itself, and a random gap of
/// up to 1 GiB.
const HEAP_GAP: u64 = 1 << 31;

/// The mappings that the traced calls made, by start.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    mappings: BTreeMap<u64, Mapping>,
    /// The result of the first brk.
    heap: Option<u64>,
    /// The end that the last brk returned.
    heap_end: u64,
    /// The argument of set_tid_address, which is an address in the main thread's block.
    thread: Option<u64>,
    /// The number of mappings so far.
    count: u64,
}

/// A mapping. Its number is no address, so that a later mapping at the same place is another mapping.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    length: u64,
    number: u64,
}

/// The heap's number among the mappings.
const HEAP: u64 = 0;

impl Memory {
    /// Notes the mappings to which a call's own line already refers.
    pub(super) fn before(&mut self, call: &Call<'_>) {
        match leading_number(call.result) {
            Some((end, true)) if call.name == b"brk" => {
                self.heap.get_or_insert(end);
                self.heap_end = end;
            }
            _ if call.name == b"set_tid_address" => self.thread = number_at(call, 0),
            _ => {}
        }
        let place_of_length = match call.name {
            b"mmap" => 1,
            b"mremap" => 2,
            _ => return,
        };
        let start = leading_number(call.result);
        let length = number_at(call, place_of_length);
        if let (Some((start, true)), Some(length)) = (start, length) {
            if call.name == b"mremap" && number_at(call, 0) == Some(start) {
                // A mapping that grows in its place stays the same mapping.
                let old = self.mapping_of(start);
                self.unmap(call);
                self.mappings.extend(old.map(|(_, old)| (start, Mapping { length, ..old })));
            }
            // If a part of a mapping is mapped anew, it stays a part of that mapping.
            if self.mapping_of(start).is_none() {
                self.count += 1;
                self.mappings.insert(start, Mapping { length, number: self.count });
            }
        }
    }

    /// Forgets the mappings that a call removed.
    pub(super) fn after(&mut self, call: &Call<'_>) {
        let goes = match call.name {
            b"munmap" => call.result.starts_with(b"0"),
            b"mremap" => leading_number(call.result)
                .is_some_and(|(start, is_address)| is_address && number_at(call, 0) != Some(start)),
            _ => false,
        };
        if goes {
            self.unmap(call);
        }
    }

    fn unmap(&mut self, call: &Call<'_>) {
        let (Some(start), Some(length)) = (number_at(call, 0), number_at(call, 1)) else {
            return;
        };
        let end = start.saturating_add(length);
        let reaches =
            |(from, mapping): (&u64, &Mapping)| (from.saturating_add(mapping.length) > start).then_some(*from);
        let touched: Vec<u64> = self.mappings.range(..end).filter_map(reaches).collect();
        for from in touched {
            let Some(mapping) = self.mappings.remove(&from) else {
                continue;
            };
            // The remaining parts before and after the hole keep the mapping's number.
            let until = from.saturating_add(mapping.length);
            if from < start {
                self.mappings.insert(from, Mapping { length: start - from, ..mapping });
            }
            if until > end {
                self.mappings.insert(end, Mapping { length: until - end, ..mapping });
            }
        }
    }

    fn mapping_of(&self, address: u64) -> Option<(u64, Mapping)> {
        let (start, mapping) = self.mappings.range(..=address).next_back()?;
        (address - start < mapping.length).then_some((*start, *mapping))
    }

    /// Returns the address in the main thread's block, if the block lies in this mapping.
    fn thread_in(&self, mapping: Mapping) -> Option<u64> {
        self.thread.filter(|thread| self.mapping_of(*thread).is_some_and(|(_, own)| own.number == mapping.number))
    }

    fn in_heap(&self, address: u64) -> bool {
        self.heap.is_some_and(|start| (start..=self.heap_end).contains(&address))
    }

    /// Writes a name for a hexadecimal number that is an address.
    pub(super) fn rewrite(&self, at: &Position<'_>, value: u64, normal: &mut Normal) -> bool {
        if at.explained || is_known_number(at) {
            return false;
        }
        let is_break = at.call == b"brk" && at.depth == 0;
        if let Some(heap) = self.heap.filter(|heap| self.in_heap(value) || (is_break && value >= *heap)) {
            put(b"heap", heap, HEAP, value, normal);
            return true;
        }
        if let Some((start, mapping)) = self.mapping_of(value) {
            match self.thread_in(mapping).filter(|_| is_in_thread_block(at)) {
                Some(thread) => put(b"thread", thread, mapping.number, value, normal),
                None => put(b"mapping", start, mapping.number, value, normal),
            }
            return true;
        }
        let is_bare = at.depth == 0 && value >= LOWEST_ADDRESS && !at.is_result();
        let is_address = RANDOM.contains(&value) || is_bare || is_address_field(at.field);
        if is_address {
            normal.put(b"<pointer>");
        }
        is_address
    }

    /// Writes a name for a decimal number that is an address or the size of a segment.
    pub(super) fn rewrite_decimal(&self, at: &Position<'_>, value: u64, normal: &mut Normal) -> bool {
        if at.features.protects_image && at.is_argument(1) {
            normal.put(b"<size>");
            return true;
        }
        // The return of a handler shows the result of the interrupted call, which may be brk or mmap.
        if at.call == b"rt_sigreturn" && at.is_result() && RANDOM.contains(&value) {
            normal.put(b"<pointer>");
            return true;
        }
        // A program may keep a pointer in the data of epoll, which strace shows as two numbers.
        if at.call.starts_with(b"epoll") {
            if at.field == b"u64" && RANDOM.contains(&value) {
                return self.rewrite(at, value, normal);
            }
            if at.field == b"u32" && value >= LOWEST_ADDRESS {
                normal.put(b"<pointer>");
                return true;
            }
        }
        false
    }

    /// Whether a call is an mprotect of the program's own image.
    pub(super) fn protects_image(&self, call: &Call<'_>) -> bool {
        call.name == b"mprotect" && number_at(call, 0).is_some_and(|start| self.in_image(start))
    }

    /// Whether an address lies in the program's own image, which the kernel mapped.
    fn in_image(&self, address: u64) -> bool {
        let behind = self.heap.is_some_and(|heap| address < heap && heap - address < HEAP_GAP);
        behind && self.mapping_of(address).is_none()
    }
}

fn put(what: &[u8], start: u64, number: u64, value: u64, normal: &mut Normal) {
    normal.names.push(Name::Mapping(number));
    normal.put(b"<");
    normal.put(what);
    match value.cmp(&start) {
        Ordering::Less => normal.put(format!("-{:#x}", start - value).as_bytes()),
        Ordering::Equal => {}
        Ordering::Greater => normal.put(format!("+{:#x}", value - start).as_bytes()),
    }
    normal.put(b">");
}

/// Whether a hexadecimal number is no address, but an offset in a file, a signature or a request.
fn is_known_number(at: &Position<'_>) -> bool {
    matches!((at.call, at.argument), (b"mmap", Some(5)) | (b"rseq", Some(3)) | (b"ioctl", Some(1)) | (b"fcntl", None))
}

/// Whether the position is that of an address in a thread's own block, which the C library keeps.
fn is_in_thread_block(at: &Position<'_>) -> bool {
    matches!((at.call, at.argument), (b"set_tid_address" | b"set_robust_list" | b"rseq", Some(0)))
        || at.field == b"child_tidptr"
}

fn is_address_field(field: &[u8]) -> bool {
    matches!(
        field,
        b"sa_handler"
            | b"sa_sigaction"
            | b"sa_restorer"
            | b"ss_sp"
            | b"iov_base"
            | b"child_stack"
            | b"stack"
            | b"tls"
            | b"si_addr"
            | b"si_ptr"
            | b"sival_ptr"
            | b"child_tidptr"
            | b"parent_tidptr"
    )
}

fn number_at(call: &Call<'_>, index: usize) -> Option<u64> {
    plain_arguments(call.arguments).get(index).copied().flatten().map(|(value, _)| value)
}
