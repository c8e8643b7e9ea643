use std::net::{Ipv4Addr, TcpListener, TcpStream};

use mpserv::errno::{Errno, Result};
use mpserv::fd::{
    AsFd, BorrowedFd, OwnedFd, PipeFlags, STDIN, close, dup, dup2, fcntl_dupfd_cloexec, is_open, keep_on_exec, lseek, pipe, pipe2, read, read_all, set_blocking, set_close_on_exec, set_nonblocking, write,
    write_all, write_back,
};
use mpserv::fs::{OpenFlags, open};
use mpserv::pty;
use mpserv::process::{Limit, Resource, setrlimit};

use super::{CLOSED, Case, NotProduced, each, errno, full_pipe, interrupted, no_descriptor_left, no_longer_file, owned};

pub(super) const CASES: &[Case] = &[
    ("read", Errno::INTR, || interrupted(|| errno(read(&pipe().unwrap().0, &mut [0])))),
    ("read read_all", Errno::AGAIN, || {
        let (reader, _writer) = pipe().unwrap();
        set_nonblocking(&reader).unwrap();
        reads(|| reader.as_fd())
    }),
    ("read read_all", Errno::CONNRESET, || reads(reset)),
    ("read read_all", Errno::BADF, || reads(|| CLOSED)),
    ("read read_all", Errno::ISDIR, || reads(|| open(c".", OpenFlags::RDONLY, 0).unwrap())),
    ("read read_all", Errno::IO, || {
        // The other end of this terminal was open, and is closed now.
        let master = pty::open_master().unwrap();
        let mut name = [0; pty::NAME_MAX];
        drop(open(pty::slave_name(&master, &mut name).unwrap(), OpenFlags::RDWR, 0).unwrap());
        reads(|| master.as_fd())
    }),
    ("write write_back", Errno::INTR, || {
        let (_reader, writer) = full_pipe();
        interrupted(|| each([errno(write(&writer, &[0])), errno(write_back(&writer, &[0], Ok(1)))]))
    }),
    ("write write_back write_all", Errno::AGAIN, || {
        let (_reader, writer) = full_pipe();
        set_nonblocking(&writer).unwrap();
        writes(|| writer.as_fd())
    }),
    ("write write_back write_all", Errno::PIPE, || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        writes(|| writer.as_fd())
    }),
    ("write write_back write_all", Errno::CONNRESET, || writes(reset)),
    ("write write_back write_all", Errno::NOSPC, || writes(|| open(c"/dev/full", OpenFlags::RDWR, 0).unwrap())),
    ("write write_back write_all", Errno::FBIG, || {
        let file = new_file();
        no_longer_file();
        writes(|| file.as_fd())
    }),
    ("write write_back write_all", Errno::BADF, || writes(|| CLOSED)),
    ("write_back", Errno::FAULT, || {
        let (_reader, writer) = pipe().unwrap();
        each([errno(write_back(&writer, &[0], Err(Errno::IO))), errno(write_back(&writer, &[0], Ok(2)))])
    }),
    ("lseek", Errno::SPIPE, || errno(lseek(pipe().unwrap().0, 0))),
    ("lseek", Errno::INVAL, || errno(lseek(new_file(), -1))),
    ("lseek", Errno::BADF, || errno(lseek(CLOSED, 0))),
    ("set_nonblocking set_blocking set_close_on_exec keep_on_exec", Errno::BADF, || {
        let calls: [fn(BorrowedFd<'static>) -> Result<()>; 4] =
            [set_nonblocking, set_blocking, set_close_on_exec, keep_on_exec];
        each(calls.map(|call| errno(call(CLOSED))))
    }),
    ("fcntl_dupfd_cloexec", Errno::MFILE, || {
        let (reader, writer) = pipe().unwrap();
        let last = writer.raw();
        let limit = u64::try_from(last).unwrap() + 1;
        setrlimit(Resource::NOFILE, Limit { soft: limit, hard: limit }).unwrap();
        errno(fcntl_dupfd_cloexec(&reader, last))
    }),
    ("fcntl_dupfd_cloexec", Errno::INVAL, || errno(fcntl_dupfd_cloexec(pipe().unwrap().0, -1))),
    ("dup dup2", Errno::BADF, || {
        let mut onto = pipe().unwrap().0;
        let number = onto.raw();
        let got = each([errno(dup(CLOSED)), errno(dup2(CLOSED, &mut onto))]);
        assert!(onto.raw() == number && is_open(onto.as_fd()), "it is as before");
        got
    }),
    ("close", Errno::BADF, || errno(close(Err(Errno::MFILE)))),
    ("pipe pipe2 dup", Errno::MFILE, || {
        no_descriptor_left();
        each([errno(pipe()), errno(pipe2(PipeFlags::CLOEXEC)), errno(dup(STDIN))])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] = &[
    ("pipe pipe2", "ENFILE", "the limit is the whole system's"),
    ("close_range_on_exec", "ENOSYS EINVAL", "only kernels older than these tests run on have them"),
    ("write_all", "EIO", "no file that a test can have takes nothing without an error"),
    ("close_range_on_exec", "EPERM", "only a filter of system calls has it"),
    ("close", "EINTR EIO ENOSPC", "only file systems have them that are slow to write back, as over a network"),
];

/// Calls each function that reads. If the first call clears the error, each function gets a new descriptor.
fn reads<F: AsFd>(fd: impl Fn() -> F) -> Errno {
    each([errno(read(fd(), &mut [0])), errno(read_all(fd(), &mut [0]))])
}

/// Calls each function that writes. If the first call clears the error, each function gets a new descriptor.
fn writes<F: AsFd>(fd: impl Fn() -> F) -> Errno {
    each([errno(write(fd(), &[0])), errno(write_back(fd(), &[0], Ok(1))), errno(write_all(fd(), &[0]))])
}

fn new_file() -> OwnedFd {
    open(c"file", OpenFlags::RDWR | OpenFlags::CREAT, 0o600).unwrap()
}

/// Returns a connection that the peer has reset.
fn reset() -> OwnedFd {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    crate::common::reset(listener.accept().unwrap().0);
    owned(ours.into())
}
