//! The environment of a program: the server's variables without those about the server itself, and the variables of
//! UCSPI, which name the client.
//!
//! UCSPI is the convention of tcpserver and its successors: `PROTO`, `TCPREMOTEIP`, `IPCREMOTEEUID` and so on.

use core::ffi::CStr;
use core::fmt;
use core::net::SocketAddr;

use crate::server::connection::{Connection, Peer};
use crate::server::inherited::RESTART_VARIABLE;
use crate::server::limits::{VARIABLES_BYTES, VARIABLES_MAX};
use crate::server::privileges::Identity;
use crate::server::systemd;
use crate::sys::errno::Result;
use crate::sys::memory::{CStrArray, Mark};
use crate::sys::net::{Credentials, SockAddr};
use crate::sys::process::variables;

/// The protocols of UCSPI. The name of each variable begins with its protocol's name.
const PROTOCOLS: [&[u8]; 5] = [b"TCP", b"UDP", b"UNIX", b"IPC", b"SSL"];
/// The suffixes of the variables about a connection. The protocol's name precedes each suffix. If the server itself has
/// such variables, the variables are about another connection.
const ABOUT_CONNECTION: [&[u8]; 3] = [b"LOCAL", b"REMOTE", b"CONNNUM"];
/// Further variables about another connection: the protocol's name, and the variables that sshd sets for a login.
const ABOUT_OTHERS: [&str; 4] = ["PROTO", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY"];
/// The variables about the user.
const ABOUT_USER: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];

/// Whether a variable of the server must not reach a program, because it is about the server or about another
/// connection.
fn is_about_server(name: &[u8]) -> bool {
    let about_connection = PROTOCOLS.iter().filter_map(|protocol| name.strip_prefix(*protocol));
    let mut dropped = ABOUT_OTHERS.iter().chain(&systemd::VARIABLES).chain([&RESTART_VARIABLE]);
    about_connection.into_iter().any(|rest| ABOUT_CONNECTION.iter().any(|what| rest.starts_with(what)))
        || dropped.any(|dropped| dropped.as_bytes() == name)
}

/// Copies this process's environment, without the variables whose names are `dropped`. If the server has become another
/// user, the variables about the user describe that user. These variables are missing if the system does not know the
/// user. The copy has room for [`VARIABLES_MAX`] more variables of [`VARIABLES_BYTES`] bytes.
pub(crate) fn copy_environment(identity: Option<Identity>, dropped: impl Fn(&[u8]) -> bool) -> Result<CStrArray> {
    let is_about_user = |name: &[u8]| ABOUT_USER.iter().any(|about| about.as_bytes() == name);
    let is_dropped = |name: &[u8]| dropped(name) || (identity.is_some() && is_about_user(name));
    // SAFETY: nothing changes the environment meanwhile.
    let copied = unsafe { variables() }.filter(|variable| !is_dropped(name_of(variable)));
    let bytes: usize = copied.clone().map(|variable| variable.to_bytes_with_nul().len()).sum();
    let mut copy = CStrArray::with_capacity(copied.clone().count() + VARIABLES_MAX, bytes + VARIABLES_BYTES)?;
    copied.into_iter().try_for_each(|variable| copy.push(variable))?;
    if let Some(user) = identity.and_then(|identity| identity.user()) {
        let values = [user.home(), user.name(), user.name(), user.shell()];
        for (name, value) in ABOUT_USER.into_iter().zip(values) {
            copy.push_parts(&[name.as_bytes(), b"=", value.to_bytes()])?;
        }
    }
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
    pub(super) fn new(identity: Option<Identity>) -> Result<Environment> {
        let variables = copy_environment(identity, is_about_server)?;
        let own = variables.mark();
        Ok(Environment { variables, own })
    }

    pub(super) const fn as_array(&self) -> &CStrArray {
        &self.variables
    }

    /// Sets the variables that name the client of a connection, in place of those of an earlier client.
    pub(super) fn set_client(&mut self, connection: &Connection) -> Result<()> {
        let variables = &mut self.variables;
        variables.truncate(self.own);
        match connection.peer() {
            Peer::Inet(remote) => {
                variables.push(c"PROTO=TCP")?;
                if let SockAddr::Inet(local) = connection.local_addr()? {
                    variables.push_fmt(format_args!("TCPLOCALIP={}", Host(local)))?;
                    variables.push_fmt(format_args!("TCPLOCALPORT={}", local.port()))?;
                }
                variables.push_fmt(format_args!("TCPREMOTEIP={}", Host(remote)))?;
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

/// The address of a host, without the port. A link-local address has the index of its interface: `fe80::1%2`.
struct Host(SocketAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.ip().to_canonical().fmt(f)?;
        match self.0 {
            SocketAddr::V6(address) if address.scope_id() != 0 => write!(f, "%{}", address.scope_id()),
            _ => Ok(()),
        }
    }
}
