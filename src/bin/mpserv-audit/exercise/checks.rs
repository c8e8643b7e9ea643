//! Checks that pass for a mended program and fail for a wrong program.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mpserv::fd::BorrowedFd;
use mpserv::net::{SocketOption, setsockopt};
use mpserv::signal::Signal;

use super::grade::Grade;
use super::subject::{Running, Subject};
use crate::run::network;
use crate::run::processes::Status;
use crate::trouble::Trouble;

type Outcome = Result<Grade, Trouble>;

/// The number of clients that leave at the same time.
const MANY: usize = 5;
/// A program with this number of calls or more counts as a program that never stops making calls.
const ENDLESS: usize = 1000;
/// The shortest time for which the tool watches a program that should not be busy.
const WATCHED: Duration = Duration::from_secs(1);

const NO_FORK: &str = "inject=clone,clone3,fork,vfork:error=EAGAIN";
const NO_SLEEP: &str = "inject=clock_nanosleep:retval=0";

fn grade(is_passed: bool, seen: impl FnOnce() -> String) -> Outcome {
    Ok(if is_passed { Grade::Passed } else { Grade::NotYet(seen()) })
}

/// Lets a stopped process find out that all its children have ended, and checks the number of zombies that it leaves.
fn zombies_after(running: &mut Running<'_>, count: usize) -> Outcome {
    running.wait("all children have ended", |running| running.zombies() == count)?;
    running.signal(running.root, Signal::CONT);
    let is_passed = running.wait_or_rest(|running| running.zombies() == 0)? && !running.has_ended();
    let left = running.zombies();
    grade(is_passed, || format!("{count} children ended together, and {left} of them stay zombies."))
}

fn stop(running: &mut Running<'_>) -> Result<(), Trouble> {
    running.signal(running.root, Signal::STOP);
    running
        .wait("the program is stopped", |running| Status::of(running.root).is_some_and(|status| status.state == b'T'))
}

pub(super) fn clients_gone_together(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start()?;
    running.wait_until_listening()?;
    let clients = (0..MANY).map(|_| running.client()).collect::<Result<Vec<_>, _>>()?;
    // The parent has closed its copies of the connections when it is back in accept.
    running.wait_or_rest(|_| false)?;
    stop(&mut running)?;
    drop(clients);
    zombies_after(&mut running, MANY)
}

pub(super) fn children_killed_together(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start()?;
    running.wait("it has both children", |running| running.children().len() == 2 || running.has_ended())?;
    running.wait_or_rest(|_| false)?;
    stop(&mut running)?;
    let children = running.children();
    children.iter().for_each(|child| running.signal(*child, Signal::KILL));
    zombies_after(&mut running, children.len())
}

pub(super) fn clients_one_by_one(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start()?;
    running.wait_until_listening()?;
    let mut left = 0;
    for _ in 0..MANY {
        drop(running.client()?);
        running.wait("the child has ended", |running| running.children().len() == running.zombies())?;
        running.wait_or_rest(|running| running.zombies() == 0)?;
        left = running.zombies();
    }
    let is_passed = left == 0 && !running.has_ended();
    grade(is_passed, || format!("{MANY} clients came and went one by one, and {left} of the children stay zombies."))
}

pub(super) fn accept_without_descriptors(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_traced(&["inject=accept,accept4:error=EMFILE"], "")?;
    running.wait_until_listening()?;
    let _client = match running.connect() {
        Ok(client) => Some(client),
        // The server may have ended before.
        Err(trouble) => {
            running.wait("the server ends", |running| running.has_ended()).map_err(|_| trouble).map(|()| None)?
        }
    };
    let start = Instant::now();
    let mut calls = 0;
    running.wait("accept is called without end, or the program sleeps", |running| {
        calls = running.trace().matches(" accept").count();
        // On a busy machine, a program that does not sleep may need longer for its calls.
        let sleeps = Status::of(running.root).is_some_and(|status| status.is_still());
        calls > ENDLESS || running.has_ended() || (calls > 0 && start.elapsed() > WATCHED && sleeps)
    })?;
    let has_ended = running.has_ended();
    grade(calls <= ENDLESS && !has_ended, || match has_ended {
        true => "accept failed once with EMFILE, and the server ended.".to_owned(),
        false => format!("accept fails with EMFILE, and was called more than {ENDLESS} times without a pause."),
    })
}

