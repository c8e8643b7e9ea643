//! Descriptors that a client of a Unix socket passes: whoever closes the connection would close them as well.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{mem, net, ptr};

use mpserv::fd::BorrowedFd;
use mpserv::net::{SocketOption, getsockopt};
use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    a_client_can_pass_no_descriptor_at_a_path,
    a_client_can_pass_no_descriptor_at_an_abstract_name,
    a_client_can_pass_no_descriptor_by_a_socket_of_the_service_manager,
];

/// Room for a header of control data, and a descriptor.
type Control = [u64; 4];

/// Sends a byte, and with it a descriptor.
fn pass(stream: &UnixStream, file: &impl AsRawFd) -> io::Result<()> {
    let mut byte = *b"x";
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut control: Control = [0; 4];
    // SAFETY: any bits are a value of plain integers and pointers.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the macros of C only compute, and the control data has room for a header and a descriptor.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) as usize;
        assert!(message.msg_controllen <= size_of::<Control>());
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast(), file.as_raw_fd());
    }
    // SAFETY: the message and all that it points to live here.
    let sent = unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends the test where the kernel cannot refuse descriptors.
fn needs_refusal() {
    let (one, _other) = UnixStream::pair().unwrap();
    // SAFETY: the stream is open while it is lent.
    let one = unsafe { BorrowedFd::from_raw(one.as_raw_fd()) };
    if getsockopt(one, SocketOption::PASSRIGHTS).is_err() {
        skip("a kernel before Linux 6.16");
    }
}

/// The client cannot pass a descriptor, before it is accepted and after that, but is served.
#[track_caller]
fn passes_nothing(mut client: UnixStream) {
    let file = File::open("/dev/null").unwrap();
    let refused = |client: &UnixStream| pass(client, &file).unwrap_err().raw_os_error();
    assert_eq!(refused(&client), Some(libc::EPERM), "the first message");
    let mut echo = [0];
    client.write_all(b"y").unwrap();
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"y");
    assert_eq!(refused(&client), Some(libc::EPERM), "a later message");
    client.shutdown(net::Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut echo).unwrap(), 0);
}

fn start(address: &str) -> Running {
    let server = Running::start(Command::new(MPSERV).arg(address).stdin(Stdio::null()), Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    server
}

fn at(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

fn a_client_can_pass_no_descriptor_at_a_path() {
    needs_refusal();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let server = start(&format!("unix:{}", path.display()));
    passes_nothing(at(&path));
    server.end(Signal::TERM);
}

fn a_client_can_pass_no_descriptor_at_an_abstract_name() {
    needs_refusal();
    let name = format!("mpserv-passed-{}", std::process::id());
    let server = start(&format!("unix:@{name}"));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    passes_nothing(UnixStream::connect_addr(&address).unwrap());
    server.end(Signal::TERM);
}

fn a_client_can_pass_no_descriptor_by_a_socket_of_the_service_manager() {
    needs_refusal();
    let folder = TempDir::new();
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec '{MPSERV}' inherit 3<&0 </dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Running::start(&mut command, Output::Pipe);
    wait_until("the server serves", || server.stderr_so_far().contains("mpserv: start "));
    passes_nothing(at(&path));
    server.end(Signal::TERM);
}
