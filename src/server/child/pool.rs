//! A preforked child: it accepts and serves one client after another.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use core::time::Duration;

use super::context::ChildContext;
use super::outcome::Outcome;
use crate::ffi::sys::syscall::{SYS_prctl, SYS_rt_sigaction, SYS_rt_sigprocmask};
use crate::server::connection::{Connection, Peer};
use crate::server::limits::{ABORTS_IN_A_ROW, EXIT_DONE, EXIT_FAILED, LISTENERS_MAX};
use crate::server::listener::is_connection_error;
use crate::server::log::ChildEnd;
use crate::server::sandbox::{ChildKind, can_get_descriptors};
use crate::server::scoreboard::State;
use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, BorrowedFd, OwnedFd, PipeFlags, close_for_good, pipe2, replace_for_good};
use crate::sys::net::{SockAddr, SocketFlags, accept4};
use crate::sys::poll::{PollEvents, PollFd, ppoll};
use crate::sys::process::{Pid, getpid, getppid, set_pdeathsig};
use crate::sys::signal::{Disposition, Handler, MaskHow, SigAction, SigSet, Signal, kill, sigaction, sigprocmask};
use crate::sys::time::{Clock, clock_gettime};

/// The signal by which the parent tells a preforked child that it is no longer needed. The kernel sends this signal when
/// the parent is killed.
pub(crate) const RETIRE: Signal = Signal::USR2;

/// Set once [`RETIRE`] has been received.
static RETIRED: AtomicBool = AtomicBool::new(false);

/// The end of a pipe without the other end, whose copies the handler of [`RETIRE`] puts in the places of the listeners.
/// -1 stands for none. A place that is given back could become another descriptor's, just when this child accepts.
static STAND_IN: AtomicI32 = AtomicI32::new(BorrowedFd::NONE.raw());
/// The descriptors that the handler of [`RETIRE`] closes. -1 stands for none.
static LISTENERS: [AtomicI32; LISTENERS_MAX] = [const { AtomicI32::new(BorrowedFd::NONE.raw()) }; LISTENERS_MAX];

/// The id of the server without which this child must end. 0 stands for none: see `--orphans keep`.
static NEEDED: AtomicI32 = AtomicI32::new(0);

/// Serves one client after another in a preforked child, until the child is retired.
pub(super) fn serve_pool<H: FnMut(Connection) -> R, R: Outcome>(
    handler: &mut H,
    context: ChildContext<'_, '_>,
) -> Result<c_int, c_int> {
    context.leave_parents_group()?;
    context.give_up_server_resources(true)?;
    let pid = getpid();
    catch_retire(&context)?;
    retire_with_server(&context)?;
    context.set_resource_limits()?;
    context.enter_sandbox(&ChildKind::Pool(&context.descriptors.listeners))?;
    let mut acceptor = Acceptor::new(context.descriptors.listeners.len());
    let mut requests_left = context.settings.max_requests.unwrap_or(u64::MAX);
    context.slot.set(pid, State::Idle, clock_gettime(Clock::MONOTONIC));
    let mut status = Ok(());
    while requests_left > 0 && !is_retired() && status.is_ok() {
        match acceptor.next_client(&context) {
            Ok(Some((fd, address))) => {
                if serve_client(handler, &context, pid, fd, address) {
                    requests_left -= 1;
                }
                status = hear_retire_again(&context);
            }
            Ok(None) => {}
            Err(failed) => status = Err(failed),
        }
        context.throttle.borrow_mut().release(context.log, clock_gettime(Clock::MONOTONIC));
    }
    context.throttle.borrow_mut().release(context.log, Duration::MAX);
    status.map(|()| EXIT_DONE)
}

/// Undoes what a handler of clients may have done to [`RETIRE`]. In the sandbox, only a call that it was allowed can have
/// done so, and this child can make that call, too.
fn hear_retire_again(context: &ChildContext<'_, '_>) -> Result<(), c_int> {
    let may_call = |call| context.settings.sandbox.is_none_or(|calls| calls.contains(&call));
    if may_call(SYS_rt_sigaction) {
        handle_retire(context)?;
    }
    if may_call(SYS_prctl) {
        retire_with_server(context)?;
    }
    if may_call(SYS_rt_sigprocmask) {
        sigprocmask(MaskHow::Unblock, &SigSet::from([RETIRE]));
    }
    Ok(())
}

/// Installs the handler of [`RETIRE`]. A handler of clients may have changed the action, and the mask.
fn handle_retire(context: &ChildContext<'_, '_>) -> Result<(), c_int> {
    // SAFETY: the function uses atomics, close(), dup3(), getpid(), getppid() and kill().
    let action = SigAction::new(Disposition::Handler(unsafe { Handler::new(on_retire) }));
    sigaction(RETIRE, &action).map_err(|errno| context.set_up_failed("sigaction", errno))
}

