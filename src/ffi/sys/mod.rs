//! `<sys/*.h>`.

pub mod auxv;
pub mod file;
pub mod ioctl;
pub mod mman;
pub mod personality;
pub mod prctl;
pub mod resource;
pub mod signalfd;
pub mod single_threaded;
pub mod socket;
pub mod stat;
pub mod syscall;
pub mod time;
pub mod types;
pub mod un;
pub mod wait;
