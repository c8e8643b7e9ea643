use super::*;

/// Fills in only the first byte, as glibc fills in only the words that Linux uses.
unsafe extern "C" fn fill_first(set: *mut c::sigset_t) -> c_int {
    // SAFETY: the pointer is to room for a set.
    unsafe { set.cast::<u8>().write(1) };
    0
}

#[test]
fn a_set_has_no_byte_that_was_not_initialised() {
    let set = SigSet::filled_by(fill_first);
    // SAFETY: every byte of the set is initialised, which Miri checks.
    let bytes = unsafe { core::slice::from_raw_parts(set.as_ptr().cast::<u8>(), size_of::<SigSet>()) };
    assert_eq!(bytes.first(), Some(&1));
    assert!(bytes.iter().skip(1).all(|&byte| byte == 0));
}
