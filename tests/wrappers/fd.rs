//! Tests descriptors: read, write, close and copy.

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::FromRawFd;

use crate::common::TempDir;
use crate::common::solo::skip;
use crate::net::{pair, stream};
use mpserv::errno::{CReturn, Errno, Result};
use mpserv::fd::{
    AsFd, BorrowedFd, OwnedFd, PipeFlags, close, close_range_on_exec, dup, dup2, fcntl_dupfd_cloexec, keep_on_exec,
    pipe, pipe2, read, read_all, set_blocking, set_close_on_exec_each, set_nonblocking, write_all, write_back,
};
use mpserv::fs::{OpenFlags, open};
use mpserv::net::{AddressFamily, Protocol, SocketOption, SocketType, getsockopt, listen, socket};
use mpserv::poll::{PollEvents, PollFd, poll};
use mpserv::process::{Limit, Resource, fork, getpid, getrlimit, setrlimit};

pub(crate) fn read_all_reads_until_the_end_or_what_there_is_room_for() {
    let piped = |pieces: &[&[u8]]| {
        let (reader, writer) = pipe().unwrap();
        pieces.iter().for_each(|piece| write_all(&writer, piece).unwrap());
        reader
    };
    assert_eq!(read_all(piped(&[b"one", b"two"]), &mut [0; 9]).unwrap(), b"onetwo");
    assert_eq!(read_all(piped(&[b"one"]), &mut [0; 3]).unwrap(), b"one");
    assert_eq!(read_all(piped(&[b"one", b"two"]), &mut [0; 5]).unwrap(), b"onetw");
    assert_eq!(read_all(piped(&[b"one"]), &mut []).unwrap(), b"");
    assert_eq!(read_all(piped(&[]), &mut [0; 3]).unwrap(), b"");
    assert_eq!(read_all(BorrowedFd::NONE, &mut [0; 3]), Err(Errno::BADF));
}

