//! Ends a run early.

use mpserv::signal::SignalFlag;

/// The flag that is raised when the user wants the tool to end.
pub static INTERRUPTED: SignalFlag = SignalFlag::new();