pub(super) fn client_resets(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_traced(&[], "")?;
    running.wait_until_listening()?;
    let client = running.client()?;
    running.wait_or_rest(|_| false)?;
    // SAFETY: the descriptor is open for as long as `client` is there.
    let socket = unsafe { BorrowedFd::from_raw(client.as_raw_fd()) };
    setsockopt(socket, SocketOption::LINGER, Some(0)).map_err(|errno| Trouble::of("SO_LINGER", errno))?;
    drop(client);
    running.wait("the child has ended", |running| running.children().len() == running.zombies())?;
    let trace = running.trace();
    let wrong = trace.lines().find(|line| line.contains(" write(") && line.contains("EFAULT"));
    grade(wrong.is_none() && trace.contains("ECONNRESET"), || match wrong {
        Some(line) => format!("the client reset the connection, read failed, and then: {}", call(line)),
        None => "the client reset the connection, and no read failed with ECONNRESET.".to_owned(),
    })
}

/// Returns a line of a trace without the process id.
fn call(line: &str) -> String {
    let text = line.split_once(' ').map_or(line, |(_, call)| call);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn serves_again(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start()?;
    running.wait_until_listening()?;
    let client = running.client()?;
    // The server is back in accept when its child ends, so that SIGCHLD interrupts the call.
    running.wait_or_rest(|_| false)?;
    drop(client);
    running.wait("the child is gone", |running| running.children().is_empty() || running.has_ended())?;
    running.wait_or_rest(|_| false)?;
    let is_passed = !running.has_ended() && running.client().is_ok();
    grade(is_passed, || "after its first client, the server ended.".to_owned())
}

pub(super) fn survives_failed_fork(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_traced(&[NO_FORK], "")?;
    running.wait_until_listening()?;
    let client = running.connect()?;
    running.wait("it forks", |running| running.trace().contains("(INJECTED)") || running.has_ended())?;
    running.wait_or_rest(|_| false)?;
    let listens = network::listens(&[running.root], subject.port);
    drop(client);
    running.wait_or_rest(|_| false)?;
    let has_ended = running.has_ended();
    grade(listens && !has_ended, || {
        "fork failed. The server took itself for the child, closed the listener, and served until its client went."
            .to_owned()
    })
}

pub(super) fn started_without_input(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_without_input()?;
    running.wait_until_listening()?;
    let _client = running.client()?;
    let children = running.children();
    let keeps = children.iter().any(|child| network::listens(&[*child], subject.port));
    grade(!keeps && !children.is_empty(), || {
        "started without standard input, the listener is descriptor 0, and the child did not close it.".to_owned()
    })
}

pub(super) fn input_ends(subject: &Subject<'_>) -> Outcome {
    let listener = network::occupy(subject.port)?;
    let mut running = subject.start_traced(&[], "hello\n")?;
    let mut writes = 0;
    let mut client = None;
    running.wait("the client ends", |running| {
        client = client.take().or_else(|| accept(&listener));
        writes = running.trace().matches(" write(").count();
        // A server that has read everything up to the end closes the connection, and so does the client.
        let is_over = client.as_mut().is_some_and(take_all);
        if is_over {
            client = None;
        }
        writes > ENDLESS || running.has_ended()
    })?;
    grade(writes <= ENDLESS, || format!("the input was one line and ended, and the client has written {writes} times."))
}

fn accept(listener: &TcpListener) -> Option<std::net::TcpStream> {
    let (client, _) = listener.accept().ok()?;
    client.set_nonblocking(true).ok().map(|()| client)
}

/// Reads the data that has come. Returns whether the connection has ended.
fn take_all(client: &mut std::net::TcpStream) -> bool {
    let mut buffer = [0; 4096];
    while let Ok(length) = std::io::Read::read(client, &mut buffer) {
        if length == 0 {
            return true;
        }
    }
    false
}

pub(super) fn prints_no_failed_id(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_traced(&[NO_FORK, NO_SLEEP], "")?;
    running.wait("the program ends", Running::has_ended)?;
    let printed = running.printed();
    let wrong = printed.lines().find(|line| line.contains("-1"));
    grade(wrong.is_none(), || format!("fork failed, and the program printed: {}", wrong.unwrap_or_default()))
}

pub(super) fn socket_fails(subject: &Subject<'_>) -> Outcome {
    let mut running = subject.start_traced(&["inject=socket:error=EMFILE", NO_SLEEP], "")?;
    running.wait("the program ends", Running::has_ended)?;
    let trace = running.trace();
    let wrong = trace.lines().find(|line| line.contains("(-1") && line.contains("EBADF"));
    grade(wrong.is_none(), || format!("socket failed, and then: {}", call(wrong.unwrap_or_default())))
}
