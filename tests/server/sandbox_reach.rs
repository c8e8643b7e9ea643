//! Tests `--sandbox`: a child that a client has taken over reaches no further than its connection.

use std::ffi::{c_int, c_long, c_void};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;

use crate::common::server::{Served, nobody_listens, read_all};
use crate::common::solo::Test;
use crate::common::{connect, echo, signal, wait_until};
use crate::sandbox::Own;
use crate::tests;
use mpserv::fd::{AsFd, BorrowedFd, fcntl_dupfd_cloexec, read};
use mpserv::ffi::sys::syscall as c;
use mpserv::fs::{OpenFlags, open};
use mpserv::net::{AddressFamily, Protocol, Shutdown, SockAddr, SocketType, shutdown, socket};
use mpserv::process::getpid;
use mpserv::server::limits::SANDBOX_CONNECTIONS;
use mpserv::server::{Connection, Server};
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    a_preforked_child_cannot_filter_the_listener,
    a_preforked_child_cannot_set_a_time_limit_of_the_listener,
    a_preforked_child_cannot_shut_the_listener_down,
    a_preforked_child_cannot_receive_from_standard_input,
    a_preforked_child_cannot_write_to_another_file_than_the_log,
    a_preforked_child_makes_the_calls_of_the_server_only_as_the_server_does,
    a_preforked_child_has_the_lowest_numbers_for_its_connections,
    once_the_server_stops_no_child_in_the_sandbox_accepts,
    a_child_with_one_client_receives_from_its_connection_alone,
    a_call_for_many_messages_is_allowed_on_the_connection_alone,
    a_child_sends_to_no_address,
    a_preforked_child_reaches_no_other_socket_of_the_program,
    a_preforked_child_can_have_few_connections,
    a_call_that_the_handler_names_is_allowed_on_the_connection,
    a_handler_that_can_move_memory_reaches_no_other_slot,
    a_retired_child_can_use_a_socket_that_its_handler_makes,
    a_pool_in_a_retired_child_serves,
];

/// A number of descriptors above that of the server.
const DESCRIPTORS: c_int = 64;

/// Makes a call on every descriptor except the connection.
fn on_all_others(connection: &Connection, call: impl Fn(c_int)) {
    (0..DESCRIPTORS).filter(|fd| *fd != connection.as_fd().raw()).for_each(call);
}

/// Makes the call that the client requests.
fn reach(connection: Connection) -> mpserv::errno::Result<()> {
    let mut order = [0];
    connection.read(&mut order)?;
    match order[0] {
        b'f' => on_all_others(&connection, |fd| {
            // This filter lets no packet pass.
            let mut drop_all = libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: 0 };
            let program = libc::sock_fprog { len: 1, filter: &raw mut drop_all };
            let size = size_of_val(&program) as libc::socklen_t;
            // SAFETY: the program has one instruction, which lives through the call.
            unsafe {
                libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, (&raw const program).cast(), size)
            };
        }),
        b't' => on_all_others(&connection, |fd| {
            let time = libc::timeval { tv_sec: 0, tv_usec: 1 };
            let size = size_of_val(&time) as libc::socklen_t;
            // SAFETY: the pointer is to a time of this size.
            unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const time).cast(), size) };
        }),
        // SAFETY: the call takes numbers.
        b's' => on_all_others(&connection, |fd| _ = unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }),
        b'r' => {
            // SAFETY: the buffer has no room.
            unsafe { libc::recv(libc::STDIN_FILENO, ptr::null_mut(), 0, libc::MSG_DONTWAIT) };
        }
        b'm' => {
            // SAFETY: no message is received.
            unsafe { libc::recvmmsg(libc::STDIN_FILENO, ptr::null_mut(), 0, 0, ptr::null_mut()) };
        }
        b'n' => {
            // SAFETY: no message is sent.
            unsafe { libc::sendmmsg(libc::STDIN_FILENO, ptr::null_mut(), 0, 0) };
        }
        b'w' => {
            // SAFETY: nothing is written.
            unsafe { libc::write(libc::STDOUT_FILENO, ptr::null(), 0) };
        }
        b'a' => {
            let address = libc::sockaddr { sa_family: libc::AF_INET as u16, sa_data: [0; 14] };
            let (data, size) = ([0_u8; 1], size_of_val(&address) as libc::socklen_t);
            let (fd, data): (c_int, *const c_void) = (connection.as_fd().raw(), data.as_ptr().cast());
            // SAFETY: the pointers are to a byte and to an address of this size.
            unsafe { libc::sendto(fd, data, 1, libc::MSG_NOSIGNAL, &raw const address, size) };
        }
        b'o' => set_option(&connection, libc::SOL_SOCKET, libc::SO_RCVBUF),
        // The number of SO_LINGER is that of TCP_CONGESTION.
        b'l' => set_option(&connection, libc::IPPROTO_TCP, libc::SO_LINGER),
        b'g' => {
            let (mut kind, mut size) = (0_i32, 4);
            let place = (&raw mut kind).cast();
            // SAFETY: the pointers are to a number and its size.
            unsafe {
                libc::getsockopt(connection.as_fd().raw(), libc::SOL_SOCKET, libc::SO_TYPE, place, &raw mut size)
            };
        }
        b'A' => {
            // SAFETY: no address is stored.
            unsafe { libc::accept4(connection.as_fd().raw(), ptr::null_mut(), ptr::null_mut(), 0) };
        }
        // SAFETY: the call takes numbers, and sends nothing.
        b'k' => _ = unsafe { libc::kill(getpid().raw(), 0) },
        // SAFETY: the call takes numbers. No process has the id.
        b'K' => _ = unsafe { libc::kill(c_int::MAX, libc::SIGTERM) },
        b'S' => connection.shutdown(Shutdown::Read)?,
        _ => {}
    }
    connection.write_all(&order)
}

