//! Tests the feature `std`: the example of the guide, and conversions with std's types.

// The example of `src/docs/library.md`, from here to the end of `main`.
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mpserv::server::{Connection, HandlerError, Server};

/// The length at which a line is too long.
const LINE_MAX: usize = 4096;

/// Answers each line in capitals, until the client says `quit`, goes, is silent for too long or sends too long a line.
fn answer(connection: Connection) -> Result<(), HandlerError> {
    let mut stream = TcpStream::from(connection);
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE_MAX as u64).read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(LINE_MAX) => return Err(HandlerError::new("too long a line")),
            Ok(_) if line.trim_end() == "quit" => return Ok(()),
            Ok(_) => stream.write_all(line.to_uppercase().as_bytes())?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(HandlerError::new("silent for too long"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new().listen("127.0.0.1:5000").max_children(100);
    let server = server.max_per_source(10, "too many connections\r\n").idle_timeout(Duration::from_secs(60));
    let stopped = server.serve(answer)?;
    println!("{} clients were served", stopped.accepted);
    Ok(())
}

use std::io;
use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::common::server::read_all;
use crate::common::solo::{Test, reap, spawn};
use crate::common::{finish, wait_until, waits_in};
use crate::{Serving, tests};

pub(crate) const TESTS: &[Test] = tests![
    std_reads_and_writes_connections,
    std_types_lend_their_descriptors,
    std_has_the_example_of_the_guide,
    std_takes_an_error_of_the_server,
    exit_excludes_the_exit_of_std,
];

/// Checks that a thread which calls `exit()` waits while another thread ends the process by std, and the other way
/// round. The function of `atexit()` that runs last then runs in the first thread.
fn exit_excludes_the_exit_of_std() {
    static SECOND: OnceLock<fn(i32) -> !> = OnceLock::new();
    static LAST: AtomicI32 = AtomicI32::new(0);
    fn thread_id() -> i32 {
        // SAFETY: the call has no precondition.
        unsafe { libc::gettid() }
    }
    extern "C" fn last() {
        LAST.store(thread_id(), Ordering::SeqCst);
    }
    /// Runs first, in the thread that ends the process. Waits until the other thread waits, or has come through.
    extern "C" fn end_in_another_thread() {
        static OTHER: AtomicI32 = AtomicI32::new(0);
        std::thread::spawn(|| {
            OTHER.store(thread_id(), Ordering::SeqCst);
            SECOND.get().unwrap()(4);
        });
        // By pause() std waits, by a futex glibc 2.41. Where there is no pause(), the C library calls ppoll().
        let waits = |thread| WAITS.iter().any(|call| waits_in(thread as u32, *call));
        wait_until("the other thread waits", || {
            waits(OTHER.load(Ordering::SeqCst)) || LAST.load(Ordering::SeqCst) != 0
        });
    }
    #[cfg(target_arch = "x86_64")]
    const WAITS: [libc::c_long; 2] = [libc::SYS_pause, libc::SYS_futex];
    #[cfg(not(target_arch = "x86_64"))]
    const WAITS: [libc::c_long; 2] = [libc::SYS_ppoll, libc::SYS_futex];
    let [by_std, by_exit]: [fn(i32) -> !; 2] = [std::process::exit, mpserv::process::exit];
    for (first, second) in [(by_std, by_exit), (by_exit, by_std)] {
        let mut child = spawn(|| {
            SECOND.set(second).unwrap();
            for function in [last as extern "C" fn(), end_in_another_thread] {
                // SAFETY: the function takes nothing, returns nothing, and may run when the process ends.
                assert_eq!(unsafe { libc::atexit(function) }, 0);
            }
            first(3);
        });
        assert_eq!(reap(&mut child).exit_status(), Some(3));
    }
}

fn std_has_the_example_of_the_guide() {
    let _: fn() -> Result<(), Box<dyn std::error::Error>> = main;
    let serving = Serving::start(answer);
    let mut client = serving.connect();
    client.write_all(b"one\ntwo\nquit\n").unwrap();
    assert_eq!(read_all(&mut client), b"ONE\nTWO\n");
    assert_eq!(serving.stop_after(1), ["0"]);
    let serving = Serving::start_with(|server| server.idle_timeout(Duration::from_millis(1)), answer);
    assert_eq!(read_all(&mut serving.connect()), b"");
    assert_eq!(serving.end_lines(1)[0].get("error"), "silent for too long");
    let serving = Serving::start(answer);
    let mut client = serving.connect();
    client.write_all(&[b'x'; LINE_MAX]).unwrap();
    assert_eq!(read_all(&mut client), b"");
    assert_eq!(serving.end_lines(1)[0].get("error"), "too long a line");
}

fn std_takes_an_error_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (address, kind) in [(taken.as_str(), ErrorKind::AddrInUse), ("nonsense", ErrorKind::InvalidInput)] {
        let error = Server::new().listen(address).bind().unwrap_err();
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
}

fn std_types_lend_their_descriptors() {
    use mpserv::fd::{AsFd, STDIN, is_open, read, write_all};
    use mpserv::net::{SocketOption, getsockopt, setsockopt};
    use mpserv::poll::{PollEvents, PollFd, poll};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(getsockopt(&listener, SocketOption::ACCEPTCONN), Ok(true));
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    setsockopt(&client, SocketOption::NODELAY, true).unwrap();
    assert!(client.nodelay().unwrap());
    write_all(&client, b"a").unwrap();
    let mut fds = [PollFd::new(AsFd::as_fd(&server), PollEvents::IN)];
    assert_eq!(poll(&mut fds, None), Ok(1));
    assert_eq!(read(&server, &mut [0; 2]), Ok(1));
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    write_all(&one, b"b").unwrap();
    assert_eq!(read(std::os::fd::OwnedFd::from(other), &mut [0; 2]), Ok(1));
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(is_open(AsFd::as_fd(&file)));
    assert_eq!(read(std::os::fd::AsFd::as_fd(&file), &mut [0]), Ok(0));
    assert_eq!(AsFd::as_fd(&io::stdin()).raw(), STDIN.raw());
}

/// Tests the example: a server in ten lines of Rust with std.
fn std_reads_and_writes_connections() {
    let serving = Serving::start(|mut connection: Connection| {
        writeln!(connection, "Who are you?")?;
        for line in BufReader::new(&connection).lines() {
            writeln!(&connection, "Hello, {}!", line?)?;
        }
        Ok(())
    });
    let mut client = serving.connect();
    client.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(finish(client), b"Who are you?\nHello, one!\nHello, two!\n");
    assert_eq!(serving.stop_after(1), ["0"]);
    // The connection also works as std's own type.
    let serving = Serving::start(|connection: Connection| {
        let mut stream = TcpStream::from(connection);
        let peer = stream.peer_addr()?;
        write!(stream, "{peer}")?;
        Ok(())
    });
    let mut client = serving.connect();
    let local = client.local_addr().unwrap().to_string();
    assert_eq!(read_all(&mut client), local.as_bytes());
    assert_eq!(serving.stop_after(1), ["0"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bound = Server::new().listener(listener).bind().unwrap();
    assert!(format!("{bound:?}").contains(&address.to_string()), "{bound:?}");
}
