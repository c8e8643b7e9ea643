//! The place of a token in a call.

/// The place of a token in a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position<'t> {
    pub(super) call: &'t [u8],
    /// The index of the argument, from 0, or none for the result.
    pub(super) argument: Option<usize>,
    /// The number of open brackets around the token.
    pub(super) depth: usize,
    /// The name before the last `=`, such as `si_pid`.
    pub(super) field: &'t [u8],
    /// Whether a comment explains the token, which is then no address.
    pub(super) explained: bool,
    pub(super) features: Features,
}

/// Facts about a number, from the other arguments of its call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    /// Whether the call reads from a source of random bytes.
    pub(super) reads_random: bool,
    /// Whether the call is an ioctl or fcntl about a process or process group.
    pub(super) holds_process_id: bool,
    /// Whether the call is an mprotect of the program's own image.
    pub(super) protects_image: bool,
    /// Whether the call gives the status of standard input, output or error.
    pub(super) of_standard_stream: bool,
    /// The device of the file whose status a statx gives.
    pub(super) device: Option<u64>,
    /// Whether the result is a process id.
    pub(super) returns_process_id: bool,
}
impl<'t> Position<'t> {
    pub(super) fn at(call: &'t [u8], argument: Option<usize>, features: Features) -> Self {
        Position { call, argument, depth: 0, field: b"", explained: false, features }
    }

    pub(super) fn is_argument(&self, index: usize) -> bool {
        self.argument == Some(index)
    }

    pub(super) fn is_result(&self) -> bool {
        self.argument.is_none()
    }
}
