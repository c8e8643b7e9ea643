//! Tests the scoreboard: the words to which a child may write, and the other processes that may write.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use mpserv::net::SockAddr;
use mpserv::server::Server;
use mpserv::signal::Signal;

use crate::common::server::*;
use crate::common::solo::{Test, reap, spawn};
use crate::common::*;
use crate::tests;

pub(crate) const TESTS: &[Test] = tests![
    nobody_shortens_or_writes_to_the_scoreboard_from_outside,
    a_child_that_does_not_need_the_scoreboard_does_not_have_it,
    a_child_that_needs_the_scoreboard_writes_to_its_own_slot_alone,
    a_child_cannot_take_the_rest_of_the_scoreboard_back,
    no_child_has_the_descriptor_of_the_scoreboard,
    numbers_that_a_child_has_made_up_end_nobody,
    room_for_many_children_takes_no_memory_until_they_are_there,
    a_preforked_child_that_misstates_its_slot_does_not_escape_the_lifetime,
    a_preforked_child_that_says_it_is_idle_keeps_nobody_waiting,
];

const NAME: &str = "memfd:mpserv-scoreboard";

/// Returns the path of a server's scoreboard.
fn scoreboard(pid: u32) -> Option<std::path::PathBuf> {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let is_scoreboard =
        |path: &std::path::PathBuf| fs::read_link(path).is_ok_and(|link| link.display().to_string().contains(NAME));
    all.map(|entry| entry.unwrap().path()).find(is_scoreboard)
}

/// Returns the access rights and the sizes of the scoreboard's mappings in a process.
fn mappings(pid: u32) -> Vec<(String, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let ours = maps.lines().filter(|line| line.contains(NAME));
    let parse = |line: &str| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let size = u64::from_str_radix(end, 16).unwrap() - u64::from_str_radix(start, 16).unwrap();
        (rest[..4].to_owned(), size)
    };
    ours.map(parse).collect()
}

fn nobody_shortens_or_writes_to_the_scoreboard_from_outside() {
    for mode in [&[][..], &["--prefork", "2"]] {
        let server = Served::start(&[mode, &["127.0.0.1:0"]].concat());
        let path = scoreboard(server.pid()).expect("the server has a scoreboard");
        let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        for length in [0, 1 << 30] {
            // SAFETY: the call takes numbers.
            assert_eq!(unsafe { libc::ftruncate(file.as_raw_fd(), length) }, -1);
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EPERM));
        }
        assert_eq!(file.write(&[1]).unwrap_err().raw_os_error(), Some(libc::EPERM));
        drop(server.client());
        server.stop();
    }
}

fn a_child_that_does_not_need_the_scoreboard_does_not_have_it() {
    let server = Served::start(&["127.0.0.1:0"]);
    let _client = server.client();
    assert_eq!(mappings(children(server.pid())[0]), []);
    server.running.end(Signal::QUIT);
}

fn a_child_that_needs_the_scoreboard_writes_to_its_own_slot_alone() {
    for mode in [&["--prefork", "2"][..], &["--sandbox"], &["--proxy-protocol"]] {
        let server = Served::start(&[mode, &["127.0.0.1:0"]].concat());
        let mut client = server.connect();
        if mode.contains(&"--proxy-protocol") {
            client.write_all(b"PROXY UNKNOWN\r\n").unwrap();
        }
        assert_eq!(echo(&mut client, b"first"), b"first");
        for child in children(server.pid()) {
            // SAFETY: the call has no precondition.
            let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
            // A child in the sandbox makes its page writable only to note a violation.
            let own = (!mode.contains(&"--sandbox")).then(|| ("rw-s".to_owned(), page));
            // Wait, because a new child may not have changed its mappings yet.
            wait_until(&format!("a child has its own page alone: {mode:?}"), || {
                let all = mappings(child).into_iter();
                all.filter(|(rights, _)| rights.starts_with("rw")).eq(own.clone())
            });
        }
        server.running.end(Signal::QUIT);
    }
}

/// Checks that the seals keep a read-only mapping read-only, even in a child without a sandbox.
fn a_child_cannot_take_the_rest_of_the_scoreboard_back() {
    for pool in [false, true] {
        let server = Server::new().listen("127.0.0.1:0").proxy_protocol(!pool);
        let bound = if pool { server.prefork(2, 2) } else { server }.bind().unwrap();
        let Some(Ok(SockAddr::Inet(address))) = bound.addresses().next() else { panic!("{bound:?}") };
        let mut bound = Some(bound);
        let mut serving = spawn(|| {
            let stopped = bound.take().unwrap().serve(|connection| {
                let maps = fs::read_to_string("/proc/self/maps")?;
                let others = maps.lines().filter(|line| line.contains(NAME) && line.contains(" r--s "));
                let mut refused = 0;
                for line in others {
                    let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
                    let [start, end] = [start, end].map(|number| usize::from_str_radix(number, 16).unwrap());
                    // SAFETY: the memory belongs to the scoreboard, in which every access is atomic.
                    let returned = unsafe {
                        libc::mprotect(
                            std::ptr::without_provenance_mut(start),
                            end - start,
                            libc::PROT_READ | libc::PROT_WRITE,
                        )
                    };
                    assert_eq!((returned, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EACCES)));
                    refused += 1;
                }
                connection.write_all(format!("{refused}").as_bytes())?;
                Ok(())
            });
            assert!(stopped.is_ok());
        });
        // In a child's mappings, the head comes before its slot, and further slots come after it, unless its slot is
        // the last slot.
        let mut client = connect(address.port());
        if !pool {
            client.write_all(b"PROXY UNKNOWN\r\n").unwrap();
        }
        let refused: u32 = String::from_utf8(read_all(&mut client)).unwrap().parse().unwrap();
        assert!((1..=2).contains(&refused), "{refused} mappings");
        serving.kill(Signal::TERM).unwrap();
        assert_eq!(reap(&mut serving).exit_status(), Some(0));
    }
}

