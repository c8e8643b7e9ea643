//! `<net/*.h>`.

pub mod r#if;