pub(crate) fn a_failed_call_lends_a_descriptor_that_nothing_accepts() {
    let failed: Result<OwnedFd> = socket(AddressFamily::UNSPEC, SocketType::STREAM, Protocol::DEFAULT);
    assert_eq!(failed.as_ref().unwrap_err(), &Errno::AFNOSUPPORT);
    assert_eq!(failed.as_fd().raw(), -1);
    assert_eq!(listen(&failed, 1), Err(Errno::BADF));
    assert_eq!(read(BorrowedFd::NONE, &mut [0]), Err(Errno::BADF));
    assert_eq!((None::<OwnedFd>.as_fd().raw(), None::<BorrowedFd<'_>>.as_fd().raw()), (-1, -1));
    // A poll skips it.
    let (reader, writer) = pipe().unwrap();
    drop(writer);
    let mut fds = [BorrowedFd::NONE, reader.as_fd()].map(|fd| PollFd::new(fd, PollEvents::IN));
    assert_eq!(poll(&mut fds, None), Ok(1));
    assert_eq!(format!("{:?}", fds[0]), format!("PollFd {{ fd: -1, events: {}, revents: 0 }}", libc::POLLIN));
    let shown = format!("PollFd {{ fd: {}, events: {}, revents: {} }}", reader.raw(), libc::POLLIN, libc::POLLHUP);
    assert_eq!(format!("{:?}", fds[1]), shown);
    assert_eq!(fds.map(|fd| fd.revents()), [PollEvents::NONE, PollEvents::HUP]);
    assert_eq!(fork().map(|_| ()).and(Err::<usize, _>(Errno::PERM)).c_return(), -1);
}

pub(crate) fn write_back_of_a_failed_read_fails() {
    let (client, server) = pair();
    let buffer = *b"buffer";
    assert_eq!(write_back(&client, &buffer, Ok(3)), Ok(3));
    assert_eq!(write_back(&client, &buffer, Err(Errno::CONNRESET)), Err(Errno::FAULT));
    assert_eq!(write_back(&client, &buffer, Ok(7)), Err(Errno::FAULT));
    let mut received = [0; 10];
    assert_eq!(read(&server, &mut received), Ok(3));
    assert_eq!(&received[..3], b"buf");
}

pub(crate) fn a_closed_descriptor_is_closed_once() {
    let (client, server) = pair();
    let _lowest = stream(AddressFamily::INET);
    let number = client.raw();
    close(client).unwrap();
    // The number is free again, so the next descriptor gets it. Nothing closes that descriptor.
    let next = stream(AddressFamily::INET);
    assert_eq!(next.raw(), number);
    assert_eq!(read(&server, &mut [0]), Ok(0));
    assert!(getsockopt(&next, SocketOption::TYPE).is_ok());
    // The file now owns the descriptor, and its drop closes it. SAFETY: after `into_raw` nothing else owns the
    // descriptor.
    drop(unsafe { File::from_raw_fd(next.into_raw()) });
    let again = stream(AddressFamily::INET);
    assert_eq!(again.raw(), number);
}

pub(crate) fn a_duplicate_refers_to_the_same() {
    let (reader, writer) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    assert_eq!(read(&reader, &mut [0]), Err(Errno::AGAIN));
    let copy = dup(&writer).unwrap();
    write_all(&copy, b"a").unwrap();
    // The writer of the other pipe becomes a further writer of the first pipe, with its old number.
    let (other_reader, mut onto) = pipe().unwrap();
    let number = onto.raw();
    dup2(&writer, &mut onto).unwrap();
    assert_eq!(onto.raw(), number);
    assert_eq!(read(&other_reader, &mut [0]), Ok(0), "it had one writer");
    write_all(&onto, b"b").unwrap();
    let mut text = [0; 2];
    assert_eq!(read_all(&reader, &mut text).unwrap(), b"ab");
    drop((writer, copy));
    assert_eq!(read(&reader, &mut [0]), Err(Errno::AGAIN), "one writer is left");
    drop(onto);
    assert_eq!(read(&reader, &mut [0]), Ok(0));
}

/// Checks the flag of each descriptor on both sides of each end of the range.
pub(crate) fn a_range_of_descriptors_is_closed_by_exec() {
    const PLACES: [c_int; 7] = [100, 101, 102, 103, 104, 900, 5000];
    let limit = getrlimit(Resource::NOFILE).unwrap();
    if setrlimit(Resource::NOFILE, Limit { soft: 5001, hard: limit.hard.max(5001) }).is_err() {
        skip("the limit of descriptors is too low");
    }
    let null = open(c"/dev/null", OpenFlags::RDWR, 0).unwrap();
    let at = PLACES.map(|number| {
        let fd = fcntl_dupfd_cloexec(&null, number).unwrap();
        assert_eq!(fd.raw(), number, "the number is the lowest that was asked for");
        fd
    });
    let closed = || {
        at.each_ref().map(|fd| {
            // SAFETY: the call takes numbers.
            let flags = unsafe { libc::fcntl(fd.raw(), libc::F_GETFD) };
            assert!(flags >= 0, "{} is open", fd.raw());
            flags & libc::FD_CLOEXEC != 0
        })
    };
    let none = || at.iter().for_each(|fd| keep_on_exec(fd).unwrap());
    none();
    set_close_on_exec_each(101, 104);
    assert_eq!(closed(), [false, true, true, true, false, false, false]);
    none();
    set_close_on_exec_each(104, 104);
    assert_eq!(closed(), [false; 7]);
    match close_range_on_exec(102) {
        Ok(()) => assert_eq!(closed(), [false, false, true, true, true, true, true]),
        Err(errno) => {
            assert!([Errno::NOSYS, Errno::PERM].contains(&errno), "{errno:?}");
            skip("no close_range");
        }
    }
}

/// Checks that a change of one flag leaves the others.
pub(crate) fn a_descriptor_that_waits_again_keeps_its_other_flags() {
    let folder = TempDir::new();
    let path = std::ffi::CString::new(folder.join("file").to_str().unwrap()).unwrap();
    let file = open(&path, OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::APPEND, 0o600).unwrap();
    for change in [set_nonblocking, set_blocking] {
        change(&file).unwrap();
        // SAFETY: the call takes numbers.
        let flags = unsafe { libc::fcntl(file.raw(), libc::F_GETFL) };
        assert_eq!(flags & (libc::O_APPEND | libc::O_ACCMODE), libc::O_APPEND | libc::O_RDWR);
    }
}

/// Checks that C's number of a result is the result, where an int has room for it.
pub(crate) fn a_result_is_the_number_that_c_returns() {
    let most = c_int::MAX as usize;
    let counts = [(0, 0), (1, 1), (most, c_int::MAX), (most + 1, c_int::MAX), (usize::MAX, c_int::MAX)];
    assert_eq!(counts.map(|(count, _)| Ok::<usize, Errno>(count).c_return()), counts.map(|(_, number)| number));
    assert_eq!(Err::<usize, _>(Errno::IO).c_return(), -1);
    let pid = getpid();
    assert_eq!([Ok(Some(pid)), Ok(None), Err(Errno::CHILD)].map(|result| result.c_return()), [pid.raw(), 0, -1]);
    let fd = pipe().map(|(reader, _)| reader);
    assert_eq!(fd.c_return(), fd.as_fd().raw());
}
