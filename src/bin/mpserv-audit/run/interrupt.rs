//! The end of a run before its time.

use mpserv::signal::SignalFlag;

/// Raised when the user wants the tool to end.
pub static INTERRUPTED: SignalFlag = SignalFlag::new();
