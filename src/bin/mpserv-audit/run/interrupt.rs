//! Ends a run early.

use mpserv::signal::SignalFlag;

/// The flag that the user wants the tool to end.
pub static INTERRUPTED: SignalFlag = SignalFlag::new();
