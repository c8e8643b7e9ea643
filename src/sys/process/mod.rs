//! Processes.
//!
//! | file | content |
//! |---|---|
//! | `id` | ids of processes, groups and sessions; `exit()`, `_exit()`, `abort()` |
//! | `fork` | `fork()` |
//! | `wait` | `wait()`, `waitpid()`, [`WaitStatus`], [`Child`] |
//! | `exec` | `execve()`, [`spawn`] |
//! | `environment` | `environ`, `getenv()` |
//! | `limits` | `getrlimit()` and `setrlimit()` |
//! | `privileges` | `prctl()` and capabilities |
//!
//! # A whole program
//! ```
//! use mpserv::memory::CStrArray;
//! use mpserv::process::{_exit, Fork, environ, execve, fork};
//!
//! /// Runs a program, as a shell does it: fork, become the program, wait.
//! fn main() -> mpserv::errno::Result<()> {
//!     let environment = environ()?;
//!     let arguments = CStrArray::copy([c"sh", c"-c", c"exit 3"].into_iter())?;
//!     match fork()? {
//!         Fork::Child => {
//!             // execve() returns only if it fails. The status is that of a shell that finds no program.
//!             execve(c"/bin/sh", &arguments, &environment);
//!             _exit(127)
//!         }
//!         Fork::Parent(mut child) => {
//!             let status = child.wait()?;
//!             assert_eq!(status.exit_status(), Some(3));
//!             Ok(())
//!         }
//!     }
//! }
//! ```

mod environment;
mod exec;
mod fork;
mod id;
mod limits;
mod personality;
mod privileges;
mod wait;

pub use crate::sys::pid::Pid;
pub use crate::sys::threads::has_other_threads;
pub use environment::{environ, getenv};
pub(crate) use environment::{value, variables};
pub use exec::{Spawn, SpawnError, become_program, executed_path, execve, spawn};
pub use fork::{Fork, fork, fork_unchecked};
pub use id::{_exit, abort, exists, exit, getpgid, getpid, getppid, group_exists, setpgid, setsid};
pub use limits::{INFINITY, Limit, Resource, getrlimit, setrlimit};
pub use personality::fix_addresses;
pub use privileges::{
    adopt_orphans, allow_dumps, clear_inheritable, drop_capability_bounds, forbid_dumps, has_capabilities,
    no_new_privileges, set_pdeathsig,
};
pub use wait::{Child, WaitFor, WaitOptions, WaitStatus, wait, waitpid};