fn no_child_has_the_descriptor_of_the_scoreboard() {
    for mode in [&[][..], &["--prefork", "2"], &["--sandbox"]] {
        let server = Served::start(&[mode, &["127.0.0.1:0"]].concat());
        let _client = server.client();
        for child in children(server.pid()) {
            wait_until(&format!("a child has closed the scoreboard: {mode:?}"), || scoreboard(child).is_none());
        }
        server.running.end(Signal::QUIT);
    }
}

/// Overwrites a child's slot through the child's own mapping, by way of `/proc`. A child that is taken over could do
/// the same.
fn misstate(child: u32, words: [u64; 16]) {
    let maps = fs::read_to_string(format!("/proc/{child}/maps")).unwrap();
    let own = maps.lines().find(|line| line.contains(NAME) && line.contains("rw-s")).unwrap();
    let start = u64::from_str_radix(own.split('-').next().unwrap(), 16).unwrap();
    let memory = OpenOptions::new().write(true).open(format!("/proc/{child}/mem")).unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    std::os::unix::fs::FileExt::write_all_at(&memory, &bytes, start).unwrap();
}

/// Tests a child whose slot says that it has no client, or only a new client.
fn a_preforked_child_that_misstates_its_slot_does_not_escape_the_lifetime() {
    needs_root();
    for (state, since) in [(0, 0), (1, 0), (2, u64::MAX)] {
        let server = Served::start(&["--prefork", "1", "--max-lifetime", "1", "127.0.0.1:0"]);
        let mut client = server.client();
        let child = children(server.pid())[0];
        let mut words = [0; 16];
        (words[0], words[1]) = (state << 32 | u64::from(child), since);
        misstate(child, words);
        assert_eq!(read_all(&mut client), b"", "state {state}");
        server.wait_events("lifetime", 1);
        drop(server.client());
        server.stop();
    }
}

/// Tests a child that serves a client and says that it waits for one. The pool must grow all the same.
fn a_preforked_child_that_says_it_is_idle_keeps_nobody_waiting() {
    needs_root();
    let server = Served::start(&["--prefork", "1-8", "127.0.0.1:0"]);
    let mut client = server.client();
    let child = children(server.pid())[0];
    let mut words = [0; 16];
    words[0] = 1 << 32 | u64::from(child);
    misstate(child, words);
    drop(server.client());
    assert_eq!(echo(&mut client, b"goes on"), b"goes on");
    drop(client);
    server.stop();
}

/// Checks that a limit of children that is far too high does not use up the memory of the machine.
fn room_for_many_children_takes_no_memory_until_they_are_there() {
    const MOST: u64 = 4 << 20;
    for mode in [&["-c", "50000"][..], &["-c", "50000", "--sandbox"], &["--prefork", "1-50000"]] {
        let server = Served::start(&[mode, &["127.0.0.1:0"]].concat());
        let _clients = server.clients(1);
        server.running.signal(Signal::USR1);
        assert_eq!(server.wait_events("status", 1)[0].get("accepted"), "1");
        let file = fs::metadata(scoreboard(server.pid()).unwrap()).unwrap();
        let used = file.blocks() * 512;
        assert!(used <= MOST, "{mode:?}: {used} of {} bytes are in memory", file.len());
        server.running.end(Signal::QUIT);
    }
}

/// Tests a slot in which every number is the highest.
fn numbers_that_a_child_has_made_up_end_nobody() {
    needs_root();
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let arguments =
        ["--prefork", "2", "--max-lifetime", "100", "-C", "9", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"];
    let server = Served::start(&arguments);
    let mut all = server.clients(2);
    let victim = children(server.pid())[0];
    // The slot says that the child has served since the beginning of time. All other numbers are the highest.
    let mut words = [u64::MAX; 16];
    words[0] = 2 << 32 | u64::from(victim);
    misstate(victim, words);
    // The other children, the parent and the readers go on.
    let shown = run_mpserv(&["--status", pidfile.to_str().unwrap()]);
    assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
    server.running.signal(Signal::USR1);
    server.wait_events("status", 1);
    for client in &mut all {
        assert_eq!(echo(client, b"goes on"), b"goes on");
    }
    drop(all);
    for _ in 0..5 {
        assert_eq!(finish(server.client()), b"");
    }
    let ended = server.running.end(Signal::TERM);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}