/// Sets an option of the connection to a number.
fn set_option(connection: &Connection, level: c_int, option: c_int) {
    let number: c_int = 1;
    let size = size_of_val(&number) as libc::socklen_t;
    // SAFETY: the pointer is to a number of this size.
    unsafe { libc::setsockopt(connection.as_fd().raw(), level, option, (&raw const number).cast(), size) };
}

const ECHO: [c_long; 2] = [c::SYS_recvfrom, c::SYS_sendto];
const ECHO_AND_SHUTDOWN: [c_long; 3] = [c::SYS_recvfrom, c::SYS_sendto, c::SYS_shutdown];

/// Checks that a child which obeys this order is ended for the call, and that the server goes on.
#[track_caller]
fn is_ended_for(calls: &'static [c_long], is_pool: bool, order: u8, call: &str) {
    let pool = |server: Server<'static>| if is_pool { server.prefork(2, 2) } else { server };
    let server = Own::start(|server| pool(server.sandbox(calls)), reach);
    assert_eq!(server.order(order), b"");
    assert_eq!(server.wait_line("violation").get("call"), call);
    for _ in 0..3 {
        assert_eq!(server.order(b'.'), b".", "it serves on");
    }
    server.stop();
}

fn a_preforked_child_cannot_filter_the_listener() {
    is_ended_for(&ECHO, true, b'f', "setsockopt");
}

fn a_preforked_child_cannot_set_a_time_limit_of_the_listener() {
    is_ended_for(&ECHO, true, b't', "setsockopt");
}

fn a_preforked_child_cannot_shut_the_listener_down() {
    is_ended_for(&ECHO_AND_SHUTDOWN, true, b's', "shutdown");
}

fn a_preforked_child_cannot_receive_from_standard_input() {
    is_ended_for(&ECHO, true, b'r', "recvfrom");
}

fn a_preforked_child_cannot_write_to_another_file_than_the_log() {
    is_ended_for(&ECHO, true, b'w', "write");
}

/// Checks calls that a preforked child makes for the server, with other arguments.
fn a_preforked_child_makes_the_calls_of_the_server_only_as_the_server_does() {
    let calls = [(b'o', "setsockopt"), (b'l', "setsockopt"), (b'g', "getsockopt"), (b'A', "accept4")];
    for (order, call) in calls.into_iter().chain([(b'k', "kill"), (b'K', "kill")]) {
        is_ended_for(&ECHO, true, order, call);
    }
}

