//! Processes share the targets of their descriptors after a fork.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use mpserv::signal::Signal;

use crate::common::network::Network;
use crate::common::servers::SERVERS;
use crate::common::solo::{Channel, child};
use crate::common::*;
use crate::status;

pub(crate) fn descriptors_are_copied_by_fork() {
    let folder = TempDir::new();
    let mut file = File::create(folder.join("file")).unwrap();
    let child = child(|| {
        file.write_all(b"hello").unwrap();
        0
    });
    assert_eq!(status(child), Some(0));
    // The child's descriptor was a copy, which is closed now. Both descriptors share the open file and its position.
    assert_eq!(file.stream_position().unwrap(), 5);
    file.write_all(b" world").unwrap();
    assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"hello world");
}

/// Returns the number of sockets that a process holds.
fn sockets(pid: u32) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

pub(crate) fn a_connection_closes_only_when_every_process_that_holds_it_has_closed_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (connection, _) = listener.accept().unwrap();
    let channel = Channel::new();
    let child = child(|| {
        channel.hear();
        0
    });
    drop(connection);
    client.set_nonblocking(true).unwrap();
    let open = client.read(&mut [0]).unwrap_err();
    assert_eq!(open.kind(), ErrorKind::WouldBlock, "the child still holds it");
    channel.tell(b'!');
    assert_eq!(status(child), Some(0));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);

    let _network = Network::own();
    for server in SERVERS {
        for language in IMPLS {
            let running = server.start(language, Output::Pipe);
            let mut client = server.connect(&running);
            assert_eq!(server.exchange(&mut client), server.answer);
            let child = children(running.pid())[0];
            wait_until("the parent has closed the connection", || sockets(running.pid()) == 1);
            assert_eq!(sockets(child), 1, "{} {language:?}: and the child the listener", server.name);
            assert_eq!(server.exchange(&mut client), server.answer, "and it is open all the same");
            signal(child, Signal::KILL);
            assert_eq!(client.read(&mut [0]).unwrap(), 0, "{} {language:?}", server.name);
            // A client resets the connection, because a server that closes first would keep the port busy for a while.
            reset(client);
            running.end(Signal::TERM);
        }
    }
}

pub(crate) fn a_child_that_does_not_close_the_listener_keeps_the_port() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let channel = Channel::new();
    let child = child(|| {
        channel.hear();
        0
    });
    drop(listener);
    assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    TcpStream::connect(address).expect("the kernel still takes connections for it");
    channel.tell(b'!');
    assert_eq!(status(child), Some(0));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);

    let _network = Network::own();
    for server in SERVERS {
        for language in IMPLS {
            let running = server.start(language, Output::Pipe);
            let port = running.port();
            let mut client = server.connect(&running);
            assert_eq!(server.exchange(&mut client), server.answer);
            running.signal(Signal::KILL);
            wait_until("the server is gone", || is_gone(running.pid()));
            assert_eq!(server.exchange(&mut client), server.answer, "the child serves on without its parent");
            let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
            let what = format!("{} {language:?}: the child has closed the listener", server.name);
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{what}");
            finish(client);
            running.wait();
        }
    }
}
