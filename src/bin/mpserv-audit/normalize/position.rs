//! The place of a token in a call.

/// The place of a token in a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position<'t> {
    pub(super) call: &'t [u8],
    /// Index of the argument, from 0; none in the result.
    pub(super) argument: Option<usize>,
    /// Number of open brackets around it.
    pub(super) depth: usize,
    /// The name before the last `=`, as `si_pid`.
    pub(super) field: &'t [u8],
    /// A comment explains the token, so it is no address.
    pub(super) explained: bool,
    pub(super) features: Features,
}

/// Facts about a number, from the other arguments of its call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    /// A read from a source of random bytes.
    pub(super) reads_random: bool,
    /// An ioctl or fcntl about a process or process group.
    pub(super) holds_process_id: bool,
    /// An mprotect of the program's own image.
    pub(super) protects_image: bool,
    /// A status of standard input, output or error.
    pub(super) of_standard_stream: bool,
    /// The result is a process id.
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
