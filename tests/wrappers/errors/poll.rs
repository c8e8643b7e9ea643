use mpserv::errno::Errno;
use mpserv::fd::{AsFd, pipe};
use mpserv::poll::{PollEvents, PollFd, poll, ppoll};

use super::{Case, NotProduced, each, errno, interrupted, no_descriptor_left};

pub(super) const CASES: &[Case] = &[
    ("poll ppoll", Errno::INTR, || {
        interrupted(|| each([errno(poll(&mut [], None)), errno(ppoll(&mut [], None, None))]))
    }),
    ("poll ppoll", Errno::INVAL, || {
        let (reader, _writer) = pipe().unwrap();
        let mut fds = [PollFd::new(reader.as_fd(), PollEvents::IN)];
        no_descriptor_left();
        each([errno(poll(&mut fds, None)), errno(ppoll(&mut fds, None, None))])
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] =
    &[("poll ppoll", "ENOMEM", "only a kernel without memory has it")];
