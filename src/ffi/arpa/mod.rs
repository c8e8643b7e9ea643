//! `<arpa/*.h>`.

pub mod inet;
