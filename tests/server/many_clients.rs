//! Tests many clients, slow clients, and children that are killed at random. Nothing may be left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::random::Random;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::process::Pid;
use mpserv::signal::{Signal, kill};

pub(crate) const TESTS: &[Test] = tests![
    two_thousand_connections_leave_nothing_behind,
    ten_seconds_of_kill_9,
    five_hundred_slow_clients_hinder_no_fast_one,
    ; ignored:
    a_hundred_thousand_connections_leave_nothing_behind,
    a_million_connections_leave_nothing_behind,
    ten_minutes_of_kill_9,
];

/// Makes this many connections and checks each answer. Afterwards, checks that the server is unchanged.
fn load(connections: usize) {
    /// The number of clients at once: more than the default limit.
    const AT_ONCE: usize = 200;
    let at_once = AT_ONCE.to_string();
    let server = Served::start(&["--max-children", &at_once, "127.0.0.1:0"]);
    drop(server.client());
    server.wait_childless();
    let descriptors = server.descriptors();
    let memory = server.anonymous_memory();
    let together: Vec<TcpStream> = server.clients(AT_ONCE);
    assert_eq!(children(server.pid()).len(), AT_ONCE);
    drop(together);
    let text = Random::new(1).bytes(64);
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (server, text) = (&server, &text);
            let share = connections / AT_ONCE + usize::from(worker < connections % AT_ONCE);
            scope.spawn(move || {
                for _ in 0..share {
                    let mut client = server.connect();
                    assert_eq!(&echo(&mut client, text), text);
                    // Each client resets its connection, so that no port stays in TIME_WAIT. 100,000 ports would be
                    // more than there are.
                    mpserv::net::setsockopt(as_fd(&client), mpserv::net::SocketOption::LINGER, Some(0)).unwrap();
                }
            });
        }
    });
    server.wait_childless();
    assert_eq!(server.descriptors(), descriptors);
    assert!(server.anonymous_memory() <= memory + 64, "{memory} kB, then {} kB", server.anonymous_memory());
    let log = server.stop();
    let count = |event: &str| log.iter().filter(|line| line.event == event).count();
    let served = 1 + AT_ONCE + connections;
    assert_eq!((count("accept"), count("end")), (served, served));
}

fn two_thousand_connections_leave_nothing_behind() {
    load(2_000);
}

fn a_hundred_thousand_connections_leave_nothing_behind() {
    load(100_000);
}

fn a_million_connections_leave_nothing_behind() {
    load(1_000_000);
}

/// Kills children and parents while clients come and go. Every child of a killed parent must end, and every new parent
/// must serve. Afterwards no parent may have a zombie, or lack a descriptor or a slot.
fn killed_at_random(time: Duration) {
    /// The numbers of slots: a few, so that each slot is reused again and again, and more than the default.
    const SLOTS: [usize; 2] = [8, 200];
    let mut random = Random::new(1);
    let start = Instant::now();
    let (mut parents, mut killed, mut most) = (0, 0, 0);
    while start.elapsed() < time || parents < 2 * SLOTS.len() {
        let slots = SLOTS[parents % SLOTS.len()];
        let server = Served::start(&["-q", "--max-children", &slots.to_string(), "127.0.0.1:0"]);
        parents += 1;
        let descriptors = server.descriptors();
        let mut clients: Vec<TcpStream> = server.clients(slots);
        for _ in 0..50 {
            while clients.len() < slots {
                let mut client = server.connect();
                // The write may fail, because the child may have been killed.
                let _ = client.write_all(b"x");
                clients.push(client);
            }
            let all = children(server.pid());
            most = most.max(all.len());
            // Several children are killed at once, so that one signal stands for many ends.
            for pid in all.iter().filter(|_| random.below(8) == 0) {
                let victim = Pid::from_raw(*pid as i32).unwrap();
                // The id cannot belong to another process: an id is not reused soon after its process was reaped.
                killed += u32::from(kill(victim, Signal::KILL).is_ok());
            }
            for _ in 0..random.below(slots) / 4 {
                clients.swap_remove(random.below(clients.len()));
            }
        }
        if random.below(2) == 0 {
            drop(clients);
            server.wait_childless();
            let mut clients: Vec<TcpStream> = server.clients(slots);
            assert_eq!(children(server.pid()).len(), slots, "a slot is lost");
            clients.clear();
            server.wait_childless();
            assert_eq!(server.descriptors(), descriptors, "a descriptor is lost");
            server.stop();
        } else {
            let orphans = children(server.pid());
            server.running.signal(Signal::KILL);
            server.running.wait();
            wait_until("the killed server's children end", || orphans.iter().all(|pid| is_gone(*pid)));
        }
    }
    assert_eq!(most, SLOTS[1], "all of the many were there at once");
    println!("{parents} parents, {killed} children killed");
}

fn ten_seconds_of_kill_9() {
    killed_at_random(Duration::from_secs(10));
}

fn ten_minutes_of_kill_9() {
    killed_at_random(Duration::from_secs(600));
}

/// Checks that hundreds of clients that send a byte a second are served all the time, each by its own process. Clients
/// that come and go meanwhile must be served as well.
fn five_hundred_slow_clients_hinder_no_fast_one() {
    const SLOW: usize = 500;
    const SECONDS: u8 = 3;
    /// The number of fast clients in each second, spread evenly between the bytes of the slow clients.
    const FAST: usize = 50;
    let server = Served::start(&["-q", "--max-children", "600", "127.0.0.1:0"]);
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| server.connect()).collect();
    let serving = wait_for("each slow client has a process", || {
        Some(children(server.pid())).filter(|children| children.len() == SLOW)
    });
    for second in 0..SECONDS {
        let start = Instant::now();
        let fast = || assert_eq!(echo(&mut server.connect(), b"fast"), b"fast", "in second {second}");
        for some in slow.chunks_mut(SLOW / FAST) {
            some.iter_mut().for_each(|client| client.write_all(&[second]).unwrap());
            fast();
        }
        for client in &mut slow {
            let mut back = [0];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [second]);
        }
        // The slow clients send nothing more in this second.
        while start.elapsed() < Duration::from_secs(1) {
            fast();
        }
    }
    wait_until("none is left but those of the slow ones", || children(server.pid()) == serving);
    wait_until("each waits for its client", || serving.iter().all(|pid| state(*pid) == Some('S')));
    drop(slow);
    server.wait_childless();
    server.stop();
}
