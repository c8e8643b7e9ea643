use super::*;

/// Checks by which calls a handler may get descriptors of its own.
#[test]
fn a_call_that_receives_a_message_or_is_on_no_socket_may_make_a_descriptor() {
    for call in SOCKET_CALLS {
        let receives = matches!(call, c::SYS_recvmsg | c::SYS_recvmmsg);
        assert_eq!(can_get_descriptors(&[call]), receives, "{call}");
        assert_eq!(can_get_descriptors(&[c::SYS_sendto, call]), receives, "{call}");
    }
    assert!(!can_get_descriptors(&[]));
    for call in [c::SYS_read, c::SYS_openat, c::SYS_dup, c::SYS_accept4, c::SYS_socket] {
        assert!(can_get_descriptors(&[c::SYS_recvfrom, call]), "{call}");
    }
}

/// Checks how many calls a handler may name, and that each must be the number of a call.
#[test]
fn the_calls_of_a_handler_are_as_many_as_the_filter_has_room_for() {
    let most = CALLS_MAX - BASE.len() - POOL.len() - OF_POOL - OF_NOTE;
    let calls = std::vec![c::SYS_getpid; most + 1];
    assert!(can_allow(&[]) && can_allow(&calls[..most]));
    assert!(!can_allow(&calls));
    for call in [-1, c_long::MIN] {
        assert!(!can_allow(&[c::SYS_getpid, call]), "{call}");
    }
    assert!(can_allow(&[c_long::from(i32::MAX)]));
}

/// Checks by which calls a handler could put other memory in place of its slot, so that the slot is its own from the
/// start.
#[test]
fn a_call_that_makes_memory_writable_or_moves_it_changes_memory() {
    for (call, can) in [
        (c::SYS_mprotect, true),
        (c::SYS_pkey_mprotect, true),
        (c::SYS_mremap, true),
        (c::SYS_userfaultfd, true),
        (c::SYS_mmap, false),
        (c::SYS_munmap, false),
        (c::SYS_remap_file_pages, false),
    ] {
        assert_eq!(can_change_memory(&[c::SYS_recvfrom, call]), can, "{call}");
    }
}
