//! Prints the Rust facts of a small `ffi`, in the same form as the C side.
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
