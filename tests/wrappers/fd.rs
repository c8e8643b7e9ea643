//! Tests descriptors: read, write, close and copy.

use std::fs::File;
use std::os::fd::FromRawFd;

use crate::net::{pair, stream};
use mpserv::errno::{CReturn, Errno, Result};
use mpserv::fd::{
    AsFd, BorrowedFd, OwnedFd, PipeFlags, close, dup, dup2, pipe, pipe2, read, read_all, write_all, write_back,
};
use mpserv::net::{AddressFamily, Protocol, SocketOption, SocketType, getsockopt, listen, socket};
use mpserv::poll::{PollEvents, PollFd, poll};
use mpserv::process::fork;

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
    // A poll skips it.
    let (reader, writer) = pipe().unwrap();
    drop(writer);
    let mut fds = [BorrowedFd::NONE, reader.as_fd()].map(|fd| PollFd::new(fd, PollEvents::IN));
    assert_eq!(poll(&mut fds, None), Ok(1));
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
