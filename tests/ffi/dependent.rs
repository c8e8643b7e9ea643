//! A program that depends on `mpserv`. The program prints Rust's facts in the same form as the C side.
#![allow(warnings)]

use mpserv::ffi;

include!("facts.rs");

fn main() {
    print();
}
