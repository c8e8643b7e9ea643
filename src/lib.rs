//! The classic Unix multi-process server, on raw libc and nothing else.
#![no_std]

pub mod ffi;
