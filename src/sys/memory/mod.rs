//! Memory straight from the kernel, for programs without an allocator, and for several processes to share.
//!
//! | file | content |
//! |---|---|
//! | `map` | `mmap()` and `munmap()` |
//! | `vec` | [`MapVec`]: room for a number of elements |
//! | `strings` | [`CStrArray`]: `argv` and `envp` |
//! | `parent_only` | memory that forked processes do not have |
//! | `shared` | [`SharedWords`] and [`SharedNumbers`] |
//! | `stack` | [`Stack`], for a process that shares memory |
//!
//! # Example
//! ```
//! use mpserv::memory::MapVec;
//!
//! let mut numbers = MapVec::with_capacity(1000)?;
//! numbers.push(7)?;
//! assert_eq!(numbers[..], [7]);
//! # Ok::<(), mpserv::errno::Errno>(())
//! ```

mod map;
mod parent_only;
mod shared;
mod stack;
mod strings;
mod vec;

pub(crate) use parent_only::{ParentOnly, ParentOnlyBox, keep_from_children};
pub use shared::{SharedNumbers, SharedWords, empty_file};
pub(crate) use shared::{page_size, write_only_to};
pub use stack::{STACK_MIN, Stack};
pub use strings::{CStrArray, Mark};
pub use vec::MapVec;