/// Asks the kernel for [`RETIRE`] when the server dies. A killed server must not leave children that accept clients for
/// ever. The kernel forgets the signal when a handler changes its user. Fails if the server has gone already: this child
/// has no client, and ends.
fn retire_with_server(context: &ChildContext<'_, '_>) -> Result<(), c_int> {
    set_pdeathsig(context.server, RETIRE).map_err(|_| EXIT_DONE)
}

/// Whether [`RETIRE`] has been received.
fn is_retired() -> bool {
    RETIRED.load(Ordering::Relaxed)
}

/// Handles [`RETIRE`]: closes the listeners at once. If the child kept them until its client leaves, and the server was
/// killed, no other server could listen at the address. If the server that this child needs was killed, also sends
/// SIGTERM to this child.
///
/// Async-signal-safe: yes.
fn on_retire(_: Signal) {
    RETIRED.store(true, Ordering::Relaxed);
    // SAFETY: the number is -1, or that of a pipe that is open until the process ends.
    let stand_in = unsafe { BorrowedFd::from_raw(STAND_IN.load(Ordering::Relaxed)) };
    for listener in &LISTENERS {
        // A second signal finds no number: by then, the number may be that of another descriptor.
        let number = listener.swap(BorrowedFd::NONE.raw(), Ordering::Relaxed);
        if number == BorrowedFd::NONE.raw() {
            continue;
        }
        // SAFETY: the number is that of a listener, which is open until it is closed here.
        let listener = unsafe { BorrowedFd::from_raw(number) };
        // If the child is about to wait for a client, its call fails with `ENOTSOCK`, or with `EBADF` without a stand-in.
        if stand_in.raw() == BorrowedFd::NONE.raw() {
            // SAFETY: a retired child takes no client from its listeners, and a child never drops them.
            unsafe { close_for_good(&listener) };
        } else {
            // SAFETY: the reason above holds here as well.
            unsafe { replace_for_good(&listener, stand_in) };
        }
    }
    let needed = Pid::from_raw(NEEDED.load(Ordering::Relaxed));
    if needed.is_some() && getppid() != needed {
        // A caller may have a handler of SIGTERM. If so, the child ends after its client.
        let _ = kill(getpid(), Signal::TERM);
    }
}

/// Installs the handler of [`RETIRE`], restores the signal mask, and unblocks that signal.
fn catch_retire(context: &ChildContext<'_, '_>) -> Result<(), c_int> {
    // A pool of a handler, in a child that was retired, begins anew. The signal is blocked until the end.
    RETIRED.store(false, Ordering::Relaxed);
    NEEDED.store(context.parent.map_or(0, Pid::raw), Ordering::Relaxed);
    STAND_IN.store(BorrowedFd::NONE.raw(), Ordering::Relaxed);
    for place in &LISTENERS {
        place.store(BorrowedFd::NONE.raw(), Ordering::Relaxed);
    }
    if context.settings.sandbox.is_none() {
        // If there is no room for a pipe, the handler closes the listeners.
        let pipe = pipe2(PipeFlags::CLOEXEC).map(|(end, _)| end.into_raw());
        STAND_IN.store(pipe.unwrap_or(BorrowedFd::NONE.raw()), Ordering::Relaxed);
    }
    // In the sandbox, a socket that the handler makes must not get the number of a listener: it could not be used.
    if !context.settings.sandbox.is_some_and(can_get_descriptors) {
        for (place, listener) in LISTENERS.iter().zip(context.descriptors.listeners.iter()) {
            place.store(listener.as_fd().raw(), Ordering::Relaxed);
        }
    }
    handle_retire(context)?;
    context.earlier.restore_in_child();
    let mut mask = context.earlier.mask_in_child;
    mask.remove(RETIRE);
    sigprocmask(MaskHow::Set, &mask);
    Ok(())
}

/// Serves or refuses one client, from its acceptance to its end, and keeps the scoreboard up to date. Returns whether
/// the client was served.
fn serve_client<H: FnMut(Connection) -> R, R: Outcome>(
    handler: &mut H,
    context: &ChildContext<'_, '_>,
    pid: Pid,
    fd: OwnedFd,
    address: SockAddr,
) -> bool {
    let began = clock_gettime(Clock::MONOTONIC);
    let peer = Peer::of(&fd, address);
    let mut connection = Connection::new(fd, peer, context.admission.scoreboard.count_accepted_by(context.slot), 0);
    context.slot.set_client(connection.number(), &peer);
    context.slot.set(pid, State::Serving, began);
    let is_served = begin_client(context, pid, &mut connection).is_ok();
    let peer = connection.peer();
    if !is_served {
        // The log already says why the client is not served.
        drop(connection);
        context.slot.forget_client();
        context.slot.set(pid, State::Idle, clock_gettime(Clock::MONOTONIC));
        return false;
    }
    let result = handler(connection).status();
    let ended = clock_gettime(Clock::MONOTONIC);
    context.slot.end_client();
    let end = ChildEnd::Exit(*result.as_ref().unwrap_or(&EXIT_FAILED));
    context.log.end(pid, &peer, end, result.err(), ended - began, None);
    // If this process is killed before, the parent logs the end.
    context.slot.forget_client();
    context.slot.set(pid, State::Idle, ended);
    true
}

