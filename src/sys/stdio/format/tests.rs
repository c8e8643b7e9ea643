use std::ffi::CString;
use std::vec::Vec;

use super::*;

#[test]
fn a_format_has_just_the_conversions_of_its_arguments() {
    for (format, conversions, fits) in [
        ("\0", "", true),
        ("text\0", "", true),
        ("%%\0", "", true),
        ("%d\0", "d", true),
        ("%s\0", "s", true),
        ("%s %d%d.\0", "sdd", true),
        ("100%% of %d\0", "d", true),
        ("%0d%00d\0", "dd", true),
        ("%01d %010d %0999d\0", "ddd", true),
        ("%01000d\0", "d", false),
        ("%5d\0", "d", false),
        ("%15d\0", "d", false),
        ("%05s\0", "s", false),
        ("%05%\0", "", false),
        ("%d\0", "s", false),
        ("%s\0", "d", false),
        ("%d\0", "", false),
        ("%d\0", "dd", false),
        ("%d%d\0", "d", false),
        ("\0", "d", false),
        ("%x\0", "d", false),
        ("%-3d\0", "d", false),
        ("%ld\0", "d", false),
        ("%.3s\0", "s", false),
        ("%n\0", "d", false),
        ("%\0", "", false),
        ("%\0", "d", false),
        ("%03\0", "d", false),
        ("a\0b\0", "", false),
        ("%d\0 %d\0", "d", false),
        ("%\0d\0", "d", false),
        ("text", "", false),
        ("%d", "d", false),
        ("", "", false),
    ] {
        assert_eq!(is_format_of(format.as_bytes(), conversions.as_bytes()), fits, "{format:?} of {conversions:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "it has no snprintf")]
fn a_format_has_room_for_its_arguments() {
    fn printed<A: Arguments>(format: &str, arguments: A) -> Vec<u8> {
        let format = CString::new(format).unwrap();
        assert!(is_format_of(format.as_bytes_with_nul(), A::CONVERSIONS), "{format:?}");
        let mut buffer = [b'x'; 8];
        // SAFETY: the format has just these conversions.
        let length = unsafe { arguments.snprintf(&mut buffer, format.as_ptr()) };
        let end = usize::try_from(length).unwrap().min(buffer.len() - 1);
        assert!(buffer[end] == 0 && buffer[end + 1..].iter().all(|byte| *byte == b'x'), "{buffer:?}");
        buffer[..end].to_vec()
    }
    assert_eq!(printed("%%", ()), b"%");
    assert_eq!(printed("%d", (1,)), b"1");
    assert_eq!(printed("%d%s", (1, c"two")), b"1two");
    assert_eq!(printed("%s%03d%d", (c"a", 2, 3)), b"a0023");
    assert_eq!(printed("%s", (c"seven..eight",)), b"seven..");
}
