//! The environment of a program: the server's own, and the variables of UCSPI, which name the client.
//!
//! UCSPI is the convention of tcpserver and its successors: `PROTO`, `TCPREMOTEIP`, `IPCREMOTEEUID` and so on.

use core::ffi::CStr;
use core::net::SocketAddr;

use crate::server::connection::{Connection, Peer};
use crate::server::inherited::RESTART_VARIABLE;
use crate::server::limits::{VARIABLES_BYTES, VARIABLES_MAX};
use crate::server::systemd;
use crate::sys::errno::Result;
use crate::sys::memory::{CStrArray, Mark};
use crate::sys::net::{Credentials, SockAddr};
use crate::sys::process::environ;

/// The variables that name the client. If the server itself has such variables, they are about another connection.
const VARIABLES: [&str; 13] = [
    "PROTO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPCONNNUM",
    "IPCREMOTEEUID",
    "IPCREMOTEEGID",
    "IPCREMOTEPID",
    "IPCREMOTEPATH",
];

/// Copies this process's environment, without the variables whose names are `dropped`. There is room for
/// [`VARIABLES_MAX`] more of [`VARIABLES_BYTES`] bytes.
pub(crate) fn copy_environment(dropped: impl Fn(&[u8]) -> bool) -> Result<CStrArray> {
    let copied = environ().filter(|variable| !dropped(name_of(variable)));
    let bytes: usize = copied.clone().map(|variable| variable.to_bytes_with_nul().len()).sum();
    let mut copy = CStrArray::with_capacity(copied.clone().count() + VARIABLES_MAX, bytes + VARIABLES_BYTES)?;
    copied.into_iter().try_for_each(|variable| copy.push(variable))?;
    Ok(copy)
}

fn name_of(variable: &CStr) -> &[u8] {
    variable.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default()
}

/// The environment of a program.
pub(super) struct Environment {
    variables: CStrArray,
    /// The end of the server's own variables.
    own: Mark,
}

impl Environment {
    pub(super) fn new() -> Result<Environment> {
        let variables = copy_environment(|name| {
            let mut dropped = VARIABLES.iter().chain(&systemd::VARIABLES).chain([&RESTART_VARIABLE]);
            dropped.any(|dropped| dropped.as_bytes() == name)
        })?;
        let own = variables.mark();
        Ok(Environment { variables, own })
    }

    pub(super) const fn as_array(&self) -> &CStrArray {
        &self.variables
    }

    /// Names the client of a connection, in place of an earlier one.
    pub(super) fn set_client(&mut self, connection: &Connection) -> Result<()> {
        let variables = &mut self.variables;
        variables.truncate(self.own);
        match connection.peer() {
            Peer::Inet(remote) => {
                variables.push(c"PROTO=TCP")?;
                if let SockAddr::Inet(local) = connection.local_addr()? {
                    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
                    variables.push_fmt(format_args!("TCPLOCALIP={}", local.ip()))?;
                    variables.push_fmt(format_args!("TCPLOCALPORT={}", local.port()))?;
                }
                variables.push_fmt(format_args!("TCPREMOTEIP={}", remote.ip()))?;
                variables.push_fmt(format_args!("TCPREMOTEPORT={}", remote.port()))?;
                variables.push_fmt(format_args!("TCPCONNNUM={}", connection.from_source()))
            }
            Peer::Unix(Credentials { pid, uid, gid }) => {
                variables.push(c"PROTO=IPC")?;
                variables.push_fmt(format_args!("IPCREMOTEEUID={uid}"))?;
                variables.push_fmt(format_args!("IPCREMOTEEGID={gid}"))?;
                variables.push_fmt(format_args!("IPCREMOTEPID={pid}"))
            }
            Peer::Unknown => Ok(()),
        }
    }
}