/// Checks that a connection can have the lowest free number. That of the pidfile is below that of the listener, and a child
/// closes it.
fn a_preforked_child_has_the_lowest_numbers_for_its_connections() {
    let folder = crate::common::TempDir::new();
    let pidfile = folder.join("pid");
    let arguments = ["--sandbox", "--prefork", "1", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"];
    let server = Served::start(&arguments);
    let mut client = server.connect();
    assert_eq!(echo(&mut client, b"low"), b"low", "{:?}", server.log());
    drop(client);
    server.stop();
}

/// Checks that a child which keeps the listeners until its client leaves, because its handler can make descriptors, takes
/// no further client once the server stops.
fn once_the_server_stops_no_child_in_the_sandbox_accepts() {
    const CALLS: [c_long; 3] = [c::SYS_recvfrom, c::SYS_sendto, c::SYS_openat];
    let server = Own::start(|server| server.sandbox(&CALLS).prefork(1, 1), reach);
    let mut client = connect(server.port());
    server.wait_line("accept");
    server.signal(Signal::TERM);
    server.wait_line("stop");
    wait_until("nobody listens", || nobody_listens(server.port()));
    std::io::Write::write_all(&mut client, b".").unwrap();
    assert_eq!(read_all(&mut client), b".", "the client is served to its end");
    server.wait();
}

fn a_child_with_one_client_receives_from_its_connection_alone() {
    is_ended_for(&ECHO, false, b'r', "recvfrom");
}

fn a_call_for_many_messages_is_allowed_on_the_connection_alone() {
    const MANY: [c_long; 4] = [c::SYS_recvfrom, c::SYS_sendto, c::SYS_recvmmsg, c::SYS_sendmmsg];
    for is_pool in [false, true] {
        is_ended_for(&MANY, is_pool, b'm', "recvmmsg");
        is_ended_for(&MANY, is_pool, b'n', "sendmmsg");
    }
}

fn a_child_sends_to_no_address() {
    is_ended_for(&ECHO, false, b'a', "sendto");
    is_ended_for(&ECHO, true, b'a', "sendto");
}

fn borrowed(stream: &UnixStream) -> BorrowedFd<'_> {
    // SAFETY: the stream stays open for as long as it is borrowed.
    unsafe { BorrowedFd::from_raw(stream.as_raw_fd()) }
}

/// Checks sockets with numbers below and above those of the listener and the connection.
fn a_preforked_child_reaches_no_other_socket_of_the_program() {
    let (outside, low) = UnixStream::pair().unwrap();
    let high = fcntl_dupfd_cloexec(borrowed(&low), 300).unwrap();
    for inside in [low.as_raw_fd(), high.raw()] {
        let server = Own::start(
            |server| server.sandbox(&ECHO).prefork(2, 2),
            |connection| {
                let mut order = [0];
                connection.read(&mut order)?;
                if order[0] == b'p' {
                    // SAFETY: the pointer is to one byte.
                    unsafe { libc::send(inside, order.as_ptr().cast(), 1, 0) };
                }
                connection.write_all(&order)
            },
        );
        assert_eq!(server.order(b'p'), b"");
        assert_eq!(server.wait_line("violation").get("call"), "sendto");
        assert_eq!(server.order(b'.'), b".", "it serves on");
        server.stop();
    }
    outside.set_nonblocking(true).unwrap();
    assert_eq!((&outside).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "nothing has come");
}

fn a_preforked_child_can_have_few_connections() {
    let server = Own::start(
        |server| server.sandbox(&ECHO_AND_SHUTDOWN).prefork(1, 1),
        |connection| {
            let mut order = [0];
            connection.read(&mut order)?;
            connection.write_all(&order)?;
            connection.shutdown(Shutdown::Both)?;
            std::mem::forget(connection);
            Ok(())
        },
    );
    for _ in 0..SANDBOX_CONNECTIONS {
        assert_eq!(server.order(b'.'), b".");
    }
    assert_eq!(server.order(b'.'), b"");
    assert_eq!(server.wait_line("violation").get("call"), "recvfrom");
    assert_eq!(server.order(b'.'), b".", "another child serves");
    server.stop();
}

fn a_call_that_the_handler_names_is_allowed_on_the_connection() {
    for is_pool in [false, true] {
        let pool = |server: Server<'static>| if is_pool { server.prefork(2, 2) } else { server };
        let server = Own::start(|server| pool(server.sandbox(&ECHO_AND_SHUTDOWN)), reach);
        assert_eq!(server.order(b'S'), b"S");
        server.stop();
    }
}

/// The calls by which a handler changes memory, and those by which it finds its slot.
const MEMORY: [c_long; 8] = [
    c::SYS_recvfrom,
    c::SYS_sendto,
    c::SYS_mmap,
    c::SYS_mremap,
    c::SYS_remap_file_pages,
    c::SYS_openat,
    c::SYS_read,
    c::SYS_write,
];

