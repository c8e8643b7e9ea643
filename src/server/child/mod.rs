//! The children, from the fork to the end of each.
//!
//! There are three kinds. Each has its set-up as one sequence, from the top to the bottom of one function:
//!
//! | kind | set-up |
//! |---|---|
//! | a function for one client | `function.rs`: `serve` |
//! | a preforked process, which serves one client after another | `pool.rs`: `serve_pool` |
//! | a program | `program.rs`: `start`, and `run_behind_proxy` if the client is named by a PROXY header |
//!
//! | file | content |
//! |---|---|
//! | `worker.rs` | [`Worker`]: the parent's requests to start children |
//! | `context.rs` | [`ChildContext`]: the part of the server that a child knows, and the steps of a child's set-up |
//! | `function.rs`, `pool.rs`, `program.rs` | the three kinds |
//! | `environment.rs` | the environment of a program |
//! | `executable.rs` | the file of a program |
//! | `outcome.rs` | the result of a handler: the exit status, or the error |
//! | `error_texts.rs` | the memory in which a child leaves its handler's error for the parent, which logs the error |

mod context;
mod environment;
mod error_texts;
mod executable;
mod function;
mod outcome;
mod pool;
mod program;
mod worker;

pub(super) use context::ChildContext;
pub(super) use environment::copy_environment;
pub(super) use error_texts::ErrorTexts;
pub(super) use executable::find_executable;
pub(super) use function::Function;
pub use outcome::Outcome;
pub(super) use pool::RETIRE;
pub(super) use program::Program;
pub(super) use worker::{NotStarted, Worker};
