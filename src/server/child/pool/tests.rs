use core::cell::RefCell;
use std::net::TcpStream;

use super::*;
use crate::server::admission::Admission;
use crate::server::descriptors::Descriptors;
use crate::server::listener::Listeners;
use crate::server::log::reader::LogReader;
use crate::server::scoreboard::{ChildAccess, Scoreboard};
use crate::server::settings::Settings;
use crate::server::signals::Earlier;
use crate::server::systemd::Manager;
use crate::sys::net::{Shutdown, listen, shutdown};
use crate::sys::signal::SigSet;

/// Runs a test with a child that has this many listeners, and their ports.
fn with_listeners(count: usize, test: impl FnOnce(&ChildContext<'_, '_>, &[u16])) {
    let (settings, mut listeners) = (Settings::new(), Listeners::new());
    (0..count).for_each(|_| listeners.bind("127.0.0.1:0", &settings.socket, None).unwrap());
    let port = |index: usize| match listeners.get(index).unwrap().address() {
        Ok(SockAddr::Inet(address)) => address.port(),
        other => panic!("{other:?}"),
    };
    let ports: std::vec::Vec<u16> = (0..count).map(port).collect();
    let (scoreboard, ..) = Scoreboard::new(Duration::ZERO, 1, ChildAccess::Slot).unwrap();
    let (log, _reader) = LogReader::new();
    let context = ChildContext {
        descriptors: &Descriptors::new(listeners),
        log: &log,
        settings: &settings,
        earlier: &Earlier { mask: SigSet::empty(), mask_in_child: SigSet::empty(), ticks: None },
        parent: None,
        server: getpid(),
        admission: Admission {
            rules: None,
            generation: 0,
            max_per_source: None,
            source_prefix: settings.source_prefix,
            scoreboard: &scoreboard,
        },
        manager: &Manager::none(),
        slot: scoreboard.take_slot(0),
        error_texts: None,
        throttle: RefCell::default(),
        children: None,
    };
    test(&context, &ports);
}

/// Checks that the end of a queue, and a client, each begin the row of aborts anew, and which listener comes next.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn of_several_listeners_each_has_its_turn_and_each_answer_ends_a_row_of_aborts() {
    with_listeners(3, |context, ports| {
        let ready = |acceptor: &Acceptor| [0, 1, 2].map(|index: usize| acceptor.ready[index]);
        let mut acceptor = Acceptor::new(ports.len());
        assert_eq!((ready(&acceptor), acceptor.turn), ([false; 3], 0), "it waits first");
        let clients = [1, 2].map(|index: usize| TcpStream::connect(("127.0.0.1", ports[index])).unwrap());
        // The client of the first listener has gone to another child.
        (acceptor.ready[0], acceptor.aborts_in_a_row) = (true, ABORTS_IN_A_ROW);
        assert!(acceptor.next_client(context).unwrap().is_none());
        assert_eq!((ready(&acceptor), acceptor.aborts_in_a_row), ([false, true, true], 0));
        for (turn, client) in (2..).zip(&clients) {
            acceptor.aborts_in_a_row = ABORTS_IN_A_ROW;
            // Once a client was served, any listener may have another one.
            let came = match acceptor.next_client(context).unwrap() {
                None => acceptor.next_client(context).unwrap(),
                came => came,
            };
            let Some((_, SockAddr::Inet(address))) = came else { panic!("{came:?}") };
            assert_eq!(address, client.local_addr().unwrap());
            assert_eq!((ready(&acceptor), acceptor.turn, acceptor.aborts_in_a_row), ([false; 3], turn, 0));
        }
    });
}

/// Checks that with one listener the child does not wait in ppoll(), but in accept4(), after each client.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_single_listener_is_always_asked() {
    with_listeners(1, |context, ports| {
        let mut acceptor = Acceptor::new(ports.len());
        for _ in 0..2 {
            let client = TcpStream::connect(("127.0.0.1", ports[0])).unwrap();
            let came = acceptor.next_client(context).unwrap();
            let Some((_, SockAddr::Inet(address))) = came else { panic!("{came:?}") };
            assert_eq!(address, client.local_addr().unwrap());
            assert!(acceptor.ready[0]);
        }
    });
}

/// Checks that a listener that was shut down keeps no client of another listener waiting, that it may listen again, and
/// that the child ends when none is left.
#[test]
#[cfg_attr(miri, ignore = "it has no memfd_create")]
fn a_child_serves_as_long_as_a_listener_is_left() {
    with_listeners(3, |context, ports| {
        let mut acceptor = Acceptor::new(ports.len());
        let shut_down =
            |index: usize| shutdown(context.descriptors.listeners.get(index).unwrap(), Shutdown::Both).unwrap();
        [0, 2].into_iter().for_each(shut_down);
        for _ in 0..2 {
            let client = TcpStream::connect(("127.0.0.1", ports[1])).unwrap();
            let came = (0..3).find_map(|_| acceptor.next_client(context).unwrap());
            let Some((_, SockAddr::Inet(address))) = came else { panic!("{came:?}") };
            assert_eq!(address, client.local_addr().unwrap());
        }
        // A listener that listens again is asked again, after a while.
        let listener = context.descriptors.listeners.get(2).unwrap();
        listen(listener, 1).unwrap();
        let Ok(SockAddr::Inet(address)) = listener.address() else { panic!("{listener:?}") };
        let client = TcpStream::connect(("127.0.0.1", address.port())).unwrap();
        let came = (0..6).find_map(|_| acceptor.next_client(context).unwrap());
        let Some((_, SockAddr::Inet(address))) = came else { panic!("{came:?}") };
        assert_eq!(address, client.local_addr().unwrap());
        [1, 2].into_iter().for_each(shut_down);
        assert_eq!((0..3).find_map(|_| acceptor.next_client(context).err()), Some(EXIT_DONE));
    });
}
