use super::*;

#[test]
fn a_path_fits_with_its_nul_or_is_too_long() {
    let mut buffer = [b'x'; 8];
    assert_eq!(join(&mut buffer, &[b"/ab", b"", b"/cd"]), Ok(c"/ab/cd"));
    assert_eq!(buffer, *b"/ab/cd\0\0");
    assert_eq!(join(&mut buffer, &[b"/ab", b"/", b"cde"]), Ok(c"/ab/cde"));
    assert_eq!(join(&mut buffer, &[b"/ab", b"/", b"cdef"]), Err(Errno::NAMETOOLONG));
    assert_eq!(join(&mut buffer, &[b"/ab/cdefg", b"h"]), Err(Errno::NAMETOOLONG));
    assert_eq!(join(&mut buffer, &[b"/a", b"\0"]), Err(Errno::INVAL));
    assert_eq!(join(&mut buffer, &[]), Ok(c""));
    assert_eq!(join(&mut [], &[]), Err(Errno::NAMETOOLONG));
}
