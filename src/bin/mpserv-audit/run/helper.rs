//! The user's own command beside the program, such as a client. The command is not traced.

use std::process::{Child, Command, ExitStatus, Stdio};

use mpserv::process::Pid;
use mpserv::signal::{self, Signal};

use super::start::spawn;
use crate::trouble::Trouble;

/// The command, in its own process group.
#[derive(Debug)]
pub(super) struct Helper {
    name: String,
    child: Child,
}

impl Helper {
    /// Starts the command, with the program's port in its environment. Returns none if there are no words.
    pub(super) fn start(words: &[String], port: Option<u16>) -> Result<Option<Self>, Trouble> {
        let Some((name, arguments)) = words.split_first() else {
            return Ok(None);
        };
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        if let Some(port) = port {
            command.env("PORT", port.to_string());
        }
        let child = spawn(&mut command).map_err(|error| Trouble::of(format!("--drive: {name}"), error))?;
        Ok(Some(Helper { name: name.clone(), child }))
    }

    /// Returns the status of the command, once it has ended.
    pub(super) fn status(&mut self) -> Result<Option<ExitStatus>, Trouble> {
        self.child.try_wait().map_err(|error| Trouble::of(format!("--drive: {}", self.name), error))
    }

    /// Returns the error for a status other than success.
    pub(super) fn failure(&self, status: ExitStatus) -> Trouble {
        Trouble::new(format!("--drive: {} failed: {status}", self.name))
    }

    /// Kills the command and everything that it has started.
    pub(super) fn end(mut self) {
        end_group(self.child.id());
        // The helper has ended by now.
        let _ = self.child.wait();
    }
}

/// Kills the processes of a group that this tool has made.
pub(super) fn end_group(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // The processes may have ended already.
        let _ = signal::killpg(group, Signal::KILL);
    }
}
