use core::mem::offset_of;

use super::*;

/// Converts an address to C's form, as the kernel returns it, and back.
fn returned(address: &impl AsSockAddr) -> SockAddr {
    // SAFETY: the pointer is to an address of that length.
    address.with_c(|address, length| unsafe { sockaddr_from_c(address, length as usize) })
}

#[test]
fn a_path_has_its_nul_wherever_it_ends() {
    for length in [1, 50, UNIX_PATH_MAX - 1] {
        let mut bytes = [b'x'; UNIX_PATH_MAX];
        bytes[length] = 0;
        let path = CStr::from_bytes_until_nul(&bytes).unwrap();
        let SockAddr::Unix(unix) = returned(&UnixAddr::new(path).unwrap()) else { panic!("a Unix address") };
        assert_eq!((unix.path_c(), unix.path()), (Some(path), Some(path.to_bytes())));
    }
}

#[test]
fn a_path_that_fills_the_address_has_no_nul() {
    let whole = sockaddr_un { sun_family: c::AF_UNIX as c::sa_family_t, sun_path: [b'x' as c_char; UNIX_PATH_MAX] };
    // SAFETY: the address has as many bytes.
    let address = unsafe { sockaddr_from_c((&raw const whole).cast(), size_of_val(&whole)) };
    let SockAddr::Unix(unix) = address else { panic!("a Unix address") };
    assert_eq!((unix.path_c(), unix.path().map(<[u8]>::len)), (None, Some(UNIX_PATH_MAX)));
}

#[test]
fn a_name_that_is_no_path_has_no_path() {
    for name in [&b""[..], b"name", &[0; 5]] {
        let SockAddr::Unix(unix) = returned(&UnixAddr::from_abstract(name).unwrap()) else { panic!("a Unix address") };
        assert_eq!((unix.path(), unix.path_c()), (None, None));
    }
}

#[test]
fn no_byte_is_read_that_was_not_filled_in() {
    let mut address = MaybeUninit::<sockaddr_storage>::uninit();
    let family = c::AF_UNIX as c::sa_family_t;
    // SAFETY: the place is within the storage, and aligned.
    unsafe { address.as_mut_ptr().cast::<c::sa_family_t>().write(family) };
    for length in [0, 1, offset_of!(sockaddr_un, sun_path)] {
        // SAFETY: as many bytes were written. If they are fewer than a family has, no byte is read.
        let found = unsafe { sockaddr_from_c(address.as_ptr().cast(), length) };
        assert!(matches!(found, SockAddr::Other(_)) || length == 2, "{length}: {found:?}");
    }
}

#[test]
fn addresses_of_the_internet_come_back() {
    let v4 = SocketAddrV4::new(Ipv4Addr::new(1, 2, 3, 4), 5);
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 6, 7, 8);
    for address in [SocketAddr::V4(v4), SocketAddr::V6(v6)] {
        assert!(matches!(returned(&address), SockAddr::Inet(found) if found == address), "{address}");
    }
}