/// Identifies the client, decides whether it is served, and sets the time limit of the connection.
fn begin_client(context: &ChildContext<'_, '_>, pid: Pid, connection: &mut Connection) -> Result<(), c_int> {
    let mut proxy = None;
    if context.settings.proxy_protocol {
        proxy = context.identify_client(connection)?;
    } else {
        context.admit(connection)?;
    }
    context.set_idle_timeout(connection)?;
    context.log_accept(|| pid, &connection.peer(), proxy.as_ref());
    Ok(())
}

/// The time after which a listener that was shut down is asked again. The process that has shut it down may have made it
/// listen again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Accepts clients in a preforked child.
struct Acceptor {
    /// For each listener, whether a client may wait there.
    ready: [bool; LISTENERS_MAX],
    /// For each listener, whether it has been shut down.
    is_shut_down: [bool; LISTENERS_MAX],
    /// The listener that is tried first at the next accept.
    turn: usize,
    aborts_in_a_row: u32,
}

impl Acceptor {
    fn new(listeners: usize) -> Acceptor {
        // With a single listener, accept4() itself waits for a client, because the listener blocks.
        Acceptor {
            ready: [listeners == 1; LISTENERS_MAX],
            is_shut_down: [false; LISTENERS_MAX],
            turn: 0,
            aborts_in_a_row: 0,
        }
    }

    /// Accepts the next client, or waits for a client. Returns `None` if the caller must check whether the child has
    /// been retired. The error is the exit status.
    fn next_client(&mut self, context: &ChildContext<'_, '_>) -> Result<Option<(OwnedFd, SockAddr)>, c_int> {
        let listeners = &context.descriptors.listeners;
        let count = listeners.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(ready) = self.ready.get_mut(index).filter(|ready| **ready) else { continue };
            let Some(listener) = listeners.get(index) else { continue };
            match accept4(listener, SocketFlags::CLOEXEC) {
                Ok(client) => {
                    (self.turn, self.aborts_in_a_row) = (index + 1, 0);
                    if count > 1 {
                        // Once this client is served, any listener may have a client.
                        self.ready = [false; LISTENERS_MAX];
                    }
                    return Ok(Some(client));
                }
                Err(Errno::AGAIN) => (*ready, self.aborts_in_a_row) = (false, 0),
                Err(Errno::INTR) => return Ok(None),
                // The handler of the signal has closed the listener.
                Err(Errno::BADF | Errno::NOTSOCK) if is_retired() => return Ok(None),
                // The server has shut all listeners down, or another process this one.
                Err(Errno::INVAL) => {
                    *ready = false;
                    if let Some(is_shut_down) = self.is_shut_down.get_mut(index) {
                        *is_shut_down = true;
                    }
                    if self.is_shut_down.iter().take(count).all(|is_shut_down| *is_shut_down) {
                        return Err(EXIT_DONE);
                    }
                }
                Err(errno) if is_connection_error(errno) && self.aborts_in_a_row < ABORTS_IN_A_ROW => {
                    self.aborts_in_a_row += 1;
                    return Ok(None);
                }
                Err(errno) => {
                    back_off(context, "accept4", errno);
                    return Ok(None);
                }
            }
        }
        self.wait(context);
        Ok(None)
    }

    /// Waits until a listener has a client, a signal comes, or listeners that were shut down are to be asked again.
    fn wait(&mut self, context: &ChildContext<'_, '_>) {
        let mut fds = [PollFd::new(BorrowedFd::NONE, PollEvents::NONE); LISTENERS_MAX];
        let listeners = context.descriptors.listeners.iter().zip(self.is_shut_down);
        for (place, (listener, is_shut_down)) in fds.iter_mut().zip(listeners) {
            // A listener that was shut down would end each wait at once.
            let fd = if is_shut_down { BorrowedFd::NONE } else { listener.as_fd() };
            *place = PollFd::new(fd, PollEvents::IN);
        }
        let fds = fds.get_mut(..context.descriptors.listeners.len()).unwrap_or_default();
        let has_shut_down = self.is_shut_down.contains(&true);
        match ppoll(fds, has_shut_down.then_some(ASK_AGAIN), None) {
            Ok(0) => self.is_shut_down = [false; LISTENERS_MAX],
            Ok(_) => {
                for (ready, fd) in self.ready.iter_mut().zip(fds.iter()) {
                    *ready = !fd.revents().is_empty();
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => back_off(context, "ppoll", errno),
        }
    }
}

/// Logs an unexpected failure of a call, and waits for a while.
fn back_off(context: &ChildContext<'_, '_>, call: &str, errno: Errno) {
    let now = clock_gettime(Clock::MONOTONIC);
    context.throttle.borrow_mut().back_off(context.log, now, call, errno, Some(getpid()));
}

#[cfg(test)]
mod tests;
