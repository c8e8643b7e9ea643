//! Prints Rust's side of a small `ffi`, as the C side is printed.
#![allow(warnings)]

mod ffi {
    pub mod poll;
    pub mod sys {
        pub mod wait;
    }
}
mod libc;
mod made {
    use crate::ffi;

    include!("facts.rs");
}

fn main() {
    made::print();
}