/// Returns the address and the size of the writable part of the scoreboard, which is the slot of this child.
fn own_slot() -> (*mut c_void, usize) {
    let mut maps = [0; 1 << 16];
    let fd = open(c"/proc/self/maps", OpenFlags::RDONLY | OpenFlags::CLOEXEC, 0).unwrap();
    let mut length = 0;
    loop {
        match read(&fd, &mut maps[length..]).unwrap() {
            0 => break,
            more => length += more,
        }
    }
    let text = std::str::from_utf8(&maps[..length]).unwrap();
    let is_slot = |line: &&str| line.contains("mpserv-scoreboard") && line.contains("rw-s");
    let mut slots = text.lines().filter(is_slot);
    let (start, end) = slots.next().unwrap().split_once(' ').unwrap().0.split_once('-').unwrap();
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).unwrap());
    assert_eq!(slots.next(), None);
    (ptr::with_exposed_provenance_mut(start), end - start)
}

/// Makes the call that the client requests, and answers if the child may make it.
fn move_memory(connection: Connection) -> mpserv::errno::Result<()> {
    let mut order = [0];
    connection.read(&mut order)?;
    let (slot, size) = own_slot();
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: the kernel chooses the address.
    let memory = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
    let (old, larger, flags) = match order[0] {
        b's' => (slot, 2 * size, 0),
        b'f' => (memory, size, libc::MREMAP_FIXED),
        b'd' => (memory, size, libc::MREMAP_DONTUNMAP),
        _ => (memory, 64 * size, 0),
    };
    if order[0] == b'r' {
        // SAFETY: the child ends for the call.
        unsafe { libc::remap_file_pages(slot, size, 0, 0, 0) };
    }
    // SAFETY: nothing is in the new memory, and the child ends for a call that would change its slot.
    let moved = unsafe { libc::mremap(old, size, larger, libc::MREMAP_MAYMOVE | flags, slot) };
    assert_ne!(moved, libc::MAP_FAILED);
    connection.write_all(&order)
}

/// Checks the calls by which a child could put another slot in place of its own, or its own over others.
fn a_handler_that_can_move_memory_reaches_no_other_slot() {
    for is_pool in [false, true] {
        let pool = |server: Server<'static>| if is_pool { server.prefork(2, 2) } else { server };
        for (order, call) in [(b's', "mremap"), (b'f', "mremap"), (b'd', "mremap"), (b'r', "remap_file_pages")] {
            let server = Own::start(|server| pool(server.sandbox(&MEMORY)), move_memory);
            assert_eq!(server.order(order), b"", "{}", char::from(order));
            assert_eq!(server.wait_line("violation").get("call"), call);
            assert_eq!(server.order(b'.'), b".", "a handler makes its own memory larger");
            server.stop();
        }
    }
}

/// Checks that a socket which the handler makes does not get the number of a listener: a retired child would have closed
/// the listener, and no call on that number is allowed.
fn a_retired_child_can_use_a_socket_that_its_handler_makes() {
    const CALLS: [c_long; 5] = [c::SYS_recvfrom, c::SYS_sendto, c::SYS_shutdown, c::SYS_kill, c::SYS_socket];
    let server = Own::start(
        |server| server.sandbox(&CALLS).prefork(1, 1),
        |connection| {
            let mut order = [0];
            connection.read(&mut order)?;
            kill(getpid(), Signal::USR2)?;
            let other = socket(AddressFamily::INET, SocketType::STREAM, Protocol::DEFAULT)?;
            let _ = shutdown(&other, Shutdown::Both);
            connection.write_all(&order)
        },
    );
    assert_eq!(server.order(b'.'), b".", "{:?}", server.log());
    server.stop();
}

/// Checks a handler that serves by itself after its child was retired: the children of that server are not retired.
fn a_pool_in_a_retired_child_serves() {
    let server = Own::start(
        |server| server.prefork(1, 1),
        |connection| {
            kill(getpid(), Signal::USR2)?;
            let nested = Server::new().listen("127.0.0.1:0").prefork(1, 1).bind().unwrap();
            let Some(Ok(SockAddr::Inet(address))) = nested.addresses().next() else { unreachable!() };
            connection.write_all(&address.port().to_be_bytes())?;
            connection.write_all(&getpid().raw().to_be_bytes())?;
            nested.serve(|connection| connection.write_all(b"nested").unwrap_or_default()).unwrap();
            Ok(())
        },
    );
    let mut client = connect(server.port());
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    let port = u16::from_be_bytes([answer[0], answer[1]]);
    assert_eq!(read_all(&mut connect(port)), b"nested");
    signal(u32::from_be_bytes([answer[2], answer[3], answer[4], answer[5]]), Signal::TERM);
    assert_eq!(read_all(&mut client), b"");
    server.stop();
}
