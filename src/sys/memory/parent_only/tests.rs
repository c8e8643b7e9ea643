use core::sync::atomic::{AtomicU32, Ordering};

use std::fs::read_to_string;
use std::string::String;

use super::*;
use crate::sys::fd::read_all;
use crate::sys::fs::{OpenFlags, open};
use crate::sys::memory::page_size;
use crate::sys::process::{_exit, Fork, fork_unchecked};

#[test]
fn a_value_is_dropped_once_with_its_box() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Value {
        number: u32,
    }
    impl Drop for Value {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.number, Ordering::Relaxed);
        }
    }
    // SAFETY: no process is forked here.
    let mut boxed = unsafe { ParentOnlyBox::new(Value { number: 1 }) }.unwrap();
    boxed.number += 6;
    assert_eq!((boxed.number, DROPPED.load(Ordering::Relaxed)), (7, 0));
    drop(boxed);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 7);
}

/// Returns the flags of the mapping that has an address, as `/proc` shows them.
fn flags_of(address: usize) -> String {
    let maps = read_to_string("/proc/self/smaps").unwrap();
    let has_address = |line: &&str| {
        let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
        let bounds = bounds.map(|(start, end)| [start, end].map(|bound| usize::from_str_radix(bound, 16)));
        matches!(bounds, Some([Ok(start), Ok(end)]) if (start..end).contains(&address))
    };
    let of_mapping = maps.lines().skip_while(|line| !has_address(line));
    of_mapping.filter_map(|line| line.strip_prefix("VmFlags:")).next().expect("the mapping is there").into()
}

#[test]
#[cfg_attr(miri, ignore = "it has no processes")]
fn a_child_gets_no_copy() {
    // SAFETY: no process is forked here.
    let boxed = unsafe { ParentOnlyBox::new(7) }.unwrap();
    // SAFETY: the reason above holds here as well.
    let list: ParentOnly<u8> = unsafe { ParentOnly::with_capacity(3) }.unwrap();
    for address in [boxed.0.as_ptr().addr(), list.as_ptr().addr()] {
        let flags = flags_of(address);
        assert!(flags.split_whitespace().any(|flag| flag == "dc"), "{flags}");
    }
}

const SIZE: usize = 1 << 17;
const BOXES: usize = 2000;

/// Returns the size of the memory of this process. Allocates nothing.
fn mapped() -> usize {
    let mut text = [0; 64];
    let text = open(c"/proc/self/statm", OpenFlags::RDONLY, 0).and_then(|file| read_all(&file, &mut text)).unwrap();
    let pages = text.split(|byte| *byte == b' ').next().and_then(|pages| core::str::from_utf8(pages).ok());
    pages.and_then(|pages| pages.parse::<usize>().ok()).unwrap() * page_size()
}

/// Returns the growth of this process by boxes that are dropped.
fn growth() -> usize {
    let before = mapped();
    for _ in 0..BOXES {
        // SAFETY: the values are numbers, and no process is forked here.
        drop(unsafe { ParentOnlyBox::new([0_u8; SIZE]) });
    }
    mapped().saturating_sub(before)
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no fork()")]
fn the_memory_of_a_box_is_given_back() {
    // Other tests of this process map memory as well, so the test has a process of its own.
    // SAFETY: the child makes system calls, and ends by _exit().
    let child = unsafe { fork_unchecked() }.unwrap();
    let Fork::Parent(mut child) = child else { _exit(i32::from(growth() > BOXES * SIZE / 2)) };
    assert_eq!(child.wait().unwrap().exit_status(), Some(0), "boxes that were dropped still have their memory");
}
