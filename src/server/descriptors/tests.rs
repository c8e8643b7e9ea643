use super::*;
use crate::sys::errno::Errno;
use crate::sys::fd::{AsFd, PipeFlags, is_open, pipe2, read};
use crate::sys::poll::{PollEvents, PollFd, poll};

/// Checks the pipes to other servers, which wait for the end of this process: a drop leaves each open.
#[test]
#[cfg_attr(miri, ignore = "its poll knows no pipes")]
fn the_pipes_to_other_servers_are_closed_by_the_end_of_the_process_alone() {
    let (answers, to_predecessor) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let (orders, of_successor) = pipe2(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let [to_predecessor_number, orders_number] = [to_predecessor.raw(), orders.raw()];
    let mut successor = Descriptors::new(Listeners::new());
    successor.predecessor = Some(to_predecessor);
    drop(successor);
    assert_eq!(read(&answers, &mut [0]), Err(Errno::AGAIN), "the predecessor would take the successor for lost");
    let mut stopped = Descriptors::new(Listeners::new());
    stopped.orders = Some(orders);
    drop(stopped);
    let mut events = [PollFd::new(of_successor.as_fd(), PollEvents::NONE)];
    assert_eq!(poll(&mut events, Some(core::time::Duration::ZERO)), Ok(0), "the newest server would not wait");
    for number in [to_predecessor_number, orders_number] {
        // SAFETY: nothing else owns the descriptor since the drop.
        let left = unsafe { OwnedFd::from_raw(number) };
        assert!(is_open(left.as_fd()));
    }
}
